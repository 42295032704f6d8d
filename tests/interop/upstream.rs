//! A backend on loopback that answers 204 and keeps what it was sent.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use serde_json::Value;

pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    bodies: Receiver<Vec<u8>>,
}

impl Upstream {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, bodies) = channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let sender = sender.clone();
                thread::spawn(move || serve(&stream.unwrap(), &sender));
            }
        });
        Self { address, bodies }
    }

    /// The `biz_content` of everything that has arrived since it was last asked.
    ///
    /// Nothing has to be waited for: a body is here before the sidecar hears the 204, and so before it answers.
    pub(crate) fn received(&self) -> Vec<Value> {
        let biz_content = |body: Vec<u8>| {
            let event: Value = serde_json::from_slice(&body).unwrap();
            event.get("biz_content").unwrap_or_else(|| panic!("no biz_content: {event}")).clone()
        };
        self.bodies.try_iter().map(biz_content).collect()
    }
}

/// One connection, request after request, until the other end closes it.
fn serve(mut stream: &TcpStream, bodies: &Sender<Vec<u8>>) {
    let mut reader = BufReader::new(stream);
    while let Some(length) = content_length(&mut reader) {
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        bodies.send(body).unwrap();
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    }
}

/// Reads a head; `None` at the end of the connection.
fn content_length(reader: &mut impl BufRead) -> Option<usize> {
    let mut length = None;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            return Some(length.expect("an exact content-length is promised"));
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = Some(value.trim().parse().unwrap());
        }
    }
}
