//! The connections that wait for a request, of all workers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::SendRequest;
use tokio::time::Instant;

use super::counted::Answer;

/// How long a connection is kept idle: shorter than what servers commonly allow (5 s and more), so that the upstream
/// is rarely the one to close it, and short enough for one that has a single thread and other clients.
const IDLE_TIME: Duration = Duration::from_secs(4);

/// A connection to the upstream.
pub(super) struct Connection {
    pub(super) sender: SendRequest<Full<Bytes>>,
    pub(super) answer: Arc<Answer>,
}

/// A connection, and since when it is idle.
struct Kept {
    since: Instant,
    connection: Connection,
}

/// The idle connections to all upstreams, shared by all workers.
#[derive(Clone)]
pub struct Idle {
    workers: usize,
    by_address: Arc<Mutex<BTreeMap<(String, u16), IdleTo>>>,
}

impl Idle {
    /// Room for the connections of `workers`.
    pub fn new(workers: usize) -> Self {
        Self { workers, by_address: Arc::default() }
    }

    /// Those to the host and the port of `address`. It is asked once for each worker and configuration.
    pub(in crate::deliver) fn to(&self, address: &(String, u16)) -> IdleTo {
        let mut by_address = lock(&self.by_address);
        // What no worker delivers to any more was configured once.
        by_address.retain(|_, idle| Arc::strong_count(&idle.by_worker) > 1);
        by_address.entry(address.clone()).or_insert_with(|| IdleTo::new(self.workers)).clone()
    }

    /// Closes those to the host and the port of `address`, for somebody else who waits for it.
    pub(crate) fn close(&self, address: &(String, u16)) {
        let idle = lock(&self.by_address).get(address).cloned();
        drop(idle.map(|idle| idle.give_way()));
    }
}

/// The idle connections to one upstream, shared by all workers.
///
/// A worker prefers its own, whose event loop is at hand, and takes another's before it opens one more. The locks are
/// held for a push or a pop.
#[derive(Clone)]
pub(in crate::deliver) struct IdleTo {
    by_worker: Arc<[Mutex<VecDeque<Kept>>]>,
    /// How many requests wait for an answer over a new connection for longer than they should.
    waiting: Arc<AtomicUsize>,
}

impl IdleTo {
    fn new(workers: usize) -> Self {
        Self { by_worker: (0..workers).map(|_| Mutex::default()).collect(), waiting: Arc::default() }
    }

    /// The connection of `worker` that was used last, or else one of another worker.
    pub(super) fn take(&self, worker: usize) -> Option<Connection> {
        let (before, from_own) = self.by_worker.split_at_checked(worker)?;
        let newest = from_own.iter().chain(before).find_map(|idle| lock(idle).pop_back());
        newest.map(|kept| kept.connection)
    }

    /// Keeps `connection` for later, and says whether it did: while a request waits, none is kept.
    pub(super) fn put(&self, worker: usize, connection: Connection) -> bool {
        let keeps = self.waiting.load(Ordering::Relaxed) == 0;
        if keeps && let Some(idle) = self.by_worker.get(worker) {
            lock(idle).push_back(Kept { since: Instant::now(), connection });
        }
        keeps
    }

    /// Closes the connections of `worker` that were idle for too long at `now`, and says whether some are left.
    pub(super) fn expire(&self, worker: usize, now: Instant) -> bool {
        let Some(mut idle) = self.by_worker.get(worker).map(lock) else { return false };
        while idle.front().is_some_and(|kept| now.duration_since(kept.since) >= IDLE_TIME) {
            idle.pop_front();
        }
        !idle.is_empty()
    }

    /// Closes all idle connections, and keeps none until what is returned is dropped.
    pub(super) fn give_way(&self) -> Waiting {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        for idle in self.by_worker.iter() {
            lock(idle).clear();
        }
        Waiting(Arc::clone(&self.waiting))
    }
}

/// A request that waits for its answer.
pub(super) struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A queue is sound after whatever happened while it was locked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
