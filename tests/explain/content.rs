//! The key is right, and what it signed has changed on its way: a test for each way in which it does.

use encoding_rs::{GBK, WINDOWS_1252};
use percent_encoding::percent_decode_str;

use crate::alipay::{APP_ID, Form, Notification, key};
use crate::{Desk, change, each, map, notification, trade};

fn decoded(value: &str) -> String {
    percent_decode_str(&value.replace('+', " ")).decode_utf8().unwrap().into_owned()
}

fn html_escaped(value: &str) -> String {
    value
        .replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[test]
fn html_escaped_values() {
    let damaged = each(&notification(), html_escaped);
    Desk::new()
        .explain(damaged.body())
        .proves(&["html_escaped"])
        .within(&["biz_content"])
        .at("biz_content", 1);
    Desk::new().explain(map(&damaged)).proves(&["html_escaped"]);
    let twice = each(&damaged, html_escaped);
    Desk::new().explain(twice.body()).proves(&["html_escaped"]);
    // The `&` of the entities splits a body that was decoded as well; both are told.
    let decoded = decoded(&damaged.body());
    Desk::new().explain(decoded).tells(&["decoded_twice", "html_escaped"]);
}

#[test]
fn parameters_of_a_router_or_a_query_string() {
    let desk = Desk::new();
    let one = notification().set("s", "/alipay/notify");
    desk.explain(one.body()).proves(&["extra_parameter"]).within(&["s"]).at("s", 0);
    let two = notification().set("s", "/alipay/notify").set("a_session", "x");
    desk.explain(two.body()).proves(&["extra_parameter"]).within(&["s", "a_session"]);
    let repeated = format!("{}&app_id={APP_ID}", notification().body());
    desk.explain(repeated).proves(&["extra_parameter"]).within(&["app_id"]);
}

#[test]
fn a_value_decoded_twice() {
    let damaged = change(&trade(), "passback_params", decoded);
    let report = Desk::new().explain(damaged.body());
    report.proves(&["decoded_twice"]).within(&["passback_params"]).at("passback_params", 15);
    let damaged = change(&notification(), "biz_content", |value| value.replace("%2F", "/"));
    Desk::new().explain(damaged.body()).proves(&["decoded_twice"]).within(&["biz_content"]);
}

#[test]
fn a_body_that_was_decoded_before_it_was_posted_on() {
    let body = decoded(&notification().body());
    Desk::new().explain(body).tells(&["decoded_twice"]);
}

#[test]
fn values_that_are_not_decoded() {
    let encode = |value: &str| form_urlencoded::byte_serialize(value.as_bytes()).collect::<String>();
    let all = each(&notification(), encode);
    Desk::new().explain(map(&all)).proves(&["not_decoded"]);
    let with_sign = change(&all, "sign", encode);
    Desk::new().explain(map(&with_sign)).proves(&["not_decoded"]);
    let one = change(&notification(), "biz_content", encode);
    Desk::new().explain(one.body()).proves(&["not_decoded"]).within(&["biz_content"]).at("biz_content", 0);
}

#[test]
fn a_plus_that_became_a_space() {
    let desk = Desk::new();
    // Of two spaces in the content one was a plus.
    let content = change(&notification(), "biz_content", |value| value.replace('+', " "));
    desk.explain(content.body()).proves(&["plus_as_space"]).within(&["biz_content"]);
    let everything = each(&notification(), |value| value.replace('+', " "));
    let everything = change(&everything, "sign", |value| value.replace('+', " "));
    desk.explain(everything.body()).proves(&["plus_as_space"]);
    // A body in which somebody encoded all but the plus.
    let body = trade().body().replace("%2B", "+");
    desk.explain(body).tells(&["plus_as_space"]);
}

#[test]
fn a_plus_of_the_sign_alone_that_became_a_space() {
    // Of ten signatures without a plus in any there is one in 10^18.
    let genuine = (0..10)
        .map(|nth| Notification::unsigned().set("notify_id", format!("n{nth}")).signed(Form::V1, key()))
        .find(|signed| signed.value("sign").contains(&b'+'))
        .unwrap();
    let damaged = change(&genuine, "sign", |value| value.replace('+', " "));
    Desk::new().explain(damaged.body()).proves(&["plus_as_space"]).within(&["sign"]);
}

#[test]
fn gbk_converted_to_utf_8_before_the_check() {
    let genuine = Notification::unsigned().in_gbk().signed(Form::V1, key());
    Desk::new().explain(genuine.body()).verifies();
    let mut damaged = genuine;
    for (_, value) in &mut damaged.params {
        *value = GBK.decode(value).0.into_owned().into_bytes();
    }
    Desk::new().explain(damaged.body()).proves(&["transcoded"]).within(&["biz_content"]);
    Desk::new().explain(map(&damaged)).proves(&["transcoded"]);
    let renamed = damaged.set("charset", "UTF-8");
    Desk::new().explain(renamed.body()).proves(&["transcoded"]).within(&["charset", "biz_content"]);
}

#[test]
fn gbk_read_as_iso_8859_1() {
    let mut damaged = Notification::unsigned().in_gbk().signed(Form::V1, key());
    for (_, value) in &mut damaged.params {
        *value = value.iter().map(|byte| char::from(*byte)).collect::<String>().into_bytes();
    }
    Desk::new().explain(map(&damaged)).proves(&["read_as_latin1"]).within(&["biz_content"]);
}

#[test]
fn utf_8_read_as_iso_8859_1_or_windows_1252() {
    let latin1 = each(&notification(), |value| value.bytes().map(char::from).collect());
    Desk::new().explain(map(&latin1)).proves(&["read_as_latin1"]).within(&["biz_content"]);
    let windows = each(&notification(), |value| WINDOWS_1252.decode(value.as_bytes()).0.into_owned());
    Desk::new().explain(map(&windows)).proves(&["read_as_latin1"]).within(&["biz_content"]);
}

#[test]
fn utf_8_read_as_gbk() {
    let damaged = each(&notification(), |value| GBK.decode(value.as_bytes()).0.into_owned());
    Desk::new().explain(map(&damaged)).proves(&["read_as_gbk"]).within(&["biz_content"]);
}

#[test]
fn gbk_read_as_utf_8_is_lost_and_said_to_be_likely() {
    let mut damaged = Notification::unsigned().in_gbk().signed(Form::V1, key());
    for (_, value) in &mut damaged.params {
        *value = String::from_utf8_lossy(value).into_owned().into_bytes();
    }
    Desk::new().explain(map(&damaged)).suspects("text_lost").within(&["biz_content"]);
}

#[test]
fn text_written_in_a_charset_that_does_not_have_it_is_lost_and_said_to_be_likely() {
    // As getBytes("ISO-8859-1"), and as U+FFFD in UTF-8 that was read as GBK or as ISO-8859-1.
    for lost in ["??", "锟斤拷", "ï¿½ï¿½"] {
        let damaged = each(&notification(), |value| value.replace("人脸", lost));
        Desk::new().explain(damaged.body()).suspects("text_lost").within(&["biz_content"]);
    }
}

#[test]
fn a_parameter_that_a_fixed_list_of_fields_drops() {
    for (name, form) in [
        ("version", Form::V1),
        ("charset", Form::V1),
        ("sign_type", Form::V2),
        ("msg_method", Form::V1),
        ("app_id", Form::V1),
    ] {
        let genuine = Notification::genuine(form);
        let report = Desk::new().json(&["--key", "alipay.pem"], genuine.clone().without(name).body());
        if name == "app_id" {
            // Nobody can say what it was.
            report.suspects("missing_parameter");
        } else {
            report.proves(&["missing_parameter"]);
        }
        report.within(&[name]);
    }
    let desk = Desk::new();
    desk.write(
        "sidecar.toml",
        format!("[[apps]]\napp_id = \"{APP_ID}\"\nalipay_public_key_files = [\"alipay.pem\"]\n"),
    );
    // What is the same as another parameter is known by that.
    let with_copies =
        trade().set("auth_app_id", APP_ID).set("receipt_amount", "20.00").signed(Form::V1, key());
    for name in ["auth_app_id", "app_id", "receipt_amount"] {
        desk.explain(with_copies.clone().without(name).body()).proves(&["missing_parameter"]).within(&[name]);
    }
    desk.json(&[], notification().without("app_id").body())
        .proves(&["missing_parameter"])
        .within(&["app_id"]);
}

#[test]
fn an_empty_value_that_was_dropped() {
    Desk::new().explain(trade().body()).verifies();
    let report = Desk::new().explain(trade().without("body").body());
    report.proves(&["empty_dropped"]).within(&["body"]);
    let message = Notification::unsigned().set("msg_uid", "").set("auth_app_id", "").signed(Form::V2, key());
    let damaged = message.without("msg_uid").without("auth_app_id");
    Desk::new().explain(damaged.body()).proves(&["empty_dropped"]);
}

#[test]
fn values_taken_as_lists() {
    let python = each(&notification(), |value| format!("['{value}']"));
    let with_sign = change(&python, "sign", |value| format!("['{value}']"));
    Desk::new().explain(map(&python)).proves(&["list_values"]);
    Desk::new().explain(map(&with_sign)).proves(&["list_values"]);
    let genuine = notification();
    let lists: serde_json::Map<String, serde_json::Value> = genuine
        .params
        .iter()
        .map(|(name, value)| (name.clone(), serde_json::json!([std::str::from_utf8(value).unwrap()])))
        .collect();
    Desk::new().explain(serde_json::to_string(&lists).unwrap()).proves(&["list_values"]);
    let joined = change(&notification(), "app_id", |value| format!("{value},{value}"));
    Desk::new().explain(map(&joined)).proves(&["list_values"]).within(&["app_id"]);
}

#[test]
fn json_written_again_with_spaces_or_escapes() {
    let escaped = change(&notification(), "biz_content", |value| {
        value
            .replace("人脸", "\\u4eba\\u8138")
            .replace('/', "\\/")
            .replace("\":", "\": ")
            .replace(",\"", ", \"")
    });
    Desk::new().explain(escaped.body()).proves(&["json_rewritten"]).within(&["biz_content"]);
    // Gson wrote what was signed, and somebody wrote it plainly.
    let content = r#"{"a":"x\u003d1\u0026y","b":1}"#;
    let genuine = Notification::unsigned().set("biz_content", content).signed(Form::V2, key());
    let plain = genuine.set("biz_content", r#"{"a":"x=1&y","b":1}"#);
    Desk::new().explain(plain.body()).proves(&["json_rewritten"]);
}

#[test]
fn json_written_again_in_another_order() {
    let order = r#"{"n":1.10,"name":"人脸 a+b","mini_app_id":"2021098756789043","url":"https://a.example/?x=1&y=%2Fz"}"#;
    let damaged = notification().set("biz_content", order);
    Desk::new()
        .explain(damaged.body())
        .proves(&["json_rewritten"])
        .within(&["biz_content"])
        .at("biz_content", 2);
    // In a log, as an object in an object.
    let nested = map(&notification().without("biz_content"));
    let nested = format!("{},\"biz_content\":{}}}", &nested[..nested.len() - 1], order.replace(',', ", "));
    Desk::new().explain(nested).proves(&["json_rewritten"]);
}

#[test]
fn json_in_a_string_and_quotes_behind_backslashes() {
    let string = change(&notification(), "biz_content", |value| serde_json::json!(value).to_string());
    Desk::new().explain(string.body()).proves(&["json_rewritten"]);
    let slashes = change(&notification(), "biz_content", |value| value.replace('"', "\\\""));
    Desk::new().explain(slashes.body()).proves(&["backslash_escaped"]).within(&["biz_content"]);
}

#[test]
fn white_space_copied_into_a_value_or_the_sign() {
    let desk = Desk::new();
    let value = change(&notification(), "biz_content", |value| format!(" {value}\n"));
    desk.explain(value.body()).proves(&["white_space"]).within(&["biz_content"]).at("biz_content", 0);
    let sign = change(&notification(), "sign", |value| format!("{}\n{} ", &value[..76], &value[76..]));
    desk.explain(sign.body()).proves(&["white_space"]).within(&["sign"]);
    // Trimmed by somebody.
    let content = "{\"a\":1}\n";
    let genuine = Notification::unsigned().set("biz_content", content).signed(Form::V1, key());
    let trimmed = genuine.set("biz_content", content.trim_end());
    desk.explain(trimmed.body()).proves(&["white_space"]).within(&["biz_content"]);
}

#[test]
fn a_body_that_was_not_parsed() {
    let unparsed = format!("{{{}: \"\"}}", serde_json::json!(notification().body()));
    Desk::new().explain(unparsed).proves(&["unparsed_body"]);
}

#[test]
fn a_parameter_with_another_value() {
    let damaged = notification().set("charset", "GBK");
    Desk::new().explain(damaged.body()).proves(&["parameter_changed"]).within(&["charset"]).at("charset", 0);
}

#[test]
fn two_things_at_once_are_both_told() {
    let escaped = each(&notification(), html_escaped).set("s", "/alipay/notify");
    Desk::new().explain(escaped.body()).proves(&["html_escaped", "extra_parameter"]);
    let spaced =
        change(&notification(), "biz_content", |value| value.replace("\":", "\": ").replace(",\"", ", \""));
    Desk::new().explain(spaced.without("version").body()).tells(&["missing_parameter", "json_rewritten"]);
}

#[test]
fn a_change_that_nothing_explains_is_proven_to_be_one() {
    let damaged = change(&notification(), "biz_content", |value| value.replace("1.10", "1.20"));
    Desk::new().explain(damaged.body()).proves(&["content_changed"]);
}

#[test]
fn a_value_that_was_decoded_and_encoded_again_is_one_thing_and_no_contradiction() {
    // `%3d` became `%3D`, as by decoding and encoding.
    let damaged = change(&trade(), "passback_params", |value| value.replace("%3d", "%3D"));
    Desk::new().explain(damaged.body()).proves(&["encoding_rewritten"]).within(&["passback_params"]);
    let spaced = trade().set("passback_params", "a%20b%2Fc").signed(Form::V1, key());
    let damaged = spaced.set("passback_params", "a+b%2fc");
    Desk::new().explain(damaged.body()).proves(&["encoding_rewritten"]).within(&["passback_params"]);
    // With something else, both are told.
    let damaged = change(&trade(), "passback_params", |value| value.replace("%3d", "%3D")).set("s", "x");
    Desk::new().explain(damaged.body()).proves(&["encoding_rewritten", "extra_parameter"]);
}

#[test]
fn no_two_causes_are_told_of_which_one_takes_back_the_other() {
    let encode = |value: &str| form_urlencoded::byte_serialize(value.as_bytes()).collect::<String>();
    // All but one value are still encoded.
    let damaged = each(&trade(), encode).set("passback_params", trade().value("passback_params"));
    let report = Desk::new().explain(map(&damaged));
    let causes = report.0["diagnosis"]["causes"].as_array().unwrap();
    let labels: Vec<&str> = causes.iter().map(|cause| cause["cause"].as_str().unwrap()).collect();
    assert!(!labels.contains(&"decoded_twice"), "{labels:?}");
}

#[test]
fn a_required_parameter_that_is_not_there_is_named_as_the_likely_cause() {
    let desk = Desk::new();
    for name in ["notify_id", "utc_timestamp", "biz_content"] {
        let dropped = notification().without(name);
        desk.explain(dropped.body()).suspects("missing_parameter").within(&[name]);
        desk.explain(map(&dropped)).suspects("missing_parameter").within(&[name]);
    }
    let two = notification().without("notify_id").without("utc_timestamp");
    desk.explain(two.body()).suspects("missing_parameter").within(&["notify_id", "utc_timestamp"]);
    // Without its name, the kind is known by what it has.
    let nameless = notification().without("msg_method").without("utc_timestamp");
    desk.explain(nameless.body()).suspects("missing_parameter").within(&["msg_method", "utc_timestamp"]);
    let nameless = trade().without("notify_type").without("notify_id");
    desk.explain(nameless.body()).suspects("missing_parameter").within(&["notify_id", "notify_type"]);
    desk.explain(trade().without("notify_time").body())
        .suspects("missing_parameter")
        .within(&["notify_time"]);
    // What may be absent is not accused.
    desk.explain(trade().without("trade_no").body()).proves(&["content_changed"]);
}

#[test]
fn lists_whose_sign_lost_its_plus_are_told_with_both() {
    let genuine = (0..10)
        .map(|nth| Notification::unsigned().set("notify_id", format!("n{nth}")).signed(Form::V1, key()))
        .find(|signed| signed.value("sign").contains(&b'+'))
        .unwrap();
    let mut lists = each(&genuine, |value| format!("['{value}']"));
    lists = change(&lists, "sign", |value| format!("['{}']", value.replace('+', " ")));
    Desk::new().explain(lists.body()).proves(&["list_values", "plus_as_space"]);
    Desk::new().explain(map(&lists)).proves(&["list_values", "plus_as_space"]);
}

#[test]
fn a_body_that_was_encoded_as_a_whole_is_no_unsigned_one() {
    let body = notification().body();
    let encoded: String = form_urlencoded::byte_serialize(body.as_bytes()).collect();
    for whole in [encoded.clone(), format!("{encoded}="), format!("data={encoded}")] {
        Desk::new().explain(whole).proves(&["unparsed_body"]);
    }
}

#[test]
fn what_tcpdump_shows_as_a_dot_is_not_taken_for_content() {
    // A body that somebody decoded on the way holds what is not ASCII.
    let body = decoded(&notification().body());
    let shown: String =
        body.bytes().map(|byte| if byte.is_ascii() { char::from(byte) } else { '.' }).collect();
    let dump = format!(
        "2026-11-25 12:00:00.000001 IP 1.2.3.4.5 > 6.7.8.9.80: Flags [P.], length 9: HTTP: POST /n HTTP/1.1\nE..z..@.POST /n \
         HTTP/1.1\nContent-Length: {}\n\n{shown}\n",
        shown.len()
    );
    let report = Desk::new().explain(&dump);
    report.suspects("text_lost").within(&["biz_content"]);
    assert!(report.0["received"]["notes"][0].as_str().unwrap().contains("dot"), "{}", report.0["received"]);
    // One dot may be a CR or a dot: nothing is proven by it.
    let changed = change(&notification(), "biz_content", |value| value.replace("1.10", "1.20")).body();
    let dump = dump.replace(&shown, &changed).replace(&shown.len().to_string(), &changed.len().to_string());
    Desk::new().explain(dump).suspects("content_changed");
}
