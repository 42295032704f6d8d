//! What comes over a connection, counted.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most that may come before an answer's head is complete: bounds the interim (1xx) answers before it.
const MAX_BEFORE_HEAD: usize = 64 * 1024;

/// What came over a connection since the last request.
#[derive(Debug, Default)]
pub(super) struct Answer {
    bytes: AtomicUsize,
    has_head: AtomicBool,
}

impl Answer {
    /// A request goes out: whatever comes from now on belongs to its answer.
    pub(super) fn expect(&self) {
        self.bytes.store(0, Ordering::Relaxed);
        self.has_head.store(false, Ordering::Relaxed);
    }

    /// The head of the answer is complete.
    pub(super) fn has_come(&self) {
        self.has_head.store(true, Ordering::Relaxed);
    }

    /// Whether a byte of the answer came.
    pub(super) fn has_begun(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) > 0
    }
}

/// A stream that counts the bytes of the answer, and ends where there are too many before its head.
pub(super) struct Counted<S> {
    pub(super) stream: S,
    pub(super) answer: Arc<Answer>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buf);
        let read = buf.filled().len().saturating_sub(before);
        let bytes = self.answer.bytes.fetch_add(read, Ordering::Relaxed).saturating_add(read);
        if bytes > MAX_BEFORE_HEAD && !self.answer.has_head.load(Ordering::Relaxed) {
            return Poll::Ready(Err(io::Error::other("too many bytes before the head of the answer")));
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
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
