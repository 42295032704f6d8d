//! Text that was escaped, decoded or trimmed once too often, or not often enough.

use std::ops::ControlFlow;

use form_urlencoded::byte_serialize;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::{Depth, Visit, one, places, values};
use crate::diagnose::cause::Cause;
use crate::diagnose::json::Node;
use crate::diagnose::parameters::{Parameters, Plus, decode};
use crate::diagnose::python;

/// Of a value with this many spaces, each may have been a `+`: 1,024 ways.
const MAX_SPACES: usize = 10;
/// How many strings in one value are encoded again, each alone.
const MAX_STRINGS: usize = 64;

/// What the `encodeURIComponent` of JavaScript leaves as it is.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');
/// What the `rawurlencode` of PHP leaves as it is.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

pub(super) fn each(parameters: &Parameters, depth: Depth, visit: Visit<'_>) -> ControlFlow<()> {
    values(parameters, Cause::ListValues, visit, &item)?;
    values(parameters, Cause::HtmlEscaped, visit, &unescape_html)?;
    values(parameters, Cause::HtmlEscaped, visit, &|value| unescape_html(&unescape_html(value)?))?;
    values(parameters, Cause::BackslashEscaped, visit, &strip_slashes)?;
    not_decoded(parameters, visit)?;
    values(parameters, Cause::PlusAsSpace, visit, &plus_for_spaces)?;
    white_space(parameters, visit)?;
    decoded_twice(parameters, visit)?;
    encoded_again(parameters, visit)?;
    if depth == Depth::Deep {
        each_space(parameters, visit)?;
        each_end(parameters, visit)?;
        each_string(parameters, visit)?;
    }
    ControlFlow::Continue(())
}

/// Decodes once more.
fn not_decoded(parameters: &Parameters, visit: Visit<'_>) -> ControlFlow<()> {
    values(parameters, Cause::NotDecoded, visit, &|value| Some(decode(value, Plus::IsSpace)))?;
    values(parameters, Cause::NotDecoded, visit, &|value| Some(decode(value, Plus::IsPlus)))?;
    let twice = |value: &[u8]| Some(decode(&decode(value, Plus::IsSpace), Plus::IsSpace));
    values(parameters, Cause::NotDecoded, visit, &twice)
}

/// Makes some of the spaces in a value the `+` that they may have been.
fn each_space(parameters: &Parameters, visit: Visit<'_>) -> ControlFlow<()> {
    for place in places(parameters) {
        let Some((_, value)) = parameters.iter().nth(place) else { continue };
        let spaces = memchr::memchr_iter(b' ', value).count();
        if !(2..=MAX_SPACES).contains(&spaces) {
            continue;
        }
        // Each number says by its bits which of the spaces was a `+`; none and all were tried.
        let ways =
            u32::try_from(spaces).ok().and_then(|spaces| 1_u32.checked_shl(spaces)).unwrap_or_default();
        for chosen in 1..ways.saturating_sub(1) {
            let mut nth = 0_u32;
            let restored: Vec<u8> = value
                .iter()
                .map(|byte| {
                    if *byte != b' ' {
                        return *byte;
                    }
                    let is_chosen = chosen.checked_shr(nth).is_some_and(|bits| bits & 1 == 1);
                    nth = nth.saturating_add(1);
                    if is_chosen { b'+' } else { b' ' }
                })
                .collect();
            visit(Cause::PlusAsSpace, parameters.with(place, restored))?;
        }
    }
    ControlFlow::Continue(())
}

fn white_space(parameters: &Parameters, visit: Visit<'_>) -> ControlFlow<()> {
    values(parameters, Cause::WhiteSpace, visit, &|value| Some(value.trim_ascii().to_vec()))?;
    values(parameters, Cause::WhiteSpace, visit, &|value| Some(without(value, b"\r")))?;
    values(parameters, Cause::WhiteSpace, visit, &|value| Some(without(value, b"\r\n")))?;
    values(parameters, Cause::WhiteSpace, visit, &|value| Some(with_crlf(value)))
}

/// Adds the white space that may have been trimmed.
fn each_end(parameters: &Parameters, visit: Visit<'_>) -> ControlFlow<()> {
    for place in places(parameters) {
        for end in [&b" "[..], b"\n", b"\r\n"] {
            one(parameters, place, Cause::WhiteSpace, visit, &|value| Some([value, end].concat()))?;
            one(parameters, place, Cause::WhiteSpace, visit, &|value| Some([end, value].concat()))?;
        }
    }
    ControlFlow::Continue(())
}

