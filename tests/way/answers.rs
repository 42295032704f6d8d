//! The rows of the table of answers that the sender is to blame for.

use std::fmt::Write as _;

use crate::support::Way;
use crate::support::alipay::{Form, Notification, key};
use crate::support::client::Client;

/// Sends `request` over a connection of its own and expects `status`, for `reason`.
#[track_caller]
fn is_answered(way: &Way, request: impl AsRef<[u8]>, status: u16, reason: &str) {
    let before = way.count(reason);
    let mut client = way.connect();
    client.send(request);
    client.answer().is(status, "fail");
    way.upstream.got_nothing();
    assert_eq!(way.count(reason), before + 1, "{reason}:\n{}", way.metrics());
}

fn request(body: &str) -> String {
    format!("{}{body}", Client::head(body.len(), ""))
}

fn genuine() -> String {
    request(&Notification::genuine(Form::V1).body())
}

#[test]
fn another_path_is_404() {
    let way = Way::start();
    for path in [
        "/",
        "/alipay/notify/",
        "/Alipay/notify",
        "/alipay//notify",
        "/alipay/%6eotify",
        "/alipay/notify;a",
        "/x/../alipay/notify",
    ] {
        is_answered(&way, genuine().replace("/alipay/notify", path), 404, "unknown_path");
    }
    is_answered(
        &way,
        genuine().replace("/alipay/notify", "http://example.com/alipay/notify"),
        404,
        "unknown_path",
    );
    is_answered(&way, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 404, "unknown_path");
    is_answered(&way, "CONNECT example.com:80 HTTP/1.1\r\nHost: a\r\n\r\n", 404, "unknown_path");
}

#[test]
fn another_method_is_405_and_says_which_is_allowed() {
    let way = Way::start();
    for method in ["GET", "HEAD", "PUT", "post", "OPTIONS", "BREW"] {
        let mut client = way.connect();
        client.send(genuine().replacen("POST", method, 1));
        let answer = if method == "HEAD" { None } else { Some(client.answer()) };
        if let Some(answer) = answer {
            answer.is(405, "fail");
            assert_eq!(answer.header("allow"), Some("POST"));
        }
    }
    way.upstream.got_nothing();
}

#[test]
fn a_method_override_means_nothing() {
    let way = Way::start();
    let body = Notification::genuine(Form::V1).body();
    let head = Client::head(body.len(), "X-HTTP-Method-Override: POST\r\n").replacen("POST", "PUT", 1);
    is_answered(&way, format!("{head}{body}"), 405, "method_not_allowed");
}

#[test]
fn a_query_string_is_400() {
    let way = Way::start();
    for query in ["?", "?a=b", "?notify_id=1"] {
        let path = format!("/alipay/notify{query}");
        is_answered(&way, genuine().replace("/alipay/notify", &path), 400, "query_string");
    }
}

#[test]
fn another_content_type_or_encoding_is_415() {
    let way = Way::start();
    let ours = "application/x-www-form-urlencoded; text/html; charset=UTF-8";
    for other in [
        "application/json",
        "multipart/form-data; boundary=a",
        "application/x-www-form-urlencodedx",
        "text/plain",
        "",
    ] {
        is_answered(&way, genuine().replace(ours, other), 415, "unsupported_media_type");
    }
    let none = genuine().replace(&format!("Content-Type: {ours}\r\n"), "");
    is_answered(&way, none, 415, "unsupported_media_type");
    let two = genuine().replace("User-Agent: Mozilla/4.0", "Content-Type: application/x-www-form-urlencoded");
    is_answered(&way, two, 415, "unsupported_media_type");
    for encoding in ["gzip", "deflate", "br", "gzip, identity"] {
        let body = Notification::genuine(Form::V1).body();
        let head = Client::head(body.len(), &format!("Content-Encoding: {encoding}\r\n"));
        is_answered(&way, format!("{head}{body}"), 415, "unsupported_encoding");
    }
    let ours_too = [
        "application/x-www-form-urlencoded",
        "Application/X-WWW-Form-URLencoded;charset=GBK",
        "application/x-www-form-urlencoded text",
    ];
    for accepted in ours_too {
        let mut client = way.connect();
        client.send(genuine().replace(ours, accepted));
        client.answer().is(200, "success");
        way.upstream.got();
    }
}

#[test]
fn no_length_is_411() {
    let way = Way::start();
    let head = Client::head(0, "").replace("Content-Length: 0\r\n", "");
    is_answered(&way, head, 411, "length_required");
}

