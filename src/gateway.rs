//! The page that shows the whole way: a request in, an answer out.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Body;
use hyper::{Request, Response, StatusCode};

use crate::ack::{Outcome, ack};
use crate::config::Config;
use crate::confirm::confirm;
use crate::deliver::trace::TraceContext;
use crate::deliver::{Idle, Upstream};
use crate::passthrough::Passthrough;
use crate::receive::{is_served, receive};
use crate::rejection::{Reason, Rejection};
use crate::server::drain::Drain;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::spans::Spans;
use crate::telemetry::{Line, Telemetry};
use crate::translate::Translator;
use crate::verify::kind::Kind;
use crate::verify::verify;

/// What the workers have in common.
#[derive(Clone)]
pub struct Shared {
    /// What was configured.
    pub config: Arc<Config>,
    /// The messages that are known.
    pub translator: Arc<Translator>,
    /// The idle connections to the upstreams.
    pub idle: Idle,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// Where spans go, if they go anywhere.
    pub spans: Option<Spans>,
}

/// The rooms of one worker.
pub struct Gateway {
    shared: Shared,
    upstream: Upstream,
    passthrough: Option<Passthrough>,
    telemetry: Telemetry,
}

impl Gateway {
    /// The way of the worker of this number.
    pub fn new(shared: Shared, worker: usize) -> Result<Self, hyper::http::Error> {
        let upstream = shared.config.upstream.clone();
        let upstream = Upstream::new(upstream, worker, &shared.idle, shared.metrics.in_flight())?;
        let passthrough = Passthrough::new(&shared.config, "http", &shared.idle, &shared.metrics)?;
        let telemetry = Telemetry::new(Arc::clone(&shared.metrics)).with_spans(shared.spans.clone());
        Ok(Self { shared, upstream, passthrough, telemetry })
    }

    /// The passthrough, where it is the way of `request`. Whatever is for one of our paths, or could lead to a handler
    /// of notifications, has the other way.
    pub(crate) fn passes<B>(&self, request: &Request<B>) -> Option<&Passthrough> {
        let passthrough = self.passthrough.as_ref()?;
        let is_ours = is_served(request.uri(), &self.shared.config.server.paths);
        (!is_ours && passthrough.is_open(request.method(), request.uri())).then_some(passthrough)
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

    #[expect(clippy::disallowed_methods, reason = "the one place where time enters")]
    async fn forward<B>(&self, request: Request<B>, line: &mut Line) -> Result<Outcome, Rejection>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let Shared { config, translator, .. } = &self.shared;
        let trace = self.telemetry.enter(TraceContext::of(request.headers()));
        line.traced(&trace);
        if self.passthrough.is_some() && !is_served(request.uri(), &config.server.paths) {
            return Err(Reason::ClosedPath.into());
        }
        let received = receive(request, &config.server.paths, &config.limits).await?;
        line.received(&received);
        let now = SystemTime::now();
        let verified = verify(received, &config.keyring, &config.policy, now)?;
        line.verified(&verified);
        if verified.kind() == Kind::GatewayCheck {
            return confirm(verified, &config.answers).map(Outcome::Confirmed);
        }
        let event = translator.translate(verified)?;
        line.translated(&event);
        self.upstream.deliver(&event, &trace, now, &mut line.exchange).await.map(Outcome::Delivered)
    }

    /// Tells of a request that was stopped before there was one, by its connection alone.
    pub(crate) fn stopped(&self, reason: Reason, peer: SocketAddr) -> StatusCode {
        self.telemetry.record(&Line::new(Instant::now(), peer), &Err(reason.into()));
        self.shared.config.failure_status
    }
}