/// Encodes again: each value, and the queries of addresses in it.
fn decoded_twice(parameters: &Parameters, visit: Visit<'_>) -> ControlFlow<()> {
    for place in places(parameters) {
        for encode in ENCODERS {
            one(parameters, place, Cause::DecodedTwice, visit, &|value| Some(encode(value)))?;
        }
        let Some((_, value)) = parameters.iter().nth(place) else { continue };
        for encode in ENCODERS {
            // What stands in the query of an address.
            let encoded = encode_queries(value, encode);
            if encoded != value {
                visit(Cause::DecodedTwice, parameters.with(place, encoded))?;
            }
        }
    }
    ControlFlow::Continue(())
}

/// Decodes what is percent-encoded in a value, and encodes it in each style.
fn encoded_again(parameters: &Parameters, visit: Visit<'_>) -> ControlFlow<()> {
    for place in places(parameters) {
        let Some((_, value)) = parameters.iter().nth(place) else { continue };
        let decoded = decode(value, Plus::IsSpace);
        if memchr::memchr(b'%', value).is_none() || decoded == value {
            continue;
        }
        for encode in ENCODERS {
            for again in [encode(&decoded), encode_queries(&decoded, encode), recode_queries(value, encode)] {
                if again != value {
                    visit(Cause::EncodingRewritten, parameters.with(place, again))?;
                }
            }
        }
    }
    ControlFlow::Continue(())
}

/// Encodes each string in a value that is JSON.
fn each_string(parameters: &Parameters, visit: Visit<'_>) -> ControlFlow<()> {
    for place in places(parameters) {
        let Some((_, value)) = parameters.iter().nth(place) else { continue };
        for (before, string, after) in strings(value) {
            for encode in ENCODERS {
                let encoded = encode(string);
                if encoded != string {
                    visit(Cause::DecodedTwice, parameters.with(place, [before, &encoded, after].concat()))?;
                }
            }
        }
    }
    ControlFlow::Continue(())
}

/// Writes a text percent-encoded.
type Encoder = fn(&[u8]) -> Vec<u8>;

/// The ways in which senders percent-encode.
const ENCODERS: [Encoder; 5] = [
    |value| byte_serialize(value).collect::<String>().into_bytes(),
    |value| percent_encode(value, COMPONENT).to_string().into_bytes(),
    |value| percent_encode(value, UNRESERVED).to_string().into_bytes(),
    |value| lower(&percent_encode(value, COMPONENT).to_string()),
    |value| lower(&byte_serialize(value).collect::<String>()),
];

/// With everything encoded that stands after a `=` and before a `&`, a quote or the end.
fn encode_queries(value: &[u8], encode: Encoder) -> Vec<u8> {
    map_queries(value, encode)
}

/// With the same decoded first.
fn recode_queries(value: &[u8], encode: Encoder) -> Vec<u8> {
    map_queries(value, |inner| encode(&decode(inner, Plus::IsSpace)))
}

fn map_queries(value: &[u8], change: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) =
        memchr::memchr(b'=', rest).and_then(|at| rest.split_at_checked(at.checked_add(1)?))
    {
        out.extend_from_slice(before);
        let end = after.iter().position(|byte| matches!(byte, b'&' | b'"' | b'\\')).unwrap_or(after.len());
        let (inner, after) = after.split_at_checked(end).unwrap_or((after, &[]));
        out.extend(change(inner));
        rest = after;
    }
    out.extend_from_slice(rest);
    out
}

/// The same with the digits of its escapes in lower case.
fn lower(encoded: &str) -> Vec<u8> {
    let mut digits = 0_u8;
    let lowered = encoded.bytes().map(|byte| {
        if byte == b'%' {
            digits = 2;
            return byte;
        }
        let is_digit = digits > 0;
        digits = digits.saturating_sub(1);
        if is_digit { byte.to_ascii_lowercase() } else { byte }
    });
    lowered.collect()
}

/// The strings of a JSON text that are not plain words, each with what stands before and after it.
fn strings(value: &[u8]) -> impl Iterator<Item = (&[u8], &[u8], &[u8])> {
    let quotes = value.iter().enumerate().filter(|(_, byte)| **byte == b'"').map(|(at, _)| at);
    let is_json = value.first() == Some(&b'{');
    let quotes: Vec<usize> = quotes.take(if is_json { MAX_STRINGS.saturating_mul(2) } else { 0 }).collect();
    let strings = quotes.chunks_exact(2).filter_map(move |ends| match ends {
        [start, end] => {
            let start = start.checked_add(1)?;
            Some((value.get(..start)?, value.get(start..*end)?, value.get(*end..)?))
        }
        _ => None,
    });
    let found: Vec<_> =
        strings.filter(|(_, string, _)| !string.iter().all(u8::is_ascii_alphanumeric)).collect();
    found.into_iter()
}

