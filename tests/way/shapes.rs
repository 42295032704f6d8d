//! What the upstream gets in each format, what signs it, and which address it goes to.

use std::fmt::Write as _;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::support::alipay::{APP_ID, CONTENT, Form, Notification, OTHER_APP_ID, key, other_key};
use crate::support::upstream::{Act, Got, Upstream};
use crate::support::{Way, client::Client};

const METHOD: &str = "alipay.open.mini.icp.faceauth.completed";
const NOTIFY_ID: &str = "5608cccc09ddb39d41c2e3c06e3d9fejh2";
const FORMATS: [&str; 3] = ["json", "cloudevents", "cloudevents-binary"];
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// What is sent at the time `milliseconds`, which is near enough to now where only the seconds are changed.
fn sent_at(milliseconds: i64) -> Notification {
    unsigned().set("utc_timestamp", milliseconds.to_string()).signed(Form::V1, key())
}

/// The documented example under its documented name, for a sidecar that has not seen it yet.
fn unsigned() -> Notification {
    Notification::unsigned().set("notify_id", NOTIFY_ID)
}

fn genuine(form: Form) -> Notification {
    unsigned().signed(form, key())
}

/// This second, and a millisecond of it.
fn at(millisecond: i64) -> i64 {
    jiff::Timestamp::now().as_second() * 1000 + millisecond
}

fn way(format: &str) -> Way {
    Way::with(&[("upstream", &format!("format = \"{format}\""))])
}

fn delivered(way: &Way, notification: &Notification) -> Got {
    way.post(notification).is(200, "success");
    way.upstream.got()
}

/// The headers whose names start with `start`, in order.
fn headers<'g>(got: &'g Got, start: &str) -> Vec<(&'g str, &'g str)> {
    let mut found: Vec<_> = got
        .headers
        .iter()
        .filter(|(name, _)| name.starts_with(start))
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    found.sort_unstable();
    found
}

#[test]
fn a_cloud_event_in_structured_mode_is_one_object() {
    let way = way("cloudevents");
    let sent = at(7);
    let got = delivered(&way, &sent_at(sent));
    let time = jiff::Timestamp::from_millisecond(sent).unwrap();
    assert_eq!(
        got.text(),
        format!(
            "{{\"specversion\":\"1.0\",\"id\":\"{NOTIFY_ID}\",\"source\":\"urn:alipay:app:{APP_ID}\",\"type\":\"{METHOD}\",\
             \"time\":\"{time:.3}\",\"datacontenttype\":\"application/json\",\"dataschema\":\"urn:alipay:schema:{METHOD}#/properties/biz_content\",\
             \"data\":{CONTENT}}}"
        )
    );
    assert_eq!(got.header("content-type"), Some("application/cloudevents+json; charset=utf-8"));
    assert_eq!(headers(&got, "ce-"), []);
}

#[test]
fn a_cloud_event_in_binary_mode_is_its_content_with_headers() {
    let way = way("cloudevents-binary");
    let sent = at(0);
    let got = delivered(&way, &sent_at(sent));
    let time = format!("{:.3}", jiff::Timestamp::from_millisecond(sent).unwrap());
    assert_eq!(time.split_once('.').unwrap().1, "000Z");
    assert_eq!(got.text(), CONTENT);
    assert_eq!(got.header("content-type"), Some("application/json"));
    assert_eq!(
        headers(&got, "ce-"),
        [
            (
                "ce-dataschema",
                "urn:alipay:schema:alipay.open.mini.icp.faceauth.completed#/properties/biz_content"
            ),
            ("ce-id", NOTIFY_ID),
            ("ce-source", "urn:alipay:app:2014060600164699"),
            ("ce-specversion", "1.0"),
            ("ce-time", &time),
            ("ce-type", METHOD),
        ]
    );
}

#[test]
fn the_schema_of_data_is_named_for_messages_of_the_catalogue_alone() {
    for format in ["cloudevents", "cloudevents-binary"] {
        let way = way(format);
        let schema = |notification: Notification| {
            let got = delivered(&way, &notification.signed(Form::V2, key()));
            let in_body = got.json().get("dataschema").map(|schema| schema.as_str().unwrap().to_owned());
            in_body.or(got.header("ce-dataschema").map(ToOwned::to_owned))
        };
        let named = Some(format!("urn:alipay:schema:{METHOD}#/properties/biz_content"));
        assert_eq!(schema(Notification::unsigned()), named, "{format}");
        let mismatch = CONTENT.replace("\"success\"", "\"perhaps\"");
        assert_eq!(schema(Notification::unsigned().set("biz_content", mismatch)), named, "{format}");
        assert_eq!(schema(Notification::unsigned().set("msg_method", "alipay.not.known")), None, "{format}");
    }
}

