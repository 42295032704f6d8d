//! The signed answer to a gateway check, made once of the app's private key.

use std::error::Error;
use std::fmt;

use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;

use crate::verify::key::{Fingerprint, Hash, KeyError, PublicKey};

/// The answer of one app to a gateway check, in both charsets, and which key signed it; not the key.
#[derive(Debug, Clone)]
pub struct SignedAnswer {
    pub(super) gbk: Bytes,
    pub(super) utf8: Bytes,
    fingerprint: Fingerprint,
}

impl SignedAnswer {
    /// Signs the answer with the private key in `text`: PKCS#8 or PKCS#1, PEM or bare base64. The key is forgotten.
    ///
    /// RSA2 gives one signature for one text, and the text is ASCII: the same in either charset.
    pub fn sign(text: &[u8]) -> Result<Self, PrivateKeyError> {
        let pair = private_key(text)?;
        let unusable = |()| PrivateKeyError::Unusable;
        let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(|_unspecified| unusable(()))?;
        let public = PublicKey::parse(spki.as_ref()).map_err(|_error| unusable(()))?;
        let response = format!(
            "<success>true</success><biz_content>{}</biz_content>",
            BASE64_STANDARD.encode(public.spki())
        );
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), response.as_bytes(), &mut signature)
            .map_err(|_unspecified| unusable(()))?;
        // A private key whose parts do not belong together signs what nobody can verify.
        let digest = digest::digest(&digest::SHA256, response.as_bytes());
        if !public.verifies(&digest, Hash::Sha256, &signature) {
            return Err(PrivateKeyError::Unusable);
        }
        let sign = BASE64_STANDARD.encode(signature);
        let document = |encoding: &str| {
            Bytes::from(format!(
                "<?xml version=\"1.0\" encoding=\"{encoding}\"?><alipay><response>{response}</response>\
                 <sign>{sign}</sign><sign_type>RSA2</sign_type></alipay>"
            ))
        };
        Ok(Self { gbk: document("GBK"), utf8: document("UTF-8"), fingerprint: public.fingerprint() })
    }

    /// The fingerprint of the public half of the key that signed.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

/// The one private key in `text`: PKCS#8 or PKCS#1, PEM or bare base64.
pub(crate) fn private_key(text: &[u8]) -> Result<KeyPair, PrivateKeyError> {
    let der = der(text);
    // PKCS#8 and PKCS#1 cannot be mistaken for each other, and guides get their labels wrong.
    let pair =
        der.and_then(|der| KeyPair::from_pkcs8(&der).or_else(|_rejected| KeyPair::from_der(&der)).ok());
    pair.ok_or_else(|| match PublicKey::parse_allowing_sha1(text) {
        Ok(_) => PrivateKeyError::PublicKey,
        Err(KeyError::PrivateKey) => PrivateKeyError::Unusable,
        Err(KeyError::EncryptedPrivateKey) => PrivateKeyError::Encrypted,
        Err(KeyError::ContentKey { bytes }) => PrivateKeyError::ContentKey { bytes },
        Err(KeyError::Empty) => PrivateKeyError::Empty,
        Err(_) => PrivateKeyError::NoKey,
    })
}

/// The DER in `text`: of its one PEM block, or of its base64, broken into lines anywhere.
fn der(text: &[u8]) -> Option<Vec<u8>> {
    let text = str::from_utf8(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)).ok()?;
    let body = match text.split_once("-----BEGIN ") {
        None => text,
        Some((_, block)) => {
            let (label, body) = block.split_once("-----")?;
            let (body, after) = body.split_once(&format!("-----END {label}-----"))?;
            if after.contains("-----BEGIN ") {
                return None;
            }
            body
        }
    };
    let compact: Vec<u8> = body.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    BASE64_STANDARD.decode(compact).ok()
}

/// Why a text is no private key that answers a gateway check. `Display` says what to do, and repeats nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrivateKeyError {
    /// Nothing, or nothing but white space.
    Empty,
    /// A public key or a certificate.
    PublicKey,
    /// A private key under a password.
    Encrypted,
    /// The key of a symmetric cipher.
    ContentKey {
        /// The bytes of that key.
        bytes: usize,
    },
    /// A private key that cannot sign with RSA2.
    Unusable,
    /// Nothing that is known here.
    NoKey,
}

impl fmt::Display for PrivateKeyError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(out, "this is empty: {NAME}"),
            Self::PublicKey => {
                write!(out, "this is a public key or a certificate, which signs nothing: {NAME}")
            }
            Self::Encrypted => write!(
                out,
                "this private key is under a password: take it off with `openssl pkey`, and let only the owner read the file"
            ),
            Self::ContentKey { bytes } => write!(
                out,
                "this is a symmetric key of {bytes} bytes, which may belong into content_key_file: {NAME}"
            ),
            Self::Unusable => write!(
                out,
                "this private key cannot sign with RSA2, which takes one whole RSA key of 2,048 to 8,192 bits and the \
                 exponent 65,537: {NAME}"
            ),
            Self::NoKey => write!(out, "this is no private key of a form that is known here: {NAME}"),
        }
    }
}

impl Error for PrivateKeyError {}

const NAME: &str =
    "name the file of your app's own private key (应用私钥), PKCS#8 or PKCS#1, as PEM or bare base64";

#[cfg(test)]
mod tests;
