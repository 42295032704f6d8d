//! The schema against the translation that it describes, judged by a validator that is not ours.

mod contents;

use std::sync::LazyLock;

use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::Value;

use self::contents::Contents;
use super::*;
use crate::receive::form::Form;
use crate::translate::catalogue::ContentPlace;
use crate::translate::{Event, OnMismatch, Schema, Translator, UnknownMethods};
use crate::verify::{SignedForm, Verified};

/// What parameters alone may be: percent-encoded.
const ENCODED: &str = r#"
notify_type = "test_encoded"
complete = true
fields = [{ name = "encoded", type = "string", max_length = 6, encoded = true, required = false }]
"#;

/// Every type in JSON, every place of one, and two groups.
const EVERYTHING: &str = r#"
msg_method = "test.everything"
complete = true
exactly_one_of = [["text", "short"], ["amount", "price"]]
fields = [
  { name = "text", type = "string", required = false },
  { name = "short", type = "string", max_length = 3, required = false },
  { name = "state", type = "enum", values = [{ spelling = "PAID" }, { spelling = "open" }], required = true },
  { name = "count", type = "integer", required = true },
  { name = "amount", type = "decimal", required = false },
  { name = "price", type = "decimal", max_length = 5, required = false },
  { name = "true", type = "boolean", spelling = "true/false", required = false },
  { name = "yes", type = "boolean", spelling = "Y/N", required = false },
  { name = "t", type = "boolean", spelling = "T/F", required = false },
  { name = "at", type = "timestamp_ms", required = false },
  { name = "time", type = "datetime", required = false },
  { name = "any", type = "json", required = false },
  { name = "list", type = "json", required = false, holds = { type = "list", items = { type = "integer" } } },
  { name = "lists", type = "list", required = false, items = { type = "list", items = { type = "boolean", spelling = "Y/N" } } },
  { name = "object", type = "object", required = true, fields = [
    { name = "json", type = "json", required = true, holds = { type = "object", fields = [
      { name = "at", type = "timestamp_ms", required = true },
      { name = "inner", type = "json", required = false, holds = { type = "list", items = { type = "datetime" } } },
    ] } },
  ] },
]
"#;

fn catalogue() -> Catalogue {
    let mut catalogue = Catalogue::builtin();
    catalogue.add("test_encoded", ENCODED).unwrap();
    for (complete, name) in [("true", "test.everything"), ("false", "test.open")] {
        let text = EVERYTHING
            .replace("test.everything", name)
            .replace("complete = true", &format!("complete = {complete}"));
        catalogue.add(name, &text).unwrap();
    }
    catalogue
}

fn translator() -> Translator {
    Translator::new(catalogue(), OnMismatch::Forward, UnknownMethods::Forward)
}

fn schema_of(message: &Message) -> Value {
    let mut out = Vec::new();
    json(message, &mut out).unwrap();
    serde_json::from_slice(&out).unwrap()
}

fn validator(message: &Message) -> Validator {
    jsonschema::draft202012::options().should_validate_formats(true).build(&schema_of(message)).unwrap()
}

/// The event that a notification of this kind becomes. `biz_content` or the parameters are its `content`.
fn event(
    translator: &Translator,
    message: &Message,
    content: &[(String, String)],
    more: &[(&str, &str)],
) -> Event {
    let mut params =
        vec![("charset", "utf-8"), ("sign", "c2lnbg=="), ("sign_type", "RSA2"), ("notify_id", "n-1_a")];
    params.extend([
        ("app_id", "2014060600164699"),
        ("version", "1.1"),
        (message.naming.parameter(), &message.name),
    ]);
    params.push(match message.naming {
        Naming::MsgMethod => ("utc_timestamp", "1514210452731"),
        Naming::NotifyType => ("notify_time", "2017-12-25 22:00:52"),
    });
    params.extend(more);
    params.extend(content.iter().map(|(name, value)| (&**name, &**value)));
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
    let verified = Verified::for_tests(Form::parse(body.as_bytes(), 200).unwrap(), SignedForm::V1);
    translator.translate(verified).unwrap()
}

