//! The words of a command, as a POSIX shell splits them.

use super::{END, end_of_line};
use crate::tools::explain::input::Unreadable;

/// The words of `command`; with `$'…'` as bash has it, for browsers write it.
pub(super) fn words(command: &str) -> Result<Vec<String>, Unreadable> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = command.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            ' ' | '\t' | '\r' => words.extend(word.take()),
            '\n' => {
                words.extend(word.take());
                words.extend(end_of_line(rest.peek()));
            }
            ';' => {
                words.extend(word.take());
                words.push(END.to_owned());
            }
            '\\' => match rest.next() {
                Some('\n') | None => {}
                Some('\r') => drop(rest.next_if_eq(&'\n')),
                Some(other) => word.get_or_insert_default().push(other),
            },
            '$' if rest.next_if_eq(&'\'').is_some() => ansi(&mut rest, word.get_or_insert_default())?,
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next().ok_or(Unreadable::OpenQuote)? {
                        '\'' => break,
                        other => word.push(other),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next().ok_or(Unreadable::OpenQuote)? {
                        '"' => break,
                        '\\' => match rest.next().ok_or(Unreadable::OpenQuote)? {
                            escaped @ ('"' | '\\' | '$' | '`') => word.push(escaped),
                            '\n' => {}
                            other => word.extend(['\\', other]),
                        },
                        other => word.push(other),
                    }
                }
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

/// The rest of a `$'…'`, with its escapes.
fn ansi(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, word: &mut String) -> Result<(), Unreadable> {
    loop {
        match rest.next().ok_or(Unreadable::OpenQuote)? {
            '\'' => return Ok(()),
            '\\' => match rest.next().ok_or(Unreadable::OpenQuote)? {
                'n' => word.push('\n'),
                'r' => word.push('\r'),
                't' => word.push('\t'),
                'u' => word.push(code(rest, 4)),
                'x' => word.push(code(rest, 2)),
                other => word.push(other),
            },
            other => word.push(other),
        }
    }
}

/// The character of up to so many hexadecimal digits.
fn code(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, digits: usize) -> char {
    let mut value = 0_u32;
    for _ in 0..digits {
        let Some(digit) = rest.peek().and_then(|character| character.to_digit(16)) else { break };
        value = value.wrapping_shl(4) | digit;
        rest.next();
    }
    char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER)
}
