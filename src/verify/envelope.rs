//! The grammar of the envelope: what every parameter must look like before a key is asked.
//!
//! Strict grammars are what makes the signed text, in which nothing is escaped, readable in one way only: rules R3
//! to R6 of SECURITY.md.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use memchr::memmem;

use super::key::Hash;
use super::kind::{Kind, KnownParameters, Names, Role, is_only_a_gateway_check};
use crate::receive::form::{Form, is_name};
use crate::rejection::{Reason, Rejection};

/// What a notification claims about itself. Good for choosing a key, and for nothing else.
pub(super) struct Claims<'a> {
    pub(super) kind: Kind,
    pub(super) app_id: &'a [u8],
    pub(super) hash: Hash,
    /// Milliseconds since the epoch, where the kind has a time outside its content.
    pub(super) sent: Option<u64>,
    pub(super) signature: Vec<u8>,
}

/// The longest `sign`: base64 of the 1,024 bytes of a signature by a key of 8,192 bits.
const MAX_SIGN: usize = 1368;
/// What a genuine gateway check writes before and after its app's id.
const APP_ID_IN_XML: (&[u8], &[u8]) = (b"<AppId><![CDATA[", b"]]></AppId>");

impl<'a> Claims<'a> {
    /// Reads the envelope of `form`, by the grammar of its kind. `parameters` are those that mean something.
    pub(super) fn read(form: &'a Form, parameters: &KnownParameters) -> Result<Self, Rejection> {
        let sign = form.get("sign").filter(|sign| !sign.is_empty()).ok_or(Reason::Unsigned)?;
        let kind = Kind::of(form).ok_or_else(|| {
            Reason::UnsupportedKind.because("no msg_method, no notify_type, and no service that is known")
        })?;
        let sign_type = required(form, "sign_type", is_hash_name)?;
        let (app_id, sent) = match kind {
            Kind::Message => message(form)?,
            Kind::GatewayCheck => gateway_check(form)?,
            Kind::Flat => flat(form)?,
        };
        unambiguous(form, kind, parameters)?;
        let hash = if one_of(sign_type, &["RSA2"]) {
            Hash::Sha256
        } else if one_of(sign_type, &["RSA"]) {
            Hash::Sha1
        } else {
            return Err(Reason::HashNotAllowed.because("sign_type is neither RSA2 nor RSA"));
        };
        Ok(Self { kind, app_id, hash, sent, signature: signature(sign)? })
    }
}

/// The app and the time of a message-service notification.
fn message(form: &Form) -> Result<(&[u8], Option<u64>), Rejection> {
    required(form, "charset", is_charset)?;
    required(form, "msg_method", is_msg_method)?;
    required(form, "notify_id", is_notify_id)?;
    required(form, "version", |value| matches!(value, b"1.0" | b"1.1"))?;
    let encrypted = match form.get("encrypt_type") {
        // An empty one says what a missing one says, whether it was signed or is dropped.
        None | Some([]) => false,
        Some(value) if one_of(value, &["AES", "AES_V2", "SM4"]) => true,
        Some(_) => return Err(malformed("encrypt_type")),
    };
    required(form, "biz_content", if encrypted { is_base64 } else { |_| true })?;
    let sent = required(form, "utc_timestamp", is_timestamp)?;
    let sent = str::from_utf8(sent).ok().and_then(|digits| digits.parse().ok());
    Ok((required(form, "app_id", is_app_id)?, Some(sent.ok_or_else(|| malformed("utc_timestamp"))?)))
}

/// The app of a gateway check, which stands in its XML. It has no time outside.
fn gateway_check(form: &Form) -> Result<(&[u8], Option<u64>), Rejection> {
    if !is_only_a_gateway_check(form) {
        return Err(Reason::AmbiguousParameters.because("a gateway check has no such parameters"));
    }
    required(form, "charset", is_charset)?;
    let xml = required(form, "biz_content", |_| true)?;
    let (before, after) = APP_ID_IN_XML;
    let start = memmem::find(xml, before).map(|start| start.saturating_add(before.len()));
    let rest = start.and_then(|start| xml.get(start..)).unwrap_or_default();
    let app_id = memmem::find(rest, after).and_then(|end| rest.get(..end)).filter(|id| is_app_id(id));
    Ok((app_id.ok_or_else(|| malformed("biz_content"))?, None))
}

/// The app and the time of a flat notification.
///
/// One with an `app_id` always has `version` and `charset` too. The old partner API has none of the three.
fn flat(form: &Form) -> Result<(&[u8], Option<u64>), Rejection> {
    required(form, "notify_type", is_msg_method)?;
    required(form, "notify_id", is_flat_notify_id)?;
    let of_envelope = if form.get("app_id").is_some() { required } else { optional };
    of_envelope(form, "version", |value| matches!(value, b"1.0" | b"1.1"))?;
    of_envelope(form, "charset", is_charset)?;
    let time = required(form, "notify_time", |value| beijing_time(value).is_some())?;
    let app = Kind::Flat.app(form).ok_or_else(|| missing("app_id"))?;
    if is_app_id(app) { Ok((app, beijing_time(time))) } else { Err(malformed("app_id")) }
}

