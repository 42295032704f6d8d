//! What is told of each notification: one log line, the counters and a span, from one function, [`Telemetry::record`].
//!
//! Names of parameters may be logged, values not, but for the ids whose grammar leaves nothing to hide in. Labels
//! of metrics come from closed lists only.

mod ledger;
pub mod log;
pub mod metrics;
mod process;
mod sampler;
pub mod spans;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::metrics::{Methods, Metrics};
use self::sampler::Sampler;
use self::spans::Spans;
use crate::ack::Outcome;
use crate::config::Config;
use crate::deliver::Exchange;
use crate::deliver::trace::TraceContext;
use crate::diagnose::queue::Refused;
use crate::ledger::Sighting;
use crate::receive::Received;
use crate::rejection::{Answer, Evidence, Reason, Rejection, Severity};
use crate::translate::Event;
use crate::verify::envelope::{is_app_id, is_flat_notify_id, is_msg_method};
use crate::verify::{SignedForm, Verified};

/// What is known of one notification, gathered on its way; the log line that it will be.
#[derive(Debug)]
pub struct Line {
    start: Instant,
    peer: SocketAddr,
    bytes: usize,
    app_id: Option<String>,
    notify_id: Option<String>,
    msg_method: Option<String>,
    method_index: Option<usize>,
    form: Option<SignedForm>,
    schema: Option<&'static str>,
    violations: Option<String>,
    trace: Option<TraceContext>,
    /// What the ledger says of the delivery.
    pub sighting: Option<Sighting>,
    /// What the delivery saw of the upstream.
    pub exchange: Exchange,
}

impl Line {
    /// The line of a request that came from `peer` at `start`.
    pub fn new(start: Instant, peer: SocketAddr) -> Self {
        Self {
            start,
            peer,
            bytes: 0,
            app_id: None,
            notify_id: None,
            msg_method: None,
            method_index: None,
            form: None,
            schema: None,
            violations: None,
            trace: None,
            sighting: None,
            exchange: Exchange::default(),
        }
    }

    /// Notes what the sender claims. Only what keeps to its grammar is noted, so nothing hostile reaches the log.
    pub fn received(&mut self, received: &Received) {
        let claim = |name, grammar: fn(&[u8]) -> bool| {
            let value = received.form.get(name).filter(|value| grammar(value))?;
            str::from_utf8(value).ok().map(ToOwned::to_owned)
        };
        self.bytes = received.bytes;
        self.app_id = claim("app_id", is_app_id);
        self.notify_id = claim("notify_id", is_flat_notify_id);
        self.msg_method = claim("msg_method", is_msg_method).or_else(|| claim("notify_type", is_msg_method));
    }

    /// Notes the form in which the signature held, and for which app, which not every kind says in `app_id`.
    pub fn verified(&mut self, verified: &Verified) {
        self.app_id.get_or_insert_with(|| verified.app_id().to_owned());
        self.form = Some(verified.signed_form());
    }

    /// Notes the trace that the request belongs to.
    pub fn traced(&mut self, trace: &TraceContext) {
        self.trace = Some(trace.clone());
    }

    /// Whether the last delivery of a notification failed: it is lost unless somebody acts.
    fn is_loss(&self) -> bool {
        self.sighting.is_some_and(Sighting::is_loss)
    }

    /// What is told to whoever diagnoses what was refused.
    pub(crate) fn refused(&self, evidence: Evidence, reason: Reason, config: Arc<Config>) -> Refused {
        Refused {
            evidence,
            reason,
            app_id: self.app_id.clone(),
            notify_id: self.notify_id.clone(),
            trace_id: self.trace.as_ref().map(|trace| trace.id().to_owned()),
            config,
        }
    }

    /// Notes what the catalogue says of the notification.
    pub fn translated(&mut self, event: &Event) {
        self.method_index = event.method_index();
        self.schema = Some(event.schema().label());
        if !event.violations().is_empty() {
            let violations: Vec<String> = event.violations().iter().map(ToString::to_string).collect();
            self.violations = Some(violations.join("; "));
        }
    }
}

