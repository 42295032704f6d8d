//! The memory of the connections of one worker that are in the middle of something: a head, a body, an answer that
//! nobody reads.
//!
//! Each has a timeout, but thousands at once would fill the memory before that. So together they may take up so much
//! and no more; then whoever has been at it longest has to go. A genuine sender is done in moments, so the longer a
//! flood lasts, the more surely it sheds itself.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::Waker;

/// What the connections that are in the middle of something may take up, in all workers, in bytes.
const BUDGET: usize = 20 * 1024 * 1024;
/// What a connection takes up at most beside the body that it sends, in bytes.
const BESIDE_BODY: usize = 64 * 1024;

/// What each of `workers` may have of that: enough for two of the longest bodies, however many workers there are.
pub(super) fn share(workers: usize, max_body: usize) -> usize {
    let two = max_body.saturating_add(BESIDE_BODY).saturating_mul(2);
    BUDGET.checked_div(workers).unwrap_or(BUDGET).max(two)
}

/// What the connections of one worker take up while they are in the middle of something.
pub(super) struct Crowd {
    max: Cell<usize>,
    total: Cell<usize>,
    next: Cell<u64>,
    /// The bytes of those who have to go and are not gone.
    going: Cell<usize>,
    /// By the order in which they began.
    at_it: RefCell<BTreeMap<u64, Entry>>,
}

struct Entry {
    bytes: usize,
    shed: Rc<Cell<Option<usize>>>,
    waker: Waker,
}

impl Crowd {
    /// A crowd that may take up `max` bytes.
    pub(super) fn new(max: usize) -> Rc<Self> {
        Rc::new(Self {
            max: Cell::new(max),
            total: Cell::new(0),
            next: Cell::new(0),
            going: Cell::new(0),
            at_it: RefCell::default(),
        })
    }

    /// Lets it take up `max` bytes from now on.
    pub(super) fn resize(&self, max: usize) {
        self.max.set(max);
    }

    fn add(&self, bytes: usize) {
        self.total.set(self.total.get().saturating_add(bytes));
    }

    fn remove(&self, id: u64) {
        if let Some(entry) = self.at_it.borrow_mut().remove(&id) {
            self.total.set(self.total.get().saturating_sub(entry.bytes));
        }
    }

    fn shed(&self) {
        while self.total.get() > self.max.get() {
            let Some((_, oldest)) = self.at_it.borrow_mut().pop_first() else { return };
            self.total.set(self.total.get().saturating_sub(oldest.bytes));
            oldest.shed.set(Some(oldest.bytes));
            self.going.set(self.going.get().saturating_add(oldest.bytes));
            oldest.waker.wake();
        }
    }
}

/// The part of one connection in a [`Crowd`], given back when dropped.
pub(super) struct Seat {
    crowd: Rc<Crowd>,
    id: Cell<Option<u64>>,
    /// What it took up, once it has to go.
    shed: Rc<Cell<Option<usize>>>,
}

impl Seat {
    /// A seat in `crowd` for a connection that is not in the middle of anything.
    pub(super) fn new(crowd: &Rc<Crowd>) -> Self {
        Self { crowd: Rc::clone(crowd), id: Cell::new(None), shed: Rc::default() }
    }

    /// Whether the connection has to go.
    pub(super) fn is_shed(&self) -> bool {
        self.shed.get().is_some()
    }

    /// Whether the connection has to wait for its turn: too many who have to go are not gone yet.
    ///
    /// Those who have to go were woken before, so it is enough to wait until they were polled.
    pub(super) fn waits(&self, waker: &Waker) -> bool {
        let waits = self.crowd.going.get() > self.crowd.max.get().saturating_div(8) && !self.is_shed();
        if waits {
            waker.wake_by_ref();
        }
        waits
    }

    /// Says that the connection, whose task `waker` wakes, now takes up so many bytes; none where it is at rest.
    ///
    /// Returns whether it may stay. Where it may not, now or when it is woken, it has to end.
    pub(super) fn take(&self, bytes: usize, waker: &Waker) -> bool {
        if self.is_shed() {
            return false;
        }
        if bytes == 0 {
            if let Some(id) = self.id.take() {
                self.crowd.remove(id);
            }
            return true;
        }
        let id = self.id.get().unwrap_or_else(|| {
            let id = self.crowd.next.get();
            self.crowd.next.set(id.wrapping_add(1));
            self.id.set(Some(id));
            id
        });
        let mut at_it = self.crowd.at_it.borrow_mut();
        let entry = at_it.entry(id).or_insert_with(|| Entry {
            bytes: 0,
            shed: Rc::clone(&self.shed),
            waker: waker.clone(),
        });
        let before = std::mem::replace(&mut entry.bytes, bytes);
        drop(at_it);
        self.crowd.total.set(self.crowd.total.get().saturating_sub(before));
        self.crowd.add(bytes);
        self.crowd.shed();
        !self.is_shed()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            self.crowd.remove(id);
        }
        if let Some(bytes) = self.shed.get() {
            self.crowd.going.set(self.crowd.going.get().saturating_sub(bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_been_at_it_longest_goes_first() {
        let crowd = Crowd::new(100);
        let seats: Vec<Seat> = (0..4).map(|_| Seat::new(&crowd)).collect();
        let take = |seat: usize, bytes| seats[seat].take(bytes, Waker::noop());
        assert!(take(0, 40) && take(1, 40) && take(2, 20));
        assert!(take(3, 10), "the newcomer stays");
        assert!(!take(0, 40), "the oldest goes");
        assert!(take(1, 50) && take(2, 20) && take(3, 30));
        assert!(!take(1, 60), "whoever grows pays for it, being the oldest");
    }

    #[test]
    fn nobody_goes_on_while_many_who_have_to_go_are_there() {
        let crowd = Crowd::new(100);
        let (one, other) = (Seat::new(&crowd), Seat::new(&crowd));
        assert!(one.take(60, Waker::noop()) && !other.waits(Waker::noop()));
        assert!(other.take(60, Waker::noop()) && other.waits(Waker::noop()));
        assert!(!one.waits(Waker::noop()), "who has to go does not wait");
        drop(one);
        assert!(!other.waits(Waker::noop()));
    }

    #[test]
    fn each_worker_has_room_for_two_of_the_longest_bodies() {
        assert_eq!(share(1, 1024), BUDGET);
        assert_eq!(share(4, 256 * 1024), BUDGET / 4);
        assert_eq!(share(64, 256 * 1024), 2 * (256 + 64) * 1024);
        assert_eq!(share(2, 16 * 1024 * 1024), 2 * (16 * 1024 + 64) * 1024);
    }

    #[test]
    fn a_connection_at_rest_takes_up_nothing_and_begins_anew() {
        let crowd = Crowd::new(100);
        let (one, other) = (Seat::new(&crowd), Seat::new(&crowd));
        assert!(one.take(60, Waker::noop()) && one.take(0, Waker::noop()));
        assert!(other.take(100, Waker::noop()));
        assert!(one.take(60, Waker::noop()));
        assert!(!other.take(60, Waker::noop()), "the other began earlier");
    }

    #[test]
    fn a_seat_that_is_given_up_is_free() {
        let crowd = Crowd::new(100);
        for _ in 0..3 {
            assert!(Seat::new(&crowd).take(100, Waker::noop()));
        }
        assert_eq!(crowd.total.get(), 0);
        assert!(!Seat::new(&crowd).take(101, Waker::noop()), "more than all there is");
    }
}
