//! What was accepted is not delivered again, and what failed is, as often as it takes.

use crate::support::Way;
use crate::support::alipay::{APP_ID, Form, Notification, OTHER_APP_ID, foreign_key, key, other_key};
use crate::support::client::Client;
use crate::support::process::{Running, command, output};
use crate::support::upstream::Act;

fn request(notification: &Notification) -> String {
    let body = notification.body();
    format!("{}{body}", Client::head(body.len(), ""))
}

/// Sends `notification` over a connection of its own, without waiting for the answer.
pub(crate) fn sent(way: &Way, notification: &Notification) -> Client {
    let mut client = way.connect();
    client.send(request(notification));
    client
}

/// Waits until the counter or gauge `name` has this value.
#[track_caller]
pub(crate) fn becomes(way: &Way, name: &str, value: u64) {
    let wanted = format!("alipay_sidecar_{name} {value}");
    let has_it = (0..1_000_000).any(|_| way.metrics().lines().any(|line| line == wanted));
    assert!(has_it, "{wanted}:\n{}", way.metrics());
}

#[test]
fn an_accepted_notification_is_answered_success_and_not_delivered_again() {
    let way = Way::start();
    let notification = Notification::genuine(Form::V1);
    way.post(&notification).is(200, "success");
    way.upstream.got();
    // The app would refuse it now, and is not asked; also under another signature, and over a connection that is kept.
    way.upstream_does([Act::status(500)]);
    let again = notification.clone().signed(Form::V2, other_key());
    let mut client = way.connect();
    for repeat in [&notification, &again, &notification] {
        client.post(&repeat.body()).is(200, "success");
        way.post(repeat).is(200, "success");
    }
    way.upstream.got_nothing();
    let repeated = way.metrics().lines().any(|line| {
        line.starts_with("alipay_sidecar_notifications_total{")
            && line.contains("\"repeated\"")
            && line.ends_with(" 6")
    });
    assert!(repeated, "{}", way.metrics());
}

#[test]
fn a_failed_notification_is_delivered_again_as_the_next_attempt() {
    let way = Way::start();
    let notification = Notification::genuine(Form::V1);
    way.upstream_does([Act::status(500), Act::status(503), Act::status(204)]);
    for (attempt, answer, waiting) in [("1", "fail", 1), ("2", "fail", 1), ("3", "success", 0)] {
        way.post(&notification).is(200, answer);
        assert_eq!(way.upstream.got().header("alipay-attempt"), Some(attempt));
        becomes(&way, "waiting_for_retry", waiting);
    }
    way.post(&notification).is(200, "success");
    way.upstream.got_nothing();
}

#[test]
fn repeats_at_once_share_one_delivery_and_its_outcome() {
    for (act, answer) in [(Act::Wait, "success"), (Act::Hang, "fail")] {
        let way = Way::with(&[("upstream", "max_in_flight = 12")]);
        way.upstream_does([act]);
        let notification = Notification::genuine(Form::V1);
        let mut first = sent(&way, &notification);
        way.upstream.got();
        // As many as may wait, so that both workers take part, and two more, which say when all others do.
        let mut repeats: Vec<Client> = (0..14).map(|_| sent(&way, &notification)).collect();
        while way.count("too_many_in_flight") < 2 {}
        way.upstream.release();
        first.answer().is(200, answer);
        let answers: Vec<String> = repeats.iter_mut().map(|repeat| repeat.answer().body).collect();
        let shared = answers.iter().filter(|body| *body == answer).count();
        assert_eq!(shared, if answer == "success" { 12 } else { 14 }, "{answers:?}");
        way.upstream.got_nothing();
    }
}

#[test]
fn no_more_repeats_wait_than_deliveries_may_run() {
    let way = Way::with(&[("upstream", "max_in_flight = 2")]);
    way.upstream_does([Act::Wait]);
    let notification = Notification::genuine(Form::V1);
    let mut first = sent(&way, &notification);
    way.upstream.got();
    let mut repeats: Vec<Client> = (0..8).map(|_| sent(&way, &notification)).collect();
    // Two of the eight wait, whichever they are.
    while way.count("too_many_in_flight") < 6 {}
    way.upstream.release();
    first.answer().is(200, "success");
    let answers: Vec<String> = repeats.iter_mut().map(|repeat| repeat.answer().body).collect();
    assert_eq!(answers.iter().filter(|answer| *answer == "success").count(), 2, "{answers:?}");
    way.upstream.got_nothing();
}

