//! What hyper would let through, or answer in words of its own, is answered by us or closed.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::Way;
use crate::support::alipay::{Form, Notification};
use crate::support::client::Client;

fn request(more: &str) -> String {
    let body = Notification::genuine(Form::V1).body();
    format!("{}{body}", Client::head(body.len(), more))
}

/// Sends `bytes` and expects one `400 fail` and the end of the connection.
#[track_caller]
fn is_malformed(way: &Way, bytes: impl AsRef<[u8]>) {
    let before = way.count("malformed_head");
    let mut client = way.connect();
    client.send(bytes);
    let answer = client.answer();
    answer.is(400, "fail");
    assert_eq!(answer.header("connection"), Some("close"));
    client.is_closed();
    way.upstream.got_nothing();
    assert_eq!(way.count("malformed_head"), before + 1);
}

#[test]
fn an_ambiguous_frame_is_refused() {
    let way = Way::start();
    let genuine = request("");
    let length = genuine.split("Content-Length: ").nth(1).unwrap().split("\r\n").next().unwrap();
    for more in [
        format!("Content-Length: {length}\r\n"),
        "Content-Length: 0\r\n".to_owned(),
        "Transfer-Encoding: chunked\r\n".to_owned(),
        "Transfer-Encoding: identity\r\n".to_owned(),
        "Transfer-Encoding: gzip, chunked\r\n".to_owned(),
        "Host: example.com\r\n".to_owned(),
        "Host:\r\n".to_owned(),
        " folded: line\r\n".to_owned(),
        "space : before the colon\r\n".to_owned(),
        "no colon\r\n".to_owned(),
        "nul: a\0b\r\n".to_owned(),
        "bare: a\rb\r\n".to_owned(),
    ] {
        is_malformed(&way, request(&more));
    }
    is_malformed(&way, genuine.replace("Host: example.com\r\n", ""));
    is_malformed(&way, genuine.replace("example.com", "example.com/path"));
    is_malformed(&way, genuine.replace("\r\nHost", "\nHost"));
    is_malformed(&way, genuine.replace("\r\n\r\n", "\n\n"));
    is_malformed(&way, genuine.replace("HTTP/1.1", "HTTP/1.2"));
    is_malformed(&way, genuine.replace("HTTP/1.1", "HTTP/1.1 "));
    is_malformed(&way, genuine.replace(" HTTP/1.1", ""));
    is_malformed(&way, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    is_malformed(&way, "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\r\n\r\n");
}

#[test]
fn an_odd_content_length_is_refused() {
    let way = Way::start();
    for length in ["+5", "-5", "0x5", "5,5", "5 5", "", "5a", "99999999999999999999999"] {
        let odd = Client::head(0, "").replace("Content-Length: 0", &format!("Content-Length: {length}"));
        is_malformed(&way, odd);
    }
}

#[test]
fn malformed_chunks_are_refused() {
    let way = Way::start();
    let head = Client::head(0, "Transfer-Encoding: chunked\r\n").replace("Content-Length: 0\r\n", "");
    for chunks in [
        "zz\r\na=b\r\n0\r\n\r\n",
        "-3\r\na=b\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\na=b",
        "3\r\na=bXX0\r\n\r\n",
        "\r\n\r\n",
    ] {
        let mut client = way.connect();
        client.send(format!("{head}{chunks}"));
        client.answer().is(400, "fail");
        client.is_closed();
    }
    assert_eq!(way.count("broken_body"), 5);
}

#[test]
fn an_upgrade_means_nothing() {
    let way = Way::start();
    for more in [
        "Connection: Upgrade\r\nUpgrade: websocket\r\n",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    ] {
        let mut client = way.connect();
        client.send(request(more));
        client.answer().is(200, "success");
        way.upstream.got();
    }
}

#[test]
fn what_follows_chunks_is_not_read_as_a_request() {
    let way = Way::start();
    let body = Notification::genuine(Form::V1).body();
    let head = Client::head(0, "Transfer-Encoding: chunked\r\n").replace("Content-Length: 0\r\n", "");
    let mut client = way.connect();
    client.send(format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n{}", body.len(), request("")));
    client.answer().is(200, "success");
    client.is_closed();
    way.upstream.got();
    way.upstream.got_nothing();
}

#[test]
fn a_bad_head_behind_a_good_request_is_refused_after_its_answer() {
    let way = Way::start();
    let mut client = way.connect();
    client.send(format!("{}GET / HTTP/1.1\nHost: a\n\n", request("")));
    client.answer().is(200, "success");
    client.answer().is(400, "fail");
    client.is_closed();
}

#[test]
fn a_refused_body_is_not_read_as_a_request() {
    let way = Way::start();
    // The body of the refused request holds a request of its own.
    let inner = request("");
    let outer = format!(
        "{}{inner}",
        Client::head(inner.len(), "Connection: close\r\n").replace("/alipay/notify", "/elsewhere")
    );
    let mut client = way.connect();
    client.try_send(&outer);
    client.answer().is(404, "fail");
    client.is_closed();
    way.upstream.got_nothing();
}

#[test]
fn an_empty_line_before_a_request_is_skipped() {
    let way = Way::start();
    let mut client = way.connect();
    client.send(format!("\r\n{}", request("")));
    client.answer().is(200, "success");
    client.send("\r\n");
    client.send(request(""));
    client.answer().is(200, "success");
}

#[test]
fn whatever_the_cuts_between_writes_the_answers_are_the_same() {
    let way = Way::start();
    let mut runner = TestRunner::new(Config { cases: 40, failure_persistence: None, ..Config::default() });
    runner
        .run(&prop::collection::vec(any::<prop::sample::Index>(), 1..8), |cuts| {
            let whole = format!("{}{}{}", request(""), request("x: y\r\n"), request("Connection: close\r\n"));
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(whole.len())).collect();
            cuts.extend([0, whole.len()]);
            cuts.sort_unstable();
            let mut client = way.connect();
            for cut in cuts.windows(2) {
                client.send(&whole[cut[0]..cut[1]]);
            }
            for _ in 0..3 {
                client.answer().is(200, "success");
                way.upstream.got();
            }
            client.is_closed();
            Ok(())
        })
        .unwrap();
}
