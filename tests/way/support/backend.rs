//! An app of which each connection is in the hands of the test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// Far more than anything here takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection whose request's head was read.
pub(crate) struct Call {
    pub(crate) head: String,
    stream: BufReader<TcpStream>,
}

impl Call {
    /// The value of a header of the request.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        headers.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The first line of the request.
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap()
    }

    /// The next `length` bytes of what follows the head.
    #[track_caller]
    pub(crate) fn read(&mut self, length: usize) -> String {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// All that follows, as a text, up to and with `end`.
    #[track_caller]
    pub(crate) fn read_to(&mut self, end: &str) -> String {
        let mut text = String::new();
        while !text.ends_with(end) {
            text.push_str(&self.read(1));
        }
        text
    }

    pub(crate) fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    /// Writes pieces of `length` bytes for as long as somebody takes them, up to `most`; says how many were taken when
    /// nobody took the next for a second.
    pub(crate) fn pour(&mut self, most: usize) -> usize {
        let stream = self.stream.get_mut();
        stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
        let piece = [b'x'; 16 * 1024];
        let mut taken = 0;
        while taken < most {
            match stream.write(&piece[..piece.len().min(most - taken)]) {
                Ok(length) => taken += length,
                Err(_) => break,
            }
        }
        taken
    }

    /// Waits until the other side has closed.
    #[track_caller]
    pub(crate) fn given_up(mut self) {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
        }
    }
}

pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    calls: Receiver<Call>,
}

impl Backend {
    /// A backend whose calls the test takes one by one.
    pub(crate) fn start() -> Self {
        let (sender, calls) = channel();
        let address = listen(move |call| drop(sender.send(call)));
        Self { address, calls }
    }

    /// The next call; there must be one.
    #[track_caller]
    pub(crate) fn call(&self) -> Call {
        self.calls.recv_timeout(PATIENCE).expect("the backend was not called")
    }

    /// That there was no call. To be asked when the sidecar has answered.
    #[track_caller]
    pub(crate) fn is_not_called(&self) {
        if let Ok(call) = self.calls.try_recv() {
            panic!("the backend was called: {}", call.head);
        }
    }
}

/// Serves each connection with a thread of its own, once the head of a request is there.
fn listen(serve: impl Fn(Call) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let serve = Arc::clone(&serve);
            thread::spawn(move || {
                let stream = stream.unwrap();
                stream.set_nodelay(true).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.set_write_timeout(Some(PATIENCE)).unwrap();
                let mut stream = BufReader::new(stream);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    if stream.read_line(&mut head).unwrap_or(0) == 0 {
                        return;
                    }
                }
                serve(Call { head, stream });
            });
        }
    });
    address
}
