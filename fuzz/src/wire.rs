//! A running sidecar on loopback, with an upstream that accepts and records whatever reaches it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use alipay_sidecar::config::Config;
use alipay_sidecar::server::Server;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// Far more than anything here takes: whoever waits so long is stuck.
const PATIENCE: Duration = Duration::from_secs(15);

/// The sidecar, and what its upstream got.
pub struct Wire {
    address: SocketAddr,
    admin: SocketAddr,
    got: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// An answer of the sidecar.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Whether the body is `success`; otherwise it is `fail`.
    pub is_success: bool,
    /// Whether it says that it is the last one of its connection.
    pub is_last: bool,
}

impl Wire {
    /// Starts both, in this process, until it ends.
    pub fn start() -> Self {
        let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/app", upstream.local_addr().unwrap());
        let got = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&got);
        thread::spawn(move || {
            for stream in upstream.incoming() {
                let record = Arc::clone(&record);
                thread::spawn(move || accept(stream.unwrap(), &record));
            }
        });
        // Without a ledger, so that each `success` is one delivery.
        let config = format!(
            "server.listen = \"127.0.0.1:0\"\nadmin.listen = \"127.0.0.1:0\"\nupstream.url = \"{url}\"\nverify.max_age \
             = \"0s\"\nledger.store = \"off\"\n[[apps]]\napp_id = \"{}\"\nalipay_public_keys = [\"{}\"]\n",
            super::APP_ID,
            BASE64_STANDARD.encode(super::test_spki()),
        );
        let config = Config::parse(Path::new("sidecar.toml"), config.as_bytes(), |_| None);
        let server = Server::bind(config.unwrap_or_else(|errors| panic!("{errors}"))).unwrap();
        let (address, admin) = (server.address().unwrap(), server.admin_address().unwrap());
        thread::spawn(move || server.serve(std::future::pending()));
        Self { address, admin, got }
    }

    /// Sends `pieces` over a connection of their own, one after the other, and reads all that is answered.
    pub fn talk<'a>(&self, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Answer> {
        let mut stream = connect(self.address);
        for piece in pieces {
            // The sidecar may close before it has read everything.
            if stream.write_all(piece).is_err() {
                break;
            }
            thread::yield_now();
        }
        drop(stream.shutdown(Shutdown::Write));
        let mut rest = &read_to_end(&mut stream)[..];
        let mut answers = Vec::new();
        while !rest.is_empty() {
            // An invitation to go on is no answer.
            rest = rest.strip_prefix(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(rest);
            let (answer, after) = parse(rest).unwrap_or_else(|| panic!("no answer: {}", rest.escape_ascii()));
            answers.push(answer);
            rest = after;
        }
        answers
    }

    /// Takes what the upstream got since the last time. To be asked when all is answered.
    pub fn take_got(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut *self.got.lock().unwrap())
    }

    /// How many requests the sidecar has counted.
    pub fn counted(&self) -> u64 {
        let mut stream = connect(self.admin);
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
        let text = String::from_utf8(read_to_end(&mut stream)).unwrap();
        let lines = text.lines().filter(|line| line.starts_with("alipay_sidecar_notifications_total{"));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut read = Vec::new();
    match stream.read_to_end(&mut read) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the connection is stuck after {}: {error}", read.escape_ascii()),
    }
    read
}

/// The answer that `bytes` begin with, which must be one of those documented, and what comes after it.
fn parse(bytes: &[u8]) -> Option<(Answer, &[u8])> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status =
        lines.next()?.strip_prefix("HTTP/1.1 ").or(head.strip_prefix("HTTP/1.0 "))?.get(..3)?.parse().ok()?;
    let (mut length, mut has_type, mut is_last, mut has_allow) = (None, false, false, false);
    for line in lines {
        match line.to_ascii_lowercase().as_str() {
            "content-length: 7" => length = Some(7),
            "content-length: 4" => length = Some(4),
            "content-type: text/plain; charset=utf-8" => has_type = true,
            // hyper keeps a connection of HTTP/1.0 alive in the same breath in which we close it.
            "connection: close" | "connection: close, keep-alive" => is_last = true,
            "connection: keep-alive" => {}
            "allow: post" => has_allow = true,
            _ => return None,
        }
    }
    let (body, after) = bytes[end + 4..].split_at_checked(length?)?;
    let is_success = body == b"success";
    let is_documented = match status {
        200 => is_success || body == b"fail",
        400 | 403 | 404 | 405 | 408 | 411 | 413 | 415 | 417 | 431 => body == b"fail",
        _ => false,
    };
    (is_documented && has_type && has_allow == (status == 405))
        .then_some((Answer { status, is_success, is_last }, after))
}

/// Accepts all requests of one connection, which come from the sidecar and so are plain.
fn accept(mut stream: TcpStream, record: &Mutex<Vec<Vec<u8>>>) -> Option<()> {
    let mut read = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            fill(&mut stream, &mut read)?;
        };
        let head = String::from_utf8(read.drain(..end).collect()).unwrap();
        assert!(head.starts_with("POST /app HTTP/1.1\r\n"), "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let length = length.parse().unwrap();
        while read.len() < length {
            fill(&mut stream, &mut read)?;
        }
        record.lock().unwrap().push(read.drain(..length).collect());
        stream.write_all(b"HTTP/1.1 204 Done\r\n\r\n").ok()?;
    }
}

fn fill(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<()> {
    let mut bytes = [0; 4096];
    let length = stream.read(&mut bytes).ok()?;
    read.extend_from_slice(&bytes[..length]);
    (length > 0).then_some(())
}
