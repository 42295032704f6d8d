//! Nobody is accused falsely: what merely looks like damage is genuine, and what nobody signed is proven to be that.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::alipay::{Form, Notification, foreign_key, key};
use crate::{Desk, change, map, notification, trade};

/// Content that looks as if each kind of damage had been done to it, and was signed so.
const LOOKS_DAMAGED: [&str; 12] = [
    "{&quot;a&quot;:1}",
    r#"{"a":"&lt;b&gt; &amp;amp; &#39;"}"#,
    r#"{"a":"%7B%22%2B%25"}"#,
    r#"{"a":"b + c"}"#,
    "['x']",
    r#"["x"]"#,
    "{\"a\": 1, \"b\": 2}",
    r#"{"b":"\u4eba\/\u003d","a":1}"#,
    " {\"a\":1}\n",
    r#"{\"a\":1}"#,
    "{\"a\":\"\u{fffd}\u{fffd}ÈËÁ³ 浜鸿劯\"}",
    "x,x",
];

#[test]
fn what_only_looks_damaged_and_was_signed_so_is_not_accused() {
    let desk = Desk::new();
    for content in LOOKS_DAMAGED {
        let genuine =
            Notification::unsigned().set("biz_content", content).set("s", "x").signed(Form::V1, key());
        desk.explain(genuine.body()).verifies();
        desk.explain(map(&genuine)).verifies();
        // Damaged by something else, it is not blamed on its looks.
        let damaged = genuine.set("notify_id", "a_forged_one");
        if content.contains('\u{fffd}') {
            // Hardly anybody writes that, so it is suspected, and no more than that.
            desk.explain(damaged.body()).suspects("text_lost").within(&["biz_content"]);
        } else {
            desk.explain(damaged.body()).proves(&["content_changed"]);
        }
    }
}

#[test]
fn questions_are_no_lost_text() {
    for content in [
        r#"{"a":"really?"}"#,
        r#"{"a":"what??? Why??"}"#,
        r#"{"a":"真的吗??"}"#,
        r#"{"a":"https://a.example/?x=?"}"#,
    ] {
        let genuine = Notification::unsigned().set("biz_content", content).signed(Form::V1, key());
        let damaged = genuine.set("notify_id", "a_forged_one");
        Desk::new().explain(damaged.body()).proves(&["content_changed"]);
    }
}

#[test]
fn what_is_required_of_another_kind_is_not_missed() {
    // The old partner API has neither app_id nor charset nor version.
    let old = trade().without("app_id").without("charset").without("version").set("seller_id", "2088");
    let damaged = old.signed(Form::V1, key()).set("out_trade_no", "another");
    Desk::new().explain(damaged.body()).proves(&["content_changed"]);
}

#[test]
fn a_sign_with_letters_of_both_cases_is_not_called_damaged() {
    let flipped = change(&notification(), "sign", |value| {
        let (start, rest) = value.split_at(9);
        let (character, end) = rest.split_at(1);
        format!("{start}{}{end}", if character == "A" { "B" } else { "A" })
    });
    Desk::new().explain(flipped.body()).proves(&["no_key_opens"]);
}

#[test]
fn a_genuine_notification_of_either_kind_is_verified() {
    for genuine in [notification(), trade(), Notification::genuine(Form::V2)] {
        Desk::new().explain(genuine.body()).verifies();
        Desk::new().explain(map(&genuine)).verifies();
    }
}

#[test]
fn a_random_signature_opens_with_no_key() {
    for nth in 0..4_u8 {
        let sign: Vec<u8> =
            (0..=255).map(|byte: u8| byte.wrapping_mul(37).wrapping_add(nth) & 0x7f).collect();
        let forged = notification().set("sign", BASE64_STANDARD.encode(sign));
        Desk::new().explain(forged.body()).proves(&["no_key_opens"]);
    }
    // Of the length of a signature, and above the modulus.
    let forged = notification().set("sign", BASE64_STANDARD.encode([0xff; 256]));
    Desk::new().explain(forged.body()).proves(&["no_key_opens"]);
}

#[test]
fn what_another_key_signed_is_not_called_changed_even_where_it_was() {
    let foreign = notification().signed(Form::V1, foreign_key());
    Desk::new().explain(foreign.body()).proves(&["no_key_opens"]);
    let escaped = change(&foreign, "biz_content", |value| value.replace('"', "&quot;"));
    Desk::new().explain(escaped.body()).proves(&["no_key_opens"]);
}

#[test]
fn the_signature_of_another_notification_is_a_change_of_content_and_not_of_the_key() {
    let other = Notification::genuine(Form::V1).set("notify_id", "another").signed(Form::V1, key());
    let mixed = notification().set("sign", other.value("sign"));
    Desk::new().explain(mixed.body()).proves(&["content_changed"]);
}

#[test]
fn white_space_copied_into_a_key_does_no_harm() {
    let desk = Desk::new();
    let key = key().public();
    let (one, other) = key.split_at(64);
    desk.write("alipay.pem", format!("\u{feff}\n {one}\r\n\t{other} \n\n"));
    desk.explain(notification().body()).verifies();
}
