//! Spans: one for each notification whose trace is sampled, sent to a collector where `telemetry.otlp_endpoint` names
//! one.
//!
//! Workers put spans into a bounded queue and never wait for it. The exporter takes them out in batches, on the main
//! thread. What finds the queue full, and what the collector does not take in the end, is dropped and counted.

mod client;
mod message;
mod span;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use prost::Message;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tracing::{info, warn};

use self::client::{Answer, Client};
use self::message::{Request, Span};
use super::metrics::Metrics;
use super::{Line, Verdict};
use crate::config::UpstreamUrl;
use crate::server::drain::Phase;

/// How many spans may wait: the default of the specification for batches, as [`BATCH`].
const QUEUE: usize = 2048;
/// How many spans go out at once.
const BATCH: usize = 512;
/// How long the first span of a batch waits for company.
const GATHERING: Duration = Duration::from_secs(1);
/// How often it is looked whether a batch is full meanwhile, so that pushing a span wakes nobody.
const LOOK: Duration = Duration::from_millis(50);
/// How often a batch is sent, unless the process ends before.
const ATTEMPTS: u32 = 5;
/// The rest after the first failure; it doubles with each.
const REST: Duration = Duration::from_secs(1);

/// The workers' end of the queue.
#[derive(Clone)]
pub struct Spans {
    queue: mpsc::Sender<Span>,
    metrics: Arc<Metrics>,
}

/// The other end, which sends the spans to the collector.
pub struct Exporter {
    queue: mpsc::Receiver<Span>,
    client: Client,
    metrics: Arc<Metrics>,
    is_failing: bool,
}

/// A queue to the collector at `url`.
pub fn spans(url: UpstreamUrl, metrics: &Arc<Metrics>) -> (Spans, Exporter) {
    let (sender, queue) = mpsc::channel(QUEUE);
    let exporter =
        Exporter { queue, client: Client::new(url), metrics: Arc::clone(metrics), is_failing: false };
    (Spans { queue: sender, metrics: Arc::clone(metrics) }, exporter)
}

impl Spans {
    /// Queues the span of `line`, if its trace is recorded. `method` is a name of the catalogue or `other`.
    #[expect(
        clippy::disallowed_methods,
        reason = "a span ends now, and collectors ask for the time of the day"
    )]
    pub(super) fn record(&self, line: &Line, verdict: Verdict, method: &str) {
        let Some(span) = span::of(line, verdict, method, line.start.elapsed(), SystemTime::now()) else {
            return;
        };
        if self.queue.try_send(span).is_err() {
            self.metrics.spans_dropped(1);
        }
    }
}

impl Exporter {
    /// Sends spans until there is no more [`Spans`] and the queue is empty. From the drain on nothing waits for
    /// company, and once all is over nothing is sent a second time.
    pub async fn run(mut self, mut phases: watch::Receiver<Phase>) {
        let mut batch = Vec::new();
        while self.queue.recv_many(&mut batch, BATCH).await > 0 {
            tokio::select! {
                () = self.gathered(batch.len()) => {}
                _ = phases.wait_for(|phase| *phase >= Phase::Draining) => {}
            }
            while batch.len() < BATCH {
                let Ok(span) = self.queue.try_recv() else { break };
                batch.push(span);
            }
            self.export(std::mem::take(&mut batch), &mut phases).await;
        }
    }

    /// Waits until there is enough for a batch, with the `count` spans that were taken out already, or long enough.
    async fn gathered(&self, count: usize) {
        let mut waited = Duration::ZERO;
        while waited < GATHERING && count.saturating_add(self.queue.len()) < BATCH {
            sleep(LOOK).await;
            waited = waited.saturating_add(LOOK);
        }
    }

    async fn export(&mut self, spans: Vec<Span>, phases: &mut watch::Receiver<Phase>) {
        let count = u64::try_from(spans.len()).unwrap_or(u64::MAX);
        let body = Bytes::from(Request::new(spans).encode_to_vec());
        let mut rest = REST;
        for attempt in 1..=ATTEMPTS {
            let (cause, asked) = match self.client.post(body.clone()).await {
                Ok(Answer::Taken(rejected)) => return self.taken(count, rejected),
                Ok(Answer::Refused(status)) => {
                    self.failed(&format!("the collector answers {status}"));
                    break;
                }
                Ok(Answer::Later(status, asked)) => (format!("the collector answers {status}"), asked),
                Err(error) => (error.to_string(), None),
            };
            self.failed(&cause);
            if attempt == ATTEMPTS || *phases.borrow() >= Phase::Over {
                break;
            }
            // Not all sidecars at once, when a collector comes back.
            let jitter = rest.mul_f64(fastrand::f64() / 2.0);
            tokio::select! {
                () = sleep(asked.unwrap_or(rest).saturating_add(jitter)) => {}
                _ = phases.wait_for(|phase| *phase >= Phase::Over) => {}
            }
            rest = rest.saturating_mul(2);
        }
        self.metrics.spans_dropped(count);
    }

    fn taken(&mut self, count: u64, rejected: u64) {
        let rejected = rejected.min(count);
        self.metrics.spans_exported(count.saturating_sub(rejected));
        self.metrics.spans_dropped(rejected);
        if rejected > 0 {
            self.failed("the collector did not take all spans");
        } else if std::mem::take(&mut self.is_failing) {
            info!(event = "spans_exported", "the collector takes spans again");
        }
    }

    /// Tells of the first failure of a row.
    fn failed(&mut self, cause: &str) {
        if !std::mem::replace(&mut self.is_failing, true) {
            warn!(
                event = "spans_not_exported",
                cause,
                "spans do not reach telemetry.otlp_endpoint; notifications go on, and spans that are dropped are counted"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Instant;

    use hyper::header::HeaderMap;

    use super::*;
    use crate::deliver::trace::TraceContext;
    use crate::rejection::Reason;

    #[test]
    fn what_finds_the_queue_full_is_dropped_and_counted() {
        let metrics = Arc::new(Metrics::new(std::iter::empty(), "off").unwrap());
        let (spans, exporter) = spans(UpstreamUrl::default(), &metrics);
        let mut line = Line::new(Instant::now(), SocketAddr::from(([127, 0, 0, 1], 1)));
        spans.record(&line, Verdict::Stopped(Reason::UnknownPath), "other");
        assert_eq!(exporter.queue.len(), 0, "without a trace there is no span");
        line.traced(&TraceContext::of(&HeaderMap::new()).recorded());
        for _ in 0..QUEUE + 3 {
            spans.record(&line, Verdict::Stopped(Reason::UnknownPath), "other");
        }
        assert_eq!(exporter.queue.len(), QUEUE);
        let dropped = "alipay_sidecar_spans_total{result=\"dropped\"} 3";
        assert!(metrics.text().unwrap().lines().any(|line| line == dropped));
    }
}
