//! The app: it accepts, refuses, hangs, breaks off and lies, as a seed says, and notes what it did.

use std::collections::HashMap;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::sleep;

use super::alipay::content_of;
use super::judge::{Content, Event, History};

/// What the app does with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Act {
    /// It says 2xx.
    Accept,
    /// It says so after a while, in time.
    AcceptSlowly,
    /// It says so when nobody waits for it any more.
    AcceptTooLate,
    /// It says so, and the connection breaks off in the middle of that.
    AcceptAndBreakOff,
    /// It did its work, and says 500.
    Lie,
    /// It says 409.
    Refuse,
    /// It says that the notification belongs elsewhere.
    Redirect,
    /// It says nothing.
    Hang,
    /// It reads the request and closes the connection.
    Close,
}

/// How it accepts.
const NO_CONTENT: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
/// What it may do, as often as it is to be done.
const ACTS: [Act; 14] = [
    Act::Accept,
    Act::Accept,
    Act::Accept,
    Act::Accept,
    Act::AcceptSlowly,
    Act::AcceptTooLate,
    Act::AcceptAndBreakOff,
    Act::Lie,
    Act::Lie,
    Act::Refuse,
    Act::Refuse,
    Act::Redirect,
    Act::Hang,
    Act::Close,
];

/// An app, whatever it is reached over.
pub(crate) struct App {
    seed: u64,
    /// How long a delivery may take.
    timeout: Duration,
    history: History,
    is_healed: AtomicBool,
    /// How often each came.
    seen: Mutex<HashMap<Content, u32>>,
    /// How often it did what.
    did: Mutex<HashMap<Act, usize>>,
}

impl App {
    pub(crate) fn new(seed: u64, timeout: Duration, history: History) -> Self {
        Self {
            seed,
            timeout,
            history,
            is_healed: AtomicBool::new(false),
            seen: Mutex::default(),
            did: Mutex::default(),
        }
    }

    /// From now on it accepts.
    pub(crate) fn heal(&self) {
        self.is_healed.store(true, Ordering::Relaxed);
    }

    /// How often it did what, the most frequent first.
    pub(crate) fn did(&self) -> Vec<(Act, usize)> {
        let mut did: Vec<_> = self.did.lock().unwrap().iter().map(|(act, times)| (*act, *times)).collect();
        did.sort_by_key(|(act, times)| (std::cmp::Reverse(*times), *act));
        did
    }

    /// What is done with `content`, which comes once more. It depends on the seed and on nothing that happens.
    fn act(&self, content: Content) -> Act {
        let mut seen = self.seen.lock().unwrap();
        let times = seen.entry(content).or_default();
        *times += 1;
        let number = match content {
            Content::Genuine(number) => u64::from(number),
            Content::Forged(number) => u64::from(number) << 32,
        };
        let mut random = fastrand::Rng::with_seed(
            self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (u64::from(*times) << 48),
        );
        let act = if self.is_healed.load(Ordering::Relaxed) {
            Act::Accept
        } else {
            ACTS[random.usize(..ACTS.len())]
        };
        *self.did.lock().unwrap().entry(act).or_default() += 1;
        act
    }

    /// Serves one connection from the replica `by`.
    pub(crate) async fn serve<S>(&self, mut stream: S, by: usize) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut read = Vec::new();
        loop {
            let Some(body) = request(&mut stream, &mut read).await? else { return Ok(()) };
            let content = content_of(&body).expect("what comes is what somebody sent");
            self.history.note(Event::Forwarded { content, by });
            let accepted = || self.history.note(Event::Accepted { content });
            match self.act(content) {
                Act::Accept => {
                    accepted();
                    stream.write_all(NO_CONTENT).await?;
                }
                Act::AcceptSlowly => {
                    sleep(self.timeout / 3).await;
                    accepted();
                    stream.write_all(NO_CONTENT).await?;
                }
                Act::AcceptTooLate => {
                    sleep(self.timeout * 2).await;
                    accepted();
                    stream.write_all(NO_CONTENT).await?;
                }
                Act::AcceptAndBreakOff => {
                    accepted();
                    stream.write_all(&NO_CONTENT[..12]).await?;
                    return Ok(());
                }
                Act::Lie => {
                    stream
                        .write_all(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 2\r\n\r\nOK")
                        .await?;
                }
                Act::Refuse => {
                    stream.write_all(b"HTTP/1.1 409 Conflict\r\ncontent-length: 0\r\n\r\n").await?;
                }
                Act::Redirect => {
                    let location = "location: /success\r\ncontent-length: 0\r\n\r\n";
                    stream.write_all(format!("HTTP/1.1 302 Found\r\n{location}").as_bytes()).await?;
                }
                Act::Hang => {
                    sleep(self.timeout * 3).await;
                    return Ok(());
                }
                Act::Close => return Ok(()),
            }
        }
    }
}

/// The body of the next request; none where the connection ends before it.
async fn request<S: AsyncRead + Unpin>(stream: &mut S, read: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    let mut piece = [0; 2048];
    loop {
        if let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).into_owned();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let whole = end + 4 + length.and_then(|length| length.parse::<usize>().ok()).unwrap();
            if read.len() >= whole {
                let rest = read.split_off(whole);
                let body = read.split_off(end + 4);
                *read = rest;
                return Ok(Some(body));
            }
        }
        let length = stream.read(&mut piece).await?;
        if length == 0 {
            return Ok(None);
        }
        read.extend_from_slice(&piece[..length]);
    }
}
