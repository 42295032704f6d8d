//! What is genuine gets through, however it is written.

use crate::support::Way;
use crate::support::alipay::{CONTENT, Form, Notification, key, other_key};
use crate::support::client::Client;

const NOTIFY_ID: &str = "5608cccc09ddb39d41c2e3c06e3d9fejh2";

#[test]
fn the_documented_example_reaches_the_upstream_as_the_json_of_the_contract() {
    let way = Way::start();
    let notification = Notification::unsigned().set("utc_timestamp", now()).set("notify_id", NOTIFY_ID);
    let notification = notification.signed(Form::V1, key());
    way.post(&notification).is(200, "success");
    let got = way.upstream.got();
    let sent = String::from_utf8(notification.value("utc_timestamp").to_vec()).unwrap();
    let at = jiff::Timestamp::from_millisecond(sent.parse().unwrap()).unwrap();
    assert_eq!(
        got.text(),
        format!(
            "{{\"notify_id\":\"{NOTIFY_ID}\",\"msg_method\":\"alipay.open.mini.icp.faceauth.completed\",\
             \"app_id\":\"2014060600164699\",\"version\":\"1.1\",\"utc_timestamp\":{sent},\"sent_at\":\"{at:.3}\",\"biz_content\":{CONTENT}}}"
        )
    );
}

#[test]
fn the_request_to_the_upstream_is_built_from_nothing() {
    let way = Way::start();
    let body = Notification::unsigned().set("notify_id", NOTIFY_ID).signed(Form::V2, key()).body();
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let more = format!(
        "Cookie: a=b\r\nAuthorization: Basic eA==\r\nalipay-notify-id: forged\r\nAlipay-Form: v9\r\nidempotency-key: \"x\"\r\n\
         X-Forwarded-For: 10.0.0.1\r\ntraceparent: {parent}\r\ntracestate: a=1\r\n"
    );
    way.connect().post_with(&body, &more).is(200, "success");
    let got = way.upstream.got();
    assert_eq!(got.line, "POST /app HTTP/1.1");
    let host = way.upstream.address.to_string();
    let length = got.body.len().to_string();
    let mut headers: Vec<(&str, &str)> =
        got.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    headers.sort_unstable();
    assert_eq!(
        headers,
        [
            ("alipay-app-id", "2014060600164699"),
            ("alipay-attempt", "1"),
            ("alipay-form", "v2"),
            ("alipay-msg-method", "alipay.open.mini.icp.faceauth.completed"),
            ("alipay-notify-id", NOTIFY_ID),
            ("alipay-schema", "typed"),
            ("content-length", length.as_str()),
            ("content-type", "application/json; charset=utf-8"),
            ("host", host.as_str()),
            ("idempotency-key", "\"5608cccc09ddb39d41c2e3c06e3d9fejh2\""),
            ("traceparent", parent),
            ("tracestate", "a=1"),
        ]
    );
}

#[test]
fn a_missing_trace_context_is_created() {
    let way = Way::start();
    way.post(&Notification::genuine(Form::V1)).is(200, "success");
    let got = way.upstream.got();
    let parent = got.header("traceparent").unwrap();
    assert_eq!((parent.len(), &parent[..3], &parent[52..]), (55, "00-", "-00"));
    assert_eq!(got.header("tracestate"), None);
}

#[test]
fn both_forms_hold_for_each_key_of_an_app() {
    let way = Way::start();
    for form in [Form::V1, Form::V2] {
        for key in [key(), other_key()] {
            way.post(&Notification::unsigned().signed(form, key)).is(200, "success");
            let expected = if form == Form::V1 { "v1" } else { "v2" };
            assert_eq!(way.upstream.got().header("alipay-form"), Some(expected));
        }
    }
}

#[test]
fn gbk_and_utf_8_give_the_same_json() {
    let way = Way::start();
    let time = now();
    for form in [Form::V1, Form::V2] {
        let unsigned = || Notification::unsigned().set("utc_timestamp", &time);
        // All but the name of the notification.
        let delivered = |notification: Notification| {
            way.post(&notification.signed(form, key())).is(200, "success");
            let got = way.upstream.got();
            got.text().replace(got.header("alipay-notify-id").unwrap(), "")
        };
        let utf_8 = delivered(unsigned());
        assert_eq!(delivered(unsigned().in_gbk()), utf_8);
        assert_eq!(delivered(unsigned().in_gbk().set("charset", "gb18030")), utf_8);
    }
}

