//! The whole body as JSON Schema: the envelope, and in it the content.

use super::fields;
use super::json_schema::{Additional, Schema};
use crate::translate::catalogue::{Message, Naming};
use crate::translate::{NOTIFY_TIME, NOTIFY_TYPE, OPTIONAL};

/// A time in UTC, with milliseconds.
const SENT_AT: &str = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]\\.[0-9]{3}Z$";
/// The greatest number of the 13 digits that `utc_timestamp` has.
const MAX_UTC_TIMESTAMP: i64 = 9_999_999_999_999;

/// The schema of the body that the app gets for `message`, in the order in which it is written.
pub(super) fn schema(message: &Message) -> Schema {
    let is_message = message.naming == Naming::MsgMethod;
    let mut properties = Vec::new();
    let mut add = |name: &str, is_required: bool, schema: Schema| {
        properties.push((name.to_owned(), is_required, schema.described(meaning(name).to_owned())));
    };
    let notify_id = if is_message { "^[0-9A-Za-z_-]{1,64}$" } else { "^[0-9A-Za-z_-]{1,128}$" };
    add("notify_id", true, Schema::matching(notify_id));
    let name = Schema { constant: Some(message.name.clone()), ..Schema::of_type("string") };
    add(message.naming.parameter(), true, name);
    add("app_id", is_message, Schema::matching("^[0-9]{1,20}$"));
    add("version", is_message, Schema::one_of_texts(["1.0", "1.1"]));
    if is_message {
        add("utc_timestamp", true, Schema::integer(0, MAX_UTC_TIMESTAMP));
    }
    add("sent_at", true, Schema::time(SENT_AT));
    for name in OPTIONAL {
        if name == NOTIFY_TIME {
            add(name, !is_message, Schema::time(fields::BEIJING));
        } else if is_message || name != NOTIFY_TYPE {
            add(name, false, Schema::of_type("string"));
        }
    }
    let content = message.fields.as_ref().map_or_else(|| Schema::of_type("object"), fields::object);
    add("biz_content", true, content);
    let string = Additional::All(Box::new(Schema::of_type("string")));
    let extra =
        Schema { min_properties: Some(1), additional_properties: Some(string), ..Schema::of_type("object") };
    add("extra", false, extra);
    Schema {
        dialect: Some("https://json-schema.org/draft/2020-12/schema"),
        id: Some(format!("urn:alipay:schema:{}", message.name)),
        comment: message.source.as_ref().map(|source| format!("{}: {}", source.kind.label(), source.page)),
        // The name and no sentence, for tools call types after it.
        title: Some(message.name.clone()),
        ..Schema::object(properties, true).described(message.title.both())
    }
}

/// What the parameter `name` of the envelope means.
fn meaning(name: &str) -> &'static str {
    match name {
        "notify_id" => "通知 ID，重试时不变 / Identifies the notification, the same on each delivery of it",
        "msg_method" => "消息接口名称 / The kind of message",
        NOTIFY_TYPE => "通知类型 / The kind of notification",
        "app_id" => "应用 ID / The app that it is for",
        "version" => "版本 / The version of the envelope",
        "utc_timestamp" => "发送时间，毫秒 / When it was sent, in milliseconds since the epoch",
        "sent_at" => "发送时间，UTC / When it was sent, in UTC",
        "msg_type" => "消息类型 / The type of the message",
        "msg_uid" => "消息归属的用户 / The user whom the message belongs to",
        "msg_app_id" => "消息归属的应用 / The app that the message belongs to",
        NOTIFY_TIME => "通知时间，北京时间 / When it was sent, in Beijing",
        "auth_app_id" => "授权方应用 ID / The app that authorised",
        "merchant_app_id" => "商户应用 ID / The app of the merchant",
        "biz_content" => "消息内容 / The content",
        "extra" => "其他已签名的参数 / All other signed parameters",
        _ => "",
    }
}
