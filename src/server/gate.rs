//! A stream that lets one request at a time through to hyper, and only with a head that was checked.
//!
//! The bytes after a request wait here until it is answered, so no bytes of one request are read as another.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::head::{self, Framing};
use super::stream::Stream;
use crate::receive::body::PIECE;
use crate::rejection::Reason;

/// What hyper takes up for a connection: a buffer each way, and its state.
const EXCHANGE: usize = 24 * 1024;

/// What a connection waits for; between requests, with a limit in time.
#[derive(Debug, Clone, Copy)]
pub(super) enum Waiting {
    /// For the first byte of a request.
    Idle(Instant),
    /// For the rest of a head.
    Head(Instant),
    /// For its answer.
    Answer,
}

/// What the gate, the service and the watch over a connection know of it in common.
pub(super) struct State {
    /// What the sender speaks: `http` or `https`.
    pub(super) scheme: &'static str,
    pub(super) waiting: Cell<Waiting>,
    /// Why the gate is shut: the head that came cannot be let through.
    pub(super) shut: Cell<Option<Reason>>,
    /// How many more bytes of the present request may pass.
    may_pass: Cell<u64>,
    /// How many bytes of the present request were let through so far.
    came: Cell<usize>,
    /// How many bytes have come and may not pass yet.
    held: Cell<usize>,
    /// Whether all was read of the body that will be.
    pub(super) has_arrived: Cell<bool>,
    /// Whether the last answer was handed to the kernel.
    is_flushed: Cell<bool>,
    /// Whether hyper asked for the next request, and there was none.
    has_asked: Cell<bool>,
    /// Whether the present request is passed through.
    passes: Cell<bool>,
    /// When its answer moved last, once there is one.
    pub(super) moved: Cell<Option<Instant>>,
    /// Whether the sender of it has hung up.
    pub(super) has_hung_up: Cell<bool>,
    /// Whether an answer was broken off of which only the end of the connection tells the end.
    pub(super) is_cut_short: Cell<bool>,
    reader: Cell<Option<Waker>>,
}

impl State {
    pub(super) fn new(scheme: &'static str) -> Rc<Self> {
        Rc::new(Self {
            scheme,
            waiting: Cell::new(Waiting::Idle(Instant::now())),
            shut: Cell::new(None),
            may_pass: Cell::new(0),
            came: Cell::new(0),
            held: Cell::new(0),
            has_arrived: Cell::new(false),
            is_flushed: Cell::new(true),
            has_asked: Cell::new(false),
            passes: Cell::new(false),
            moved: Cell::new(None),
            has_hung_up: Cell::new(false),
            is_cut_short: Cell::new(false),
            reader: Cell::new(None),
        })
    }

    /// Whether the present request has a body that was not read to its end.
    pub(super) fn is_unread(&self) -> bool {
        self.may_pass.get() > 0
    }

    /// Whether hyper holds nothing that it would be missed for: the last answer is out, no request has begun.
    pub(super) fn is_at_rest(&self) -> bool {
        self.has_asked.get() && self.is_flushed.get() && !matches!(self.waiting.get(), Waiting::Answer)
    }

    /// The bytes that hyper and we hold for this connection; 0 when it is at rest, and while a whole request is
    /// worked on or passed through, which is bounded elsewhere and not to be broken off.
    pub(super) fn memory(&self) -> usize {
        let is_under_way = self.has_arrived.get() || self.passes.get();
        let is_whole = matches!(self.waiting.get(), Waiting::Answer) && is_under_way;
        if is_whole || self.is_at_rest() {
            return 0;
        }
        // The last piece of what came may have room for more.
        let came = self.came.get();
        EXCHANGE.saturating_add(came).saturating_add(came.min(PIECE)).saturating_add(self.held.get())
    }

    /// The present request is passed through: what comes of it is not kept, and a sender who hangs up gives it up.
    pub(super) fn passes(&self) {
        self.passes.set(true);
    }

    /// A piece of a request or of an answer passed on.
    pub(super) fn moved(&self) {
        if self.moved.get().is_some() {
            self.moved.set(Some(Instant::now()));
        }
    }

    /// The request was answered: the next may come.
    pub(super) fn answered(&self) {
        if self.passes.replace(false) {
            self.came.set(0);
        }
        self.moved.set(None);
        self.waiting.set(Waiting::Idle(Instant::now()));
        self.is_flushed.set(false);
        self.has_asked.set(false);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

/// The stream of one connection.
pub(super) struct Gate {
    stream: Stream,
    state: Rc<State>,
    /// Bytes that have come and may not pass yet.
    held: Vec<u8>,
    /// How far `held` was searched for the end of a head.
    checked: usize,
}

impl Gate {
    pub(super) fn new(stream: Stream, state: Rc<State>) -> Self {
        Self { stream, state, held: Vec::new(), checked: 0 }
    }

    /// The stream, and whether the sender may still be sending what nobody will read.
    pub(super) fn into_stream(self) -> (Stream, bool) {
        let is_mid_request = self.state.is_unread() || !self.held.is_empty();
        (self.stream, is_mid_request)
    }

    /// Looks for a whole head at the start of `bytes`, and lets its request pass.
    fn admit(&mut self, bytes: &[u8]) -> Result<(), Reason> {
        if let Some(length) = head::end(bytes, &mut self.checked)? {
            let framing = head::check(bytes.get(..length).unwrap_or_default())?;
            self.checked = 0;
            self.state.may_pass.set(match framing {
                Framing::Length(body) => u64::try_from(length).unwrap_or(u64::MAX).saturating_add(body),
                Framing::Chunked => u64::MAX,
            });
            self.state.waiting.set(Waiting::Answer);
            self.state.has_arrived.set(false);
            self.state.came.set(0);
        } else if bytes != b"\r\n" && matches!(self.state.waiting.get(), Waiting::Idle(_)) {
            // An empty line before a request begins none: RFC 9112, 2.2.
            self.state.waiting.set(Waiting::Head(Instant::now()));
        }
        Ok(())
    }

    /// Reads, through `scratch`, until there is a whole head; without one if the stream ends, or may not go on.
    ///
    /// Until then no more is held than what came, so that it takes little memory to send half a head, or nothing.
    pub(super) fn poll_head(
        &mut self,
        context: &mut Context<'_>,
        scratch: &mut [u8],
    ) -> Poll<io::Result<bool>> {
        loop {
            if !self.state.is_unread() && self.checked < self.held.len() {
                self.admit_held();
            }
            if self.state.shut.get().is_some() || self.state.is_unread() {
                return Poll::Ready(Ok(self.state.is_unread()));
            }
            let mut buf = ReadBuf::new(scratch);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut buf))?;
            if buf.filled().is_empty() {
                return Poll::Ready(Ok(false));
            }
            self.held.reserve_exact(buf.filled().len());
            self.held.extend_from_slice(buf.filled());
        }
    }

