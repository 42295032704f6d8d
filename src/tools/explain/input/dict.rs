//! What is printed as literals: dicts and lists of pairs of Python, objects of JavaScript, hashes of Ruby, short arrays
//! of PHP, maps of Go by `%#v`.

use super::{Capture, LISTS};
use crate::diagnose::Parameters;
use crate::diagnose::python::literal;

type Pair = (Vec<u8>, Vec<u8>);

/// Before what each value is a list by the type of the map, of which the check gets the first.
const TYPES_OF_LISTS: [&str; 3] = ["QueryDict: ", "url.Values", "map[string][]string"];

/// Reads the map that `text` begins with, of strings, of bytes or of lists of one, and returns what comes after it;
/// `before` stands before it.
pub(super) fn map<'t>(before: &str, text: &'t str) -> Option<(Capture, &'t str)> {
    let end = if text.starts_with('[') { ']' } else { '}' };
    let mut rest = text.get(1..)?.trim_start();
    let mut pairs: Vec<Pair> = Vec::new();
    let mut is_of_arrows = false;
    let mut is_of_words = false;
    while !rest.starts_with(end) {
        is_of_words |= literal(rest).is_none();
        let (name, after) = literal(rest).or_else(|| word(rest))?;
        let after = after.trim_start();
        is_of_arrows |= after.starts_with("=>");
        let after = after.strip_prefix("=>").or_else(|| after.strip_prefix(':'))?;
        let (value, after) = value(after.trim_start())?;
        pairs.push((name, value));
        let after = after.trim_start();
        rest = match after.strip_prefix(',') {
            Some(next) => next.trim_start(),
            None => after.starts_with(end).then_some(after)?,
        };
    }
    let rest = rest.get(1..)?;
    if pairs.is_empty() || (end == ']' && !is_of_arrows) {
        return None;
    }
    if let Some(of_type) = TYPES_OF_LISTS.iter().find(|of_type| before.ends_with(**of_type)) {
        let items = pairs.iter().map(|(name, value)| Some((name.clone(), item(value)?)));
        if let Some(items) = items.collect::<Option<Vec<_>>>() {
            let form = if of_type.starts_with('Q') { "a QueryDict of Django" } else { "url.Values of Go" };
            return Some((Capture::parsed(form, parameters(&items)).noting(LISTS), rest));
        }
    }
    let is_of_javascript = is_of_words || before.ends_with("URLSearchParams ") || before.ends_with(") ");
    let form = match (is_of_arrows, end) {
        (_, ']') => "an array of PHP",
        (true, _) if !is_of_javascript => "a hash of Ruby",
        (false, _) if !is_of_javascript => "a dict of Python",
        _ => "an object of JavaScript",
    };
    Some((Capture::parsed(form, parameters(&pairs)), rest))
}

/// The word that `text` begins with, as JavaScript writes a name without quotes.
fn word(text: &str) -> Option<(Vec<u8>, &str)> {
    let end = text.find(|character: char| !character.is_ascii_alphanumeric() && character != '_')?;
    let (word, rest) = text.split_at_checked(end)?;
    (!word.is_empty()).then(|| (word.as_bytes().to_vec(), rest))
}

/// A literal, also in pieces joined by `+`; a list of one as Python writes it, so that the diagnosis sees that it was a
/// list; or a number.
fn value(text: &str) -> Option<(Vec<u8>, &str)> {
    if let Some((mut value, mut rest)) = literal(text) {
        while let Some(next) = rest.trim_start().strip_prefix('+') {
            let (piece, after) = literal(next.trim_start())?;
            value.extend(piece);
            rest = after;
        }
        return Some((value, rest));
    }
    for (start, end) in [("[]string{", '}'), ("[", ']')] {
        if let Some(list) = text.strip_prefix(start) {
            let list = list.trim_start();
            let (_, after) = literal(list)?;
            let item = list.get(..list.len().checked_sub(after.len())?)?;
            let rest = after.trim_start().strip_prefix(end)?;
            return Some((format!("[{item}]").into_bytes(), rest));
        }
    }
    let end = text.find([',', '}', ']', '\n'])?;
    let (token, rest) = text.split_at_checked(end)?;
    let token = token.trim_end();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-+".contains(&byte);
    (!token.is_empty() && token.bytes().all(is_plain)).then(|| (token.as_bytes().to_vec(), rest))
}

fn item(list: &[u8]) -> Option<Vec<u8>> {
    let list = std::str::from_utf8(list).ok()?;
    literal(list.strip_prefix('[')?).map(|(item, _)| item)
}

/// Reads `[('name', 'value'), …]`, as Flask and `parse_qsl` have it, and returns what comes after it.
pub(super) fn tuples(text: &str) -> Option<(Capture, &str)> {
    let mut rest = text.strip_prefix('[')?;
    let mut pairs: Vec<Pair> = Vec::new();
    loop {
        let (name, after) = literal(rest.strip_prefix('(')?.trim_start())?;
        let (value, after) = literal(after.trim_start().strip_prefix(',')?.trim_start())?;
        pairs.push((name, value));
        let after = after.trim_start().strip_prefix(')')?.trim_start();
        let Some(next) = after.strip_prefix(',') else {
            let rest = after.strip_prefix(']')?;
            return Some((Capture::parsed("a list of pairs of Python", parameters(&pairs)), rest));
        };
        rest = next.trim_start();
    }
}

fn parameters(pairs: &[Pair]) -> Parameters {
    pairs.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect()
}
