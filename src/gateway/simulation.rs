//! Proof by faults, in a simulation: the way and the ledger in a file, in a world where time, network and disk are made up, and
//! all that happens follows from a seed.
//!
//! Alipay keeps to its real schedule, 14,620 times as fast. `make simulate-faults` runs more seeds than `make test` does; a
//! seed alone is run by `SIMULATION_SEED=7 cargo test --lib simulation`.

#![expect(clippy::arithmetic_side_effects, reason = "times and counts of a test do not overflow")]
#![expect(
    clippy::print_stdout,
    reason = "figures and seeds are shown with --nocapture, or when a test fails"
)]

#[path = "../../tests/faults/alipay.rs"]
mod alipay;
#[path = "../../tests/faults/app.rs"]
mod app;
#[path = "../../tests/faults/judge.rs"]
mod judge;
mod faults;
mod world;

use std::env;
use std::time::Instant;

use self::faults::Faults;
use self::judge::{Counts, Event, Violation, around, judge};
use self::world::{Ending, run};
use crate::ledger::simulated::Defect;

/// How many seeds there are without being asked for more.
const SEEDS: u64 = 200;
/// How many seeds a defect may take to be caught.
const CHANCES: u64 = 60;
/// No simulated replica takes up memory of its own.
const NO_BOUND: u64 = u64::MAX;

/// Runs `seed`, and says what was wrong, if anything was.
fn verdict(seed: u64, defect: Option<Defect>) -> (Option<String>, Counts, Faults) {
    let Ending { history, problem, faults } = run(seed, defect);
    let (violations, counts) = judge(&history, NO_BOUND);
    let told = violations.first().map(|violation| told(seed, &history, *violation));
    (problem.or(told), counts, faults)
}

fn told(seed: u64, history: &[Event], violation: Violation) -> String {
    format!("SIMULATION_SEED={seed}: {}", around(history, violation))
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[test]
fn whatever_fails_no_invariant_does() {
    let started = Instant::now();
    let seeds = match number("SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SIMULATION_SEEDS").unwrap_or(SEEDS),
    };
    let (mut sum, mut faults, ran) = (Counts::default(), Faults::default(), seeds.end - seeds.start);
    for seed in seeds {
        let (problem, counts, these) = verdict(seed, None);
        if let Some(problem) = problem {
            panic!("{problem}");
        }
        sum.posts += counts.posts;
        sum.notifications += counts.notifications;
        sum.forgeries += counts.forgeries;
        sum.forwards += counts.forwards;
        sum.acceptances += counts.acceptances;
        sum.again += counts.again;
        sum.forgotten += counts.forgotten;
        sum.successes += counts.successes;
        sum.fails += counts.fails;
        sum.unanswered += counts.unanswered;
        sum.kept += counts.kept;
        faults.add(&these);
    }
    println!("{ran} seeds in {:.1?}: {sum}\n{faults}; violations: 0", started.elapsed());
    assert!(
        sum.successes > 0 && sum.again > 0 && faults.kept > 0 && faults.replays > 0 || ran < 10,
        "the faults are too few to prove anything: {sum}\n{faults}"
    );
}

#[test]
fn a_seed_always_comes_to_the_same() {
    for seed in [1, 2, 3] {
        assert_eq!(run(seed, None).history, run(seed, None).history);
    }
}

/// That the judge notices `defect` in one of a few seeds; and that it is the defect which it notices.
#[track_caller]
fn is_caught(defect: Defect, invariant: judge::Invariant) {
    let mut caught = (0..CHANCES).filter(|seed| {
        let history = run(*seed, Some(defect)).history;
        let (violations, _) = judge(&history, NO_BOUND);
        violations.iter().any(|violation| violation.of == invariant)
    });
    let seed = caught.next();
    println!("{defect:?}: {invariant:?} is violated in seed {seed:?}");
    assert!(seed.is_some(), "{defect:?} was not noticed in {CHANCES} seeds");
}

#[test]
fn a_file_that_is_never_synced_is_caught() {
    is_caught(Defect::NoSync, judge::Invariant::NothingTwice);
}

#[test]
fn a_success_before_the_sync_is_caught() {
    is_caught(Defect::AcknowledgedBeforeTheSync, judge::Invariant::NothingTwice);
}

#[test]
fn a_record_before_the_forward_is_caught() {
    is_caught(Defect::RecordedBeforeTheForward, judge::Invariant::SuccessIsEarned);
}

#[test]
fn a_ledger_in_memory_alone_is_caught() {
    is_caught(Defect::MemoryOnly, judge::Invariant::NothingTwice);
}

#[test]
fn no_ledger_at_all_is_caught() {
    is_caught(Defect::NoLedger, judge::Invariant::NothingTwice);
}

#[test]
fn failures_that_are_never_tried_again_are_caught() {
    is_caught(Defect::NeverTriesAgain, judge::Invariant::NothingLost);
}

#[test]
fn a_success_on_an_error_of_the_app_is_caught() {
    is_caught(Defect::SuccessOnError, judge::Invariant::SuccessIsEarned);
}

#[test]
fn trust_in_another_key_is_caught() {
    is_caught(Defect::TrustsAnotherKey, judge::Invariant::NothingUnverified);
}

#[test]
fn what_failed_and_stays_kept_when_it_is_accepted_is_caught() {
    is_caught(Defect::KeepsWhatIsAccepted, judge::Invariant::NothingKeptInVain);
}