#[test]
fn an_unmet_expectation_is_417() {
    let way = Way::start();
    let body = Notification::genuine(Form::V1).body();
    is_answered(
        &way,
        format!("{}{body}", Client::head(body.len(), "Expect: 200-ok\r\n")),
        417,
        "unmet_expectation",
    );
}

#[test]
fn a_body_over_the_cap_is_413_before_it_is_read() {
    let way = Way::start();
    is_answered(&way, Client::head(256 * 1024 + 1, ""), 413, "body_too_large");
    is_answered(&way, Client::head(999_999_999_999_999_999, ""), 413, "body_too_large");
    // With chunks, as soon as they are too many.
    let head = Client::head(0, "Transfer-Encoding: chunked\r\n").replace("Content-Length: 0\r\n", "");
    let chunk = format!("10000\r\n{}\r\n", "a".repeat(0x10000));
    is_answered(&way, format!("{head}{}", chunk.repeat(5)), 413, "body_too_large");
    // At the cap it is read.
    let mut filler = String::from("a=");
    filler.push_str(&"b".repeat(256 * 1024 - 2));
    is_answered(&way, request(&filler), 403, "unsigned");
}

#[test]
fn an_answer_that_leaves_a_body_unread_says_that_the_connection_ends() {
    let way = Way::start();
    for head in [
        Client::head(256 * 1024 + 1, ""),
        Client::head(1000, "Expect: 200-ok\r\n"),
        Client::head(1000, "Content-Encoding: gzip\r\n"),
        Client::head(1000, "").replace("/alipay/notify", "/elsewhere"),
    ] {
        let mut client = way.connect();
        client.send(head);
        let answer = client.answer();
        assert_eq!(
            (answer.body.as_str(), answer.header("connection")),
            ("fail", Some("close")),
            "{answer:?}"
        );
        client.is_closed();
    }
}

#[test]
fn a_slow_head_or_body_is_408() {
    let way = Way::with(&[("server", "header_timeout = \"30ms\""), ("server", "body_timeout = \"30ms\"")]);
    is_answered(&way, "POST /alipay/notify HTT", 408, "slow_head");
    is_answered(&way, format!("{}a=", Client::head(100, "")), 408, "slow_body");
    is_answered(&way, Client::head(100, ""), 408, "slow_body");
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let way = Way::with(&[("server", "keep_alive = \"30ms\"")]);
    way.connect().is_closed();
    let mut client = way.connect();
    client.post(&Notification::genuine(Form::V1).body()).is(200, "success");
    client.is_closed();
    assert_eq!(way.count("slow_head"), 0);
}

#[test]
fn a_head_too_large_is_431() {
    let way = Way::start();
    let long = Client::head(0, &format!("x: {}\r\n", "x".repeat(16 * 1024)));
    is_answered(&way, long, 431, "head_too_large");
    is_answered(&way, Client::head(0, &"x: y\r\n".repeat(64)), 431, "head_too_large");
    is_answered(&way, "x".repeat(17 * 1024), 431, "head_too_large");
}

#[test]
fn one_connection_too_many_is_closed_and_counted() {
    let way = Way::with(&[("server", "max_connections = 2")]);
    let mut first = way.connect();
    let mut second = way.connect();
    let body = Notification::genuine(Form::V1).body();
    first.post(&body).is(200, "success");
    second.post(&body).is(200, "success");
    way.connect().is_closed();
    assert_eq!(way.count("too_many_connections"), 1);
    drop(first);
    // The place is free once the server has seen the end of the first, which is when it takes another.
    let taken = (0..1000).any(|_| {
        let mut client = way.connect();
        client.try_send(request(&body));
        client.next().is_some_and(|answer| answer.body == "success")
    });
    assert!(taken);
}

