//! The tokens of JSON that need more than a look: strings, escapes, numbers.

use std::borrow::Cow;

use super::Rule;

/// A string as it was written, without its quotes; every escape in it is valid.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a> {
    pub(crate) raw: &'a str,
    escaped: bool,
}

impl<'a> Text<'a> {
    /// The string that `after_quote` begins with, up to its closing quote; or what is wrong with it, and where.
    pub(crate) fn scan(after_quote: &'a str) -> Result<Self, (usize, Rule)> {
        let mut escaped = false;
        let mut length = 0_usize;
        loop {
            let rest = after_quote.as_bytes().get(length..).unwrap_or_default();
            let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..b' '));
            let (plain, special) = plain.and_then(|at| rest.split_at_checked(at)).unwrap_or((rest, &[]));
            length = length.saturating_add(plain.len());
            match special {
                [b'"', ..] => {
                    let raw = after_quote.get(..length).unwrap_or_default();
                    return Ok(Self { raw, escaped });
                }
                [b'\\', ..] => {
                    let (_, escape) = unescape(special).map_err(|rule| (length, rule))?;
                    length = length.saturating_add(escape);
                    escaped = true;
                }
                [_, ..] => return Err((length, Rule::ControlByte)),
                [] => return Err((length, Rule::Unfinished)),
            }
        }
    }

    /// What the string means; borrowed unless it holds an escape.
    pub(crate) fn decoded(self) -> Cow<'a, str> {
        if !self.escaped {
            return Cow::Borrowed(self.raw);
        }
        let mut decoded = String::with_capacity(self.raw.len());
        let mut rest = self.raw;
        while let Some((plain, special)) = rest.find('\\').and_then(|at| rest.split_at_checked(at)) {
            decoded.push_str(plain);
            // `scan` has seen that every escape is valid.
            let Ok((char, length)) = unescape(special.as_bytes()) else { break };
            decoded.push(char);
            rest = special.get(length..).unwrap_or_default();
        }
        decoded.push_str(rest);
        Cow::Owned(decoded)
    }
}

/// The character that `text` begins with as an escape, and how many bytes the escape takes.
fn unescape(text: &[u8]) -> Result<(char, usize), Rule> {
    let short = match text {
        [b'\\', b'u', hex @ ..] => return unescape_unicode(hex),
        [b'\\', b'"', ..] => '"',
        [b'\\', b'\\', ..] => '\\',
        [b'\\', b'/', ..] => '/',
        [b'\\', b'b', ..] => '\u{8}',
        [b'\\', b'f', ..] => '\u{c}',
        [b'\\', b'n', ..] => '\n',
        [b'\\', b'r', ..] => '\r',
        [b'\\', b't', ..] => '\t',
        _ => return Err(Rule::BadEscape),
    };
    Ok((short, 2))
}

/// As [`unescape`], from after the `\u`. Characters beyond U+FFFF are two escapes, a high and a low surrogate.
fn unescape_unicode(hex: &[u8]) -> Result<(char, usize), Rule> {
    let (first, rest) = code_unit(hex).ok_or(Rule::BadEscape)?;
    if let Some(char) = char::from_u32(first.into()) {
        return Ok((char, 6));
    }
    let second = rest.strip_prefix(br"\u").and_then(code_unit).map(|(second, _)| second);
    let pair = [first, second.ok_or(Rule::LoneSurrogate)?];
    match char::decode_utf16(pair).next() {
        Some(Ok(char)) => Ok((char, 12)),
        _ => Err(Rule::LoneSurrogate),
    }
}

fn code_unit(hex: &[u8]) -> Option<(u16, &[u8])> {
    let (digits, rest) = hex.split_first_chunk::<4>()?;
    let unit = digits.iter().try_fold(0, |unit: u32, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(unit << 4 | digit)
    })?;
    Some((u16::try_from(unit).ok()?, rest))
}