#[test]
fn a_repeat_waits_no_longer_than_a_delivery_may_take() {
    let way = Way::with(&[("upstream", "timeout = \"100ms\""), ("upstream", "connect_timeout = \"50ms\"")]);
    way.upstream_does([Act::Hang]);
    let notification = Notification::genuine(Form::V1);
    let mut first = sent(&way, &notification);
    way.upstream.got();
    let mut repeat = sent(&way, &notification);
    first.answer().is(200, "fail");
    repeat.answer().is(200, "fail");
    assert_eq!(way.count("upstream_timeout") + way.count("in_flight"), 2);
    way.upstream.got_nothing();
}

#[test]
fn who_waits_when_the_process_ends_hears_fail() {
    let mut way = Way::with(&[("server", "drain_timeout = \"50ms\"")]);
    way.upstream_does([Act::Hang]);
    let notification = Notification::genuine(Form::V1);
    let mut first = sent(&way, &notification);
    way.upstream.got();
    let mut repeat = sent(&way, &notification);
    while !way.metrics().lines().any(|line| line == "alipay_sidecar_connections 2") {}
    way.stop();
    first.answer().is(200, "fail");
    // It may not have been read when the process stopped accepting.
    if let Some(answer) = repeat.next() {
        answer.is(200, "fail");
    }
    way.join();
}

#[test]
fn a_forgery_hears_nothing_of_what_is_known_and_makes_nothing_known() {
    let way = Way::start();
    let notification = Notification::genuine(Form::V1);
    let forged = notification.clone().signed(Form::V1, foreign_key());
    // Neither before nor after the genuine one.
    way.post(&forged).is(403, "fail");
    way.post(&notification).is(200, "success");
    assert_eq!(way.upstream.got().header("alipay-attempt"), Some("1"));
    way.post(&forged).is(403, "fail");
    way.post(&notification.clone().set("version", "1.0")).is(403, "fail");
    // Nor while the genuine one is being delivered.
    way.upstream_does([Act::Wait]);
    let another = Notification::genuine(Form::V1);
    let mut first = sent(&way, &another);
    way.upstream.got();
    way.post(&another.clone().signed(Form::V1, foreign_key())).is(403, "fail");
    way.upstream.release();
    first.answer().is(200, "success");
    way.upstream.got_nothing();
}

#[test]
fn the_same_name_for_another_app_is_another_notification() {
    let way = Way::start();
    let notification = Notification::unsigned();
    for app in [APP_ID, OTHER_APP_ID] {
        let notification = notification.clone().set("app_id", app).signed(Form::V1, other_key());
        way.post(&notification).is(200, "success");
        assert_eq!(way.upstream.got().header("alipay-app-id"), Some(app));
        way.post(&notification).is(200, "success");
    }
    way.upstream.got_nothing();
}

#[test]
fn without_a_ledger_everything_is_delivered_and_nothing_is_counted() {
    let way = Way::with(&[("ledger", "store = \"off\"")]);
    let notification = Notification::genuine(Form::V1);
    for _ in 0..3 {
        way.post(&notification).is(200, "success");
        assert_eq!(way.upstream.got().header("alipay-attempt"), None);
    }
    way.upstream_does([Act::status(500)]);
    way.post(&notification).is(200, "fail");
    becomes(&way, "waiting_for_retry", 0);
}

#[test]
fn what_is_held_back_before_the_delivery_is_no_attempt() {
    let way = Way::with(&[("translate", "unknown_methods = \"fail\"")]);
    let unknown = Notification::unsigned().set("msg_method", "alipay.not.known").signed(Form::V1, key());
    way.post(&unknown).is(200, "fail");
    becomes(&way, "waiting_for_retry", 0);
    assert_eq!(way.count("unknown_method"), 1);
}

