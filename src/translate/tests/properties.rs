//! What holds for every notification.

use encoding_rs::{Encoding, GB18030, GBK};
use proptest::prelude::*;
use serde_json::Value;

use super::{CONTENT, EXAMPLE, event, example, json, lenient, verified};

/// A name of a parameter that the envelope does not know.
fn extra_name() -> impl Strategy<Value = String> {
    "x_[A-Za-z0-9_]{0,8}"
}

/// The same parameters with every value in `encoding`, or nothing if that has no bytes for some character.
fn encoded(
    params: &[(String, Vec<u8>)],
    charset: &str,
    encoding: &'static Encoding,
) -> Option<Vec<(String, Vec<u8>)>> {
    let mut encoded = Vec::new();
    for (name, value) in params {
        let text = if name == "charset" { charset } else { std::str::from_utf8(value).unwrap() };
        let (bytes, _, unmappable) = encoding.encode(text);
        // A few characters share their bytes with another one, which is what they are read as.
        let (back, _) = encoding.decode_without_bom_handling(&bytes);
        if unmappable || back != text {
            return None;
        }
        encoded.push((name.clone(), bytes.into_owned()));
    }
    Some(encoded)
}

proptest! {
    #[test]
    fn the_charset_leaves_no_trace(text in "[ -~一-龥、-〗０-ｚ€]{0,40}", extra in "[ -~一-龥]{0,10}") {
        let content = serde_json::json!({ "mini_app_id": text, &text: [1, text] }).to_string();
        let params = example(&[("biz_content", &content), ("x", &extra)]);
        let expected = lenient().translate(verified(&params)).unwrap();
        for (charset, encoding) in [("GBK", GBK), ("gb2312", GBK), ("GB18030", GB18030)] {
            if let Some(encoded) = encoded(&params, charset, encoding) {
                let event = lenient().translate(verified(&encoded)).unwrap();
                prop_assert_eq!(json(&event), json(&expected));
                prop_assert_eq!(event.schema(), expected.schema());
            }
        }
    }

    #[test]
    fn everything_in_the_json_was_in_the_form(
        extras in prop::collection::btree_map(extra_name(), "\\PC{0,20}", 0..5),
        optional in prop::sample::subsequence(
            vec!["msg_type", "msg_uid", "msg_app_id", "notify_type", "auth_app_id", "merchant_app_id"], 0..=6,
        ),
        value in "\\PC{0,20}",
    ) {
        let mut changes: Vec<(&str, &str)> = extras.iter().map(|(name, value)| (&**name, &**value)).collect();
        changes.extend(optional.iter().map(|name| (*name, &*value)));
        let event = event(&changes);
        let mut body: Value = serde_json::from_slice(event.body()).unwrap();
        let object = body.as_object_mut().unwrap();
        // Each parameter of the form has its one place; taking them away leaves what was derived.
        for (name, value) in &extras {
            let extra = object["extra"].as_object_mut().unwrap().remove(name);
            prop_assert_eq!(extra.as_ref().and_then(Value::as_str), Some(&**value));
        }
        if let Some(extra) = object.remove("extra") {
            prop_assert!(!extras.is_empty() && extra.as_object().unwrap().is_empty());
        }
        for name in &optional {
            prop_assert_eq!(object.remove(*name).unwrap(), Value::from(&*value));
        }
        prop_assert_eq!(object.remove("utc_timestamp").unwrap(), Value::from(1_514_210_452_731_u64));
        prop_assert_eq!(object.remove("biz_content").unwrap(), serde_json::from_str::<Value>(CONTENT).unwrap());
        for (name, value) in EXAMPLE {
            if let Some(found) = object.remove(name) {
                prop_assert_eq!(found.as_str(), Some(value));
            }
        }
        prop_assert_eq!(object.keys().collect::<Vec<_>>(), ["sent_at"]);
    }

    #[test]
    fn no_bytes_in_any_parameter_cause_a_panic(
        at in 0..EXAMPLE.len(),
        bytes in prop::collection::vec(any::<u8>(), 0..64),
        charset in prop::sample::select(vec!["utf-8", "gbk", "gb18030"]),
    ) {
        let mut params = example(&[("charset", charset)]);
        params[at].1 = bytes;
        if let Ok(event) = lenient().translate(verified(&params)) {
            prop_assert!(serde_json::from_slice::<Value>(event.body()).is_ok());
        }
    }
}
