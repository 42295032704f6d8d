//! The certificate of a throwaway key: just enough X.509 for whoever reads certificates to read it.

use std::str::FromStr;

use aws_lc_rs::digest;
use der::asn1::{Any, BitString};
use der::{DateTime, Decode, Encode, Sequence};
use x509_cert::Version;
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifierOwned, ObjectIdentifier, SubjectPublicKeyInfoOwned};
use x509_cert::time::Validity;

/// A certificate of the key `spki`, which `sign` signs with that very key.
///
/// It is valid from 2020 to 2049, whenever it is made: nothing about a throwaway key depends on the day.
pub(super) fn self_signed(spki: &[u8], sign: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let signed = signed_part(spki).ok()?;
    let signature = sign(&signed.to_der().ok()?)?;
    let certificate = SelfSigned {
        algorithm: signed.algorithm.clone(),
        signature: BitString::from_bytes(&signature).ok()?,
        signed,
    };
    certificate.to_der().ok()
}

/// `Certificate`, RFC 5280, section 4.1. Those of `x509_cert` can only be read.
#[derive(Sequence)]
struct SelfSigned {
    signed: SignedPart,
    algorithm: AlgorithmIdentifierOwned,
    signature: BitString,
}

/// `TBSCertificate`, RFC 5280, section 4.1, without extensions.
#[derive(Sequence)]
struct SignedPart {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    version: Version,
    serial_number: SerialNumber,
    algorithm: AlgorithmIdentifierOwned,
    issuer: Name,
    validity: Validity,
    subject: Name,
    key: SubjectPublicKeyInfoOwned,
}

fn signed_part(spki: &[u8]) -> der::Result<SignedPart> {
    let name = Name::from_str("CN=throwaway key of alipay-sidecar keygen")?;
    // One name issues many certificates, so the number has to tell them apart.
    let number = digest::digest(&digest::SHA256, spki);
    Ok(SignedPart {
        version: Version::V3,
        serial_number: SerialNumber::new(number.as_ref().get(..16).unwrap_or_default())?,
        algorithm: AlgorithmIdentifierOwned { oid: SHA256_WITH_RSA, parameters: Some(Any::null()) },
        issuer: name.clone(),
        validity: Validity::new(
            DateTime::new(2020, 1, 1, 0, 0, 0)?.into(),
            DateTime::new(2049, 12, 31, 23, 59, 59)?.into(),
        ),
        subject: name,
        key: SubjectPublicKeyInfoOwned::from_der(spki)?,
    })
}

/// `sha256WithRSAEncryption`, RFC 4055.
const SHA256_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
