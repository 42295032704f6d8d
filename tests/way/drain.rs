//! The end under load: what was answered `success` was delivered, and nothing is answered wrongly.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustls::ClientConfig;

use crate::support::alipay::{Form, Notification, key};
use crate::support::client::Client;
use crate::support::process::Running;
use crate::support::redis::Redis;
use crate::support::upstream::Act;
use crate::tls::{TLS, issue};

/// Posts notifications, each with an id of its own, until the sidecar is gone; returns the ids of those that were
/// answered `success`. `answered` counts all answers.
fn post_on(
    address: SocketAddr,
    trust: Option<&Arc<ClientConfig>>,
    name: usize,
    answered: &AtomicUsize,
) -> Vec<String> {
    let mut accepted = Vec::new();
    let connect = || match trust {
        Some(trust) => Client::try_connect(address).map(|client| client.with_tls(trust)),
        None => Client::try_connect(address),
    };
    let mut number = 0;
    while let Some(mut client) = connect() {
        loop {
            number += 1;
            let id = format!("load-{name}-{number}");
            let notification = Notification::unsigned().set("notify_id", &id).signed(Form::V1, key());
            let Some(answer) = client.try_post(&notification.body()) else { break };
            answered.fetch_add(1, Ordering::Relaxed);
            match answer.body.as_str() {
                "success" => accepted.push(id),
                body => assert_eq!((answer.status, body), (200, "fail"), "{answer:?}"),
            }
            if answer.header("connection") == Some("close") {
                break;
            }
        }
    }
    accepted
}

fn ends_under_load(with_tls: bool) {
    let folder = tempfile::tempdir().unwrap();
    let trust = with_tls.then(|| issue(folder.path()));
    let settings: &[_] = if with_tls { &[TLS] } else { &[] };
    let running = Running::start_in(folder, settings);
    let address = running.address.parse().unwrap();
    let answered = AtomicUsize::new(0);
    let (status, lines, accepted, delivered) = thread::scope(|scope| {
        let clients: Vec<_> = (0..6)
            .map(|name| {
                let (trust, answered) = (trust.as_ref(), &answered);
                scope.spawn(move || post_on(address, trust, name, answered))
            })
            .collect();
        while answered.load(Ordering::Relaxed) < 60 {
            thread::yield_now();
        }
        running.signal("TERM");
        let (status, lines, upstream) = running.end_with_upstream();
        let accepted: BTreeSet<String> =
            clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        let delivered: BTreeSet<String> =
            upstream.all_got().iter().map(|got| got.header("alipay-notify-id").unwrap().to_owned()).collect();
        (status, lines, accepted, delivered)
    });
    assert_eq!(status.code(), Some(0), "{:?}", lines.last());
    assert!(accepted.len() >= 50, "{}", accepted.len());
    let lost: Vec<_> = accepted.difference(&delivered).collect();
    assert!(lost.is_empty(), "answered success and not delivered: {lost:?}");
    // What was delivered and accepted was also answered so: nothing was cut off.
    let unanswered: Vec<_> = delivered.difference(&accepted).collect();
    assert!(unanswered.is_empty(), "delivered and not answered: {unanswered:?}");
    let log = lines.join("\n");
    assert!(log.contains("\"drained\""), "{log}");
}

#[test]
fn the_last_delivery_that_the_end_of_the_process_cuts_off_is_told_as_a_loss() {
    let redis = Redis::start();
    let url = format!("url = \"{}\"", redis.url());
    let mut running = Running::start(&[
        ("ledger", "store = \"redis\""),
        ("ledger", &url),
        ("server", "drain_timeout = \"1ms\""),
    ]);
    running.upstream.does([Act::status(500), Act::Hang]);
    let body = Notification::genuine(Form::V1).body();
    running.connect().post(&body).is(200, "fail");
    assert!(running.line("notification").get("last_attempt").is_none());
    running.upstream.got();
    // As if it was seen when the first of Alipay's eight deliveries was due, and not since.
    let key = redis.key(|key| key.len() == "alipay-sidecar:".len() + 32);
    let record = redis.say(&["GET", &key]);
    let words: Vec<&str> = record.split_whitespace().collect();
    let [version, became, attempt, first_seen, _] = words[..] else { panic!("{record}") };
    let first_seen = first_seen.parse::<u64>().unwrap() - 1462 * 60;
    redis.say(&["SET", &key, &format!("{version} {became} {attempt} {first_seen} {first_seen}")]);
    let mut client = running.connect();
    client.send(format!("{}{body}", Client::head(body.len(), "")));
    assert_eq!(running.upstream.got().header("alipay-attempt"), Some("8"));
    running.signal("TERM");
    let line = running.line("notification");
    assert_eq!((&line["reason"], &line["level"]), (&"shutting_down".into(), &"ERROR".into()), "{line}");
    // Whichever worker opened the connection: it does not end before the one that delivers over it.
    assert!(line.get("resent").is_none() && running.upstream.try_got().is_none(), "{line}");
    assert_eq!((&line["last_attempt"], &line["attempt"]), (&true.into(), &8.into()));
    client.answer().is(200, "fail");
    assert!(running.end().0.success());
}

#[test]
fn an_end_under_load_loses_nothing() {
    ends_under_load(false);
}

#[test]
fn an_end_under_load_loses_nothing_over_tls() {
    ends_under_load(true);
}
