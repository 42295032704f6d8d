//! Spans, and a collector that is slow, gone, or not to be found: no notification ever waits for it.

use crate::support::Way;
use crate::support::alipay::{Form, Notification};
use crate::support::client::Client;
use crate::support::process::Running;
use crate::support::upstream::{Act, Upstream};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn endpoint(address: &str) -> String {
    format!("otlp_endpoint = \"http://{address}\"")
}

/// How many spans came to `result`.
fn spans(way: &Way, result: &str) -> u64 {
    let line = format!("alipay_sidecar_spans_total{{result=\"{result}\"}} ");
    let metrics = way.metrics();
    metrics.lines().find_map(|found| found.strip_prefix(&line)).unwrap().parse().unwrap()
}

fn traced(way: &Way, flags: &str) {
    let header = format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-{flags}\r\n");
    way.connect().post_with(&Notification::genuine(Form::V1).body(), &header).is(200, "success");
}

/// Asks again and again, for far longer than it ever takes.
fn until(is_so: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !is_so() {
        assert!(start.elapsed().as_secs() < 30, "not in time");
    }
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn without_a_collector_the_trace_context_passes_as_it_came() {
    let way = Way::start();
    traced(&way, "01");
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    assert_eq!(way.upstream.got().header("traceparent"), Some(parent.as_str()));
    assert_eq!((spans(&way, "exported"), spans(&way, "dropped")), (0, 0));
}

#[test]
fn the_last_spans_reach_the_collector_before_the_process_ends() {
    let collector = Upstream::start();
    let endpoint = endpoint(&format!("{}/prefix/", collector.address));
    let mut way = Way::with(&[("telemetry", &endpoint)]);
    // Not sampled: passed on as it came, and no span.
    traced(&way, "00");
    assert!(way.upstream.got().header("traceparent").unwrap().ends_with("-00f067aa0ba902b7-00"));
    traced(&way, "01");
    let delivered = way.upstream.got();
    let span = &delivered.header("traceparent").unwrap()[36..52];
    assert_ne!(span, "00f067aa0ba902b7");
    way.join();
    let export = collector.got();
    assert_eq!(export.line, "POST /prefix/v1/traces HTTP/1.1");
    let span = u64::from_str_radix(span, 16).unwrap().to_be_bytes();
    assert!(holds(&export.body, &span) && holds(&export.body, b"5608cccc09ddb39d41c2e3c06e3d9fejh2"));
    collector.got_nothing();
}

#[test]
fn a_kept_connection_that_the_collector_closed_costs_no_span() {
    let collector = Upstream::start();
    collector.does([
        Act::SayAndClose("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned()),
        Act::status(200),
    ]);
    let way = Way::with(&[("telemetry", &endpoint(&collector.address.to_string()))]);
    for connection in 0..2 {
        traced(&way, "01");
        assert_eq!(collector.got().connection, connection);
    }
    until(|| spans(&way, "exported") == 2);
    assert_eq!(spans(&way, "dropped"), 0);
}

#[test]
fn what_the_collector_refuses_for_good_is_dropped_and_counted() {
    let collector = Upstream::start();
    collector.does([Act::status(400)]);
    let way = Way::with(&[("telemetry", &endpoint(&collector.address.to_string()))]);
    traced(&way, "01");
    collector.got();
    until(|| spans(&way, "dropped") == 1);
    collector.got_nothing();
    // The next one finds the collector in a better mood.
    traced(&way, "01");
    collector.got();
    until(|| spans(&way, "exported") == 1);
    assert_eq!(spans(&way, "dropped"), 1);
}

#[test]
fn a_collector_that_never_answers_or_is_not_there_holds_up_neither_notifications_nor_the_end() {
    let silent = Upstream::start();
    silent.does((0..10).map(|_| Act::Hang));
    // Bound and closed again: whatever connects to it is refused.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for address in [silent.address, gone] {
        let mut running = Running::start(&[("telemetry", &endpoint(&address.to_string()))]);
        let mut client = running.connect();
        for _ in 0..100 {
            client.post(&Notification::genuine(Form::V1).body()).is(200, "success");
        }
        if address == gone {
            assert_eq!(running.line("spans_not_exported")["level"], "WARN");
        } else {
            silent.got();
        }
        running.signal("TERM");
        let (status, _) = running.end();
        assert!(status.success());
    }
    silent.release();
}

#[test]
fn a_flood_of_forgeries_makes_no_more_spans_than_lines() {
    let collector = Upstream::start();
    let mut way = Way::with(&[("telemetry", &endpoint(&collector.address.to_string()))]);
    let body = Notification::genuine(Form::V1).set("version", "1.0").body();
    let forged = format!("{}{body}", Client::head(body.len(), ""));
    let mut client = way.connect();
    for _ in 0..10 {
        client.send(forged.repeat(100));
        for _ in 0..100 {
            client.answer().is(403, "fail");
        }
    }
    let refused = way.count("bad_signature");
    assert_eq!(refused, 1000);
    way.join();
    let mut exported = 0;
    while let Some(export) = collector.try_got() {
        // Each span has its outcome once.
        exported += export.body.windows(7).filter(|window| window == b"outcome").count();
    }
    assert!((1..1000).contains(&exported), "{exported}");
}