#[test]
fn the_log_says_which_attempt_it_was_and_when_the_next_is_due() {
    let mut running = Running::start(&[]);
    running.upstream.does([Act::status(500)]);
    let notification = Notification::genuine(Form::V1).body();
    let before = jiff::Timestamp::now().as_second();
    running.connect().post(&notification).is(200, "fail");
    let line = running.line("notification");
    assert_eq!((&line["attempt"], &line["outcome"]), (&1.into(), &"failed".into()));
    let next: jiff::Timestamp = line["next_attempt_at"].as_str().unwrap().parse().unwrap();
    assert!((before + 120..=jiff::Timestamp::now().as_second() + 120).contains(&next.as_second()), "{next}");
    running.connect().post(&notification).is(200, "success");
    let line = running.line("notification");
    assert_eq!((&line["attempt"], &line["outcome"]), (&2.into(), &"accepted".into()));
    assert!(line.get("next_attempt_at").is_none());
    running.connect().post(&notification).is(200, "success");
    let line = running.line("notification");
    assert_eq!((&line["outcome"], line.get("attempt"), line.get("reason")), (&"repeated".into(), None, None));
    running.signal("TERM");
    assert!(running.end().0.success());
}

/// A sidecar process that keeps its ledger in `path`, with the apps of the tests.
fn running_on(path: &std::path::Path) -> Running {
    Running::start(&[("ledger", "store = \"file\""), ("ledger", &format!("path = {path:?}"))])
}

#[test]
fn what_was_accepted_is_known_after_a_restart_and_after_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    let accepted: Vec<Notification> = (0..3).map(|_| Notification::genuine(Form::V1)).collect();
    let failed = Notification::genuine(Form::V2);
    for (index, signal) in ["KILL", "TERM", "KILL"].into_iter().enumerate() {
        let running = running_on(&path);
        for (number, notification) in accepted.iter().enumerate() {
            running.upstream.does((number == index).then_some(Act::status(204)));
            if number <= index {
                running.connect().post(&notification.body()).is(200, "success");
            }
            if number == index {
                running.upstream.got();
            }
        }
        running.upstream.does([Act::status(500)]);
        running.connect().post(&failed.body()).is(200, "fail");
        let attempt = (index + 1).to_string();
        assert_eq!(running.upstream.got().header("alipay-attempt"), Some(attempt.as_str()));
        running.upstream.got_nothing();
        running.signal(signal);
        running.end();
    }
}

#[test]
fn every_success_before_a_kill_9_under_load_is_known_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    let notifications: Vec<String> = (0..64).map(|_| Notification::genuine(Form::V1).body()).collect();
    for round in 0..3 {
        let running = running_on(&path);
        let address = running.address.parse().unwrap();
        // Eight senders, and the end comes while they are at it.
        let said = std::sync::atomic::AtomicUsize::new(0);
        let answered: Vec<Vec<usize>> = std::thread::scope(|scope| {
            let (said, notifications) = (&said, &notifications);
            let senders: Vec<_> = (0..8)
                .map(|sender| {
                    scope.spawn(move || {
                        let mut answered = Vec::new();
                        for number in (sender..notifications.len()).step_by(8) {
                            let Some(answer) = Client::post_once(address, &notifications[number]) else {
                                break;
                            };
                            assert_eq!(answer.body, "success");
                            answered.push(number);
                            said.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        }
                        answered
                    })
                })
                .collect();
            while said.load(std::sync::atomic::Ordering::Relaxed) < 10 + 10 * round {
                std::thread::yield_now();
            }
            running.signal("KILL");
            senders.into_iter().map(|sender| sender.join().unwrap()).collect()
        });
        running.end();
        let running = running_on(&path);
        for number in answered.into_iter().flatten() {
            running.connect().post(&notifications[number]).is(200, "success");
        }
        running.upstream.got_nothing();
        running.signal("TERM");
        running.end();
    }
}

#[test]
fn a_ledger_that_cannot_be_used_ends_the_start_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    let running = running_on(&path);
    let second = || {
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[ledger]\nstore = \"file\"\npath = {path:?}\n"
        );
        std::fs::write(folder.path().join("sidecar.toml"), text).unwrap();
        output(command(folder.path(), &["run"]))
    };
    let (code, _, said) = second();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("ledger.path") && said.contains("another process has it open"), "{said}");
    running.signal("TERM");
    running.end();
    std::fs::write(&path, "this is no ledger\n".repeat(1000)).unwrap();
    let (code, _, said) = second();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("it is no ledger"), "{said}");
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("this is no ledger"));
}
