//! The grammar of the envelope: what every parameter must look like before a key is asked.
//!
//! Strict grammars are what makes the signed text, in which nothing is escaped, readable in one way only: rules R3
//! to R6 of SECURITY.md.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::key::Hash;
use crate::receive::form::{Form, is_name};
use crate::rejection::{Reason, Rejection};

/// What a notification claims about itself. Good for choosing a key, and for nothing else.
pub(super) struct Claims<'a> {
    pub(super) app_id: &'a [u8],
    pub(super) hash: Hash,
    /// Milliseconds since the epoch.
    pub(super) utc_timestamp: u64,
    pub(super) signature: Vec<u8>,
}

/// The longest `sign`: base64 of the 1,024 bytes of a signature by a key of 8,192 bits.
const MAX_SIGN: usize = 1368;

impl<'a> Claims<'a> {
    /// Reads the envelope of a message-service notification.
    pub(super) fn read(form: &'a Form) -> Result<Self, Rejection> {
        if form.get("msg_method").is_none() && (form.get("service").or(form.get("notify_type"))).is_some() {
            return Err(Reason::UnsupportedKind
                .because("no msg_method: only messages of the message service are handled"));
        }
        let sign = form.get("sign").filter(|sign| !sign.is_empty()).ok_or(Reason::Unsigned)?;
        let required = |name, grammar: fn(&[u8]) -> bool| match form.get(name) {
            None | Some([]) => {
                Err(Reason::MissingParameter.because(InParameter(name, "is missing or empty")))
            }
            Some(value) if grammar(value) => Ok(value),
            Some(_) => Err(malformed(name)),
        };
        required("msg_method", is_msg_method)?;
        required("notify_id", is_notify_id)?;
        let app_id = required("app_id", is_app_id)?;
        let utc_timestamp = required("utc_timestamp", is_timestamp)?;
        required("version", |value| matches!(value, b"1.0" | b"1.1"))?;
        required("charset", is_charset)?;
        let encrypted = match form.get("encrypt_type") {
            None => false,
            Some(value) if one_of(value, &["AES", "AES_V2", "SM4"]) => true,
            Some(_) => return Err(malformed("encrypt_type")),
        };
        required("biz_content", if encrypted { is_base64 } else { |_| true })?;
        let sign_type =
            required("sign_type", |value| value.len() <= 10 && value.iter().all(u8::is_ascii_alphanumeric))?;
        unambiguous(form)?;

        let hash = if one_of(sign_type, &["RSA2"]) {
            Hash::Sha256
        } else if one_of(sign_type, &["RSA"]) {
            Hash::Sha1
        } else {
            return Err(Reason::HashNotAllowed.because("sign_type is neither RSA2 nor RSA"));
        };
        Ok(Self { app_id, hash, utc_timestamp: number(utc_timestamp)?, signature: signature(sign)? })
    }
}

/// Rule R6: no value but `biz_content`, which is one whole JSON object, may hold what reads as another parameter.
fn unambiguous(form: &Form) -> Result<(), Rejection> {
    for (name, value) in form.iter().filter(|(name, _)| *name != b"biz_content") {
        let mut after_ampersand = value.split(|byte| *byte == b'&').skip(1);
        if after_ampersand.any(|text| {
            text.split(|byte| *byte == b'=')
                .next()
                .is_some_and(|start| start.len() < text.len() && is_name(start))
        }) {
            let name = String::from_utf8_lossy(name).into_owned();
            return Err(Reason::AmbiguousParameters
                .because(format!("{name} holds `&name=`, which reads as another parameter")));
        }
    }
    Ok(())
}

fn signature(sign: &[u8]) -> Result<Vec<u8>, Rejection> {
    if sign.len() > MAX_SIGN {
        return Err(Reason::BadSignature.because("sign is too long for any key"));
    }
    if sign.contains(&b' ') {
        return Err(Reason::BadSignature
            .because("sign holds a space: a `+` was not percent-encoded, or was decoded twice"));
    }
    BASE64_STANDARD
        .decode(sign)
        .map_err(|error| Reason::BadSignature.because(format!("sign is not canonical base64: {error}")))
}

fn number(digits: &[u8]) -> Result<u64, Rejection> {
    str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| malformed("utc_timestamp"))
}

fn malformed(name: &'static str) -> Rejection {
    Reason::MalformedParameter.because(InParameter(name, "breaks its grammar"))
}

pub(crate) fn is_app_id(value: &[u8]) -> bool {
    (1..=20).contains(&value.len()) && value.iter().all(u8::is_ascii_digit)
}

pub(crate) fn is_notify_id(value: &[u8]) -> bool {
    (1..=64).contains(&value.len())
        && value.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

pub(crate) fn is_msg_method(value: &[u8]) -> bool {
    (1..=100).contains(&value.len())
        && value.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'))
}

fn is_timestamp(value: &[u8]) -> bool {
    value.len() == 13 && value.iter().all(u8::is_ascii_digit)
}

fn is_charset(value: &[u8]) -> bool {
    one_of(value, &["utf-8", "utf8", "gbk", "gb2312", "gb18030"])
}

fn is_base64(value: &[u8]) -> bool {
    BASE64_STANDARD.decode(value).is_ok()
}

fn one_of(value: &[u8], list: &[&str]) -> bool {
    list.iter().any(|item| item.as_bytes().eq_ignore_ascii_case(value))
}

/// What is wrong with a parameter, by its name.
#[derive(Debug)]
struct InParameter(&'static str, &'static str);

impl fmt::Display for InParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.1)
    }
}

impl std::error::Error for InParameter {}