#[test]
fn the_headers_of_the_sidecar_stay_in_every_format() {
    let mut seen: Vec<Vec<(String, String)>> = Vec::new();
    for format in FORMATS {
        let way = way(format);
        let body = genuine(Form::V2).body();
        let more =
            format!("traceparent: {PARENT}\r\ntracestate: a=1\r\nce-id: forged\r\nwebhook-id: forged\r\n");
        way.connect().post_with(&body, &more).is(200, "success");
        let got = way.upstream.got();
        let mut own: Vec<_> = got.headers.clone();
        own.retain(|(name, _)| {
            !name.starts_with("ce-") && !["content-type", "content-length", "host"].contains(&name.as_str())
        });
        assert_eq!(own.len(), 9, "{own:?}");
        assert_eq!(got.header("content-length"), Some(got.body.len().to_string().as_str()));
        seen.push(own);
    }
    assert!(seen.iter().all(|own| *own == seen[0]), "{seen:?}");
}

#[test]
fn a_format_takes_content_in_any_charset_to_utf_8() {
    for format in ["cloudevents", "cloudevents-binary"] {
        let way = way(format);
        let got = delivered(&way, &Notification::unsigned().in_gbk().signed(Form::V1, key()));
        assert!(got.text().contains("人脸核验时人脸被遮挡"), "{}", got.text());
    }
}

/// A sidecar in `format` whose requests are signed with 24 bytes that are 7.
fn signed_way(format: &str) -> (Way, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("upstream.hmac");
    std::fs::write(&file, format!("whsec_{}\n", BASE64_STANDARD.encode([7; 24]))).unwrap();
    let key_file = format!("hmac_key_file = \"{}\"", file.display());
    let way = Way::with(&[("upstream", &format!("format = \"{format}\"")), ("upstream", key_file.as_str())]);
    (way, folder)
}

#[test]
fn a_signature_covers_the_body_that_is_sent_in_every_format() {
    for format in FORMATS {
        let (way, _folder) = signed_way(format);
        let before = jiff::Timestamp::now().as_second();
        let got = delivered(&way, &genuine(Form::V1));
        let after = jiff::Timestamp::now().as_second();
        let timestamp = got.header("webhook-timestamp").unwrap();
        assert!((before..=after).contains(&timestamp.parse().unwrap()), "{timestamp}");
        assert_eq!(got.header("webhook-id"), Some(NOTIFY_ID));
        let signature = got.header("webhook-signature").unwrap().strip_prefix("v1,").unwrap();
        let signed = [format!("{NOTIFY_ID}.{timestamp}.").as_bytes(), &got.body].concat();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 24]);
        hmac::verify(&key, &signed, &BASE64_STANDARD.decode(signature).unwrap()).unwrap();
    }
}

#[test]
fn without_a_secret_nothing_is_signed() {
    let got = delivered(&Way::start(), &genuine(Form::V1));
    assert_eq!(headers(&got, "webhook-"), []);
}

#[test]
fn a_request_that_is_sent_once_more_has_the_same_signature() {
    let (way, _folder) = signed_way("cloudevents");
    let mut client = way.connect();
    client.post(&Notification::genuine(Form::V1).body()).is(200, "success");
    way.upstream.got();
    way.upstream_does([Act::Close, Act::status(204)]);
    client.post(&genuine(Form::V1).body()).is(200, "success");
    let (first, second) = (way.upstream.got(), way.upstream.got());
    assert_eq!(headers(&first, "webhook-"), headers(&second, "webhook-"));
    assert_eq!(first.body, second.body);
}

/// A sidecar whose messages go to `upstreams`, the routes in this order, each with its pattern and its path.
fn routed(routes: &[(&str, &Upstream, &str)]) -> Way {
    let tables: Vec<String> = routes
        .iter()
        .map(|(pattern, upstream, path)| {
            format!("{{ msg_method = \"{pattern}\", url = \"http://{}{path}\" }}", upstream.address)
        })
        .collect();
    Way::with(&[("upstream", &format!("routes = [{}]", tables.join(", ")))])
}

fn of_method(method: &str) -> Notification {
    Notification::unsigned().set("msg_method", method).signed(Form::V1, key())
}

#[test]
fn the_first_route_that_matches_takes_a_message_and_the_url_all_others() {
    let (one, two) = (Upstream::start(), Upstream::start());
    let way = routed(&[
        ("alipay.open.mini.exact", &one, "/exact?a=b"),
        ("alipay.*.completed", &two, "/completed"),
        ("alipay.open.*", &one, "/open"),
    ]);
    for (method, upstream, line) in [
        ("alipay.open.mini.exact", &one, "POST /exact?a=b HTTP/1.1"),
        ("alipay.open.mini.exact.completed", &two, "POST /completed HTTP/1.1"),
        ("alipay.fund.trans.completed", &two, "POST /completed HTTP/1.1"),
        ("alipay.open.mini.exactly", &one, "POST /open HTTP/1.1"),
        ("alipay.opened", &way.upstream, "POST /app HTTP/1.1"),
        ("Alipay.Open.Mini.Exact", &way.upstream, "POST /app HTTP/1.1"),
    ] {
        way.post(&of_method(method)).is(200, "success");
        let got = upstream.got();
        assert_eq!(got.line, line, "{method}");
        assert_eq!(got.header("host"), Some(upstream.address.to_string().as_str()), "{method}");
        assert_eq!(got.header("alipay-msg-method"), Some(method));
    }
    for upstream in [&one, &two, &way.upstream] {
        upstream.got_nothing();
    }
}

