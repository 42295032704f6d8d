//! The ledger in the memory of the process: quick, bounded, and forgotten when the process ends.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Terms;
use super::figures::Waiting;
use super::index::Index;
use super::key::Key;
use super::record::{Moment, Record};
use super::store::{Known, Store, StoreError};
use crate::translate::Event;

/// How many notifications are remembered: at 36 bytes each and the tables for them 8.5 MB in all. With 26 h for each, that
/// is two a second.
pub(super) const CAPACITY: usize = 200_000;
/// How many records that are over are forgotten with each one that is put: more than come, so that they never pile up.
const FORGOTTEN_AT_ONCE: usize = 2;

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

    /// Remembers `record`.
    pub(super) fn put(&self, key: Key, record: Record, terms: &Terms) {
        let mut index = self.index();
        for _ in 0..FORGOTTEN_AT_ONCE {
            index.forget_over(record.last_seen, terms.retain);
        }
        index.put(key, record);
        self.waiting.set(index.waiting());
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
        _event: Option<&Event>,
        terms: &Terms,
    ) -> Result<(), StoreError> {
        self.put(key, record, terms);
        Ok(())
    }

    fn sweep(&self, now: Moment, terms: &Terms) {
        // One by one, so that nobody waits for the lock for long.
        loop {
            let mut index = self.index();
            let is_done = index.forget_over(now, terms.retain).is_none();
            self.waiting.set(index.waiting());
            if is_done {
                return;
            }
        }
    }
}
