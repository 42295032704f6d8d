//! A ledger that replicas share, in a real Redis: one delivery among all, and what becomes of it while Redis is away.

mod access;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::ledger::{becomes, sent};
use crate::support::Way;
use crate::support::alipay::{Form, Notification};
use crate::support::client::Client;
use crate::support::process::{Running, command};
use crate::support::redis::Redis;
use crate::support::upstream::{Act, Upstream};

/// How long Redis may take to be found again.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long Alipay waits for an answer.
const SENDER_WAITS: Duration = Duration::from_secs(16);

fn ledger(url: &str) -> [(&'static str, String); 2] {
    [("ledger", "store = \"redis\"".to_owned()), ("ledger", format!("url = \"{url}\""))]
}

/// The settings of a sidecar that keeps its ledger in `redis`, and `more`.
fn settings<'s>(ledger: &'s [(&'s str, String)], more: &[(&'s str, &'s str)]) -> Vec<(&'s str, &'s str)> {
    ledger.iter().map(|(table, line)| (*table, line.as_str())).chain(more.iter().copied()).collect()
}

/// A sidecar in this process.
fn replica(redis: &Redis, more: &[(&str, &str)]) -> Way {
    Way::with(&settings(&ledger(&redis.url()), more))
}

/// A sidecar in a process of its own.
fn running(redis: &Redis, more: &[(&str, &str)]) -> Running {
    Running::start(&settings(&ledger(&redis.url()), more))
}

/// Whether a line of the metrics of `running` is `wanted`.
fn counts(running: &Running, wanted: &str) -> bool {
    running.admin("/metrics").1.lines().any(|line| line == format!("alipay_sidecar_{wanted}"))
}

/// How often a request to `running` ended with `reason`.
fn count(running: &Running, reason: &str) -> usize {
    let metrics = running.admin("/metrics").1;
    let wanted = format!("reason=\"{reason}\"");
    let found = metrics.lines().filter(|line| line.starts_with("alipay_sidecar_notifications_total{"));
    found
        .filter(|line| line.contains(&wanted))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap())
        .sum()
}

/// Posts `notification` again and again until the answer is `success`.
#[track_caller]
fn succeeds(address: std::net::SocketAddr, notification: &Notification) {
    let body = notification.body();
    let start = Instant::now();
    while Client::connect(address).post(&body).body != "success" {
        assert!(start.elapsed() < PATIENCE, "it never succeeds");
    }
}

fn address(running: &Running) -> std::net::SocketAddr {
    running.address.parse().unwrap()
}

/// The key of the only record in `redis`.
#[track_caller]
fn record(redis: &Redis) -> String {
    redis.key(|key| key.len() == "alipay-sidecar:".len() + 32)
}

/// The key of the only lease in `redis`.
#[track_caller]
fn lease(redis: &Redis) -> String {
    redis.key(|key| key.ends_with(":lease"))
}

#[test]
fn what_one_replica_saw_accepted_no_replica_delivers_again() {
    let redis = Redis::start();
    let [one, another] = [(); 2].map(|()| replica(&redis, &[]));
    let notification = Notification::genuine(Form::V1);
    one.post(&notification).is(200, "success");
    assert_eq!(one.upstream.got().header("alipay-attempt"), Some("1"));
    another.post(&notification).is(200, "success");
    one.post(&notification).is(200, "success");
    another.upstream.got_nothing();
    one.upstream.got_nothing();
    // Nor one that is started later.
    let third = replica(&redis, &[]);
    third.post(&notification).is(200, "success");
    third.upstream.got_nothing();
}

#[test]
fn attempts_and_what_waits_for_a_retry_are_counted_across_replicas() {
    let redis = Redis::start();
    let [one, another] = [(); 2].map(|()| replica(&redis, &[]));
    let notification = Notification::genuine(Form::V1);
    one.upstream_does([Act::status(500)]);
    another.upstream_does([Act::status(503)]);
    one.post(&notification).is(200, "fail");
    assert_eq!(one.upstream.got().header("alipay-attempt"), Some("1"));
    becomes(&one, "waiting_for_retry", 1);
    another.post(&notification).is(200, "fail");
    assert_eq!(another.upstream.got().header("alipay-attempt"), Some("2"));
    becomes(&another, "waiting_for_retry", 1);
    one.post(&notification).is(200, "success");
    assert_eq!(one.upstream.got().header("alipay-attempt"), Some("3"));
    becomes(&one, "waiting_for_retry", 0);
    another.post(&notification).is(200, "success");
    another.upstream.got_nothing();
    // A replica that is started knows of what others left.
    one.upstream_does([Act::status(500)]);
    one.post(&Notification::genuine(Form::V1)).is(200, "fail");
    becomes(&replica(&redis, &[]), "waiting_for_retry", 1);
}

#[test]
fn what_another_replica_delivers_is_answered_fail_until_it_is_known_what_came_of_it() {
    let redis = Redis::start();
    let [one, another] = [(); 2].map(|()| replica(&redis, &[]));
    let notification = Notification::genuine(Form::V1);
    one.upstream_does([Act::Wait]);
    let mut first = sent(&one, &notification);
    one.upstream.got();
    another.post(&notification).is(200, "fail");
    assert_eq!(another.count("in_flight_elsewhere"), 1);
    // Other notifications are not held up.
    another.post(&Notification::genuine(Form::V1)).is(200, "success");
    another.upstream.got();
    one.upstream.release();
    first.answer().is(200, "success");
    another.post(&notification).is(200, "success");
    another.upstream.got_nothing();
}

#[test]
fn what_is_sent_to_all_replicas_at_once_reaches_the_app_once() {
    let redis = Redis::start();
    let replicas = [(); 2].map(|()| replica(&redis, &[]));
    let bodies: Vec<String> = (0..60).map(|_| Notification::genuine(Form::V1).body()).collect();
    let next = AtomicUsize::new(0);
    let addresses = replicas.each_ref().map(|replica| replica.address);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut clients = addresses.map(Client::connect);
                    let request = format!("{}{body}", Client::head(body.len(), ""));
                    for client in &mut clients {
                        client.send(&request);
                    }
                    let answers = clients.map(|mut client| client.answer().body);
                    assert!(answers.contains(&"success".to_owned()), "{answers:?}");
                }
            });
        }
    });
    let delivered: usize = replicas.iter().map(|replica| replica.upstream.all_got().len()).sum();
    assert_eq!(delivered, bodies.len());
}

