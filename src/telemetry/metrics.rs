//! The counters, as Prometheus reads them.
//!
//! Whatever is counted for each notification is found by an index, without a lock: labels are looked up once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
    opts,
};

use super::ledger::Ledger;
use super::process::Process;
use super::{Verdict, log};
use crate::deliver::InFlight;
use crate::ledger::figures::Figures;
use crate::passthrough::Ending;
use crate::verify::SignedForm;

/// Upper bounds of the upstream's time, in seconds: up to the 16 s that Alipay waits.
const UPSTREAM_BUCKETS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 16.0];
/// Upper bounds of our own time, in seconds.
const HANDLING_BUCKETS: &[f64] = &[0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.0025, 0.01, 0.1, 1.0, 10.0];

/// The counters of the process, shared by its workers.
pub struct Metrics {
    registry: Registry,
    /// Those of the catalogue that is served now.
    methods: Mutex<Arc<Methods>>,
    forms: [IntCounter; 2],
    upstream_seconds: Histogram,
    handling_seconds: Histogram,
    log_lines_dropped: IntCounter,
    spans_exported: IntCounter,
    spans_dropped: IntCounter,
    in_flight_gauge: IntGauge,
    in_flight_bytes_gauge: IntGauge,
    connections_gauge: IntGauge,
    reloads: [IntCounter; 3],
    certificate_expiry: IntGaugeVec,
    process: Process,
    in_flight: InFlight,
    connections: Arc<AtomicUsize>,
    ledger: Ledger,
    passthrough: [IntCounter; Ending::ALL.len()],
    passthrough_in_flight_gauge: IntGauge,
    passing: Arc<AtomicUsize>,
}

/// What became of a request to read the configuration again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reloaded {
    /// It is served by what is new.
    Applied,
    /// Nothing was new.
    Unchanged,
    /// What is new cannot be served by, so nothing changed.
    Refused,
}

impl Reloaded {
    const ALL: [Self; 3] = [Self::Applied, Self::Unchanged, Self::Refused];

    /// The label `result` of log and metrics.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
        }
    }
}

/// The messages of one catalogue, with the counters of the requests that were about them.
pub struct Methods {
    names: Vec<String>,
    notifications: IntCounterVec,
    /// The counter of each pair of outcome and method, once it was used.
    by_outcome: Vec<OnceLock<IntCounter>>,
}

impl Methods {
    fn new<'a>(names: impl Iterator<Item = &'a str>, notifications: IntCounterVec) -> Self {
        let mut names: Vec<String> = names.map(ToOwned::to_owned).collect();
        names.push("other".to_owned());
        let by_outcome = (0..Verdict::COUNT.saturating_mul(names.len())).map(|_| OnceLock::new()).collect();
        Self { names, notifications, by_outcome }
    }

    /// Counts a request by what became of it. `method` is the index of its message in the catalogue.
    pub(crate) fn notification(&self, verdict: Verdict, method: Option<usize>) {
        let method =
            method.filter(|method| *method < self.names.len()).unwrap_or(self.names.len().saturating_sub(1));
        let index = verdict.index().saturating_mul(self.names.len()).saturating_add(method);
        if let Some(counter) = self.by_outcome.get(index) {
            counter.get_or_init(|| self.counter(verdict, method)).inc();
        }
    }

    fn counter(&self, verdict: Verdict, method: usize) -> IntCounter {
        self.notifications.with_label_values(&[
            verdict.outcome(),
            verdict.reason().unwrap_or_default(),
            self.name(Some(method)),
        ])
    }

    /// The name of the message of this index, as the label `msg_method` has it.
    pub(super) fn name(&self, method: Option<usize>) -> &str {
        method.and_then(|method| self.names.get(method)).map_or("other", String::as_str)
    }

    /// The index of the message `method` in the catalogue.
    pub(crate) fn index(&self, method: &str) -> Option<usize> {
        self.names.iter().position(|known| known == method)
    }
}

