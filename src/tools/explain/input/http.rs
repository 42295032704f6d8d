//! An HTTP request as a proxy or tcpdump shows it.

use super::{Capture, Head, Unreadable};

/// The methods that a request in a capture may have.
const METHODS: [&[u8]; 7] = [b"POST ", b"GET ", b"PUT ", b"PATCH ", b"DELETE ", b"HEAD ", b"OPTIONS "];
/// The most lines before the request that are looked through.
const MAX_LINES: usize = 1_000;
const MAX_HEADERS: usize = 128;

/// The request in `bytes`, from its method on; what tcpdump shows of the packet stands before it.
pub(super) fn find(bytes: &[u8]) -> Option<&[u8]> {
    let mut at = 0_usize;
    for line in bytes.split(|byte| *byte == b'\n').take(MAX_LINES) {
        // tcpdump repeats the request in the line that it writes before the packet.
        let of_request = Some(line).filter(|line| length_of_packet(line).is_none());
        if let Some(end) = of_request.and_then(|line| memchr::memmem::find(line, b" HTTP/1.")) {
            let before = line.get(..end)?;
            let start = METHODS.iter().filter_map(|method| memchr::memmem::rfind(before, method)).max();
            if let Some(start) = start {
                return bytes.get(at.checked_add(start)?..);
            }
        }
        at = at.saturating_add(line.len()).saturating_add(1);
    }
    None
}

/// Reads the request that `bytes` begin with.
pub(super) fn read(bytes: &[u8]) -> Result<Capture, Unreadable> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let Ok(httparse::Status::Complete(length)) = request.parse(bytes) else {
        return Err(Unreadable::Unknown);
    };
    let head = Head {
        method: request.method.unwrap_or_default().to_owned(),
        target: request.path.unwrap_or_default().to_owned(),
        headers: request
            .headers
            .iter()
            .map(|header| (header.name.to_owned(), String::from_utf8_lossy(header.value).trim().to_owned()))
            .collect(),
    };
    let rest = bytes.get(length..).unwrap_or_default();
    let header = |name: &str| {
        head.headers
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    };
    let body = if header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        dechunk(rest)
            .ok_or(Unreadable::Incomplete { captured: rest.len(), announced: rest.len().saturating_add(1) })?
    } else {
        let packets = payload(rest);
        match header("content-length").and_then(|length| length.parse::<usize>().ok()) {
            Some(length) => packets
                .get(..length)
                .ok_or(Unreadable::Incomplete { captured: packets.len(), announced: length })?
                .to_vec(),
            None => packets.trim_ascii_end().to_vec(),
        }
    };
    if body.is_empty() {
        // Whoever sends all in the address sends the same parameters.
        let query = head.target.split_once('?').map(|(_, query)| query.as_bytes().to_vec());
        let query = query.filter(|query| !query.is_empty()).ok_or(Unreadable::NoBody)?;
        return Ok(Capture::body("an HTTP request", Some(head), &query));
    }
    Ok(Capture::body("an HTTP request", Some(head), &body))
}

/// The body without what tcpdump writes between the packets: a line with time and length, and the packet's own head.
fn payload(rest: &[u8]) -> Vec<u8> {
    let mut lines = rest.split_inclusive(|byte| *byte == b'\n').peekable();
    let mut body: Vec<u8> = Vec::new();
    let gather = |lines: &mut std::iter::Peekable<_>| -> Vec<u8> {
        let mut chunk = Vec::new();
        while let Some(line) = lines.next_if(|line: &&[u8]| length_of_packet(line).is_none()) {
            chunk.extend_from_slice(line);
        }
        chunk
    };
    let first = gather(&mut lines);
    let is_dump = lines.peek().is_some();
    body.extend(if is_dump { first.strip_suffix(b"\n").unwrap_or(&first) } else { &first });
    while let Some(line) = lines.next() {
        let length = length_of_packet(line).unwrap_or_default();
        let chunk = gather(&mut lines);
        let chunk = chunk.strip_suffix(b"\n").unwrap_or(&chunk);
        body.extend(chunk.get(chunk.len().saturating_sub(length)..).unwrap_or_default());
    }
    body
}

/// The length of the payload, if `line` is the one that tcpdump writes before a packet.
fn length_of_packet(line: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(line).ok()?;
    let is_time = text.get(..8).is_some_and(|time| {
        time.bytes()
            .enumerate()
            .all(|(at, byte)| if at == 2 || at == 5 { byte == b':' } else { byte.is_ascii_digit() })
    });
    let (_, after) = text.rsplit_once(", length ").filter(|_| is_time && text.contains(" IP"))?;
    after.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}

/// The body in chunks, if it is whole.
fn dechunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = memchr::memchr(b'\n', rest)?;
        let line = std::str::from_utf8(rest.get(..end)?).ok()?;
        let size = usize::from_str_radix(line.trim().split(';').next()?.trim(), 16).ok()?;
        rest = rest.get(end.checked_add(1)?..)?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size..)?;
        rest = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n"))?;
    }
}