#[test]
fn redis_holds_hashed_names_and_times_and_all_of_it_ends() {
    let redis = Redis::start();
    let one = replica(&redis, &[("ledger", "retain = \"26h\"")]);
    one.upstream_does([Act::status(500), Act::status(204)]);
    let notification = Notification::genuine(Form::V1);
    one.post(&notification).is(200, "fail");
    let key = record(&redis);
    let written = redis.say(&["GET", &key]);
    assert!(written.starts_with("1 failed 1 "), "{written}");
    let waiting = redis.say(&["ZRANGE", "alipay-sidecar:waiting", "0", "-1"]);
    assert_eq!(key, format!("alipay-sidecar:{waiting}"));
    one.post(&notification).is(200, "success");
    let written = redis.say(&["GET", &key]);
    assert!(written.starts_with("1 accepted 2 "), "{written}");
    // Neither a lease nor anything that waits is left.
    assert_eq!(redis.say(&["KEYS", "*"]), key);
    let left: u64 = redis.say(&["TTL", &key]).parse().unwrap();
    assert!((25 * 3600..=26 * 3600 + 1).contains(&left), "{left}");
}

#[test]
fn a_replica_that_dies_leaves_a_lease_that_ends_by_itself() {
    let redis = Redis::start();
    let one = running(&redis, &[]);
    let another = replica(&redis, &[]);
    one.upstream.does([Act::Hang]);
    let notification = Notification::genuine(Form::V1);
    let body = notification.body();
    let mut client = one.connect();
    client.send(format!("{}{body}", Client::head(body.len(), "")));
    one.upstream.got();
    one.signal("KILL");
    one.end();
    another.post(&notification).is(200, "fail");
    assert_eq!(another.count("in_flight_elsewhere"), 1);
    // `upstream.timeout`, and twice what the store may take.
    let left: i64 = redis.say(&["PTTL", &lease(&redis)]).parse().unwrap();
    assert!((1..=14_000).contains(&left), "{left}");
    redis.say(&["PEXPIRE", &lease(&redis), "1"]);
    succeeds(another.address, &notification);
    assert_eq!(another.upstream.got().header("alipay-attempt"), Some("1"));
}

#[test]
fn a_replica_that_hung_beyond_its_lease_makes_nothing_of_what_others_made_of_it() {
    for accepts in [true, false] {
        let redis = Redis::start();
        let mut one = running(&redis, &[("upstream", "timeout = \"4s\"")]);
        let another = replica(&redis, &[]);
        one.upstream.does([Act::Hang]);
        another.upstream_does([Act::status(if accepts { 204 } else { 500 })]);
        let notification = Notification::genuine(Form::V1);
        let body = notification.body();
        let mut client = one.connect();
        client.send(format!("{}{body}", Client::head(body.len(), "")));
        one.upstream.got();
        one.signal("STOP");
        redis.say(&["PEXPIRE", &lease(&redis), "1"]);
        // Until the lease is over.
        while another.upstream.all_got().is_empty() {
            another.post(&notification);
        }
        let written = redis.say(&["GET", &record(&redis)]);
        assert!(written.starts_with(if accepts { "1 accepted" } else { "1 failed" }), "{written}");
        one.signal("CONT");
        assert_eq!(one.line("notification")["reason"], "upstream_timeout");
        client.answer().is(200, "fail");
        assert_eq!(redis.say(&["GET", &record(&redis)]), written);
    }
}

