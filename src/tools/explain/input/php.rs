//! Arrays as PHP prints them: by `print_r`, `var_dump`, `var_export` and `serialize`.

use super::Capture;
use crate::diagnose::Parameters;
use crate::receive::form::is_name;

type Pair<'t> = (&'t str, String);

/// Reads the array that `text` begins with, and returns what comes after it.
pub(super) fn array(text: &str) -> Option<(Capture, &str)> {
    if let Some(rest) = text.strip_prefix("Array") {
        return parsed("what print_r of PHP prints", printed(rest.trim_start().strip_prefix('(')?)?);
    }
    let rest = text.strip_prefix("array")?.trim_start().strip_prefix('(')?;
    let after = rest.trim_start_matches(|character: char| character.is_ascii_digit());
    match after.strip_prefix(')').filter(|_| after.len() < rest.len()) {
        Some(after) => parsed("what var_dump of PHP prints", dumped(after.trim_start().strip_prefix('{')?)?),
        None => parsed("what var_export of PHP prints", exported(rest)?),
    }
}

/// Reads the braces that `text` begins with, of an array as `serialize` writes it.
pub(super) fn serialized(text: &str) -> Option<(Capture, &str)> {
    let mut rest = text.strip_prefix('{')?;
    let mut pairs = Vec::new();
    loop {
        if rest.starts_with('}') {
            return parsed("what serialize of PHP writes", (pairs, rest));
        }
        let (name, after) = item(rest)?;
        let (value, after) = item(after)?;
        pairs.push((name, value.to_owned()));
        rest = after;
    }
}

/// The text in `s:5:"value";`, whose length is that in bytes.
fn item(text: &str) -> Option<(&str, &str)> {
    let (length, rest) = text.strip_prefix("s:")?.split_once(":\"")?;
    let (value, rest) = rest.split_at_checked(length.parse().ok()?)?;
    Some((value, rest.strip_prefix("\";")?))
}

fn parsed<'t>(form: &'static str, found: (Vec<Pair<'_>>, &'t str)) -> Option<(Capture, &'t str)> {
    let (pairs, rest) = found;
    let parameters: Parameters =
        pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    (!parameters.is_empty()).then(|| (Capture::parsed(form, parameters), rest))
}

/// `[name] => value`, each on a line of its own or, where something made one line of all, after a space. Nothing is
/// escaped, so that a value ends where the next name begins.
fn printed(text: &str) -> Option<(Vec<Pair<'_>>, &str)> {
    let mut pairs = Vec::new();
    let (mut name, mut value) = entry(text.trim_start())?;
    loop {
        let mut own = value;
        let mut next = value.match_indices('[').find_map(|(at, _)| {
            let before = value.get(..at)?.chars().next_back();
            let (next, after) = entry(value.get(at..)?).filter(|_| before.is_none_or(char::is_whitespace))?;
            Some((at, next, after))
        });
        if let Some(end) = next.and_then(|(at, ..)| another(value, at)) {
            own = value.get(..end)?;
            next = None;
        }
        let end = next.map_or_else(|| last(own), |(at, ..)| Some(at))?;
        pairs.push((name, list(&without_break(value.get(..end)?))));
        let Some((_, next, after)) = next else { return Some((pairs, value.get(end..)?)) };
        (name, value) = (next, after);
    }
}

/// Where in `value` another array begins, if it is the first of its names that stands at this place, and none that comes
/// after the value.
fn another(value: &str, at: usize) -> Option<usize> {
    let before = value.get(..at)?.trim_end().strip_suffix('(')?.trim_end().strip_suffix("Array")?;
    (!value.starts_with("Array")).then_some(before.len())
}

/// The name of the entry that `text` begins with, and what comes after its arrow.
fn entry(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix('[')?.split_once(']')?;
    let after = after.strip_prefix(" =>")?;
    is_name(name.as_bytes()).then(|| (name, after.strip_prefix(' ').unwrap_or(after)))
}

/// Where the last value ends: before the parenthesis that stands on a line of its own, or before the last one.
fn last(value: &str) -> Option<usize> {
    let mut at = 0_usize;
    for line in value.split_inclusive('\n') {
        if line.trim() == ")" {
            return Some(at);
        }
        at = at.checked_add(line.len())?;
    }
    value.rfind(')')
}

/// Without the break of the line and the indentation of the next one, or without the spaces that are left of them.
fn without_break(value: &str) -> String {
    match value.trim_end_matches([' ', '\t']).strip_suffix('\n') {
        Some(line) => line.strip_suffix('\r').unwrap_or(line).to_owned(),
        None => value.trim_end().to_owned(),
    }
}

/// With an array of one as a list, so that the diagnosis sees that it was one.
fn list(value: &str) -> String {
    let item = value.strip_prefix("Array").and_then(|array| array.split_once("[0] => "));
    item.and_then(|(_, item)| item.rsplit_once(')'))
        .map_or_else(|| value.to_owned(), |(item, _)| format!("[{}]", item.trim_end()))
}

/// `["name"]=> string(5) "value"`. The length is that in bytes.
fn dumped(mut text: &str) -> Option<(Vec<Pair<'_>>, &str)> {
    let mut pairs = Vec::new();
    loop {
        text = text.trim_start();
        let (quote, rest) = if let Some(rest) = text.strip_prefix("[\"") {
            ("\"]", rest)
        } else if let Some(rest) = text.strip_prefix('\'') {
            ("'", rest)
        } else {
            return Some((pairs, text));
        };
        let (name, rest) = rest.split_once(quote)?;
        let rest = rest.trim_start().strip_prefix("=>")?.trim_start().strip_prefix("string")?;
        let (length, rest) = rest.strip_prefix('(')?.split_once(')')?;
        let value = rest.trim_start().strip_prefix('"')?;
        let length: usize = length.parse().ok()?;
        // In another charset than this is read in, the length is another one.
        let ends = |end: usize| value.get(end..).is_some_and(|rest| rest.starts_with('"'));
        let end = if ends(length) { length } else { value.find("\"\n").or_else(|| value.find('"'))? };
        pairs.push((name, value.get(..end)?.to_owned()));
        text = value.get(end.checked_add(1)?..)?;
    }
}

/// `'name' => 'value',`, with `\'` and `\\`.
fn exported(mut text: &str) -> Option<(Vec<Pair<'_>>, &str)> {
    let mut pairs = Vec::new();
    loop {
        let Some(rest) = text.trim_start().strip_prefix('\'') else { return Some((pairs, text)) };
        let (name, rest) = rest.split_once('\'')?;
        let mut rest = rest.trim_start().strip_prefix("=>")?.trim_start().strip_prefix('\'')?;
        let mut value = String::new();
        loop {
            let next = rest.chars().next()?;
            rest = rest.get(next.len_utf8()..)?;
            match next {
                '\'' => break,
                '\\' if rest.starts_with(['\'', '\\']) => {
                    value.extend(rest.chars().next());
                    rest = rest.get(1..)?;
                }
                other => value.push(other),
            }
        }
        pairs.push((name, value));
        text = rest.trim_start().strip_prefix(',').unwrap_or(rest);
    }
}
