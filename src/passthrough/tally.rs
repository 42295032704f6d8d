//! What becomes of a request that is passed through, counted once whatever happens.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use hyper::StatusCode;

use crate::server::drain::Stop;
use crate::telemetry::log;
use crate::telemetry::metrics::Metrics;

/// What became of a request that was passed through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The app's answer passed to its end.
    Passed,
    /// It did not: the sender hung up, the app broke off, neither moved, or the process ended.
    CutOff,
    /// The body of the request is broken.
    BrokenBody,
    /// The sender paused for too long.
    SlowBody,
    /// It would have become a WebSocket.
    WebSocket,
    /// Too many are under way.
    TooMany,
    /// The app could not be reached.
    Unreachable,
    /// The app did not connect or answer in time.
    TimedOut,
    /// What the app answered is no answer.
    NoAnswer,
    /// The process is shutting down.
    ShuttingDown,
    /// A defect: a panic was caught.
    Internal,
}

impl Ending {
    /// Every ending.
    pub(crate) const ALL: [Self; 11] = [
        Self::Passed,
        Self::CutOff,
        Self::BrokenBody,
        Self::SlowBody,
        Self::WebSocket,
        Self::TooMany,
        Self::Unreachable,
        Self::TimedOut,
        Self::NoAnswer,
        Self::ShuttingDown,
        Self::Internal,
    ];

    /// Its name in log and metrics.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::CutOff => "cut_off",
            Self::BrokenBody => "broken_body",
            Self::SlowBody => "slow_body",
            Self::WebSocket => "websocket",
            Self::TooMany => "too_many",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::NoAnswer => "no_answer",
            Self::ShuttingDown => "shutting_down",
            Self::Internal => "internal",
        }
    }

    /// What the sender hears where the app has said nothing.
    pub(super) fn answer(self) -> (StatusCode, &'static str) {
        match self {
            Self::BrokenBody => (StatusCode::BAD_REQUEST, "The body of the request is broken.\n"),
            Self::SlowBody => (StatusCode::REQUEST_TIMEOUT, "The body of the request took too long.\n"),
            Self::WebSocket => (StatusCode::NOT_IMPLEMENTED, "WebSockets do not pass here.\n"),
            Self::TooMany => (StatusCode::SERVICE_UNAVAILABLE, "Too many requests are under way.\n"),
            Self::Unreachable => (StatusCode::BAD_GATEWAY, "The app cannot be reached.\n"),
            Self::TimedOut => (StatusCode::GATEWAY_TIMEOUT, "The app did not answer in time.\n"),
            Self::NoAnswer => (StatusCode::BAD_GATEWAY, "The app did not answer in HTTP.\n"),
            Self::ShuttingDown => (StatusCode::SERVICE_UNAVAILABLE, "The proxy is shutting down.\n"),
            Self::Passed | Self::CutOff | Self::Internal => {
                (StatusCode::INTERNAL_SERVER_ERROR, "The proxy has a defect.\n")
            }
        }
    }
}

impl From<Stop> for Ending {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Panicked => Self::Internal,
            Stop::Over => Self::ShuttingDown,
        }
    }
}

/// The count of one request: of those under way until it is dropped, then of its ending.
pub(super) struct Tally {
    metrics: Arc<Metrics>,
    under_way: Arc<AtomicUsize>,
    peer: SocketAddr,
    start: Instant,
    pub(super) ending: Ending,
    pub(super) status: Option<StatusCode>,
    /// How many are under way, with this one.
    pub(super) count: usize,
}

impl Tally {
    /// One more from `peer`; cut off, until it is known better.
    pub(super) fn begin(metrics: &Arc<Metrics>, peer: SocketAddr) -> Self {
        let under_way = metrics.passing();
        let count = under_way.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let metrics = Arc::clone(metrics);
        Self { metrics, under_way, peer, start: Instant::now(), ending: Ending::CutOff, status: None, count }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        self.metrics.passed(self.ending);
        log::passed(self.ending, self.status, self.start.elapsed(), self.peer);
    }
}
