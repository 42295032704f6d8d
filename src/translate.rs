//! `Verified → Event`: the notification as typed JSON.
//!
//! The charset is undone first, then the content is read strictly and checked against the catalogue on the way into
//! the body that the upstream gets. No part of it comes from anywhere but the signed parameters.

pub mod catalogue;
pub mod charset;
pub mod cipher;
mod envelope;
pub(crate) mod json;
pub mod mini_apps;
mod parameters;
mod typed;
mod violation;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::catalogue::{Catalogue, ContentPlace, Naming};
use self::charset::Charset;
use self::cipher::ContentKeys;
use self::envelope::{Content, Envelope};
pub(crate) use self::envelope::{NOTIFY_TIME, NOTIFY_TYPE, OPTIONAL};
use self::mini_apps::MiniApps;
pub(crate) use self::typed::MAX_TIMESTAMP;
pub use self::violation::{Breach, Violation};
use self::violation::{Place, Violations};
use crate::ledger::Stored;
use crate::rejection::{Reason, Rejection};
use crate::verify::kind::Kind;
use crate::verify::{SignedForm, Verified};

/// What becomes of a genuine notification that breaks its schema; `translate.on_mismatch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnMismatch {
    /// It is forwarded as it can be, flagged.
    Forward,
    /// It is refused, and Alipay delivers it again.
    Fail,
}

/// What becomes of a genuine notification that the catalogue does not know; `translate.unknown_methods`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownMethods {
    /// It is forwarded untyped.
    Forward,
    /// It is refused, and Alipay delivers it again.
    Fail,
}

/// Makes events of notifications.
#[derive(Debug, Clone)]
pub struct Translator {
    catalogue: Catalogue,
    on_mismatch: OnMismatch,
    unknown_methods: UnknownMethods,
    content_keys: ContentKeys,
    mini_apps: MiniApps,
    charsets: HashMap<String, Charset>,
}

impl Translator {
    /// A translator for the messages of `catalogue`.
    pub fn new(catalogue: Catalogue, on_mismatch: OnMismatch, unknown_methods: UnknownMethods) -> Self {
        Self {
            catalogue,
            on_mismatch,
            unknown_methods,
            content_keys: ContentKeys::default(),
            mini_apps: MiniApps::default(),
            charsets: HashMap::new(),
        }
    }

    /// The same, but with the keys of the apps whose content is encrypted.
    #[must_use]
    pub fn with_content_keys(self, content_keys: ContentKeys) -> Self {
        Self { content_keys, ..self }
    }

    /// The same, but with the mini programs that the apps allow.
    #[must_use]
    pub fn with_mini_apps(self, mini_apps: MiniApps) -> Self {
        Self { mini_apps, ..self }
    }

    /// The same, but with the charsets of the apps whose notifications name none; UTF-8 without one.
    #[must_use]
    pub fn with_charsets(self, charsets: HashMap<String, Charset>) -> Self {
        Self { charsets, ..self }
    }

    /// The messages that it knows.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Makes an event of a notification.
    ///
    /// A field that is not in the catalogue passes as it came: the platform adds fields without notice. Where the
    /// table of fields is complete, it is reported as well.
    #[expect(clippy::needless_pass_by_value, reason = "no notification becomes two events")]
    pub fn translate(&self, verified: Verified) -> Result<Event, Rejection> {
        let naming = match verified.kind() {
            Kind::Message => Naming::MsgMethod,
            Kind::Flat => Naming::NotifyType,
            Kind::GatewayCheck => return Err(Reason::Internal.because("a gateway check is no event")),
        };
        let name = verified.form().get(naming.parameter()).and_then(|name| str::from_utf8(name).ok());
        let message = name.and_then(|name| self.catalogue.find(naming, name));
        // What no file describes has its content in biz_content if it has one.
        let place = match message {
            Some((_, message)) => message.content,
            None if verified.form().get("biz_content").is_some() => ContentPlace::BizContent,
            None => ContentPlace::Parameters,
        };
        let charset = self.charset(&verified)?;
        let envelope = Envelope::read(&verified, naming, place, charset, &self.content_keys)?;
        if message.is_none() && self.unknown_methods == UnknownMethods::Fail {
            return Err(Reason::UnknownMethod.into());
        }
        let fields = message.and_then(|(_, message)| message.fields.as_ref());
        let mut body = Vec::with_capacity(envelope.size().saturating_add(ENVELOPE_ROOM));
        let mut violations = Violations::default();
        envelope.write_head(&mut body, &mut violations)?;
        body.extend_from_slice(BIZ_CONTENT);
        let place = Place::top("biz_content");
        let start = body.len();
        match &envelope.content {
            Content::Json { text, was_encrypted } => {
                json::write_object(text, fields, &place, &mut body, &mut violations).map_err(
                    |malformed| match was_encrypted {
                        true => cipher::does_not_fit(),
                        false => Reason::MalformedContent.because(malformed),
                    },
                )?;
            }
            Content::Parameters => {
                parameters::write_object(&envelope.rest, fields, &place, &mut body, &mut violations)
                    .map_err(|error| Reason::Internal.because(error))?;
            }
        }
        let content = start..body.len();
        self.mini_apps.check(envelope.app, body.get(content.clone()).unwrap_or_default())?;
        envelope.write_tail(&mut body)?;
        let schema = match fields {
            _ if !violations.as_slice().is_empty() => Schema::Mismatch,
            Some(_) => Schema::Typed,
            None => Schema::Untyped,
        };
        if schema == Schema::Mismatch && self.on_mismatch == OnMismatch::Fail {
            return Err(Reason::SchemaMismatch.because(violations));
        }
        Ok(Event {
            notify_id: envelope.notify_id.into_owned(),
            msg_method: envelope.name.into_owned(),
            app_id: envelope.app.to_owned(),
            signed_form: verified.signed_form(),
            is_known: message.is_some(),
            method_index: message.map(|(index, _)| index),
            schema,
            violations,
            sent_at: envelope.sent_at,
            content,
            // What a delivery holds is counted by its length, so there is no more of it.
            body: body.into_boxed_slice().into(),
        })
    }
}

