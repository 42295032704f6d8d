//! What the ledger counts, as metrics.

use prometheus::{IntCounter, IntGauge, Registry};

use crate::ledger::figures::Figures;

/// The metrics of the ledger.
pub(super) struct Ledger {
    /// What the ledger itself counts.
    pub(super) figures: Figures,
    /// Notifications whose last delivery failed.
    pub(super) last_attempts_failed: IntCounter,
    waiting_for_retry: IntGauge,
    pending: IntGauge,
    pending_dropped: IntCounter,
    errors: IntCounter,
}

impl Ledger {
    /// The metrics of a ledger, in `registry`.
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            figures: Figures::default(),
            last_attempts_failed: IntCounter::new(
                "alipay_sidecar_last_attempts_failed_total",
                "Notifications whose last delivery failed: they are lost unless somebody acts.",
            )?,
            waiting_for_retry: IntGauge::new(
                "alipay_sidecar_waiting_for_retry",
                "Failed notifications that Alipay will deliver again.",
            )?,
            pending: IntGauge::new(
                "alipay_sidecar_pending",
                "Failed notifications that are kept, to be replayed.",
            )?,
            pending_dropped: IntCounter::new(
                "alipay_sidecar_pending_dropped_total",
                "Failed notifications that there was no room to keep.",
            )?,
            errors: IntCounter::new(
                "alipay_sidecar_ledger_errors_total",
                "Times that the store of the ledger could not be asked or told.",
            )?,
        };
        registry.register(Box::new(metrics.last_attempts_failed.clone()))?;
        registry.register(Box::new(metrics.waiting_for_retry.clone()))?;
        registry.register(Box::new(metrics.pending.clone()))?;
        registry.register(Box::new(metrics.pending_dropped.clone()))?;
        registry.register(Box::new(metrics.errors.clone()))?;
        Ok(metrics)
    }

    /// Brings them up to date.
    pub(super) fn refresh(&self) {
        self.waiting_for_retry.set(i64::try_from(self.figures.waiting()).unwrap_or(i64::MAX));
        self.pending.set(i64::try_from(self.figures.kept()).unwrap_or(i64::MAX));
        self.pending_dropped.inc_by(self.figures.dropped().saturating_sub(self.pending_dropped.get()));
        self.errors.inc_by(self.figures.errors().saturating_sub(self.errors.get()));
    }
}