/// The number that `text` begins with.
pub(crate) fn scan_number(text: &str) -> Result<&str, Rule> {
    let length =
        text.bytes().take_while(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    let number = text.get(..length.count()).unwrap_or_default();
    check_number(number).map(|()| number)
}

/// The longest number, in characters.
const MAX_NUMBER: usize = 64;

/// The greatest exponent, and the smallest below zero: beyond it common readers of JSON give up, or read infinity.
const MAX_EXPONENT: u16 = 308;

fn check_number(number: &str) -> Result<(), Rule> {
    if number.len() > MAX_NUMBER {
        return Err(Rule::NumberTooLong);
    }
    let (whole, mut rest) = digits(number.strip_prefix('-').unwrap_or(number));
    if whole.is_empty() || (whole.starts_with('0') && whole != "0") {
        return Err(Rule::BadNumber);
    }
    if let Some(fraction) = rest.strip_prefix('.') {
        let (fraction, after) = digits(fraction);
        if fraction.is_empty() {
            return Err(Rule::BadNumber);
        }
        rest = after;
    }
    let Some(exponent) = rest.strip_prefix(['e', 'E']) else {
        return if rest.is_empty() { Ok(()) } else { Err(Rule::BadNumber) };
    };
    let (exponent, after) = digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent));
    if exponent.is_empty() || !after.is_empty() {
        return Err(Rule::BadNumber);
    }
    let is_bounded = exponent.parse().is_ok_and(|exponent: u16| exponent <= MAX_EXPONENT);
    // Many digits before an allowed exponent can still be more than a double holds.
    let is_finite = number.parse().is_ok_and(f64::is_finite);
    if is_bounded && is_finite { Ok(()) } else { Err(Rule::NumberTooLarge) }
}

/// The decimal digits that `text` begins with, and what comes after them.
fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|char: char| !char.is_ascii_digit());
    end.and_then(|end| text.split_at_checked(end)).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_mean_what_the_standard_says() {
        let text = Text::scan(r#"\"\\\/\b\f\n\r\t\u0061\u4EBA\uD83D\ude00\u0000" and more"#).unwrap();
        assert_eq!(text.decoded(), "\"\\/\u{8}\u{c}\n\r\ta人😀\0");
    }

    #[test]
    fn text_without_escapes_is_borrowed() {
        let text = Text::scan("人脸\"").unwrap();
        assert!(matches!(text.decoded(), Cow::Borrowed("人脸")));
    }

    #[test]
    fn faults_in_strings_are_named_with_their_place() {
        for (text, at, rule) in [
            ("ab", 2, Rule::Unfinished),
            (r"ab\", 2, Rule::BadEscape),
            (r#"\""#, 2, Rule::Unfinished),
            (r#"a\x""#, 1, Rule::BadEscape),
            (r#"a\'""#, 1, Rule::BadEscape),
            (r"\u12", 0, Rule::BadEscape),
            (r#"\u12g4""#, 0, Rule::BadEscape),
            (r#"\u+123""#, 0, Rule::BadEscape),
            (r#"\U0061""#, 0, Rule::BadEscape),
            (r#"\ud800""#, 0, Rule::LoneSurrogate),
            (r#"\ud800\n""#, 0, Rule::LoneSurrogate),
            (r#"\ud800\u0061""#, 0, Rule::LoneSurrogate),
            (r#"\ud800\ud800""#, 0, Rule::LoneSurrogate),
            (r#"\udc00\ud800""#, 0, Rule::LoneSurrogate),
            ("tab\there\"", 3, Rule::ControlByte),
            ("\0\"", 0, Rule::ControlByte),
            ("\n\"", 0, Rule::ControlByte),
            ("\u{1f}\"", 0, Rule::ControlByte),
        ] {
            assert_eq!(Text::scan(text).unwrap_err(), (at, rule), "{text:?}");
        }
    }

    #[test]
    fn delete_and_line_separators_are_ordinary_characters() {
        assert_eq!(Text::scan("\u{7f}\u{85}\u{2028}\"").unwrap().decoded(), "\u{7f}\u{85}\u{2028}");
    }

    #[test]
    fn numbers_follow_the_grammar() {
        for number in ["0", "-0", "10", "-1.5", "0.0", "1e5", "1E+05", "1e-0", "-0.0e-308", "1.7e308"] {
            assert_eq!(scan_number(number), Ok(number));
        }
        for number in [
            "", "-", "+1", "01", "-01", "00", ".5", "1.", "1.e1", "1e", "1e+", "1e1.5", "1ee1", "1-2", "--1",
            "1.2.3",
        ] {
            assert_eq!(scan_number(number), Err(Rule::BadNumber), "{number}");
        }
    }

    #[test]
    fn numbers_that_others_cannot_hold_are_refused() {
        for number in ["1e309", "1e-309", "0e309", "1e99999999999", "2e308", "-10e308", "123456789e301"] {
            assert_eq!(scan_number(number), Err(Rule::NumberTooLarge), "{number}");
        }
        let longest = "1".repeat(MAX_NUMBER);
        assert_eq!(scan_number(&longest), Ok(&*longest));
        assert_eq!(scan_number(&"1".repeat(MAX_NUMBER + 1)), Err(Rule::NumberTooLong));
    }
}
