//! Maps as Go prints them: `map[name:value name:value]`, sorted by name, in which nothing is escaped.

use super::{Capture, KNOWN, LISTS, known};
use crate::diagnose::Parameters;
use crate::diagnose::json::Node;
use crate::receive::form::is_name;

/// What may be the name of the next parameter.
type IsName = fn(&str) -> bool;

/// Reads the map whose bracket `text` begins with, and returns what comes after it. A value may hold what looks like
/// another name; where that leads astray, only names that mean something are taken for names.
pub(super) fn map(text: &str) -> Option<(Capture, &str)> {
    let any = pairs(text, |name| is_name(name.as_bytes()));
    let known_alone = pairs(text, |name| KNOWN.names(false, None).any(|known| known == name));
    let score = |found: &Option<Found<'_>>| found.as_ref().map(|found| known(&parameters(&found.pairs)));
    let (first, other) =
        if score(&known_alone) > score(&any) { (known_alone, any) } else { (any, known_alone) };
    let Found { pairs, rest } = first?;
    let other = other.filter(|other| other.pairs != pairs);
    // Each value of `url.Values` is a list.
    let capture = match items(&pairs) {
        Some(items) => Capture::parsed("url.Values of Go", parameters(&items)).noting(LISTS),
        None => Capture::parsed("a map of Go", parameters(&pairs)),
    };
    let other = other.map(|other| parameters(&items(&other.pairs).unwrap_or(other.pairs)));
    Some((if let Some(other) = other { capture.or(vec![other]).doubted() } else { capture }, rest))
}

/// What is in the lists, if each value is one.
fn items<'t>(pairs: &[(&'t str, &'t str)]) -> Option<Vec<(&'t str, &'t str)>> {
    let item = |value: &'t str| value.strip_prefix('[')?.strip_suffix(']');
    pairs.iter().map(|(name, value)| Some((*name, item(value)?))).collect()
}

/// The pairs of a map, and what comes after it.
struct Found<'t> {
    pairs: Vec<(&'t str, &'t str)>,
    rest: &'t str,
}

fn parameters(pairs: &[(&str, &str)]) -> Parameters {
    pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect()
}

fn pairs(text: &str, is_name: IsName) -> Option<Found<'_>> {
    let mut rest = text.strip_prefix('[')?;
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    while let Some((name, after)) = begin(rest, pairs.last().map_or("", |(name, _)| *name), is_name) {
        let end = end(after, name, is_name)?;
        pairs.push((name, after.get(..end)?));
        rest = after.get(end..)?;
        if let Some(rest) = rest.strip_prefix(']') {
            return Some(Found { pairs, rest });
        }
        rest = rest.strip_prefix(' ')?;
    }
    None
}

/// The name that `text` begins with, which sorts after `last`, and what comes after its colon.
fn begin<'t>(text: &'t str, last: &str, is_name: IsName) -> Option<(&'t str, &'t str)> {
    let (name, after) = text.split_once(':')?;
    (is_name(name) && name > last).then_some((name, after))
}

/// Where the value of `name` ends that `text` begins with: before the next name, or before the bracket that ends all.
fn end(text: &str, name: &str, is_name: IsName) -> Option<usize> {
    let mut at = 0_usize;
    // What is JSON may hold anything; and so may a list, whose item may be that.
    let inner = text.strip_prefix('[').filter(|inner| inner.starts_with('{')).unwrap_or(text);
    if inner.starts_with(['{', '['])
        && let Some((_, rest)) = Node::begin(inner)
    {
        at = text.len().checked_sub(rest.len())?;
    } else if text.starts_with('[') {
        at = text.find(']')?.checked_add(1)?;
    }
    if inner.len() < text.len() && at > 0 && text.get(at..)?.starts_with(']') {
        at = at.checked_add(1)?;
    }
    for (offset, character) in text.get(at..)?.char_indices() {
        let here = at.checked_add(offset)?;
        let is_end = match character {
            ' ' => begin(text.get(here.checked_add(1)?..)?, name, is_name).is_some(),
            // In a text before it, it ends nothing.
            ']' => name >= "sign" || !line(text.get(here..)?).contains(" sign:"),
            _ => false,
        };
        if is_end {
            return Some(here);
        }
    }
    None
}

fn line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
