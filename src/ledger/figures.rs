//! What there is to count of the ledger. The metrics read it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use tracing::{error, info};

use super::store::StoreError;

/// The figures of the ledger, shared by all that count and all that read.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    waiting: Waiting,
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
