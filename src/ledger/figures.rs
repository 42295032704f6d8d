//! What there is to count of the ledger. The metrics read it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

use tracing::{error, info, warn};

use super::kept::Kept;
use super::store::StoreError;

/// The figures of the ledger, shared by all that count and all that read.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    waiting: Waiting,
    keeping: Keeping,
    errors: Arc<AtomicU64>,
    out_of_reach: Arc<AtomicU8>,
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

    /// Tells of a failure that was to be kept, and that the store could not be told of.
    pub(super) fn unkept(&self, event: &Kept) {
        self.keeping.dropped(event, UNTOLD);
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
    pub(super) fn failed(&self, step: Step, error: &StoreError) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        if self.out_of_reach.fetch_or(step.bit(), Ordering::Relaxed) == 0 {
            error!(event = "ledger_out_of_reach", %error, "until it is back, ledger.on_store_error holds");
        }
    }

    /// Whether the store fails at this, as far as is known.
    #[cfg(test)]
    pub(super) fn fails_at(&self, step: Step) -> bool {
        self.out_of_reach.load(Ordering::Relaxed) & step.bit() != 0
    }

    /// Counts and tells that the file of the store is not where it was.
    pub(super) fn misplaced(&self, error: &io::Error) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        error!(
            event = "ledger_file_gone",
            %error,
            "what is remembered is lost when the process ends: put the same file back, or restart to begin a new one"
        );
    }

    /// Notes that the store did what it was asked to. After a failure at the same, that is told, once nothing else fails.
    pub(super) fn succeeded(&self, step: Step) {
        let bit = step.bit();
        if self.out_of_reach.load(Ordering::Relaxed) & bit != 0
            && self.out_of_reach.fetch_and(!bit, Ordering::Relaxed) == bit
        {
            info!(event = "ledger_back", "the store of the ledger does what it is asked to again");
        }
    }
}

/// What a store is needed for. One may work where the other does not: a full disk can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It says what it knows.
    Ask,
    /// It remembers.
    Tell,
    /// It forgets.
    Sweep,
}

impl Step {
    /// Its place among those that fail.
    const fn bit(self) -> u8 {
        match self {
            Self::Ask => 1,
            Self::Tell => 2,
            Self::Sweep => 4,
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

/// Why an event is kept no longer, though nobody needs its place.
pub(super) const TOO_OLD: &str = "it was kept for as long as such events are";
/// Why an event may not be kept: the store may have it all the same.
pub(super) const UNTOLD: &str = "the store could not be told of the failure";
/// Why an event cannot be given back any more.
pub(super) const GONE: &str = "the store has it no longer: it was evicted, or somebody removed it";

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

    /// Tells of one of which only its `record` is known, which is what its notification is called in the ledger.
    pub(super) fn lost(&self, record: &str, cause: &'static str) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        warn!(event = "pending_dropped", record, cause, "what failed is not kept, and cannot be replayed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_back_when_it_does_again_what_it_failed_at() {
        let figures = Figures::default();
        let fails_at = || figures.out_of_reach.load(Ordering::Relaxed);
        figures.failed(Step::Tell, &StoreError::Late);
        figures.succeeded(Step::Ask);
        figures.failed(Step::Ask, &StoreError::Late);
        figures.succeeded(Step::Sweep);
        figures.succeeded(Step::Ask);
        assert_eq!(fails_at(), Step::Tell.bit());
        figures.succeeded(Step::Tell);
        assert_eq!((fails_at(), figures.errors()), (0, 2));
    }
}
