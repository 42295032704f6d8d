//! Maps as Java and Python print them into a log.

use super::Capture;
use crate::diagnose::Parameters;
use crate::receive::form::is_name;

/// Reads `{name=value, name=value}` or `{'name': 'value', …}`.
pub(super) fn read(text: &[u8]) -> Option<Capture> {
    let text = std::str::from_utf8(text).ok()?;
    let inner = text.strip_prefix('{')?;
    if inner.starts_with(['\'', '"']) {
        return python(inner).map(|parameters| Capture::parsed("a dict of Python", parameters));
    }
    java(inner).map(|parameters| Capture::parsed("a map of Java", parameters))
}

/// Values may hold `, ` and `=`; one ends where the next name begins.
fn java(text: &str) -> Option<Parameters> {
    let end = text.rfind('}')?;
    let text = text.get(..end)?;
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
    let pairs = pairs.filter(|pairs| pairs.iter().all(|(name, _)| is_name(name.as_bytes())))?;
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
