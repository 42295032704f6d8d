//! White space that was added, trimmed or changed.

use std::ops::ControlFlow;

use super::{Visit, one, places, values};
use crate::diagnose::cause::Cause;
use crate::diagnose::parameters::Parameters;

/// What may have stood at an end of a value that was trimmed.
const ENDS: [&[u8]; 5] = [b"", b" ", b"\n", b"\r\n", b"\t"];
/// What was likely there, where more than one value was trimmed.
const LIKELY_ENDS: [Ends; 5] = [(b" ", b""), (b"", b" "), (b" ", b" "), (b"", b"\n"), (b"", b"\r\n")];

/// What stood before a value and after it.
type Ends = (&'static [u8], &'static [u8]);

fn is_of_spaces((start, end): Ends) -> bool {
    start.iter().chain(end).all(|byte| *byte == b' ')
}

/// Takes white space away, or puts that in its place which it was.
pub(super) fn each(parameters: &Parameters, visit: Visit<'_>) -> ControlFlow<()> {
    let mut undo =
        |undo: &dyn Fn(&[u8]) -> Option<Vec<u8>>| values(parameters, Cause::WhiteSpace, visit, undo);
    undo(&|value| Some(trimmed(value)))?;
    undo(&|value| Some(without(value, b"\r")))?;
    undo(&|value| Some(without(value, b"\r\n")))?;
    // Lines that were broken at a column, and those after the first indented; or broken at a space.
    undo(&|value| Some(joined(value, b"")))?;
    undo(&|value| Some(joined(value, b" ")))?;
    undo(&|value| Some(with_crlf(value)))?;
    undo(&plain)
}

/// Adds the white space that may have been trimmed: from one value, or from two, of the same kind.
pub(super) fn every(parameters: &Parameters, visit: Visit<'_>) -> ControlFlow<()> {
    let places = places(parameters);
    for (start, end) in ENDS.into_iter().flat_map(|start| ENDS.map(|end| (start, end))) {
        let padded = |value: &[u8]| Some([start, value, end].concat());
        places.iter().try_for_each(|place| one(parameters, *place, Cause::WhiteSpace, visit, &padded))?;
    }
    for (of_one, of_other) in LIKELY_ENDS.into_iter().flat_map(|one| LIKELY_ENDS.map(|other| (one, other))) {
        if of_one != of_other && !(is_of_spaces(of_one) && is_of_spaces(of_other)) {
            continue;
        }
        let padded = |ends: Ends| move |value: &[u8]| Some([ends.0, value, ends.1].concat());
        for (nth, place) in places.iter().enumerate() {
            let mut pad_another = |_, first: Parameters| {
                let mut others = places.iter().skip(nth.saturating_add(1));
                others.try_for_each(|other| one(&first, *other, Cause::WhiteSpace, visit, &padded(of_other)))
            };
            one(parameters, *place, Cause::WhiteSpace, &mut pad_another, &padded(of_one))?;
        }
    }
    ControlFlow::Continue(())
}

/// Without what nobody sees and without quotes: what a copy of `sign` brings along.
pub(in crate::diagnose) fn bare(sign: &[u8]) -> Vec<u8> {
    let is_unwanted = |character: char| {
        character.is_whitespace() || is_invisible(character) || matches!(character, '"' | '\'')
    };
    match std::str::from_utf8(sign) {
        Ok(text) => text.replace(is_unwanted, "").into_bytes(),
        Err(_) => without(sign, b" \t\r\n\"'"),
    }
}

/// Whether a character takes no room: marks of byte order, of direction and of where a word may be broken.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
    )
}

/// Without white space at its ends, and what nobody sees there.
fn trimmed(value: &[u8]) -> Vec<u8> {
    let is_unwanted = |character: char| character.is_whitespace() || is_invisible(character);
    match std::str::from_utf8(value) {
        Ok(text) => text.trim_matches(is_unwanted).as_bytes().to_vec(),
        Err(_) => value.trim_ascii().to_vec(),
    }
}

/// Without what nobody sees, and with a space for each that must not be broken at.
fn plain(value: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(value).ok()?;
    Some(text.replace(is_invisible, "").replace('\u{a0}', " ").into_bytes())
}

/// With `between` in the place of each end of a line, and of the blanks that begin the next one.
fn joined(value: &[u8], between: &[u8]) -> Vec<u8> {
    let lines = value.split(|byte| *byte == b'\n').enumerate().map(|(nth, line)| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if nth == 0 { line } else { line.trim_ascii_start() }
    });
    lines.collect::<Vec<_>>().join(between)
}

/// Without these bytes.
fn without(value: &[u8], unwanted: &[u8]) -> Vec<u8> {
    value.iter().filter(|byte| !unwanted.contains(byte)).copied().collect()
}

/// With CR and LF at the end of each line.
fn with_crlf(value: &[u8]) -> Vec<u8> {
    let mut converted = Vec::with_capacity(value.len());
    for byte in without(value, b"\r") {
        if byte == b'\n' {
            converted.push(b'\r');
        }
        converted.push(byte);
    }
    converted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_were_broken_are_joined_again() {
        assert_eq!(joined(b"ab\r\n  cd\n\tef", b""), b"abcdef");
        assert_eq!(joined(b"ab\ncd", b" "), b"ab cd");
        assert_eq!(joined(b" ab ", b""), b" ab ");
    }

    #[test]
    fn what_nobody_sees_is_white_space_too() {
        assert_eq!(trimmed("\u{feff}\u{3000}a b\u{200b}\n".as_bytes()), b"a b");
        assert_eq!(plain("\u{200b}a\u{a0}b".as_bytes()).unwrap(), b"a b");
        assert_eq!(bare("\u{feff}\"ab+\u{a0}\r\n c/=\u{202c}\"".as_bytes()), b"ab+c/=");
        assert_eq!(trimmed(b" \xc8\xcb\n"), b"\xc8\xcb");
    }
}
