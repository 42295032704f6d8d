//! A client that writes bytes and reads answers, one at a time, strictly.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection};

/// Far more than anything here takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// How it is told that the other side closed, before or after what was sent to it arrived.
const CLOSED: [ErrorKind; 4] = [
    ErrorKind::ConnectionReset,
    ErrorKind::ConnectionAborted,
    ErrorKind::BrokenPipe,
    ErrorKind::UnexpectedEof,
];

/// An answer as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub(crate) fn is(&self, status: u16, body: &str) {
        assert_eq!((self.status, self.body.as_str()), (status, body), "{self:?}");
        assert_eq!(self.header("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(self.header("content-length"), Some(body.len().to_string().as_str()));
        let known = ["content-type", "content-length", "connection", "allow"];
        assert!(self.headers.iter().all(|(name, _)| known.contains(&name.as_str())), "{self:?}");
    }
}

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    read: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).unwrap())
    }

    /// As [`Client::connect`]; nothing where nobody listens.
    pub(crate) fn try_connect(address: SocketAddr) -> Option<Self> {
        TcpStream::connect(address).ok().map(Self::over)
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, tls: None, read: Vec::new() }
    }

    /// As [`Client::connect`], with TLS.
    pub(crate) fn connect_tls(address: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        Self::connect(address).with_tls(config)
    }

    /// With TLS from the next byte on.
    pub(crate) fn with_tls(self, config: &Arc<ClientConfig>) -> Self {
        let name = "sidecar.example".try_into().unwrap();
        let tls = ClientConnection::new(Arc::clone(config), name).unwrap();
        Self { tls: Some(Box::new(tls)), ..self }
    }

    /// Posts `body`; nothing where the connection is closed before an answer.
    pub(crate) fn try_post(&mut self, body: &str) -> Option<Answer> {
        self.try_send(format!("{}{body}", Self::head(body.len(), "")));
        self.next()
    }

    /// The head of a POST of `length` bytes, as Alipay writes it, with `more` headers.
    pub(crate) fn head(length: usize, more: &str) -> String {
        format!(
            "POST /alipay/notify HTTP/1.1\r\nHost: example.com\r\nUser-Agent: Mozilla/4.0\r\nContent-Type: \
             application/x-www-form-urlencoded; text/html; charset=UTF-8\r\nContent-Length: {length}\r\n{more}\r\n"
        )
    }

    pub(crate) fn post(&mut self, body: &str) -> Answer {
        self.post_with(body, "")
    }

    /// Posts `body` with `more` headers.
    pub(crate) fn post_with(&mut self, body: &str, more: &str) -> Answer {
        self.send(format!("{}{body}", Self::head(body.len(), more)));
        self.answer()
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        self.answer()
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.write(bytes.as_ref()).unwrap();
    }

    /// Sends what the other side may refuse to read to its end.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) {
        drop(self.write(bytes.as_ref()));
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match &mut self.tls {
            Some(tls) => rustls::Stream::new(&mut **tls, &mut self.stream).write_all(bytes),
            None => self.stream.write_all(bytes),
        }
    }

    pub(crate) fn finish(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// The next answer; there must be one.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> Answer {
        self.next().unwrap_or_else(|| panic!("closed without an answer"))
    }

    /// The next answer, or none where the connection is closed.
    pub(crate) fn next(&mut self) -> Option<Answer> {
        let end = loop {
            if let Some(end) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end;
            }
            if !self.fill() {
                assert!(self.read.is_empty(), "half an answer: {}", self.read.escape_ascii());
                return None;
            }
        };
        let head = String::from_utf8(self.read.drain(..end + 4).collect()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let length = headers
            .iter()
            .find(|(name, _)| name == "content-length")
            .map_or(0, |(_, value)| value.parse().unwrap());
        while self.read.len() < length {
            assert!(self.fill(), "the body of an answer is cut off");
        }
        let body = String::from_utf8(self.read.drain(..length).collect()).unwrap();
        Some(Answer { status, headers, body })
    }

    /// Whether the other side closed without a further answer.
    #[track_caller]
    pub(crate) fn is_closed(&mut self) {
        assert_eq!(self.next(), None);
    }

    /// All that comes, up to the end of the connection; whether that end was orderly: with TLS, announced.
    pub(crate) fn rest(mut self) -> (String, bool) {
        let outcome = loop {
            match self.fill_once() {
                Ok(0) => break Ok(()),
                Ok(_) => {}
                Err(error) if CLOSED.contains(&error.kind()) => break Err(error),
                Err(error) => panic!("{error}"),
            }
        };
        (String::from_utf8(self.read).unwrap(), outcome.is_ok())
    }

    /// Reads once; says how much came.
    fn fill_once(&mut self) -> std::io::Result<usize> {
        let mut bytes = [0; 4096];
        let length = match &mut self.tls {
            Some(tls) => rustls::Stream::new(&mut **tls, &mut self.stream).read(&mut bytes)?,
            None => self.stream.read(&mut bytes)?,
        };
        self.read.extend_from_slice(&bytes[..length]);
        Ok(length)
    }

    fn fill(&mut self) -> bool {
        match self.fill_once() {
            Ok(length) => length > 0,
            Err(error) if CLOSED.contains(&error.kind()) => false,
            Err(error) => panic!("no answer: {error}"),
        }
    }
}
