//! What is sent: a kind of the catalogue with its example, as its notifications look.

use std::io;

use aws_lc_rs::rsa::KeyPair;
use encoding_rs::{GB18030, GBK, UTF_8};
use jiff::Timestamp;

use crate::config::Pattern;
use crate::tools::sender::Notification;
use crate::translate::catalogue::{Catalogue, ContentPlace, Message, Naming};
use crate::translate::cipher::ContentKey;
use crate::verify::SignedForm;
use crate::verify::envelope::is_msg_method;

/// The `service` of the check that Alipay makes of an address.
pub(super) const GATEWAY_CHECK: &str = "alipay.service.check";

/// A kind of notification.
#[derive(Debug, Clone)]
pub(super) struct Kind {
    /// Its `msg_method`, its `notify_type`, or [`GATEWAY_CHECK`].
    pub(super) name: String,
    place: Place,
    /// The text of a JSON object: the content, or the parameters.
    content: String,
}

/// Where the name and the content of a kind stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Message,
    FlatWithContent,
    Flat,
    GatewayCheck,
}

/// How notifications are made of a kind.
#[derive(Debug)]
pub(super) struct Shape {
    /// The app that they are for.
    pub(super) app_id: String,
    /// Their charset.
    pub(super) charset: SentCharset,
    /// The form of the signed text, where it is not left to the kind.
    pub(super) form: Option<SignedForm>,
    /// What their content is encrypted with.
    pub(super) content_key: Option<ContentKey>,
    /// The content in place of that of the catalogue.
    pub(super) content: Option<String>,
    /// Parameters in place of others, or beside them.
    pub(super) params: Vec<(String, String)>,
}

/// A charset that notifications come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SentCharset {
    /// As almost all do.
    #[value(name = "UTF-8")]
    Utf8,
    /// As older ones do.
    #[value(name = "GBK")]
    Gbk,
    /// The same, under the name of its oldest part.
    #[value(name = "GB2312")]
    Gb2312,
    /// The one that has all characters.
    #[value(name = "GB18030")]
    Gb18030,
}

impl Kind {
    /// The kinds that `wanted` names: each a name of the catalogue, [`GATEWAY_CHECK`], or a pattern with `*` for any text.
    /// A name that the catalogue does not have is a message of the message service.
    pub(super) fn find(catalogue: &Catalogue, wanted: &[String]) -> Result<Vec<Self>, String> {
        let mut found: Vec<Self> = Vec::new();
        for name in wanted {
            let named = if name == GATEWAY_CHECK {
                vec![Self::gateway_check()]
            } else if name.contains('*') {
                let pattern = Pattern::parse(name)
                    .map_err(|(what, remedy)| format!("--msg-method {name:?} {what}: {remedy}"))?;
                let messages = catalogue.messages();
                messages.filter(|message| pattern.matches(&message.name)).map(Self::of).collect()
            } else {
                let message = known(catalogue, name);
                if message.is_none() && !is_msg_method(name.as_bytes()) {
                    return Err(format!(
                        "--msg-method {name:?} can be the name of no kind, which has 1 to 100 letters, digits, _ and .: \
                         `alipay-sidecar schema --list` shows all that are known"
                    ));
                }
                vec![message.map_or_else(|| Self::unknown(name), Self::of)]
            };
            if named.is_empty() {
                return Err(format!(
                    "no kind of the catalogue matches {name:?}: `alipay-sidecar schema --list` shows all"
                ));
            }
            for kind in named {
                if found.iter().all(|known| known.name != kind.name) {
                    found.push(kind);
                }
            }
        }
        Ok(found)
    }

    /// Whether `name` is that of a kind which Alipay is known to send.
    pub(super) fn is_known(catalogue: &Catalogue, name: &str) -> bool {
        name == GATEWAY_CHECK || known(catalogue, name).is_some()
    }

    fn of(message: &Message) -> Self {
        let place = match (message.naming, message.content) {
            (Naming::MsgMethod, _) => Place::Message,
            (Naming::NotifyType, ContentPlace::BizContent) => Place::FlatWithContent,
            (Naming::NotifyType, ContentPlace::Parameters) => Place::Flat,
        };
        let content = message.example.clone().unwrap_or_else(|| "{}".to_owned());
        Self { name: message.name.clone(), place, content }
    }

    fn unknown(name: &str) -> Self {
        Self { name: name.to_owned(), place: Place::Message, content: "{}".to_owned() }
    }

    fn gateway_check() -> Self {
        Self { name: GATEWAY_CHECK.to_owned(), place: Place::GatewayCheck, content: String::new() }
    }

    /// Whether it is the check of the address, which has an answer of its own.
    pub(super) fn is_gateway_check(&self) -> bool {
        self.place == Place::GatewayCheck
    }

    /// The form in which Alipay signs this kind, as far as that is known.
    fn form(&self) -> SignedForm {
        if self.place == Place::GatewayCheck || self.name == "servicemarket_order_notify" {
            SignedForm::V2
        } else {
            SignedForm::V1
        }
    }

