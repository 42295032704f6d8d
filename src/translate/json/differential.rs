//! Our reading of JSON against that of `serde_json`, which shares no code with it.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

use super::{MAX_DEPTH, Malformed, Rule, write_object};
use crate::translate::violation::{Place, Violations};

/// The clean text of the object in `text`.
fn clean(text: &str) -> Result<String, Malformed> {
    let (mut out, mut violations) = (Vec::new(), Violations::default());
    write_object(text, None, &Place::top("biz_content"), &mut out, &mut violations)?;
    assert!(violations.as_slice().is_empty());
    Ok(String::from_utf8(out).unwrap())
}

/// Holds for every text: what we accept means the same to `serde_json`, before and after; what it refuses, we refuse;
/// and what we refuse beyond that we refuse for a known reason.
fn check(text: &str) {
    let theirs = serde_json::from_str::<Value>(text);
    match (clean(text), theirs) {
        (Ok(ours), Ok(theirs)) => {
            assert_eq!(serde_json::from_str::<Value>(&ours).unwrap(), theirs, "{text}");
            assert_eq!(clean(&ours).as_ref(), Ok(&ours), "{text}");
            assert_eq!(ours, without_space(text), "{text}");
        }
        (Ok(_), Err(error)) => panic!("only we accept {text}: {error}"),
        (Err(Malformed { rule, at }), Ok(_)) => {
            assert!(at <= text.len());
            let known = [
                Rule::NotAnObject,
                Rule::RepeatedName,
                Rule::TooDeep,
                Rule::NumberTooLong,
                Rule::NumberTooLarge,
            ];
            assert!(known.contains(&rule), "only we refuse {text}: {rule}");
        }
        (Err(Malformed { at, .. }), Err(_)) => assert!(at <= text.len()),
    }
}

/// Valid JSON without the white space outside its strings.
fn without_space(text: &str) -> String {
    let (mut quoted, mut escaped) = (false, false);
    let kept = text.chars().filter(|char| {
        let keep = quoted || !char.is_ascii_whitespace();
        quoted ^= *char == '"' && !escaped;
        escaped = *char == '\\' && !escaped;
        keep
    });
    kept.collect()
}

/// Objects that must be accepted, in any white space, order, spelling of strings and depth.
fn object() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        prop::sample::select(vec!["true", "false", "null", "0", "-0", "{}", "[]"]).prop_map(str::to_owned),
        "-?(0|[1-9][0-9]{0,12})(\\.[0-9]{1,8})?([eE][+-]?2?[0-8]?[0-9])?",
        string(),
    ];
    let nested = scalar.prop_recursive(4, 24, 6, |inner| {
        let list = prop::collection::vec((space(), inner.clone(), space()), 0..5);
        let list = list.prop_map(|values| {
            let values: Vec<_> = values.into_iter().map(|(one, value, two)| one + &value + &two).collect();
            format!("[{}]", values.join(","))
        });
        prop_oneof![list, members(inner)]
    });
    (space(), members(nested), space()).prop_map(|(before, object, after)| before + &object + &after)
}

/// An object with such values. Its names differ by their numbers; some of them are escaped.
fn members(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop::collection::vec((space(), value, space(), any::<bool>()), 0..20).prop_map(|members| {
        let mut object = String::from("{");
        for (index, (one, value, two, escaped)) in members.into_iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let name = if escaped { r"\u006e" } else { "n" };
            write!(object, "{comma}{one}\"{name}{index}\"{two}:{two}{value}{one}").unwrap();
        }
        object + "}"
    })
}

fn space() -> impl Strategy<Value = String> {
    "[ \t\r\n]{0,3}"
}

