//! What is no notification passes to the app and back, piece by piece; what could lead around the verification does not.

use std::io::{ErrorKind, Read};

use crate::support::Way;
use crate::support::alipay::{Form, Notification};
use crate::support::backend::Backend;
use crate::support::client::Client;
use crate::support::process::Running;

mod closed;
mod ends;
mod tls;

const ON: (&str, &str) = ("passthrough", "enabled = true");

/// A sidecar that passes through to a backend, which takes notifications at `/alipay/notify`.
fn way(settings: &[(&str, &str)]) -> (Way, Backend) {
    let backend = Backend::start();
    let settings: Vec<_> = settings.iter().copied().chain([ON]).collect();
    let way = Way::to(&format!("http://{}/alipay/notify", backend.address), &settings);
    (way, backend)
}

/// The next bytes that come, as a text, up to and with `end`.
#[track_caller]
fn read_to(client: &mut Client, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let mut byte = [0];
        let length = client.stream.read(&mut byte).unwrap_or_else(|error| panic!("{error} after {text:?}"));
        assert_eq!(length, 1, "closed after {text:?}");
        text.push(char::from(byte[0]));
    }
    text
}

/// All that comes, up to the end of the connection; whether that end was orderly.
fn read_all(client: &mut Client) -> (String, bool) {
    let mut bytes = Vec::new();
    let outcome = client.stream.read_to_end(&mut bytes);
    let is_orderly = match outcome {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
        Err(error) => panic!("{error}"),
    };
    (String::from_utf8(bytes).unwrap(), is_orderly)
}

