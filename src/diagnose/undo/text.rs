//! Text that was escaped or taken as a list, or not decoded.

use std::ops::ControlFlow;

use super::{Visit, values};
use crate::diagnose::cause::Cause;
use crate::diagnose::json::Node;
use crate::diagnose::parameters::{Parameters, Plus, decode};
use crate::diagnose::python;

pub(super) fn each(parameters: &Parameters, visit: Visit<'_>) -> ControlFlow<()> {
    lists(parameters, visit)?;
    values(parameters, Cause::HtmlEscaped, visit, &unescape_html)?;
    values(parameters, Cause::HtmlEscaped, visit, &|value| unescape_html(&unescape_html(value)?))?;
    values(parameters, Cause::BackslashEscaped, visit, &strip_slashes)?;
    values(parameters, Cause::BackslashEscaped, visit, &unescape_json)?;
    not_decoded(parameters, visit)?;
    values(parameters, Cause::PlusAsSpace, visit, &plus_for_spaces)
}

/// Takes the one item of lists. A framework takes all values as lists, or those that came twice; where few of them are a
/// list of one in JSON, somebody wrote these as JSON.
fn lists(parameters: &Parameters, visit: Visit<'_>) -> ControlFlow<()> {
    let lists = parameters.iter().filter(|(_, value)| item(value).is_some()).count();
    let are_few = lists <= parameters.len() / 2;
    let is_written = |value: &[u8]| are_few && is_list_of_one(value);
    values(parameters, Cause::ListValues, visit, &|value| item(value).filter(|_| !is_written(value)))?;
    values(parameters, Cause::JsonRewritten, visit, &|value| item(value).filter(|_| is_written(value)))
}

/// Whether a value is a list of one in JSON.
fn is_list_of_one(value: &[u8]) -> bool {
    let node = std::str::from_utf8(value).ok().and_then(Node::parse);
    matches!(node, Some(Node::List(items)) if items.len() == 1)
}

/// Decodes once more.
fn not_decoded(parameters: &Parameters, visit: Visit<'_>) -> ControlFlow<()> {
    values(parameters, Cause::NotDecoded, visit, &|value| Some(decode(value, Plus::IsSpace)))?;
    values(parameters, Cause::NotDecoded, visit, &|value| Some(decode(value, Plus::IsPlus)))?;
    let twice = |value: &[u8]| Some(decode(&decode(value, Plus::IsSpace), Plus::IsSpace));
    values(parameters, Cause::NotDecoded, visit, &twice)
}

pub(in crate::diagnose) fn plus_for_spaces(value: &[u8]) -> Option<Vec<u8>> {
    value.contains(&b' ').then(|| value.iter().map(|byte| if *byte == b' ' { b'+' } else { *byte }).collect())
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

/// What stands between the quotes of a string of JSON, with its escapes read.
pub(in crate::diagnose) fn unescape_json(value: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(value).ok().filter(|text| text.contains('\\'))?;
    Some(Node::parse(&format!("\"{text}\""))?.text()?.as_bytes().to_vec())
}

/// What is in a list of one as Python, Java or JSON writes it, or stands twice with a comma between.
pub(in crate::diagnose) fn item(value: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(value).ok()?;
    if let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        if let Some(Node::List(items)) = Node::parse(text) {
            return match items.as_slice() {
                [Node::Text(item)] => Some(item.clone().into_bytes()),
                // What came in the query and in the body, or twice.
                [Node::Text(item), others @ ..] if others.iter().all(|other| other.text() == Some(item)) => {
                    Some(item.clone().into_bytes())
                }
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
        for list in
            [r"['a\'b']", r#"["a'b"]"#, r"[u'a\'b']", r"[b'a\x27b']", "[a'b]", "a'b,a'b", r#"["a'b", "a'b"]"#]
        {
            assert_eq!(item(list.as_bytes()).as_deref(), Some(&b"a'b"[..]), "{list}");
        }
        assert_eq!(item(br#"[{"a":[1]}]"#).as_deref(), Some(&br#"{"a":[1]}"#[..]));
        for other in ["a", "[]", "['a", "['a', 'b']", r#"["a","b"]"#, "[1,2]", "", ",", "a,b"] {
            assert_eq!(item(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn what_stands_in_a_string_of_json_is_read_as_that() {
        let read = |text: &str| unescape_json(text.as_bytes());
        assert_eq!(read(r#"{\"a\":\"\u4eba\n\/\"}"#).unwrap(), "{\"a\":\"人\n/\"}".as_bytes());
        for other in ["a", r#"{"a":"\n"}"#, r"a\d", "\\"] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
