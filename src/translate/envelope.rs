//! The parameters around the content: found in the form, decoded, written as JSON.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;

use super::catalogue::{ContentPlace, Naming};
use super::charset::Charset;
use super::cipher::ContentKeys;
use super::parameters;
use super::typed;
use super::violation::{Breach, Place, Violations};
use crate::rejection::{Reason, Rejection};
use crate::verify::Verified;
use crate::verify::kind::Kind;

/// A parameter, decoded: its name and its value.
type Parameter<'f> = (Cow<'f, str>, Cow<'f, str>);

/// The parameters of a notification, each decoded.
///
/// `sign`, `sign_type` and `charset` have done their work and are left behind.
pub(super) struct Envelope<'f> {
    pub(super) notify_id: Cow<'f, str>,
    /// The parameter that names the kind of message.
    naming: Naming,
    /// The name.
    pub(super) name: Cow<'f, str>,
    /// The app with whose keys it was verified, under the name of that parameter or another.
    pub(super) app: &'f str,
    pub(super) sent_at: Timestamp,
    pub(super) content: Content<'f>,
    /// Parameters outside the envelope, in the order received: the content, or beside it.
    pub(super) rest: Vec<Parameter<'f>>,
    app_id: Option<Cow<'f, str>>,
    version: Option<Cow<'f, str>>,
    has_utc_timestamp: bool,
    /// In the order of the documented table, but without those that were not sent.
    optional: [Option<Cow<'f, str>>; OPTIONAL.len()],
}

/// Where the content of a notification stands.
pub(super) enum Content<'f> {
    /// In the JSON of `biz_content`.
    Json {
        /// The JSON.
        text: Cow<'f, str>,
        /// Whether it was decrypted, so that whatever is wrong with it may be the key's fault.
        was_encrypted: bool,
    },
    /// It is the parameters outside the envelope.
    Parameters,
}

/// The parameters that a notification may carry beside the required ones, in the order of the documented table.
pub(crate) const OPTIONAL: [&str; 7] =
    ["msg_type", "msg_uid", "msg_app_id", NOTIFY_TYPE, NOTIFY_TIME, "auth_app_id", "merchant_app_id"];

/// The one optional parameter that names flat notifications.
pub(crate) const NOTIFY_TYPE: &str = "notify_type";
/// The one optional parameter that is not plain text, but a time in Beijing.
pub(crate) const NOTIFY_TIME: &str = "notify_time";

impl<'f> Envelope<'f> {
    /// Finds and decodes the parameters of a notification that `naming` names, whose content stands at `place`, and whose
    /// bytes are text in `charset`; encrypted content is decrypted with the app's key of `content_keys`.
    pub(super) fn read(
        verified: &'f Verified,
        naming: Naming,
        place: ContentPlace,
        charset: Charset,
        content_keys: &ContentKeys,
    ) -> Result<Self, Rejection> {
        let (form, kind) = (verified.form(), verified.kind());
        let has_content = place == ContentPlace::BizContent;
        let [mut notify_id, mut msg_method, mut app_id, mut version, mut utc_timestamp, mut biz_content] =
            [const { None }; 6];
        let mut optional = [const { None }; OPTIONAL.len()];
        let mut rest = Vec::new();
        for (name, value) in form.iter() {
            let is_field = kind == Kind::Flat && !has_content && !is_of_flat_envelope(name);
            let slot = match name {
                b"sign" | b"sign_type" | b"charset" => continue,
                _ if is_field => None,
                b"notify_id" => Some(&mut notify_id),
                b"msg_method" => Some(&mut msg_method),
                b"app_id" => Some(&mut app_id),
                b"version" => Some(&mut version),
                b"utc_timestamp" if kind == Kind::Message => Some(&mut utc_timestamp),
                b"biz_content" => Some(&mut biz_content),
                b"encrypt_type" => continue,
                _ => slot_of(name, &mut optional),
            };
            let text = decode(charset, name, value)?;
            match slot {
                Some(slot) => *slot = Some(text),
                None => rest.push((decode(charset, name, name)?, text)),
            }
        }
        let sent_at = match kind {
            Kind::Message => {
                let sent = utc_timestamp.as_deref().ok_or_else(|| missing("utc_timestamp"))?;
                instant(sent).ok_or_else(|| malformed("utc_timestamp", "not in milliseconds"))?
            }
            Kind::Flat | Kind::GatewayCheck => {
                let time = form.get(NOTIFY_TIME).and_then(|time| str::from_utf8(time).ok());
                let time = time.and_then(typed::rfc3339).and_then(|time| time.parse().ok());
                time.ok_or_else(|| malformed(NOTIFY_TIME, "not a real time"))?
            }
        };
        let name = match naming {
            Naming::MsgMethod => msg_method,
            Naming::NotifyType => slot_of(NOTIFY_TYPE.as_bytes(), &mut optional).and_then(Option::take),
        };
        if kind == Kind::Message && version.is_none() {
            return Err(missing("version"));
        }
        let decrypted = if has_content { content_keys.open(verified.app_id(), form, charset)? } else { None };
        Ok(Self {
            notify_id: notify_id.ok_or_else(|| missing("notify_id"))?,
            naming,
            name: name.ok_or_else(|| missing(naming.parameter()))?,
            app: verified.app_id(),
            sent_at,
            content: if has_content {
                let was_encrypted = decrypted.is_some();
                let text = decrypted.map(Cow::Owned).or(biz_content);
                Content::Json { text: text.ok_or_else(|| missing("biz_content"))?, was_encrypted }
            } else {
                Content::Parameters
            },
            rest,
            app_id,
            version,
            has_utc_timestamp: kind == Kind::Message,
            optional,
        })
    }

