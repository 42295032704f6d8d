//! Literals as Python prints strings and bytes, and JavaScript strings.

use super::json::{Node, Style};

/// What the string literal holds that `text` begins with, in UTF-8 or, of bytes, as they are; and what comes after it.
pub(crate) fn literal(text: &str) -> Option<(Vec<u8>, &str)> {
    let is_bytes = text.starts_with('b');
    let text = text.strip_prefix(['b', 'u']).unwrap_or(text);
    let quote = text.chars().next().filter(|quote| matches!(quote, '\'' | '"' | '`'))?;
    let mut out = Vec::new();
    let mut rest = text.get(1..)?;
    loop {
        let next = rest.chars().next()?;
        rest = rest.get(next.len_utf8()..)?;
        match next {
            end if end == quote => return Some((out, rest)),
            '\\' => rest = escape(rest, is_bytes, &mut out)?,
            other => push(other, &mut out),
        }
    }
}

/// Reads what comes after a backslash, and returns what comes after that.
fn escape<'t>(text: &'t str, is_bytes: bool, out: &mut Vec<u8>) -> Option<&'t str> {
    let next = text.chars().next()?;
    let rest = text.get(next.len_utf8()..)?;
    let digits = match next {
        'x' => 2,
        'u' if !is_bytes => 4,
        'U' if !is_bytes => 8,
        _ => 0,
    };
    let code = rest.get(..digits).filter(|digits| !digits.is_empty());
    match (next, code.and_then(|digits| u32::from_str_radix(digits, 16).ok())) {
        (_, Some(byte)) if is_bytes => out.push(u8::try_from(byte).ok()?),
        // Half of a pair of UTF-16 is no character.
        (_, Some(code)) => push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), out),
        ('n', None) => out.push(b'\n'),
        ('r', None) => out.push(b'\r'),
        ('t', None) => out.push(b'\t'),
        (other @ ('\\' | '\'' | '"' | '`'), None) => push(other, out),
        (other, None) => {
            out.push(b'\\');
            push(other, out);
            return Some(rest);
        }
    }
    rest.get(digits..)
}

/// The JSON of what `text` shows as Python prints it.
pub(super) fn json(text: &str) -> Option<String> {
    const WORDS: [(&str, &str); 3] = [("None", "null"), ("True", "true"), ("False", "false")];
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        if matches!(next, '\'' | '"') {
            let (string, after) = literal(rest)?;
            out.push_str(&Node::Text(String::from_utf8(string).ok()?).write(Style::COMPACT));
            rest = after;
        } else if let Some((after, word)) =
            WORDS.iter().find_map(|(python, json)| Some((rest.strip_prefix(python)?, json)))
        {
            out.push_str(word);
            rest = after;
        } else {
            out.push(next);
            rest = rest.get(next.len_utf8()..)?;
        }
    }
    Some(out)
}

fn push(character: char, out: &mut Vec<u8>) {
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn strings_are_read_as_text_and_bytes_as_bytes() {
        for (text, holds) in [
            (r"'a\'b\\\n'", &b"a'b\\\n"[..]),
            (r#""a'b""#, b"a'b"),
            (r"'\u4eba\xe4\U0001f600'", "人ä😀".as_bytes()),
            (r"b'\xe4\xba\xba\u4eba'", b"\xe4\xba\xba\\u4eba"),
            (r"u'\d'", b"\\d"),
            (r#"`a'"\``"#, b"a'\"`"),
        ] {
            assert_eq!(literal(&format!("{text}, x")), Some((holds.to_vec(), ", x")), "{text}");
        }
        for text in ["", "a", "'a", "'\\", "b", "'\\x", "[1]"] {
            assert_eq!(literal(text), None, "{text}");
        }
    }

    #[test]
    fn what_python_prints_is_written_as_json() {
        let printed = r#"[{'a': 'x"y', "b": "it's", 'c': None, 'd': [True, False, 1.10]}]"#;
        let json_of = r#"[{"a": "x\"y", "b": "it's", "c": null, "d": [true, false, 1.10]}]"#;
        assert_eq!(json(printed).as_deref(), Some(json_of));
        assert_eq!(json("['a"), None);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "[bu]?['\"][xuU0-9a-f'\\\\人\"]{0,20}") {
            literal(&text);
            json(&text);
        }
    }
}
