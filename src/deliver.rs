//! `Event → Delivery`: one POST to the upstream, within one deadline.
//!
//! The request is built from nothing: of what came in, only the trace context goes on. A redirect is an answer like
//! any other, and never followed.

mod pool;
mod slot;
pub mod trace;

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode};
use tokio::time::{Instant, timeout};

pub use self::pool::Idle;
use self::pool::{Failure, Pool};
pub use self::slot::InFlight;
use self::trace::TraceContext;
use crate::config;
use crate::rejection::{Reason, Rejection};
use crate::translate::Event;

const NOTIFY_ID: HeaderName = HeaderName::from_static("alipay-notify-id");
const MSG_METHOD: HeaderName = HeaderName::from_static("alipay-msg-method");
const APP_ID: HeaderName = HeaderName::from_static("alipay-app-id");
const FORM: HeaderName = HeaderName::from_static("alipay-form");
const SCHEMA: HeaderName = HeaderName::from_static("alipay-schema");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

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
pub struct Upstream {
    config: config::Upstream,
    host: HeaderValue,
    pool: Rc<Pool>,
    in_flight: InFlight,
}

impl Upstream {
    /// The upstream of `config`, as the worker of this number sees it. All workers share `idle`, and count their
    /// deliveries in `in_flight`.
    pub fn new(
        config: config::Upstream,
        worker: usize,
        idle: Idle,
        in_flight: InFlight,
    ) -> Result<Self, hyper::http::Error> {
        let host = HeaderValue::from_str(&config.url.authority)?;
        let pool = Pool::new(&config, worker, idle);
        Ok(Self { config, host, pool: Rc::new(pool), in_flight })
    }

    /// Delivers `event` once. Anything but a status in `upstream.accept` within `upstream.timeout` is a rejection.
    pub async fn deliver(
        &self,
        event: &Event,
        trace: &TraceContext,
        exchange: &mut Exchange,
    ) -> Result<Delivery, Rejection> {
        let _slot = self.in_flight.enter(event.body().len(), self.config.max_in_flight)?;
        let request = self.request(event, trace)?;
        let start = Instant::now();
        let outcome = timeout(self.config.timeout, self.pool.send(request, &mut exchange.resent)).await;
        exchange.time = start.elapsed();
        match outcome {
            Ok(Ok(status)) => {
                exchange.status = Some(status);
                self.judge(status)
            }
            Ok(Err(Failure::Unreachable(cause))) => Err(Reason::UpstreamUnreachable.because(cause)),
            Ok(Err(Failure::Broken(cause))) => Err(Reason::UpstreamBroken.because(cause)),
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

    fn request(&self, event: &Event, trace: &TraceContext) -> Result<Request<Full<Bytes>>, Rejection> {
        let quoted = format!("\"{}\"", event.notify_id());
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.config.url.path_and_query.as_str())
            .header(HOST, &self.host)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"))
            .header(NOTIFY_ID, event.notify_id())
            .header(MSG_METHOD, event.msg_method())
            .header(APP_ID, event.app_id())
            .header(FORM, HeaderValue::from_static(event.signed_form().label()))
            .header(SCHEMA, HeaderValue::from_static(event.schema().label()))
            .header(IDEMPOTENCY_KEY, quoted)
            .header(TRACEPARENT, trace.parent());
        if let Some(state) = trace.state() {
            request = request.header(TRACESTATE, state);
        }
        request.body(Full::new(event.body().clone())).map_err(|error| Reason::Internal.because(error))
    }
}