    /// About how many bytes its content takes.
    pub(super) fn size(&self) -> usize {
        let rest = self.rest.iter().map(|(name, value)| name.len().saturating_add(value.len()));
        match &self.content {
            Content::Json { text, .. } => text.len(),
            Content::Parameters => rest.sum(),
        }
    }

    /// Writes what stands before `biz_content`, from the opening brace to the last comma.
    pub(super) fn write_head(&self, out: &mut Vec<u8>, violations: &mut Violations) -> Result<(), Rejection> {
        out.extend_from_slice(br#"{"notify_id":"#);
        quote(&self.notify_id, out)?;
        out.push(b',');
        member(self.naming.parameter(), Some(&self.name), out)?;
        member("app_id", self.app_id.as_deref(), out)?;
        member("version", self.version.as_deref(), out)?;
        if self.has_utc_timestamp {
            out.extend_from_slice(br#""utc_timestamp":"#);
            serde_json::to_writer(&mut *out, &self.sent_at.as_millisecond()).map_err(internal)?;
            out.push(b',');
        }
        out.extend_from_slice(br#""sent_at":""#);
        SENT_AT.print_timestamp(&self.sent_at, &mut *out).map_err(internal)?;
        out.extend_from_slice(br#"","#);
        for (name, value) in OPTIONAL.into_iter().zip(&self.optional) {
            let Some(value) = value else { continue };
            if name == NOTIFY_TIME {
                let time = typed::rfc3339(value);
                if time.is_none() {
                    violations.add(&Place::top(NOTIFY_TIME), Breach::NotATime);
                }
                member(name, Some(time.as_deref().unwrap_or(value)), out)?;
            } else {
                member(name, Some(value), out)?;
            }
        }
        Ok(())
    }

    /// Writes what stands after `biz_content`, to the closing brace.
    pub(super) fn write_tail(&self, out: &mut Vec<u8>) -> Result<(), Rejection> {
        let extra = match &self.content {
            Content::Json { .. } => self.rest.as_slice(),
            Content::Parameters => &[],
        };
        for (index, (name, value)) in extra.iter().enumerate() {
            out.extend_from_slice(if index == 0 { br#","extra":{"# } else { b"," });
            quote(name, out)?;
            out.push(b':');
            quote(value, out)?;
        }
        out.extend_from_slice(if extra.is_empty() { b"}" } else { b"}}" });
        Ok(())
    }
}

/// Whether the parameter `name` of a flat notification belongs to its envelope.
fn is_of_flat_envelope(name: &[u8]) -> bool {
    str::from_utf8(name).is_ok_and(parameters::is_envelope)
}

/// Writes `"name":"value",` if there is a value.
fn member(name: &str, value: Option<&str>, out: &mut Vec<u8>) -> Result<(), Rejection> {
    let Some(value) = value else { return Ok(()) };
    quote(name, out)?;
    out.push(b':');
    quote(value, out)?;
    out.push(b',');
    Ok(())
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
