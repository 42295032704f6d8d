//! Records in memory, bounded, the oldest forgotten first. Whatever is done takes the same time however many there are.
//!
//! A record has a slot of 36 bytes, in chunks that are allocated as they are needed. Slots are found by small tables,
//! so that none grows for long, and are linked in the order in which they will be over: those that were accepted, by when,
//! and those that failed, by when they were first seen.

use std::iter::successors;
use std::time::Duration;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::key::Key;
use super::record::{Moment, Record};

/// How many tables there are: as many as [`Key::shard`] has values.
const TABLES: usize = 256;
/// How many slots a chunk has.
const CHUNK: usize = 1024;
/// No slot.
const NONE: u32 = u32::MAX;

/// Records by their keys.
#[derive(Debug)]
pub(super) struct Index {
    tables: Vec<HashTable<u32>>,
    chunks: Vec<Vec<Slot>>,
    /// Slots that are free, linked by `newer`.
    free: u32,
    accepted: Ends,
    failed: Ends,
    length: usize,
    capacity: usize,
    waiting: usize,
}

/// A record, and its place in one of the two orders.
#[derive(Debug, Clone, Copy)]
struct Slot {
    key: Key,
    first_seen: Moment,
    last_seen: Moment,
    older: u32,
    newer: u32,
    attempt: u8,
    is_accepted: bool,
}

/// The first and the last of an order.
#[derive(Debug, Clone, Copy)]
struct Ends {
    oldest: u32,
    newest: u32,
}

impl Slot {
    fn record(&self) -> Record {
        Record {
            is_accepted: self.is_accepted,
            attempt: self.attempt,
            first_seen: self.first_seen,
            last_seen: self.last_seen,
        }
    }
}

impl Index {
    /// An index of at most `capacity` records, which takes up next to nothing as long as there are none.
    pub(super) fn new(capacity: usize) -> Self {
        let none = Ends { oldest: NONE, newest: NONE };
        Self {
            tables: Vec::new(),
            chunks: Vec::new(),
            free: NONE,
            accepted: none,
            failed: none,
            length: 0,
            capacity: capacity.clamp(1, 1 << 31),
            waiting: 0,
        }
    }

    /// How many records there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// How many of them Alipay will deliver again.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// What is known of `key`.
    pub(super) fn get(&self, key: Key) -> Option<Record> {
        self.slot(self.find(key)?).map(Slot::record)
    }

    fn find(&self, key: Key) -> Option<u32> {
        let table = self.tables.get(key.shard())?;
        table.find(key.hash(), |slot| self.slot(*slot).is_some_and(|slot| slot.key == key)).copied()
    }

    /// Remembers `record` for `key`, in the place of what was known. Where there is no room for it, the oldest is forgotten,
    /// and its key returned.
    pub(super) fn put(&mut self, key: Key, record: Record) -> Option<Key> {
        if self.renew(key, record) {
            return None;
        }
        self.remove(key);
        let forgotten = if self.length >= self.capacity { self.forget_oldest() } else { None };
        let slot = self.allocate(Slot {
            key,
            first_seen: record.first_seen,
            last_seen: record.last_seen,
            older: NONE,
            newer: NONE,
            attempt: record.attempt,
            is_accepted: record.is_accepted,
        });
        if self.tables.is_empty() {
            self.tables = vec![HashTable::new(); TABLES];
        }
        let chunks = &self.chunks;
        if let Some(table) = self.tables.get_mut(key.shard()) {
            table.insert_unique(key.hash(), slot, |slot| {
                slot_of(chunks, *slot).map_or(0, |slot| slot.key.hash())
            });
        }
        self.link(slot, record.is_accepted);
        self.length = self.length.saturating_add(1);
        self.waiting = self.waiting.saturating_add(usize::from(record.next().is_some()));
        forgotten
    }

    /// Puts `record` in the place of one that failed as well: its first sight is the same, and so is its place.
    fn renew(&mut self, key: Key, record: Record) -> bool {
        let is_same = |before: &Record| {
            !before.is_accepted && !record.is_accepted && before.first_seen == record.first_seen
        };
        let Some(before) = self.get(key).filter(is_same) else { return false };
        let found = self.find(key);
        let Some(slot) = found.and_then(|slot| self.slot_mut(slot)) else { return false };
        slot.attempt = record.attempt;
        slot.last_seen = record.last_seen;
        let record = slot.record();
        self.waiting = self.waiting.saturating_sub(usize::from(before.next().is_some()));
        self.waiting = self.waiting.saturating_add(usize::from(record.next().is_some()));
        true
    }

    /// Forgets `key`, and says what was known of it.
    pub(super) fn remove(&mut self, key: Key) -> Option<Record> {
        let chunks = &self.chunks;
        let table = self.tables.get_mut(key.shard())?;
        let is_it = |slot: &u32| slot_of(chunks, *slot).is_some_and(|slot| slot.key == key);
        let hash = |slot: &u32| slot_of(chunks, *slot).map_or(0, |slot| slot.key.hash());
        let (slot, _) = match table.entry(key.hash(), is_it, hash) {
            Entry::Occupied(occupied) => occupied.remove(),
            Entry::Vacant(_) => return None,
        };
        let record = self.slot(slot).map(Slot::record)?;
        self.unlink(slot, record.is_accepted);
        if let Some(freed) = self.slot_mut(slot) {
            freed.newer = NONE;
        }
        let free = std::mem::replace(&mut self.free, slot);
        self.set_newer(slot, free);
        self.length = self.length.saturating_sub(1);
        self.waiting = self.waiting.saturating_sub(usize::from(record.next().is_some()));
        Some(record)
    }

