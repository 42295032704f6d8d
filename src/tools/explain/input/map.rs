//! Maps as Java and Python print them into a log.

use super::{Capture, readable};
use crate::diagnose::Parameters;
use crate::diagnose::json::Node;
use crate::receive::form::is_name;
use crate::verify::kind::is_of_an_envelope;

/// Reads `{name=value, name=value}` or `{'name': 'value', …}`: nothing, one map, or one for each place where it may end.
pub(super) fn read(text: &[u8]) -> Vec<Capture> {
    let readable = readable(text);
    let Some(inner) = readable.strip_prefix('{') else { return Vec::new() };
    if inner.starts_with(['\'', '"']) {
        return python(inner).map(|map| Capture::parsed("a dict of Python", map)).into_iter().collect();
    }
    // The last brace is the end only if there is no more after what can be read.
    let last = inner.rfind('}').filter(|_| readable.len() == text.len());
    let ends = [end(inner), last];
    let maps = ends.into_iter().flatten().filter_map(|end| java(inner.get(..end)?));
    maps.map(|map| Capture::parsed("a map of Java", map)).collect()
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
            '{' | '[' if before == '=' => {
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
fn java(text: &str) -> Option<Parameters> {
    let begins = |piece: &str| piece.split_once('=').is_some_and(|(name, _)| is_name(name.as_bytes()));
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

fn python(mut rest: &str) -> Option<Parameters> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    loop {
        let (name, after) = string(rest)?;
        let after = after.trim_start().strip_prefix(':')?.trim_start();
        let (value, after) = match after.strip_prefix('[') {
            Some(list) => {
                let (_, after) = string(list)?;
                let after = after.trim_start().strip_prefix(']')?;
                // As it was written, so that the diagnosis sees that it was a list.
                (format!("[{}]", literal(list, after)?), after)
            }
            None => string(after)?,
        };
        pairs.push((name, value));
        let after = after.trim_start();
        let Some(next) = after.strip_prefix(',') else {
            after.strip_prefix('}')?;
            break;
        };
        rest = next.trim_start();
    }
    Some(pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect())
}

/// The literal in the list that begins at `list` and ends before `after`.
fn literal<'t>(list: &'t str, after: &str) -> Option<&'t str> {
    let length = list.len().checked_sub(after.len())?;
    list.get(..length)?.strip_suffix(']').map(str::trim_end)
}

/// The string literal that `text` begins with, and what comes after it.
fn string(text: &str) -> Option<(String, &str)> {
    let text = text.strip_prefix(['b', 'u']).unwrap_or(text);
    let quote = text.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
    let mut out = String::new();
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => match characters.next()?.1 {
                'n' => out.push('\n'),
                'r' => out.push('\r'),
                't' => out.push('\t'),
                other @ ('\\' | '\'' | '"') => out.push(other),
                other => out.extend(['\\', other]),
            },
            end if end == quote => return Some((out, text.get(at.checked_add(1)?..)?)),
            other => out.push(other),
        }
    }
    None
}
