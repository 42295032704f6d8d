//! What the upstream answers decides what Alipay hears: `success` for what it accepted, `fail` for all else.

use std::net::TcpListener;

use crate::support::Way;
use crate::support::alipay::{Form, Notification, key};
use crate::support::client::Client;
use crate::support::upstream::{Act, Upstream};

fn genuine() -> Notification {
    Notification::genuine(Form::V1)
}

#[track_caller]
fn hears(way: &Way, act: Act, body: &str, reason: &str) {
    let before = way.count(reason);
    way.upstream_does([act]).post(&genuine()).is(200, body);
    way.upstream.got();
    way.upstream.got_nothing();
    assert_eq!(way.count(reason), before + 1, "{reason}:\n{}", way.metrics());
}

fn say(text: &str) -> Act {
    Act::SayAndClose(text.to_owned())
}

#[test]
fn any_2xx_is_success() {
    let way = Way::start();
    for status in [200, 201, 202, 204, 299] {
        hears(&way, Act::status(status), "success", "");
    }
}

#[test]
fn whatever_is_not_2xx_is_fail() {
    let way = Way::start();
    for status in [400, 401, 403, 404, 409, 410, 429, 500, 502, 503, 599, 999] {
        hears(&way, Act::status(status), "fail", "upstream_refused");
    }
}

