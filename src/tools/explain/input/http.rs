//! An HTTP request as a proxy or tcpdump shows it.

use std::borrow::Cow;

use super::joined::{self, joined};
use super::tcpdump::{self, Packet};
use super::{Capture, Head, Unreadable, target};
use crate::receive::is_form;

/// The methods that a request in a capture may have.
const METHODS: [&[u8]; 7] = [b"POST ", b"GET ", b"PUT ", b"PATCH ", b"DELETE ", b"HEAD ", b"OPTIONS "];
/// The versions, as they are written. A proxy shows those of HTTP/2 in the same way.
const VERSIONS: [&[u8]; 4] = [b"1.1", b"1.0", b"2", b"2.0"];
const MAX_HEADERS: usize = 128;
/// What it is called.
const FORM: &str = "an HTTP request";

/// A request as it was found.
#[derive(Debug)]
pub(super) struct Found<'b> {
    /// Where it begins.
    pub(super) start: usize,
    /// From its method on.
    bytes: &'b [u8],
    /// What tcpdump shows of the packet that it came in, if what stands before it is of tcpdump.
    packet: Option<Packet<'b>>,
}

impl Found<'_> {
    /// Whether it was captured with tcpdump.
    pub(super) fn is_dump(&self) -> bool {
        self.packet.is_some()
    }
}

/// The first request in `bytes`; what tcpdump shows of the packet may stand before it.
pub(super) fn find(bytes: &[u8]) -> Option<Found<'_>> {
    let mut at = 0_usize;
    let mut packet = None;
    for line in bytes.split(|byte| *byte == b'\n') {
        // tcpdump repeats the request in the line that it writes before the packet.
        let of_request = match Packet::of(line) {
            Some(found) => {
                packet = Some(found);
                None
            }
            None => memchr::memmem::find(line, b" HTTP/"),
        };
        if let Some(end) = of_request {
            let before = line.get(..end)?;
            let start = METHODS.iter().filter_map(|method| memchr::memmem::rfind(before, method)).max();
            if let Some(start) = start {
                // The head of a packet begins so, of IPv4 and of IPv6.
                let is_packet = line.starts_with(b"E.") || line.starts_with(b"`.");
                let packet = packet.or_else(|| is_packet.then(Packet::default));
                let start = at.checked_add(start)?;
                return Some(Found { start, bytes: bytes.get(start..)?, packet });
            }
        }
        at = at.saturating_add(line.len()).saturating_add(1);
    }
    None
}

/// Reads the request, and says how long it is; of what tcpdump wrote, without the body, which may be in pieces.
pub(super) fn read(found: &Found<'_>) -> Result<(Capture, usize), Unreadable> {
    let Found { bytes, packet, .. } = found;
    let (head, length) = head(bytes).ok_or(Unreadable::Unknown)?;
    let rest = bytes.get(length..).unwrap_or_default();
    let header = |name: &str| {
        head.headers
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    };
    let mut is_dump = packet.is_some();
    let announced = header("content-length").and_then(|length| length.parse::<usize>().ok());
    let is_in_chunks =
        header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
    let mut joined_body = None;
    let (body, consumed) = if is_in_chunks {
        let (body, after) = dechunk(rest).ok_or(Unreadable::Incomplete {
            captured: rest.len(),
            announced: rest.len().saturating_add(1),
        })?;
        (body, rest.len().saturating_sub(after.len()))
    } else {
        let payload = tcpdump::payload(rest, packet.as_ref(), announced);
        is_dump |= payload.is_some();
        let payload = payload.map_or(Cow::Borrowed(rest), Cow::Owned);
        let shown =
            payload.get(..find(&payload).map_or(payload.len(), |next| next.start)).unwrap_or_default();
        // What breaks its lines is not counted by its head, and neither is what stands below it.
        joined_body = announced.and_then(|announced| {
            let (whole, but_last) = joined(shown)?;
            [whole, but_last].into_iter().find(|body| body.len() == announced)
        });
        let body = if let Some(body) = &joined_body {
            body.as_slice()
        } else if let Some(announced) = announced {
            payload.get(..announced).ok_or_else(|| {
                let captured = payload.len();
                if is_dump {
                    Unreadable::IncompleteDump { captured, announced }
                } else {
                    Unreadable::Incomplete { captured, announced }
                }
            })?
        } else {
            shown.trim_ascii_end()
        };
        (body.to_vec(), if joined_body.is_some() { shown.len() } else { body.len() })
    };
    let length = if is_dump { length } else { length.saturating_add(consumed) };
    if body.is_empty() {
        // Whoever sends all in the address sends the same parameters.
        let query = head.target.split_once('?').map(|(_, query)| query.as_bytes().to_vec());
        let query = query.filter(|query| !query.is_empty()).ok_or(Unreadable::NoBody)?;
        return Ok((Capture::body(FORM, Some(head), &query), length));
    }
    let media_type = header("content-type").filter(|value| !is_form(value.as_bytes())).map(ToOwned::to_owned);
    let capture = if joined_body.is_some() {
        Capture::body(FORM, Some(head), &body).noting(joined::NOTE)
    } else if announced.is_some() || is_in_chunks {
        Capture::body(FORM, Some(head), &body)
    } else {
        Capture::joined(FORM, Some(head), &body).unwrap_or_else(|head| Capture::body(FORM, head, &body))
    };
    if let Some(media_type) = media_type.filter(|_| !capture.is_of_a_notification()) {
        return Err(Unreadable::OtherType(media_type));
    }
    let capture = if is_dump {
        Capture { placeholder: Some(tcpdump::PLACEHOLDER), ..capture }.noting(tcpdump::NOTE)
    } else {
        capture
    };
    Ok((capture, length))
}

/// The head that `bytes` begin with, and its length.
fn head(bytes: &[u8]) -> Option<(Head, usize)> {
    let (line, rest) = bytes.split_at_checked(memchr::memchr(b'\n', bytes)?.checked_add(1)?)?;
    let mut words = line.trim_ascii_end().rsplitn(2, |byte| *byte == b' ');
    let version = words.next()?.strip_prefix(b"HTTP/")?;
    let (method, path) = std::str::from_utf8(words.next()?).ok()?.split_once(' ')?;
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let Ok(httparse::Status::Complete((length, headers))) = httparse::parse_headers(rest, &mut headers)
    else {
        return None;
    };
    let headers = headers
        .iter()
        .map(|header| (header.name.to_owned(), String::from_utf8_lossy(header.value).trim().to_owned()))
        .collect();
    let head = Head { method: method.to_owned(), target: target(path), headers };
    VERSIONS.contains(&version).then_some((head, line.len().checked_add(length)?))
}

/// The body in chunks, if it is whole, and what comes after it.
fn dechunk(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut body = Vec::new();
    loop {
        let end = memchr::memchr(b'\n', rest)?;
        let line = std::str::from_utf8(rest.get(..end)?).ok()?;
        let size = usize::from_str_radix(line.trim().split(';').next()?.trim(), 16).ok()?;
        rest = rest.get(end.checked_add(1)?..)?;
        if size == 0 {
            return Some((body, rest));
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size..)?;
        rest = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n"))?;
    }
}