    /// How many bytes are held.
    pub(super) fn held(&self) -> usize {
        self.held.capacity().saturating_add(self.stream.held())
    }

    fn admit_held(&mut self) {
        let held = std::mem::take(&mut self.held);
        if let Err(reason) = self.admit(&held) {
            self.state.shut.set(Some(reason));
        }
        self.held = held;
    }

    /// Takes `length` bytes, or as many as may, off what may pass.
    fn take(&mut self, length: usize) -> usize {
        let may_pass = self.state.may_pass.get();
        let length = usize::try_from(may_pass).unwrap_or(usize::MAX).min(length);
        self.state.came.set(self.state.came.get().saturating_add(length));
        if may_pass != u64::MAX {
            self.state.may_pass.set(may_pass.saturating_sub(u64::try_from(length).unwrap_or(u64::MAX)));
        }
        length
    }

    /// Looks whether the sender of what is passed through is still there, which hyper does not ask. As everywhere, who
    /// has ended its sending side counts as gone. What it sends instead is held: the head of its next request.
    fn look_for_hangup(&mut self, context: &mut Context<'_>) {
        let is_sending = self.state.is_unread() && !self.state.has_arrived.get();
        if !self.state.passes.get() || is_sending || !self.held.is_empty() {
            return;
        }
        let mut bytes = [0; 512];
        let mut buf = ReadBuf::new(&mut bytes);
        match Pin::new(&mut self.stream).poll_read(context, &mut buf) {
            Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                self.held.extend_from_slice(buf.filled());
                self.state.held.set(self.held());
            }
            Poll::Ready(_) => self.state.has_hung_up.set(true),
            Poll::Pending => {}
        }
    }

    /// Hands on what of `held` may pass and fits.
    fn pass_held(&mut self, buf: &mut ReadBuf<'_>) {
        let length = self.take(self.held.len().min(buf.remaining()));
        buf.put_slice(self.held.get(..length).unwrap_or_default());
        self.held.drain(..length);
        if self.held.is_empty() {
            // An idle connection holds no memory for this.
            self.held = Vec::new();
        }
        self.state.held.set(self.held());
    }

    /// Reads from the stream, and leaves in `buf` what may pass; the rest is held.
    fn poll_fill(&mut self, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<Read>> {
        let before = buf.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buf);
        self.state.held.set(self.held());
        ready!(outcome)?;
        let came = buf.filled().get(before..).unwrap_or_default();
        if came.is_empty() {
            return Poll::Ready(Ok(Read::End));
        }
        if !self.state.is_unread() && self.held.is_empty() {
            // As a rule a whole head comes at once, and is not copied.
            if let Err(reason) = self.admit(came) {
                self.state.shut.set(Some(reason));
            }
        }
        let passes = self.take(came.len());
        self.held.extend_from_slice(came.get(passes..).unwrap_or_default());
        self.state.held.set(self.held());
        buf.set_filled(before.saturating_add(passes));
        Poll::Ready(Ok(if passes > 0 { Read::Passed } else { Read::Held }))
    }
}

/// What came of reading from the stream.
enum Read {
    Passed,
    Held,
    End,
}

impl AsyncRead for Gate {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let gate = self.get_mut();
        loop {
            if !gate.state.is_unread() && matches!(gate.state.waiting.get(), Waiting::Answer) {
                gate.state.reader.set(Some(context.waker().clone()));
                return Poll::Pending;
            }
            if !gate.state.is_unread() && gate.checked < gate.held.len() {
                gate.admit_held();
            }
            if gate.state.shut.get().is_some() {
                // To hyper this is the end of an idle connection: it says nothing, so that we can.
                return Poll::Ready(Ok(()));
            }
            if gate.state.is_unread() && !gate.held.is_empty() {
                gate.pass_held(buf);
                return Poll::Ready(Ok(()));
            }
            let is_between = !gate.state.is_unread();
            let Poll::Ready(read) = gate.poll_fill(context, buf) else {
                gate.state.has_asked.set(is_between);
                return Poll::Pending;
            };
            if !matches!(read?, Read::Held) {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for Gate {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper comes here only when it has written all it had; TLS may still hold some of it.
        let outcome = Pin::new(&mut self.stream).poll_flush(context);
        self.state.is_flushed.set(outcome.is_ready());
        self.look_for_hangup(context);
        outcome
    }

    /// Does nothing: whoever owns the connection closes it, after a last answer where one is due.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
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