#[test]
fn what_the_upstream_of_a_route_answers_is_what_counts() {
    let other = Upstream::start();
    let way = routed(&[("a.*", &other, "/")]);
    other.does([Act::status(500)]);
    way.post(&of_method("a.b")).is(200, "fail");
    other.got();
    way.upstream_does([Act::status(500)]);
    way.post(&of_method("a.b")).is(200, "success");
    way.upstream.got_nothing();
    assert_eq!(other.got().line, "POST / HTTP/1.1");
}

#[test]
fn connections_are_kept_for_each_upstream_and_shared_by_routes_to_one() {
    let other = Upstream::start();
    let way = routed(&[("a.*", &other, "/a"), ("b.*", &other, "/b")]);
    // One client stays with one worker, which takes its own idle connections first.
    let mut client = way.connect();
    let mut deliver = |method: &str, upstream: &Upstream| {
        client.post(&of_method(method).body()).is(200, "success");
        upstream.got().connection
    };
    for _ in 0..3 {
        assert_eq!(deliver("a.x", &other), 0);
        assert_eq!(deliver("c.x", &way.upstream), 0);
        assert_eq!(deliver("b.x", &other), 0);
    }
}

#[test]
fn a_kept_connection_of_a_route_that_was_closed_is_replaced_once() {
    let other = Upstream::start();
    let way = routed(&[("a.*", &other, "/")]);
    let mut client = way.connect();
    client.post(&of_method("a.b").body()).is(200, "success");
    other.got();
    other.does([Act::Close, Act::status(204)]);
    client.post(&of_method("a.b").body()).is(200, "success");
    assert_eq!((other.got().connection, other.got().connection), (0, 1));
    other.got_nothing();
    way.upstream.got_nothing();
}

#[test]
fn an_upstream_that_keeps_one_waiting_costs_no_other_its_idle_connections() {
    let other = Upstream::start();
    let way = routed(&[("slow.*", &other, "/")]);
    let mut client = way.connect();
    client.post(&of_method("a.b").body()).is(200, "success");
    assert_eq!(way.upstream.got().connection, 0);
    other.does([Act::Wait]);
    let body = of_method("slow.b").body();
    let mut waiting = way.connect();
    waiting.send(format!("{}{body}", Client::head(body.len(), "")));
    other.got();
    // While it waits for longer than idle connections of its own would be kept, the other upstream goes on as before.
    let until = std::time::Instant::now() + std::time::Duration::from_millis(300);
    while std::time::Instant::now() < until {
        client.post(&of_method("a.b").body()).is(200, "success");
        assert_eq!(way.upstream.got().connection, 0);
    }
    other.release();
    waiting.answer().is(200, "success");
}

#[test]
fn an_upstream_of_a_route_with_one_thread_is_never_kept_waiting_by_an_idle_connection() {
    let other = Upstream::with_one_thread();
    let way = routed(&[("a.*", &other, "/")]);
    for _ in 0..6 {
        way.post(&of_method("a.b")).is(200, "success");
        other.got();
    }
    // Its only thread is free for another client as soon as the idle connection is closed.
    let mut client = Client::connect(other.address);
    client.send("POST /other HTTP/1.1\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(client.answer().status, 204);
}

#[test]
fn the_shapes_in_the_readmes_are_what_is_sent() {
    const SECRET: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let readmes =
        ["README.md", "README.zh-CN.md"].map(|name| std::fs::read_to_string(root.join(name)).unwrap());
    let notification = unsigned()
        .set("app_id", OTHER_APP_ID)
        .set("utc_timestamp", "1795460736896")
        .set("biz_content", r#"{"mini_app_id":"2021098756789043","certify_result_status":"success"}"#)
        .signed(Form::V1, other_key());
    for format in FORMATS {
        let format_line = format!("format = \"{format}\"");
        let way = Way::with(&[("upstream", &format_line), ("verify", "max_age = \"0s\"")]);
        let got = delivered(&way, &notification);
        let mut shape = format!("content-type: {}\n", got.header("content-type").unwrap());
        if format == "json" {
            let signed = [format!("{NOTIFY_ID}.1795460737.").as_bytes(), &got.body].concat();
            let key = hmac::Key::new(hmac::HMAC_SHA256, &BASE64_STANDARD.decode(SECRET).unwrap());
            let signature = BASE64_STANDARD.encode(hmac::sign(&key, &signed));
            write!(
                shape,
                "webhook-id: {NOTIFY_ID}\nwebhook-timestamp: 1795460737\nwebhook-signature: v1,{signature}\n"
            )
            .unwrap();
        }
        for (name, value) in got.headers.iter().filter(|(name, _)| name.starts_with("ce-")) {
            writeln!(shape, "{name}: {value}").unwrap();
        }
        let shape = format!("```http\n{shape}\n{}\n```", got.text());
        for readme in &readmes {
            assert!(readme.contains(&shape), "a README lacks this:\n{shape}");
            assert!(readme.contains(SECRET));
        }
    }
}
