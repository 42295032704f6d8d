//! The families of the well-known parsing tests for JSON, as the content of a notification: what must be read, what
//! must not, and what we decide where the standard leaves it open or allows more than we do.
//!
//! Where the standard decides, `serde_json` must agree, which shares no code with our reading.

use serde_json::Value;

use super::*;
use crate::translate::json::Rule;

/// The content as it is forwarded, or why it is not.
fn read(content: &[u8]) -> Result<String, (Reason, String)> {
    let mut params = example(&[("msg_method", "some.method"), ("biz_content", "")]);
    params.iter_mut().find(|param| param.0 == "biz_content").unwrap().1 = content.to_vec();
    let event = lenient().translate(verified(&params)).map_err(|rejection| why(&rejection))?;
    let (_, content) = json(&event).split_once(r#","biz_content":"#).unwrap();
    Ok(content.strip_suffix('}').unwrap().to_owned())
}

fn assert_refused(content: &str, rule: Rule) {
    let (reason, cause) = read(content.as_bytes()).expect_err(content);
    assert_eq!(reason, Reason::MalformedContent, "{content}");
    assert!(cause.ends_with(&format!(": {rule}")), "{content}: {cause}");
}

/// As [`assert_refused`], for what is no JSON to anybody.
fn assert_invalid(content: &str, rule: Rule) {
    assert_refused(content, rule);
    assert!(serde_json::from_str::<Value>(content).is_err(), "{content}");
}

#[test]
fn what_the_standard_allows_is_read_and_kept() {
    for content in [
        // Structures.
        "{}",
        r#"{"a":{}}"#,
        r#"{"a":[]}"#,
        r#"{"a":[[]," "]}"#,
        r#"{"a":[{},"b",3,[],false,null,true]}"#,
        r#"{"a":[null,null,0,null]}"#,
        r#"{"a":"","b":"","":0}"#,
        r#"{"name\u0000":0,"name":1}"#,
        r#"{"a":{"a":{"a":{"a":[[[[{}]]]]}}}}"#,
        // Numbers: every sign, fraction and exponent, digit for digit.
        r#"{"a":[0,-0,7,-7,70,3.25,-3.25,0.5]}"#,
        r#"{"a":[0e1,0e+1,5e2,5E2,5e+2,5E+2,5e-2,5E-2,3.25e7,-3.25E-7]}"#,
        r#"{"a":[1.0e+28,-1.0e-28,0.10,1e0,1E-00]}"#,
        // Escapes.
        r#"{"a":"\"\\\/\b\f\n\r\t"}"#,
        r#"{"a":"\\b\\\\n\\u0000"}"#,
        r#"{"a":"\u0041\u00e9\u4EBA\u00a0\u0012\u003a"}"#,
        r#"{"a":"\u0022\u005C"}"#,
        r#"{"a":"\u0000"}"#,
        r#"{"a":"\ud83d\ude00\uD840\uDC00\uDBFF\uDFFE"}"#,
        r#"{"a":"\uFFFF\uFFFE\uFDD0\uD83F\uDFFE\u200B\u2064"}"#,
        // Text of one to four bytes a character, assigned or not.
        r#"{"a":"b/*c*/d//e#f"}"#,
        "{\"a\":\"π\u{7f}\u{a0}\u{2028}\u{2029}\"}",
        "{\"a\":\"𝄞\u{ffff}\u{1bfff}\u{10ffff}\u{200b}\"}",
        "{\"人\":\"雪☃雪\"}",
    ] {
        assert_eq!(read(content.as_bytes()).as_deref(), Ok(content));
        assert!(serde_json::from_str::<Value>(content).is_ok(), "{content}");
    }
    let long = "x".repeat(5_000);
    let content = format!(r#"{{"{long}":"{long}"}}"#);
    assert_eq!(read(content.as_bytes()), Ok(content));
}

#[test]
fn white_space_that_the_standard_allows_goes() {
    for (content, clean) in [
        ("{}\n", "{}"),
        (" \t\r\n{ \t\r\n} \t\r\n", "{}"),
        ("{\n\"a\" :\n[ ]\n}", r#"{"a":[]}"#),
        ("{\"a\": [1\n]}", r#"{"a":[1]}"#),
        ("{\"a\":[ 1,\t2 ,[ \"b c\"] ] }", r#"{"a":[1,2,["b c"]]}"#),
    ] {
        assert_eq!(read(content.as_bytes()).as_deref(), Ok(clean));
        assert!(serde_json::from_str::<Value>(content).is_ok(), "{content}");
    }
}

#[test]
fn a_document_that_the_standard_forbids_is_refused() {
    // Without spaces, which part the cases here.
    for (rule, contents) in [
        (Rule::NotAnObject, r#"* <a> <x/> ] } é a 'a' \n{} fals nul tru TRUE [ [[ [{ [" ++ - 1e " #{} //{}"#),
        (Rule::TrailingText, "{}} {}] {}x {}# {}/**/ {}// {}/ {}{} {}, {}\u{2060} {}\0 {}\u{c}"),
        (
            Rule::Unfinished,
            r#"{ {" {"a {"a" {"a": {"a":0 {"a":0, {"a":[ {"a":[1 {"a":[1, {"a":{ {"a":[{ {"a":"\" {"a":[{}"#,
        ),
        (
            Rule::ExpectedName,
            r#"{,} {] {[ {[:"a"} {'a' {'a':0} {a:0} {a {1:1} {9e999:1} {null:null} {🐟} {/**/}"#,
        ),
        (Rule::ExpectedName, r#"{"a":0,} {"a":0,,} {"a":0,,"b":0}"#),
        (Rule::ExpectedColon, r#"{"a"} {"a",0} {"a"0} {"a""b"} {"a"{}} {"a"=0}"#),
        (Rule::ExpectedCommaOrEnd, r#"{"a":1] {"a":[1} {"a":[1[2]]} {"a":"b""c":0} {"a":1"b":2}"#),
    ] {
        contents.split(' ').for_each(|content| assert_invalid(content, rule));
    }
    for blank in ["", " ", "\n", "\u{2060}{}", "\u{c}{}", "\u{a0}{}"] {
        assert_invalid(blank, Rule::NotAnObject);
    }
    for marked in ["\u{feff}", "\u{feff} {}"] {
        assert_invalid(marked, Rule::ByteOrderMark);
    }
}

#[test]
fn a_value_that_the_standard_forbids_is_refused() {
    for (rule, values) in [
        (Rule::ExpectedCommaOrEnd, r#"[1:2] [1;2] ["":1] 0x1 0xff 1_000 1a 4.5b-6 -1x -9.5bar 1１ {}{} []]"#),
        (Rule::ExpectedCommaOrEnd, "\"b\"c \"b\"/**/ trueé true\u{c} truefalse nulll"),
        (
            Rule::ExpectedValue,
            ", :1 [,] [,1] [1,,2] [1,] [1,,] [*] [a] [\u{b}0] [\u{c}] ] (1) #1 /**/1 'b' b é",
        ),
        (
            Rule::ExpectedValue,
            r#"fals nul tru True NULL undefined +1 ++1 +Inf Inf NaN Infinity .5 .-1 .2e-3 １ \n \u0020"b""#,
        ),
        (Rule::ExpectedValue, "\u{a0}1 \u{2060}1 \0"),
        (
            Rule::BadNumber,
            "- --1 -01 01 00 -a -NaN -Infinity -.1 1. -2. 2.e3 2.e+3 2.e-3 0.e1 0e 0E+ 0.3e 0.3e+ 1.0e-",
        ),
        (Rule::BadNumber, "3eE4 1ea 0.1.2 -1.0. 5e+-5 1+2 -1-1 1e1.5"),
    ] {
        values.split(' ').for_each(|value| assert_invalid(&format!(r#"{{"a":{value}}}"#), rule));
    }
    for (rule, value) in [
        (Rule::ExpectedValue, ""),
        (Rule::BadNumber, "- 1"),
        (Rule::ExpectedCommaOrEnd, "0 true"),
        (Rule::ExpectedCommaOrEnd, "[1 2]"),
        (Rule::ExpectedCommaOrEnd, "[1\n2]"),
    ] {
        assert_invalid(&format!(r#"{{"a":{value}}}"#), rule);
    }
}

#[test]
fn a_string_that_the_standard_forbids_is_refused_as_a_value_and_as_a_name() {
    let escapes = r"\x00 \\\a \a \' \🐟 \u \u1 \u00A \uqqqq \u00é \U0041 \u{41}".split(' ');
    let escapes = escapes.chain(["\\\t", "\\\0", "\\ "]).map(|text| (text.to_owned(), Rule::BadEscape));
    let controls = (0..=0x1f_u8).map(|byte| (char::from(byte).to_string(), Rule::ControlByte));
    for (text, rule) in escapes.chain(controls) {
        assert_invalid(&format!(r#"{{"a":"{text}"}}"#), rule);
        assert_invalid(&format!(r#"{{"{text}":0}}"#), rule);
    }
    assert_invalid(r#"{"a":"\"#, Rule::BadEscape);
    assert_invalid(r#"{"a":"\""#, Rule::Unfinished);
}

/// The standard leaves these to the reader, or allows them; but two readers of one notification must not differ.
#[test]
fn what_readers_disagree_on_is_refused() {
    for content in r#"[] [{}] 0 -0.1 "" "{}" true false null"#.split(' ') {
        assert_refused(content, Rule::NotAnObject);
    }
    let tiny = format!("-0.{}1", "0".repeat(77));
    let huge = format!("1{}", "0".repeat(64));
    for (rule, values) in [
        (Rule::RepeatedName, r#"{"b":0,"b":1} {"b":0,"b":0} {"b":0,"\u0062":0} [{"":0,"":0}]"#),
        (Rule::NumberTooLarge, "1e400 -1e400 1e-400 0e99999999999 -1e+9999 77e100000 4.5e9999"),
        (Rule::NumberTooLong, &format!("{tiny} {huge}")),
        (
            Rule::LoneSurrogate,
            r#""\uD800" "\udead" {"\uDC01":0} "\uD801\u0041" "\uD800\n" "\uD800\uD800\n" "\ud800b""#,
        ),
        (Rule::LoneSurrogate, r#""\uDC00\uD800" "\uD800\" "\uD800\u" "\uD800\u1" "\uD800\u1x" "\uD800\uDC""#),
    ] {
        values.split(' ').for_each(|value| assert_refused(&format!(r#"{{"a":{value}}}"#), rule));
    }
    for nested in ["[".repeat(100_000), "[".repeat(500) + &"]".repeat(500), r#"{"a":"#.repeat(50_000)] {
        assert_refused(&format!(r#"{{"a":{nested}}}"#), Rule::TooDeep);
    }
}

/// What others round is kept to the last digit, up to a length and a size that everybody can hold.
#[test]
fn numbers_that_others_round_keep_their_digits() {
    for number in ["12345678901234567890123", "-12345678901234567890123", "1.10", "-0.0", "1e-308", "1E308"] {
        let content = format!(r#"{{"a":{number}}}"#);
        assert_eq!(read(content.as_bytes()), Ok(content));
    }
}

#[test]
fn what_is_not_utf_8_is_no_text_wherever_it_stands() {
    // Lone bytes; overlong forms; the old ones of five and six bytes; surrogates; beyond the last character; cut off.
    let malformed: [&[u8]; 16] = [
        b"\xff",
        b"\x81",
        b"\xe9",
        b"\xe5",
        b"\xfe\xff",
        b"\xe0\xff",
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xf0\x80\x80\xaf",
        b"\xf8\x88\x80\x80\x80",
        b"\xfc\x83\xbf\xbf\xbf\xbf",
        b"\xed\xa0\x80",
        b"\xed\xbf\xbf",
        b"\xf4\x90\x80\x80",
        b"\xf4\xbf\xbf\xbf",
        b"\xf0\x9f\x98",
    ];
    let places = r#"? {}? ?{} {"a":"?"} {"?":0} {"a":[?]} {"a":0?} {"a":1e1?} {"a":-?} {"a":"\?"} {"a":"\u?"} {"a":"\u00?"}"#;
    for bytes in malformed {
        for (before, after) in places.split(' ').filter_map(|place| place.split_once('?')) {
            let content = [before.as_bytes(), bytes, after.as_bytes()].concat();
            assert_eq!(read(&content).unwrap_err().0, Reason::MalformedText, "{}", content.escape_ascii());
            assert!(serde_json::from_slice::<Value>(&content).is_err());
        }
    }
}

#[test]
fn other_encodings_of_unicode_are_never_guessed() {
    for little in [true, false] {
        let encode = |text: &str| -> Vec<u8> {
            let units = text.encode_utf16();
            units.flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
        };
        assert_eq!(read(&encode("\u{feff}{}")).unwrap_err().0, Reason::MalformedText);
        assert_eq!(read(&encode("{\"a\":\"é\"}")).unwrap_err().0, Reason::MalformedText);
        assert_eq!(read(&encode("{}")).unwrap_err().0, Reason::MalformedContent);
    }
    // A byte-order mark that is cut off.
    assert_eq!(read(b"\xef\xbb{}").unwrap_err().0, Reason::MalformedText);
}