fn string() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[^\"\\\\\u{0}-\u{1f}]{0,6}",
        prop::sample::select(vec![r#"\""#, r"\\", r"\/", r"\b", r"\f", r"\n", r"\r", r"\t"])
            .prop_map(str::to_owned),
        any::<char>().prop_map(|char| {
            let units = char
                .encode_utf16(&mut [0; 2])
                .iter()
                .map(|unit| format!(r"\u{unit:04x}"))
                .collect::<Vec<_>>();
            units.concat()
        }),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

/// A text in which the character at `at` gives way to `put`.
fn mutated(text: &str, at: Index, put: &str) -> String {
    let mut chars: Vec<String> = text.chars().map(String::from).collect();
    put.clone_into(at.get_mut(&mut chars));
    chars.concat()
}

proptest! {
    #[test]
    fn every_strict_object_is_accepted_and_means_the_same(text in object()) {
        prop_assert!(clean(&text).is_ok(), "{:?}", clean(&text));
        check(&text);
    }

    #[test]
    fn a_text_with_changes_means_the_same_or_is_refused(
        text in object(),
        changes in prop::collection::vec((any::<Index>(), prop::sample::select(vec![
            "", "\"", "\\", "{", "}", "[", "]", ",", ":", "0", "1", "-", ".", "e", "+", "n", "t", "u", " ", "\t", "\0",
            "\u{1f}", "\u{feff}", "\u{a0}", "\"n1\"", "\"\\u006e1\":0,", "\\ud800", "\\udc00", "\\u00e9", "NaN", "//",
        ])), 1..4),
    ) {
        let mut text = text;
        for (at, put) in changes {
            if !text.is_empty() {
                text = mutated(&text, at, put);
            }
        }
        check(&text);
    }

    #[test]
    fn any_text_is_read_as_others_read_it_or_refused(text in any::<String>()) {
        check(&text);
        check(&format!("{{\"a\":\"{text}\"}}"));
        check(&format!("{{\"a\":{text}}}"));
    }

    #[test]
    fn any_text_of_the_letters_of_json_is_read_as_others_read_it_or_refused(
        text in "[\\[\\]{}\",: 0-2eE+.\\\\/ut-]{0,40}",
        number in "-?[0-9]{0,40}\\.?[0-9]{0,40}[eE]?[+-]?[0-9]{0,3}",
        escape in "(\\\\[ubn\"\\\\]|[0-9a-fA-Fd]){0,12}",
    ) {
        check(&text);
        check(&format!("{{\"a\":[{text}]}}"));
        check(&format!("{{\"a\":{number}}}"));
        check(&format!("{{\"a\":\"{escape}\"}}"));
    }

    #[test]
    fn a_repeated_name_is_refused_wherever_it_stands(count in 2..60_usize, one: Index, two: Index, depth in 0..8_usize) {
        let (one, two) = (one.index(count), two.index(count));
        prop_assume!(one != two);
        let mut names: Vec<String> = (0..count).map(|index| format!("\"n{index}\":{index}")).collect();
        names[two] = format!(r#""\u006e{one}":null"#);
        let object = format!("{{{}}}", names.join(","));
        let text = format!(r#"{}{{"o":{object}}}{}"#, r#"{"n0":["#.repeat(depth), "]}".repeat(depth));
        prop_assert_eq!(clean(&text).unwrap_err().rule, Rule::RepeatedName);
    }
}

#[test]
fn faults_are_named_with_their_place() {
    for (text, at, rule) in [
        ("", 0, Rule::NotAnObject),
        (" \n", 2, Rule::NotAnObject),
        ("[{}]", 0, Rule::NotAnObject),
        (r#""{}""#, 0, Rule::NotAnObject),
        ("null", 0, Rule::NotAnObject),
        ("\u{feff}{}", 0, Rule::ByteOrderMark),
        (" \u{feff}{}", 1, Rule::NotAnObject),
        ("\u{a0}{}", 0, Rule::NotAnObject),
        ("\u{c}{}", 0, Rule::NotAnObject),
        ("{}{}", 2, Rule::TrailingText),
        ("{} // end", 3, Rule::TrailingText),
        ("{}\0", 2, Rule::TrailingText),
        ("{}}", 2, Rule::TrailingText),
        ("{", 1, Rule::Unfinished),
        (r#"{"人"#, 5, Rule::Unfinished),
        (r#"{"a""#, 4, Rule::Unfinished),
        (r#"{"a":"#, 5, Rule::Unfinished),
        (r#"{"a":1"#, 6, Rule::Unfinished),
        (r#"{"a":[1,"#, 8, Rule::Unfinished),
        (r#"{"a":1,}"#, 7, Rule::ExpectedName),
        ("{a:1}", 1, Rule::ExpectedName),
        ("{'a':1}", 1, Rule::ExpectedName),
        ("{,}", 1, Rule::ExpectedName),
        ("{1:1}", 1, Rule::ExpectedName),
        (r#"{"a" 1}"#, 5, Rule::ExpectedColon),
        (r#"{"a",1}"#, 4, Rule::ExpectedColon),
        (r#"{"a":1 "b":2}"#, 7, Rule::ExpectedCommaOrEnd),
        (r#"{"a":[1 2]}"#, 8, Rule::ExpectedCommaOrEnd),
        (r#"{"a":[1}]"#, 7, Rule::ExpectedCommaOrEnd),
        (r#"{"a":{"b":1]}"#, 11, Rule::ExpectedCommaOrEnd),
        (r#"{"a":0x1}"#, 6, Rule::ExpectedCommaOrEnd),
        (r#"{"a":truefalse}"#, 9, Rule::ExpectedCommaOrEnd),
        (r#"{"a":[1,]}"#, 8, Rule::ExpectedValue),
        (r#"{"a":[,1]}"#, 6, Rule::ExpectedValue),
        (r#"{"a":}"#, 5, Rule::ExpectedValue),
        (r#"{"a"::1}"#, 5, Rule::ExpectedValue),
        (r#"{"a":NaN}"#, 5, Rule::ExpectedValue),
        (r#"{"a":Infinity}"#, 5, Rule::ExpectedValue),
        (r#"{"a":-Infinity}"#, 5, Rule::BadNumber),
        (r#"{"a":True}"#, 5, Rule::ExpectedValue),
        (r#"{"a":nul}"#, 5, Rule::ExpectedValue),
        (r#"{"a":undefined}"#, 5, Rule::ExpectedValue),
        (r#"{"a":+1}"#, 5, Rule::ExpectedValue),
        (r#"{"a":.1}"#, 5, Rule::ExpectedValue),
        (r#"{"a":１}"#, 5, Rule::ExpectedValue),
        (r#"{"a":'b'}"#, 5, Rule::ExpectedValue),
        (r#"{"a":01}"#, 5, Rule::BadNumber),
        (r#"{"a":1e999}"#, 5, Rule::NumberTooLarge),
        (r#"{"a":"\ud800"}"#, 6, Rule::LoneSurrogate),
        (r#"{"a\udfff":1}"#, 3, Rule::LoneSurrogate),
        ("{\"a\":\"\n\"}", 6, Rule::ControlByte),
        (r#"{"a":"b\q"}"#, 7, Rule::BadEscape),
        (r#"{"a":1, "a":1}"#, 8, Rule::RepeatedName),
        (r#"{"":1,"":1}"#, 6, Rule::RepeatedName),
        (r#"{"x":[{"😀":1,"\ud83d\uDE00":1}]}"#, 16, Rule::RepeatedName),
    ] {
        assert_eq!(clean(text), Err(Malformed { at, rule }), "{text}");
        check(text);
    }
}

#[test]
fn names_that_only_look_alike_are_different() {
    // A precomposed letter and one with a combining accent: no text is normalised.
    for text in [
        r#"{"a":1,"A":1}"#,
        "{\"\u{e9}\":1,\"e\u{301}\":1}",
        r#"{"a":1,"a\u0000":1}"#,
        r#"{"a":{"a":{"a":1}}}"#,
    ] {
        assert_eq!(clean(text).as_deref(), Ok(text));
    }
}

#[test]
fn nesting_is_allowed_to_its_limit_and_no_deeper() {
    for (open, close) in [("{\"a\":", "}"), ("[", "]")] {
        let nested =
            |depth: usize| format!(r#"{{"a":{}1{}}}"#, open.repeat(depth - 1), close.repeat(depth - 1));
        assert!(clean(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(clean(&nested(MAX_DEPTH + 1)).unwrap_err().rule, Rule::TooDeep);
        assert_eq!(clean(&nested(200_000)).unwrap_err().rule, Rule::TooDeep);
    }
    // Depth is not length: what was closed does not count.
    assert!(clean(&format!(r#"{{"a":[{}{{}}]}}"#, "[[{}]],".repeat(1000))).is_ok());
}

#[test]
fn what_is_large_is_read_in_one_pass() {
    let names: Vec<_> = (0..100_000).map(|index| format!(r#""\u006e{index}":0"#)).collect();
    let wide = format!("{{{}}}", names.join(","));
    assert_eq!(clean(&wide).as_ref(), Ok(&wide));
    let last_repeats = wide.replace(r#"\u006e99999""#, "n0\"");
    assert_eq!(clean(&last_repeats).unwrap_err().rule, Rule::RepeatedName);

    let names = &names[..500].join(",");
    let deep = format!("{}{{}}{}", format!(r#"{{{names},"a":"#).repeat(63), "}".repeat(63));
    assert_eq!(clean(&deep).as_ref(), Ok(&deep));

    for long in [r"\\", r"\ud83d\ude00", "人", "\u{7f}"] {
        let text = format!(r#"{{"{0}":"{0}"}}"#, long.repeat(50_000));
        assert_eq!(clean(&text).as_ref(), Ok(&text));
    }
    assert_eq!(clean(&(" ".repeat(1_000_000) + "{}")).as_deref(), Ok("{}"));
    let digits = format!(r#"{{"a":{}}}"#, "1".repeat(1_000_000));
    assert_eq!(clean(&digits).unwrap_err().rule, Rule::NumberTooLong);
}
