//! JSON as a tree that keeps the order of names and the digits of numbers, to be written again in other styles.

use crate::translate::json::token::{Text, scan_number};

/// A value of JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    /// A number or a literal, as it was written.
    Token(String),
    /// A string, decoded.
    Text(String),
    /// A list.
    List(Vec<Self>),
    /// An object, in the order of its names.
    Object(Vec<(String, Self)>),
}

/// How JSON is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    /// With a space after each comma and colon, as Python does.
    pub(crate) spaced: bool,
    /// How characters beyond ASCII are written.
    pub(crate) beyond_ascii: BeyondAscii,
    /// With `\/`, as PHP does.
    pub(crate) slashes: bool,
    /// With `\u003d` and the like for what means something in HTML, as Gson does.
    pub(crate) html: bool,
}

/// How characters beyond ASCII are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BeyondAscii {
    /// As they are.
    Plain,
    /// As `\u4eba`.
    Lower,
    /// As `\u4EBA`.
    Upper,
}

impl Style {
    /// Without a space or an escape that is not needed.
    pub(crate) const COMPACT: Self =
        Self { spaced: false, beyond_ascii: BeyondAscii::Plain, slashes: false, html: false };
}

/// The deepest nesting, counting the outermost value.
const MAX_DEPTH: usize = 64;

/// The most names of one object that are put in another order: 5,040 orders.
const MAX_NAMES: usize = 7;

/// What in HTML means something, of which Gson writes escapes.
const HTML: [char; 5] = ['<', '>', '&', '=', '\''];

