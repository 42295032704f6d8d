//! More than one thing happened, or the same in more than one place: each is told, and nothing beside it.

use encoding_rs::GBK;
use percent_encoding::percent_decode_str;

use crate::alipay::{Form, Notification, key};
use crate::{Desk, change, each, map, notification, trade};

const REORDERED: &str =
    r#"{"n":1.10,"name":"人脸 a+b","mini_app_id":"2021098756789043","url":"https://a.example/?x=1&y=%2Fz"}"#;

fn encoded(value: &str) -> String {
    form_urlencoded::byte_serialize(value.as_bytes()).collect()
}

fn decoded(value: &str) -> String {
    percent_decode_str(&value.replace('+', " ")).decode_utf8().unwrap().into_owned()
}

#[test]
fn values_encoded_twice_beside_a_parameter_that_was_added() {
    let desk = Desk::new();
    for genuine in [notification(), trade()] {
        let encoded_twice = change(&each(&genuine, encoded), "sign", encoded).set("s", "/alipay/notify");
        desk.explain(encoded_twice.body()).proves(&["not_decoded", "extra_parameter"]);
        desk.explain(map(&encoded_twice)).proves(&["not_decoded", "extra_parameter"]);
    }
    // What is percent-encoded in itself came as it was.
    let some = each(&trade(), encoded).set("passback_params", trade().value("passback_params"));
    desk.explain(map(&some.set("s", "x"))).proves(&["not_decoded", "extra_parameter"]);
}

#[test]
fn values_of_a_trade_decoded_once_too_often() {
    let desk = Desk::new();
    let genuine = change(&trade(), "body", |_| "c+d e".to_owned()).signed(Form::V1, key());
    // Of one a `+` became a space, of the other the escapes became characters.
    let two = change(&change(&genuine, "subject", decoded), "passback_params", decoded);
    desk.explain(two.body()).proves(&["decoded_twice"]).within(&["subject", "passback_params"]);
    let all = each(&genuine, decoded);
    desk.explain(map(&all)).proves(&["decoded_twice"]).within(&["subject", "body", "passback_params"]);
    let plus = change(&change(&genuine, "subject", decoded), "body", decoded);
    desk.explain(map(&plus)).proves(&["plus_as_space"]).within(&["subject", "body"]);
    desk.explain(map(&each(&notification(), decoded))).proves(&["decoded_twice"]).within(&["biz_content"]);
}

#[test]
fn values_decoded_once_too_often_beside_another_change() {
    let desk = Desk::new();
    let all = each(&notification(), decoded);
    desk.explain(map(&all.clone().set("s", "x"))).proves(&["extra_parameter", "decoded_twice"]);
    desk.explain(map(&all.without("version"))).proves(&["missing_parameter", "decoded_twice"]);
    let plus = each(&notification(), |value| value.replace('+', " ")).set("s", "x");
    desk.explain(map(&plus)).proves(&["extra_parameter", "plus_as_space"]);
    // A body that somebody decoded, to which a parameter was added.
    let body = format!("s=x&{}", decoded(&notification().body()));
    desk.explain(body).tells(&["decoded_twice", "extra_parameter"]);
}

#[test]
fn json_in_another_order_beside_another_change() {
    let desk = Desk::new();
    let reordered = notification().set("biz_content", REORDERED);
    desk.explain(reordered.clone().set("s", "x").body()).proves(&["extra_parameter", "json_rewritten"]);
    desk.explain(reordered.clone().without("version").body())
        .proves(&["missing_parameter", "json_rewritten"]);
    let escaped = change(&reordered, "biz_content", |value| value.replace('"', "&quot;"));
    desk.explain(escaped.body()).proves(&["html_escaped", "json_rewritten"]);
    // In another order and with the escapes of PHP it is one thing.
    let of_php = change(&reordered, "biz_content", |value| {
        value.replace('/', "\\/").replace("人脸", "\\u4eba\\u8138")
    });
    desk.explain(of_php.body()).proves(&["json_rewritten"]).within(&["biz_content"]);
}

