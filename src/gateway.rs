//! The page that shows the whole way: a request in, an answer out.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Body;
use hyper::{Request, Response, StatusCode};
use tokio::time::sleep;

use crate::ack::{Outcome, ack};
use crate::config::Config;
use crate::confirm::confirm;
use crate::deliver::trace::TraceContext;
use crate::deliver::{Idle, Upstream};
use crate::ledger::Ledger;
use crate::receive::receive;
use crate::rejection::{Reason, Rejection};
use crate::server::drain::Drain;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::{Line, Telemetry};
use crate::translate::{Event, Translator};
use crate::verify::kind::Kind;
use crate::verify::verify;

/// What the workers have in common.
#[derive(Clone)]
pub struct Shared {
    /// What was configured.
    pub config: Arc<Config>,
    /// The messages that are known.
    pub translator: Arc<Translator>,
    /// What became of each notification.
    pub ledger: Arc<Ledger>,
    /// The idle connections to the upstreams.
    pub idle: Idle,
    /// The counters.
    pub metrics: Arc<Metrics>,
}

/// The rooms of one worker.
pub struct Gateway {
    shared: Shared,
    upstream: Upstream,
    telemetry: Telemetry,
}

impl Shared {
    /// Forgets in the ledger, once a minute, what need not be known any more.
    pub(crate) async fn sweep(self) {
        loop {
            sleep(Duration::from_mins(1)).await;
            self.ledger.sweep(now(), self.config.terms());
        }
    }
}

impl Gateway {
    /// The way of the worker of this number.
    pub fn new(shared: Shared, worker: usize) -> Result<Self, hyper::http::Error> {
        let upstream = shared.config.upstream.clone();
        let upstream = Upstream::new(upstream, worker, &shared.idle, shared.metrics.in_flight())?;
        let telemetry = Telemetry::new(Arc::clone(&shared.metrics));
        Ok(Self { shared, upstream, telemetry })
    }

    /// Answers one request from `peer`. Whatever happens on the way, there is one answer and one log line.
    pub async fn answer<B>(
        &self,
        request: Request<B>,
        peer: SocketAddr,
        drain: &Drain,
    ) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let mut line = Line::new(Instant::now(), peer);
        let outcome = drain.unless_over(self.forward(request, &mut line)).await;
        let outcome = outcome.unwrap_or_else(|stop| Err(Reason::from(stop).into()));
        self.telemetry.record(&line, &outcome);
        ack(&outcome, self.shared.config.failure_status)
    }

    async fn forward<B>(&self, request: Request<B>, line: &mut Line) -> Result<Outcome, Rejection>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let Shared { config, translator, ledger, .. } = &self.shared;
        let trace = TraceContext::of(request.headers());
        line.traced(&trace);
        let received = receive(request, &config.server.paths, &config.limits).await?;
        line.received(&received);
        let now = now();
        let verified = verify(received, &config.keyring, &config.policy, now)?;
        line.verified(&verified);
        if verified.kind() == Kind::GatewayCheck {
            return confirm(verified, &config.answers).map(Outcome::Confirmed);
        }
        let event = translator.translate(verified)?;
        line.translated(&event);
        let Line { sighting, exchange, .. } = line;
        let deliver = async |event: &Event, sighting| {
            self.upstream.deliver(event, sighting, &trace, now, exchange).await
        };
        ledger.once(event, config.terms(), now, sighting, deliver).await
    }

    /// Tells of a request that was stopped before there was one, by its connection alone.
    pub(crate) fn stopped(&self, reason: Reason, peer: SocketAddr) -> StatusCode {
        self.telemetry.record(&Line::new(Instant::now(), peer), &Err(reason.into()));
        self.shared.config.failure_status
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where time enters")]
fn now() -> SystemTime {
    SystemTime::now()
}
