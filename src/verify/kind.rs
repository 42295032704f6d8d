//! The kinds of notification that come to one address, and what each may look like.
//!
//! A kind is told by what a notification carries. All of it is signed, so nobody but the signer chooses it.

use std::collections::BTreeMap;

use super::SignedForm::{self, V1, V2};
use crate::receive::form::Form;

/// A kind of notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A message of the message service: `msg_method` names it, `biz_content` holds it.
    Message,
    /// The check of the address when it is set up: `service` is `alipay.service.check`.
    GatewayCheck,
    /// A flat notification, such as a trade's: `notify_type` names it, its fields are parameters.
    Flat,
}

/// The parameters of a gateway check; it has no others.
pub(super) const GATEWAY_CHECK: &[&str] = &["biz_content", "charset", "service", "sign", "sign_type"];

/// The parameters that mean something beside the fields of the flat kinds in the catalogue: those of the envelope of
/// any kind, and those of flat kinds that are known by their parameters alone.
///
/// Sources: the documents of the platform on the message service, on trade and on merged payments.
const BESIDE_THE_CATALOGUE: &[&str] = &[
    "app_id",
    "auth_app_id",
    "biz_content",
    "charset",
    "encrypt_type",
    "merchant_app_id",
    "merge_pay_status",
    "method",
    "msg_app_id",
    "msg_method",
    "msg_type",
    "msg_uid",
    "notify_id",
    "notify_time",
    "notify_type",
    "order_detail_results",
    "out_merge_no",
    "service",
    "sign",
    "sign_type",
    "status",
    "trans_memo",
    "utc_timestamp",
    "version",
];

const BIZ_CONTENT: &str = "biz_content";

/// The parameters of flat notifications that mean something, for each `notify_type`.
#[derive(Debug, Default, Clone)]
pub struct KnownParameters {
    of_kind: BTreeMap<String, Names>,
    /// What means something in any kind, for kinds that are not known.
    of_any: Names,
}

/// The parameters that mean something in one kind.
#[derive(Debug, Default, Clone)]
pub(super) struct Names(BTreeMap<String, Role>);

/// What a parameter is for, in one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It may decide how the others are read.
    Envelope,
    /// A field that people or merchants write, or something in it: `&` and `=` are welcome.
    FreeText,
    /// Any other field.
    Field,
}

/// Whether `name` is one of the envelope of some kind.
pub(crate) fn is_of_an_envelope(name: &[u8]) -> bool {
    BESIDE_THE_CATALOGUE.iter().any(|known| known.as_bytes() == name)
}

impl KnownParameters {
    /// What is known of parameters once `fields` are: `notify_type`, name, and whether it is free text. Where the fields
    /// of a kind stand in the JSON of `biz_content`, that is its one field.
    pub fn new<'f>(fields: impl IntoIterator<Item = (&'f str, &'f str, bool)>) -> Self {
        let envelope: BTreeMap<_, _> =
            BESIDE_THE_CATALOGUE.iter().map(|name| ((*name).to_owned(), Role::Envelope)).collect();
        let envelope = Names(envelope);
        let mut parameters = Self { of_kind: BTreeMap::new(), of_any: envelope.clone() };
        // What nobody knows has its content in there, if it has one.
        parameters.of_any.add(BIZ_CONTENT, true);
        for (notify_type, name, is_free_text) in fields {
            let of_kind =
                parameters.of_kind.entry(notify_type.to_owned()).or_insert_with(|| envelope.clone());
            of_kind.add(name, is_free_text);
            parameters.of_any.add(name, is_free_text);
        }
        parameters
    }

    /// The names of the parameters that mean something in a message, or in a notification of this `notify_type`.
    pub(crate) fn names(&self, is_message: bool, notify_type: Option<&[u8]>) -> impl Iterator<Item = &str> {
        let (envelope, flat) = if is_message {
            (BESIDE_THE_CATALOGUE, None)
        } else {
            (&[][..], Some(self.of(notify_type).0.keys().map(String::as_str)))
        };
        envelope.iter().copied().chain(flat.into_iter().flatten())
    }

    /// What is known of the parameters of this `notify_type`.
    pub(super) fn of(&self, notify_type: Option<&[u8]>) -> &Names {
        let notify_type = notify_type.and_then(|name| str::from_utf8(name).ok());
        notify_type.and_then(|name| self.of_kind.get(name)).unwrap_or(&self.of_any)
    }
}

