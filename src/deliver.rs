//! `Event → Delivery`: one POST to the upstream, within one deadline.
//!
//! The request is built from nothing: of what came in, only the trace context goes on. A redirect is an answer like
//! any other, and never followed.

mod format;
mod pool;
mod request;
mod route;
mod slot;
pub mod trace;
pub mod webhook;

use std::time::{Duration, SystemTime};

use hyper::StatusCode;
use tokio::time::{Instant, timeout};

pub use self::pool::Idle;
use self::route::Targets;
pub use self::slot::InFlight;
use self::trace::TraceContext;
use crate::config;
use crate::ledger::Sighting;
use crate::outside::{Machine, Outside};
use crate::rejection::{Reason, Rejection};
use crate::translate::Event;

/// That the upstream took a notification: proof, for `success` is said for nothing else. Only [`Upstream::deliver`]
/// makes one.
#[derive(Debug)]
pub struct Delivery {
    status: StatusCode,
}

impl Delivery {
    /// The status with which the upstream accepted it.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    #[cfg(test)]
    pub(crate) fn for_tests(status: StatusCode) -> Self {
        Self { status }
    }
}

/// What was seen of the upstream, whatever came of it; for the log.
#[derive(Debug, Default)]
pub struct Exchange {
    /// The status that the upstream answered with, if it did.
    pub status: Option<StatusCode>,
    /// How long the upstream took, up to the end of its head.
    pub time: Duration,
    /// Whether the request was sent a second time because a reused connection turned out to be closed.
    pub resent: bool,
}

/// The app behind the sidecar, as one worker sees it.
pub struct Upstream<O = Machine> {
    config: config::Upstream,
    targets: Targets<O>,
    in_flight: InFlight,
}

impl<O: Outside> Upstream<O> {
    /// The upstream of `config`, as the worker of this number sees it. All workers share `idle`, and count their
    /// deliveries in `in_flight`.
    pub fn new(
        config: config::Upstream,
        worker: usize,
        idle: &Idle,
        in_flight: InFlight,
    ) -> Result<Self, hyper::http::Error> {
        let targets = Targets::new(&config, worker, idle)?;
        Ok(Self { config, targets, in_flight })
    }

    /// Delivers `event` once, signed as of `now` where there is a secret for it. Anything but a status in
    /// `upstream.accept` within `upstream.timeout` is a rejection. The upstream is told which delivery the ledger says it is.
    pub async fn deliver(
        &self,
        event: &Event,
        sighting: Option<Sighting>,
        trace: &TraceContext,
        now: SystemTime,
        exchange: &mut Exchange,
    ) -> Result<Delivery, Rejection> {
        let _slot =
            self.in_flight.enter(format::held(event, self.config.format), self.config.max_in_flight)?;
        let target = self.targets.of(event.msg_method());
        let request = || request::build(event, sighting, trace, target, &self.config, now);
        let start = Instant::now();
        let outcome = timeout(self.config.timeout, target.pool.send(request, &mut exchange.resent)).await;
        exchange.time = start.elapsed();
        match outcome {
            Ok(Ok(status)) => {
                exchange.status = Some(status);
                self.judge(status)
            }
            Ok(Err(rejection)) => Err(rejection),
            Err(_) => Err(Reason::UpstreamTimeout.into()),
        }
    }

    fn judge(&self, status: StatusCode) -> Result<Delivery, Rejection> {
        if self.config.accept.contains(status) {
            Ok(Delivery { status })
        } else if status.is_redirection() {
            Err(Reason::UpstreamRedirected.into())
        } else {
            Err(Reason::UpstreamRefused.into())
        }
    }
}
