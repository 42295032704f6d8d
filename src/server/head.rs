//! The head of a request, checked as bytes before hyper sees it.
//!
//! hyper lets through what two readers may frame differently (both lengths at once, bare line feeds, odd hosts), and
//! answers what it refuses itself, in words of its own. So everything that it would refuse, and more, is refused here.

use hyper::Uri;

use crate::rejection::Reason;

/// The longest head, in bytes.
pub(super) const MAX_HEAD: usize = 16 * 1024;
/// The largest number of headers.
const MAX_HEADERS: usize = 64;

/// How the body that follows a head is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes, perhaps none.
    Length(u64),
    /// Chunks. The connection ends with the answer, so nothing after them is read.
    Chunked,
}

/// Finds the end of the head in `bytes`: the length up to and with its empty line.
///
/// `checked` is where the search goes on when more has come. A line feed without its carriage return is refused as
/// soon as it is seen.
pub(super) fn end(bytes: &[u8], checked: &mut usize) -> Result<Option<usize>, Reason> {
    while let Some(found) = bytes.get(*checked..).and_then(|rest| memchr::memchr(b'\n', rest)) {
        let feed = checked.saturating_add(found);
        let line = bytes.get(..feed).unwrap_or_default();
        if !line.ends_with(b"\r") {
            return Err(Reason::MalformedHead);
        }
        *checked = feed.saturating_add(1);
        if line.ends_with(b"\r\n\r") {
            return if *checked > MAX_HEAD { Err(Reason::HeadTooLarge) } else { Ok(Some(*checked)) };
        }
    }
    if bytes.len() > MAX_HEAD { Err(Reason::HeadTooLarge) } else { Ok(None) }
}

/// Checks a whole head, and says how its body is framed.
pub(super) fn check(head: &[u8]) -> Result<Framing, Reason> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Reason::HeadTooLarge),
        Ok(_) | Err(_) => return Err(Reason::MalformedHead),
    }
    let target = request.path.ok_or(Reason::MalformedHead)?;
    // A fragment is never sent, and hyper would drop it unseen.
    if !target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') || target.parse::<Uri>().is_err() {
        return Err(Reason::MalformedHead);
    }
    let is_http11 = request.version == Some(1);
    let (mut hosts, mut length, mut chunked) = (0_usize, None, false);
    for header in request.headers.iter() {
        if header.name.eq_ignore_ascii_case("host") {
            hosts = hosts.saturating_add(1);
            if !is_host(header.value) {
                return Err(Reason::MalformedHead);
            }
        } else if header.name.eq_ignore_ascii_case("content-length") {
            if length.replace(content_length(header.value)?).is_some() {
                return Err(Reason::MalformedHead);
            }
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            if chunked || !is_http11 || !header.value.eq_ignore_ascii_case(b"chunked") {
                return Err(Reason::MalformedHead);
            }
            chunked = true;
        }
    }
    match (hosts, length, chunked) {
        (0, _, _) if is_http11 => Err(Reason::MalformedHead),
        (2.., _, _) | (_, Some(_), true) => Err(Reason::MalformedHead),
        (_, _, true) => Ok(Framing::Chunked),
        (_, length, false) => Ok(Framing::Length(length.unwrap_or(0))),
    }
}

/// A host of plain grammar: a name or an address, perhaps with a port.
fn is_host(value: &[u8]) -> bool {
    (1..=255).contains(&value.len())
        && value.iter().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(byte))
}

