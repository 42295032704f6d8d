//! What records cost, in memory, in a file and in Redis, however many there are. `make ledger` prints it at full size.

use std::io::Write as _;
use std::time::Instant;
use std::{env, fs, io};

use tokio::task::{LocalSet, spawn_local};

use super::*;
use crate::ledger::redis::tests::server::Redis;
use crate::ledger::redis::tests::store;

/// How many records are put in all; a fiftieth of what `make ledger` does, unless that is said.
fn entries() -> u32 {
    env::var("LEDGER_ENTRIES").map_or(20_000, |number| number.parse().expect("LEDGER_ENTRIES is a number"))
}

/// How many records there are when it is measured, from none on, in memory and in a file.
fn goals() -> impl Iterator<Item = u32> {
    [0, 1_000, 10_000, 100_000, 1_000_000].into_iter().filter(|goal| *goal <= entries())
}

/// How many records in a file are put as deliveries put them.
const MEASURED: u32 = 640;

/// What this process has in memory, in bytes, but for what of its files is there.
fn resident() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: Vec<u64> = text.split_whitespace().map(|pages| pages.parse().unwrap()).collect();
    (pages[1] - pages[2]) * 4096
}

fn key(number: u32) -> Key {
    Key::of("2021000000000000", &format!("5608cccc09ddb39d41c2e3c06e{number:08}"))
}

/// Prints a line past the test's capture: the table is the result.
fn tell(line: &str) {
    writeln!(io::stdout(), "{line}").unwrap();
}

/// Nanoseconds for each of `count` calls, in the best of five rounds.
fn best(count: u32, mut call: impl FnMut(u32)) -> u128 {
    let round = |_| {
        let start = Instant::now();
        (0..count).for_each(&mut call);
        start.elapsed().as_nanos() / u128::from(count)
    };
    (0..5).map(round).min().unwrap()
}

#[test]
fn a_million_records_are_found_as_a_thousand_are() {
    let terms = Stage::set().terms;
    let now = Moment(1_000_000);
    tell("| records in memory | bytes each | look-up ns | put ns |");
    tell("|--:|--:|--:|--:|");
    let memory = Memory::new(1_000_000, Waiting::default());
    let before = resident();
    let mut number = 0;
    for goal in goals() {
        while number < goal {
            memory.put(key(number), Record::begun(None, now).accepted(), &terms);
            number += 1;
        }
        let each = resident().saturating_sub(before).checked_div(u64::from(goal)).unwrap_or_default();
        let keys: Vec<Key> = (0..1_000).map(|step| key(step * (goal / 1_000))).collect();
        let found = |step: u32| {
            let key = keys[usize::try_from(step % 1_000).unwrap()];
            assert_eq!(memory.get(key, now, &terms).is_some_and(|record| record.is_accepted), goal > 0);
        };
        let look_up = best(10_000, found);
        let put = best(10_000, |step| {
            let key = keys[usize::try_from(step % 1_000).unwrap()];
            memory.put(key, Record::begun(None, now).accepted(), &terms);
        });
        tell(&format!("| {goal} | {each} | {look_up} | {put} |"));
        if goal == 0 {
            memory.remove(key(0));
        }
    }
    for number in 0..number {
        assert!(memory.get(key(number), now, &terms).is_some());
    }
    assert!(memory.get(key(number), now, &terms).is_none());
}