#[test]
fn json_in_gbk_or_in_objects_in_another_order() {
    let desk = Desk::new();
    let content = std::str::from_utf8(notification().value("biz_content")).unwrap().to_owned();
    let in_gbk = Notification::unsigned().set("biz_content", content).in_gbk().signed(Form::V1, key());
    let reordered = in_gbk.clone().set("biz_content", GBK.encode(REORDERED).0);
    desk.explain(reordered.body()).proves(&["json_rewritten"]).within(&["biz_content"]);
    desk.explain(in_gbk.set("biz_content", REORDERED).body()).proves(&["transcoded", "json_rewritten"]);
    let nested = r#"[{"b":{"d":1,"c":2},"a":"x"},{"b":{"d":3,"c":4},"a":"y"}]"#;
    let genuine = Notification::unsigned().set("biz_content", nested).signed(Form::V1, key());
    let reordered =
        genuine.set("biz_content", r#"[{"a":"x","b":{"c":2,"d":1}},{"a":"y","b":{"c":4,"d":3}}]"#);
    desk.explain(reordered.body()).proves(&["json_rewritten"]).within(&["biz_content"]);
}

#[test]
fn a_log_of_lists_tells_what_else_happened() {
    let damaged = change(&notification(), "biz_content", |value| value.replace('"', "&quot;")).set("s", "x");
    let lists = each(&damaged, |value| format!("['{value}']"));
    let lists = change(&lists, "sign", |value| format!("['{value}']"));
    Desk::new().explain(map(&lists)).proves(&["list_values", "html_escaped", "extra_parameter"]);
}

#[test]
fn one_value_that_was_written_as_a_list_of_json_is_no_list_of_a_framework() {
    let desk = Desk::new();
    let content = r#"[{"amount":"20.00","fundChannel":"ALIPAYACCOUNT"}]"#;
    let genuine = trade().set("fund_bill_list", content).signed(Form::V1, key());
    for written in [
        serde_json::json!([content]).to_string(),
        serde_json::json!(content).to_string(),
        r#"[{"fundChannel": "ALIPAYACCOUNT", "amount": "20.00"}]"#.to_owned(),
        // As Python prints what it has parsed.
        "[{'amount': '20.00', 'fundChannel': 'ALIPAYACCOUNT'}]".to_owned(),
    ] {
        let damaged = genuine.clone().set("fund_bill_list", written);
        desk.explain(damaged.body()).proves(&["json_rewritten"]).within(&["fund_bill_list"]);
    }
    // What came in the query and in the body is a list of a framework, in whatever spelling.
    let twice = change(&genuine, "trade_no", |value| format!("[\"{value}\",\"{value}\"]"));
    desk.explain(twice.body()).proves(&["list_values"]).within(&["trade_no"]);
}

#[test]
fn several_parameters_that_a_fixed_list_of_fields_drops_at_once() {
    let desk = Desk::new();
    let genuine = Notification::genuine(Form::V2);
    let dropped = genuine.without("version").without("charset").without("sign_type");
    desk.explain(dropped.body()).proves(&["missing_parameter"]).within(&["sign_type", "charset", "version"]);
    let dropped = trade().without("version").without("charset").without("notify_type");
    desk.explain(dropped.body()).proves(&["missing_parameter"]).within(&[
        "charset",
        "version",
        "notify_type",
    ]);
}

#[test]
fn white_space_trimmed_from_values_or_put_in_by_breaking_lines() {
    let desk = Desk::new();
    for (start, end) in [(" ", ""), ("", "\r\n"), (" ", " "), ("\n", "\n"), ("\t", "")] {
        let genuine = trade().set("subject", format!("{start}a b{end}")).signed(Form::V1, key());
        let trimmed = genuine.set("subject", "a b");
        desk.explain(trimmed.body()).proves(&["white_space"]).within(&["subject"]);
    }
    let genuine = trade().set("subject", "a b ").set("body", "c ").signed(Form::V1, key());
    let trimmed = genuine.set("subject", "a b").set("body", "c");
    desk.explain(trimmed.body()).proves(&["white_space"]).within(&["subject", "body"]);
    let genuine = trade().set("subject", " hi").set("body", "b ").signed(Form::V1, key());
    let trimmed = genuine.set("subject", "hi").set("body", "b");
    desk.explain(trimmed.body()).proves(&["white_space"]).within(&["subject", "body"]);
    for end in ["\n", "\r\n", "\r\n  ", "\n\t"] {
        let broken = |value: &str| format!("{}{end}{}{end}{}", &value[..20], &value[20..40], &value[40..]);
        let content = change(&notification(), "biz_content", broken);
        desk.explain(content.body()).proves(&["white_space"]).within(&["biz_content"]);
        let both = change(&content, "sign", broken);
        desk.explain(both.body()).proves(&["white_space"]).within(&["biz_content", "sign"]);
    }
}

#[test]
fn a_hash_that_sign_type_does_not_name_is_told_beside_what_changed_the_content() {
    let signed = notification().set("sign_type", "RSA").signed(Form::V2, key());
    let report = Desk::new().explain(signed.body());
    report.proves(&["parameter_changed"]).within(&["sign_type"]);
    let report = Desk::new().explain(signed.set("s", "x").body());
    report.proves(&["extra_parameter", "parameter_changed"]);
    assert_eq!(report.0["diagnosis"]["causes"][1]["parameters"], serde_json::json!(["sign_type"]));
}

#[test]
fn values_that_were_all_decoded_once_more_are_encoded_again_in_one_style() {
    let desk = Desk::new();
    for (subject, decoded) in
        [("100%25 a%2Bb", "100% a+b"), ("100%25%20a%2Bb", "100% a+b"), ("100%25+a%2Bb", "100% a+b")]
    {
        let genuine = trade()
            .set("subject", subject)
            .set("body", "x%26y%3D1")
            .set("passback_params", "k%3D1%26z%3D%E6%B0%B4")
            .signed(Form::V1, key());
        let damaged = genuine.set("subject", decoded).set("body", "x&y=1").set("passback_params", "k=1&z=水");
        let report = desk.explain(damaged.body());
        report.proves(&["decoded_twice"]).within(&["subject", "body", "passback_params"]);
    }
}
