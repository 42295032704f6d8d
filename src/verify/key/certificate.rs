//! What a certificate says about the key in it.

use der::{Decode, Encode};
use jiff::{SignedDuration, Timestamp};
use x509_cert::Certificate;
use x509_cert::name::Name;
use x509_cert::time::Time;

use super::error::KeyError;

/// What the certificate of a key says. None of it is verified: Alipay's own libraries check no chain either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Whose key it is, as RFC 4514 writes names.
    pub subject: String,
    /// Who says so, as RFC 4514 writes names.
    pub issuer: String,
    /// The serial number, in lower-case hexadecimal digits.
    pub serial: String,
    /// When the certificate begins to be valid.
    pub not_before: Timestamp,
    /// When the certificate ceases to be valid.
    pub not_after: Timestamp,
}

impl CertificateFacts {
    /// The facts of a certificate, and its `SubjectPublicKeyInfo`.
    pub(super) fn read(der: &[u8]) -> Result<(Self, Vec<u8>), KeyError> {
        let certificate = Certificate::from_der(der).map_err(KeyError::Malformed)?;
        let signed = certificate.tbs_certificate();
        let facts = Self {
            subject: printable(signed.subject()),
            issuer: printable(signed.issuer()),
            serial: super::hex(signed.serial_number().as_bytes()),
            not_before: timestamp(signed.validity().not_before),
            not_after: timestamp(signed.validity().not_after),
        };
        Ok((facts, signed.subject_public_key_info().to_der().map_err(KeyError::Malformed)?))
    }

    /// The facts of a certificate whose key need not be one of Alipay's.
    pub(crate) fn of(der: &[u8]) -> Result<Self, KeyError> {
        Self::read(der).map(|(facts, _)| facts)
    }

    /// What its owner should know about its dates at the time `now`, a sentence each; `renew` says what to do.
    pub(crate) fn date_warnings(&self, now: Timestamp, renew: &str) -> Vec<String> {
        let mut warnings = Vec::new();
        if now < self.not_before {
            warnings.push(format!(
                "the certificate is not valid before {}: look whether this clock is right",
                self.not_before
            ));
        }
        if self.not_after < now {
            warnings.push(format!("the certificate expired on {}: {renew}", self.not_after));
        } else if self.not_after.duration_since(now) < SOON {
            warnings.push(format!("the certificate expires on {}: {renew}", self.not_after));
        }
        warnings
    }

    /// What its owner should know about the certificate of Alipay's at the time `now`, a sentence each.
    pub(super) fn warnings(&self, now: Timestamp) -> Vec<String> {
        let mut warnings = self.date_warnings(now, DOWNLOAD);
        if self.is_of_a_sandbox() {
            warnings.push(format!(
                "the certificate comes from a sandbox or a test ({}): real notifications need the one of production",
                self.issuer
            ));
        }
        if self.subject == self.issuer {
            warnings.push(
                "the certificate is issued by its own key, so it is not Alipay's: in a bundle, Alipay's comes first"
                    .to_owned(),
            );
        }
        warnings
    }

    /// Alipay's sandbox certificates are issued by an "Ant Financial Certification Authority … Test", or by a name with
    /// "sandbox" in it. Other names of it may exist, so silence proves nothing, and "test" counts as a whole word only.
    pub(crate) fn is_of_a_sandbox(&self) -> bool {
        let issuer = self.issuer.to_lowercase();
        issuer.contains("sandbox")
            || issuer.contains("沙箱")
            || issuer.split(|character: char| !character.is_alphanumeric()).any(|word| word == "test")
    }
}

/// How long before its end a certificate is worth a warning.
const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);

const DOWNLOAD: &str = "download alipayCertPublicKey_RSA2.crt from the console again";

/// `name` on one line, whatever is in it.
fn printable(name: &Name) -> String {
    let mut text = String::new();
    for character in name.to_string().chars() {
        if character.is_control() {
            text.extend(character.escape_unicode());
        } else {
            text.push(character);
        }
    }
    text
}

/// "No end" is a date beyond the last that jiff knows, and stays the last.
fn timestamp(time: Time) -> Timestamp {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}
