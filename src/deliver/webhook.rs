//! The headers of Standard Webhooks, by which the app knows that a request is the sidecar's, and not an old one.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>, signatures of
//! version 1.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac::{Context, HMAC_SHA256, Key};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::header::{HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue};

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// What stands before a secret, so that people and scanners know it for one.
const PREFIX: &[u8] = b"whsec_";
/// How many bytes the specification wants a secret to have.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// Signs requests to the upstream with a secret that the app has too.
///
/// `Debug` prints nothing of it.
pub struct Signer(Key);

impl Signer {
    /// Reads the secret in `text`: base64, with `whsec_` before it or without.
    ///
    /// Space and line breaks around it and a UTF-8 byte-order mark are skipped, and nothing else is: the app's library
    /// has to read the same bytes out of the same text.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, SecretError> {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text).trim_ascii();
        if text.is_empty() {
            return Err(SecretError::Empty);
        }
        if text.starts_with(b"-----") {
            return Err(SecretError::Pem);
        }
        if text.starts_with(b"whsk_") || text.starts_with(b"whpk_") {
            return Err(SecretError::KeyPair);
        }
        if text.iter().any(u8::is_ascii_whitespace) {
            return Err(SecretError::NotOneWord);
        }
        let base64 = text.strip_prefix(PREFIX).unwrap_or(text);
        let secret = BASE64_STANDARD.decode(base64).map_err(|_quotes_a_byte| SecretError::NotBase64)?;
        if !LENGTHS.contains(&secret.len()) {
            return Err(SecretError::Length(secret.len()));
        }
        Ok(Self(Key::new(HMAC_SHA256, &secret)))
    }

    /// Adds the three headers for the message `id` with exactly this `body`, sent at `now`.
    pub(super) fn sign(
        &self,
        id: &str,
        now: SystemTime,
        body: &[u8],
        headers: &mut HeaderMap,
    ) -> Result<(), InvalidHeaderValue> {
        // A clock before 1970 is wrong anyhow, and 0 lets the app refuse what it cannot date.
        let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        headers.insert(WEBHOOK_ID, HeaderValue::from_str(id)?);
        headers.insert(WEBHOOK_TIMESTAMP, HeaderValue::from(seconds));
        headers.insert(WEBHOOK_SIGNATURE, HeaderValue::from_str(&self.signature(id, seconds, body))?);
        Ok(())
    }

    fn signature(&self, id: &str, seconds: u64, body: &[u8]) -> String {
        let mut context = Context::with_key(&self.0);
        context.update(format!("{id}.{seconds}.").as_bytes());
        context.update(body);
        format!("v1,{}", BASE64_STANDARD.encode(context.sign()))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

/// Why a text is no secret. Nothing of the text is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SecretError {
    /// There is nothing.
    Empty,
    /// A key or a certificate.
    Pem,
    /// Half of a key pair, for signatures of version `v1a`.
    KeyPair,
    /// Several words or lines.
    NotOneWord,
    /// Something else than base64.
    NotBase64,
    /// So many bytes, which are too few or too many.
    Length(usize),
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("this is empty"),
            Self::Pem => {
                f.write_str("this is a key or a certificate in PEM, and a secret is random bytes in base64")
            }
            Self::KeyPair => {
                f.write_str("this is of a key pair (v1a), and what is signed here is v1, with a secret")
            }
            Self::NotOneWord => {
                f.write_str("there is space or a line break in it, and one secret is one word")
            }
            Self::NotBase64 => f.write_str("this is not base64 with the characters + and / and its padding"),
            Self::Length(bytes) => write!(
                f,
                "it has {bytes} bytes once decoded, and {} to {} are allowed",
                LENGTHS.start(),
                LENGTHS.end()
            ),
        }?;
        f.write_str("; make one with `openssl rand -base64 32`, and give it to the app too")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example of the specification's own libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn a_signature_is_that_of_the_published_example() {
        let signer = Signer::parse(SECRET.as_bytes()).unwrap();
        let signature =
            signer.signature("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_is_the_same_in_each_of_its_forms() {
        let signature = |text: &str| Signer::parse(text.as_bytes()).unwrap().signature("a", 1, b"b");
        let bare = SECRET.strip_prefix("whsec_").unwrap();
        for form in [bare, &format!("{SECRET}\n"), &format!(" {bare}\r\n"), &format!("\u{feff}{SECRET}")] {
            assert_eq!(signature(form), signature(SECRET), "{form:?}");
        }
    }

    #[test]
    fn what_is_no_secret_is_told_what_it_is() {
        let of = |bytes: usize| BASE64_STANDARD.encode(vec![0; bytes]);
        for bytes in [24, 25, 26, 63, 64] {
            assert!(Signer::parse(of(bytes).as_bytes()).is_ok(), "{bytes}");
        }
        let two = format!("{SECRET}\n{SECRET}");
        for (text, error) in [
            ("", SecretError::Empty),
            (" \r\n", SecretError::Empty),
            ("-----BEGIN PRIVATE KEY-----\nMIIE", SecretError::Pem),
            ("whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", SecretError::KeyPair),
            ("whpk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", SecretError::KeyPair),
            (&two, SecretError::NotOneWord),
            ("a long and secret sentence", SecretError::NotOneWord),
            ("correct-horse-battery-staple-for-all", SecretError::NotBase64),
            (of(25).trim_end_matches('='), SecretError::NotBase64),
            ("WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", SecretError::NotBase64),
            (&of(23), SecretError::Length(23)),
            (&of(65), SecretError::Length(65)),
            ("whsec_", SecretError::Length(0)),
        ] {
            assert_eq!(Signer::parse(text.as_bytes()).err(), Some(error), "{text}");
        }
    }

    #[test]
    fn a_signer_shows_nothing_of_its_secret() {
        assert_eq!(format!("{:?}", Signer::parse(SECRET.as_bytes()).unwrap()), "Signer { .. }");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<Vec<u8>>()) {
            drop(Signer::parse(&text));
        }
    }
}
