//! What there is to count of the ledger. The metrics read it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use tracing::{error, info, warn};

use super::kept::Kept;
use super::store::StoreError;

/// The figures of the ledger, shared by all that count and all that read.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    waiting: Waiting,
    keeping: Keeping,
    errors: Arc<AtomicU64>,
    is_out_of_reach: Arc<AtomicBool>,
}

impl Figures {
    /// How many failed notifications Alipay will deliver again.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.0.load(Ordering::Relaxed)
    }

    /// The same, for the store that counts them.
    pub(super) fn waiting_of_store(&self) -> Waiting {
        self.waiting.clone()
    }

    /// How many failed events are kept.
    pub(crate) fn kept(&self) -> usize {
        self.keeping.kept.load(Ordering::Relaxed)
    }

    /// How many events there was no room for.
    pub(crate) fn dropped(&self) -> u64 {
        self.keeping.dropped.load(Ordering::Relaxed)
    }

    /// The same, for the store that keeps them.
    pub(super) fn keeping_of_store(&self) -> Keeping {
        self.keeping.clone()
    }

    /// How often the store could not be asked or told.
    pub(crate) fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// Counts what the store failed at. The first time, it is told.
    pub(super) fn failed(&self, error: &StoreError) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        if !self.is_out_of_reach.swap(true, Ordering::Relaxed) {
            error!(event = "ledger_out_of_reach", %error, "until it is back, ledger.on_store_error holds");
        }
    }

    /// Notes that the store did what it was asked to. After a failure, that is told.
    pub(super) fn succeeded(&self) {
        if self.is_out_of_reach.load(Ordering::Relaxed) && self.is_out_of_reach.swap(false, Ordering::Relaxed)
        {
            info!(event = "ledger_back", "the store of the ledger does what it is asked to again");
        }
    }
}

/// How many failed notifications Alipay will deliver again, as the store knows.
#[derive(Debug, Clone, Default)]
pub(super) struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    pub(super) fn set(&self, count: usize) {
        self.0.store(count, Ordering::Relaxed);
    }
}

/// Why an event gives way to another.
pub(super) const NO_ROOM: &str = "there is room for no more: the oldest gives way";
/// Why an event is not kept in the first place.
pub(super) const TOO_SLOW: &str = "the store is too slow for all that fails";

/// How many failed events are kept, and for how many there was no room, as the store knows.
#[derive(Debug, Clone, Default)]
pub(super) struct Keeping {
    kept: Arc<AtomicUsize>,
    dropped: Arc<AtomicU64>,
}

impl Keeping {
    pub(super) fn set(&self, count: usize) {
        self.kept.store(count, Ordering::Relaxed);
    }

    /// Tells of one that is kept no longer, or that never was, and that was not accepted.
    pub(super) fn dropped(&self, event: &Kept, cause: &'static str) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        let Kept { app_id, notify_id, msg_method, .. } = event;
        warn!(
            event = "pending_dropped",
            app_id, notify_id, msg_method, cause, "what failed is not kept, and cannot be replayed"
        );
    }
}
