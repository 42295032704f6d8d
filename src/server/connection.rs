//! One connection: requests one after the other, each answered once, watched over from outside.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout};

use super::Worker;
use super::crowd::Seat;
use super::drain::Phase;
use super::gate::{Gate, State, Waiting};
use super::stream::{Handshake, Stream};
use crate::ack::refusal;
use crate::config;
use crate::passthrough::Passed;
use crate::rejection::{Reason, Rejection};

/// How much hyper holds of what it reads: a head at its longest, and some of the body.
const BUFFER: usize = 20 * 1024;
/// While so many or fewer are connected, hyper is kept from one request to the next.
const WARM: usize = 64;
/// How long the end of a connection may take, and how much is read in it of what nobody wants, so that the last
/// answer is not lost in a reset.
const LINGER_TIME: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1024 * 1024;

/// Serves `stream` to its end.
///
/// Between requests, where many are connected, there is no hyper: its buffers are most of what a connection takes up.
pub(super) async fn serve(stream: TcpStream, peer: SocketAddr, worker: Rc<Worker>) {
    let seat = Seat::new(&worker.crowd);
    let _ticket = poll_fn(|context| Poll::Ready(worker.drain.enter(context))).await;
    let shared = worker.server();
    // In a box, so that there is room for it only while it is there.
    let opened = Box::pin(open(stream, &shared.config.server, &seat, &worker)).await;
    let stream = match opened {
        Ok(stream) => stream,
        Err(failure) => {
            if let Some(failure) = failure {
                worker.gateway().stopped(failure, peer);
            }
            return;
        }
    };
    let state = State::new(stream.scheme());
    let mut watch = pin!(Watch::new(Rc::clone(&state), &shared.config.server));
    drop(shared);
    let mut gate = Gate::new(stream, Rc::clone(&state));
    while head(&mut gate, &state, &seat, watch.as_mut(), &worker).await {
        // In a box, so that there is room for it only while it is there.
        let exchange = Box::pin(exchange(gate, Rc::clone(&state), &seat, watch.as_mut(), peer, &worker));
        let (again, is_at_rest) = exchange.await;
        gate = again;
        if !is_at_rest {
            break;
        }
    }
    let (stream, is_mid_request) = gate.into_stream();
    drop(seat);
    if state.is_cut_short.get() && SockRef::from(&stream).set_linger(Some(Duration::ZERO)).is_ok() {
        // A reset, and with TLS no word of its end: an orderly end would say that this was all.
        return;
    }
    drop(timeout(LINGER_TIME, close(stream, is_mid_request, state.shut.get(), peer, &worker)).await);
}

/// Does the handshake, where TLS is configured, within `server.header_timeout`.
///
/// Until the first byte comes, TLS takes up nothing, and what ends before that is not told of: without TLS neither is a
/// connection over which nothing was said.
async fn open(
    stream: TcpStream,
    server: &config::Server,
    seat: &Seat,
    worker: &Worker,
) -> Result<Stream, Option<Rejection>> {
    let Some(tls) = &server.tls else { return Ok(Stream::Plain(stream)) };
    let mut timer = pin!(sleep(server.header_timeout));
    let is_draining = || worker.drain.phase() >= Phase::Draining;
    let has_come = poll_fn(|context| match stream.poll_peek(context, &mut ReadBuf::new(&mut [0])) {
        Poll::Ready(came) => Poll::Ready(came.is_ok_and(|bytes| bytes > 0)),
        Poll::Pending if is_draining() || timer.as_mut().poll(context).is_ready() => Poll::Ready(false),
        Poll::Pending => Poll::Pending,
    });
    if !has_come.await {
        return Err(None);
    }
    let mut handshake = Handshake::new(stream, tls.config());
    let failure = |cause: String| Err(Some(Reason::FailedHandshake.because(cause)));
    poll_fn(|context| {
        if seat.waits(context.waker()) {
            return Poll::Pending;
        }
        if is_draining() {
            return Poll::Ready(Err(None));
        }
        if seat.is_shed() {
            return Poll::Ready(Err(Some(Reason::TooManyBytesInFlight.into())));
        }
        if let Poll::Ready(outcome) = handshake.poll(context) {
            seat.take(0, context.waker());
            return Poll::Ready(outcome.or_else(|error| failure(error.to_string())));
        }
        if !seat.take(handshake.memory(), context.waker()) {
            return Poll::Ready(Err(Some(Reason::TooManyBytesInFlight.into())));
        }
        if timer.as_mut().poll(context).is_ready() {
            return Poll::Ready(failure("it was not done in time".to_owned()));
        }
        Poll::Pending
    })
    .await
}

