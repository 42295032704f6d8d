//! Maps as Java prints them: `{name=value, name=value}`, in which nothing is escaped.

use super::{CUT, Capture, LISTS, known};
use crate::diagnose::Parameters;
use crate::diagnose::json::Node;
use crate::receive::form::is_name;
use crate::verify::kind::is_of_an_envelope;

/// How many braces are looked at as the end of a map.
const MAX_ENDS: usize = 64;

/// Reads the map that `text` begins with. Braces may stand in values, too; so it ends where it has most parameters
/// that mean something, and where that is the same, where braces in pairs would end it.
pub(super) fn map(text: &str) -> Option<Capture> {
    let inner = text.strip_prefix('{')?;
    if !begins(inner) {
        return None;
    }
    let braces = inner.match_indices('}').map(|(at, _)| at).take(MAX_ENDS);
    let mut best: Option<(usize, Parameters)> = None;
    for end in end(inner).into_iter().chain(braces) {
        let Some(parameters) = inner.get(..end).and_then(pairs) else { continue };
        let score = known(&parameters);
        if best.as_ref().is_none_or(|(most, _)| score > *most) {
            best = Some((score, parameters));
        }
    }
    // Without a signature, it may go on to where a line of the log was cut.
    let is_signed = best.as_ref().is_some_and(|(_, parameters)| parameters.get("sign").is_some());
    let line = inner.lines().next().filter(|_| !is_signed).and_then(pairs);
    let cut = line.filter(|line| best.as_ref().is_none_or(|(most, _)| known(line) > *most));
    match (cut, best) {
        (Some(cut), _) => Some(Capture::parsed("a map of Java", cut).noting(CUT)),
        (None, Some((_, parameters))) => Some(match items(&parameters) {
            Some(items) => Capture::parsed("a map of lists of Java", items).noting(LISTS),
            None => Capture::parsed("a map of Java", parameters),
        }),
        (None, None) => None,
    }
}

/// What is in the lists, if each value is a list as a `MultiValueMap` prints it.
fn items(parameters: &Parameters) -> Option<Parameters> {
    let item = |value: &'_ [u8]| Some(value.strip_prefix(b"[")?.strip_suffix(b"]")?.to_vec());
    let items: Option<Vec<_>> = parameters.iter().map(|(name, value)| Some((name, item(value)?))).collect();
    Some(items?.iter().map(|(name, value)| (*name, value.as_slice())).collect())
}

/// Whether `text` begins with a name and `=`.
fn begins(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, _)| is_name(name.as_bytes()))
}

/// Where the map ends, as far as braces tell: they may stand in values, too, of which those in JSON are passed over.
fn end(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0_usize;
    let mut before = '{';
    while let Some(next) = text.get(at..)?.chars().next() {
        let after = at.checked_add(next.len_utf8())?;
        at = after;
        match next {
            '{' | '[' if before == '=' || (before == '[' && next == '{') => {
                let value = text.get(after.checked_sub(1)?..)?;
                match Node::begin(value) {
                    Some((_, rest)) => at = text.len().checked_sub(rest.len())?,
                    None if next == '{' => depth = depth.checked_add(1)?,
                    None => {}
                }
            }
            '{' => depth = depth.checked_add(1)?,
            '}' if depth > 0 => depth = depth.saturating_sub(1),
            // Within a word it is of a text.
            '}' if !text.get(after..)?.starts_with(char::is_alphanumeric) => return after.checked_sub(1),
            _ => {}
        }
        before = next;
    }
    None
}

/// Values may hold `, ` and `=`; one ends where the next name begins.
fn pairs(text: &str) -> Option<Parameters> {
    let mut pairs: Vec<String> = Vec::new();
    for piece in text.split(", ") {
        match pairs.last_mut() {
            Some(last) if !begins(piece) => {
                last.push_str(", ");
                last.push_str(piece);
            }
            Some(_) | None => pairs.push(piece.to_owned()),
        }
    }
    let pairs: Option<Vec<(&str, &str)>> = pairs.iter().map(|pair| pair.split_once('=')).collect();
    // A map in a map is one of its own, but for content that was parsed.
    let is_map = |value: &str| {
        let name = value.strip_prefix('{').and_then(|value| value.split_once('=')).map(|(name, _)| name);
        name.is_some_and(|name| is_of_an_envelope(name.as_bytes()))
    };
    let is_pair =
        |(name, value): &(&str, &str)| is_name(name.as_bytes()) && (*name == "biz_content" || !is_map(value));
    let pairs = pairs.filter(|pairs| pairs.iter().all(is_pair))?;
    Some(pairs.into_iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect())
}
