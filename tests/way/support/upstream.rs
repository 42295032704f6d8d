//! An upstream that does as it is told, down to the byte, and tells of what it got.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// What the upstream does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Answer with these bytes and keep the connection.
    Say(String),
    /// Answer with these bytes and close the connection.
    SayAndClose(String),
    /// Close the connection without a byte.
    Close,
    /// Say nothing until the test is over.
    Hang,
    /// Wait for [`Upstream::release`], then answer 204.
    Wait,
}

impl Act {
    /// An answer of `status` without a body.
    pub(crate) fn status(status: u16) -> Self {
        Self::Say(format!("HTTP/1.1 {status} Told\r\ncontent-length: 0\r\n\r\n"))
    }
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) connection: usize,
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    script: Arc<Script>,
    got: Receiver<Got>,
}

#[derive(Default)]
struct Script {
    acts: Mutex<VecDeque<Act>>,
    released: Mutex<bool>,
    release: Condvar,
}

impl Upstream {
    /// An upstream that serves each connection with a thread of its own.
    pub(crate) fn start() -> Self {
        Self::with(true)
    }

    /// An upstream with one thread: while one connection is open, no other is served.
    pub(crate) fn with_one_thread() -> Self {
        Self::with(false)
    }

    fn with(has_threads: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Script::default());
        let (sender, got) = channel();
        let shared = Arc::clone(&script);
        thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let (script, sender) = (Arc::clone(&shared), sender.clone());
                let serve = move || serve(stream.unwrap(), connection, &script, &sender);
                if has_threads {
                    thread::spawn(serve);
                } else {
                    serve();
                }
            }
        });
        Self { address, script, got }
    }

    pub(crate) fn does(&self, acts: impl IntoIterator<Item = Act>) {
        self.script.acts.lock().unwrap().extend(acts);
    }

    /// The next request; there must be one.
    #[track_caller]
    pub(crate) fn got(&self) -> Got {
        self.got.recv_timeout(PATIENCE).expect("the upstream got nothing")
    }

    /// All requests that came so far.
    pub(crate) fn all_got(&self) -> Vec<Got> {
        self.got.try_iter().collect()
    }

    /// The next request, if there is one by now.
    pub(crate) fn try_got(&self) -> Option<Got> {
        self.got.try_recv().ok()
    }

    /// That no request came. To be asked when the sidecar has answered: then it has delivered whatever it will.
    #[track_caller]
    pub(crate) fn got_nothing(&self) {
        if let Ok(got) = self.got.try_recv() {
            panic!("the upstream got {got:?}");
        }
    }

    /// Lets all requests go on that wait.
    pub(crate) fn release(&self) {
        *self.script.released.lock().unwrap() = true;
        self.script.release.notify_all();
    }
}

fn serve(mut stream: TcpStream, connection: usize, script: &Script, sender: &Sender<Got>) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut read = Vec::new();
    loop {
        let got = request(&mut stream, &mut read, connection)?;
        sender.send(got).ok()?;
        let act = script.acts.lock().unwrap().pop_front().unwrap_or(Act::status(204));
        match act {
            Act::Say(bytes) => stream.write_all(bytes.as_bytes()).ok()?,
            Act::SayAndClose(bytes) => {
                stream.write_all(bytes.as_bytes()).ok()?;
                return None;
            }
            Act::Close => return None,
            Act::Hang | Act::Wait => {
                let mut released = script.released.lock().unwrap();
                while !*released {
                    released = script.release.wait(released).unwrap();
                }
                if matches!(act, Act::Hang) {
                    return None;
                }
                stream.write_all(b"HTTP/1.1 204 Told\r\n\r\n").ok()?;
            }
        }
    }
}

fn request(stream: &mut TcpStream, read: &mut Vec<u8>, connection: usize) -> Option<Got> {
    let end = loop {
        if let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end;
        }
        fill(stream, read)?;
    };
    let head = String::from_utf8(read.drain(..end + 4).collect()).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let line = lines.next().unwrap().to_owned();
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let length: usize = headers.iter().find(|(name, _)| name == "content-length").unwrap().1.parse().unwrap();
    while read.len() < length {
        fill(stream, read)?;
    }
    let body = read.drain(..length).collect();
    Some(Got { connection, line, headers, body })
}

fn fill(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<()> {
    let mut bytes = [0; 4096];
    let length = stream.read(&mut bytes).ok()?;
    read.extend_from_slice(&bytes[..length]);
    (length > 0).then_some(())
}