impl Node {
    /// The one value that `text` holds.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (node, rest) = Self::begin(text)?;
        skip_space(rest).is_empty().then_some(node)
    }

    /// The value that `text` begins with, and what comes after it.
    pub(crate) fn begin(text: &str) -> Option<(Self, &str)> {
        Self::read(text, 0)
    }

    fn read(text: &str, depth: usize) -> Option<(Self, &str)> {
        let text = skip_space(text);
        if depth >= MAX_DEPTH {
            return None;
        }
        let inner = depth.saturating_add(1);
        match text.as_bytes().first()? {
            b'"' => string(text).map(|(text, rest)| (Self::Text(text), rest)),
            b'[' => {
                let mut items = Vec::new();
                let rest = sequence(text, ']', |text| {
                    let (item, rest) = Self::read(text, inner)?;
                    items.push(item);
                    Some(rest)
                })?;
                Some((Self::List(items), rest))
            }
            b'{' => {
                let mut members = Vec::new();
                let rest = sequence(text, '}', |text| {
                    let (name, rest) = string(skip_space(text))?;
                    let (value, rest) = Self::read(skip_space(rest).strip_prefix(':')?, inner)?;
                    members.push((name, value));
                    Some(rest)
                })?;
                Some((Self::Object(members), rest))
            }
            _ => {
                let literal = ["true", "false", "null"].into_iter().find(|word| text.starts_with(word));
                let token = match literal {
                    Some(literal) => literal,
                    None => scan_number(text).ok()?,
                };
                Some((Self::Token(token.to_owned()), text.get(token.len()..)?))
            }
        }
    }

    /// The value of the member `name` of an object.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.iter().find(|(found, _)| found == name).map(|(_, value)| value),
            Self::Token(_) | Self::Text(_) | Self::List(_) => None,
        }
    }

    /// The text of a string.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Token(_) | Self::List(_) | Self::Object(_) => None,
        }
    }

    /// The value in this style.
    pub(crate) fn write(&self, style: Style) -> String {
        let mut out = String::new();
        self.append(style, &mut out);
        out
    }

    fn append(&self, style: Style, out: &mut String) {
        let comma = if style.spaced { ", " } else { "," };
        match self {
            Self::Token(token) => out.push_str(token),
            Self::Text(text) => quote(text, style, out),
            Self::List(items) => {
                out.push('[');
                for (nth, item) in items.iter().enumerate() {
                    out.push_str(if nth == 0 { "" } else { comma });
                    item.append(style, out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (nth, (name, value)) in members.iter().enumerate() {
                    out.push_str(if nth == 0 { "" } else { comma });
                    quote(name, style, out);
                    out.push_str(if style.spaced { ": " } else { ":" });
                    value.append(style, out);
                }
                out.push('}');
            }
        }
    }

    /// With the names of all objects in their order.
    pub(crate) fn sorted(&self) -> Self {
        match self {
            Self::Token(_) | Self::Text(_) => self.clone(),
            Self::List(items) => Self::List(items.iter().map(Self::sorted).collect()),
            Self::Object(members) => {
                let mut members: Vec<_> =
                    members.iter().map(|(name, value)| (name.clone(), value.sorted())).collect();
                members.sort_by(|one, other| one.0.cmp(&other.0));
                Self::Object(members)
            }
        }
    }

    /// In how many orders the names of all objects may stand. What is in one list was written alike.
    pub(crate) fn orders(&self) -> usize {
        match self {
            Self::Token(_) | Self::Text(_) => 1,
            Self::List(items) => items.iter().map(Self::orders).max().unwrap_or(1),
            Self::Object(members) => {
                let inner = members.iter().map(|(_, value)| value.orders());
                (1..=reordered(members)).chain(inner).fold(1, usize::saturating_mul)
            }
        }
    }

    /// With the names of all objects in the order of this number, of as many as there are; 0 is as they are.
    pub(crate) fn ordered(&self, mut nth: usize) -> Self {
        match self {
            Self::Token(_) | Self::Text(_) => self.clone(),
            Self::List(items) => Self::List(items.iter().map(|item| item.ordered(nth)).collect()),
            Self::Object(members) => {
                let mut digit = |base: usize| {
                    let digit = nth.checked_rem(base).unwrap_or_default();
                    nth = nth.checked_div(base).unwrap_or_default();
                    digit
                };
                let mut left: Vec<_> = members.iter().take(reordered(members)).collect();
                let mut arranged = Vec::with_capacity(members.len());
                while !left.is_empty() {
                    arranged.push(left.remove(digit(left.len())));
                }
                arranged.extend(members.iter().skip(arranged.len()));
                let inner = |(name, value): &(String, Self), nth| (name.clone(), value.ordered(nth));
                Self::Object(
                    arranged.into_iter().map(|member| inner(member, digit(member.1.orders()))).collect(),
                )
            }
        }
    }

    /// The styles in which this value looks different, the likelier ones first.
    pub(crate) fn styles(&self) -> Vec<Style> {
        let compact = self.write(Style::COMPACT);
        let both = |differ: bool| if differ { &[false, true][..] } else { &[false] };
        let slashes = both(compact.contains('/'));
        let html = both(compact.contains(HTML));
        let beyond_ascii = if compact.is_ascii() {
            &[BeyondAscii::Plain][..]
        } else {
            &[BeyondAscii::Plain, BeyondAscii::Lower, BeyondAscii::Upper]
        };
        let mut styles = Vec::new();
        for spaced in [false, true] {
            for html in html {
                for slashes in slashes {
                    for beyond_ascii in beyond_ascii {
                        let (html, slashes, beyond_ascii) = (*html, *slashes, *beyond_ascii);
                        styles.push(Style { spaced, beyond_ascii, slashes, html });
                    }
                }
            }
        }
        styles
    }
}

/// How many of the members of an object are put in another order: all, or, where they are too many, none.
fn reordered(members: &[(String, Node)]) -> usize {
    if members.len() <= MAX_NAMES { members.len() } else { 0 }
}

/// Reads the items between a bracket and `end`, each by `item`, which says what comes after it.
fn sequence<'t>(
    text: &'t str,
    end: char,
    mut item: impl FnMut(&'t str) -> Option<&'t str>,
) -> Option<&'t str> {
    let mut rest = skip_space(text.get(1..)?);
    if let Some(after) = rest.strip_prefix(end) {
        return Some(after);
    }
    loop {
        rest = skip_space(item(rest)?);
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None => return rest.strip_prefix(end),
        }
    }
}

