//! An app that accepts whatever it gets, and counts it; what is large it answers only when it is told to.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::spawn_local;

/// What is longer than this has to wait, in bytes.
const LARGE: usize = 100_000;

#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    received: Rc<Cell<usize>>,
    answers_large: Rc<watch::Sender<bool>>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = Self {
            address: listener.local_addr().unwrap(),
            received: Rc::default(),
            answers_large: Rc::new(watch::Sender::new(false)),
        };
        let serving = upstream.clone();
        spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                spawn_local(serve(stream, serving.clone()));
            }
        });
        upstream
    }

    /// How many notifications came.
    pub(crate) fn received(&self) -> usize {
        self.received.get()
    }

    /// Whether it answers what is large.
    pub(crate) fn answers_large(&self) -> bool {
        *self.answers_large.borrow()
    }

    /// Has it answer what is large, from now on and what waits.
    pub(crate) fn answer_large(&self) {
        self.answers_large.send_replace(true);
    }
}

async fn serve(mut stream: TcpStream, upstream: Upstream) {
    let mut bytes = Vec::new();
    loop {
        if let Some(length) = request(&bytes) {
            bytes.drain(..length);
            upstream.received.set(upstream.received.get() + 1);
            if length > LARGE {
                upstream.answers_large.subscribe().wait_for(|answers| *answers).await.unwrap();
            }
            if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.is_err() {
                return;
            }
        } else if !matches!(stream.read_buf(&mut bytes).await, Ok(1..)) {
            return;
        }
    }
}

/// The length of the request at the start of `bytes`, once it is whole.
fn request(bytes: &[u8]) -> Option<usize> {
    let end = memchr::memmem::find(bytes, b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..end]).unwrap();
    let body: usize = head.split("content-length: ").nth(1)?.split("\r\n").next()?.parse().unwrap();
    (bytes.len() >= end + body).then_some(end + body)
}
