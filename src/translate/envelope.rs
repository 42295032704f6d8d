//! The parameters around the content: found in the form, decoded, written as JSON.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::temporal::DateTimePrinter;

use super::charset::Charset;
use super::cipher::ContentKeys;
use super::violation::{Breach, Place, Violations};
use crate::receive::form::Form;
use crate::rejection::{Reason, Rejection};

/// The parameters of a message-service notification, each decoded.
///
/// `sign`, `sign_type` and `charset` have done their work and are left behind.
pub(super) struct Envelope<'f> {
    pub(super) notify_id: Cow<'f, str>,
    pub(super) msg_method: Cow<'f, str>,
    pub(super) app_id: Cow<'f, str>,
    pub(super) biz_content: Cow<'f, str>,
    pub(super) was_encrypted: bool,
    version: Cow<'f, str>,
    pub(super) sent_at: Timestamp,
    /// In the order of the documented table, but without those that were not sent.
    optional: [Option<Cow<'f, str>>; OPTIONAL.len()],
    /// Parameters that are not documented, in the order received.
    extra: Vec<(Cow<'f, str>, Cow<'f, str>)>,
}

/// The parameters that a message may carry beside the required ones, in the order of the documented table.
const OPTIONAL: [&str; 7] =
    ["msg_type", "msg_uid", "msg_app_id", "notify_type", NOTIFY_TIME, "auth_app_id", "merchant_app_id"];

/// The one optional parameter that is not plain text, but a time in Beijing.
const NOTIFY_TIME: &str = "notify_time";

impl<'f> Envelope<'f> {
    /// Finds and decodes the parameters of `form`; encrypted content is decrypted with the app's key of `content_keys`.
    pub(super) fn read(form: &'f Form, content_keys: &ContentKeys) -> Result<Self, Rejection> {
        let charset = form.get("charset").ok_or_else(|| missing("charset"))?;
        let charset =
            Charset::named(charset).ok_or_else(|| malformed("charset", "not a charset of the list"))?;
        let [mut notify_id, mut msg_method, mut app_id, mut version, mut utc_timestamp, mut biz_content] =
            [const { None }; 6];
        let mut optional = [const { None }; OPTIONAL.len()];
        let mut extra = Vec::new();
        for (name, value) in form.iter() {
            let required = match name {
                b"notify_id" => Some(&mut notify_id),
                b"msg_method" => Some(&mut msg_method),
                b"app_id" => Some(&mut app_id),
                b"version" => Some(&mut version),
                b"utc_timestamp" => Some(&mut utc_timestamp),
                b"biz_content" => Some(&mut biz_content),
                b"sign" | b"sign_type" | b"charset" | b"encrypt_type" => continue,
                _ => None,
            };
            let text = decode(charset, name, value)?;
            match required.or_else(|| slot_of(name, &mut optional)) {
                Some(slot) => *slot = Some(text),
                None => extra.push((decode(charset, name, name)?, text)),
            }
        }
        let decrypted = content_keys.open(form, charset)?;
        let utc_timestamp = utc_timestamp.ok_or_else(|| missing("utc_timestamp"))?;
        Ok(Self {
            notify_id: notify_id.ok_or_else(|| missing("notify_id"))?,
            msg_method: msg_method.ok_or_else(|| missing("msg_method"))?,
            app_id: app_id.ok_or_else(|| missing("app_id"))?,
            version: version.ok_or_else(|| missing("version"))?,
            sent_at: instant(&utc_timestamp)
                .ok_or_else(|| malformed("utc_timestamp", "not in milliseconds"))?,
            was_encrypted: decrypted.is_some(),
            biz_content: decrypted.map(Cow::Owned).or(biz_content).ok_or_else(|| missing("biz_content"))?,
            optional,
            extra,
        })
    }

