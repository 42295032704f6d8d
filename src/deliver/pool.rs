//! Keep-alive connections to the one upstream of one worker.
//!
//! A general client pools by host, locks, and cannot say whether a byte of the answer came. Here there is one host
//! and one thread, and that question decides whether a request may be sent a second time.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The longest head of an answer.
const MAX_HEAD: usize = 16 * 1024;
/// The most that may come before an answer's head is complete: bounds the interim (1xx) answers before it.
const MAX_BEFORE_HEAD: usize = 64 * 1024;
/// How much of an answer's body is read, to make its connection fit for the next request.
const MAX_DRAIN: usize = 64 * 1024;
/// How long reading that rest may take.
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// Why no status came back.
#[derive(Debug)]
pub(super) enum Failure {
    /// No connection could be made.
    Unreachable(Box<dyn Error + Send + Sync>),
    /// The connection broke, or what came over it was not an HTTP answer.
    Broken(Box<dyn Error + Send + Sync>),
}

/// The idle connections to one address.
pub(super) struct Pool {
    host: String,
    port: u16,
    connect_timeout: Duration,
    idle: RefCell<Vec<Connection>>,
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    answer: Rc<Answer>,
}

/// What came over a connection since the last request.
#[derive(Default)]
struct Answer {
    bytes: Cell<usize>,
    has_head: Cell<bool>,
}

impl Pool {
    pub(super) fn new(host: String, port: u16, connect_timeout: Duration) -> Self {
        Self { host, port, connect_timeout, idle: RefCell::default() }
    }

    /// Sends `request` and returns the status of the answer, whose body is read and dropped on the side.
    ///
    /// A reused connection may have been closed by the upstream a moment ago. If not a byte of an answer came over
    /// it, the request is sent once more over a new one, and `resent` says so.
    pub(super) async fn send(
        self: &Rc<Self>,
        request: Request<Full<Bytes>>,
        resent: &mut bool,
    ) -> Result<StatusCode, Failure> {
        if let Some(connection) = self.reuse().await {
            let answer = Rc::clone(&connection.answer);
            match self.send_over(connection, request.clone()).await {
                Err(_) if answer.bytes.get() == 0 => *resent = true,
                outcome => return outcome,
            }
        }
        let connection = self.connect().await?;
        self.send_over(connection, request).await
    }

    async fn send_over(
        self: &Rc<Self>,
        mut connection: Connection,
        request: Request<Full<Bytes>>,
    ) -> Result<StatusCode, Failure> {
        connection.answer.bytes.set(0);
        connection.answer.has_head.set(false);
        let response = connection
            .sender
            .send_request(request)
            .await
            .map_err(|error| Failure::Broken(Box::new(error)))?;
        connection.answer.has_head.set(true);
        let (head, body) = response.into_parts();
        if body.is_end_stream() {
            self.keep(connection);
        } else {
            let pool = Rc::clone(self);
            tokio::task::spawn_local(async move {
                if let Ok(true) = timeout(DRAIN_TIME, drain(body)).await {
                    pool.keep(connection);
                }
            });
        }
        Ok(head.status)
    }

    /// An idle connection that is still open, as far as can be told.
    async fn reuse(&self) -> Option<Connection> {
        loop {
            let mut connection = self.idle.borrow_mut().pop()?;
            if connection.sender.ready().await.is_ok() {
                return Some(connection);
            }
        }
    }

    fn keep(&self, connection: Connection) {
        if !connection.sender.is_closed() {
            self.idle.borrow_mut().push(connection);
        }
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let stream = timeout(self.connect_timeout, TcpStream::connect((self.host.as_str(), self.port)))
            .await
            .map_err(|_elapsed| Failure::Unreachable("no connection within upstream.connect_timeout".into()))?
            .map_err(|error| Failure::Unreachable(Box::new(error)))?;
        stream.set_nodelay(true).map_err(|error| Failure::Unreachable(Box::new(error)))?;
        let answer = Rc::<Answer>::default();
        let io = Counted { stream, answer: Rc::clone(&answer) };
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
async fn drain(mut body: Incoming) -> bool {
    let mut read: usize = 0;
    while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(frame) = frame else { return false };
        read = read.saturating_add(frame.data_ref().map_or(0, Bytes::len));
        if read > MAX_DRAIN {
            return false;
        }
    }
    true
}

/// A stream that counts the bytes of the answer, and ends where there are too many before its head.
struct Counted {
    stream: TcpStream,
    answer: Rc<Answer>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buf);
        let read = buf.filled().len().saturating_sub(before);
        self.answer.bytes.set(self.answer.bytes.get().saturating_add(read));
        if !self.answer.has_head.get() && self.answer.bytes.get() > MAX_BEFORE_HEAD {
            return Poll::Ready(Err(io::Error::other("too many bytes before the head of the answer")));
        }
        outcome
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