#[test]
fn a_million_records_in_a_file_are_there_at_the_next_start() {
    let terms = Terms { store_patience: Duration::from_mins(1), ..Stage::set().terms };
    let now = Moment(1_000_000);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    let open = || FileStore::open(&path, 1_100_000, shelf::ROOM, &Figures::default()).unwrap();
    tell("| records in a file | MB of file | put by 64 at once, µs each | look-up ns |");
    tell("|--:|--:|--:|--:|");
    let store = open();
    let put = async |number: u32| {
        store.end(key(number), Record::begun(None, now).accepted(), None, &terms).await.unwrap();
    };
    let put_all = |numbers: std::ops::Range<u32>, at_once: usize| {
        for start in numbers.clone().step_by(at_once) {
            let end = numbers.end.min(start + u32::try_from(at_once).unwrap());
            let mut batch: Vec<_> = (start..end).map(|number| Box::pin(put(number))).collect();
            run(std::future::poll_fn(|context| {
                batch.retain_mut(|put| put.as_mut().poll(context).is_pending());
                if batch.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
            }));
        }
    };
    let mut number = 0;
    for goal in goals() {
        // Not measured, and many at once, since each time the disk is waited for.
        put_all(number..goal, 4_096);
        let look_up = best(10_000, |step| {
            let known = run_ready(store.begin(key(step % goal.max(1)), now, &terms)).unwrap();
            assert_eq!(matches!(known, Known::Record(_)), goal > 0);
        });
        number = goal + MEASURED;
        let start = Instant::now();
        put_all(goal..number, 64);
        let put = start.elapsed().as_micros() / u128::from(MEASURED);
        let length = fs::metadata(&path).unwrap().len() / 100_000;
        tell(&format!("| {goal} | {}.{} | {put} | {look_up} |", length / 10, length % 10));
    }
    drop(store);
    let start = Instant::now();
    let store = open();
    tell(&format!("opened with {number} records in {} ms", start.elapsed().as_millis()));
    for number in 0..number {
        assert!(matches!(run_ready(store.begin(key(number), now, &terms)), Ok(Known::Record(_))));
    }
}

/// How long this thread was on a processor, in nanoseconds.
fn processor_time() -> u128 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// What a Redis says that it has in memory, in bytes.
fn used_memory(redis: &Redis) -> u64 {
    let text = redis.say(&["INFO", "memory"]);
    let line = text.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
    line.trim().parse().unwrap()
}

#[test]
fn a_million_records_in_redis_are_found_as_a_thousand_are() {
    let terms = Terms { store_patience: Duration::from_mins(1), ..Stage::set().terms };
    let now = Moment(1_000_000);
    let redis = Redis::start();
    tell(
        "| records in Redis | bytes each | begin and end by 64 at once, µs each | our processor, µs each | look-up by 64 at once, µs each |",
    );
    tell("|--:|--:|--:|--:|--:|");
    let set = LocalSet::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    set.block_on(&runtime, async {
        let store = Rc::new(store(&redis));
        // As many at once as deliveries may be.
        let at_once = async |numbers: &mut dyn Iterator<Item = u32>, is_known: bool| {
            let numbers: Vec<u32> = numbers.collect();
            for batch in numbers.chunks(64) {
                let calls = batch.iter().map(|number| {
                    let (store, key) = (Rc::clone(&store), key(*number));
                    spawn_local(async move {
                        let known = store.begin(key, now, &terms).await.unwrap();
                        assert_eq!(matches!(known, Known::Record(_)), is_known);
                        if !is_known {
                            let record = Record::begun(None, now).accepted();
                            store.end(key, record, None, &terms).await.unwrap();
                        }
                    })
                });
                for call in calls.collect::<Vec<_>>() {
                    call.await.unwrap();
                }
            }
        };
        // The scripts, and what they are read into, are none of the records.
        at_once(&mut (u32::MAX - 64..u32::MAX), false).await;
        let before = used_memory(&redis);
        let mut number = 0;
        for goal in [1_000, 10_000, 100_000, 1_000_000].into_iter().filter(|goal| *goal <= entries()) {
            let (start, processor, from) = (Instant::now(), processor_time(), number);
            at_once(&mut (number..goal), false).await;
            number = goal;
            let added = u128::from(number - from);
            let ours = (processor_time() - processor) / added / 1_000;
            let both = start.elapsed().as_micros() / added;
            let each = used_memory(&redis).saturating_sub(before) / u64::from(goal);
            let start = Instant::now();
            at_once(&mut (0..1_000).map(|step| step * (goal / 1_000)), true).await;
            let look_up = start.elapsed().as_micros() / 1_000;
            tell(&format!("| {goal} | {each} | {both} | {ours} | {look_up} |"));
        }
        assert_eq!(redis.say(&["DBSIZE"]), (number + 64).to_string());
    });
}

/// What a future comes to that is ready at once.
fn run_ready<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("it waits"),
    }
}
