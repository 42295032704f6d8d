//! A public key of Alipay's, in any form in which its users have it.
//!
//! Every form of one key makes the same [`PublicKey`]; whatever is not exactly one RSA key that RSA2 allows is a
//! [`KeyError`], which tells its owner what it is instead.

mod certificate;
mod error;
mod outline;
mod source;
#[cfg(test)]
mod tests;

use std::fmt;

use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::signature::{
    ParsedPublicKey, RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256,
};
use der::asn1::{AnyRef, BitStringRef, UintRef};
use der::{Decode, Encode};
use jiff::Timestamp;
use pkcs1::RsaPublicKey;
use x509_cert::spki::{AlgorithmIdentifierRef, ObjectIdentifier, SubjectPublicKeyInfoRef};

pub use self::certificate::CertificateFacts;
pub use self::error::KeyError;
pub use self::source::Wrapping;

use self::outline::Document;

/// An RSA public key that verifies notifications: 2,048 to 8,192 bits (from 1,024 where SHA-1 is allowed), exponent
/// 65,537.
///
/// `Debug` prints what it is, not all its bytes.
pub struct PublicKey {
    spki: Box<[u8]>,
    fingerprint: Fingerprint,
    bits: usize,
    form: KeyForm,
    certificate: Option<CertificateFacts>,
    sha256: Option<ParsedPublicKey>,
    sha1: Option<ParsedPublicKey>,
}

/// The hash under a signature. The configuration chooses it, never the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hash {
    /// SHA-256, which Alipay calls `RSA2`.
    Sha256,
    /// SHA-1, which Alipay calls `RSA`.
    Sha1,
}

/// In which form a key came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyForm {
    /// A `SubjectPublicKeyInfo`, as the console has it.
    Spki(Wrapping),
    /// An `RSAPublicKey` of PKCS#1.
    Pkcs1(Wrapping),
    /// An X.509 certificate.
    Certificate(Wrapping),
}

impl fmt::Display for KeyForm {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spki(wrapping) => write!(out, "public key, {wrapping}"),
            Self::Pkcs1(wrapping) => write!(out, "PKCS#1 public key, {wrapping}"),
            Self::Certificate(wrapping) => write!(out, "X.509 certificate, {wrapping}"),
        }
    }
}

/// The SHA-256 of a key's `SubjectPublicKeyInfo`, by which people tell keys apart.
///
/// `Display` and `Debug` print `SHA256:` and 64 lower-case hexadecimal digits, as in
/// `openssl pkey -pubin -outform DER | sha256sum`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    fn of(spki: &[u8]) -> Self {
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(digest::digest(&digest::SHA256, spki).as_ref()) {
            *to = *from;
        }
        Self(bytes)
    }

    /// The hash itself.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SHA256:{}", hex(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl PublicKey {
    /// Reads the one key in `text`, for RSA2 alone.
    ///
    /// It takes bare base64 with any line breaks, PEM and DER; of a `SubjectPublicKeyInfo`, a PKCS#1 key or an X.509
    /// certificate. Of a bundle of certificates, the first counts. A UTF-8 byte-order mark is skipped.
    pub fn parse(text: &[u8]) -> Result<Self, KeyError> {
        let (rsa, form, certificate) = read(text)?;
        rsa.require_bits(2_048)?;
        Self::new(rsa, form, certificate, false)
    }

    /// Reads the one key in `text` as [`parse`](Self::parse) does, for RSA2 and for RSA, which is SHA-1. A key of under
    /// 2,048 bits is allowed, and verifies SHA-1 only.
    pub fn parse_allowing_sha1(text: &[u8]) -> Result<Self, KeyError> {
        let (rsa, form, certificate) = read(text)?;
        rsa.require_bits(1_024)?;
        Self::new(rsa, form, certificate, true)
    }

    /// The SHA-256 of the key's canonical `SubjectPublicKeyInfo`: the same for every form of one key.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The canonical `SubjectPublicKeyInfo`, as DER.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The bits of the modulus.
    pub fn bits(&self) -> usize {
        self.bits
    }

    /// The bytes of the modulus, and so of each signature.
    pub fn modulus_len(&self) -> usize {
        self.bits.div_ceil(8)
    }

    /// In which form the key came.
    pub fn form(&self) -> KeyForm {
        self.form
    }

    /// What the certificate said, if the key came in one.
    pub fn certificate(&self) -> Option<&CertificateFacts> {
        self.certificate.as_ref()
    }

    /// What the key's owner should know at the time `now`, a sentence each; nothing of it stops the key from working.
    pub fn warnings(&self, now: Timestamp) -> Vec<String> {
        self.certificate.as_ref().map(|facts| facts.warnings(now)).unwrap_or_default()
    }

    /// Whether `signature` is this key's over `digest`, which is of `hash`.
    ///
    /// A signature of another length costs nothing, and neither does a hash that was not allowed.
    pub(crate) fn verifies(&self, digest: &Digest, hash: Hash, signature: &[u8]) -> bool {
        let key = match hash {
            Hash::Sha256 => self.sha256.as_ref(),
            Hash::Sha1 => self.sha1.as_ref(),
        };
        signature.len() == self.modulus_len()
            && key.is_some_and(|key| key.verify_digest_sig(digest, signature).is_ok())
    }

    fn new(
        rsa: Rsa,
        form: KeyForm,
        certificate: Option<CertificateFacts>,
        allow_sha1: bool,
    ) -> Result<Self, KeyError> {
        let parse =
            |algorithm| ParsedPublicKey::new(algorithm, &rsa.spki).map_err(|_rejected| KeyError::Unusable);
        Ok(Self {
            sha256: (rsa.bits >= 2_048).then(|| parse(&RSA_PKCS1_2048_8192_SHA256)).transpose()?,
            sha1: allow_sha1.then(|| parse(&RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY)).transpose()?,
            fingerprint: Fingerprint::of(&rsa.spki),
            bits: rsa.bits,
            spki: rsa.spki.into_boxed_slice(),
            form,
            certificate,
        })
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("PublicKey")
            .field("fingerprint", &self.fingerprint)
            .field("bits", &self.bits)
            .field("form", &self.form)
            .finish_non_exhaustive()
    }
}

