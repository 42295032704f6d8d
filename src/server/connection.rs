//! One connection: requests one after the other, each answered once, watched over from outside.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue, TRANSFER_ENCODING};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::Worker;
use super::drain::Phase;
use super::gate::{Gate, State, Waiting};
use crate::ack::refusal;
use crate::rejection::Reason;

/// How much hyper holds of what it reads: a head at its longest, and some of the body.
const BUFFER: usize = 32 * 1024;
/// How long, and how much, is read of what nobody wants, so that the last answer is not lost in a reset.
const LINGER_TIME: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1024 * 1024;

/// Serves `stream` to its end.
pub(super) async fn serve(stream: TcpStream, peer: SocketAddr, worker: Rc<Worker>) {
    let state = State::new();
    let service = service_fn(|request| {
        let (worker, state) = (Rc::clone(&worker), Rc::clone(&state));
        async move {
            let response = answer(request, peer, &worker, &state).await;
            state.answered();
            Ok::<_, Infallible>(response)
        }
    });
    let gate = TokioIo::new(Gate::new(stream, Rc::clone(&state)));
    let mut connection = http1::Builder::new()
        .half_close(true)
        .header_read_timeout(None)
        .auto_date_header(false)
        .max_buf_size(BUFFER)
        .serve_connection(gate, service);
    let mut watch = pin!(Watch::new(Rc::clone(&state), &worker));
    let ticket = RefCell::new(None);
    poll_fn(|context| {
        ticket.borrow_mut().get_or_insert_with(|| worker.drain.enter(context));
        if worker.drain.phase() >= Phase::Draining {
            Pin::new(&mut connection).graceful_shutdown();
        }
        // An error here is the sender's hanging up; what it sent was told of where it was read.
        match Pin::new(&mut connection).poll(context) {
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => watch.as_mut().poll(context),
        }
    })
    .await;
    let (stream, is_mid_request) = connection.into_parts().io.into_inner().into_stream();
    let close = close(stream, is_mid_request, state.shut.get(), peer, &worker);
    // Whether it ends well or in time is the sender's affair.
    drop(timeout(LINGER_TIME, close).await);
}

async fn answer(
    request: Request<Incoming>,
    peer: SocketAddr,
    worker: &Worker,
    state: &State,
) -> Response<Full<Bytes>> {
    // After chunks no second request is read: where they end, two readers may disagree.
    let is_last = request.version() < Version::HTTP_11 || request.headers().contains_key(TRANSFER_ENCODING);
    let mut response = worker.gateway.answer(request, peer, &worker.drain).await;
    // Nor where a body was refused unread.
    if is_last || state.is_unread() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Ends a connection: says why, if its last head could not be let through, and lets the sender read it.
async fn close(
    mut stream: TcpStream,
    is_mid_request: bool,
    shut: Option<Reason>,
    peer: SocketAddr,
    worker: &Worker,
) -> io::Result<()> {
    if let Some(reason) = shut {
        let failure_status = worker.gateway.stopped(reason, peer);
        stream.write_all(&head_of(&refusal(reason, failure_status))).await?;
    }
    stream.shutdown().await?;
    if shut.is_some() || is_mid_request {
        let mut discarded = [0; 4096];
        let mut left = LINGER_BYTES;
        while left > 0 && matches!(stream.read(&mut discarded).await, Ok(1..)) {
            left = left.saturating_sub(discarded.len());
        }
    }
    Ok(())
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
    fn new(state: Rc<State>, worker: &Worker) -> Self {
        Self { state, keep_alive: worker.keep_alive, header_timeout: worker.header_timeout, timer: None }
    }

    fn deadline(&self) -> Option<Instant> {
        match self.state.waiting.get() {
            Waiting::Idle(since) => since.checked_add(self.keep_alive),
            Waiting::Head(since) => since.checked_add(self.header_timeout),
            Waiting::Answer => None,
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
