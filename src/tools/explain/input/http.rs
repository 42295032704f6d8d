//! An HTTP request as a proxy or tcpdump shows it.

use super::tcpdump::{self, length_of_packet};
use super::{Capture, Head, Unreadable};

/// The methods that a request in a capture may have.
const METHODS: [&[u8]; 7] = [b"POST ", b"GET ", b"PUT ", b"PATCH ", b"DELETE ", b"HEAD ", b"OPTIONS "];
/// The most lines before the request that are looked through.
const MAX_LINES: usize = 1_000;
const MAX_HEADERS: usize = 128;

/// A request as it was found.
pub(super) struct Found<'b> {
    /// From its method on.
    bytes: &'b [u8],
    /// Whether what stands before it is of tcpdump.
    is_dump: bool,
}

/// The request in `bytes`; what tcpdump shows of the packet may stand before it.
pub(super) fn find(bytes: &[u8]) -> Option<Found<'_>> {
    let mut at = 0_usize;
    let mut is_dump = false;
    for line in bytes.split(|byte| *byte == b'\n').take(MAX_LINES) {
        // tcpdump repeats the request in the line that it writes before the packet.
        let of_request = Some(line).filter(|line| length_of_packet(line).is_none());
        is_dump |= of_request.is_none();
        if let Some(end) = of_request.and_then(|line| memchr::memmem::find(line, b" HTTP/1.")) {
            let before = line.get(..end)?;
            let start = METHODS.iter().filter_map(|method| memchr::memmem::rfind(before, method)).max();
            if let Some(start) = start {
                // The head of a packet begins so, of IPv4 and of IPv6.
                is_dump |= line.starts_with(b"E.") || line.starts_with(b"`.");
                return Some(Found { bytes: bytes.get(at.checked_add(start)?..)?, is_dump });
            }
        }
        at = at.saturating_add(line.len()).saturating_add(1);
    }
    None
}

/// Reads the request.
pub(super) fn read(found: &Found<'_>) -> Result<Capture, Unreadable> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let Found { bytes, mut is_dump } = *found;
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
        let packets = tcpdump::payload(rest);
        is_dump |= packets.is_some();
        let packets = packets.unwrap_or_else(|| rest.to_vec());
        match header("content-length").and_then(|length| length.parse::<usize>().ok()) {
            Some(announced) => packets
                .get(..announced)
                .ok_or_else(|| {
                    let captured = packets.len();
                    if is_dump {
                        Unreadable::IncompleteDump { captured, announced }
                    } else {
                        Unreadable::Incomplete { captured, announced }
                    }
                })?
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
    let capture = Capture::body("an HTTP request", Some(head), &body);
    if is_dump {
        return Ok(Capture { placeholder: Some(tcpdump::PLACEHOLDER), ..capture }.noting(tcpdump::NOTE));
    }
    Ok(capture)
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
