//! What is no notification goes to the app's origin as it came, where `passthrough.enabled` says so.
//!
//! Nothing here is verified, so nothing here may reach what takes notifications, or pose as the sidecar: see
//! `closed` and `headers`. Bodies stream both ways. Each request has a connection to the app of its own: one that is
//! kept could be closed by the app just when the next request goes out, which nobody may send twice, and one that is
//! idle could keep a notification waiting.

mod body;
pub(crate) mod closed;
mod headers;
mod stream;
mod tally;

use std::error::Error;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, Uri, Version};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout};

pub use self::body::Passed;
use self::body::{Driver, Outgoing, Progress};
use self::closed::Closed;
use self::stream::Stream;
pub(crate) use self::tally::Ending;
use self::tally::Tally;
use crate::config::Config;
use crate::deliver::Idle;
use crate::server::drain::{Drain, Phase};
use crate::telemetry::metrics::Metrics;

/// How much is held of what the app answers, and the longest head of it.
const BUFFER: usize = 16 * 1024;
/// How long the app may take before the idle connections to it, which may occupy its only thread, are closed.
const PATIENCE: Duration = Duration::from_millis(100);

/// The passthrough, as one worker sees it.
pub struct Passthrough {
    closed: Closed,
    /// Host and port of the app.
    address: (String, u16),
    /// The `host` of requests that came without one.
    authority: HeaderValue,
    connect_timeout: Duration,
    /// How long the sender may take for the next piece of its body.
    pause: Duration,
    /// How long the app may take for the head of its answer.
    patience: Duration,
    max: usize,
    idle: Idle,
    metrics: Arc<Metrics>,
}

impl Passthrough {
    /// The passthrough of `config`, where it has one.
    pub(crate) fn new(
        config: &Config,
        idle: &Idle,
        metrics: &Arc<Metrics>,
    ) -> Result<Option<Self>, hyper::http::Error> {
        if !config.passthrough {
            return Ok(None);
        }
        let upstream = &config.upstream;
        Ok(Some(Self {
            closed: Closed::new(config.closed_paths()),
            address: upstream.url.address(),
            authority: HeaderValue::from_str(&upstream.url.authority)?,
            connect_timeout: upstream.connect_timeout,
            pause: config.limits.body_timeout,
            patience: config.server.keep_alive,
            max: upstream.max_in_flight,
            idle: idle.clone(),
            metrics: Arc::clone(metrics),
        }))
    }

    /// Whether a request for `target` may pass: it is a plain path, and leads to nothing that takes notifications.
    pub(crate) fn is_open(&self, method: &Method, target: &Uri) -> bool {
        let is_plain = target.scheme().is_none() && target.authority().is_none() && method != Method::CONNECT;
        is_plain && target.path().starts_with('/') && !self.closed.holds(target.path())
    }

    /// Passes one open request from `peer` to the app, and its answer back. Whatever happens, there is one answer.
    /// The connection of `peer` speaks `scheme`, which is `http` or `https`.
    pub(crate) async fn pass<B>(
        &self,
        request: Request<B>,
        peer: SocketAddr,
        scheme: &'static str,
        drain: &Drain,
    ) -> Response<Passed>
    where
        B: Body<Data = Bytes> + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let mut tally = Tally::begin(&self.metrics, peer);
        let exchange = self.exchange(request, peer, scheme, tally.count);
        match drain.unless(Phase::Over, pin!(exchange)).await.unwrap_or_else(|stop| Err(stop.into())) {
            Ok((response, driver)) => {
                tally.status = Some(response.status());
                response.map(|body| Passed::apps(body, driver, tally))
            }
            Err(ending) => {
                tally.ending = ending;
                answer(ending)
            }
        }
    }

    async fn exchange<B>(
        &self,
        request: Request<B>,
        peer: SocketAddr,
        scheme: &'static str,
        count: usize,
    ) -> Result<(Response<Incoming>, Driver), Ending>
    where
        B: Body<Data = Bytes> + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        if headers::is_websocket(request.headers()) {
            return Err(Ending::WebSocket);
        }
        if count > self.max {
            return Err(Ending::TooMany);
        }
        let (mut head, body) = request.into_parts();
        headers::of_request(&mut head.headers, peer.ip(), scheme);
        head.headers.entry(HOST).or_insert_with(|| self.authority.clone());
        head.uri = head.uri.path_and_query().cloned().map(Uri::from).unwrap_or_default();
        head.version = Version::HTTP_11;
        let (body, progress) = Outgoing::new(body, self.pause);
        let (sender, driver) = self.connect().await?;
        let response = self.send(sender, Request::from_parts(head, body), &progress).await?;
        if response.status().is_informational() {
            // It switches to what nobody asked for.
            return Err(Ending::NoAnswer);
        }
        let (mut head, body) = response.into_parts();
        headers::of_answer(&mut head.headers);
        head.version = Version::HTTP_11;
        Ok((Response::from_parts(head, body), driver))
    }

    async fn connect<B>(&self) -> Result<(SendRequest<B>, Driver), Ending>
    where
        B: Body<Data = Bytes> + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let (host, port) = &self.address;
        let stream = timeout(self.connect_timeout, TcpStream::connect((host.as_str(), *port)))
            .await
            .map_err(|_elapsed| Ending::TimedOut)?
            .map_err(|_unreachable| Ending::Unreachable)?;
        stream.set_nodelay(true).map_err(|_closed| Ending::Unreachable)?;
        let handshake =
            Builder::new().max_buf_size(BUFFER).handshake(TokioIo::new(Stream::new(stream))).await;
        let (sender, connection) = handshake.map_err(|_closed| Ending::NoAnswer)?;
        let driver = tokio::task::spawn_local(async move { drop(connection.await) });
        Ok((sender, Driver(driver.abort_handle())))
    }

    /// Sends `request`, and waits for the head of its answer for as long as the request moves, and then some.
    async fn send<B>(
        &self,
        mut sender: SendRequest<B>,
        request: Request<B>,
        progress: &Progress,
    ) -> Result<Response<Incoming>, Ending>
    where
        B: Body<Data = Bytes> + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let mut response = pin!(sender.send_request(request));
        let mut patience = pin!(sleep(PATIENCE));
        let mut is_patient = true;
        loop {
            let deadline = progress.moved.get().checked_add(self.patience);
            let deadline = deadline.ok_or(Ending::TimedOut)?;
            tokio::select! {
                biased;
                response = &mut response => {
                    return response.map_err(|_error| progress.fault.get().unwrap_or(Ending::NoAnswer));
                }
                () = &mut patience, if is_patient => {
                    is_patient = false;
                    self.idle.close(&self.address);
                }
                () = sleep_until(deadline) => {
                    if progress.moved.get().checked_add(self.patience) <= Some(Instant::now()) {
                        return Err(Ending::TimedOut);
                    }
                }
            }
        }
    }
}

/// What the sender hears where the app has said nothing.
fn answer(ending: Ending) -> Response<Passed> {
    let (status, text) = ending.answer();
    let mut response = Response::new(Passed::ours(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
    response
}
