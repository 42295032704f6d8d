//! What becomes of a value of a documented type.
//!
//! Everything in a notification is text at its source: a number, a time, a yes or no. What a text means is written as
//! JSON has it; a text that does not mean what is documented passes as it came, and is reported.

use std::borrow::Cow;

use jiff::civil::DateTime;
use percent_encoding::percent_decode_str;

use super::catalogue::FieldType;
use super::violation::Breach;

/// How a value is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Typed<'v> {
    /// As it came.
    Same,
    /// As this token of JSON.
    Token(&'v str),
    /// As this number.
    Number(i64),
    /// As this string.
    Text(Cow<'v, str>),
}

/// The greatest `timestamp_ms`: the end of the year 9999.
pub(crate) const MAX_TIMESTAMP: i64 = 253_402_300_799_999;

/// What the text `text` becomes, or in what it departs from the documented `kind`.
///
/// JSON in texts is none of its business: `json` writes that.
pub(super) fn text<'v>(text: &'v str, kind: &'v FieldType) -> Result<Typed<'v>, Breach> {
    match kind {
        FieldType::Text { max_length, encoded, .. } => {
            check_length(text, *max_length)?;
            Ok(match if *encoded { decoded(text) } else { None } {
                Some(decoded) => Typed::Text(decoded),
                None => Typed::Same,
            })
        }
        FieldType::Enum { values } => values
            .iter()
            .find(|value| value.spelling.eq_ignore_ascii_case(text))
            .map(|value| Typed::Text(Cow::Borrowed(&value.spelling)))
            .ok_or(Breach::UnknownValue),
        FieldType::Integer => if_so(is_integer(text), Typed::Token(text), Breach::NotAnInteger),
        FieldType::Decimal { max_length } => {
            if !is_decimal(text) {
                return Err(Breach::NotADecimal);
            }
            check_length(text, *max_length).map(|()| Typed::Same)
        }
        FieldType::Boolean { spelling } => {
            let (yes, no) = spelling.words();
            if text.eq_ignore_ascii_case(yes) {
                Ok(Typed::Token("true"))
            } else {
                if_so(text.eq_ignore_ascii_case(no), Typed::Token("false"), Breach::NotABoolean)
            }
        }
        FieldType::TimestampMs => if_so(is_timestamp(text), Typed::Token(text), Breach::NotATimestamp),
        FieldType::DateTime => {
            rfc3339(text).map(|time| Typed::Text(Cow::Owned(time))).ok_or(Breach::NotATime)
        }
        FieldType::Json { .. } => Err(Breach::NotJson),
        FieldType::List { .. } => Err(Breach::NotAList),
        FieldType::Object { .. } => Err(Breach::NotAnObject),
    }
}

/// What the number or literal `token` becomes, or in what it departs from the documented `kind`.
pub(super) fn token<'v>(token: &'v str, kind: &FieldType) -> Result<Typed<'v>, Breach> {
    match kind {
        FieldType::Text { .. } | FieldType::Enum { .. } | FieldType::DateTime => Err(Breach::NotText),
        FieldType::Integer => {
            if is_integer(token) {
                return Ok(Typed::Same);
            }
            whole(token).map(Typed::Number).ok_or(Breach::NotAnInteger)
        }
        FieldType::Decimal { max_length } => {
            if !is_decimal(token) {
                return Err(Breach::NotADecimal);
            }
            check_length(token, *max_length).map(|()| Typed::Text(Cow::Borrowed(token)))
        }
        FieldType::Boolean { .. } => {
            if_so(matches!(token, "true" | "false"), Typed::Same, Breach::NotABoolean)
        }
        FieldType::TimestampMs => {
            if is_timestamp(token) {
                return Ok(Typed::Same);
            }
            let milliseconds = whole(token).filter(|number| (0..=MAX_TIMESTAMP).contains(number));
            milliseconds.map(Typed::Number).ok_or(Breach::NotATimestamp)
        }
        FieldType::Json { .. } => Err(Breach::NotJson),
        FieldType::List { .. } => Err(Breach::NotAList),
        FieldType::Object { .. } => Err(Breach::NotAnObject),
    }
}

