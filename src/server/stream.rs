//! The stream of one connection, with TLS or without.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{Accept, TlsAcceptor};

/// What TLS takes up for a connection in the middle of its handshake, beside what came: its state and the answer.
const HANDSHAKE: usize = 16 * 1024;

/// How much of what is written TLS holds for a sender that does not read, in bytes; answers are shorter.
const UNREAD: usize = 16 * 1024;
/// What TLS sets aside for what comes next, whether it comes or not; see `DeframerVecBuffer` in rustls.
const ALWAYS_HELD: usize = 4 * 1024;

/// What is read from and written to, once it can be.
pub(super) enum Stream {
    /// TCP as it is.
    Plain(TcpStream),
    /// TLS over it, in a box, so that other connections take up no room for it.
    Tls(Box<TlsStream<Socket>>),
}

impl Stream {
    /// What the sender speaks over it.
    pub(super) fn scheme(&self) -> &'static str {
        match self {
            Self::Plain(_) => "http",
            Self::Tls(_) => "https",
        }
    }

    /// How many bytes came that are not whole records yet, and are held until they are.
    pub(super) fn held(&self) -> usize {
        match self {
            Self::Plain(_) => 0,
            Self::Tls(stream) => stream.get_ref().0.came.get(),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Plain(stream) => stream.as_fd(),
            Self::Tls(stream) => stream.get_ref().0.stream.as_fd(),
        }
    }
}

/// A handshake under way.
pub(super) struct Handshake {
    /// In a box, so that whoever only waits for the first byte takes up no room for it.
    accept: Box<Accept<Socket>>,
    /// How many bytes came for it.
    came: Rc<Cell<usize>>,
}

impl Handshake {
    /// The handshake of `config` over `stream`, of which nothing was read yet.
    pub(super) fn new(stream: TcpStream, config: Arc<ServerConfig>) -> Self {
        let came = Rc::<Cell<usize>>::default();
        let socket = Socket { stream, came: Rc::clone(&came) };
        Self { accept: Box::new(TlsAcceptor::from(config).accept(socket)), came }
    }

    /// Goes on with it.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        let mut stream = ready!(Pin::new(&mut *self.accept).poll(context))?;
        self.came.set(0);
        stream.get_mut().1.set_buffer_limit(Some(UNREAD));
        Poll::Ready(Ok(Stream::Tls(Box::new(stream))))
    }

    /// The bytes that it takes up: what came is kept, and remembered until all of it can be hashed.
    pub(super) fn memory(&self) -> usize {
        HANDSHAKE.saturating_add(self.came.get().saturating_mul(2))
    }
}

/// TCP below TLS, where it is seen what came.
pub(super) struct Socket {
    stream: TcpStream,
    /// How many bytes came since the last whole record.
    came: Rc<Cell<usize>>,
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buf);
        self.came.set(self.came.get().saturating_add(buf.filled().len().saturating_sub(before)));
        outcome
    }
}

impl AsyncWrite for Socket {
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
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buf),
            Self::Tls(stream) => {
                let before = buf.filled().len();
                let outcome = Pin::new(&mut **stream).poll_read(context, buf);
                if outcome.is_ready() {
                    let read = buf.filled().len().saturating_sub(before);
                    let came = &stream.get_ref().0.came;
                    let left = came.get().saturating_sub(read);
                    // What records add to what is in them is no part of the next.
                    came.set(if left > ALWAYS_HELD { left } else { 0 });
                }
                outcome
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, buf),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write(context, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, bufs),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write_vectored(context, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }
}
