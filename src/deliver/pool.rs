//! Keep-alive connections to one upstream.
//!
//! A general client cannot say whether a byte of the answer came, and that question decides whether a request may be
//! sent a second time. And upstreams may be old: many serve each connection with a thread of its own, so a connection
//! that is kept idle must never keep another one waiting.

mod counted;
mod idle;

use std::cell::Cell;
use std::error::Error;
use std::future::{Future, pending, poll_fn};
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::Builder;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, sleep, timeout};

use self::counted::{Answer, Counted};
pub use self::idle::Idle;
use self::idle::{Connection, IdleTo};
use crate::outside::Outside;
use crate::patience::within;
use crate::rejection::{Reason, Rejection};

/// The longest head of an answer.
const MAX_HEAD: usize = 16 * 1024;
/// How much of an answer's body is read, to make its connection fit for the next request.
const MAX_DRAIN: usize = 64 * 1024;
/// How long reading that rest may take.
const DRAIN_TIME: Duration = Duration::from_secs(1);
/// How long a new connection waits for its answer before idle ones give way.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long a kept connection may take to be ready for the next request.
const READY_TIME: Duration = Duration::from_millis(20);
/// How often connections are looked for that were idle for too long.
const SWEEP_TIME: Duration = Duration::from_secs(1);

/// Why no status came back.
#[derive(Debug)]
enum Failure {
    /// No connection could be made.
    Unreachable(Box<dyn Error + Send + Sync>),
    /// The connection broke, or what came over it was not an HTTP answer.
    Broken(Box<dyn Error + Send + Sync>),
}

impl From<Failure> for Rejection {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unreachable(cause) => Reason::UpstreamUnreachable.because(cause),
            Failure::Broken(cause) => Reason::UpstreamBroken.because(cause),
        }
    }
}

/// The connections of one worker to one upstream.
pub(super) struct Pool<O> {
    host: String,
    port: u16,
    connect_timeout: Duration,
    worker: usize,
    idle: IdleTo,
    /// Whether a task looks after the connections that this worker left idle.
    is_swept: Cell<bool>,
    /// Where its connections are made.
    outside: PhantomData<O>,
}

impl<O: Outside> Pool<O> {
    /// No connections yet to the host and the port of an `address`.
    pub(super) fn new(
        (host, port): &(String, u16),
        connect_timeout: Duration,
        worker: usize,
        idle: IdleTo,
    ) -> Self {
        Self {
            host: host.clone(),
            port: *port,
            connect_timeout,
            worker,
            idle,
            is_swept: Cell::new(false),
            outside: PhantomData,
        }
    }

    /// Sends what `build` makes and returns the status of the answer, whose body is read and dropped on the side.
    ///
    /// A reused connection may have been closed by the upstream a moment ago. If not a byte of an answer came over
    /// it, the request is made and sent once more over a new one, and `resent` says so.
    pub(super) async fn send(
        self: &Rc<Self>,
        build: impl Fn() -> Result<Request<Full<Bytes>>, Rejection>,
        resent: &mut bool,
    ) -> Result<StatusCode, Rejection> {
        if let Some(connection) = self.reuse().await {
            let answer = Arc::clone(&connection.answer);
            match self.send_over(connection, build()?, pending()).await {
                Err(_) if !answer.has_begun() => *resent = true,
                outcome => return Ok(outcome?),
            }
        }
        let request = build()?;
        // Not many notifications wait for that, and none is to be moved with room for it.
        let connection = Box::pin(self.connect()).await?;
        Ok(self.send_over(connection, request, sleep(PATIENCE)).await?)
    }

    /// Sends `request` over `connection`. When `patience` ends before the answer, idle connections give way: an
    /// upstream with a thread for each connection may have its threads waiting on those.
    async fn send_over(
        self: &Rc<Self>,
        mut connection: Connection,
        request: Request<Full<Bytes>>,
        patience: impl Future<Output = ()>,
    ) -> Result<StatusCode, Failure> {
        connection.answer.expect();
        let mut response = pin!(connection.sender.send_request(request));
        let response = tokio::select! {
            biased;
            response = &mut response => response,
            () = patience => {
                let _waiting = self.idle.give_way();
                response.await
            }
        };
        let response = response.map_err(|error| Failure::Broken(Box::new(error)))?;
        connection.answer.has_come();
        let (head, body) = response.into_parts();
        let mut rest = Rest { body, read: 0 };
        // As a rule a short one came with its head.
        match poll_fn(|context| Poll::Ready(Pin::new(&mut rest).poll(context))).await {
            Poll::Ready(true) => self.keep(connection),
            Poll::Ready(false) => {}
            Poll::Pending => {
                let pool = Rc::clone(self);
                tokio::task::spawn_local(async move {
                    if let Ok(true) = timeout(DRAIN_TIME, rest).await {
                        pool.keep(connection);
                    }
                });
            }
        }
        Ok(head.status)
    }

    /// An idle connection that is still open, as far as can be told.
    async fn reuse(&self) -> Option<Connection> {
        loop {
            let mut connection = self.idle.take(self.worker)?;
            // One whose last request the upstream never read to its end does not get ready.
            if let Ok(Ok(())) = within(READY_TIME, connection.sender.ready()).await {
                return Some(connection);
            }
        }
    }

    fn keep(self: &Rc<Self>, connection: Connection) {
        if connection.sender.is_closed() || !self.idle.put(self.worker, connection) {
            return;
        }
        if !self.is_swept.replace(true) {
            let pool = Rc::clone(self);
            tokio::task::spawn_local(async move {
                while pool.idle.expire(pool.worker, Instant::now()) {
                    sleep(SWEEP_TIME).await;
                }
                pool.is_swept.set(false);
            });
        }
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let stream = timeout(self.connect_timeout, O::connect(&self.host, self.port))
            .await
            .map_err(|_elapsed| {
                Failure::Unreachable("no address or no connection within upstream.connect_timeout".into())
            })?
            .map_err(|error| Failure::Unreachable(Box::new(error)))?;
        let answer = Arc::<Answer>::default();
        let io = Counted { stream, answer: Arc::clone(&answer) };
        let (sender, driver) = Builder::new()
            .max_buf_size(MAX_HEAD)
            .handshake(TokioIo::new(io))
            .await
            .map_err(|error| Failure::Broken(Box::new(error)))?;
        // What ends the connection is told to whoever waits for an answer over it.
        tokio::task::spawn_local(async move { drop(driver.await) });
        Ok(Connection { sender, answer })
    }
}

/// Reads the rest of an answer, and says whether it came to its end within bounds.
struct Rest {
    body: Incoming,
    read: usize,
}

impl Future for Rest {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<bool> {
        while !self.body.is_end_stream() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => {
                    self.read = self.read.saturating_add(frame.data_ref().map_or(0, Bytes::len));
                    if self.read > MAX_DRAIN {
                        return Poll::Ready(false);
                    }
                }
                Some(Err(_)) => return Poll::Ready(false),
                None => break,
            }
        }
        Poll::Ready(true)
    }
}