#[test]
fn that_the_app_accepted_is_told_however_late_it_is() {
    let redis = Redis::start();
    let [one, another] = [(); 2].map(|()| replica(&redis, &[]));
    let notification = Notification::genuine(Form::V1);
    one.upstream_does([Act::Wait]);
    let mut first = sent(&one, &notification);
    one.upstream.got();
    // The lease ends, and another fails meanwhile.
    redis.say(&["DEL", &lease(&redis)]);
    another.upstream_does([Act::status(500)]);
    another.post(&notification).is(200, "fail");
    another.upstream.got();
    one.upstream.release();
    first.answer().is(200, "success");
    another.post(&notification).is(200, "success");
    another.upstream.got_nothing();
    becomes(&one, "waiting_for_retry", 0);
}

#[test]
fn while_redis_is_away_all_fail_and_when_it_is_back_they_are_delivered() {
    let mut redis = Redis::start();
    let mut one = running(&redis, &[]);
    let (known, notification) = (Notification::genuine(Form::V1), Notification::genuine(Form::V1));
    one.connect().post(&known.body()).is(200, "success");
    one.upstream.got();
    redis.kill();
    for _ in 0..20 {
        one.connect().post(&notification.body()).is(200, "fail");
    }
    assert_eq!(count(&one, "ledger_out_of_reach"), 20);
    let line = one.line("ledger_out_of_reach");
    let error = line["error"].as_str().unwrap();
    assert!(error.contains(&format!("127.0.0.1:{}", redis.port)) && error.contains("refused"), "{error}");
    assert_eq!(one.admin("/readyz").0, 200);
    one.upstream.got_nothing();
    redis.restart();
    succeeds(address(&one), &notification);
    assert_eq!(one.upstream.got().header("alipay-attempt"), Some("1"));
    one.line("ledger_back");
    // This one remembers nothing, so what was accepted before is delivered again.
    one.connect().post(&known.body()).is(200, "success");
    assert_eq!(one.upstream.got().header("alipay-attempt"), Some("1"));
    one.signal("TERM");
    assert!(one.end().0.success());
}

#[test]
fn a_connection_that_is_cut_while_nothing_happens_fails_nobody() {
    let redis = Redis::start();
    let one = replica(&redis, &[]);
    for _ in 0..20 {
        let notification = Notification::genuine(Form::V1);
        one.post(&notification).is(200, "success");
        redis.say(&["CLIENT", "KILL", "TYPE", "normal"]);
        one.post(&notification).is(200, "success");
        redis.say(&["CLIENT", "KILL", "TYPE", "normal"]);
    }
    assert_eq!(one.upstream.all_got().len(), 20);
    becomes(&one, "ledger_errors_total", 0);
}

#[test]
fn a_redis_that_hangs_holds_no_request_beyond_the_senders_patience() {
    let redis = Redis::start();
    let one = replica(&redis, &[]);
    let notification = Notification::genuine(Form::V1);
    // It hangs before the delivery.
    redis.signal("STOP");
    let start = Instant::now();
    one.post(&notification).is(200, "fail");
    one.post(&notification).is(200, "fail");
    assert!(start.elapsed() < SENDER_WAITS, "{:?}", start.elapsed());
    one.upstream.got_nothing();
    assert_eq!(one.count("ledger_out_of_reach"), 2);
    redis.signal("CONT");
    succeeds(one.address, &notification);
    one.upstream.got();
    // It hangs after the delivery: the app has accepted, and is not asked again.
    let another = Notification::genuine(Form::V1);
    one.upstream_does([Act::Wait]);
    let mut first = sent(&one, &another);
    one.upstream.got();
    redis.signal("STOP");
    one.upstream.release();
    let start = Instant::now();
    first.answer().is(200, "fail");
    assert!(start.elapsed() < SENDER_WAITS, "{:?}", start.elapsed());
    redis.signal("CONT");
    succeeds(one.address, &another);
    one.upstream.got_nothing();
    assert!(redis.say(&["KEYS", "*"]).lines().all(|key| !key.ends_with("waiting")));
}