#[test]
fn any_order_of_parameters_holds() {
    let way = Way::start();
    for turn in 0..Notification::genuine(Form::V1).params.len() {
        let mut notification = Notification::genuine(Form::V1);
        notification.params.rotate_left(turn);
        way.post(&notification).is(200, "success");
        way.upstream.got();
    }
    let mut notification = Notification::genuine(Form::V1);
    notification.params.reverse();
    way.post(&notification).is(200, "success");
    way.upstream.got();
}

#[test]
fn a_space_is_a_plus_or_an_escape_and_an_escape_is_upper_or_lower_case() {
    let way = Way::start();
    let content = r#"{ "mini_app_id": "a b+c%20d", "certify_result_status": "success" }"#;
    let ways: [fn(&str) -> String; 3] = [str::to_owned, |body| body.replace('+', "%20"), lower_case_escapes];
    for written in ways {
        let notification = Notification::unsigned().set("biz_content", content).signed(Form::V1, key());
        let body = notification.body();
        assert!(body.contains("a+b%2Bc%2520d"));
        way.post_body(&written(&body)).is(200, "success");
        assert_eq!(way.upstream.got().json()["biz_content"]["mini_app_id"], "a b+c%20d");
    }
}

#[test]
fn the_names_of_hash_and_charset_are_compared_without_case() {
    let way = Way::start();
    let notification = Notification::unsigned().set("sign_type", "rsa2").set("charset", "uTF-8");
    way.post(&notification.signed(Form::V2, key())).is(200, "success");
}

#[test]
fn chunks_are_read_and_the_connection_ends_after_them() {
    let way = Way::start();
    let body = Notification::genuine(Form::V1).body();
    let (first, rest) = body.split_at(body.len() / 2);
    let mut client = way.connect();
    let head = Client::head(0, "Transfer-Encoding: chunked\r\n").replace("Content-Length: 0\r\n", "");
    client.send(head);
    client.send(format!("{:x}\r\n{first}\r\n", first.len()));
    client.send(format!("{:X};ext=1\r\n{rest}\r\n0\r\ntrailer: dropped\r\n\r\n", rest.len()));
    let answer = client.answer();
    answer.is(200, "success");
    assert_eq!(answer.header("connection"), Some("close"));
    client.is_closed();
    assert_eq!(way.upstream.got().header("trailer"), None);
}

#[test]
fn a_connection_serves_many_requests_in_any_pieces() {
    let way = Way::start();
    let mut client = way.connect();
    let body = || Notification::genuine(Form::V1).body();
    for _ in 0..3 {
        client.post(&body()).is(200, "success");
    }
    let body_in_pieces = body();
    let whole = format!("{}{body_in_pieces}", Client::head(body_in_pieces.len(), ""));
    for byte in whole.as_bytes() {
        client.send([*byte]);
    }
    client.answer().is(200, "success");
    client.post_with(&body(), "Connection: close\r\n").is(200, "success");
    client.is_closed();
    let connections: Vec<usize> = (0..5).map(|_| way.upstream.got().connection).collect();
    assert_eq!(connections, [0; 5], "one connection to the upstream serves all, one after the other");
}

#[test]
fn pipelined_requests_are_answered_one_by_one_in_their_order() {
    let way = Way::start();
    let mut client = way.connect();
    let good = Notification::genuine(Form::V1).body();
    let bad = good.replace("version=1.1", "version=1.0");
    let request = |body: &str| format!("{}{body}", Client::head(body.len(), ""));
    client.send([request(&good), request(&bad), request(&good), request(&bad)].concat());
    for (status, body) in [(200, "success"), (403, "fail"), (200, "success"), (403, "fail")] {
        client.answer().is(status, body);
    }
}

#[test]
fn http_1_0_is_answered_and_the_connection_closed() {
    let way = Way::start();
    let body = Notification::genuine(Form::V1).body();
    let mut client = way.connect();
    client.send(format!("{}{body}", Client::head(body.len(), "").replace("HTTP/1.1", "HTTP/1.0")));
    client.answer().is(200, "success");
    client.is_closed();
}

