//! Proof by faults, with real processes: replicas are killed and told to end, Redis is stopped, killed and cut off, the app
//! refuses, hangs, breaks off and lies, senders hang up; and a judge reads what was seen of it afterwards.
//!
//! `make faults` runs it at full size against the release binary. `FAULTS_SEED` repeats what chance decided; when the machine does
//! what is not decided by it.
#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "times and counts of a test do not overflow")]
#![expect(
    clippy::print_stdout,
    reason = "figures and seeds are shown with --nocapture, or when a test fails"
)]

#[path = "faults/alipay.rs"]
mod alipay;
#[path = "faults/app.rs"]
mod app;
#[path = "faults/field.rs"]
mod field;
#[path = "faults/judge.rs"]
mod judge;
#[path = "faults/operator.rs"]
mod operator;
#[path = "way/support/redis.rs"]
#[expect(dead_code, reason = "the whole way needs more of it")]
mod redis;
#[path = "faults/replica.rs"]
mod replica;
#[path = "faults/wire.rs"]
mod wire;

use std::collections::BTreeMap;
use std::env;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, LocalOptions};
use tokio::time::timeout;

use self::field::{Size, Store, run};
use self::judge::{around, judge};

/// What a replica may take up, whatever happens.
const MAX_KIB: u64 = 64 * 1024;
/// How many violations are told.
const TOLD: usize = 3;

fn number(name: &str, otherwise: u64) -> u64 {
    env::var(name).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// That no invariant is violated, whatever fails.
fn prove(store: Store, seconds: u64) {
    // One after the other, so that they do not take the machine from each other.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let seed = number("FAULTS_SEED", fastrand::u64(..1_000_000));
    let size = Size {
        notifications: u32::try_from(number("FAULTS_NOTIFICATIONS", 100)).unwrap(),
        schedule: Duration::from_secs(number("FAULTS_SCHEDULE_SECONDS", seconds)),
    };
    let started = Instant::now();
    println!("{store:?}: FAULTS_SEED={seed}");
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
    // Twice the schedule, and what Alipay may wait for.
    let limit = size.schedule * 2 + Duration::from_mins(2);
    let (history, faults, acts) = runtime
        .block_on(async { timeout(limit, run(seed, size, store)).await })
        .unwrap_or_else(|_| panic!("FAULTS_SEED={seed}: it does not end within {limit:?}"));
    let (violations, counts) = judge(&history, MAX_KIB);
    println!("{store:?}, {:.0?}: {counts}", started.elapsed());
    println!("{store:?}: {faults:?}; the app: {acts:?}; violations: {}", violations.len());
    let mut by_kind = BTreeMap::<_, usize>::new();
    for violation in &violations {
        *by_kind.entry(violation.of).or_default() += 1;
    }
    let told: Vec<String> =
        violations.iter().take(TOLD).map(|violation| around(&history, *violation)).collect();
    assert!(violations.is_empty(), "FAULTS_SEED={seed}: {by_kind:?}\n{}", told.join("\n"));
    let is_enough = faults.values().sum::<usize>() > 3 && faults["replays by hand"] > 0 && counts.again > 0;
    assert!(is_enough, "too little failed to prove anything");
}

#[test]
fn whatever_fails_one_replica_with_its_file_keeps_its_word() {
    prove(Store::File, 10);
}

#[test]
fn whatever_fails_two_replicas_on_one_redis_keep_their_word() {
    prove(Store::Redis, 26);
}