/// Waits for a whole head; says whether there is one to go on with.
async fn head(
    gate: &mut Gate,
    state: &State,
    seat: &Seat,
    mut watch: Pin<&mut Watch>,
    worker: &Worker,
) -> bool {
    poll_fn(|context| {
        if seat.waits(context.waker()) {
            return Poll::Pending;
        }
        if let Poll::Ready(head) = gate.poll_head(context, &mut worker.scratch.borrow_mut()) {
            // The seat stays taken until it is known whether hyper has all of the request.
            return Poll::Ready(head.unwrap_or(false));
        }
        if !seat.take(gate.held(), context.waker()) {
            state.shut.set(Some(Reason::TooManyBytesInFlight));
            return Poll::Ready(false);
        }
        if worker.drain.phase() >= Phase::Draining || watch.as_mut().poll(context).is_ready() {
            return Poll::Ready(false);
        }
        Poll::Pending
    })
    .await
}

/// Lets hyper serve the request whose head is in `gate`, and those after it as long as few are connected.
///
/// Returns the gate, and whether the connection can go on.
async fn exchange(
    gate: Gate,
    state: Rc<State>,
    seat: &Seat,
    mut watch: Pin<&mut Watch>,
    peer: SocketAddr,
    worker: &Rc<Worker>,
) -> (Gate, bool) {
    let service = service_fn(|request: Request<Incoming>| {
        let (worker, state) = (Rc::clone(worker), Rc::clone(&state));
        async move {
            let request = request.map(|body| Arriving { body, state: Rc::clone(&state) });
            Ok::<_, Infallible>(answer(request, peer, &worker, &state).await)
        }
    });
    let mut connection = http1::Builder::new()
        .half_close(true)
        .header_read_timeout(None)
        .auto_date_header(false)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(gate), service);
    let shed = || {
        // Whoever was answered, and does not read it, is not told more.
        if !matches!(state.waiting.get(), Waiting::Idle(_)) {
            state.shut.set(Some(Reason::TooManyBytesInFlight));
        }
        false
    };
    let is_at_rest = poll_fn(|context| {
        if seat.waits(context.waker()) {
            return Poll::Pending;
        }
        // Before hyper is polled: the rest of the body might be there now, and a delivery not be broken off.
        if seat.is_shed() {
            return Poll::Ready(shed());
        }
        if worker.drain.phase() >= Phase::Draining {
            Pin::new(&mut connection).graceful_shutdown();
        }
        // An error here is the sender's hanging up; what it sent was told of where it was read.
        if Pin::new(&mut connection).poll(context).is_ready() {
            return Poll::Ready(false);
        }
        if state.has_hung_up.get() || (state.moved.get().is_some() && worker.drain.phase() >= Phase::Over) {
            return Poll::Ready(false);
        }
        if state.is_at_rest() && worker.connections.load(Ordering::Relaxed) > WARM {
            return Poll::Ready(true);
        }
        if !seat.take(state.memory(), context.waker()) {
            return Poll::Ready(shed());
        }
        watch.as_mut().poll(context).map(|()| false)
    })
    .await;
    let parts = connection.into_parts();
    (parts.io.into_inner(), is_at_rest && parts.read_buf.is_empty())
}

/// A body that tells when nobody waits for more of it.
struct Arriving {
    body: Incoming,
    state: Rc<State>,
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if frame.is_ready() {
            self.state.moved();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.state.has_arrived.set(true);
    }
}

/// The body of an answer that is passed on, piece by piece; the request is answered when it is dropped.
struct Leaving {
    body: Passed,
    state: Rc<State>,
    /// Whether nothing but the end of the connection says where it ends.
    ends_by_closing: bool,
}