fn if_so(is_so: bool, typed: Typed<'_>, breach: Breach) -> Result<Typed<'_>, Breach> {
    if is_so { Ok(typed) } else { Err(breach) }
}

fn check_length(text: &str, max_length: Option<usize>) -> Result<(), Breach> {
    match max_length {
        // No character is shorter than a byte.
        Some(max) if text.len() > max && text.chars().count() > max => Err(Breach::TooLong(max)),
        Some(_) | None => Ok(()),
    }
}

/// A whole number of 64 bits, written as JSON writes it.
fn is_integer(text: &str) -> bool {
    // Readers of JSON make a floating-point number of a negative zero.
    text != "-0" && is_whole(text.strip_prefix('-').unwrap_or(text)) && text.parse::<i64>().is_ok()
}

/// Digits with or without a fraction, as JSON writes a number without an exponent.
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    match digits.split_once('.') {
        Some((whole, fraction)) => is_whole(whole) && is_digits(fraction),
        None => is_whole(digits),
    }
}

fn is_whole(text: &str) -> bool {
    is_digits(text) && (text == "0" || !text.starts_with('0'))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_timestamp(text: &str) -> bool {
    is_whole(text) && text.parse::<i64>().is_ok_and(|milliseconds| milliseconds <= MAX_TIMESTAMP)
}

/// The whole number of 64 bits that a number of JSON stands for: `1.0` and `10e-1` are 1 to whoever reads them.
fn whole(number: &str) -> Option<i64> {
    // What ends otherwise is one of the literals, or nothing.
    number.bytes().next_back().filter(u8::is_ascii_digit)?;
    let (sign, number) = number.strip_prefix('-').map_or(("", number), |number| ("-", number));
    let (number, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (before, after) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{before}{after}");
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    let zeros = i64::try_from(digits.len().checked_sub(significant.len())?).ok()?;
    let shift = i64::try_from(after.len()).ok()?;
    let zeros = exponent.parse::<i64>().ok()?.checked_add(zeros)?.checked_sub(shift)?;
    // More zeros than those of 10^18 do not fit.
    let zeros = usize::try_from(zeros).ok().filter(|zeros| *zeros <= 18)?;
    format!("{sign}{significant}{}", "0".repeat(zeros)).parse().ok()
}

/// The shape of a time in Beijing.
const SHAPE: &str = "0000-00-00 00:00:00";

/// A time in Beijing, `yyyy-MM-dd HH:mm:ss` with or without a fraction, as RFC 3339; `None` if it is not a real one.
/// What is that already stays so.
pub(super) fn rfc3339(text: &str) -> Option<String> {
    let done = text.strip_suffix("+08:00").and_then(|text| text.split_once('T'));
    let spaced = done.map(|(date, time)| format!("{date} {time}"));
    let text = spaced.as_deref().unwrap_or(text);
    let (seconds, fraction) = text.split_at_checked(SHAPE.len())?;
    let is_shaped = seconds.bytes().zip(SHAPE.bytes()).all(|(byte, shape)| match shape {
        b'0' => byte.is_ascii_digit(),
        _ => byte == shape,
    });
    let has_fraction = match fraction.strip_prefix('.') {
        Some(digits) => digits.len() <= 9 && is_digits(digits),
        None => fraction.is_empty(),
    };
    // A leap second would be read as the second before it, and Beijing time has none.
    let is_real = !seconds.ends_with(":60") && seconds.parse::<DateTime>().is_ok();
    let (date, time) = text.split_once(' ').filter(|_| is_shaped && has_fraction && is_real)?;
    Some(format!("{date}T{time}+08:00"))
}

/// What a percent-encoded text means; `None` if it is not one, so that it stays as it is.
///
/// Merchants have to encode `passback_params`, and not all of them do: a character that encoding leaves over nowhere
/// tells that nothing was encoded.
fn decoded(text: &str) -> Option<Cow<'_, str>> {
    let is_left_over = |byte: u8| byte.is_ascii_alphanumeric() || b"*-._~+%".contains(&byte);
    let mut escapes = text.split('%').skip(1);
    let is_encoded = text.bytes().all(is_left_over)
        && escapes
            .all(|after| after.len() >= 2 && after.bytes().take(2).all(|digit| digit.is_ascii_hexdigit()));
    if !is_encoded {
        return None;
    }
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(|decoded| Cow::Owned(decoded.into_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::translate::catalogue::{EnumValue, Spelling, Words};

    const PLAIN: FieldType = FieldType::Text { max_length: None, free_text: false, encoded: false };
    const ENCODED: FieldType = FieldType::Text { max_length: None, free_text: true, encoded: true };

    proptest! {
        #[test]
        fn a_text_stays_and_is_measured_in_characters(value in "\\PC{0,12}", max in 1_usize..12) {
            prop_assert_eq!(text(&value, &PLAIN), Ok(Typed::Same));
            let kind = FieldType::Text { max_length: Some(max), free_text: false, encoded: false };
            prop_assert_eq!(text(&value, &kind).is_ok(), value.chars().count() <= max);
        }

        #[test]
        fn what_was_encoded_is_decoded_once(value in "\\PC{0,12}") {
            let encoded: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
            prop_assert_eq!(text(&encoded, &ENCODED), Ok(Typed::Text(value.into())));
        }

        #[test]
        fn what_was_not_encoded_stays(value in "[a-z%]{0,4}[ \"{}=&:人][a-z%+]{0,4}") {
            prop_assert_eq!(text(&value, &ENCODED), Ok(Typed::Same));
        }

        #[test]
        fn an_integer_of_64_bits_becomes_a_number(number in any::<i64>()) {
            let digits = number.to_string();
            prop_assert_eq!(text(&digits, &FieldType::Integer), Ok(Typed::Token(&digits)));
            prop_assert_eq!(token(&digits, &FieldType::Integer), Ok(Typed::Same));
        }

        #[test]
        fn what_json_does_not_read_as_an_integer_is_none(value in "[-+0-9.eE x]{0,24}") {
            let is_one = serde_json::from_str::<i64>(&value).is_ok_and(|_| !value.contains([' ', '.', 'e', 'E']));
            prop_assert_eq!(text(&value, &FieldType::Integer).is_ok(), is_one);
        }

        #[test]
        fn a_decimal_keeps_its_digits_whether_it_comes_as_text_or_as_a_number(value in "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?") {
            let kind = FieldType::Decimal { max_length: None };
            prop_assert_eq!(text(&value, &kind), Ok(Typed::Same));
            prop_assert_eq!(token(&value, &kind), Ok(Typed::Text(Cow::Borrowed(&value))));
            let short = FieldType::Decimal { max_length: Some(11) };
            prop_assert_eq!(text(&value, &short).is_ok(), value.len() <= 11);
        }

        #[test]
        fn other_numbers_are_no_decimals(value in "(\\+1|1e5|01|1\\.|\\.5|-|1,000|１|0x1| 1|1 |--1|NaN|)") {
            prop_assert_eq!(text(&value, &FieldType::Decimal { max_length: None }), Err(Breach::NotADecimal));
        }

        #[test]
        fn a_boolean_is_read_in_its_own_spelling_alone(value in "(true|false|Y|N|T|F|y|n|t|f|TRUE|yes|1||0)") {
            for spelling in [Spelling::TrueFalse, Spelling::YesNo, Spelling::TF] {
                let (yes, no) = spelling.words();
                let expected = if value.eq_ignore_ascii_case(yes) {
                    Ok(Typed::Token("true"))
                } else if value.eq_ignore_ascii_case(no) {
                    Ok(Typed::Token("false"))
                } else {
                    Err(Breach::NotABoolean)
                };
                let kind = FieldType::Boolean { spelling };
                prop_assert_eq!(text(&value, &kind), expected);
            }
        }

        #[test]
        fn milliseconds_become_a_number_up_to_the_year_9999(milliseconds in any::<i64>()) {
            let digits = milliseconds.to_string();
            let is_one = (0..=MAX_TIMESTAMP).contains(&milliseconds);
            prop_assert_eq!(text(&digits, &FieldType::TimestampMs).is_ok(), is_one);
            prop_assert_eq!(token(&digits, &FieldType::TimestampMs).is_ok(), is_one);
        }

        #[test]
        fn a_real_time_in_beijing_becomes_rfc_3339_of_the_same_instant(
            second in 0_i64..253_370_000_000, fraction in "(\\.[0-9]{1,9})?",
        ) {
            let utc = jiff::Timestamp::from_second(second).unwrap();
            let beijing = jiff::tz::offset(8).to_datetime(utc);
            let written = beijing.strftime("%Y-%m-%d %H:%M:%S").to_string() + &fraction;
            let time = rfc3339(&written).unwrap();
            prop_assert_eq!(time.parse::<jiff::Timestamp>().unwrap().as_second(), second);
            prop_assert_eq!(rfc3339(&time), Some(time.clone()));
            prop_assert_eq!(time, written.replace(' ', "T") + "+08:00");
        }

        #[test]
        fn an_enum_is_matched_without_case_and_spelled_as_the_catalogue_does(upper in any::<bool>(), other in "[a-z]{1,8}") {
            let value = |spelling: &str| EnumValue { spelling: spelling.to_owned(), meaning: Words::default() };
            let kind = FieldType::Enum { values: vec![value("TRADE_SUCCESS"), value("paid")] };
            let sent = if upper { "PAID" } else { "pAid" };
            prop_assert_eq!(text(sent, &kind), Ok(Typed::Text("paid".into())));
            prop_assert_eq!(text("trade_success", &kind), Ok(Typed::Text("TRADE_SUCCESS".into())));
            prop_assume!(other != "paid");
            prop_assert_eq!(text(&other, &kind), Err(Breach::UnknownValue));
        }
    }

    #[test]
    fn a_number_that_is_whole_however_it_is_written_becomes_an_integer() {
        for (number, expected) in [
            ("1.0", Some(1)),
            ("-1.50e1", Some(-15)),
            ("10e-1", Some(1)),
            ("0.00", Some(0)),
            ("-0.0e5", Some(0)),
            ("1E+18", Some(1_000_000_000_000_000_000)),
            ("9223372036854775807.0", Some(i64::MAX)),
            ("-922337203685477580.8e1", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("1e19", None),
            ("1.5", None),
            ("1e-1", None),
            ("true", None),
            ("false", None),
            ("null", None),
            ("", None),
        ] {
            assert_eq!(whole(number), expected, "{number}");
            let typed = token(number, &FieldType::Integer);
            assert_eq!(typed, expected.map(Typed::Number).ok_or(Breach::NotAnInteger), "{number}");
        }
        assert_eq!(token("-0", &FieldType::TimestampMs), Ok(Typed::Number(0)));
        assert_eq!(token("-1.0", &FieldType::TimestampMs), Err(Breach::NotATimestamp));
        assert_eq!(text("1.0", &FieldType::Integer), Err(Breach::NotAnInteger));
        assert_eq!(text("-0", &FieldType::Integer), Err(Breach::NotAnInteger));
    }

    #[test]
    fn times_that_are_not_real_are_none() {
        for time in [
            "2017-02-29 00:00:00",
            "2017-12-25 24:00:00",
            "2016-12-31 23:59:60",
            "2017-12-25T22:00:52",
            "2017-12-25 22:00:52.",
            "2017-12-25 22:00:52.1234567890",
            "2017-12-25 22:00:52Z",
            "2017-12-25 22:00:52+08:00",
            "2017-12-25T22:00:52+09:00",
            "2017-02-29T22:00:52+08:00",
            "2017-12-25 T22:00:52+08:00",
            "T+08:00",
            "2017-12-25 22:00",
            "+017-12-25 22:00:52",
            "2017-12-25 22:00:5二",
            "",
        ] {
            assert_eq!(rfc3339(time), None, "{time}");
        }
    }
}
