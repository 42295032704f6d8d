//! A message of HTTP/1.1, as far as a benchmark has to read it.

use std::io;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// A request or an answer.
#[derive(Debug)]
pub struct Heard {
    /// Its first line and its headers.
    pub head: String,
    /// Its body.
    pub body: Vec<u8>,
}

/// What was read of a connection, and not used yet.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: Vec<u8>,
}

impl Reader {
    /// The next message on `stream`; `None` where it ended between two of them.
    pub async fn next(&mut self, stream: &mut TcpStream) -> io::Result<Option<Heard>> {
        loop {
            if let Some((heard, end)) = parse(&self.buffer) {
                self.buffer.drain(..end);
                return Ok(Some(heard));
            }
            if stream.read_buf(&mut self.buffer).await? == 0 {
                return if self.buffer.is_empty() {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
        }
    }
}

/// The message that stands at the start of `bytes`, and where it ends; `None` as long as there is more to come.
fn parse(bytes: &[u8]) -> Option<(Heard, usize)> {
    let start = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..start]).to_ascii_lowercase();
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    if header("transfer-encoding:").is_some_and(|coding| coding.ends_with("chunked")) {
        let (body, end) = chunks(bytes, start)?;
        return Some((Heard { head, body }, end));
    }
    let end = start + header("content-length:").and_then(|length| length.parse().ok()).unwrap_or(0_usize);
    let body = bytes.get(start..end)?.to_vec();
    Some((Heard { head, body }, end))
}

/// The chunks from `place` on, in one, and where they end.
fn chunks(bytes: &[u8], mut place: usize) -> Option<(Vec<u8>, usize)> {
    let mut body = Vec::new();
    loop {
        let line = bytes[place..].windows(2).position(|two| two == b"\r\n")?;
        let size =
            usize::from_str_radix(str::from_utf8(&bytes[place..place + line]).ok()?.trim(), 16).ok()?;
        place += line + 2;
        body.extend_from_slice(bytes.get(place..place + size)?);
        place += size + 2;
        if bytes.len() < place {
            return None;
        }
        if size == 0 {
            return Some((body, place));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_there_once_all_of_it_is() {
        for whole in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nsuccess"[..],
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nsuc\r\n4\r\ncess\r\n0\r\n\r\n",
        ] {
            for cut in 0..whole.len() {
                assert!(parse(&whole[..cut]).is_none(), "{cut}");
            }
            let (heard, end) = parse(&[whole, b"HTTP"].concat()).unwrap();
            assert_eq!((&heard.body[..], end), (&b"success"[..], whole.len()));
        }
    }
}