/// The parameters that hold the example of a message.
fn example(message: &Message) -> Vec<(String, String)> {
    let text = message.example.clone().unwrap_or_else(|| r#"{"a":[1]}"#.to_owned());
    match (message.content, &message.example) {
        (ContentPlace::Parameters, Some(example)) => {
            let parameters: std::collections::BTreeMap<String, String> =
                serde_json::from_str(example).unwrap();
            parameters.into_iter().collect()
        }
        _ => vec![("biz_content".to_owned(), text)],
    }
}

#[test]
fn every_schema_is_one_of_the_draft() {
    for message in catalogue().messages() {
        let schema = schema_of(message);
        jsonschema::draft202012::meta::validate(&schema)
            .unwrap_or_else(|error| panic!("{}: {error}", message.name));
        assert_eq!(schema["$id"], format!("urn:alipay:schema:{}", message.name));
    }
}

#[test]
fn every_example_validates_as_it_reaches_the_app() {
    let builtin = Catalogue::builtin();
    let translator = Translator::new(builtin, OnMismatch::Forward, UnknownMethods::Forward);
    for message in translator.catalogue().messages() {
        let event = event(&translator, message, &example(message), &[]);
        let body: Value = serde_json::from_slice(event.body()).unwrap();
        let validator = validator(message);
        assert!(
            validator.is_valid(&body),
            "{}: {:?}",
            message.name,
            validator.iter_errors(&body).collect::<Vec<_>>()
        );
        let expected = if message.fields.is_some() { Schema::Typed } else { Schema::Untyped };
        assert_eq!(event.schema(), expected, "{}: {:?}", message.name, event.violations());
        if let Some(translated) = message.translated_example() {
            assert_eq!(
                body["biz_content"],
                serde_json::from_str::<Value>(&translated).unwrap(),
                "{}",
                message.name
            );
        }
    }
}

#[test]
fn a_table_is_closed_exactly_where_it_is_complete() {
    for message in catalogue().messages() {
        let schema = schema_of(message);
        assert_eq!(schema["additionalProperties"], false, "the envelope is always complete");
        let is_complete = message.fields.as_ref().is_some_and(Fields::is_complete);
        let content = &schema["properties"]["biz_content"];
        assert_eq!(
            content.get("additionalProperties"),
            is_complete.then_some(&Value::Bool(false)),
            "{}",
            message.name
        );
    }
}

#[test]
fn the_schema_of_the_documented_example_reads_well() {
    let catalogue = catalogue();
    let message = find(&catalogue, "alipay.open.mini.icp.faceauth.completed").unwrap();
    let mut out = Vec::new();
    json(message, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let (head, rest) = text.split_once("  \"properties\"").unwrap();
    let (_, content) = rest.split_once("    \"biz_content\"").unwrap();
    insta::assert_snapshot!(format!("{head}    \"biz_content\"{content}"), @r#"
    {
      "$schema": "https://json-schema.org/draft/2020-12/schema",
      "$id": "urn:alipay:schema:alipay.open.mini.icp.faceauth.completed",
      "$comment": "documented: opendocs.alipay.com",
      "title": "alipay.open.mini.icp.faceauth.completed",
      "description": "小程序备案人脸核验完成通知 / The face check for the filing of a mini program is completed",
      "type": "object",
        "biz_content": {
          "description": "消息内容 / The content",
          "type": "object",
          "properties": {
            "mini_app_id": {
              "description": "小程序应用 ID / The app ID of the mini program",
              "type": "string",
              "maxLength": 32
            },
            "certify_result_status": {
              "description": "人脸核验结果状态 / The result of the face check\n- success: 核验成功 / The check succeeded\n- fail: 核验失败 / The check failed\n- init: 初始状态，尚无结果 / The initial state: there is no result yet",
              "type": "string",
              "enum": [
                "success",
                "fail",
                "init"
              ]
            },
            "bundle_id": {
              "description": "小程序所在端的标识 / The client that the mini program runs in",
              "type": "string",
              "maxLength": 64
            },
            "certify_result_desc": {
              "description": "人脸核验结果描述 / The result of the face check in words",
              "type": "string",
              "maxLength": 128
            }
          },
          "required": [
            "mini_app_id",
            "certify_result_status"
          ],
          "additionalProperties": false
        },
        "extra": {
          "description": "其他已签名的参数 / All other signed parameters",
          "type": "object",
          "minProperties": 1,
          "additionalProperties": {
            "type": "string"
          }
        }
      },
      "required": [
        "notify_id",
        "msg_method",
        "app_id",
        "version",
        "utc_timestamp",
        "sent_at",
        "biz_content"
      ],
      "additionalProperties": false
    }
    "#);
}

#[test]
fn every_message_that_is_known_is_found_and_a_slip_of_the_pen_leads_to_it() {
    let catalogue = Catalogue::builtin();
    for name in catalogue.methods() {
        assert_eq!(find(&catalogue, name).unwrap().name, name);
        let slip = name.to_ascii_uppercase().replacen('.', "_", 1) + "x";
        assert_eq!(find(&catalogue, &slip).unwrap_err().nearest.as_deref(), Some(name));
    }
    insta::assert_snapshot!(find(&catalogue, "trade_status_snyc\u{1b}").unwrap_err(), @r#"
    the catalogue has no message "trade_status_snyc\u{1b}"; the nearest is trade_status_sync
        `alipay-sidecar schema --list` shows all names; the files of your own are added by --config
    "#);
    assert_eq!(find(&catalogue, &"x".repeat(10_000)).unwrap_err().nearest, None);
}

/// A translator, and a validator for each message of its catalogue.
struct Judges {
    translator: Translator,
    validators: Vec<Validator>,
}

static JUDGES: LazyLock<Judges> = LazyLock::new(|| {
    let translator = translator();
    let validators = translator.catalogue().messages().map(validator).collect();
    Judges { translator, validators }
});

proptest! {
    /// Each case goes through all messages.
    #[test]
    fn a_notification_is_typed_exactly_if_its_body_validates(seed in any::<u64>()) {
        let Judges { translator, validators } = &*JUDGES;
        let mut contents = Contents::new(seed);
        for (message, validator) in translator.catalogue().messages().zip(validators) {
            let content = contents.of(message);
            let time = contents.time();
            let more: &[(&str, &str)] = match message.naming {
                Naming::MsgMethod if contents.is_odd() => &[("notify_time", &time), ("more", "x"), ("msg_uid", "")],
                Naming::MsgMethod | Naming::NotifyType => &[],
            };
            let event = event(translator, message, &content, more);
            let body: Value = serde_json::from_slice(event.body()).unwrap();
            let is_valid = validator.is_valid(&body);
            prop_assert_eq!(
                event.schema() != Schema::Mismatch,
                is_valid,
                "{}\n{:?}\n{:?}",
                String::from_utf8_lossy(event.body()),
                event.violations(),
                validator.iter_errors(&body).map(|error| error.to_string()).collect::<Vec<_>>()
            );
            prop_assert_eq!(event.schema() == Schema::Untyped, message.fields.is_none() && is_valid);
        }
    }
}