    /// Those that are over at `now`, but no more than `max` of them.
    pub(super) fn over(&self, now: Moment, retain: Duration, max: usize) -> Vec<Key> {
        let of_order = |ends: Ends| {
            let slots = successors(self.slot(ends.oldest), |slot| self.slot(slot.newer));
            slots.take_while(|slot| slot.record().is_over(now, retain)).map(|slot| slot.key)
        };
        of_order(self.accepted).chain(of_order(self.failed)).take(max).collect()
    }

    /// Forgets one record that is over at `now`, and says which; the oldest first.
    pub(super) fn forget_over(&mut self, now: Moment, retain: Duration) -> Option<Key> {
        let (key, _) = self.oldest().filter(|(_, record)| record.is_over(now, retain))?;
        self.remove(key);
        Some(key)
    }

    fn forget_oldest(&mut self) -> Option<Key> {
        let (key, _) = self.oldest()?;
        self.remove(key);
        Some(key)
    }

    /// The record that will be over first.
    pub(super) fn oldest(&self) -> Option<(Key, Record)> {
        let first = |ends: Ends| self.slot(ends.oldest).map(|slot| (slot.key, slot.record()));
        match (first(self.accepted), first(self.failed)) {
            (Some(accepted), Some(failed)) => {
                Some(if accepted.1.since() < failed.1.since() { accepted } else { failed })
            }
            (one, other) => one.or(other),
        }
    }

    fn slot(&self, slot: u32) -> Option<&Slot> {
        slot_of(&self.chunks, slot)
    }

    fn slot_mut(&mut self, slot: u32) -> Option<&mut Slot> {
        let (chunk, place) = place(slot)?;
        self.chunks.get_mut(chunk)?.get_mut(place)
    }

    fn set_newer(&mut self, slot: u32, newer: u32) {
        if let Some(slot) = self.slot_mut(slot) {
            slot.newer = newer;
        }
    }

    fn set_older(&mut self, slot: u32, older: u32) {
        if let Some(slot) = self.slot_mut(slot) {
            slot.older = older;
        }
    }

