//! Probes, metrics, and the way to the end.

use crate::support::Way;
use crate::support::alipay::{Form, Notification};
use crate::support::client::Client;
use crate::support::upstream::Act;

fn request() -> String {
    let body = Notification::genuine(Form::V1).body();
    format!("{}{body}", Client::head(body.len(), ""))
}

#[test]
fn the_probes_answer() {
    let way = Way::start();
    let probe = |path| Client::connect(way.admin).get(path);
    for path in ["/livez", "/readyz", "/startupz", "/metrics"] {
        assert_eq!(probe(path).status, 200, "{path}");
    }
    assert_eq!(probe("/").status, 404);
    assert_eq!(probe("/alipay/notify").status, 404);
    let mut client = Client::connect(way.admin);
    client.send("POST /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.answer().status, 405);
}

#[test]
fn a_drain_ends_readiness_then_ends_what_is_in_flight() {
    let mut way = Way::with(&[("server", "shutdown_delay = \"300ms\"")]);
    let mut idle = way.connect();
    idle.post(&Notification::genuine(Form::V2).body()).is(200, "success");
    way.upstream.got();
    let mut busy = way.connect();
    way.upstream_does([Act::Wait]);
    busy.send(request());
    way.upstream.got();
    way.stop();
    // Not ready any more, and still serving.
    while Client::connect(way.admin).get("/readyz").status == 200 {}
    assert_eq!(Client::connect(way.admin).get("/livez").status, 200);
    way.post(&Notification::genuine(Form::V1)).is(200, "success");
    // Then the idle connection is closed, the busy one is answered first.
    idle.is_closed();
    way.upstream.release();
    busy.answer().is(200, "success");
    busy.is_closed();
    way.join();
    assert!(std::net::TcpStream::connect(way.address).is_err());
}

#[test]
fn what_does_not_end_in_time_is_answered_fail() {
    let mut way = Way::with(&[("server", "drain_timeout = \"50ms\"")]);
    way.upstream_does([Act::Hang]);
    let mut busy = way.connect();
    busy.send(request());
    way.upstream.got();
    way.stop();
    busy.answer().is(200, "fail");
    busy.is_closed();
    way.join();
}

#[test]
fn a_drain_with_nothing_in_flight_ends_at_once() {
    let mut way = Way::with(&[("server", "drain_timeout = \"10m\"")]);
    let mut idle = way.connect();
    idle.post(&Notification::genuine(Form::V1).body()).is(200, "success");
    let mut silent = way.connect();
    way.join();
    idle.is_closed();
    silent.is_closed();
}

#[test]
fn the_metrics_count_each_request_once_with_labels_from_closed_lists() {
    let way = Way::start();
    way.post(&Notification::genuine(Form::V1)).is(200, "success");
    way.post(&Notification::genuine(Form::V1).set("version", "1.0")).is(403, "fail");
    way.post(&Notification::unsigned().set("msg_method", "made.up.by.an.attacker")).is(403, "fail");
    let text = way.metrics();
    let lines: Vec<&str> =
        text.lines().filter(|line| line.starts_with("alipay_sidecar_notifications_total")).collect();
    assert_eq!(
        lines,
        [
            "alipay_sidecar_notifications_total{msg_method=\"alipay.open.mini.icp.faceauth.completed\",outcome=\"accepted\",reason=\"\"} 1",
            "alipay_sidecar_notifications_total{msg_method=\"other\",outcome=\"refused\",reason=\"bad_signature\"} 1",
            "alipay_sidecar_notifications_total{msg_method=\"other\",outcome=\"refused\",reason=\"unsigned\"} 1",
        ]
    );
    for figure in [
        "alipay_sidecar_signature_form_total{form=\"v1\"} 1",
        "alipay_sidecar_signature_form_total{form=\"v2\"} 0",
        "alipay_sidecar_upstream_seconds_count 1",
        "alipay_sidecar_handling_seconds_count 3",
        "alipay_sidecar_in_flight 0",
        "alipay_sidecar_build_info{ledger=\"memory\",version=\"0.1.0\"} 1",
    ] {
        assert!(text.lines().any(|line| line == figure), "{figure} is not in\n{text}");
    }
    assert!(!text.contains("made.up"));
}

#[test]
fn a_drain_does_not_cut_a_delivery_over_a_connection_of_another_worker() {
    // Which worker accepts is chance, so it is tried often enough for both to take part.
    for _ in 0..8 {
        let mut way = Way::start();
        way.post(&Notification::genuine(Form::V1)).is(200, "success");
        way.upstream.got();
        way.upstream_does([Act::Wait]);
        let mut busy = way.connect();
        busy.send(request());
        way.upstream.got();
        way.stop();
        // The listener is closed when all workers drain; those without a connection are at their end by then.
        while std::net::TcpStream::connect(way.address).is_ok() {}
        way.upstream.release();
        busy.answer().is(200, "success");
        way.join();
        way.upstream.got_nothing();
    }
}