/// The string that `text` begins with, decoded, and what comes after it.
fn string(text: &str) -> Option<(String, &str)> {
    let scanned = Text::scan(text.strip_prefix('"')?).ok()?;
    // The two quotes.
    let length = scanned.raw.len().checked_add(2)?;
    Some((scanned.decoded().into_owned(), text.get(length..)?))
}

fn skip_space(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\n', '\r'])
}

fn quote(text: &str, style: Style, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '/' if style.slashes => out.push_str("\\/"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ..' ' => escape(character, false, out),
            _ if style.html && HTML.contains(&character) => escape(character, false, out),
            _ if !character.is_ascii() => match style.beyond_ascii {
                BeyondAscii::Plain => out.push(character),
                BeyondAscii::Lower => escape(character, false, out),
                BeyondAscii::Upper => escape(character, true, out),
            },
            _ => out.push(character),
        }
    }
    out.push('"');
}

fn escape(character: char, upper: bool, out: &mut String) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        let digits = if upper { format!("{unit:04X}") } else { format!("{unit:04x}") };
        out.push_str("\\u");
        out.push_str(&digits);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = r#"{"b":1.10,"a":["人/=",true,null,{"x":{}}],"c":[]}"#;

    #[test]
    fn order_digits_and_literals_stay() {
        assert_eq!(Node::parse(TEXT).unwrap().write(Style::COMPACT), TEXT);
    }

    #[test]
    fn each_style_is_that_of_a_library() {
        let node = Node::parse(TEXT).unwrap();
        let php = Style { beyond_ascii: BeyondAscii::Lower, slashes: true, ..Style::COMPACT };
        assert_eq!(node.write(php), r#"{"b":1.10,"a":["\u4eba\/=",true,null,{"x":{}}],"c":[]}"#);
        let python = Style { spaced: true, beyond_ascii: BeyondAscii::Lower, ..Style::COMPACT };
        assert_eq!(node.write(python), r#"{"b": 1.10, "a": ["\u4eba/=", true, null, {"x": {}}], "c": []}"#);
        let gson = Style { html: true, ..Style::COMPACT };
        assert_eq!(node.write(gson), r#"{"b":1.10,"a":["人/\u003d",true,null,{"x":{}}],"c":[]}"#);
        assert_eq!(
            node.sorted().write(Style::COMPACT),
            r#"{"a":["人/=",true,null,{"x":{}}],"b":1.10,"c":[]}"#
        );
        assert_eq!(node.styles().len(), 24);
        assert_eq!(Node::parse("{\"a\":1}").unwrap().styles().len(), 2);
    }

    #[test]
    fn every_order_of_names_comes_once() {
        let node = Node::parse(r#"{"a":{"b":1,"c":2},"d":[{"e":1,"f":2},{"e":3,"f":4}],"g":3}"#).unwrap();
        let count = node.orders();
        let all: std::collections::BTreeSet<String> =
            (0..count).map(|nth| node.ordered(nth).write(Style::COMPACT)).collect();
        assert_eq!((count, all.len(), node.ordered(0)), (24, 24, node.clone()));
        assert!(all.contains(r#"{"g":3,"d":[{"f":2,"e":1},{"f":4,"e":3}],"a":{"c":2,"b":1}}"#));
        assert_eq!(Node::parse("[{},1]").unwrap().orders(), 1);
    }

    #[test]
    fn what_is_not_json_is_none() {
        for text in ["", "{", "{\"a\"}", "{\"a\":1,}", "[1", "[1,]", "x", "{}x", "{'a':1}", "\"\\ud800\""] {
            assert_eq!(Node::parse(text), None, "{text}");
        }
        assert_eq!(Node::parse(&"[".repeat(1_000_000)), None);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic_and_what_it_writes_it_reads(text in "[\\[\\]{}:,\"a1\\\\ u人.-]{0,40}") {
            if let Some(node) = Node::parse(&text) {
                for style in node.styles() {
                    prop_assert_eq!(Node::parse(&node.write(style)), Some(node.clone()));
                }
            }
        }
    }
}