impl Metrics {
    /// Counters for the messages of the catalogue, whose names are `methods` in the order of their indices, and for a ledger that is
    /// kept in such a store.
    pub fn new<'a>(methods: impl Iterator<Item = &'a str>, ledger: &str) -> Result<Self, prometheus::Error> {
        let notifications = IntCounterVec::new(
            Opts::new("alipay_sidecar_notifications_total", "Requests answered, by what became of them."),
            &["outcome", "reason", "msg_method"],
        )?;
        let counters =
            |name: &str, help: &str, label: &str| IntCounterVec::new(Opts::new(name, help), &[label]);
        let forms = counters(
            "alipay_sidecar_signature_form_total",
            "Genuine notifications, by the form of their signed text.",
            "form",
        )?;
        let reloads = counters(
            "alipay_sidecar_reloads_total",
            "How often the configuration was read again, by what came of it.",
            "result",
        )?;
        let spans = counters(
            "alipay_sidecar_spans_total",
            "Spans, by whether the collector took them or they were dropped.",
            "result",
        )?;
        let passthrough = counters(
            "alipay_sidecar_passthrough_total",
            "Requests passed through, by what became of them.",
            "result",
        )?;
        let histogram = |name: &str, help: &str, buckets: &[f64]| {
            Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))
        };
        let registry = Registry::new();
        let metrics = Self {
            process: Process::register(&registry)?,
            ledger: Ledger::register(&registry)?,
            registry,
            methods: Mutex::new(Arc::new(Methods::new(methods, notifications.clone()))),
            forms: [SignedForm::V1, SignedForm::V2].map(|form| forms.with_label_values(&[form.label()])),
            upstream_seconds: histogram(
                "alipay_sidecar_upstream_seconds",
                "Time the upstream took.",
                UPSTREAM_BUCKETS,
            )?,
            handling_seconds: histogram(
                "alipay_sidecar_handling_seconds",
                "Time a request took, less the upstream's.",
                HANDLING_BUCKETS,
            )?,
            log_lines_dropped: IntCounter::new(
                "alipay_sidecar_log_lines_dropped_total",
                "Lines not written because the reader of the log was too slow.",
            )?,
            spans_exported: spans.with_label_values(&["exported"]),
            spans_dropped: spans.with_label_values(&["dropped"]),
            in_flight_gauge: IntGauge::new("alipay_sidecar_in_flight", "Deliveries in flight.")?,
            in_flight_bytes_gauge: IntGauge::new(
                "alipay_sidecar_in_flight_bytes",
                "Bytes that the bodies of the deliveries in flight hold.",
            )?,
            connections_gauge: IntGauge::new(
                "alipay_sidecar_connections",
                "Connections open on the public listener.",
            )?,
            reloads: Reloaded::ALL.map(|result| reloads.with_label_values(&[result.label()])),
            certificate_expiry: IntGaugeVec::new(
                Opts::new(
                    "alipay_sidecar_certificate_expiry_timestamp_seconds",
                    "When a certificate expires, in seconds since 1970.",
                ),
                &["name"],
            )?,
            in_flight: InFlight::default(),
            connections: Arc::default(),
            passthrough: Ending::ALL.map(|ending| passthrough.with_label_values(&[ending.label()])),
            passthrough_in_flight_gauge: IntGauge::new(
                "alipay_sidecar_passthrough_in_flight",
                "Requests being passed through.",
            )?,
            passing: Arc::default(),
        };
        let build_info = IntGauge::with_opts(
            opts!("alipay_sidecar_build_info", "The version that runs, and where it keeps its ledger.")
                .const_label("version", env!("CARGO_PKG_VERSION"))
                .const_label("ledger", ledger),
        )?;
        build_info.set(1);
        let registry = &metrics.registry;
        registry.register(Box::new(notifications))?;
        registry.register(Box::new(forms))?;
        registry.register(Box::new(spans))?;
        registry.register(Box::new(metrics.upstream_seconds.clone()))?;
        registry.register(Box::new(metrics.handling_seconds.clone()))?;
        registry.register(Box::new(metrics.log_lines_dropped.clone()))?;
        registry.register(Box::new(metrics.in_flight_gauge.clone()))?;
        registry.register(Box::new(metrics.in_flight_bytes_gauge.clone()))?;
        registry.register(Box::new(metrics.connections_gauge.clone()))?;
        registry.register(Box::new(reloads))?;
        registry.register(Box::new(metrics.certificate_expiry.clone()))?;
        registry.register(Box::new(passthrough))?;
        registry.register(Box::new(metrics.passthrough_in_flight_gauge.clone()))?;
        registry.register(Box::new(build_info))?;
        Ok(metrics)
    }

    /// The deliveries in flight, in all workers.
    pub(crate) fn in_flight(&self) -> InFlight {
        self.in_flight.clone()
    }

    /// The number of open connections, in all workers.
    pub(crate) fn connections(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.connections)
    }

    /// The figures of the ledger.
    pub(crate) fn ledger(&self) -> Figures {
        self.ledger.figures.clone()
    }

    /// Counts a notification whose last delivery failed.
    pub(crate) fn last_attempt_failed(&self) {
        self.ledger.last_attempts_failed.inc();
    }

    /// The messages of the catalogue that is served now.
    pub(crate) fn methods(&self) -> Arc<Methods> {
        Arc::clone(&self.methods.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The messages of the catalogue with these `names`, which is served from now on.
    pub(crate) fn methods_of<'a>(&self, names: impl Iterator<Item = &'a str>) -> Arc<Methods> {
        let mut present = self.methods.lock().unwrap_or_else(PoisonError::into_inner);
        let methods = Methods::new(names, present.notifications.clone());
        if methods.names != present.names {
            *present = Arc::new(methods);
        }
        Arc::clone(&present)
    }

    /// Counts what became of a request to read the configuration again.
    pub fn reloaded(&self, result: Reloaded) {
        let [applied, unchanged, refused] = &self.reloads;
        match result {
            Reloaded::Applied => applied.inc(),
            Reloaded::Unchanged => unchanged.inc(),
            Reloaded::Refused => refused.inc(),
        }
    }

    /// Shows when each of these certificates expires, and of no other.
    pub fn certificates(&self, expiries: &BTreeMap<String, Timestamp>) {
        self.certificate_expiry.reset();
        for (name, expiry) in expiries {
            self.certificate_expiry.with_label_values(&[name.as_str()]).set(expiry.as_second());
        }
    }

    /// The number of requests being passed through, in all workers.
    pub(crate) fn passing(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.passing)
    }

    /// Counts a request that was passed through by what became of it.
    pub(crate) fn passed(&self, ending: Ending) {
        let counters = Ending::ALL.iter().zip(&self.passthrough);
        counters.filter(|(counted, _)| **counted == ending).for_each(|(_, counter)| counter.inc());
    }

    pub(super) fn spans_exported(&self, count: u64) {
        self.spans_exported.inc_by(count);
    }

    pub(super) fn spans_dropped(&self, count: u64) {
        self.spans_dropped.inc_by(count);
    }

    /// Counts the form in which a signature held.
    pub(crate) fn signature_form(&self, form: SignedForm) {
        let [v1, v2] = &self.forms;
        match form {
            SignedForm::V1 => v1.inc(),
            SignedForm::V2 => v2.inc(),
        }
    }

    pub(crate) fn upstream_took(&self, time: Duration) {
        self.upstream_seconds.observe(time.as_secs_f64());
    }

    pub(crate) fn handled(&self, time: Duration) {
        self.handling_seconds.observe(time.as_secs_f64());
    }

    /// All figures in the text format of Prometheus.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let dropped = log::dropped();
        self.log_lines_dropped.inc_by(dropped.saturating_sub(self.log_lines_dropped.get()));
        self.in_flight_gauge.set(gauge(self.in_flight.count()));
        self.in_flight_bytes_gauge.set(gauge(self.in_flight.bytes()));
        self.connections_gauge.set(gauge(self.connections.load(Ordering::Relaxed)));
        self.ledger.refresh();
        self.process.refresh();
        self.passthrough_in_flight_gauge.set(gauge(self.passing.load(Ordering::Relaxed)));
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}