pub(in crate::diagnose) fn plus_for_spaces(value: &[u8]) -> Option<Vec<u8>> {
    value.contains(&b' ').then(|| value.iter().map(|byte| if *byte == b' ' { b'+' } else { *byte }).collect())
}

pub(in crate::diagnose) fn without(value: &[u8], unwanted: &[u8]) -> Vec<u8> {
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

/// The characters for which HTML has entities, each with those that frameworks write.
const ENTITIES: [(&[u8], u8); 6] =
    [(b"quot;", b'"'), (b"apos;", b'\''), (b"lt;", b'<'), (b"gt;", b'>'), (b"amp;", b'&'), (b"nbsp;", b' ')];

/// With the entities of HTML as characters.
pub(in crate::diagnose) fn unescape_html(value: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    let mut any = false;
    while let Some(at) = memchr::memchr(b'&', rest) {
        let (plain, from) = rest.split_at_checked(at)?;
        out.extend_from_slice(plain);
        let name = from.get(1..)?;
        let named =
            ENTITIES.iter().find_map(|(entity, byte)| Some((vec![*byte], name.strip_prefix(*entity)?)));
        if let Some((character, after)) = named.or_else(|| numeric(name)) {
            out.extend_from_slice(&character);
            rest = after;
            any = true;
        } else {
            out.push(b'&');
            rest = name;
        }
    }
    out.extend_from_slice(rest);
    any.then_some(out)
}

/// The character of `#39;` or `#x27;`, in UTF-8, and what comes after it.
fn numeric(name: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let digits = name.strip_prefix(b"#")?;
    let (digits, radix) = match digits {
        [b'x' | b'X', digits @ ..] => (digits, 16),
        digits => (digits, 10),
    };
    let end = digits.iter().take(8).position(|byte| *byte == b';')?;
    let (digits, after) = digits.split_at_checked(end)?;
    let digits = std::str::from_utf8(digits)
        .ok()
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    let character = char::from_u32(u32::from_str_radix(digits, radix).ok()?)?;
    Some((character.to_string().into_bytes(), after.get(1..)?))
}

/// Without the backslashes that `addslashes` writes before quotes and backslashes.
fn strip_slashes(value: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = value.iter();
    let mut out = Vec::with_capacity(value.len());
    while let Some(byte) = bytes.next() {
        out.push(if *byte == b'\\' { *bytes.next()? } else { *byte });
    }
    (out != value).then_some(out)
}

/// What is in a list of one as Python, Java or JSON writes it, or stands twice with a comma between.
pub(in crate::diagnose) fn item(value: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(value).ok()?;
    if let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        if let Some(Node::List(items)) = Node::parse(text) {
            return match items.as_slice() {
                [Node::Text(item)] => Some(item.clone().into_bytes()),
                // Java and Go write no quotes around what is JSON itself.
                [_] => Some(inner.as_bytes().to_vec()),
                _ => None,
            };
        }
        return match python::literal(inner) {
            Some((item, "")) => Some(item),
            Some(_) => None,
            None => (!inner.is_empty()).then(|| inner.as_bytes().to_vec()),
        };
    }
    // Twice the same, joined by a comma, has an odd length.
    let (one, other) = value.split_at_checked(value.len() / 2)?;
    (other.first() == Some(&b',') && other.get(1..) == Some(one) && !one.is_empty()).then(|| one.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_of_every_framework_are_unescaped() {
        let escaped = "a&quot;b&#34;c&#x22;d&#39;e&#x27;&apos;&lt;&gt;&amp;&#20154;&x&#;&#xZZ;& ;";
        let text = unescape_html(escaped.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), "a\"b\"c\"d'e''<>&人&x&#;&#xZZ;& ;");
        assert_eq!(unescape_html(b"a&b=c"), None);
    }

    #[test]
    fn lists_of_one_are_unwrapped_in_the_spelling_of_python_java_and_json() {
        for list in [r"['a\'b']", r#"["a'b"]"#, r"[u'a\'b']", r"[b'a\x27b']", "[a'b]", "a'b,a'b"] {
            assert_eq!(item(list.as_bytes()).as_deref(), Some(&b"a'b"[..]), "{list}");
        }
        assert_eq!(item(br#"[{"a":[1]}]"#).as_deref(), Some(&br#"{"a":[1]}"#[..]));
        for other in ["a", "[]", "['a", "['a', 'b']", r#"["a","b"]"#, "[1,2]", "", ",", "a,b"] {
            assert_eq!(item(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn escapes_are_lowered_and_nothing_else() {
        assert_eq!(lower("AB%2FAB%E4"), b"AB%2fAB%e4");
    }
}
