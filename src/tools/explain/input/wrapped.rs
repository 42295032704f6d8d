//! What was captured, in a form in which it can be written anywhere: escaped, in base64, or as a dump in hexadecimal.

mod hex;

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;

use super::TELLING;
use super::text::Text;
use crate::diagnose::json::Node;
use crate::diagnose::python::literal;

/// The shortest base64 that may hold a notification, whose `sign` alone is longer.
const MIN_BASE64: usize = 256;

/// What `text` may hold, each as the bytes that were wrapped.
pub(super) fn all(text: &Text<'_>) -> impl Iterator<Item = Vec<u8>> {
    let whole = [unescaped, hex::dumped, hex::bytes].into_iter().filter_map(|read| read(text));
    whole.chain(in_base64(text))
}

/// Without the backslashes of a literal whose quotes were not copied: of JSON, or as nginx writes what is special.
fn unescaped(text: &Text<'_>) -> Option<Vec<u8>> {
    let written = text.as_str().trim();
    if !written.contains("\\\"") && !written.contains("\\x22") {
        return None;
    }
    let lines: Vec<Vec<u8>> = written
        .lines()
        .map(|line| match Node::parse(&format!("\"{line}\"")) {
            Some(Node::Text(line)) => text.bytes(&line),
            _ => literal(&format!("b`{line}`"))
                .map_or_else(|| text.bytes(line), |(line, _)| text.of_bytes(&line)),
        })
        .collect();
    Some(lines.join(&b'\n'))
}

/// All that is written in base64, in one line or in all of them.
fn in_base64(text: &Text<'_>) -> impl Iterator<Item = Vec<u8>> {
    let is_of_it = |character: char| character.is_ascii_alphanumeric() || "+/-_".contains(character);
    let joined: String = text.as_str().split_ascii_whitespace().collect();
    let whole = Some(joined).filter(|joined| joined.trim_end_matches('=').chars().all(is_of_it));
    let runs = text.as_str().split(move |character| !is_of_it(character)).map(str::to_owned);
    whole.into_iter().chain(runs).filter(|run| run.len() >= MIN_BASE64).filter_map(|run| {
        let run = run.trim_end_matches('=').replace('-', "+").replace('_', "/");
        let bytes = BASE64_STANDARD_NO_PAD.decode(run).ok()?;
        TELLING.iter().any(|name| memchr::memmem::find(&bytes, name.as_bytes()).is_some()).then_some(bytes)
    })
}
