//! The ground on which senders, hostile and genuine, meet one sidecar.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::spawn_local;

use crate::alipay::{Form, Notification};
use crate::upstream::Upstream;

/// What all senders of a scenario have in common.
#[derive(Clone)]
pub(crate) struct Field {
    pub(crate) sidecar: SocketAddr,
    /// The address the hostile come from; each scenario has its own, so that ports do not run out.
    pub(crate) hostile: Ipv4Addr,
    /// The size of the flood, in percent of the full one.
    pub(crate) percent: usize,
    /// How many genuine notifications were answered by now.
    pub(crate) answered: watch::Receiver<usize>,
    pub(crate) app: Upstream,
}

/// What a hostile sender did.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) connections: usize,
    pub(crate) requests: usize,
}

impl Field {
    /// `full`, at the size of this flood.
    pub(crate) fn scaled(&self, full: usize) -> usize {
        (full * self.percent / 100).max(4)
    }

    /// A hostile connection.
    pub(crate) async fn connect(&self) -> io::Result<TcpStream> {
        self.connect_with(|_| Ok(())).await
    }

    /// A hostile connection that does not take in what it is sent.
    pub(crate) async fn connect_deaf(&self) -> io::Result<TcpStream> {
        self.connect_with(|socket| socket.set_recv_buffer_size(2048)).await
    }

    async fn connect_with(&self, prepare: impl Fn(&TcpSocket) -> io::Result<()>) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(IpAddr::V4(self.hostile), 0))?;
        prepare(&socket)?;
        let stream = socket.connect(self.sidecar).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// `count` hostile connections, each of which has sent `bytes`.
    pub(crate) async fn crowd(&self, count: usize, bytes: &[u8]) -> Vec<TcpStream> {
        let mut crowd = Vec::with_capacity(count);
        let bytes: Rc<[u8]> = bytes.into();
        while crowd.len() < count {
            let batch: Vec<_> = (crowd.len()..count)
                .take(64)
                .map(|_| {
                    let (field, bytes) = (self.clone(), Rc::clone(&bytes));
                    spawn_local(async move {
                        let mut stream = field.connect().await.unwrap();
                        // Those that came first may be sent away while the last are still coming.
                        stream.write_all(&bytes).await.ok();
                        stream
                    })
                })
                .collect();
            for stream in batch {
                crowd.push(stream.await.unwrap());
            }
        }
        crowd
    }

    /// Waits until `count` more genuine notifications were answered.
    pub(crate) async fn outlast(&self, count: usize) {
        let mut answered = self.answered.clone();
        let goal = *answered.borrow() + count;
        answered.wait_for(|answered| *answered >= goal).await.unwrap();
    }
}

/// A whole answer: its status and its body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer(pub(crate) u16, pub(crate) String);

/// The next answer on `stream`, or none where it ends or breaks before its first byte.
pub(crate) async fn answer(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<Answer> {
    loop {
        if let Some(end) = memchr::memmem::find(read, b"\r\n\r\n") {
            let head = String::from_utf8(read[..end].to_ascii_lowercase()).unwrap();
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            let length: usize =
                head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap();
            let whole = end + 4 + length;
            if read.len() >= whole {
                let body = String::from_utf8(read[end + 4..whole].to_vec()).unwrap();
                read.drain(..whole);
                return Some(Answer(status, body));
            }
        }
        if !matches!(stream.read_buf(read).await, Ok(1..)) {
            return None;
        }
    }
}

/// The request that posts `body`, with `more` headers.
pub(crate) fn post(body: &str, more: &str) -> Vec<u8> {
    let mut bytes = head(body.len(), more).into_bytes();
    bytes.extend_from_slice(body.as_bytes());
    bytes
}

/// The head of a POST of `length` bytes, with `more` headers.
pub(crate) fn head(length: usize, more: &str) -> String {
    format!(
        "POST /alipay/notify HTTP/1.1\r\nHost: example.com\r\nUser-Agent: Mozilla/4.0\r\nContent-Type: \
         application/x-www-form-urlencoded; text/html; charset=UTF-8\r\nContent-Length: {length}\r\n{more}\r\n"
    )
}

/// A notification of about `length` bytes that keeps to every rule, with a signature that does not hold.
pub(crate) fn forged(length: usize) -> String {
    let genuine = Notification::genuine(Form::V1);
    let short = genuine.body().len();
    let content = format!(r#"{{"text":"{}"}}"#, "x".repeat(length.saturating_sub(short)));
    genuine.set("biz_content", content).body()
}

/// Alipay: posts genuine notifications, each over a new connection, one after the other.
pub(crate) struct Alipay {
    pub(crate) answered: watch::Sender<usize>,
    pub(crate) refused: usize,
    pub(crate) slowest: Duration,
}

/// How long Alipay waits for an answer.
const PATIENCE: Duration = Duration::from_secs(16);
/// How long after one notification, or one refused connection, the next is sent.
const PAUSE: Duration = Duration::from_millis(5);

impl Alipay {
    pub(crate) fn new() -> Self {
        Self { answered: watch::Sender::new(0), refused: 0, slowest: Duration::ZERO }
    }

    pub(crate) fn sent(&self) -> usize {
        *self.answered.borrow()
    }

    /// Sends one notification, again only where the connection was refused, and expects `success` in time.
    ///
    /// Every other one comes in two pieces, as from a sender who writes the head first.
    pub(crate) async fn send(&mut self, sidecar: SocketAddr) {
        let number = self.sent();
        let request = post(&Notification::genuine(Form::V1).body(), "");
        let pieces = if number.is_multiple_of(2) { 1 } else { 2 };
        let start = tokio::time::Instant::now();
        let answer = loop {
            let left = PATIENCE.checked_sub(start.elapsed()).expect("every connection was refused for 16 s");
            let sent = tokio::time::timeout(left, deliver(sidecar, &request, pieces)).await;
            match sent
                .unwrap_or_else(|_| panic!("genuine notification {number} was not answered within 16 s"))
            {
                Some(answer) => break answer,
                None => self.refused += 1,
            }
            tokio::time::sleep(PAUSE).await;
        };
        assert_eq!(answer, Answer(200, "success".into()), "genuine notification {number}");
        self.slowest = self.slowest.max(start.elapsed());
        self.answered.send_modify(|answered| *answered += 1);
        tokio::time::sleep(PAUSE).await;
    }
}

/// One delivery; none where the connection was refused, or closed without a word.
async fn deliver(sidecar: SocketAddr, request: &[u8], pieces: usize) -> Option<Answer> {
    let mut stream = TcpStream::connect(sidecar).await.ok()?;
    stream.set_nodelay(true).ok()?;
    for piece in request.chunks(request.len().div_ceil(pieces)) {
        stream.write_all(piece).await.ok()?;
    }
    answer(&mut stream, &mut Vec::new()).await
}
