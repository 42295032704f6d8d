//! How the strings of the configuration are understood.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use bytesize::ByteSize;
use jiff::SignedDuration;
use jiff::fmt::friendly::SpanParser;

use super::reader::{Problem, Written};
use crate::translate::charset::Charset;

/// A parser of a span of time such as "1m30s", within `range`.
pub(super) fn duration(
    range: RangeInclusive<Duration>,
) -> impl FnOnce(&Written<'_>) -> Result<Duration, Problem> {
    move |written| {
        let duration = SpanParser::new()
            .parse_unsigned_duration(written.text.as_bytes())
            .ok()
            .ok_or_else(|| written.problem("is not a duration", "write it like \"10s\" or \"1m30s\""))?;
        if range.contains(&duration) {
            return Ok(duration);
        }
        let bounds = format!("{} to {}", human(*range.start()), human(*range.end()));
        Err(written.problem("is out of range", format!("write a duration from {bounds}")))
    }
}

/// A span of time as one would write it in the configuration.
fn human(duration: Duration) -> String {
    SignedDuration::try_from(duration)
        .map_or_else(|_| format!("{duration:?}"), |signed| format!("{signed:#}"))
}

/// A parser of a number of bytes such as "256KiB", within `range`.
pub(super) fn size(range: RangeInclusive<usize>) -> impl FnOnce(&Written<'_>) -> Result<usize, Problem> {
    move |written| {
        let size = written
            .text
            .parse::<ByteSize>()
            .ok()
            .ok_or_else(|| written.problem("is not a size", "write it like \"256KiB\" or \"1MiB\""))?;
        usize::try_from(size.as_u64()).ok().filter(|bytes| range.contains(bytes)).ok_or_else(|| {
            let bounds = format!("{} to {}", bytes(*range.start()), bytes(*range.end()));
            written.problem("is out of range", format!("write a size from {bounds}"))
        })
    }
}

/// An address to listen on.
pub(super) fn address(written: &Written<'_>) -> Result<SocketAddr, Problem> {
    written.text.parse().ok().ok_or_else(|| {
        let remedy = "write an IP address and a port, like \"0.0.0.0:8080\" or \"[::]:8080\"";
        written.problem("is not an address to listen on", remedy)
    })
}

/// A parser of one word of a few.
pub(super) fn word<T: Copy>(
    words: &'static [(&'static str, T)],
) -> impl FnOnce(&Written<'_>) -> Result<T, Problem> {
    move |written| {
        words.iter().find(|(word, _)| *word == written.text).map(|(_, meaning)| *meaning).ok_or_else(|| {
            let known: Vec<_> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            written.problem("is not known here", format!("write {}", known.join(" or ")))
        })
    }
}

/// A path that Alipay calls, as it stands in the request line.
pub(super) fn path(written: &Written<'_>) -> Result<String, Problem> {
    let path = written.text.as_ref();
    let fault = if !path.starts_with('/') {
        ("does not start with /", "write the path alone, like \"/alipay/notify\"")
    } else if path.contains(['?', '#']) {
        ("has a query or a fragment", "write the path alone; a query is not compared")
    } else if path.contains('%') {
        ("has a percent-escape", "paths are compared byte for byte: choose one without escapes")
    } else if path.split('/').any(|segment| segment == "." || segment == "..") {
        ("has a dot segment", "write the path that it leads to: senders resolve . and .. before they call")
    } else if !path.bytes().all(is_path_byte) {
        (
            "holds a character that cannot stand in a path",
            "use letters, digits, / and any of - . _ ~ ! $ & ' ( ) * + , ; = : @",
        )
    } else {
        return Ok(path.to_owned());
    };
    Err(written.problem(fault.0, fault.1))
}

/// The identity of an app.
pub(super) fn app_id(written: &Written<'_>) -> Result<String, Problem> {
    let text = written.text.as_ref();
    if (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(text.to_owned());
    }
    Err(written.problem("is not an app_id", "write its 1 to 20 digits as the console shows them"))
}

/// A charset of the closed list.
pub(super) fn charset(written: &Written<'_>) -> Result<Charset, Problem> {
    Charset::named(written.text.as_bytes()).ok_or_else(|| {
        written
            .problem("is no charset of a notification", "write \"UTF-8\", \"GBK\", \"GB2312\" or \"GB18030\"")
    })
}

/// Whether a path may hold this byte as it is: RFC 3986, `pchar`, and the slash.
fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte)
}

fn bytes(number: usize) -> String {
    u64::try_from(number).map_or_else(|_| number.to_string(), |number| ByteSize(number).to_string())
}
