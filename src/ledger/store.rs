//! Where the ledger is kept: what each kind of store can do, and the one that was configured.

use std::error::Error;
use std::fmt;

use super::Terms;
use super::file::FileStore;
use super::kept::{Failure, Found, Stored};
use super::key::Key;
use super::memory::Memory;
use super::record::{Moment, Record};
use super::redis::RedisStore;

/// What a store knows of a notification that is about to be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// Nothing, or nothing that still counts.
    New,
    /// This became of it earlier.
    Record(Record),
    /// Another replica is delivering it.
    Elsewhere,
}

/// Why a store did not do what it was asked to.
#[derive(Debug)]
pub(crate) enum StoreError {
    /// It did not answer in time.
    Late,
    /// It says so itself.
    Broken(Box<dyn Error + Send + Sync>),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late => f.write_str("the store of the ledger did not answer in time"),
            Self::Broken(cause) => write!(f, "the store of the ledger failed: {cause}"),
        }
    }
}

impl Error for StoreError {}

/// A place where records are kept. It is asked before a delivery, and told after it.
///
/// Whoever calls sees to it that in one process one delivery of a notification runs at a time, and gives up on a call that
/// takes too long; a future that is dropped may have done its work or not.
pub(crate) trait Store {
    /// What is known of `key` at `now`. A store that replicas share notes that this one delivers it from now on, for as long
    /// as the terms say.
    async fn begin(&self, key: Key, now: Moment, terms: &Terms) -> Result<Known, StoreError>;

    /// Remembers what a delivery came to. When this returns, the record is as safe as the store can make it.
    ///
    /// A `failure` is there if it failed and its event is to be kept for another try by hand; with an acceptance, what was kept
    /// is kept no longer.
    async fn end(
        &self,
        key: Key,
        record: Record,
        failure: Option<Failure<'_>>,
        terms: &Terms,
    ) -> Result<(), StoreError>;

    /// The notifications whose events are kept, those first that were first seen.
    async fn kept(&self) -> Result<Vec<Key>, StoreError>;

    /// What is kept of these events, but for their bodies. Those that are kept no longer are missing.
    async fn entries(&self, keys: Vec<Key>) -> Result<Vec<Found>, StoreError>;

    /// The event that is kept under `key`.
    async fn stored(&self, key: Key) -> Result<Option<Stored>, StoreError>;

    /// Whether one of these notifications was accepted, as far as is remembered at `now`. Nothing is begun by asking.
    async fn is_any_accepted(&self, keys: &[Key], now: Moment, terms: &Terms) -> Result<bool, StoreError>;

    /// Forgets what need not be known any more. Called now and then.
    fn sweep(&self, now: Moment, terms: &Terms);
}

/// The store that was configured.
#[derive(Debug)]
pub(crate) enum AnyStore {
    /// `memory`.
    Memory(Memory),
    /// `file`.
    File(FileStore),
    /// `redis`.
    Redis(Box<RedisStore>),
    /// `file`, in a simulation.
    #[cfg(test)]
    Simulated(super::simulated::Simulated),
}

/// What waits for Redis is large, and stands elsewhere, so that the notifications which wait for nothing are not moved with room
/// for it.
impl Store for AnyStore {
    async fn begin(&self, key: Key, now: Moment, terms: &Terms) -> Result<Known, StoreError> {
        match self {
            Self::Memory(store) => store.begin(key, now, terms).await,
            Self::File(store) => store.begin(key, now, terms).await,
            Self::Redis(store) => Box::pin(store.begin(key, now, terms)).await,
            #[cfg(test)]
            Self::Simulated(store) => store.begin(key, now, terms).await,
        }
    }

    async fn end(
        &self,
        key: Key,
        record: Record,
        failure: Option<Failure<'_>>,
        terms: &Terms,
    ) -> Result<(), StoreError> {
        match self {
            Self::Memory(store) => store.end(key, record, failure, terms).await,
            Self::File(store) => store.end(key, record, failure, terms).await,
            Self::Redis(store) => Box::pin(store.end(key, record, failure, terms)).await,
            #[cfg(test)]
            Self::Simulated(store) => store.end(key, record, failure, terms).await,
        }
    }

    async fn kept(&self) -> Result<Vec<Key>, StoreError> {
        match self {
            Self::Memory(store) => store.kept().await,
            Self::File(store) => store.kept().await,
            Self::Redis(store) => Box::pin(store.kept()).await,
            #[cfg(test)]
            Self::Simulated(store) => store.kept().await,
        }
    }

    async fn entries(&self, keys: Vec<Key>) -> Result<Vec<Found>, StoreError> {
        match self {
            Self::Memory(store) => store.entries(keys).await,
            Self::File(store) => store.entries(keys).await,
            Self::Redis(store) => Box::pin(store.entries(keys)).await,
            #[cfg(test)]
            Self::Simulated(store) => store.entries(keys).await,
        }
    }

    async fn stored(&self, key: Key) -> Result<Option<Stored>, StoreError> {
        match self {
            Self::Memory(store) => store.stored(key).await,
            Self::File(store) => store.stored(key).await,
            Self::Redis(store) => Box::pin(store.stored(key)).await,
            #[cfg(test)]
            Self::Simulated(store) => store.stored(key).await,
        }
    }

    async fn is_any_accepted(&self, keys: &[Key], now: Moment, terms: &Terms) -> Result<bool, StoreError> {
        match self {
            Self::Memory(store) => store.is_any_accepted(keys, now, terms).await,
            Self::File(store) => store.is_any_accepted(keys, now, terms).await,
            Self::Redis(store) => Box::pin(store.is_any_accepted(keys, now, terms)).await,
            #[cfg(test)]
            Self::Simulated(store) => store.is_any_accepted(keys, now, terms).await,
        }
    }

    fn sweep(&self, now: Moment, terms: &Terms) {
        match self {
            Self::Memory(store) => store.sweep(now, terms),
            Self::File(store) => store.sweep(now, terms),
            Self::Redis(store) => store.sweep(now, terms),
            #[cfg(test)]
            Self::Simulated(store) => store.sweep(now, terms),
        }
    }
}