#[test]
fn a_redirect_is_fail_and_never_followed() {
    let way = Way::start();
    for status in [301, 302, 303, 307, 308] {
        let location = format!("http://{}/elsewhere", way.upstream.address);
        let answer = format!("HTTP/1.1 {status} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        hears(&way, Act::Say(answer), "fail", "upstream_redirected");
    }
    hears(&way, Act::status(304), "fail", "upstream_redirected");
}

#[test]
fn the_body_of_an_answer_decides_nothing() {
    let way = Way::start();
    hears(&way, say("HTTP/1.1 500 No\r\ncontent-length: 7\r\n\r\nsuccess"), "fail", "upstream_refused");
    hears(&way, say("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfail"), "success", "");
    hears(&way, say("HTTP/1.1 200 OK\r\n\r\nuntil the end"), "success", "");
}

#[test]
fn a_status_given_counts_even_when_its_body_breaks_off() {
    let way = Way::start();
    hears(&way, say("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf"), "success", "");
    hears(&way, say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"), "success", "");
}

#[test]
fn an_endless_body_does_not_hold_the_answer() {
    let way = Way::start();
    let endless = format!("HTTP/1.1 200 OK\r\ncontent-length: 10000000\r\n\r\n{}", "x".repeat(200_000));
    hears(&way, Act::Say(endless), "success", "");
}

#[test]
fn an_upstream_that_breaks_off_is_fail() {
    let way = Way::start();
    for half in ["", "H", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n"] {
        let act = if half.is_empty() { Act::Close } else { say(half) };
        hears(&way, act, "fail", "upstream_broken");
    }
}

#[test]
fn what_is_not_an_answer_in_http_is_fail() {
    let way = Way::start();
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(20 * 1024));
    let both = "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n";
    for garbage in [
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "success",
        "HTTP/1.1 2000 OK\r\n\r\n",
        &long,
        both,
    ] {
        hears(&way, say(garbage), "fail", "upstream_broken");
    }
}

#[test]
fn interim_answers_are_skipped_in_bounded_number() {
    let way = Way::start();
    let some = "HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n".repeat(3);
    hears(&way, Act::Say(format!("{some}HTTP/1.1 204 No\r\n\r\n")), "success", "");
    let many = "HTTP/1.1 100 Continue\r\n\r\n".repeat(20_000);
    hears(&way, say(&format!("{many}HTTP/1.1 204 No\r\n\r\n")), "fail", "upstream_broken");
}

#[test]
fn a_slow_upstream_is_fail_at_the_deadline() {
    let way = Way::with(&[("upstream", "timeout = \"50ms\""), ("upstream", "connect_timeout = \"50ms\"")]);
    hears(&way, Act::Hang, "fail", "upstream_timeout");
}

#[test]
fn an_upstream_that_is_not_there_is_fail() {
    // A port that was free a moment ago, and that nobody listens on.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let way = Way::to(&format!("http://{address}/app"), &[]);
    way.post(&genuine()).is(200, "fail");
    assert_eq!(way.count("upstream_unreachable"), 1);
}

#[test]
fn the_statuses_that_mean_success_are_configured() {
    let way = Way::with(&[("upstream", "accept = [\"204\", \"409\"]")]);
    hears(&way, Act::status(204), "success", "");
    hears(&way, Act::status(409), "success", "");
    hears(&way, Act::status(200), "fail", "upstream_refused");
}

#[test]
fn the_status_of_a_fail_is_configured_for_genuine_notifications_only() {
    let way = Way::with(&[("ack", "failure_status = 502")]);
    way.upstream_does([Act::status(500)]).post(&genuine()).is(502, "fail");
    way.post(&genuine().set("version", "1.0")).is(403, "fail");
}

/// A client whose worker keeps a connection to the upstream, for what is posted over it next.
fn client_with_a_kept_connection(way: &Way) -> Client {
    let mut client = way.connect();
    client.post(&genuine().body()).is(200, "success");
    way.upstream.got();
    client
}

#[test]
fn a_reused_connection_that_was_closed_is_replaced_once() {
    let way = Way::start();
    let mut client = client_with_a_kept_connection(&way);
    // The upstream takes the request over the kept connection, and closes it without a byte.
    way.upstream_does([Act::Close, Act::status(204)]);
    client.post(&genuine().body()).is(200, "success");
    let (first, second) = (way.upstream.got(), way.upstream.got());
    assert_eq!((first.connection, second.connection), (0, 1));
    assert_eq!(first.body, second.body);
    assert_eq!(first.header("idempotency-key"), second.header("idempotency-key"));
    way.upstream.got_nothing();
}

#[test]
fn a_request_is_never_sent_a_third_time() {
    let way = Way::start();
    let mut client = client_with_a_kept_connection(&way);
    way.upstream_does([Act::Close, Act::Close]);
    client.post(&genuine().body()).is(200, "fail");
    way.upstream.got();
    way.upstream.got();
    way.upstream.got_nothing();
}

#[test]
fn a_new_connection_that_is_closed_is_not_tried_again() {
    let way = Way::start();
    hears(&way, Act::Close, "fail", "upstream_broken");
}

#[test]
fn a_request_is_not_sent_again_once_a_byte_of_the_answer_came() {
    let way = Way::start();
    let mut client = client_with_a_kept_connection(&way);
    way.upstream_does([say("H")]);
    client.post(&genuine().body()).is(200, "fail");
    way.upstream.got();
    way.upstream.got_nothing();
    assert_eq!(way.count("upstream_broken"), 1);
}

#[test]
fn more_deliveries_than_allowed_fail_at_once() {
    let way = Way::with(&[("upstream", "max_in_flight = 1")]);
    way.upstream_does([Act::Wait]);
    let body = genuine().body();
    let mut waiting = way.connect();
    waiting.send(format!("{}{body}", Client::head(body.len(), "")));
    way.upstream.got();
    way.post(&genuine()).is(200, "fail");
    way.upstream.got_nothing();
    assert_eq!(way.count("too_many_in_flight"), 1);
    way.upstream.release();
    waiting.answer().is(200, "success");
    way.post(&genuine()).is(200, "success");
}

#[test]
fn large_deliveries_beyond_their_memory_fail_at_once_and_small_ones_get_in() {
    let of_length = |length: usize| {
        let content = format!(r#"{{"text":"{}"}}"#, "x".repeat(length));
        Notification::unsigned().set("biz_content", content).signed(Form::V1, key())
    };
    let way = Way::with(&[("server", "max_body = \"16MiB\"")]);
    way.upstream_does([Act::Wait, Act::status(200)]);
    let body = of_length(7 * 1024 * 1024).body();
    let mut waiting = way.connect();
    waiting.send(format!("{}{body}", Client::head(body.len(), "")));
    way.upstream.got();
    assert!(way.metrics().contains("alipay_sidecar_in_flight_bytes 734"), "{}", way.metrics());
    way.post(&of_length(100_000)).is(200, "fail");
    assert_eq!(way.count("too_many_in_flight"), 1);
    way.post(&genuine()).is(200, "success");
    way.upstream.release();
    waiting.answer().is(200, "success");
    way.post(&of_length(100_000)).is(200, "success");
    assert!(way.metrics().contains("alipay_sidecar_in_flight_bytes 0"));
}

#[test]
fn a_verified_notification_is_delivered_though_the_sender_hangs_up() {
    let way = Way::start();
    way.upstream_does([Act::Wait]);
    let body = Notification::unsigned().signed(Form::V2, key()).body();
    let mut client = way.connect();
    client.send(format!("{}{body}", Client::head(body.len(), "")));
    way.upstream.got();
    drop(client);
    way.upstream.release();
    // It is counted as accepted, which it only is when the upstream's answer was heard.
    let accepted = (0..1_000_000).any(|_| way.count("") == 1);
    assert!(accepted);
}

#[test]
fn an_upstream_with_one_thread_is_never_kept_waiting_by_an_idle_connection() {
    let way = Way::before(Upstream::with_one_thread(), &[]);
    // One after the other: each over a connection of its own, so that all workers take part.
    for _ in 0..12 {
        way.post(&genuine()).is(200, "success");
        way.upstream.got();
    }
    // And all at once.
    let mut clients: Vec<Client> = (0..12).map(|_| way.connect()).collect();
    for client in &mut clients {
        let body = genuine().body();
        client.send(format!("{}{body}", Client::head(body.len(), "")));
    }
    for client in &mut clients {
        client.answer().is(200, "success");
        way.upstream.got();
    }
}

#[test]
fn an_idle_connection_to_the_upstream_is_closed_in_time() {
    let way = Way::before(Upstream::with_one_thread(), &[]);
    way.post(&genuine()).is(200, "success");
    // The only thread of the upstream is free for another client as soon as the idle connection is closed.
    let mut other = Client::connect(way.upstream.address);
    other.send("POST /other HTTP/1.1\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(other.answer().status, 204);
}