/// The value of the parameter `name`, which must keep to its grammar if it is there.
fn optional<'a>(
    form: &'a Form,
    name: &'static str,
    grammar: fn(&[u8]) -> bool,
) -> Result<&'a [u8], Rejection> {
    if form.get(name).is_some() { required(form, name, grammar) } else { Ok(&[]) }
}

/// The value of the parameter `name`, which must be there and keep to its grammar.
fn required<'a>(
    form: &'a Form,
    name: &'static str,
    grammar: fn(&[u8]) -> bool,
) -> Result<&'a [u8], Rejection> {
    match form.get(name) {
        None | Some([]) => Err(missing(name)),
        Some(value) if grammar(value) => Ok(value),
        Some(_) => Err(malformed(name)),
    }
}

/// Rule R6: no value may hold what reads as another parameter.
///
/// `biz_content` of a message or a gateway check may, because where it ends is told otherwise. Free text of flat
/// notifications may as well, if no other reading of the signed text comes of it: see [`is_harmless`].
fn unambiguous(form: &Form, kind: Kind, parameters: &KnownParameters) -> Result<(), Rejection> {
    let names = parameters.of(form.get("notify_type"));
    for (name, value) in form.iter() {
        if name == b"biz_content" && kind != Kind::Flat {
            continue;
        }
        let is_free_text = kind == Kind::Flat && names.role(name) == Some(Role::FreeText);
        if names_within(value).any(|found| !(is_free_text && is_harmless(found, name, form, names))) {
            let name = String::from_utf8_lossy(name).into_owned();
            return Err(Reason::AmbiguousParameters
                .because(format!("{name} holds `&name=`, which reads as another parameter")));
        }
    }
    Ok(())
}

/// Whether `&found=` in the free text `name` can be read as nothing but text, or as a parameter that means nothing.
///
/// A name that sorts before that of the text cannot follow it in the sorted text. A field that is no free text cannot
/// either if the parameter after the text sorts before it: it would have to swallow that one.
fn is_harmless(found: &[u8], name: &[u8], form: &Form, names: &Names) -> bool {
    match names.role(found) {
        _ if found < name => true,
        None => true,
        Some(Role::Envelope | Role::FreeText) => false,
        Some(Role::Field) => next_signed(name, form).is_some_and(|next| next <= found),
    }
}

/// The first parameter after `name` in the signed text, of those that are signed for certain.
///
/// Empty ones may not be, nor may `sign_type`, so whoever sends the notification can add them.
fn next_signed<'f>(name: &[u8], form: &'f Form) -> Option<&'f [u8]> {
    let signed = form.iter().filter(|(other, value)| {
        *other > name && !value.is_empty() && *other != b"sign" && *other != b"sign_type"
    });
    signed.map(|(other, _)| other).min()
}

/// Every `name` that stands as `&name=` in `value`.
fn names_within(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    memchr::memchr_iter(b'&', value).filter_map(|at| {
        let text = value.get(at.saturating_add(1)..)?;
        let end = memchr::memchr2(b'&', b'=', text).filter(|end| text.get(*end) == Some(&b'='))?;
        text.get(..end).filter(|name| is_name(name))
    })
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
        .map_err(|_error| Reason::BadSignature.because("sign is not canonical base64"))
}

fn missing(name: &'static str) -> Rejection {
    Reason::MissingParameter.because(InParameter(name, "is missing or empty"))
}

fn malformed(name: &'static str) -> Rejection {
    Reason::MalformedParameter.because(InParameter(name, "breaks its grammar"))
}

pub(crate) fn is_app_id(value: &[u8]) -> bool {
    (1..=20).contains(&value.len()) && value.iter().all(u8::is_ascii_digit)
}

pub(crate) fn is_notify_id(value: &[u8]) -> bool {
    value.len() <= 64 && is_id(value)
}

/// Flat notifications have the longer ids.
pub(crate) fn is_flat_notify_id(value: &[u8]) -> bool {
    value.len() <= 128 && is_id(value)
}

fn is_id(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
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

/// `sign_type` has the form of a name; which ones are allowed is another question.
fn is_hash_name(value: &[u8]) -> bool {
    value.len() <= 10 && value.iter().all(u8::is_ascii_alphanumeric)
}

/// `yyyy-MM-dd HH:mm:ss` in Beijing, in milliseconds since the epoch.
fn beijing_time(value: &[u8]) -> Option<u64> {
    const BEIJING: Offset = jiff::tz::offset(8);
    let text = str::from_utf8(value).ok().filter(|text| text.len() == 19)?;
    let time = DateTime::strptime("%Y-%m-%d %H:%M:%S", text).ok()?;
    u64::try_from(BEIJING.to_timestamp(time).ok()?.as_millisecond()).ok()
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
