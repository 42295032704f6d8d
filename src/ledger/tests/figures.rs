//! What records cost, in memory and in a file, however many there are. `make ledger` prints it at full size.

use std::io::Write as _;
use std::time::Instant;
use std::{env, fs, io};

use super::*;

/// How many records are put in all; a fiftieth of what `make ledger` does, unless that is said.
fn entries() -> u32 {
    env::var("LEDGER_ENTRIES").map_or(20_000, |number| number.parse().expect("LEDGER_ENTRIES is a number"))
}

/// How many of the records in a file are put as deliveries put them.
const MEASURED: u32 = 640;

/// What this process has in memory, in bytes.
fn resident() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
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
    for goal in [1_000, 10_000, 100_000, 1_000_000].into_iter().filter(|goal| *goal <= entries()) {
        while number < goal {
            memory.put(key(number), Record::begun(None, now).accepted(), &terms);
            number += 1;
        }
        let each = resident().saturating_sub(before) / u64::from(goal);
        let keys: Vec<Key> = (0..1_000).map(|step| key(step * (goal / 1_000))).collect();
        let found = |step: u32| {
            let key = keys[usize::try_from(step % 1_000).unwrap()];
            assert!(memory.get(key, now, &terms).unwrap().is_accepted);
        };
        let look_up = best(10_000, found);
        let put = best(10_000, |step| {
            let key = keys[usize::try_from(step % 1_000).unwrap()];
            memory.put(key, Record::begun(None, now).accepted(), &terms);
        });
        tell(&format!("| {goal} | {each} | {look_up} | {put} |"));
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
    let open = || FileStore::open(&path, 1_000_000, Waiting::default()).unwrap();
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
    for goal in [1_000, 10_000, 100_000, 1_000_000].into_iter().filter(|goal| *goal <= entries()) {
        // What is measured are the last ones. Those before are written more at once, since each time the disk is waited for.
        put_all(number..goal - MEASURED, 4_096);
        let start = Instant::now();
        put_all(goal - MEASURED..goal, 64);
        number = goal;
        let put = start.elapsed().as_micros() / u128::from(MEASURED);
        let look_up = best(10_000, |step| {
            let known = run_ready(store.begin(key(step % goal), now, &terms)).unwrap();
            assert!(matches!(known, Known::Record(_)));
        });
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

/// What a future comes to that is ready at once.
fn run_ready<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("it waits"),
    }
}
