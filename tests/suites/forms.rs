//! The families of the web platform's cases for `application/x-www-form-urlencoded`, with what our reading makes of
//! each.
//!
//! The URL standard's parser never fails: it skips, mends and replaces. Each of our refusals names what it would have
//! had to do, because that is where two readers of one notification come apart.

use std::borrow::Cow;

use alipay_sidecar::receive::form::{Form, FormError};
use proptest::prelude::*;

use FormError::{BadEscape, BadName, NoEquals, NotPrintable, Repeated};

/// A form, what the URL standard reads in it, and why we refuse it, if we do.
struct Case {
    form: &'static str,
    standard: &'static [(&'static str, &'static str)],
    ours: Result<(), FormError>,
}

const fn same(form: &'static str, standard: &'static [(&'static str, &'static str)]) -> Case {
    Case { form, standard, ours: Ok(()) }
}

const fn refused(
    form: &'static str,
    standard: &'static [(&'static str, &'static str)],
    why: FormError,
) -> Case {
    Case { form, standard, ours: Err(why) }
}

/// Both read the same.
const SAME: &[Case] = &[
    same("item=", &[("item", "")]),
    same("item=apple", &[("item", "apple")]),
    same("item=apple&count=2", &[("item", "apple"), ("count", "2")]),
    same("count=2&item=apple", &[("count", "2"), ("item", "apple")]),
    same("item=one=two", &[("item", "one=two")]),
    same("item==", &[("item", "=")]),
    same("item=+a++b+", &[("item", " a  b ")]),
    same("item=a%20b%2Bc%26d%3De%25", &[("item", "a b+c&d=e%")]),
    same("%69tem=apple", &[("item", "apple")]),
    same("%69%74%65%6d=%61%6C%6c", &[("item", "all")]),
    same("item=%00%7f", &[("item", "\0\u{7f}")]),
    same("item=%E6%9E%9C", &[("item", "果")]),
    // A byte-order mark in a value is text to both.
    same("item=%ef%bb%bfapple", &[("item", "\u{feff}apple")]),
    same("item=%EF%BF%BF", &[("item", "\u{ffff}")]),
    same("item=%2525", &[("item", "%25")]),
    // A charset is a parameter like any other, and changes no decoding.
    same("charset=windows-1252&item=%E6%9E%9C", &[("charset", "windows-1252"), ("item", "果")]),
    same("item=a;b=c", &[("item", "a;b=c")]),
    same("item=a?b#c/d'e\"f<g>", &[("item", "a?b#c/d'e\"f<g>")]),
];

/// The standard skips an empty pair and supplies a missing `=`: then two bodies are one form.
const EMPTY_OR_WITHOUT_EQUALS: &[Case] = &[
    refused("", &[], NoEquals),
    refused("&", &[], NoEquals),
    refused("&&&", &[], NoEquals),
    refused("item", &[("item", "")], NoEquals),
    refused("item&count", &[("item", ""), ("count", "")], NoEquals),
    refused("&item=apple", &[("item", "apple")], NoEquals),
    refused("item=apple&", &[("item", "apple")], NoEquals),
    refused("item=apple&&count=2", &[("item", "apple"), ("count", "2")], NoEquals),
    refused("&&item=apple&&&count=2&", &[("item", "apple"), ("count", "2")], NoEquals),
    refused("item=apple&count", &[("item", "apple"), ("count", "")], NoEquals),
    // Neither a name without a value nor its malformed UTF-8 comes to be looked at.
    refused("%E6%9E", &[("\u{fffd}", "")], NoEquals),
    refused("%FF%FE", &[("\u{fffd}\u{fffd}", "")], NoEquals),
    refused("%C3x", &[("\u{fffd}x", "")], NoEquals),
    refused("item%3Dapple", &[("item=apple", "")], NoEquals),
];

/// The standard keeps a name twice, and of the two its users take the first or the last.
const REPEATED: &[Case] = &[
    refused("item=&item=", &[("item", ""), ("item", "")], Repeated),
    refused("item=a&item=b&item=c", &[("item", "a"), ("item", "b"), ("item", "c")], Repeated),
    refused("item=a&count=2&item=a", &[("item", "a"), ("count", "2"), ("item", "a")], Repeated),
    refused("item=a&%69tem=b", &[("item", "a"), ("item", "b")], Repeated),
];

/// The standard keeps a `%` that escapes nothing: then `%2` and `%252` are one value, though they were sent as two.
const BAD_ESCAPES: &[Case] = &[
    refused("item=%", &[("item", "%")], BadEscape),
    refused("item=5%", &[("item", "5%")], BadEscape),
    refused("item=%4", &[("item", "%4")], BadEscape),
    refused("item=%4z%41", &[("item", "%4zA")], BadEscape),
    refused("item=%z4", &[("item", "%z4")], BadEscape),
    refused("item=%4%41", &[("item", "%4A")], BadEscape),
    refused("item=%%41", &[("item", "%A")], BadEscape),
    refused("item=%+1", &[("item", "% 1")], BadEscape),
    refused("item=%u679C", &[("item", "%u679C")], BadEscape),
    refused("item=1&count=%", &[("item", "1"), ("count", "%")], BadEscape),
    refused("%=apple", &[("%", "apple")], BadEscape),
    refused("%i=apple", &[("%i", "apple")], BadEscape),
    refused("%6_=apple", &[("%6_", "apple")], BadEscape),
];

