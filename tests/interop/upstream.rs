//! A backend on loopback that answers 204 and keeps what it was sent.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use serde_json::{Map, Value};

pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    got: Receiver<Got>,
}

/// A request as it came.
#[derive(Clone)]
pub(crate) struct Got {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Got {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The headers as libraries want them, by name.
    pub(crate) fn headers(&self) -> Map<String, Value> {
        self.headers.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect()
    }
}

impl Upstream {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, got) = channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let sender = sender.clone();
                thread::spawn(move || serve(&stream.unwrap(), &sender));
            }
        });
        Self { address, got }
    }

    /// Everything that has arrived since it was last asked.
    ///
    /// Nothing has to be waited for: a request is here before the sidecar hears the 204, and so before it answers.
    pub(crate) fn got(&self) -> Vec<Got> {
        self.got.try_iter().collect()
    }

    /// The `biz_content` of everything that has arrived since it was last asked.
    pub(crate) fn received(&self) -> Vec<Value> {
        let biz_content = |got: Got| {
            let event: Value = serde_json::from_slice(&got.body).unwrap();
            event.get("biz_content").unwrap_or_else(|| panic!("no biz_content: {event}")).clone()
        };
        self.got.try_iter().map(biz_content).collect()
    }
}

/// One connection, request after request, until the other end closes it.
fn serve(mut stream: &TcpStream, sender: &Sender<Got>) {
    let mut reader = BufReader::new(stream);
    while let Some(headers) = head(&mut reader) {
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let (_, length) = length.expect("an exact content-length is promised");
        let mut body = vec![0; length.parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        sender.send(Got { headers, body }).unwrap();
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    }
}

/// Reads a head; `None` at the end of the connection.
fn head(reader: &mut impl BufRead) -> Option<Vec<(String, String)>> {
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            return Some(headers);
        }
        if let Some((name, value)) = line.trim_end().split_once(": ") {
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
    }
}