/// Digits and nothing else: no sign, no list, no white space. More than 18 of them are no length of anything.
fn content_length(value: &[u8]) -> Result<u64, Reason> {
    let is_length = |text: &&str| text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
    let digits = str::from_utf8(value).ok().filter(is_length);
    digits.and_then(|digits| digits.parse().ok()).ok_or(Reason::MalformedHead)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head(text: &str) -> Result<Framing, Reason> {
        let whole = format!("{text}\r\n\r\n");
        assert_eq!(end(whole.as_bytes(), &mut 0), Ok(Some(whole.len())));
        check(whole.as_bytes())
    }

    #[test]
    fn a_plain_head_is_framed_by_its_length_or_its_chunks() {
        assert_eq!(head("POST / HTTP/1.1\r\nHost: a"), Ok(Framing::Length(0)));
        assert_eq!(head("POST / HTTP/1.1\r\nHost: a:80\r\nContent-Length: 12"), Ok(Framing::Length(12)));
        assert_eq!(head("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked"), Ok(Framing::Chunked));
        assert_eq!(head("POST / HTTP/1.0\r\nContent-Length: 3"), Ok(Framing::Length(3)));
    }

    #[test]
    fn a_head_that_two_readers_may_frame_differently_is_refused() {
        for bad in [
            "POST / HTTP/1.1",
            "POST / HTTP/1.1\r\nHost: a\r\nHost: a",
            "POST / HTTP/1.1\r\nHost: ",
            "POST / HTTP/1.1\r\nHost: a b",
            "POST / HTTP/1.1\r\nHost: a/b",
            "POST / HTTP/1.1\r\nHost: a@b",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000000000000",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity",
            "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked",
            "POST / HTTP/1.1\r\nHost: a\r\n folded: b",
            "POST / HTTP/1.1\r\nHost : a",
            "POST / HTTP/1.1\r\nHost: a\r\nx: a\rb",
            "POST / HTTP/1.1\r\nHost: a\r\nx: a\0b",
            "POST / HTTP/2.0\r\nHost: a",
            "POST /\r\nHost: a",
            "PRI * HTTP/2.0",
            "POST /\u{e9} HTTP/1.1\r\nHost: a",
            "POST  / HTTP/1.1\r\nHost: a",
            "POST /#a HTTP/1.1\r\nHost: a",
        ] {
            assert_eq!(head(bad), Err(Reason::MalformedHead), "{bad}");
        }
    }

    #[test]
    fn a_bare_line_feed_is_refused_as_soon_as_it_is_seen() {
        assert_eq!(end(b"POST / HTTP/1.1\n", &mut 0), Err(Reason::MalformedHead));
        assert_eq!(end(b"POST / HTTP/1.1\r\nHost: a\n\r\n", &mut 0), Err(Reason::MalformedHead));
    }

    #[test]
    fn a_head_over_16_kib_or_64_headers_is_too_large() {
        let long = format!("POST / HTTP/1.1\r\nHost: a\r\nx: {}\r\n\r\n", "x".repeat(MAX_HEAD));
        assert_eq!(end(long.as_bytes(), &mut 0), Err(Reason::HeadTooLarge));
        assert_eq!(end(&long.as_bytes()[..=MAX_HEAD], &mut 0), Err(Reason::HeadTooLarge));
        let many = format!("POST / HTTP/1.1\r\nHost: a{}", "\r\nx: y".repeat(MAX_HEADERS));
        assert_eq!(head(&many), Err(Reason::HeadTooLarge));
        let most = format!("POST / HTTP/1.1\r\nHost: a{}", "\r\nx: y".repeat(MAX_HEADERS - 1));
        assert_eq!(head(&most), Ok(Framing::Length(0)));
    }

    proptest! {
        #[test]
        fn the_end_is_found_wherever_the_head_is_cut(cut in 0_usize..60, tail in "[a-z]{0,20}") {
            let text = "POST /n HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5\r\n\r\n";
            let whole = format!("{text}{tail}");
            let mut checked = 0;
            let first = end(&whole.as_bytes()[..cut.min(whole.len())], &mut checked).unwrap();
            let found = first.map_or_else(|| end(whole.as_bytes(), &mut checked).unwrap(), Some);
            prop_assert_eq!(found, Some(text.len()));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let found = end(&bytes, &mut 0);
            if let Ok(Some(length)) = found {
                prop_assert!(length <= bytes.len());
            }
            prop_assert!(check(&bytes) != Ok(Framing::Length(u64::MAX)));
        }
    }
}