#[test]
fn a_sender_that_ends_its_side_still_hears_the_answer() {
    let way = Way::start();
    let body = Notification::genuine(Form::V1).body();
    let mut client = way.connect();
    client.send(format!("{}{body}", Client::head(body.len(), "")));
    client.finish();
    client.answer().is(200, "success");
}

#[test]
fn expect_100_continue_is_met() {
    let way = Way::start();
    let body = Notification::genuine(Form::V1).body();
    let mut client = way.connect();
    client.send(Client::head(body.len(), "Expect: 100-continue\r\n"));
    assert_eq!(client.answer().status, 100);
    client.send(&body);
    client.answer().is(200, "success");
}

#[test]
fn other_signed_parameters_pass_under_their_names_or_as_extra() {
    let way = Way::start();
    let notification = Notification::unsigned()
        .set("version", "1.0")
        .set("notify_time", "2017-12-25 22:00:52")
        .set("msg_type", "sys")
        .set("auth_app_id", "2014060600164700")
        .set("brand_new", "a=b & c");
    way.post(&notification.signed(Form::V1, key())).is(200, "success");
    let json = way.upstream.got().json();
    assert_eq!(json["notify_time"], "2017-12-25T22:00:52+08:00");
    assert_eq!(json["msg_type"], "sys");
    assert_eq!(json["auth_app_id"], "2014060600164700");
    assert_eq!(json["extra"], serde_json::json!({"brand_new": "a=b & c"}));
}

#[test]
fn an_empty_parameter_passes_when_signed_and_is_dropped_when_not() {
    let way = Way::start();
    let with = |form| Notification::unsigned().set("msg_uid", "").signed(form, key());
    let without = |form| Notification::genuine(form).set("msg_uid", "");
    for form in [Form::V1, Form::V2] {
        way.post(&with(form)).is(200, "success");
        assert_eq!(way.upstream.got().json()["msg_uid"], "");
        way.post(&without(form)).is(200, "success");
        assert_eq!(way.upstream.got().json().get("msg_uid"), None);
    }
}

#[test]
fn an_empty_encrypt_type_counts_as_none() {
    let way = Way::start();
    for form in [Form::V1, Form::V2] {
        let signed = Notification::unsigned().set("encrypt_type", "").signed(form, key());
        let added = Notification::genuine(form).set("encrypt_type", "");
        for notification in [signed, added] {
            way.post(&notification).is(200, "success");
            let json = way.upstream.got().json();
            assert_eq!(json["biz_content"]["certify_result_status"], "success");
            assert!(json.get("extra").is_none() && json.get("encrypt_type").is_none(), "{json}");
        }
    }
}

#[test]
fn an_unknown_message_passes_untyped() {
    let way = Way::start();
    let content = r#"{"n": 1.50, "list": [1, {"a": null}]}"#;
    let notification =
        Notification::unsigned().set("msg_method", "alipay.some.new.message").set("biz_content", content);
    way.post(&notification.signed(Form::V1, key())).is(200, "success");
    let got = way.upstream.got();
    assert_eq!(got.header("alipay-schema"), Some("untyped"));
    assert!(got.text().ends_with(r#""biz_content":{"n":1.50,"list":[1,{"a":null}]}}"#), "{}", got.text());
}

#[test]
fn a_notification_that_breaks_its_schema_passes_flagged() {
    let way = Way::start();
    let content = r#"{"mini_app_id":"1","certify_result_status":"brand_new_status"}"#;
    way.post(&Notification::unsigned().set("biz_content", content).signed(Form::V1, key()))
        .is(200, "success");
    let got = way.upstream.got();
    assert_eq!(got.header("alipay-schema"), Some("mismatch"));
    assert_eq!(got.json()["biz_content"]["certify_result_status"], "brand_new_status");
}

fn now() -> String {
    jiff::Timestamp::now().as_millisecond().to_string()
}

fn lower_case_escapes(body: &str) -> String {
    let mut parts = body.split('%');
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |body, part| format!("{body}%{}{}", part[..2].to_lowercase(), &part[2..]))
}
