//! Bodies that stand in a line of a log, after and before other words.

use crate::diagnose::python::literal;
use crate::receive::form::is_name;
use crate::verify::kind::is_of_an_envelope;

use super::KNOWN;

/// A body in a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Body {
    /// In UTF-8, but for what was written with escapes.
    pub(super) bytes: Vec<u8>,
    /// Where it begins in the text.
    pub(super) at: usize,
    /// Whether it is encoded, as it was posted.
    pub(super) is_posted: bool,
}

/// How many places of a line are looked at as the `sign` of a body.
const MAX_SIGNS: usize = 16;
/// What may stand after a body.
const ENDS: &str = "\"'`])}><,;|\\#，。；、）】」”";

/// The body of each line of `text` that holds a `sign` and another parameter of a notification.
pub(super) fn bodies(text: &str) -> Vec<Body> {
    let mut at = 0_usize;
    let mut found = Vec::new();
    for line in text.split_inclusive('\n') {
        if let Some((start, bytes)) = body(line.trim_end()) {
            let is_posted = std::str::from_utf8(&bytes).is_ok_and(is_posted);
            found.push(Body { bytes, at: at.saturating_add(start), is_posted });
        }
        at = at.saturating_add(line.len());
    }
    found
}

/// Whether all of `text` may be part of a body that is encoded.
pub(super) fn is_posted(text: &str) -> bool {
    text.chars().all(is_of_body)
}

fn is_of_body(character: char) -> bool {
    character.is_ascii_alphanumeric() || "%.-_~+=&*/".contains(character)
}

/// The body in `line`, and where it begins there.
fn body(line: &str) -> Option<(usize, Vec<u8>)> {
    let signs = line.match_indices("sign=").map(|(at, _)| at);
    let mut signs = signs.filter(|at| !before(line, *at).ends_with(is_of_name)).take(MAX_SIGNS);
    // As it was posted, so that none of its characters is one that stands around it.
    if let Some(found) = signs.clone().find_map(|at| posted(line, at)) {
        return Some(found);
    }
    // As somebody has decoded it: from the first name that is known on.
    signs.next()?;
    let start = line.match_indices('=').find_map(|(end, _)| {
        let name = name_before(line, end);
        let start = end.checked_sub(name.len())?;
        let is_first = !before(line, start).ends_with('&');
        // The log's own name for it may stand before it.
        let value = line.get(end.checked_add(1)?..)?;
        let is_own = value.find('=').is_some_and(|end| is_known(before(value, end)));
        (is_first && is_known(name) && !is_own).then_some(start)
    })?;
    let rest = line.get(start..)?;
    let bytes = match before(line, start).chars().next_back().filter(|quote| "\"'`".contains(*quote)) {
        // As nginx and Python write it: with `\x22` for what is special.
        Some(quote) => literal(&format!("b{quote}{rest}")).map(|(bytes, _)| bytes)?,
        None => rest.as_bytes().to_vec(),
    };
    is_body(&bytes).then_some((start, bytes))
}

/// The body around the `sign` at this place in `line`, if it is encoded as a form is.
fn posted(line: &str, at: usize) -> Option<(usize, Vec<u8>)> {
    let start = before(line, at).rfind(|character| !is_of_body(character));
    let start = match start {
        Some(before) => before.checked_add(line.get(before..)?.chars().next()?.len_utf8())?,
        None => 0,
    };
    // What comes before it may be a break, written as `\n`.
    let is_escape = before(line, start).ends_with('\\') && line.get(start..)?.starts_with(['n', 'r', 't']);
    let start = start.checked_add(usize::from(is_escape))?;
    let rest = line.get(start..)?;
    let end = rest.find(|character| !is_of_body(character)).unwrap_or(rest.len());
    let (run, after) = rest.split_at_checked(end)?;
    if !after.is_empty() && !after.starts_with(|end: char| end.is_whitespace() || ENDS.contains(end)) {
        return None;
    }
    // The log's own name for it may stand before it.
    let own = run.split_once('=').and_then(|(_, after)| {
        let (name, _) = after.split_once('=')?;
        (is_of_an_envelope(name.as_bytes())).then_some(after)
    });
    let body = own.unwrap_or(run);
    let start = start.checked_add(run.len().checked_sub(body.len())?)?;
    is_body(body.as_bytes()).then(|| (start, body.as_bytes().to_vec()))
}

/// Whether `bytes` are pairs, among them a `sign` and another parameter of a notification.
fn is_body(bytes: &[u8]) -> bool {
    let names = bytes
        .split(|byte| *byte == b'&')
        .map(|pair| pair.split(|byte| *byte == b'=').next().unwrap_or_default());
    let mut names = names.filter(|name| is_name(name));
    names.clone().any(|name| name == b"sign")
        && names.any(|name| name != b"sign" && name != b"sign_type" && is_of_an_envelope(name))
        && bytes
            .iter()
            .take_while(|byte| **byte != b'=')
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

fn is_known(name: &str) -> bool {
    KNOWN.names(false, None).any(|known| known == name)
}

/// The name that ends at this place in `line`.
fn name_before(line: &str, at: usize) -> &str {
    let line = before(line, at);
    line.rsplit(|character| !is_of_name(character)).next().unwrap_or_default()
}

fn before(line: &str, at: usize) -> &str {
    line.get(..at).unwrap_or_default()
}

fn is_of_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}
