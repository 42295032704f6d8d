//! How much the diagnosis of what the proxy refuses may take: a share of a processor, and places in the log.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// One thing in this many: a fiftieth of a processor.
const PART: u32 = 50;
/// As much may be spent at once, after as long a rest as that takes.
const SAVED: Duration = Duration::from_secs(1);
/// In any minute as many are diagnosed of a kind.
const PLACES: usize = 4;
/// How long a place is taken.
const TAKEN: Duration = Duration::from_mins(1);

/// A share of the time of a processor. One thread spends it, and any may ask.
#[derive(Debug)]
pub(super) struct Share {
    start: Instant,
    /// When all that was spent will be earned again, in microseconds since the start.
    earned: AtomicU64,
}

impl Share {
    /// The whole of it, from `start` on.
    pub(super) fn new(start: Instant) -> Self {
        Self { start, earned: AtomicU64::new(0) }
    }

    /// Whether any of it is left at `now`.
    pub(super) fn is_left(&self, now: Instant) -> bool {
        let saved = micros(SAVED.saturating_mul(PART));
        self.earned.load(Ordering::Relaxed) < self.since_start(now).saturating_add(saved)
    }

    /// Spends as much, until `now`.
    pub(super) fn spend(&self, now: Instant, spent: Duration) {
        let from = self.earned.load(Ordering::Relaxed).max(self.since_start(now));
        self.earned.store(from.saturating_add(micros(spent.saturating_mul(PART))), Ordering::Relaxed);
    }

    fn since_start(&self, now: Instant) -> u64 {
        micros(now.saturating_duration_since(self.start))
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Places for a few in any minute.
#[derive(Debug, Default)]
pub(super) struct Places(VecDeque<Instant>);

impl Places {
    /// Takes a place at `now`, if one is free.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        self.0.retain(|taken| now.saturating_duration_since(*taken) < TAKEN);
        let is_free = self.0.len() < PLACES;
        if is_free {
            self.0.push_back(now);
        }
        is_free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, millis: u64) -> Instant {
        start.checked_add(Duration::from_millis(millis)).unwrap()
    }

    #[test]
    fn a_flood_of_refusals_takes_a_fiftieth_of_a_processor() {
        let start = Instant::now();
        let share = Share::new(start);
        let cost = Duration::from_millis(5);
        let mut spent = Duration::ZERO;
        for millis in 0..600_000 {
            let now = after(start, millis);
            if share.is_left(now) {
                share.spend(now, cost);
                spent += cost;
            }
        }
        // Ten minutes of it, and what was saved.
        let whole = Duration::from_secs(12) + SAVED;
        assert!(spent <= whole + cost && spent + Duration::from_millis(100) >= whole, "{spent:?}");
    }

    #[test]
    fn four_a_minute_are_diagnosed_of_what_a_key_opens_and_four_of_all_else() {
        let start = Instant::now();
        let (mut opened, mut others) = (Places::default(), Places::default());
        let taken: Vec<u64> = (0..180).filter(|second| others.take(after(start, second * 1000))).collect();
        assert_eq!(taken, [0, 1, 2, 3, 60, 61, 62, 63, 120, 121, 122, 123]);
        assert!(opened.take(after(start, 3_500)), "the flood of the others takes no place of these");
    }
}
