//! The deliveries that run in this process, so that repeats that come meanwhile share the outcome of the first.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use tokio::sync::Notify;

use super::Sighting;
use super::key::Key;
use crate::ack::Outcome;
use crate::rejection::{Reason, Rejection};

/// What a delivery came to, as those hear of it that wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Landed {
    /// The app accepted, and the ledger knows.
    Accepted,
    /// It failed, for this reason.
    Failed(Reason, Option<Sighting>),
}

impl Landed {
    /// What those hear who wait for a delivery that came to `outcome`.
    pub(super) fn of(outcome: &Result<Outcome, Rejection>, sighting: Option<Sighting>) -> Self {
        match outcome {
            Ok(_) => Self::Accepted,
            Err(rejection) => Self::Failed(rejection.reason(), sighting.map(Sighting::shared)),
        }
    }
}

/// The deliveries in flight, of all workers. There is a gate only where somebody waits.
#[derive(Debug, Default)]
pub(super) struct Flights {
    open: Mutex<HashMap<Key, Option<Arc<Gate>>>>,
    waiting: AtomicUsize,
}

/// Where those wait who came while a delivery runs. They are woken in the order in which they came, so that what follows from a
/// seed in a simulation is always the same; a channel would wake them at random.
#[derive(Debug, Default)]
struct Gate {
    landed: OnceLock<Landed>,
    opened: Notify,
}

/// Whether one is the first.
pub(super) enum Boarding<'f> {
    /// Nobody else delivers this notification; now the caller does.
    First(Flight<'f>),
    /// Somebody does.
    Repeat(Waiter<'f>),
    /// Somebody does, and too many wait already.
    Full,
}

impl Flights {
    /// Begins a delivery of `key`, or waits for the one that runs, where fewer than `max` wait in all.
    pub(super) fn board(&self, key: Key, max: usize) -> Boarding<'_> {
        match self.open().entry(key) {
            Entry::Vacant(vacant) => {
                vacant.insert(None);
                Boarding::First(Flight { flights: self, key, landed: None })
            }
            Entry::Occupied(mut occupied) => {
                let place = Place::take(&self.waiting);
                if place.before >= max {
                    return Boarding::Full;
                }
                let gate = occupied.get_mut().get_or_insert_default();
                Boarding::Repeat(Waiter { gate: Arc::clone(gate), _place: place })
            }
        }
    }

    /// The delivery of `key` that runs, to wait for, if one does.
    pub(super) fn running(&self, key: Key) -> Option<Waiter<'_>> {
        let mut open = self.open();
        let gate = open.get_mut(&key)?.get_or_insert_default();
        Some(Waiter { gate: Arc::clone(gate), _place: Place::take(&self.waiting) })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Key, Option<Arc<Gate>>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A delivery that runs here. However it ends, also by a panic, those that wait for it hear of it.
pub(super) struct Flight<'f> {
    flights: &'f Flights,
    key: Key,
    landed: Option<Landed>,
}

impl Flight<'_> {
    /// Ends the delivery.
    pub(super) fn land(mut self, landed: Landed) {
        self.landed = Some(landed);
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let gate = self.flights.open().remove(&self.key).flatten();
        if let Some(gate) = gate {
            let lost = || {
                let reason = if thread::panicking() { Reason::Internal } else { Reason::ShuttingDown };
                Landed::Failed(reason, None)
            };
            gate.landed.get_or_init(|| self.landed.unwrap_or_else(lost));
            gate.opened.notify_waiters();
        }
    }
}

/// Somebody who waits for a delivery that runs here.
pub(super) struct Waiter<'f> {
    gate: Arc<Gate>,
    _place: Place<'f>,
}

impl Waiter<'_> {
    /// Waits for the end of the delivery.
    pub(super) async fn landed(self) -> Landed {
        let opened = self.gate.opened.notified();
        if self.gate.landed.get().is_none() {
            opened.await;
        }
        // Whoever opens the gate has said something before.
        self.gate.landed.get().copied().unwrap_or(Landed::Failed(Reason::ShuttingDown, None))
    }
}

/// The place of one who waits, given back when dropped.
struct Place<'f> {
    waiting: &'f AtomicUsize,
    before: usize,
}

impl<'f> Place<'f> {
    fn take(waiting: &'f AtomicUsize) -> Self {
        Self { waiting, before: waiting.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    use super::*;

    fn first(flights: &Flights, key: Key) -> Flight<'_> {
        match flights.board(key, 2) {
            Boarding::First(flight) => flight,
            Boarding::Repeat(_) | Boarding::Full => panic!("somebody delivers it already"),
        }
    }

    fn repeat(flights: &Flights, key: Key) -> Waiter<'_> {
        match flights.board(key, 2) {
            Boarding::Repeat(waiter) => waiter,
            Boarding::First(_) | Boarding::Full => panic!("nobody delivers it, or too many wait"),
        }
    }

    fn hears(waiter: Waiter<'_>) -> Landed {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(waiter.landed())
    }

    #[test]
    fn a_repeat_on_another_thread_hears_what_the_first_came_to() {
        let flights = Arc::new(Flights::default());
        let key = Key::of("1", "a");
        let flight = first(&flights, key);
        let (here, there) = (repeat(&flights, key), Arc::clone(&flights));
        let heard = thread::spawn(move || hears(repeat(&there, key)));
        while flights.waiting.load(Ordering::Relaxed) < 2 {
            thread::yield_now();
        }
        flight.land(Landed::Accepted);
        assert_eq!((hears(here), heard.join().unwrap()), (Landed::Accepted, Landed::Accepted));
        // What has landed is in flight no more.
        drop(first(&flights, key));
    }

    #[test]
    fn another_notification_is_another_flight() {
        let flights = Flights::default();
        let _one = first(&flights, Key::of("1", "a"));
        let _another = first(&flights, Key::of("1", "b"));
        let _of_another_app = first(&flights, Key::of("2", "a"));
    }

    #[test]
    fn no_more_wait_than_may_and_a_place_is_given_back() {
        let flights = Flights::default();
        let key = Key::of("1", "a");
        let _flight = first(&flights, key);
        let waiters = [repeat(&flights, key), repeat(&flights, key)];
        assert!(matches!(flights.board(key, 2), Boarding::Full));
        drop(waiters);
        drop(repeat(&flights, key));
    }

    #[test]
    fn who_waits_for_a_delivery_that_panics_hears_so_and_the_next_one_is_the_first() {
        let flights = Flights::default();
        let key = Key::of("1", "a");
        let flight = first(&flights, key);
        let waiter = repeat(&flights, key);
        let panic = catch_unwind(AssertUnwindSafe(|| {
            let _flight = flight;
            panic!("a defect");
        }));
        assert!(panic.is_err());
        assert_eq!(hears(waiter), Landed::Failed(Reason::Internal, None));
        drop(first(&flights, key));
    }

    #[test]
    fn who_waits_for_a_delivery_that_is_cut_off_hears_that_the_process_ends() {
        let flights = Flights::default();
        let key = Key::of("1", "a");
        let flight = first(&flights, key);
        let waiter = repeat(&flights, key);
        drop(flight);
        assert_eq!(hears(waiter), Landed::Failed(Reason::ShuttingDown, None));
    }
}
