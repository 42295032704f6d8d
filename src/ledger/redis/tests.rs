//! The store against a real Redis, without the rest of the sidecar.

#[path = "../../../tests/way/support/redis.rs"]
#[expect(dead_code, reason = "the tests of the whole way need more of it")]
pub(in crate::ledger) mod server;

use std::rc::Rc;

use proptest::test_runner::{Config as Cases, TestRunner};
use tokio::runtime::Builder;
use tokio::task::{LocalSet, spawn_local};

use self::server::Redis;
use super::*;
use crate::ledger::figures::Step as Figured;
use crate::rejection::Reason;
use crate::translate::Event;

const NOW: Moment = Moment(1_000_000);

fn terms() -> Terms {
    Terms { store_patience: Duration::from_mins(1), ..Terms::for_tests() }
}

pub(in crate::ledger) fn store(redis: &Redis) -> RedisStore {
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
        for (hours, wanted) in [(25, 1), (2, 0)] {
            redis.say(&["ZINCRBY", WAITING, &format!("-{}", hours * 3600), &Names::of(key(1)).member]);
            swept(&store, NOW).await;
            assert_eq!(waiting(), wanted);
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

#[test]
fn one_who_gives_up_leaves_the_connection_to_those_who_are_answered() {
    let redis = Redis::start();
    run(async {
        let store = store(&redis);
        let connections = || {
            let stats = redis.say(&["INFO", "stats"]);
            let line = stats.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
            line.unwrap().trim().parse::<u32>().unwrap()
        };
        accept(&store, key(1)).await;
        let before = connections();
        // Asked, and dropped only when another one who came later has had an answer.
        let terms = terms();
        let mut slow = Box::pin(store.begin(key(2), NOW, &terms));
        assert!(polled(&mut slow).await.is_none());
        accept(&store, key(3)).await;
        drop(slow);
        accept(&store, key(4)).await;
        assert_eq!(connections() - before, 1, "that of the question itself");
        // Nobody was answered since this one asked.
        let mut slow = Box::pin(store.begin(key(5), NOW, &terms));
        assert!(polled(&mut slow).await.is_none());
        drop(slow);
        accept(&store, key(6)).await;
        accept(&store, key(7)).await;
        assert_eq!(connections() - before, 3, "two of the questions, and one anew");
    });
}

/// What a future comes to if it is ready already.
async fn polled<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(context) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

const DAY: u64 = 24 * 3600;
/// How much the score of an event grows in a day, as `index.lua` says.
const SCORE_OF_A_DAY: u64 = DAY << 20;

fn event_key(id: &str) -> Key {
    Key::of("1", id)
}

/// Has a delivery of what is called `id` fail at `at`.
async fn fails(store: &RedisStore, id: &str, at: Moment) {
    let event = crate::ledger::tests::event(id);
    let failure = Failure { event: &event, reason: Reason::UpstreamRefused, at };
    let known = store.begin(event_key(id), at, &terms()).await.unwrap();
    let before = if let Known::Record(record) = known { Some(record) } else { None };
    store.end(event_key(id), Record::begun(before, at), Some(failure), &terms()).await.unwrap();
}

/// The ids of what is kept, the oldest first.
async fn ids(store: &RedisStore) -> Vec<String> {
    let entries = store.entries(store.kept().await.unwrap()).await.unwrap();
    entries.into_iter().map(|found| found.unwrap().notify_id).collect()
}

/// Makes what is kept as `id` so many days older.
fn age(redis: &Redis, id: &str, days: u64) {
    let score = format!("-{}", days.saturating_mul(SCORE_OF_A_DAY));
    redis.say(&["ZINCRBY", PENDING, &score, &Names::of(event_key(id)).member]);
}

/// Sweeps, until there is an answer.
async fn swept(store: &RedisStore, now: Moment) {
    store.figures.failed(Figured::Sweep, &StoreError::Late);
    store.sweep(now, &terms());
    while store.figures.fails_at(Figured::Sweep) {
        tokio::task::yield_now().await;
    }
}

#[test]
fn the_oldest_events_give_way_and_what_is_over_goes_and_each_is_told() {
    let redis = Redis::start();
    run(async {
        let mut store = store(&redis);
        store.room = Room { entries: 3, bytes: 10_000 };
        for (id, days) in [("b", 2), ("a", 3), ("c", 1)] {
            fails(&store, id, NOW).await;
            age(&redis, id, days);
        }
        fails(&store, "d", NOW).await;
        assert_eq!(ids(&store).await, ["b", "c", "d"]);
        assert_eq!((store.figures.kept(), store.figures.dropped()), (3, 1));
        let stored = store.stored(event_key("c")).await.unwrap().unwrap();
        let again = Event::restored(stored).unwrap();
        assert_eq!(again.body(), crate::ledger::tests::event("c").body());
        assert!(store.stored(event_key("a")).await.unwrap().is_none());
        store.end(event_key("d"), Record::begun(None, NOW).accepted(), None, &terms()).await.unwrap();
        assert_eq!(ids(&store).await, ["b", "c"]);
        assert!(store.is_any_accepted(&[event_key("c"), event_key("d")], NOW, &terms()).await.unwrap());
        assert!(!store.is_any_accepted(&[event_key("c")], NOW, &terms()).await.unwrap());
        age(&redis, "b", 13);
        swept(&store, NOW).await;
        assert_eq!(ids(&store).await, ["c"]);
        assert_eq!((store.figures.kept(), store.figures.dropped()), (1, 2));
        // One that fails again is as old as it was.
        fails(&store, "c", NOW).await;
        age(&redis, "c", 14);
        // What has no room by itself costs the others nothing.
        store.room.bytes = 1000;
        fails(&store, "long-and-longer", NOW).await;
        assert_eq!((ids(&store).await, store.figures.dropped()), (vec!["c".to_owned()], 3));
        swept(&store, NOW).await;
        assert_eq!((store.figures.kept(), store.figures.dropped()), (0, 4));
        assert_eq!(redis.say(&["KEYS", "alipay-sidecar:pending*"]), "");
    });
}

#[test]
fn however_many_give_way_at_once_each_is_told() {
    let redis = Redis::start();
    run(async {
        let mut store = store(&redis);
        store.room = Room { entries: 10_000, bytes: 10_000 * 1024 };
        for number in 0..4_200 {
            fails(&store, &number.to_string(), NOW).await;
        }
        assert_eq!(store.figures.kept(), 4_200);
        assert_eq!(redis.say(&["ZSCORE", PENDING, "all"]), "4200");
        // More at once than a function of Lua can return.
        store.room.entries = 10;
        fails(&store, "a", NOW).await;
        assert_eq!((store.figures.kept(), store.figures.dropped()), (10, 4_191));
        assert_eq!(redis.say(&["ZSCORE", PENDING, "all"]), "10");
        assert_eq!(redis.say(&["DBSIZE"]), (4_201 + 2 + 10).to_string());
    });
}

#[test]
fn a_replica_whose_clock_is_wrong_forgets_nothing_of_the_others() {
    let redis = Redis::start();
    run(async {
        let store = store(&redis);
        let is_retained = || {
            let left: u64 = redis.say(&["TTL", &Names::of(event_key("a")).record]).parse().unwrap();
            left > 25 * 3600
        };
        fails(&store, "a", NOW).await;
        fails(&store, "b", Moment(0)).await;
        for now in [Moment(0), Moment(NOW.0 + 400 * 24 * 3600), Moment(u32::MAX)] {
            swept(&store, now).await;
            assert_eq!((store.figures.kept(), store.figures.dropped(), store.figures.waiting()), (2, 0, 2));
        }
        // It sees what another saw before, and the time is as far as it thinks.
        fails(&store, "a", Moment(NOW.0 + 10 * 3600)).await;
        assert_eq!((is_retained(), store.figures.waiting()), (true, 2));
        fails(&store, "a", Moment(NOW.0 + 90 * 24 * 3600)).await;
        assert_eq!((is_retained(), store.figures.kept()), (true, 2));
        let known = store.begin(event_key("a"), NOW, &terms()).await.unwrap();
        assert!(matches!(known, Known::Record(Record { attempt: 8, first_seen: NOW, .. })), "{known:?}");
        let mut kept = ids(&store).await;
        kept.sort();
        assert_eq!(kept, ["a", "b"]);
    });
}

#[test]
fn events_whose_index_is_lost_end_by_themselves_and_no_longer_count() {
    let redis = Redis::start();
    run(async {
        let mut store = store(&redis);
        store.room = Room { entries: 3, bytes: 3 * 1024 };
        for id in ["a", "b", "c"] {
            fails(&store, id, NOW).await;
        }
        redis.say(&["DEL", PENDING]);
        assert!(ids(&store).await.is_empty());
        for id in ["a", "b", "c"] {
            let left: u64 = redis.say(&["TTL", &Names::of(event_key(id)).event()]).parse().unwrap();
            assert!((14 * DAY..15 * DAY).contains(&left), "{left}");
        }
        for id in ["d", "e", "f"] {
            fails(&store, id, NOW).await;
        }
        assert_eq!((store.figures.kept(), store.figures.dropped()), (3, 0));
        assert_eq!(redis.say(&["ZSCORE", PENDING, "all"]), "3");
        // One that comes again is kept again, and what is accepted leaves nothing behind.
        fails(&store, "a", NOW).await;
        assert_eq!((store.figures.kept(), store.figures.dropped()), (3, 1));
        for id in ["a", "b", "c", "d", "e", "f"] {
            store.end(event_key(id), Record::begun(None, NOW).accepted(), None, &terms()).await.unwrap();
        }
        assert_eq!(redis.say(&["KEYS", "alipay-sidecar:pending*"]), "");
    });
}

#[test]
fn an_event_that_is_lost_leaves_its_place_to_others_and_is_told() {
    let redis = Redis::start();
    run(async {
        let store = store(&redis);
        for number in 0..1_500 {
            fails(&store, &number.to_string(), NOW).await;
        }
        let lost = ["7", "77", "777"].map(|id| Names::of(event_key(id)).event());
        assert_eq!(redis.say(&["DEL", &lost[0], &lost[1], &lost[2]]), "3");
        // Each time it looks at a part of a long index.
        while store.figures.dropped() < 3 {
            swept(&store, NOW).await;
        }
        assert_eq!((store.figures.kept(), store.figures.dropped()), (1_497, 3));
        assert_eq!(redis.say(&["ZSCORE", PENDING, "all"]), "1497");
        assert_eq!(ids(&store).await.len(), 1_497);
    });
}

/// What may happen to what is kept.
#[derive(Debug, Clone)]
enum Mishap {
    Fails(usize),
    Accepted(usize),
    IndexGoes,
    EventGoes(usize),
    Older(usize),
    AllGoes,
    Sweep,
}

/// Says what is wrong with the index: nothing, where its sum is that of its lengths, and where what it lists is as long.
const JUDGE: &str = "local index = 'alipay-sidecar:pending'
local found = redis.call('ZRANGE', index, 0, -1, 'WITHSCORES')
local sum, wrong = 0, ''
for at = 1, #found, 2 do
    if found[at] == 'all' then
        sum = sum - found[at + 1]
    else
        local event = index .. ':' .. found[at]
        local length = redis.call('HSTRLEN', event, 'kept') + redis.call('HSTRLEN', event, 'body')
        sum = sum + found[at + 1] % 1048576
        if length > 0 and math.ceil(length / 1024) ~= found[at + 1] % 1048576 then
            wrong = wrong .. ' length of ' .. found[at]
        end
    end
end
for _, event in ipairs(redis.call('KEYS', index .. ':*')) do
    if redis.call('TTL', event) < 1 then
        wrong = wrong .. ' no end of ' .. event
    end
end
if sum ~= 0 then
    wrong = wrong .. ' sum'
end
return wrong";

#[test]
fn whatever_redis_loses_the_index_agrees_with_itself_and_no_more_is_listed_than_there_is_room_for() {
    use proptest::prelude::*;
    let redis = Redis::start();
    let ids = ["a".to_owned(), "b".to_owned(), "c".to_owned(), "d".repeat(1500), "e".repeat(3000)];
    let which = 0..ids.len();
    let step = prop_oneof![
        4 => which.clone().prop_map(Mishap::Fails),
        1 => which.clone().prop_map(Mishap::Accepted),
        1 => Just(Mishap::IndexGoes),
        1 => which.clone().prop_map(Mishap::EventGoes),
        1 => which.prop_map(Mishap::Older),
        1 => Just(Mishap::AllGoes),
        2 => Just(Mishap::Sweep),
    ];
    let mut store = store(&redis);
    store.room = Room { entries: 3, bytes: 6 * 1024 };
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(Cases { cases: 15, failure_persistence: None, ..Cases::default() });
    let outcome = runner.run(&prop::collection::vec(step, 1..20), |steps| {
        redis.say(&["FLUSHALL"]);
        runtime.block_on(async {
            for step in steps {
                match step {
                    Mishap::Fails(which) => fails(&store, &ids[which], NOW).await,
                    Mishap::Accepted(which) => {
                        let record = Record::begun(None, NOW).accepted();
                        store.end(event_key(&ids[which]), record, None, &terms()).await.unwrap();
                        redis.say(&["DEL", &Names::of(event_key(&ids[which])).record]);
                    }
                    Mishap::IndexGoes => drop(redis.say(&["DEL", PENDING])),
                    Mishap::EventGoes(which) => {
                        redis.say(&["DEL", &Names::of(event_key(&ids[which])).event()]);
                    }
                    Mishap::Older(which) => {
                        let name = Names::of(event_key(&ids[which])).member;
                        let week = format!("-{}", SCORE_OF_A_DAY.saturating_mul(7));
                        // Where it is in the index.
                        redis.say(&["ZADD", PENDING, "XX", "INCR", &week, &name]);
                    }
                    Mishap::AllGoes => drop(redis.say(&["FLUSHALL"])),
                    Mishap::Sweep => {
                        swept(&store, NOW).await;
                        // Then all that is listed is there.
                        let listed = store.kept().await.unwrap();
                        prop_assert_eq!(store.entries(listed.clone()).await.unwrap().len(), listed.len());
                    }
                }
                prop_assert_eq!(redis.say(&["EVAL", JUDGE, "0"]), "");
                let listed = store.kept().await.unwrap().len();
                let sum = redis.say(&["ZSCORE", PENDING, "all"]);
                prop_assert!(listed <= 3 && sum.parse().unwrap_or(0) <= 6, "{listed} {sum}");
            }
            Ok(())
        })
    });
    outcome.unwrap();
}

#[test]
fn what_cannot_be_read_holds_up_nothing_else() {
    let redis = Redis::start();
    run(async {
        let store = store(&redis);
        for id in ["a", "b", "c", "d"] {
            fails(&store, id, NOW).await;
        }
        let [of_b, of_c, of_d] = ["b", "c", "d"].map(|id| Names::of(event_key(id)).event());
        redis.say(&["HSET", &of_b, "kept", "{}"]);
        redis.say(&["SET", &of_c, "something else"]);
        // One that is another's.
        let another = redis.say(&["HGET", &Names::of(event_key("a")).event(), "kept"]);
        redis.say(&["HSET", &of_d, "kept", &another]);
        let entries = store.entries(store.kept().await.unwrap()).await.unwrap();
        let (sound, unreadable): (Vec<_>, Vec<_>) = entries.into_iter().partition(Result::is_ok);
        assert_eq!(sound.len(), 1);
        for id in ["b", "c", "d"] {
            assert!(unreadable.contains(&Err(kept::Unreadable(event_key(id)))), "{unreadable:?}");
        }
        for id in ["a", "b", "c", "d"] {
            age(&redis, id, 15);
        }
        swept(&store, NOW).await;
        assert_eq!((store.figures.kept(), store.figures.dropped()), (0, 4));
        assert_eq!(redis.say(&["KEYS", "alipay-sidecar:pending*"]), "");
    });
}