    /// Writes what stands before `biz_content`, from the opening brace to the last comma.
    pub(super) fn write_head(&self, out: &mut Vec<u8>, violations: &mut Violations) -> Result<(), Rejection> {
        out.extend_from_slice(br#"{"notify_id":"#);
        quote(&self.notify_id, out)?;
        out.extend_from_slice(br#","msg_method":"#);
        quote(&self.msg_method, out)?;
        out.extend_from_slice(br#","app_id":"#);
        quote(&self.app_id, out)?;
        out.extend_from_slice(br#","version":"#);
        quote(&self.version, out)?;
        out.extend_from_slice(br#","utc_timestamp":"#);
        serde_json::to_writer(&mut *out, &self.sent_at.as_millisecond()).map_err(internal)?;
        out.extend_from_slice(br#","sent_at":""#);
        SENT_AT.print_timestamp(&self.sent_at, &mut *out).map_err(internal)?;
        out.extend_from_slice(br#"","#);
        for (name, value) in OPTIONAL.into_iter().zip(&self.optional) {
            let Some(value) = value else { continue };
            quote(name, out)?;
            out.push(b':');
            if name == NOTIFY_TIME {
                write_beijing_time(value, out, violations)?;
            } else {
                quote(value, out)?;
            }
            out.push(b',');
        }
        Ok(())
    }

    /// Writes what stands after `biz_content`, to the closing brace.
    pub(super) fn write_tail(&self, out: &mut Vec<u8>) -> Result<(), Rejection> {
        for (index, (name, value)) in self.extra.iter().enumerate() {
            out.extend_from_slice(if index == 0 { br#","extra":{"# } else { b"," });
            quote(name, out)?;
            out.push(b':');
            quote(value, out)?;
        }
        out.extend_from_slice(if self.extra.is_empty() { b"}" } else { b"}}" });
        Ok(())
    }
}

/// Where the value of the optional parameter `name` belongs.
fn slot_of<'s, T>(name: &[u8], optional: &'s mut [T; OPTIONAL.len()]) -> Option<&'s mut T> {
    OPTIONAL.iter().zip(optional).find_map(|(known, slot)| (known.as_bytes() == name).then_some(slot))
}

/// RFC 3339 in UTC, with milliseconds even where they are 0.
const SENT_AT: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

/// The instant that lies the given milliseconds after the epoch.
fn instant(milliseconds: &str) -> Option<Timestamp> {
    Timestamp::from_millisecond(milliseconds.parse().ok()?).ok()
}

/// Writes the time `text` as RFC 3339, or, if it is not a real one, as it came.
fn write_beijing_time(text: &str, out: &mut Vec<u8>, violations: &mut Violations) -> Result<(), Rejection> {
    let is_shaped = text.len() == "0000-00-00 00:00:00".len()
        && text.bytes().zip("0000-00-00 00:00:00".bytes()).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            _ => byte == shape,
        });
    // A leap second would be read as the second before it, and Beijing time has none.
    let is_real = is_shaped && !text.ends_with(":60") && text.parse::<DateTime>().is_ok();
    match text.split_once(' ') {
        Some((date, time)) if is_real => {
            for part in ["\"", date, "T", time, "+08:00\""] {
                out.extend_from_slice(part.as_bytes());
            }
            Ok(())
        }
        _ => {
            violations.add(&Place::top(NOTIFY_TIME), Breach::NotATime);
            quote(text, out)
        }
    }
}

/// Writes `text` as a JSON string.
fn quote(text: &str, out: &mut Vec<u8>) -> Result<(), Rejection> {
    serde_json::to_writer(out, text).map_err(internal)
}

fn decode<'f>(charset: Charset, name: &[u8], value: &'f [u8]) -> Result<Cow<'f, str>, Rejection> {
    let text = charset.decode(value);
    text.ok_or_else(|| {
        Reason::MalformedText.because(format!("{}: not text in its charset", name.escape_ascii()))
    })
}

fn missing(name: &str) -> Rejection {
    Reason::MissingParameter.because(name)
}

fn malformed(name: &str, what: &str) -> Rejection {
    Reason::MalformedParameter.because(format!("{name}: {what}"))
}

/// Writing to memory does not fail, so this is never seen.
fn internal(error: impl std::error::Error + Send + Sync + 'static) -> Rejection {
    Reason::Internal.because(error)
}
