//! The ledger in the memory of the process: quick, bounded, and forgotten when the process ends.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Terms;
use super::figures::Waiting;
use super::index::Index;
use super::kept::{Failure, Found, Stored};
use super::key::Key;
use super::record::{Moment, Record};
use super::store::{Known, Store, StoreError};

/// How many notifications are remembered: at 36 bytes each, and with the tables for them some 10 MB in all. With 26 h for each, that
/// is two a second.
pub(super) const CAPACITY: usize = 200_000;
/// A store in memory.
#[derive(Debug)]
pub(crate) struct Memory {
    index: Mutex<Index>,
    waiting: Waiting,
}

impl Memory {
    /// A store of at most `capacity` records, which keeps `waiting` up to date.
    pub(super) fn new(capacity: usize, waiting: Waiting) -> Self {
        Self { index: Mutex::new(Index::new(capacity)), waiting }
    }

    /// What is known of `key`.
    pub(super) fn get(&self, key: Key, now: Moment, terms: &Terms) -> Option<Record> {
        self.index().get(key).filter(|record| !record.is_over(now, terms.retain))
    }

    /// Remembers `record`, and says what is forgotten for it.
    pub(super) fn put(&self, key: Key, record: Record, terms: &Terms) -> [Option<Key>; 3] {
        let mut index = self.index();
        // More are forgotten than come, so that what is over never piles up.
        let [one, other] = [(); 2].map(|()| index.forget_over(record.last_seen, terms.retain));
        let oldest = index.put(key, record);
        self.waiting.set(index.waiting());
        // Its own record that was over is in its place again.
        [one, other, oldest].map(|forgotten| forgotten.filter(|forgotten| *forgotten != key))
    }

    /// Remembers what was remembered before, the oldest first, and says what there is no room for.
    pub(super) fn fill(&self, records: &[(Key, Record)]) -> Vec<Key> {
        let mut index = self.index();
        let surplus = records.iter().filter_map(|(key, record)| index.put(*key, *record)).collect();
        self.waiting.set(index.waiting());
        surplus
    }

    /// The record that will be over first.
    pub(super) fn oldest(&self) -> Option<(Key, Record)> {
        self.index().oldest()
    }

    /// Those that are over at `now`, but no more than `max` of them.
    pub(super) fn over(&self, now: Moment, terms: &Terms, max: usize) -> Vec<Key> {
        self.index().over(now, terms.retain, max)
    }

    /// Forgets `key`, if what is known of it is over at `now`.
    pub(super) fn forget(&self, key: Key, now: Moment, terms: &Terms) {
        let mut index = self.index();
        if index.get(key).is_some_and(|record| record.is_over(now, terms.retain)) {
            index.remove(key);
        }
        self.waiting.set(index.waiting());
    }

    /// Forgets one record that is over at `now`, and says which.
    pub(super) fn forget_over(&self, now: Moment, terms: &Terms) -> Option<Key> {
        let mut index = self.index();
        let forgotten = index.forget_over(now, terms.retain);
        self.waiting.set(index.waiting());
        forgotten
    }

    /// Forgets `key`, where there is anything to forget.
    pub(super) fn remove(&self, key: Key) {
        self.index().remove(key);
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Memory {
    async fn begin(&self, key: Key, now: Moment, terms: &Terms) -> Result<Known, StoreError> {
        Ok(self.get(key, now, terms).map_or(Known::New, Known::Record))
    }

    async fn end(
        &self,
        key: Key,
        record: Record,
        _failure: Option<Failure<'_>>,
        terms: &Terms,
    ) -> Result<(), StoreError> {
        self.put(key, record, terms);
        Ok(())
    }

    // What would be lost with the process is not kept for Monday; the configuration refuses to ask for it.
    async fn kept(&self) -> Result<Vec<Key>, StoreError> {
        Ok(Vec::new())
    }

    async fn entries(&self, _keys: Vec<Key>) -> Result<Vec<Found>, StoreError> {
        Ok(Vec::new())
    }

    async fn stored(&self, _key: Key) -> Result<Option<Stored>, StoreError> {
        Ok(None)
    }

    async fn is_any_accepted(&self, keys: &[Key], now: Moment, terms: &Terms) -> Result<bool, StoreError> {
        Ok(keys.iter().any(|key| self.get(*key, now, terms).is_some_and(|record| record.is_accepted)))
    }

    fn sweep(&self, now: Moment, terms: &Terms) {
        // One by one, so that nobody waits for the lock for long.
        while self.forget_over(now, terms).is_some() {}
    }
}
