//! How many deliveries may be in flight at once, in all workers, and how many bytes they may hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::rejection::{Reason, Rejection};

/// What the bodies of all deliveries in flight may hold, in bytes.
const BUDGET: usize = 8 * 1024 * 1024;
/// What of it is kept for small ones, so that large ones, captured and sent again, cannot keep them out.
const RESERVE: usize = 2 * 1024 * 1024;
/// The longest body that is small.
const SMALL: usize = 16 * 1024;

/// The deliveries in flight, of all workers.
#[derive(Debug, Clone, Default)]
pub struct InFlight {
    count: Arc<AtomicUsize>,
    bytes: Arc<AtomicUsize>,
}

impl InFlight {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// What their bodies hold, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// A slot for one more with a body of `length` bytes, where there are fewer than `max` and room for it.
    ///
    /// However long it is, there is room for the only one.
    pub(super) fn enter(&self, length: usize, max: usize) -> Result<Slot<'_>, Rejection> {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let before = self.bytes.fetch_add(length, Ordering::Relaxed);
        let slot = Slot { in_flight: self, length };
        if count >= max {
            return Err(Reason::TooManyInFlight.into());
        }
        let budget = if length > SMALL { BUDGET.saturating_sub(RESERVE) } else { BUDGET };
        if before > 0 && before.saturating_add(length) > budget {
            return Err(
                Reason::TooManyInFlight.because(format!("they hold {before} bytes, and it has {length}"))
            );
        }
        Ok(slot)
    }
}

/// One of the deliveries in flight, given back when dropped.
#[derive(Debug)]
pub(super) struct Slot<'a> {
    in_flight: &'a InFlight,
    length: usize,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.in_flight.count.fetch_sub(1, Ordering::Relaxed);
        self.in_flight.bytes.fetch_sub(self.length, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: usize = 250_000;

    fn enter(in_flight: &InFlight, length: usize) -> Option<Slot<'_>> {
        in_flight
            .enter(length, 1000)
            .inspect_err(|error| assert_eq!(error.reason(), Reason::TooManyInFlight))
            .ok()
    }

    /// As many of `length` bytes as may be in flight.
    fn fill(in_flight: &InFlight, length: usize) -> Vec<Slot<'_>> {
        std::iter::from_fn(|| enter(in_flight, length)).collect()
    }

    #[test]
    fn there_are_no_more_than_configured_at_once() {
        let in_flight = InFlight::default();
        let slots: Vec<_> = (0..3).map(|_| in_flight.enter(1, 3).unwrap()).collect();
        assert_eq!(in_flight.enter(1, 3).unwrap_err().reason(), Reason::TooManyInFlight);
        assert_eq!((in_flight.count(), in_flight.bytes()), (3, 3));
        drop(slots);
        assert_eq!((in_flight.count(), in_flight.bytes()), (0, 0));
        assert!(in_flight.enter(1, 3).is_ok());
    }

    #[test]
    fn what_they_hold_is_bounded_and_given_back() {
        let in_flight = InFlight::default();
        for _ in 0..2 {
            let slots = fill(&in_flight, LARGE);
            assert_eq!(slots.len(), (BUDGET - RESERVE) / LARGE);
            assert_eq!(in_flight.bytes(), slots.len() * LARGE);
        }
        assert_eq!(in_flight.bytes(), 0);
    }

    #[test]
    fn small_ones_get_in_however_many_large_ones_there_are() {
        let in_flight = InFlight::default();
        let large = fill(&in_flight, SMALL + 1);
        let small = fill(&in_flight, SMALL);
        assert!(small.len() >= RESERVE / SMALL && in_flight.bytes() <= BUDGET);
        drop((large, small));
    }

    #[test]
    fn one_that_is_larger_than_all_there_is_gets_in_alone() {
        let in_flight = InFlight::default();
        let only = enter(&in_flight, 2 * BUDGET).unwrap();
        assert!(enter(&in_flight, 1).is_none());
        drop(only);
        let small = enter(&in_flight, 1).unwrap();
        assert!(enter(&in_flight, 2 * BUDGET).is_none());
        drop(small);
    }

    #[test]
    fn why_there_is_no_room_is_said_in_figures() {
        let in_flight = InFlight::default();
        let _only = enter(&in_flight, BUDGET).unwrap();
        let rejection = in_flight.enter(7, 1000).unwrap_err();
        insta::assert_snapshot!(rejection.cause().unwrap(), @"they hold 8388608 bytes, and it has 7");
    }
}