/// How many requests that were passed through ended as `result`.
fn ended(way: &Way, result: &str) -> u64 {
    let metrics = way.metrics();
    let start = format!("alipay_sidecar_passthrough_total{{result=\"{result}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&start)).unwrap().parse().unwrap()
}

#[test]
fn without_the_switch_nothing_passes() {
    let backend = Backend::start();
    let way = Way::to(&format!("http://{}/alipay/notify", backend.address), &[]);
    way.connect().get("/").is(404, "fail");
    way.connect().get("/alipay/notify/").is(404, "fail");
    assert_eq!(way.count("unknown_path"), 2);
    backend.is_not_called();
}

#[test]
fn a_request_passes_as_it_came_and_so_does_its_answer() {
    let (way, backend) = way(&[]);
    let mut client = way.connect();
    for _ in 0..2 {
        client.send(
            "POST /%41/b%2Fc/../d//e?q=%2F&r=a+b&success HTTP/1.1\r\nHost: shop.example.com:8443\r\nCookie: a=b\r\nX-Twice: 1\r\nX-Twice: 2\r\n\
             Content-Length: 5\r\nContent-Type: text/plain\r\nConnection: keep-alive, X-Private\r\nX-Private: 1\r\nKeep-Alive: 5\r\n\
             alipay-notify-id: forged\r\nAlipay_App_Id: forged\r\nIdempotency-Key: \"forged\"\r\nWebhook-Signature: v1,forged\r\n\
             ce-id: forged\r\nX-Original-URL: /alipay/notify\r\nX-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\n\r\nhello",
        );
        let mut call = backend.call();
        assert_eq!(call.line(), "POST /%41/b%2Fc/../d//e?q=%2F&r=a+b&success HTTP/1.1");
        let mut headers: Vec<&str> = call.head.lines().skip(1).filter(|line| !line.is_empty()).collect();
        headers.sort_unstable();
        assert_eq!(
            headers,
            [
                "connection: close",
                "content-length: 5",
                "content-type: text/plain",
                "cookie: a=b",
                "host: shop.example.com:8443",
                "x-forwarded-for: 198.51.100.7, 127.0.0.1",
                "x-forwarded-proto: https, http",
                "x-twice: 1",
                "x-twice: 2",
            ]
        );
        assert_eq!(call.read(5), "hello");
        call.say(
            "HTTP/1.1 418 Short And Stout\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nContent-Length: 3\r\nConnection: close, X-Private\r\n\
             X-Private: 1\r\nDate: Wed, 25 Nov 2026 14:00:00 GMT\r\nServer: app\r\n\r\ntea",
        );
        let answer = client.answer();
        assert_eq!((answer.status, answer.body.as_str()), (418, "tea"));
        let mut headers: Vec<String> =
            answer.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        headers.sort();
        assert_eq!(
            headers,
            [
                "content-length: 3",
                "date: Wed, 25 Nov 2026 14:00:00 GMT",
                "server: app",
                "set-cookie: a=b",
                "set-cookie: c=d",
            ]
        );
        call.given_up();
    }
    assert_eq!(ended(&way, "passed"), 2);
}

#[test]
fn notifications_are_verified_all_the_same() {
    let (way, backend) = way(&[]);
    let mut client = way.connect();
    for _ in 0..2 {
        client.send("GET /shop HTTP/1.1\r\nHost: a\r\n\r\n");
        backend.call().say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi");
        assert_eq!(client.answer().body, "hi");
        let body = Notification::genuine(Form::V1).body();
        client.send(format!("{}{body}", Client::head(body.len(), "")));
        let mut call = backend.call();
        assert_eq!(call.line(), "POST /alipay/notify HTTP/1.1");
        assert!(call.header("alipay-notify-id").is_some());
        assert_eq!(call.header("x-forwarded-for"), None);
        call.read(call.header("content-length").unwrap().parse().unwrap());
        call.say("HTTP/1.1 204 No Content\r\n\r\n");
        client.answer().is(200, "success");
        client.post(&Notification::genuine(Form::V1).set("version", "1.0").body()).is(403, "fail");
        client.get("/alipay/notify").is(405, "fail");
    }
    client.get("/alipay/notify?a=b").is(405, "fail");
    backend.is_not_called();
}

#[test]
fn answers_without_a_body_are_framed_as_such() {
    let (way, backend) = way(&[]);
    let mut client = way.connect();
    for (method, status, length) in [
        ("HEAD", "200 OK", Some("1234")),
        ("HEAD", "200 OK", None),
        ("GET", "204 No Content", None),
        ("GET", "304 Not Modified", None),
        ("GET", "200 OK", Some("0")),
        ("OPTIONS", "204 No Content", None),
        ("DELETE", "200 OK", Some("0")),
    ] {
        client.send(format!("{method} /x HTTP/1.1\r\nHost: a\r\n\r\n"));
        let mut call = backend.call();
        assert_eq!(call.line(), format!("{method} /x HTTP/1.1"));
        assert_eq!(
            (call.header("transfer-encoding"), call.header("content-length")),
            (None, None),
            "{method}"
        );
        let header = length.map(|length| format!("Content-Length: {length}\r\n")).unwrap_or_default();
        call.say(format!("HTTP/1.1 {status}\r\nX-Mark: 1\r\n{header}\r\n"));
        let head = read_to(&mut client, "\r\n\r\n");
        assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{head}");
        assert!(head.contains("x-mark: 1\r\n"), "{head}");
        let said = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        assert_eq!(said, length, "{method} {status} {head}");
        if method != "HEAD" {
            assert!(!head.contains("transfer-encoding"), "{head}");
        }
    }
    // The connection is in step: what comes next is an answer.
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    backend.call().say("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nend");
    assert_eq!(client.answer().body, "end");
}

#[test]
fn events_arrive_before_the_end() {
    let (way, backend) = way(&[]);
    // With a length, in chunks, and up to the end of the connection.
    for (head, pieces, end) in [
        ("Content-Length: 12\r\n", ["data1\n", "data2\n"], ""),
        ("Transfer-Encoding: chunked\r\n", ["6\r\ndata1\n\r\n", "6\r\ndata2\n\r\n"], "0\r\n\r\n"),
        ("", ["data1\n", "data2\n"], ""),
    ] {
        let mut client = way.connect();
        client.send("GET /events HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let mut call = backend.call();
        call.say(format!("HTTP/1.1 200 OK\r\n{head}Content-Type: text/event-stream\r\n\r\n"));
        read_to(&mut client, "\r\n\r\n");
        call.say(pieces[0]);
        read_to(&mut client, "data1\n");
        call.say(pieces[1]);
        read_to(&mut client, "data2\n");
        call.say(end);
        drop(call);
        let (rest, is_orderly) = read_all(&mut client);
        assert!(is_orderly, "{head}");
        assert_eq!(rest, if head.starts_with("Content-Length") { "" } else { "\r\n0\r\n\r\n" });
    }
    assert_eq!(ended(&way, "passed"), 3);
}

#[test]
fn an_upload_arrives_before_its_end_and_may_be_longer_than_a_notification() {
    let (way, backend) = way(&[("server", "max_body = \"1KiB\"")]);
    let mut client = way.connect();
    client.send("PUT /file HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n");
    let mut call = backend.call();
    for _ in 0..3 {
        client.send(vec![b'x'; 1_000_000]);
        assert_eq!(call.read(1_000_000).len(), 1_000_000);
    }
    call.say("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.answer().status, 201);
    // And the connection goes on.
    client.send("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    backend.call().say("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(client.answer().status, 204);
}

#[test]
fn chunks_and_trailers_pass_both_ways() {
    let (way, backend) = way(&[]);
    for method in ["POST", "GET"] {
        let mut client = way.connect();
        client.send(format!(
            "{method} /file HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\nConnection: TE\r\n\
             Trailer: x-sum, alipay-notify-id\r\n\r\n3\r\nabc\r\n"
        ));
        let mut call = backend.call();
        assert_eq!(call.header("transfer-encoding"), Some("chunked"), "{}", call.head);
        assert_eq!((call.header("te"), call.header("content-length")), (Some("trailers"), None));
        assert_eq!(call.read_to("abc\r\n"), "3\r\nabc\r\n");
        client.send("2;extension=1\r\nde\r\n0\r\nX-Sum: 5\r\nAlipay-Notify-Id: forged\r\nX-Other: 1\r\n\r\n");
        assert_eq!(call.read_to("\r\n\r\n"), "2\r\nde\r\n0\r\nx-sum: 5\r\n\r\n");
        call.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 3\r\n\r\n");
        let (answer, is_orderly) = read_all(&mut client);
        assert!(is_orderly);
        assert!(answer.contains("transfer-encoding: chunked\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 3\r\n\r\n"), "{answer}");
    }
}

#[test]
fn a_request_of_http_1_0_passes_with_the_host_of_the_app_and_its_answer_ends_with_the_connection() {
    let (way, backend) = way(&[]);
    let mut client = way.connect();
    client.send("GET /old HTTP/1.0\r\n\r\n");
    let mut call = backend.call();
    assert_eq!(call.line(), "GET /old HTTP/1.1");
    assert_eq!(call.header("host"), Some(backend.address.to_string().as_str()));
    call.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    let (answer, is_orderly) = read_all(&mut client);
    assert!(is_orderly);
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.ends_with("\r\n\r\nabc"), "{answer}");
}

#[test]
fn an_expectation_to_continue_is_met_when_the_app_is_there() {
    let (way, backend) = way(&[]);
    let mut client = way.connect();
    client.send("POST /file HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    let mut call = backend.call();
    assert_eq!(call.header("expect"), None);
    assert_eq!(read_to(&mut client, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("abc");
    assert_eq!(call.read(3), "abc");
    call.say("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(client.answer().body, "ok");

    let gone = Way::to("http://127.0.0.1:1/alipay/notify", &[ON]);
    let mut client = gone.connect();
    client.send("POST /file HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    client.answer().is(502, "The app cannot be reached.\n");
    client.is_closed();
}

#[test]
fn requests_that_come_at_once_are_answered_in_their_order() {
    let (way, backend) = way(&[]);
    let mut client = way.connect();
    let request = |path| format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
    client.send(format!("{}{}{}", request("/1"), request("/2"), request("/3")));
    for path in ["/1", "/2", "/3"] {
        let mut call = backend.call();
        backend.is_not_called();
        assert_eq!(call.line(), format!("POST {path} HTTP/1.1"));
        call.read(1);
        call.say(format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{path}"));
        assert_eq!(client.answer().body, path);
    }
}

#[test]
fn among_many_connections_one_request_passes_after_the_other() {
    let (way, backend) = way(&[]);
    // So many that hyper is there only from a head to its answer.
    let idle: Vec<Client> = (0..70).map(|_| way.connect()).collect();
    let mut client = way.connect();
    for _ in 0..3 {
        client.send("PUT /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
        let mut call = backend.call();
        client.send("x".repeat(100_000));
        call.read(100_000);
        // The next one is there before the answer.
        client.send(format!("GET /2 HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(8000)));
        call.say("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1");
        assert_eq!(client.answer().body, "1");
        backend.call().say("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2");
        assert_eq!(client.answer().body, "2");
        client.post(&Notification::genuine(Form::V1).set("version", "1.0").body()).is(403, "fail");
    }
    drop(idle);
}

#[test]
fn an_upgrade_does_not_pass_and_a_websocket_is_refused_with_a_clear_answer() {
    let (way, backend) = way(&[]);
    let mut client = way.connect();
    client.send(
        "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    client.answer().is(501, "WebSockets do not pass here.\n");
    // What is not tied to this connection stays HTTP/1.1.
    client.send("GET /h2 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n\r\n");
    let mut call = backend.call();
    for name in ["upgrade", "http2-settings"] {
        assert_eq!(call.header(name), None);
    }
    call.say("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(client.answer().status, 204);
    // An app that switches unasked has not answered.
    client.send("GET /h2 HTTP/1.1\r\nHost: a\r\n\r\n");
    backend.call().say("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n");
    assert_eq!(client.answer().status, 502);
    assert_eq!(ended(&way, "websocket"), 1);
}

#[test]
fn framing_is_as_strict_as_for_notifications() {
    let (way, backend) = way(&[]);
    for bad in [
        "GET /x HTTP/1.1\nHost: a\n\n",
        "GET /x HTTP/1.1\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: a\r\nx : y\r\n\r\n",
        "GET /x#y HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let mut client = way.connect();
        client.send(bad);
        client.answer().is(400, "fail");
        client.is_closed();
    }
    backend.is_not_called();
}

#[test]
fn neither_path_nor_headers_nor_bodies_reach_the_log() {
    let backend = Backend::start();
    let url = format!("http://{}/alipay/notify", backend.address);
    let running = Running::to(&url, &[ON, ("log", "level = \"trace\"")]);
    let mut client = running.connect();
    client.send(
        "POST /secret/1?secret=2 HTTP/1.1\r\nHost: secret\r\nX: secret\r\nContent-Length: 6\r\n\r\nsecret",
    );
    let mut call = backend.call();
    call.read(6);
    call.say("HTTP/1.1 200 OK\r\nX: secret\r\nContent-Length: 6\r\n\r\nsecret");
    assert_eq!(client.answer().status, 200);
    client.get("/x/../alipay/notify/secret").is(404, "fail");
    running.signal("TERM");
    let (_, lines) = running.end();
    let passed: Vec<_> = lines.iter().filter(|line| line.contains("\"passthrough\"")).collect();
    assert_eq!(passed.len(), 1, "{lines:#?}");
    assert!(passed[0].contains("\"DEBUG\"") && passed[0].contains("\"result\":\"passed\""), "{passed:?}");
    assert!(lines.iter().any(|line| line.contains("\"closed_path\"")), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("secret")), "{lines:#?}");
}
