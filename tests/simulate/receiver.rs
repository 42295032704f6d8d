//! A receiver that answers as it is told, and keeps what it got.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Got {
    /// The value of a header; empty where it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        let headers = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = headers.filter(|(found, _)| found.eq_ignore_ascii_case(name));
        found.next().map_or("", |(_, value)| value)
    }
}

type Says = dyn Fn(usize, &Got) -> (u16, &'static str) + Send + Sync;

/// It listens as long as the test runs.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Receiver {
    /// An app behind the sidecar that accepts everything.
    pub(crate) fn accepting() -> Self {
        Self::answering(|_, _| (204, ""))
    }

    /// Answers what `says` says, which knows how many requests came before this one.
    pub(crate) fn answering(
        says: impl Fn(usize, &Got) -> (u16, &'static str) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (got, says): (Arc<Mutex<Vec<Got>>>, Arc<Says>) = (Arc::default(), Arc::new(says));
        let shared = Arc::clone(&got);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (got, says) = (Arc::clone(&shared), Arc::clone(&says));
                thread::spawn(move || serve(stream.unwrap(), &got, &*says));
            }
        });
        Self { address, got }
    }

    /// Where it takes notifications itself.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/notify", self.address)
    }

    /// All requests since this was asked last.
    pub(crate) fn got(&self) -> Vec<Got> {
        std::mem::take(&mut *self.got.lock().unwrap())
    }
}

/// The URL of a port where nobody listens.
pub(crate) fn nobody() -> String {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    format!("http://{address}/")
}

/// Serves one connection as simple servers do: strict in what it frames, lenient in nothing else.
fn serve(mut stream: TcpStream, all: &Mutex<Vec<Got>>, says: &Says) -> Option<()> {
    let mut read = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
            fill(&mut stream, &mut read)?;
        };
        let head = String::from_utf8(read.drain(..end).collect()).ok()?;
        let mut got = Got { head, body: Vec::new() };
        let length: usize = got.header("content-length").parse().unwrap_or(0);
        while read.len() < length {
            fill(&mut stream, &mut read)?;
        }
        got.body = read.drain(..length).collect();
        let nth = {
            let mut all = all.lock().unwrap();
            all.push(got.clone());
            all.len() - 1
        };
        let (status, body) = says(nth, &got);
        let length =
            if status == 204 { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        write!(stream, "HTTP/1.1 {status} Told\r\nLocation: /elsewhere\r\n{length}\r\n{body}").ok()?;
    }
}

fn fill(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<()> {
    let mut bytes = [0; 4096];
    let length = stream.read(&mut bytes).ok()?;
    read.extend_from_slice(&bytes[..length]);
    (length > 0).then_some(())
}