    /// A new notification of this kind, sent now under an id of its own, and signed.
    pub(super) fn notification(&self, shape: &Shape, key: &KeyPair) -> Result<Notification, String> {
        let form = shape.form.unwrap_or_else(|| self.form());
        self.unsigned(shape)?.signed(key, form).map_err(|problem: io::Error| {
            format!("the private key does not sign ({problem}): take one of `alipay-sidecar keygen`")
        })
    }

    /// A new notification of this kind, sent now under an id of its own, before it is signed.
    pub(super) fn unsigned(&self, shape: &Shape) -> Result<Notification, String> {
        let now = Timestamp::now();
        let content = shape.content.as_deref().unwrap_or(&self.content);
        let mut notification = match self.place {
            Place::Message => message(&self.name, &shape.app_id, content, now),
            Place::FlatWithContent => {
                flat(&self.name, &shape.app_id, now).set("status", "execute_auth").set("biz_content", content)
            }
            Place::Flat => with_fields(flat(&self.name, &shape.app_id, now), content)?,
            Place::GatewayCheck => check(&shape.app_id, now),
        };
        notification = notification.set("charset", shape.charset.name());
        for (name, value) in &shape.params {
            notification = notification.set(name, value);
        }
        let notification = notification.try_map(|name, value| shape.charset.encode(name, value))?;
        match &shape.content_key {
            None => Ok(notification),
            Some(key) if self.place == Place::Message => {
                let clear = notification.value("biz_content").to_vec();
                let sealed = key.encrypt(&clear).ok_or("the content cannot be encrypted with that key")?;
                Ok(notification.set("biz_content", sealed).set("encrypt_type", "AES"))
            }
            Some(_) => Err(format!("{} is never encrypted: leave --encrypt-key out", self.name)),
        }
    }
}

/// A fresh id of 34 characters, as those observed.
pub(super) fn fresh_id() -> String {
    format!("{:032x}jh", fastrand::u128(..))
}

/// The message of that name.
fn known<'c>(catalogue: &'c Catalogue, name: &str) -> Option<&'c Message> {
    let mut namings = [Naming::MsgMethod, Naming::NotifyType].into_iter();
    namings.find_map(|naming| catalogue.find(naming, name)).map(|(_, message)| message)
}

fn message(msg_method: &str, app_id: &str, content: &str, now: Timestamp) -> Notification {
    Notification::new([
        ("charset", ""),
        ("biz_content", content),
        ("utc_timestamp", &now.as_millisecond().to_string()),
        ("app_id", app_id),
        ("version", "1.1"),
        ("sign_type", "RSA2"),
        ("notify_id", &fresh_id()),
        ("msg_method", msg_method),
    ])
}

fn flat(notify_type: &str, app_id: &str, now: Timestamp) -> Notification {
    let beijing = jiff::tz::offset(8).to_datetime(now);
    Notification::new([
        ("charset", ""),
        ("notify_time", &beijing.strftime("%Y-%m-%d %H:%M:%S").to_string()),
        ("notify_type", notify_type),
        ("notify_id", &fresh_id()),
        ("app_id", app_id),
        ("version", "1.0"),
        ("sign_type", "RSA2"),
    ])
}

/// The parameters of a flat notification are the members of `content`: texts as they are, all else as JSON.
fn with_fields(mut notification: Notification, content: &str) -> Result<Notification, String> {
    let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(content).map_err(|problem| {
        format!("--biz-content of a flat notification is a JSON object, whose members become parameters ({problem})")
    })?;
    for (name, value) in fields {
        let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        notification = notification.set(&name, text);
    }
    Ok(notification)
}

fn check(app_id: &str, now: Timestamp) -> Notification {
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"gbk\"?><XML><AppId><![CDATA[{app_id}]]></AppId><FromUserId></FromUserId>\
         <CreateTime><![CDATA[{}]]></CreateTime><MsgType><![CDATA[event]]></MsgType>\
         <EventType><![CDATA[verifygw]]></EventType><ActionParam></ActionParam><AgreementId></AgreementId>\
         <AccountNo></AccountNo></XML>",
        now.as_millisecond()
    );
    Notification::new([
        ("charset", ""),
        ("biz_content", &xml),
        ("service", GATEWAY_CHECK),
        ("sign_type", "RSA2"),
    ])
}

impl SentCharset {
    /// As the notification names it.
    fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Gbk => "GBK",
            Self::Gb2312 => "GB2312",
            Self::Gb18030 => "GB18030",
        }
    }

    /// The UTF-8 in `value` in this charset.
    fn encode(self, name: &str, value: &[u8]) -> Result<Vec<u8>, String> {
        let encoding = match self {
            Self::Utf8 => UTF_8,
            Self::Gbk | Self::Gb2312 => GBK,
            Self::Gb18030 => GB18030,
        };
        let text = String::from_utf8_lossy(value);
        let (bytes, _, has_other_characters) = encoding.encode(&text);
        if has_other_characters {
            return Err(format!("{name} holds characters that {} does not have", self.name()));
        }
        Ok(bytes.into_owned())
    }
}