/// Where the log lines and the counters of one worker go.
#[derive(Clone)]
pub struct Telemetry {
    metrics: Arc<Metrics>,
    methods: Arc<Methods>,
    sampler: Sampler,
    spans: Option<Spans>,
}

impl Telemetry {
    /// Telemetry that counts in `metrics`.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { methods: metrics.methods(), metrics, sampler: Sampler::default(), spans: None }
    }

    /// Telemetry that sends spans too, if there are any to be sent.
    #[must_use]
    pub fn with_spans(self, spans: Option<Spans>) -> Self {
        Self { spans, ..self }
    }

    /// The same, for what is about the messages of another catalogue.
    pub(crate) fn about(&self, methods: &Arc<Methods>) -> Self {
        Self { methods: Arc::clone(methods), ..self.clone() }
    }

    /// The trace context as it goes on from here: with a span of ours, where spans are sent and the trace is sampled.
    pub fn enter(&self, trace: TraceContext) -> TraceContext {
        if self.spans.is_some() { trace.recorded() } else { trace }
    }

    /// The counters.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Tells what became of one request. Called once for each, whatever happened, in the runtime of the worker.
    pub fn record(&self, line: &Line, outcome: &Result<Outcome, Rejection>) {
        let handling = line.start.elapsed().saturating_sub(line.exchange.time);
        // What was verified and not translated has a name all the same.
        let verified = line.msg_method.as_deref().filter(|_| line.form.is_some());
        let method = line.method_index.or_else(|| self.methods.index(verified?));
        self.methods.notification(Verdict::of(outcome), method);
        self.metrics.handled(handling);
        if let Some(form) = line.form {
            self.metrics.signature_form(form);
        }
        if line.is_loss() {
            self.metrics.last_attempt_failed();
        }
        if !line.exchange.time.is_zero() {
            self.metrics.upstream_took(line.exchange.time);
        }
        // What was verified is always written; what anybody can send, within bounds.
        if line.form.is_some() || self.sampler.admits(tokio::time::Instant::now()) {
            log::notification(line, outcome, handling);
            if let Some(spans) = &self.spans {
                spans.record(line, Verdict::of(outcome), self.methods.name(method));
            }
        }
    }
}

/// What became of a request, without its proof or its cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Delivered,
    Repeated,
    Confirmed,
    Stopped(Reason),
}

impl Verdict {
    /// How many there are.
    pub(crate) const COUNT: usize = Reason::ALL.len().saturating_add(3);

    pub(crate) fn of(outcome: &Result<Outcome, Rejection>) -> Self {
        match outcome {
            Ok(Outcome::Delivered(_)) => Self::Delivered,
            Ok(Outcome::Repeated(_)) => Self::Repeated,
            Ok(Outcome::Confirmed(_)) => Self::Confirmed,
            Err(rejection) => Self::Stopped(rejection.reason()),
        }
    }

    /// Its place among all.
    pub(crate) fn index(self) -> usize {
        match self {
            Self::Delivered => 0,
            Self::Repeated => 1,
            Self::Confirmed => 2,
            Self::Stopped(reason) => reason.index().saturating_add(3),
        }
    }

    /// The label `outcome` of log and metrics.
    pub(crate) fn outcome(self) -> &'static str {
        match self {
            Self::Delivered => "accepted",
            Self::Repeated => "repeated",
            Self::Confirmed => "confirmed",
            Self::Stopped(reason) => match reason.rule().answer {
                Answer::Status(_) => "refused",
                Answer::Retry => "failed",
                Answer::Close => "closed",
            },
        }
    }

    /// The label `reason` of log and metrics, where there is one.
    pub(crate) fn reason(self) -> Option<&'static str> {
        match self {
            Self::Delivered | Self::Repeated | Self::Confirmed => None,
            Self::Stopped(reason) => Some(reason.rule().label),
        }
    }

    /// Who has to act.
    pub(crate) fn severity(self) -> Severity {
        match self {
            Self::Delivered | Self::Repeated | Self::Confirmed => Severity::Sender,
            Self::Stopped(reason) => reason.rule().severity,
        }
    }
}

/// Milliseconds with three decimals, which is what a reader of a log wants of a duration.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}