/// The standard takes any name: one that holds `=` or `&` folds several parameters of the signed text into one.
const BAD_NAMES: &[Case] = &[
    refused("=", &[("", "")], BadName),
    refused("=apple", &[("", "apple")], BadName),
    refused("item=apple&=2", &[("item", "apple"), ("", "2")], BadName),
    refused("%69+%74=", &[("i t", "")], BadName),
    refused("it%3Dem=apple", &[("it=em", "apple")], BadName),
    refused("it%26em=apple", &[("it&em", "apple")], BadName),
    refused("item%00=apple", &[("item\0", "apple")], BadName),
    refused("%EF%BB%BFitem=apple", &[("\u{feff}item", "apple")], BadName),
    refused("%EF%BF%BF=apple", &[("\u{ffff}", "apple")], BadName),
    refused("%E6%9E%9C=apple", &[("果", "apple")], BadName),
    refused("_charset_=gbk&item=%C3x", &[("_charset_", "gbk"), ("item", "\u{fffd}x")], BadName),
    refused("item[]=apple", &[("item[]", "apple")], BadName),
];

/// The standard takes bytes that every sender escapes, and each reader has a charset of its own for them.
const NOT_PRINTABLE: &[Case] = &[
    refused("果=apple", &[("果", "apple")], NotPrintable),
    refused("果&果=apple", &[("果", ""), ("果", "apple")], NotPrintable),
    refused("\u{feff}item=\u{feff}", &[("\u{feff}item", "\u{feff}")], NotPrintable),
    refused("item=a b", &[("item", "a b")], NotPrintable),
    refused("item=a\r\n", &[("item", "a\r\n")], NotPrintable),
    refused("item=a\0", &[("item", "a\0")], NotPrintable),
    refused("item=\u{7f}", &[("item", "\u{7f}")], NotPrintable),
];

#[test]
fn what_the_url_standard_mends_is_refused_and_all_else_is_read_alike() {
    let cases = [SAME, EMPTY_OR_WITHOUT_EQUALS, REPEATED, BAD_ESCAPES, BAD_NAMES, NOT_PRINTABLE];
    for Case { form, standard, ours } in cases.into_iter().flatten() {
        let standard: Vec<_> =
            standard.iter().map(|(name, value)| (Cow::Borrowed(*name), Cow::Borrowed(*value))).collect();
        assert_eq!(by_the_standard(form.as_bytes()), standard, "{form}");
        let read = Form::parse(form.as_bytes(), 64);
        assert_eq!(read.as_ref().map(|_| ()).map_err(|error| *error), *ours, "{form}");
        if let Ok(read) = read {
            assert_eq!(as_text(&read), standard, "{form}");
        }
    }
}

/// Malformed text in a value is not the form's business: it stays in bytes until its charset is known to be signed.
#[test]
fn bytes_that_the_url_standard_would_replace_are_kept() {
    for (form, standard, ours) in [
        ("item=%FE%FF", "\u{fffd}\u{fffd}", &b"\xfe\xff"[..]),
        ("item=%C3", "\u{fffd}", b"\xc3"),
        ("item=%C3x", "\u{fffd}x", b"\xc3x"),
        ("charset=GBK&item=%B9%FB", "\u{fffd}\u{fffd}", b"\xb9\xfb"),
    ] {
        assert_eq!(by_the_standard(form.as_bytes()).last().unwrap().1, standard, "{form}");
        assert_eq!(Form::parse(form.as_bytes(), 64).unwrap().get("item"), Some(ours), "{form}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_accepted_the_url_standard_reads_alike(
        pairs in prop::collection::vec("([a-f]|%6[1-6]){1,3}=([a-z=;+]|%[0-9a-fA-F]{2}){0,8}", 1..4),
        any in "([a-c]|%[0-9a-f]{2}|[a-c%=&+;_0 é]){0,24}",
    ) {
        for form in [pairs.join("&"), any] {
            if let Ok(read) = Form::parse(form.as_bytes(), 64) {
                prop_assert_eq!(as_text(&read), by_the_standard(form.as_bytes()));
            }
        }
    }
}

/// The reading of the `form_urlencoded` crate, which follows the URL standard.
fn by_the_standard(form: &[u8]) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    form_urlencoded::parse(form).collect()
}

/// Our reading, with malformed UTF-8 replaced as the standard replaces it.
fn as_text(form: &Form) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    form.iter().map(|(name, value)| (String::from_utf8_lossy(name), String::from_utf8_lossy(value))).collect()
}
