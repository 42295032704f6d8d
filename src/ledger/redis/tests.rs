//! The store against a real Redis, without the rest of the sidecar.

#[path = "../../../tests/way/support/redis.rs"]
#[expect(dead_code, reason = "the tests of the whole way need more of it")]
mod server;

use std::rc::Rc;
use std::time::Instant;

use proptest::test_runner::{Config as Cases, TestRunner};
use tokio::runtime::Builder;
use tokio::task::{LocalSet, spawn_local};

use self::server::Redis;
use super::*;
use crate::config::OnStoreError;

const NOW: Moment = Moment(1_000_000);

fn terms() -> Terms {
    Terms {
        retain: Duration::from_hours(26),
        on_store_error: OnStoreError::Fail,
        patience: Duration::from_secs(10),
        store_patience: Duration::from_mins(1),
        max_waiting: 2,
    }
}

fn store(redis: &Redis) -> RedisStore {
    let url = RedisUrl {
        host: "127.0.0.1".to_owned(),
        port: redis.port,
        has_tls: false,
        user: None,
        password: None,
        database: 0,
    };
    RedisStore::new(url, Figures::default()).unwrap()
}

fn run(future: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, future);
}

fn key(number: u32) -> Key {
    Key::of("2021000000000000", &format!("5608cccc09ddb39d41c2e3c06e{number:08}"))
}

async fn accept(store: &RedisStore, key: Key) {
    assert_eq!(store.begin(key, NOW, &terms()).await.unwrap(), Known::New);
    store.end(key, Record::begun(None, NOW).accepted(), None, &terms()).await.unwrap();
}