/// An RSA key of Alipay's exponent and any size.
struct Rsa {
    spki: Vec<u8>,
    bits: usize,
}

/// The key in `text`, whatever its form.
fn read(text: &[u8]) -> Result<(Rsa, KeyForm, Option<CertificateFacts>), KeyError> {
    let source = source::read(text)?;
    match source.document {
        Document::Spki => Ok((Rsa::of_spki(&source.der)?, KeyForm::Spki(source.wrapping), None)),
        Document::Pkcs1 => Ok((Rsa::of_pkcs1(&source.der)?, KeyForm::Pkcs1(source.wrapping), None)),
        Document::Certificate => {
            let (facts, spki) = CertificateFacts::read(&source.der)?;
            Ok((Rsa::of_spki(&spki)?, KeyForm::Certificate(source.wrapping), Some(facts)))
        }
    }
}

impl Rsa {
    fn of_spki(der: &[u8]) -> Result<Self, KeyError> {
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(KeyError::Malformed)?;
        require_rsa(&info.algorithm)?;
        let key = Self::of_pkcs1(info.subject_public_key.as_bytes().ok_or(KeyError::NotCanonical)?)?;
        if key.spki == der { Ok(key) } else { Err(KeyError::NotCanonical) }
    }

    fn of_pkcs1(der: &[u8]) -> Result<Self, KeyError> {
        let key = RsaPublicKey::<UintRef<'_>>::from_der(der).map_err(KeyError::Malformed)?;
        let modulus = key.modulus.as_bytes();
        if key.public_exponent.as_bytes() != [1, 0, 1] {
            return Err(KeyError::Exponent);
        }
        if modulus.last().is_none_or(|byte| byte % 2 == 0) {
            return Err(KeyError::EvenModulus);
        }
        let spki = SubjectPublicKeyInfoRef {
            algorithm: pkcs1::ALGORITHM_ID,
            subject_public_key: BitStringRef::from_bytes(der).map_err(KeyError::Malformed)?,
        };
        if key.to_der().map_err(KeyError::Malformed)? != der {
            return Err(KeyError::NotCanonical);
        }
        Ok(Self { spki: spki.to_der().map_err(KeyError::Malformed)?, bits: bits(modulus) })
    }

    fn require_bits(&self, least: usize) -> Result<(), KeyError> {
        if (least..=8_192).contains(&self.bits) {
            Ok(())
        } else {
            Err(KeyError::Bits { bits: self.bits, least })
        }
    }
}

/// Refuses the keys of other algorithms, each by its name.
fn require_rsa(algorithm: &AlgorithmIdentifierRef<'_>) -> Result<(), KeyError> {
    let curve = || algorithm.parameters.map(AnyRef::decode_as::<ObjectIdentifier>);
    match algorithm.oid {
        pkcs1::ALGORITHM_OID => Ok(()),
        EC if matches!(curve(), Some(Ok(SM2))) => Err(KeyError::Sm2Key),
        EC => Err(KeyError::EcKey),
        ED25519 => Err(KeyError::Ed25519Key),
        other => Err(KeyError::OtherAlgorithm { oid: other.to_string() }),
    }
}

/// `id-ecPublicKey`, RFC 5480.
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// The curve of SM2, GM/T 0006.
const SM2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.156.10197.1.301");
/// `id-Ed25519`, RFC 8410.
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// The bits of a number without leading zero bytes.
fn bits(number: &[u8]) -> usize {
    let unused =
        number.first().map(|byte| byte.leading_zeros()).and_then(|zeros| usize::try_from(zeros).ok());
    number.len().saturating_mul(8).saturating_sub(unused.unwrap_or_default())
}

/// `bytes` in lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0x0f)]).collect()
}
