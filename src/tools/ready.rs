//! `ready`: asks a running sidecar whether it is ready, for health checks where there is no shell and no curl.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long the sidecar may take to answer. Docker's own limit for a health check is far above it.
const PATIENCE: Duration = Duration::from_secs(2);
/// More than a probe ever answers.
const MAX_ANSWER: u64 = 4096;

/// Asks `/readyz` on the admin listener at `address`: the answer to show, and whether it is "ready".
pub fn ready(address: SocketAddr) -> io::Result<(bool, String)> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(MAX_ANSWER).read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let is_ready = head.split(' ').nth(1) == Some("200");
    Ok((is_ready, body.trim_end().to_owned()))
}