#[test]
fn a_lease_that_nobody_waited_for_ends_in_its_time_and_holds_up_others_alone() {
    let redis = Redis::start();
    let [one, another] = [(); 2].map(|()| replica(&redis, &[]));
    let notification = Notification::genuine(Form::V1);
    // The same worker, whose connection to Redis is there.
    let mut client = one.connect();
    client.post(&Notification::genuine(Form::V1).body()).is(200, "success");
    one.upstream.got();
    redis.signal("STOP");
    client.post(&notification.body()).is(200, "fail");
    assert_eq!(one.count("ledger_out_of_reach"), 1);
    one.upstream.got_nothing();
    // What was asked is still done, when nobody waits for the answer any more.
    redis.signal("CONT");
    let left: i64 = redis.say(&["PTTL", &lease(&redis)]).parse().unwrap();
    // `upstream.timeout`, and twice what the store may take.
    assert!((1..=14_000).contains(&left), "{left}");
    another.post(&notification).is(200, "fail");
    assert_eq!(another.count("in_flight_elsewhere"), 1);
    another.upstream.got_nothing();
    // Whose it is need not wait for its end.
    succeeds(one.address, &notification);
    assert_eq!(one.upstream.got().header("alipay-attempt"), Some("1"));
    another.post(&notification).is(200, "success");
    another.upstream.got_nothing();
}

#[test]
fn a_redis_that_is_slow_is_waited_for() {
    let redis = Redis::start();
    let one = replica(&redis, &[("upstream", "timeout = \"1s\"")]);
    one.post(&Notification::genuine(Form::V1)).is(200, "success");
    redis.say(&["CLIENT", "PAUSE", "300", "ALL"]);
    let notification = Notification::genuine(Form::V1);
    one.post(&notification).is(200, "success");
    redis.say(&["CLIENT", "PAUSE", "300", "ALL"]);
    one.post(&notification).is(200, "success");
    assert_eq!(one.upstream.all_got().len(), 2);
    becomes(&one, "ledger_errors_total", 0);
}

#[test]
fn with_deliver_all_is_delivered_while_redis_is_away_and_told_when_it_is_back() {
    let mut redis = Redis::start();
    let one = replica(&redis, &[("ledger", "on_store_error = \"deliver\"")]);
    redis.kill();
    let notification = Notification::genuine(Form::V1);
    one.post(&notification).is(200, "success");
    one.upstream.got();
    // What this process saw accepted, it knows.
    one.post(&notification).is(200, "success");
    one.upstream.got_nothing();
    redis.restart();
    let start = Instant::now();
    while redis.say(&["EXISTS", "alipay-sidecar:waiting"]).is_empty()
        || !redis.say(&["KEYS", "*"]).contains("alipay-sidecar:")
    {
        assert!(start.elapsed() < PATIENCE, "it is never told");
        one.post(&notification).is(200, "success");
    }
    let another = replica(&redis, &[]);
    another.post(&notification).is(200, "success");
    another.upstream.got_nothing();
    one.upstream.got_nothing();
}

#[test]
fn scripts_that_redis_forgot_are_sent_again() {
    let redis = Redis::start();
    let one = replica(&redis, &[]);
    let notification = Notification::genuine(Form::V1);
    for _ in 0..3 {
        one.post(&notification).is(200, "success");
        assert_eq!(redis.say(&["SCRIPT", "FLUSH"]), "OK");
    }
    assert_eq!(one.upstream.all_got().len(), 1);
    becomes(&one, "ledger_errors_total", 0);
}

#[test]
fn one_that_may_not_write_fails_until_it_may_as_after_a_failover() {
    let redis = Redis::start();
    let one = replica(&redis, &[]);
    one.post(&Notification::genuine(Form::V1)).is(200, "success");
    one.upstream.got();
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    redis.say(&["REPLICAOF", "127.0.0.1", &nowhere.to_string()]);
    let notification = Notification::genuine(Form::V1);
    one.post(&notification).is(200, "fail");
    one.upstream.got_nothing();
    assert_eq!(one.count("ledger_out_of_reach"), 1);
    redis.say(&["REPLICAOF", "NO", "ONE"]);
    succeeds(one.address, &notification);
    one.upstream.got();
}

#[test]
fn a_record_that_somebody_else_wrote_is_no_acceptance() {
    let redis = Redis::start();
    let one = running(&redis, &[]);
    let notification = Notification::genuine(Form::V1);
    one.connect().post(&notification.body()).is(200, "success");
    one.upstream.got();
    let key = record(&redis);
    for written in ["2 accepted 1 1 1", "accepted", "", "1 accepted"] {
        redis.say(&["SET", &key, written]);
        one.connect().post(&notification.body()).is(200, "fail");
    }
    redis.say(&["DEL", &key]);
    redis.say(&["LPUSH", &key, "1 accepted 1 1 1"]);
    one.connect().post(&notification.body()).is(200, "fail");
    assert_eq!(count(&one, "ledger_out_of_reach"), 5);
    assert!(counts(&one, "ledger_errors_total 5"));
    one.upstream.got_nothing();
}
