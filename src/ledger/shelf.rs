//! Which events are kept, in the order in which they were first seen, and within bounds: the oldest makes room.
//!
//! The events themselves lie on the disk. Here is what has to be known at once.

use std::collections::{BTreeSet, HashMap};

use super::Terms;
use super::kept::is_over;
use super::key::Key;
use super::record::{Moment, Record};

/// How much is kept of what failed: an hour's failures at 14 a second, of which each has two and a half KB.
pub(super) const ROOM: Room = Room { entries: 50_000, bytes: 128 * 1024 * 1024 };

/// How much may be kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// How many events.
    pub(super) entries: usize,
    /// How many bytes.
    pub(super) bytes: usize,
}

/// What is kept.
#[derive(Debug)]
pub(super) struct Shelf {
    places: HashMap<Key, Place>,
    order: BTreeSet<(Moment, Key)>,
    bytes: usize,
    room: Room,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    record: Record,
    bytes: usize,
}

impl Shelf {
    /// An empty one, with this much room.
    pub(super) fn new(room: Room) -> Self {
        Self { places: HashMap::new(), order: BTreeSet::new(), bytes: 0, room }
    }

    /// Puts an event of `bytes` there, in the place of an earlier one of its notification. What there is no room for any more
    /// is taken away and returned; that may be the event itself.
    pub(super) fn put(&mut self, key: Key, record: Record, bytes: usize) -> Vec<Key> {
        self.remove(key);
        if bytes > self.room.bytes {
            return vec![key];
        }
        self.places.insert(key, Place { record, bytes });
        self.order.insert((record.first_seen, key));
        self.bytes = self.bytes.saturating_add(bytes);
        let mut surplus = Vec::new();
        while self.places.len() > self.room.entries || self.bytes > self.room.bytes {
            let Some(&(_, oldest)) = self.order.first() else { break };
            self.remove(oldest);
            surplus.push(oldest);
        }
        surplus
    }

    /// Takes an event away, and says whether there was one.
    pub(super) fn remove(&mut self, key: Key) -> bool {
        let Some(Place { record, bytes }) = self.places.remove(&key) else { return false };
        self.order.remove(&(record.first_seen, key));
        self.bytes = self.bytes.saturating_sub(bytes);
        true
    }

    /// Takes everything away.
    pub(super) fn clear(&mut self) {
        self.places.clear();
        self.order.clear();
        self.bytes = 0;
    }

    /// What became so far of a notification whose event is kept.
    pub(super) fn record(&self, key: Key) -> Option<Record> {
        self.places.get(&key).map(|place| place.record)
    }

    /// How many events there are.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// How many bytes they have.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// All that are there, the oldest first.
    pub(super) fn keys(&self) -> Vec<Key> {
        self.order.iter().map(|(_, key)| *key).collect()
    }

    /// Those that are kept no longer at `now`.
    pub(super) fn over(&self, now: Moment, terms: &Terms) -> Vec<Key> {
        let over = self.order.iter().take_while(|(first_seen, _)| is_over(*first_seen, now, terms));
        over.map(|(_, key)| *key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u32) -> Key {
        Key::of("1", &number.to_string())
    }

    fn record(first_seen: u32) -> Record {
        let first_seen = Moment(first_seen);
        Record { is_accepted: false, attempt: 1, first_seen, last_seen: first_seen }
    }

    #[test]
    fn the_oldest_make_room_where_there_are_too_many_or_too_many_bytes() {
        let mut shelf = Shelf::new(Room { entries: 3, bytes: 100 });
        assert!(shelf.put(key(3), record(3), 10).is_empty());
        assert!(shelf.put(key(1), record(1), 10).is_empty());
        assert!(shelf.put(key(2), record(2), 10).is_empty());
        assert_eq!(shelf.keys(), [key(1), key(2), key(3)]);
        assert_eq!(shelf.put(key(4), record(4), 10), [key(1)]);
        // Failing again is no reason to be kept for longer.
        assert!(shelf.put(key(2), record(2), 20).is_empty());
        assert_eq!(shelf.put(key(5), record(5), 95), [key(2), key(3), key(4)]);
        assert_eq!((shelf.len(), shelf.bytes()), (1, 95));
        // Older than all that are there, it makes room itself.
        assert_eq!(shelf.put(key(0), record(0), 20), [key(0)]);
        assert_eq!(shelf.put(key(6), record(6), 101), [key(6)]);
        assert!(shelf.remove(key(5)) && !shelf.remove(key(5)));
        assert_eq!((shelf.len(), shelf.bytes(), shelf.keys()), (0, 0, vec![]));
    }

    #[test]
    fn what_is_over_is_found_from_the_oldest_on() {
        let mut shelf = Shelf::new(Room { entries: 10, bytes: 100 });
        let days = |days: u32| days * 24 * 3600;
        for day in [0, 3, 9] {
            shelf.put(key(day), record(days(day)), 1);
        }
        assert_eq!(shelf.over(Moment(days(14)), &Terms::for_tests()), []);
        assert_eq!(shelf.over(Moment(days(18)), &Terms::for_tests()), [key(0), key(3)]);
        assert_eq!(shelf.record(key(9)), Some(record(days(9))));
    }
}