impl Body for Leaving {
    type Data = Bytes;
    type Error = <Passed as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if frame.is_ready() {
            self.state.moved();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        if self.ends_by_closing && self.body.is_unfinished() {
            self.state.is_cut_short.set(true);
        }
        self.state.answered();
    }
}

async fn answer(
    request: Request<Arriving>,
    peer: SocketAddr,
    worker: &Worker,
    state: &Rc<State>,
) -> Response<Either<Full<Bytes>, Leaving>> {
    let is_old = request.version() < Version::HTTP_11;
    // After chunks no second request is read: where they end, two readers may disagree.
    let is_last = is_old || request.headers().contains_key(TRANSFER_ENCODING);
    let gateway = worker.gateway();
    let mut response = if let Some(passthrough) = gateway.passes(&request) {
        state.passes();
        // Apart, so that a notification is not moved with room for it.
        let response = Box::pin(passthrough.pass(request, peer, state.scheme, &worker.drain)).await;
        state.moved.set(Some(Instant::now()));
        let ends_by_closing = is_old && !response.headers().contains_key(CONTENT_LENGTH);
        let leaving = |body| Leaving { body, state: Rc::clone(state), ends_by_closing };
        response.map(|body| Either::Right(leaving(body)))
    } else {
        let response = gateway.answer(request, peer, &worker.drain).await;
        state.answered();
        response.map(Either::Left)
    };
    // Nor where a body was refused unread.
    if is_last || state.is_unread() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Ends a connection: says why, if its last head could not be let through, and lets the sender read it.
async fn close(
    mut stream: Stream,
    is_mid_request: bool,
    shut: Option<Reason>,
    peer: SocketAddr,
    worker: &Worker,
) -> io::Result<()> {
    if let Some(reason) = shut {
        let failure_status = worker.gateway().stopped(reason, peer);
        stream.write_all(&head_of(&refusal(reason, failure_status))).await?;
    }
    stream.shutdown().await?;
    if shut.is_some() || is_mid_request {
        let mut left = LINGER_BYTES;
        while left > 0 {
            let read = discard(&mut stream, worker).await?;
            left = if read == 0 { 0 } else { left.saturating_sub(read) };
        }
    }
    Ok(())
}

/// Reads what nobody wants; says how much it was.
async fn discard(stream: &mut Stream, worker: &Worker) -> io::Result<usize> {
    poll_fn(|context| {
        let mut scratch = worker.scratch.borrow_mut();
        let mut buf = ReadBuf::new(&mut scratch);
        Pin::new(&mut *stream).poll_read(context, &mut buf).map_ok(|()| buf.filled().len())
    })
    .await
}

/// A refusal in the bytes of HTTP/1.1, for where there is no hyper to write it.
fn head_of(response: &Response<Full<Bytes>>) -> Vec<u8> {
    let status: StatusCode = response.status();
    let mut bytes =
        format!("HTTP/1.1 {} {}\r\n", status.as_str(), status.canonical_reason().unwrap_or_default())
            .into_bytes();
    for (name, value) in response.headers() {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"connection: close\r\n\r\nfail");
    bytes
}

/// Ends a connection that was idle, or in the middle of a head, for too long.
///
/// One timer serves the whole connection. It is moved only to come earlier; when it fires too early, it is set again.
struct Watch {
    state: Rc<State>,
    keep_alive: Duration,
    header_timeout: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Watch {
    fn new(state: Rc<State>, server: &config::Server) -> Self {
        Self { state, keep_alive: server.keep_alive, header_timeout: server.header_timeout, timer: None }
    }

    fn deadline(&self) -> Option<Instant> {
        match self.state.waiting.get() {
            Waiting::Idle(since) => since.checked_add(self.keep_alive),
            Waiting::Head(since) => since.checked_add(self.header_timeout),
            Waiting::Answer => self.state.moved.get().and_then(|moved| moved.checked_add(self.keep_alive)),
        }
    }
}

impl Future for Watch {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        while let Some(deadline) = self.deadline() {
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            if timer.deadline() > deadline {
                timer.as_mut().reset(deadline);
            }
            if timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            if Instant::now() < deadline {
                timer.as_mut().reset(deadline);
            } else {
                if matches!(self.state.waiting.get(), Waiting::Head(_)) {
                    self.state.shut.set(Some(Reason::SlowHead));
                }
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }
}