impl Names {
    /// Adds a field. What is of the envelope stays that, and what is free text in one kind is so for any.
    fn add(&mut self, name: &str, is_free_text: bool) {
        let role = if is_free_text { Role::FreeText } else { Role::Field };
        match self.0.get(name) {
            Some(Role::Envelope) if name != BIZ_CONTENT => {}
            Some(Role::FreeText) => {}
            Some(Role::Envelope | Role::Field) | None => drop(self.0.insert(name.to_owned(), role)),
        }
    }

    /// What the parameter `name` is for, if it means something.
    pub(super) fn role(&self, name: &[u8]) -> Option<Role> {
        str::from_utf8(name).ok().and_then(|name| self.0.get(name)).copied()
    }
}

impl Kind {
    /// The kind of `form`, if it is one that we know.
    pub(crate) fn of(form: &Form) -> Option<Self> {
        if form.get("msg_method").is_some() {
            Some(Self::Message)
        } else if let Some(service) = form.get("service") {
            (service == b"alipay.service.check").then_some(Self::GatewayCheck)
        } else {
            form.get("notify_type").map(|_| Self::Flat)
        }
    }

    /// The forms in which notifications of this kind are signed, the likelier one first.
    pub(crate) fn forms(self, form: &Form) -> &'static [SignedForm] {
        match self {
            Self::Message => &[V1, V2],
            Self::GatewayCheck => &[V2, V1],
            Self::Flat => match form.get("notify_type") {
                Some(b"servicemarket_order_notify") => &[V2, V1],
                // It carries an envelope like a message's, and which form it is signed in is not documented.
                Some(b"open_app_auth_notify") => &[V1, V2],
                Some(_) | None => &[V1],
            },
        }
    }

    /// The parameters without which no notification of this kind comes from Alipay.
    pub(crate) fn required(self, form: &Form) -> impl Iterator<Item = &'static str> {
        let of_kind: &[&str] = match self {
            Self::Message => &[
                "app_id",
                "biz_content",
                "charset",
                "msg_method",
                "notify_id",
                "sign_type",
                "utc_timestamp",
                "version",
            ],
            Self::GatewayCheck => &["biz_content", "charset", "service", "sign_type"],
            Self::Flat => &["notify_id", "notify_time", "notify_type", "sign_type"],
        };
        // The old partner API has none of these.
        let has_envelope = self == Self::Flat && form.get("app_id").is_some();
        let of_envelope: &[&str] = if has_envelope { &["charset", "version"] } else { &[] };
        of_kind.iter().chain(of_envelope).copied()
    }

    /// The app that a notification of this kind is for, by parameters outside its content.
    ///
    /// A flat notification without an `app_id` is for the app that was authorised, or, in the old partner API, for
    /// the seller: its account stands in the configuration in the place of an app's identity.
    pub(crate) fn app(self, form: &Form) -> Option<&[u8]> {
        match self {
            Self::Message => form.get("app_id"),
            Self::GatewayCheck => None,
            Self::Flat => ["app_id", "auth_app_id", "seller_id"].iter().find_map(|name| form.get(name)),
        }
    }
}

/// Whether `form` has only the parameters of a gateway check.
pub(super) fn is_only_a_gateway_check(form: &Form) -> bool {
    form.iter().all(|(name, _)| GATEWAY_CHECK.iter().any(|known| known.as_bytes() == name))
}
