//! Dicts, lists of pairs and the like, as Python prints them.

use super::{Capture, LISTS};
use crate::diagnose::Parameters;
use crate::diagnose::python::literal;

type Pair = (Vec<u8>, Vec<u8>);

/// Reads the dict of strings, of bytes or of lists of one that `text` begins with; `before` stands before it.
pub(super) fn dict(before: &str, text: &str) -> Option<Capture> {
    let mut rest = text.strip_prefix('{')?.trim_start();
    let mut pairs: Vec<Pair> = Vec::new();
    loop {
        let (name, after) = literal(rest)?;
        let after = after.trim_start().strip_prefix(':')?.trim_start();
        let (value, after) = value(after)?;
        pairs.push((name, value));
        let after = after.trim_start();
        let Some(next) = after.strip_prefix(',') else {
            after.strip_prefix('}')?;
            break;
        };
        rest = next.trim_start();
    }
    // By its type, each value of this one of Django's is a list, of which the check gets the first.
    let items =
        pairs.iter().map(|(name, value)| Some((name.clone(), item(value)?))).collect::<Option<Vec<_>>>();
    match items.filter(|_| before.ends_with("QueryDict: ")) {
        Some(items) => Some(Capture::parsed("a QueryDict of Django", parameters(&items)).noting(LISTS)),
        None => Some(Capture::parsed("a dict of Python", parameters(&pairs))),
    }
}

/// A literal, a list of one as it was written, so that the diagnosis sees that it was a list, or a number.
fn value(text: &str) -> Option<(Vec<u8>, &str)> {
    if let Some(found) = literal(text) {
        return Some(found);
    }
    if let Some(list) = text.strip_prefix('[') {
        let (_, after) = literal(list)?;
        let rest = after.trim_start().strip_prefix(']')?;
        let written = text.get(..text.len().checked_sub(rest.len())?)?;
        return Some((written.as_bytes().to_vec(), rest));
    }
    let end = text.find([',', '}'])?;
    let (token, rest) = text.split_at_checked(end)?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-+".contains(&byte);
    (!token.is_empty() && token.bytes().all(is_plain)).then(|| (token.as_bytes().to_vec(), rest))
}

fn item(list: &[u8]) -> Option<Vec<u8>> {
    let list = std::str::from_utf8(list).ok()?;
    literal(list.strip_prefix('[')?).map(|(item, _)| item)
}

/// Reads `[('name', 'value'), …]`, as Flask and `parse_qsl` have it.
pub(super) fn tuples(text: &str) -> Option<Capture> {
    let mut rest = text.strip_prefix('[')?;
    let mut pairs: Vec<Pair> = Vec::new();
    loop {
        let (name, after) = literal(rest.strip_prefix('(')?.trim_start())?;
        let (value, after) = literal(after.trim_start().strip_prefix(',')?.trim_start())?;
        pairs.push((name, value));
        let after = after.trim_start().strip_prefix(')')?.trim_start();
        let Some(next) = after.strip_prefix(',') else {
            after.strip_prefix(']')?;
            break;
        };
        rest = next.trim_start();
    }
    Some(Capture::parsed("a list of pairs of Python", parameters(&pairs)))
}

fn parameters(pairs: &[Pair]) -> Parameters {
    pairs.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect()
}