#[test]
fn tens_of_thousands_go_over_one_connection_at_once() {
    let redis = Redis::start();
    run(async {
        let store = Rc::new(store(&redis));
        let tasks: Vec<_> = (0..20_000)
            .map(|number| {
                let store = Rc::clone(&store);
                spawn_local(async move { accept(&store, key(number)).await })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let known = store.begin(key(19_999), NOW, &terms()).await.unwrap();
        assert_eq!(known, Known::Record(Record::begun(None, NOW).accepted()));
        // This one asks over a connection of its own.
        let clients = redis.say(&["CLIENT", "LIST"]);
        assert_eq!(clients.lines().count(), 2, "{clients}");
        assert_eq!(redis.say(&["DBSIZE"]), "20000");
    });
}

#[test]
fn a_call_whose_answer_was_lost_can_be_made_again() {
    let redis = Redis::start();
    run(async {
        let [one, another] = [(); 2].map(|()| store(&redis));
        let begin = async |store: &RedisStore, now| store.begin(key(1), now, &terms()).await.unwrap();
        assert_eq!(begin(&one, NOW).await, Known::New);
        // Its own lease holds nobody up but others, also one of a delivery that was cut off.
        assert_eq!(begin(&one, NOW).await, Known::New);
        assert_eq!(begin(&one, Moment(NOW.0 + 5)).await, Known::New);
        assert_eq!(begin(&another, NOW).await, Known::Elsewhere);
        let failed = Record::begun(None, Moment(NOW.0 + 5));
        for _ in 0..2 {
            one.end(key(1), failed, None, &terms()).await.unwrap();
            assert_eq!(begin(&another, NOW).await, Known::Record(failed));
            let again = Record::begun(Some(failed), NOW);
            another.end(key(1), again.accepted(), None, &terms()).await.unwrap();
            another.end(key(1), again.accepted(), None, &terms()).await.unwrap();
            assert_eq!(begin(&one, NOW).await, Known::Record(again.accepted()));
            assert_eq!(redis.say(&["DEL", &Names::of(key(1)).record]), "1");
        }
    });
}

#[test]
fn what_was_cut_off_and_comes_late_ends_no_lease_that_is_not_its_own() {
    let redis = Redis::start();
    run(async {
        let [one, another] = [(); 2].map(|()| store(&redis));
        let begin = async |store: &RedisStore, now| store.begin(key(1), now, &terms()).await.unwrap();
        let (first, second) = (NOW, Moment(NOW.0 + 120));
        begin(&one, first).await;
        begin(&one, second).await;
        // What the first came to was on its way all the time.
        one.end(key(1), Record::begun(None, first), None, &terms()).await.unwrap();
        assert_eq!(begin(&another, second).await, Known::Elsewhere);
        one.end(key(1), Record::begun(None, second), None, &terms()).await.unwrap();
        assert!(matches!(begin(&another, second).await, Known::Record(_)));
    });
}

#[test]
fn a_failed_record_is_retained_from_its_first_sight_on_and_an_accepted_one_from_its_acceptance_on() {
    let redis = Redis::start();
    run(async {
        let store = store(&redis);
        let hours = |key: Key| {
            let left: u64 = redis.say(&["TTL", &Names::of(key).record]).parse().unwrap();
            left.div_ceil(3600) - 1
        };
        let before = Record::begun(None, NOW);
        let later = Moment(NOW.0 + 10 * 3600);
        for (number, record, wanted) in [
            (1, before, 26),
            (2, Record::begun(Some(before), later), 16),
            (3, Record::begun(Some(before), later).accepted(), 26),
            // Longer ago than it is retained: it is gone at once, or nearly.
            (4, Record::begun(Some(before), Moment(NOW.0 + 30 * 3600)), 0),
        ] {
            store.end(key(number), record, None, &terms()).await.unwrap();
            assert_eq!(hours(key(number)), wanted, "{record:?}");
        }
    });
}

#[test]
fn what_waits_for_a_retry_is_not_counted_once_it_is_over() {
    let redis = Redis::start();
    run(async {
        let store = store(&redis);
        let waiting = || store.figures.waiting();
        let last = Record::begun(Some(Record::begun(None, NOW)), Moment(NOW.0 + 1462 * 60));
        for (number, record, wanted) in [
            (1, Record::begun(None, NOW), 1),
            (2, Record::begun(None, Moment(NOW.0 + 60)), 2),
            // Nobody comes again for this one.
            (3, last, 2),
            (2, Record::begun(None, Moment(NOW.0 + 60)).accepted(), 1),
        ] {
            store.end(key(number), record, None, &terms()).await.unwrap();
            assert_eq!(waiting(), wanted);
        }
        for (hours, wanted) in [(26, "1"), (27, "0")] {
            store.sweep(Moment(NOW.0 + hours * 3600), &terms());
            let start = Instant::now();
            while redis.say(&["ZCARD", WAITING]) != wanted || waiting().to_string() != wanted {
                assert!(start.elapsed() < Duration::from_secs(30));
                tokio::task::yield_now().await;
            }
        }
    });
}

/// What may happen to one notification that two replicas deliver.
#[derive(Debug, Clone, Copy)]
enum Step {
    Begin(usize),
    End(usize, bool),
    LeaseEnds,
}

#[test]
fn whatever_happens_an_acceptance_stays_and_no_two_deliver_while_a_lease_lasts() {
    use proptest::prelude::*;
    let redis = Redis::start();
    let step = prop_oneof![
        (0..2_usize).prop_map(Step::Begin),
        (0..2_usize, any::<bool>()).prop_map(|(who, accepts)| Step::End(who, accepts)),
        Just(Step::LeaseEnds),
    ];
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let replicas = runtime.block_on(async { [(); 2].map(|()| store(&redis)) });
    let number = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(Cases { cases: 100, failure_persistence: None, ..Cases::default() });
    let outcome = runner.run(&prop::collection::vec(step, 1..12), |steps| {
        number.set(number.get() + 1);
        let key = key(number.get());
        runtime.block_on(async {
            let mut flights: [Option<Record>; 2] = [None, None];
            let (mut is_accepted, mut holder) = (false, None);
            for (second, step) in (1..).zip(steps) {
                match step {
                    // In one process one delivery runs at a time.
                    Step::Begin(who) if flights[who].is_none() => {
                        let now = Moment(NOW.0 + second);
                        let known = replicas[who].begin(key, now, &terms()).await.unwrap();
                        let accepted = matches!(known, Known::Record(record) if record.is_accepted);
                        prop_assert_eq!(accepted, is_accepted);
                        let is_elsewhere = !is_accepted && holder.is_some_and(|holder| holder != who);
                        prop_assert_eq!(known == Known::Elsewhere, is_elsewhere);
                        if !accepted && !is_elsewhere {
                            holder = Some(who);
                            let before = if let Known::Record(record) = known { Some(record) } else { None };
                            flights[who] = Some(Record::begun(before, now));
                        }
                    }
                    Step::End(who, accepts) => {
                        if let Some(record) = flights[who].take() {
                            let record = if accepts { record.accepted() } else { record };
                            replicas[who].end(key, record, None, &terms()).await.unwrap();
                            is_accepted |= accepts;
                            holder = holder.filter(|holder| *holder != who);
                        }
                    }
                    Step::LeaseEnds => {
                        redis.say(&["DEL", &Names::of(key).lease]);
                        holder = None;
                    }
                    Step::Begin(_) => {}
                }
            }
            Ok(())
        })
    });
    outcome.unwrap();
}