impl Translator {
    /// The charset of a notification: the signed one. Where none is named, as in the old partner API, its app's.
    fn charset(&self, verified: &Verified) -> Result<Charset, Rejection> {
        match verified.form().get("charset") {
            Some(name) => Charset::named(name)
                .ok_or_else(|| Reason::MalformedParameter.because("charset: not a charset of the list")),
            None if verified.kind() == Kind::Flat => {
                Ok(self.charsets.get(verified.app_id()).copied().unwrap_or(Charset::Utf8))
            }
            None => Err(Reason::MissingParameter.because("charset")),
        }
    }
}

const BIZ_CONTENT: &[u8] = br#""biz_content":"#;

/// Room for the envelope as it usually is, so that the body is allocated once.
const ENVELOPE_ROOM: usize = 512;

/// What the catalogue says of a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schema {
    /// It is in the catalogue, and fits.
    Typed,
    /// It is not in the catalogue, or with its name alone.
    Untyped,
    /// Something in it is not as documented; see [`Event::violations`].
    Mismatch,
}

impl Schema {
    /// The value of the header `alipay-schema`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Typed => "typed",
            Self::Untyped => "untyped",
            Self::Mismatch => "mismatch",
        }
    }
}

/// A genuine notification as the upstream gets it. Only [`Translator::translate`] makes one. The ledger's own store may have
/// kept it, and gives it back as it was.
///
/// ```compile_fail,E0451
/// # fn forged(event: alipay_sidecar::translate::Event) {
/// alipay_sidecar::translate::Event { app_id: String::new(), ..event };
/// # }
/// ```
///
/// `Debug` prints none of what its body holds.
pub struct Event {
    notify_id: String,
    msg_method: String,
    app_id: String,
    signed_form: SignedForm,
    is_known: bool,
    method_index: Option<usize>,
    schema: Schema,
    violations: Violations,
    sent_at: Timestamp,
    content: Range<usize>,
    body: Bytes,
}

impl Event {
    /// The event that the ledger's store kept when its delivery failed. There is no other way to a [`Stored`] than that store,
    /// and nothing gets into it but what [`Translator::translate`] made of something verified.
    ///
    /// Nothing where what was stored is no longer whole.
    pub(crate) fn restored(stored: Stored) -> Option<Self> {
        let Stored { kept, body, .. } = stored;
        let (start, end) = kept.content;
        body.get(start..end)?;
        Some(Self {
            sent_at: Timestamp::new(kept.sent_at.0, kept.sent_at.1).ok()?,
            notify_id: kept.notify_id,
            msg_method: kept.msg_method,
            app_id: kept.app_id,
            signed_form: kept.form,
            is_known: kept.is_known,
            // The catalogue may be another by now.
            method_index: None,
            schema: kept.schema,
            violations: Violations::default(),
            content: start..end,
            body,
        })
    }

    /// What Alipay calls this notification, on each delivery of it.
    pub fn notify_id(&self) -> &str {
        &self.notify_id
    }

    /// The kind of message: its `msg_method`, or the `notify_type` of a flat notification.
    pub fn msg_method(&self) -> &str {
        &self.msg_method
    }

    /// The app that it is for.
    pub fn app_id(&self) -> &str {
        &self.app_id
    }

    /// The form in which its signature holds.
    pub fn signed_form(&self) -> SignedForm {
        self.signed_form
    }

    /// The place of its kind in [`Catalogue::methods`], if the catalogue knows it.
    pub fn method_index(&self) -> Option<usize> {
        self.method_index
    }

    /// Whether the catalogue knew its kind when it was made.
    pub(crate) fn is_known(&self) -> bool {
        self.is_known
    }

    /// Where in [`Event::body`] its content stands.
    pub(crate) fn content_range(&self) -> Range<usize> {
        self.content.clone()
    }

    /// What the catalogue says of it.
    pub fn schema(&self) -> Schema {
        self.schema
    }

    /// Where it departs from what is documented: the first few places.
    pub fn violations(&self) -> &[Violation] {
        self.violations.as_slice()
    }

    /// When Alipay sent it.
    pub fn sent_at(&self) -> Timestamp {
        self.sent_at
    }

    /// The part of [`Event::body`] that is its content: the value of `biz_content`.
    pub fn content(&self) -> Bytes {
        self.body.slice(self.content.clone())
    }

    /// The JSON for the upstream.
    pub fn body(&self) -> &Bytes {
        &self.body
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut event = f.debug_struct("Event");
        event.field("notify_id", &self.notify_id).field("msg_method", &self.msg_method);
        event.field("schema", &self.schema).field("violations", &self.violations).finish_non_exhaustive()
    }
}
