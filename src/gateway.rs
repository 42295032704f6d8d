//! The page that shows the whole way: a request in, an answer out.

use std::error::Error;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Body;
use hyper::{Request, Response, StatusCode};

use crate::ack::{Outcome, ack};
use crate::config::Config;
use crate::confirm::confirm;
use crate::deliver::trace::TraceContext;
use crate::deliver::{Idle, Upstream};
use crate::diagnose::queue::DiagnosisQueue;
use crate::ledger::Ledger;
use crate::outside::{Machine, Outside};
use crate::passthrough::Passthrough;
use crate::receive::{is_served, receive};
use crate::rejection::{Reason, Rejection};
use crate::server::drain::{Drain, Phase};
use crate::telemetry::metrics::{Methods, Metrics};
use crate::telemetry::{Line, Telemetry};
use crate::translate::{Event, Translator};
use crate::verify::kind::Kind;
use crate::verify::verify;

#[cfg(test)]
mod simulation;

/// What the workers have in common, while one configuration is served by.
#[derive(Clone)]
pub struct Shared {
    /// What was configured.
    pub config: Arc<Config>,
    /// The messages that are known.
    pub translator: Arc<Translator>,
    /// Their names, and how often each came.
    pub methods: Arc<Methods>,
    /// How many connections may be open: no more than there are descriptors for.
    pub max_connections: usize,
    /// What goes on when another is.
    pub lasting: Lasting,
}

/// What outlives a configuration.
#[derive(Clone)]
pub struct Lasting {
    /// The idle connections to the upstreams.
    pub idle: Idle,
    /// What became of each notification.
    pub ledger: Arc<Ledger>,
    /// The counters.
    pub metrics: Arc<Metrics>,
    /// Where some of what is refused is diagnosed.
    pub diagnoses: Arc<DiagnosisQueue>,
}

/// The rooms of one worker, while one configuration is served by.
pub struct Gateway<O = Machine> {
    shared: Arc<Shared>,
    upstream: Upstream<O>,
    passthrough: Option<Passthrough>,
    telemetry: Telemetry,
}

impl Shared {
    /// Forgets in the ledger what need not be known any more, and tells its store what it could not be told before.
    pub(crate) async fn sweep(&self) {
        self.lasting.ledger.sweep(Machine::now(), self.config.terms()).await;
    }
}

impl<O: Outside> Gateway<O> {
    /// The way of the worker of this number, which tells of it by `telemetry`.
    pub fn new(
        shared: Arc<Shared>,
        worker: usize,
        telemetry: &Telemetry,
    ) -> Result<Self, hyper::http::Error> {
        let Lasting { idle, metrics, .. } = &shared.lasting;
        let upstream = Upstream::new(shared.config.upstream.clone(), worker, idle, metrics.in_flight())?;
        let passthrough = Passthrough::new(&shared.config, idle, metrics)?;
        let telemetry = telemetry.about(&shared.methods);
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
        let outcome = drain.unless(Phase::Ended, pin!(self.forward(request, &mut line, drain))).await;
        let outcome = outcome.unwrap_or_else(|stop| Err(Reason::from(stop).into()));
        self.telemetry.record(&line, &outcome);
        let response = ack(&outcome, self.shared.config.failure_status);
        if let Err(rejection) = outcome {
            self.diagnose(rejection, &line);
        }
        response
    }

    async fn forward<B>(
        &self,
        request: Request<B>,
        line: &mut Line,
        drain: &Drain,
    ) -> Result<Outcome, Rejection>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let Shared { config, translator, lasting: Lasting { ledger, .. }, .. } = &*self.shared;
        let trace = self.telemetry.enter(TraceContext::of(request.headers()));
        line.traced(&trace);
        if self.passthrough.is_some() && !is_served(request.uri(), &config.server.paths) {
            return Err(Reason::ClosedPath.into());
        }
        let received = receive(request, &config.server.paths, &config.limits).await?;
        line.received(&received);
        let now = O::now();
        let verified = verify(received, &config.keyring, &config.policy, now)?;
        line.verified(&verified);
        if verified.kind() == Kind::GatewayCheck {
            return confirm(verified, &config.answers).map(Outcome::Confirmed);
        }
        let event = translator.translate(verified)?;
        line.translated(&event);
        let Line { sighting, exchange, .. } = line;
        // What the end of the process cuts off has failed, and the ledger is told of it.
        let deliver = async |event: &Event, sighting| {
            let delivery = pin!(self.upstream.deliver(event, sighting, &trace, now, exchange));
            drain.unless(Phase::Over, delivery).await.unwrap_or_else(|stop| Err(Reason::from(stop).into()))
        };
        ledger.once(event, config.terms(), now, sighting, deliver).await
    }

    /// Has some of what is refused looked at, on another thread.
    fn diagnose(&self, rejection: Rejection, line: &Line) {
        let reason = rejection.reason();
        if let Some(evidence) = rejection.into_evidence()
            && self.shared.lasting.diagnoses.admits(reason, &evidence, Instant::now())
        {
            self.shared.lasting.diagnoses.take(line.refused(
                evidence,
                reason,
                Arc::clone(&self.shared.config),
            ));
        }
    }

    /// Tells of a request that was stopped before there was one, by its connection alone.
    pub(crate) fn stopped(&self, rejection: impl Into<Rejection>, peer: SocketAddr) -> StatusCode {
        self.telemetry.record(&Line::new(Instant::now(), peer), &Err(rejection.into()));
        self.shared.config.failure_status
    }
}