    /// Puts `new` into a slot: one that is free, or the next of the last chunk.
    fn allocate(&mut self, new: Slot) -> u32 {
        let free = self.free;
        if let Some(slot) = self.slot_mut(free) {
            let next = slot.newer;
            *slot = new;
            self.free = next;
            return free;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() >= CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let before = self.chunks.len().saturating_sub(1).saturating_mul(CHUNK);
        let Some(chunk) = self.chunks.last_mut() else { return NONE };
        let slot = before.saturating_add(chunk.len());
        chunk.push(new);
        u32::try_from(slot).unwrap_or(NONE)
    }

    fn ends(&mut self, is_accepted: bool) -> &mut Ends {
        if is_accepted { &mut self.accepted } else { &mut self.failed }
    }

    /// Puts a slot at the new end of its order.
    fn link(&mut self, slot: u32, is_accepted: bool) {
        let ends = self.ends(is_accepted);
        let older = std::mem::replace(&mut ends.newest, slot);
        if older == NONE {
            ends.oldest = slot;
        }
        self.set_older(slot, older);
        self.set_newer(older, slot);
    }

    fn unlink(&mut self, slot: u32, is_accepted: bool) {
        let Some(&Slot { older, newer, .. }) = self.slot(slot) else { return };
        self.set_newer(older, newer);
        self.set_older(newer, older);
        let ends = self.ends(is_accepted);
        if ends.oldest == slot {
            ends.oldest = newer;
        }
        if ends.newest == slot {
            ends.newest = older;
        }
    }
}

fn slot_of(chunks: &[Vec<Slot>], slot: u32) -> Option<&Slot> {
    let (chunk, place) = place(slot)?;
    chunks.get(chunk)?.get(place)
}

/// The chunk of a slot, and its place in it.
fn place(slot: u32) -> Option<(usize, usize)> {
    let slot = usize::try_from(slot).ok()?;
    Some((slot.checked_div(CHUNK)?, slot.checked_rem(CHUNK)?))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::arithmetic_side_effects, reason = "counts of a test do not overflow")]

    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn key(number: u32) -> Key {
        Key::of("1", &number.to_string())
    }

    fn record(is_accepted: bool, first_seen: u32, last_seen: u32) -> Record {
        Record { is_accepted, attempt: 1, first_seen: Moment(first_seen), last_seen: Moment(last_seen) }
    }

    #[test]
    fn a_slot_is_as_small_as_the_documents_say() {
        assert_eq!(size_of::<Slot>(), 36);
    }

    #[test]
    fn an_index_without_records_takes_up_nothing() {
        let index = Index::new(1_000_000);
        assert_eq!((index.tables.capacity(), index.chunks.capacity()), (0, 0));
    }

    #[test]
    fn the_one_that_would_be_over_first_makes_room() {
        let mut index = Index::new(3);
        assert_eq!(index.put(key(1), record(false, 1, 1)), None);
        assert_eq!(index.put(key(2), record(true, 2, 2)), None);
        assert_eq!(index.put(key(3), record(false, 3, 3)), None);
        // Failing again is no reason to be kept for longer, and acceptance is.
        assert_eq!(index.put(key(1), record(false, 1, 4)), None);
        assert_eq!(index.put(key(4), record(false, 4, 4)), Some(key(1)));
        assert_eq!(index.put(key(3), record(true, 3, 5)), None);
        assert_eq!(index.put(key(5), record(false, 5, 5)), Some(key(2)));
        assert_eq!(index.put(key(6), record(false, 6, 6)), Some(key(4)));
        assert_eq!(index.len(), 3);
    }

    #[test]
    fn the_slots_of_what_was_forgotten_are_used_again() {
        let mut index = Index::new(10_000);
        for round in 0..5 {
            for number in 0..2_000 {
                index.put(key(number), record(true, round, round));
            }
            for number in 0..2_000 {
                assert!(index.remove(key(number)).is_some());
            }
        }
        assert_eq!((index.len(), index.chunks.len()), (0, 2));
    }

    /// What the index does, done naively.
    #[derive(Debug, Default)]
    struct Model {
        records: BTreeMap<Key, (Record, u64)>,
        puts: u64,
    }

    impl Model {
        fn put(&mut self, key: Key, record: Record, capacity: usize) -> Option<Key> {
            self.puts += 1;
            let before = self.records.get(&key).copied();
            let renewed = before.filter(|(before, _)| {
                !before.is_accepted && !record.is_accepted && before.first_seen == record.first_seen
            });
            if let Some((_, order)) = renewed {
                self.records.insert(key, (record, order));
                return None;
            }
            self.records.remove(&key);
            let forgotten = if self.records.len() >= capacity { self.oldest() } else { None };
            forgotten.and_then(|key| self.records.remove(&key));
            self.records.insert(key, (record, self.puts));
            forgotten
        }

        /// The first in each order, and of these the one that is over first.
        fn oldest(&self) -> Option<Key> {
            let first = |is_accepted| {
                let of_order =
                    self.records.iter().filter(|(_, (record, _))| record.is_accepted == is_accepted);
                of_order.min_by_key(|(_, (_, order))| *order)
            };
            let ends = [first(false), first(true)].into_iter().flatten();
            ends.min_by_key(|(_, (record, _))| (record.since(), record.is_accepted)).map(|(key, _)| *key)
        }
    }

    #[derive(Debug, Clone)]
    enum Act {
        Put(u32, bool, u32),
        Remove(u32),
        ForgetOver(u32),
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let act = prop_oneof![
            4 => (0_u32..24, any::<bool>(), 0_u32..400).prop_map(|(key, is_accepted, step)| Act::Put(key, is_accepted, step)),
            1 => (0_u32..24).prop_map(Act::Remove),
            1 => (0_u32..4000).prop_map(Act::ForgetOver),
        ];
        prop::collection::vec(act, 0..200)
    }

    proptest! {
        #[test]
        fn whatever_is_done_the_index_knows_what_a_naive_map_knows(acts in acts(), capacity in 1_usize..20) {
            let (mut index, mut model) = (Index::new(capacity), Model::default());
            let mut now = 0_u32;
            for act in acts {
                match act {
                    Act::Put(number, is_accepted, step) => {
                        now += step;
                        let first_seen = index.get(key(number)).map_or(now, |record| record.first_seen.0);
                        let record = record(is_accepted, first_seen, now);
                        prop_assert_eq!(index.put(key(number), record), model.put(key(number), record, capacity));
                    }
                    Act::Remove(number) => {
                        let removed = model.records.remove(&key(number)).map(|(record, _)| record);
                        prop_assert_eq!(index.remove(key(number)), removed);
                    }
                    Act::ForgetOver(retain) => {
                        let retain = Duration::from_secs(retain.into());
                        let is_over = |key: &Key| model.records[key].0.is_over(Moment(now), retain);
                        let over = model.oldest().filter(is_over);
                        let all = index.over(Moment(now), retain, 1_000);
                        prop_assert_eq!(all.is_empty(), over.is_none());
                        prop_assert!(all.iter().all(is_over));
                        over.and_then(|key| model.records.remove(&key));
                        prop_assert_eq!(index.forget_over(Moment(now), retain), over);
                    }
                }
                prop_assert_eq!(index.len(), model.records.len());
                let waiting = model.records.values().filter(|(record, _)| record.next().is_some()).count();
                prop_assert_eq!(index.waiting(), waiting);
                for number in 0..24 {
                    let known = model.records.get(&key(number)).map(|(record, _)| *record);
                    prop_assert_eq!(index.get(key(number)), known);
                }
            }
        }
    }
}
