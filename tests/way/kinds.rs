//! Every kind of notification reaches the app as one shape of JSON.

use std::fs;

use rsa::Pkcs1v15Sign;

use crate::support::Way;
use crate::support::alipay::{APP_ID, Form, Key, Notification, OTHER_APP_ID, flat, key};

/// What stands before `biz_content` in the JSON of `notification`.
fn envelope(notification: &Notification, notify_type: &str) -> String {
    let time = std::str::from_utf8(notification.value("notify_time")).unwrap().replace(' ', "T");
    let sent: jiff::Timestamp = format!("{time}+08:00").parse().unwrap();
    format!(
        "{{\"notify_id\":\"2024031500222103145084711405842378\",\"notify_type\":\"{notify_type}\",\"app_id\":\"{APP_ID}\",\
         \"version\":\"1.0\",\"sent_at\":\"{sent:.3}\",\"notify_time\":\"{time}+08:00\","
    )
}

const TRADE: [(&str, &str); 9] = [
    ("trade_no", "2024031522001412345678901234"),
    ("out_trade_no", "SHOP17"),
    ("total_amount", "88.00"),
    ("trade_status", "trade_success"),
    ("subject", "咖啡 & 茶 = 好"),
    ("gmt_payment", "2024-03-15 10:29:58.320"),
    ("fund_bill_list", r#"[ {"amount":"85.50", "fundChannel":"ALIPAYACCOUNT"} ]"#),
    ("passback_params", "table%3D7%26from%3Dmini"),
    ("new_one", "x"),
];

#[test]
fn a_trade_in_any_charset_becomes_the_envelope_and_typed_fields_below_biz_content() {
    let way = Way::start();
    for notification in [flat("trade_status_sync", &TRADE), flat("trade_status_sync", &TRADE).in_gbk()] {
        let notification = notification.signed(Form::V1, key());
        way.post(&notification).is(200, "success");
        let got = way.upstream.got();
        let content = r#""biz_content":{"trade_no":"2024031522001412345678901234","out_trade_no":"SHOP17","total_amount":"88.00","trade_status":"TRADE_SUCCESS","subject":"咖啡 & 茶 = 好","gmt_payment":"2024-03-15T10:29:58.320+08:00","fund_bill_list":[{"amount":"85.50","fundChannel":"ALIPAYACCOUNT"}],"passback_params":"table=7&from=mini","new_one":"x"}}"#;
        assert_eq!(got.text(), envelope(&notification, "trade_status_sync") + content);
        for (header, value) in [
            ("alipay-msg-method", "trade_status_sync"),
            ("alipay-app-id", APP_ID),
            ("alipay-form", "v1"),
            ("alipay-schema", "typed"),
            ("alipay-notify-id", "2024031500222103145084711405842378"),
        ] {
            assert_eq!(got.header(header), Some(value));
        }
    }
    assert!(way.metrics().contains(
        "alipay_sidecar_notifications_total{msg_method=\"trade_status_sync\",outcome=\"accepted\",reason=\"\"} 2"
    ));
}

#[test]
fn passback_params_are_signed_as_they_came_and_never_decoded_before() {
    let way = Way::start();
    let genuine = flat("trade_status_sync", &TRADE).signed(Form::V1, key());
    way.post(&genuine.set("passback_params", "table=7&from=mini")).is(403, "fail");
    way.upstream.got_nothing();
}

#[test]
fn a_trade_that_is_not_as_documented_passes_flagged() {
    let way = Way::start();
    let params = [("trade_no", "1"), ("total_amount", "1e2"), ("fund_bill_list", "[{\"amount\":1.10}]")];
    way.post(&flat("trade_status_sync", &params).signed(Form::V1, key())).is(200, "success");
    let got = way.upstream.got();
    // The number is money as well, and the text which is none stays as it came.
    assert!(got.text().ends_with(
        r#""biz_content":{"trade_no":"1","total_amount":"1e2","fund_bill_list":[{"amount":"1.10"}]}}"#
    ));
    assert_eq!(got.header("alipay-schema"), Some("mismatch"));
}

#[test]
fn a_trade_is_not_signed_in_the_form_of_messages() {
    let way = Way::start();
    way.post(&flat("trade_status_sync", &TRADE).signed(Form::V2, key())).is(403, "fail");
    way.upstream.got_nothing();
}

#[test]
fn free_text_is_refused_only_where_it_can_be_read_as_a_parameter() {
    let way = Way::start();
    let with = |subject| {
        flat("trade_status_sync", &[("trade_no", "1"), ("out_trade_no", "2"), ("subject", subject)])
            .signed(Form::V1, key())
    };
    way.post(&with("a&b=c&zzz=1")).is(200, "success");
    assert!(way.upstream.got().text().contains("\"subject\":\"a&b=c&zzz=1\""));
    // A name that means something cannot be a parameter if it sorts after the next one.
    let url = "https://shop.example/item?id=3&price=9";
    let shop = [("trade_no", "1"), ("body", url), ("buyer_id", "2088"), ("seller_id", "2088")];
    way.post(&flat("trade_status_sync", &shop).signed(Form::V1, key())).is(200, "success");
    assert!(way.upstream.got().text().contains(url));
    way.post(&with("a&voucher_detail_list=[]")).is(400, "fail");
    let shop = [("trade_no", "1"), ("body", "a&buyer_email=b"), ("buyer_id", "2088")];
    way.post(&flat("trade_status_sync", &shop).signed(Form::V1, key())).is(400, "fail");
    way.upstream.got_nothing();
    assert_eq!(way.count("ambiguous_parameters"), 2);
}

#[test]
fn the_json_of_a_flat_notification_may_hold_addresses() {
    let way = Way::start();
    let content = r#"{"notify_context":{"trigger":"https://x.example/cb?a=1&b=2"}}"#;
    for kind in ["open_app_auth_notify", "nobody_knows"] {
        way.post(&flat(kind, &[("biz_content", content)]).signed(Form::V1, key())).is(200, "success");
        assert!(way.upstream.got().text().contains(content));
    }
    let injected = r#"{"a":"&notify_type=trade_status_sync&b="}"#;
    let injected = flat("open_app_auth_notify", &[("biz_content", injected)]);
    way.post(&injected.signed(Form::V1, key())).is(400, "fail");
    assert_eq!(way.count("ambiguous_parameters"), 1);
}

#[test]
fn json_in_a_parameter_is_free_text_and_an_id_is_not() {
    let way = Way::start();
    let with =
        |name, value| flat("trade_status_sync", &[("trade_no", "1"), (name, value)]).signed(Form::V1, key());
    let vouchers = r#"[{"name":"满10&减=5&zzz=1","amount":"5.00"}]"#;
    way.post(&with("voucher_detail_list", vouchers)).is(200, "success");
    assert!(way.upstream.got().text().contains(vouchers));
    way.post(&with("voucher_detail_list", r#"[{"name":"&zzz=1"}]&zzz=2"#)).is(200, "success");
    assert_eq!(way.upstream.got().header("alipay-schema"), Some("mismatch"));
    // Cut at the `&`, an id is another id.
    way.post(&with("out_trade_no", "SHOP17&zzz=1")).is(400, "fail");
    assert_eq!(way.count("ambiguous_parameters"), 1);
}

#[test]
fn where_the_content_stands_is_the_kinds_to_say() {
    let way = Way::start();
    let trade = flat("trade_status_sync", &[("trade_no", "1"), ("biz_content", r#"{"trade_no":"2"}"#)]);
    way.post(&trade.signed(Form::V1, key())).is(200, "success");
    let content = r#""biz_content":{"trade_no":"1","biz_content":"{\"trade_no\":\"2\"}"}}"#;
    let got = way.upstream.got();
    assert!(got.text().ends_with(content), "{}", got.text());
    let authorisation = flat("open_app_auth_notify", &[("status", "execute_auth")]);
    way.post(&authorisation.signed(Form::V1, key())).is(400, "fail");
    assert_eq!(way.count("missing_parameter"), 1);
    way.upstream.got_nothing();
    // What no file describes has it where it is.
    for (params, content) in [
        (&[("a", "1")][..], r#""biz_content":{"a":"1"}}"#),
        (&[("a", "1"), ("biz_content", r#"{"b":2}"#)][..], r#""biz_content":{"b":2},"extra":{"a":"1"}}"#),
    ] {
        way.post(&flat("nobody_knows", params).signed(Form::V1, key())).is(200, "success");
        let got = way.upstream.got();
        assert!(got.text().ends_with(content), "{}", got.text());
    }
}

#[test]
fn an_order_of_the_service_market_is_signed_with_its_sign_type() {
    let way = Way::start();
    let order = [("commodity_order_id", "20240315"), ("order_item_num", "2"), ("title", "门店 & 营销")];
    let notification = flat("servicemarket_order_notify", &order).signed(Form::V2, key());
    way.post(&notification).is(200, "success");
    let got = way.upstream.got();
    assert_eq!(got.header("alipay-form"), Some("v2"));
    assert!(got.text().contains("\"title\":\"门店 & 营销\""), "{}", got.text());
}

#[test]
fn an_authorisation_has_its_content_in_biz_content_and_the_rest_beside_it() {
    let way = Way::start();
    let content = r#"{"notify_context":{"trigger":"x"},"detail":{"app_auth_token":"t","user_id":"2088","re_expires_in":32140800,"auth_time":1479804866797,"app_refresh_token":"r","auth_app_id":"2","app_id":"3","expires_in":"31536000","app_auth_code":"c"},"more":1.10}"#;
    let params = [("biz_content", content), ("auth_app_id", "2021"), ("status", "execute_auth")];
    for form in [Form::V1, Form::V2] {
        let notification = flat("open_app_auth_notify", &params).signed(form, key());
        way.post(&notification).is(200, "success");
        let got = way.upstream.got();
        let content = content.replace("\"31536000\"", "31536000");
        assert_eq!(
            got.text(),
            envelope(&notification, "open_app_auth_notify")
                + &format!(
                    "\"auth_app_id\":\"2021\",\"biz_content\":{content},\"extra\":{{\"status\":\"execute_auth\"}}}}"
                )
        );
    }
}

#[test]
fn a_freeze_without_app_id_is_for_the_app_that_was_authorised() {
    let way = Way::start();
    let params = [("auth_app_id", APP_ID), ("auth_no", "2024"), ("amount", "100.00"), ("status", "SUCCESS")];
    let freeze = flat("fund_auth_freeze", &params).without("app_id").signed(Form::V1, key());
    way.post(&freeze).is(200, "success");
    let got = way.upstream.got();
    assert_eq!(got.header("alipay-app-id"), Some(APP_ID));
    assert!(got.text().contains(&format!("\"auth_app_id\":\"{APP_ID}\",\"biz_content\":{{\"auth_no\"")));
}

#[test]
fn the_old_partner_api_is_for_the_seller_where_its_hash_is_allowed() {
    let old = |sign_type: &str| {
        let params = [
            ("trade_no", "1"),
            ("out_trade_no", "2"),
            ("total_fee", "0.10"),
            ("use_coupon", "N"),
            ("quantity", "1"),
        ];
        let notification = flat("trade_status_sync", &params);
        let notification = notification.without("app_id").without("version").without("charset");
        notification.set("sign_type", sign_type).set("seller_id", APP_ID)
    };
    let strict = Way::start();
    let by_sha1 = old("RSA").clone().set("sign", sha1(key(), &old("RSA").signed_text(Form::V1)));
    strict.post(&by_sha1).is(403, "fail");
    assert_eq!(strict.count("hash_not_allowed"), 1);
    let way = Way::with(&[("verify", "allow_sha1 = true")]);
    for notification in [by_sha1, old("RSA2").signed(Form::V1, key())] {
        way.post(&notification).is(200, "success");
        let got = way.upstream.got();
        assert!(got.text().ends_with(&format!(
            r#""biz_content":{{"trade_no":"1","out_trade_no":"2","total_fee":"0.10","use_coupon":false,"quantity":1,"seller_id":"{APP_ID}"}}}}"#
        )), "{}", got.text());
        assert!(!got.text().contains("app_id\"") && !got.text().contains("version"));
        assert_eq!(got.header("alipay-app-id"), Some(APP_ID));
    }
    way.post(&old("RSA2").set("seller_id", OTHER_APP_ID).signed(Form::V1, key())).is(403, "fail");
    way.post(&old("RSA2").without("seller_id").signed(Form::V1, key())).is(400, "fail");
    // Bytes that are no UTF-8 are not guessed at.
    let in_gbk = old("RSA2").set("subject", b"\xc8\xcb").signed(Form::V1, key());
    way.post(&in_gbk).is(400, "fail");
    assert_eq!(way.count("malformed_text"), 1);
    let way = Way::with(&[("apps", "charset = \"GBK\"")]);
    way.post(&in_gbk).is(200, "success");
    assert!(way.upstream.got().text().contains("\"subject\":\"人\""));
    // What names its charset is read in that.
    way.post(&flat("trade_status_sync", &[("subject", "人")]).signed(Form::V1, key())).is(200, "success");
    assert!(way.upstream.got().text().contains("\"subject\":\"人\""));
}

/// The signature over `text` by RSA with SHA-1.
fn sha1(key: &Key, text: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, text);
    // DigestInfo of SHA-1, RFC 8017, 9.2, note 1.
    let info = b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14";
    key.seal(Pkcs1v15Sign::new_unprefixed(), &[info, digest.as_ref()].concat())
}

#[test]
fn a_flat_kind_that_is_not_known_passes_untyped() {
    let way = Way::start();
    let notification = flat("batch_trans_notify", &[("batch_no", "1"), ("fee", "0.10")]);
    way.post(&notification.signed(Form::V1, key())).is(200, "success");
    let got = way.upstream.got();
    assert!(got.text().ends_with(r#""biz_content":{"batch_no":"1","fee":"0.10"}}"#));
    assert_eq!(got.header("alipay-schema"), Some("untyped"));
}

#[test]
fn lists_and_objects_are_typed_to_their_leaves() {
    let way = Way::start();
    let content = r#"{"settle_no":"1","royalty_detail_list":[{"amount":10.10,"operation_type":"transfer","state":"SUCCESS"},{"amount":"0.01"}]}"#;
    let notification = Notification::unsigned()
        .set("msg_method", "alipay.trade.order.settle.notify")
        .set("biz_content", content);
    way.post(&notification.signed(Form::V1, key())).is(200, "success");
    let got = way.upstream.got();
    assert!(got.text().ends_with(&format!("\"biz_content\":{}}}", content.replace("10.10", "\"10.10\""))));
    assert_eq!(got.header("alipay-schema"), Some("typed"));
}

#[test]
fn a_message_of_which_the_name_alone_is_known_is_counted_under_it_and_untyped() {
    let way = Way::start();
    let notification = Notification::unsigned().set("msg_method", "alipay.trade.settle.fail");
    way.post(&notification.signed(Form::V1, key())).is(200, "success");
    assert_eq!(way.upstream.got().header("alipay-schema"), Some("untyped"));
    assert!(way.metrics().contains("msg_method=\"alipay.trade.settle.fail\""));
}

#[test]
fn a_message_of_the_users_own_file_is_typed_and_its_parameters_cannot_be_posed_as_text() {
    let folder = tempfile::tempdir().unwrap();
    let [message, flat_kind] = ["message.toml", "flat.toml"].map(|name| folder.path().join(name));
    fs::write(
        &message,
        "msg_method = 'my.own'\ncomplete = true\n[[fields]]\nname = 'n'\ntype = 'integer'\nrequired = true\n",
    )
    .unwrap();
    fs::write(&flat_kind, "notify_type = 'my_flat'\ncomplete = false\n[[fields]]\nname = 'tally'\ntype = 'integer'\nrequired = false\n").unwrap();
    let way = Way::with(&[("translate", &format!("messages = [{message:?}, {flat_kind:?}]"))]);
    let notification =
        Notification::unsigned().set("msg_method", "my.own").set("biz_content", r#"{"n":"7"}"#);
    way.post(&notification.signed(Form::V1, key())).is(200, "success");
    assert!(way.upstream.got().text().ends_with(r#""biz_content":{"n":7}}"#));
    // `tally` sorts after `subject`, so its text could be cut there.
    let posed = flat("my_flat", &[("subject", "a&tally=9")]).signed(Form::V1, key());
    way.post(&posed).is(400, "fail");
    assert_eq!(way.count("ambiguous_parameters"), 1);
}

#[test]
fn a_mini_program_that_is_not_listed_is_refused_like_an_app_that_is_not_ours() {
    let way = Way::with(&[("apps", "mini_app_ids = [\"2021098756789043\"]")]);
    way.post(&Notification::genuine(Form::V1)).is(200, "success");
    way.upstream.got();
    let content = r#"{"mini_app_id":"2021000000000009","certify_result_status":"success"}"#;
    let other = Notification::unsigned().set("biz_content", content).signed(Form::V1, key());
    way.post(&other).is(403, "fail");
    way.upstream.got_nothing();
    assert_eq!(way.count("mini_app_not_allowed"), 1);
    // A trade is about no mini program.
    way.post(&flat("trade_status_sync", &TRADE).signed(Form::V1, key())).is(200, "success");
}
