//! What is answered to a notification, and what Alipay makes of it.

use std::fmt;

use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Incoming;

use super::PATIENCE;
use crate::config::Printable;

/// The most that is read of the body of an answer: a page of somebody's framework, and far more than `success`.
const MAX_BODY: usize = 64 * 1024;
/// The most of a body that is shown to people.
const SHOWN: usize = 40;

/// An answer, as Alipay sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::tools) struct Heard {
    pub(in crate::tools) status: u16,
    pub(in crate::tools) body: Vec<u8>,
}

/// Why nothing was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tools) enum Unheard {
    /// Nobody listens there.
    Refused,
    /// There is no way to there.
    Unreachable,
    /// No whole answer came while Alipay waits.
    Late,
    /// The connection ended before a whole answer in HTTP.
    Broken,
}

impl Heard {
    /// Reads `response`, and no more of it than anybody would look at.
    pub(super) async fn read(response: Response<Incoming>) -> Result<Self, Unheard> {
        let status = response.status().as_u16();
        let (mut incoming, mut body) = (response.into_body(), Vec::new());
        while body.len() <= MAX_BODY
            && let Some(frame) = incoming.frame().await
        {
            let frame = frame.map_err(|_error| Unheard::Broken)?;
            body.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
        }
        Ok(Self { status, body })
    }

    /// Whether Alipay takes it for an acceptance: the body is exactly `success`, whatever the case, and it is no redirect.
    pub(in crate::tools) fn is_success(&self) -> bool {
        self.body.eq_ignore_ascii_case(b"success") && !self.is_redirect()
    }

    /// Whether it sends elsewhere, where Alipay does not go, whatever the body says.
    pub(in crate::tools) fn is_redirect(&self) -> bool {
        (300..400).contains(&self.status)
    }

    /// The body as text.
    pub(in crate::tools) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The beginning of the body, on one line.
    pub(in crate::tools) fn shown(&self) -> String {
        let text = self.text();
        let beginning: String = text.chars().take(SHOWN).collect();
        let mut shown = Printable(&beginning).to_string();
        if text.chars().nth(SHOWN).is_some() {
            shown.push('…');
        }
        shown
    }
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.body.is_empty() {
            write!(f, "{} (empty)", self.status)
        } else {
            write!(f, "{} {}", self.status, self.shown())
        }
    }
}

impl fmt::Display for Unheard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::Unreachable => f.write_str("out of reach"),
            Self::Late => write!(f, "no answer in {} s", PATIENCE.as_secs()),
            Self::Broken => f.write_str("closed without an answer"),
        }
    }
}

/// All whole answers in `bytes`, which one connection gave; the last one may end with it.
pub(in crate::tools) fn answers(mut bytes: &[u8]) -> Vec<Heard> {
    let mut found = Vec::new();
    while let Some((answer, rest)) = first_answer(bytes) {
        if answer.status >= 200 {
            found.push(answer);
        }
        bytes = rest;
    }
    found
}

/// The first answer in `bytes`, and what follows it.
fn first_answer(bytes: &[u8]) -> Option<(Heard, &[u8])> {
    let mut headers = [httparse::EMPTY_HEADER; 128];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = head.parse(bytes).ok()? else { return None };
    let status = head.code?;
    let rest = bytes.get(length..)?;
    let header = |name: &str| {
        let found = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.and_then(|header| str::from_utf8(header.value).ok())
    };
    let has_no_body = status < 200 || status == 204 || status == 304;
    let (body, rest) = if has_no_body {
        (Vec::new(), rest)
    } else if header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        unchunked(rest)?
    } else if let Some(length) = header("content-length") {
        let (body, rest) = rest.split_at_checked(length.trim().parse().ok()?)?;
        (body.to_vec(), rest)
    } else {
        (rest.to_vec(), [].as_slice())
    };
    Some((Heard { status, body }, rest))
}

/// The body that stands at the beginning of `bytes` in chunks, and what follows it.
fn unchunked(mut bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut body = Vec::new();
    loop {
        let Ok(httparse::Status::Complete((start, size))) = httparse::parse_chunk_size(bytes) else {
            return None;
        };
        let (chunk, rest) = bytes.get(start..)?.split_at_checked(usize::try_from(size).ok()?)?;
        body.extend_from_slice(chunk);
        bytes = rest.strip_prefix(b"\r\n").unwrap_or(rest);
        if size == 0 {
            return Some((body, bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(body: &str) -> Heard {
        Heard { status: 200, body: body.into() }
    }

    #[test]
    fn only_the_exact_word_ends_the_deliveries() {
        for body in ["success", "SUCCESS", "Success"] {
            assert!(heard(body).is_success(), "{body:?}");
        }
        for body in ["", "fail", "success\n", " success", "\u{feff}success", "\"success\"", "succes", "true"]
        {
            assert!(!heard(body).is_success(), "{body:?}");
        }
    }

    #[test]
    fn a_redirect_ends_no_deliveries_whatever_it_says() {
        let answered = |status| Heard { status, ..heard("success") }.is_success();
        assert!([200, 204, 299, 400, 500].into_iter().all(answered));
        assert!(![300, 301, 302, 303, 307, 308, 399].into_iter().any(answered));
    }

    #[test]
    fn what_is_shown_is_one_short_line() {
        assert_eq!(heard("a\nb\u{1b}[31m").to_string(), "200 a\\nb\\u{1b}[31m");
        assert_eq!(
            heard("\u{feff}success").to_string(),
            "200 \\u{feff}success",
            "what looks right and is not shows why"
        );
        assert_eq!(heard("").to_string(), "200 (empty)");
        assert_eq!(heard(&"人".repeat(50)).shown().chars().count(), SHOWN + 1);
    }

    #[test]
    fn answers_are_told_apart_by_their_frames() {
        let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfailHTTP/1.1 200 OK\r\n\
                      Transfer-Encoding: chunked\r\n\r\n4\r\nsucc\r\n3\r\ness\r\n0\r\n\r\nHTTP/1.0 400 Bad\r\n\r\nrest";
        let found = answers(bytes);
        let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["200 fail", "200 success", "400 rest"]);
        assert!(answers(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").is_empty());
        assert!(answers(b"no HTTP").is_empty());
    }
}