#[test]
fn a_body_that_is_not_a_strict_form_is_400() {
    let way = Way::start();
    let good = Notification::genuine(Form::V1).body();
    for (bad, reason) in [
        (String::new(), "malformed_form"),
        (format!("&{good}"), "malformed_form"),
        (format!("{good}&"), "malformed_form"),
        (good.replace("&version", "&&version"), "malformed_form"),
        (format!("{good}&name"), "malformed_form"),
        (format!("{good}&=value"), "malformed_form"),
        (format!("{good}&1a=b"), "malformed_form"),
        (format!("{good}&a%20b=c"), "malformed_form"),
        (format!("{good}&a%26b=c"), "malformed_form"),
        (format!("{good}&{}=c", "a".repeat(65)), "malformed_form"),
        (format!("{good}&a=%"), "bad_encoding"),
        (format!("{good}&a=%4"), "bad_encoding"),
        (format!("{good}&a=%zz"), "bad_encoding"),
        (format!("{good}&a=\u{e9}"), "bad_encoding"),
        (format!("{good}&a=b c"), "bad_encoding"),
        (format!("{good}&a=b\n"), "bad_encoding"),
        (format!("{good}&version=1.1"), "repeated_parameter"),
        (format!("{good}&v%65rsion=1.0"), "repeated_parameter"),
    ] {
        is_answered(&way, request(&bad), 400, reason);
    }
    let mut many = good;
    for index in 0..64 {
        write!(many, "&a{index}=b").unwrap();
    }
    is_answered(&way, request(&many), 400, "too_many_parameters");
}

#[test]
fn an_envelope_that_breaks_its_grammar_is_400() {
    let way = Way::start();
    for (name, value) in [
        ("notify_id", "a b"),
        ("notify_id", &"a".repeat(65)),
        ("notify_id", "\u{4eba}"),
        ("msg_method", "a/b"),
        ("msg_method", &"a".repeat(101)),
        ("app_id", "12a"),
        ("app_id", " 2014060600164699"),
        ("app_id", "201406060016469920140"),
        ("utc_timestamp", "151421045273"),
        ("utc_timestamp", "+514210452731"),
        ("version", "1.2"),
        ("version", "1.1 "),
        ("charset", "utf-16"),
        ("charset", "latin1"),
        ("encrypt_type", "DES"),
        ("encrypt_type", "AES"), // and biz_content is not base64
        ("sign_type", "RSA-2"),
    ] {
        let bad = Notification::unsigned().set(name, value).signed(Form::V1, key());
        is_answered(&way, request(&bad.body()), 400, "malformed_parameter");
    }
    let neither = Notification::unsigned().without("msg_method");
    is_answered(&way, request(&neither.clone().signed(Form::V2, key()).body()), 400, "unsupported_kind");
    let other = neither.set("service", "alipay.mobile.public.message.notify");
    is_answered(&way, request(&other.signed(Form::V2, key()).body()), 400, "unsupported_kind");
}

#[test]
fn genuine_content_that_cannot_be_read_is_refused_and_wakes_somebody() {
    let way = Way::start();
    for (content, reason) in [
        ("[]", "malformed_content"),
        ("{\"a\":1,\"a\":2}", "malformed_content"),
        ("{\"a\":1,\"\\u0061\":2}", "malformed_content"),
        ("{} {}", "malformed_content"),
        ("\u{feff}{}", "malformed_content"),
        ("{\"a\":NaN}", "malformed_content"),
        ("{\"a\":\"\\ud800\"}", "malformed_content"),
    ] {
        let bad = Notification::unsigned().set("biz_content", content).signed(Form::V1, key());
        is_answered(&way, request(&bad.body()), 400, reason);
    }
    let bytes = Notification::unsigned().set("biz_content", b"{\"a\":\"\xff\"}").signed(Form::V1, key());
    is_answered(&way, request(&bytes.body()), 400, "malformed_text");
    let gbk = Notification::unsigned().set("charset", "GBK").set("biz_content", b"{\"a\":\"\x81\x20\"}");
    is_answered(&way, request(&gbk.signed(Form::V1, key()).body()), 400, "malformed_text");
    let encrypted = Notification::unsigned().set("encrypt_type", "AES").set("biz_content", "AAAA");
    is_answered(&way, request(&encrypted.signed(Form::V1, key()).body()), 200, "encrypted_content");
}

#[test]
fn the_configuration_may_hold_back_what_the_catalogue_does_not_know() {
    let way = Way::with(&[
        ("translate", "on_mismatch = \"fail\""),
        ("translate", "unknown_methods = \"fail\""),
        ("ack", "failure_status = 500"),
    ]);
    let unknown =
        Notification::unsigned().set("msg_method", "alipay.some.new.message").signed(Form::V1, key());
    is_answered(&way, request(&unknown.body()), 500, "unknown_method");
    let mismatch = Notification::unsigned().set("biz_content", "{}").signed(Form::V1, key());
    is_answered(&way, request(&mismatch.body()), 500, "schema_mismatch");
    way.post(&Notification::genuine(Form::V1)).is(200, "success");
}
