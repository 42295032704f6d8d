//! JSON, read strictly and written cleanly in one pass, without a tree.
//!
//! Where two readers of JSON disagree - which of two equal names counts, what a lone surrogate is, how large a number
//! may be - this one refuses. What it accepts it copies: order, digits and escapes stay as they came, and only
//! insignificant white space goes. The schema, where there is one, is checked on the way.

mod names;
mod token;
#[cfg(test)]
mod differential;

use std::fmt;

use self::names::Names;
use self::token::{Text, scan_number};
use super::catalogue::{FieldType, Fields};
use super::violation::{Breach, Place, Violations};

/// Appends to `out` the one object that `text` holds.
///
/// `fields` are those documented, if any are; departures from them go to `violations`, as places below `place`. After
/// an error `out` holds the part before it.
pub(super) fn write_object(
    text: &str,
    fields: Option<&Fields>,
    place: &Place<'_>,
    out: &mut Vec<u8>,
    violations: &mut Violations,
) -> Result<(), Malformed> {
    let mut copier = Copier { rest: text, depth: 0, out, violations };
    let object = copier.document(fields, place);
    object.map_err(|rule| Malformed { at: text.len().saturating_sub(copier.rest.len()), rule })
}

/// What is wrong with a text that is not exactly one strict JSON object, and where; never what stood there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed {
    at: usize,
    rule: Rule,
}

/// The rules of strict JSON that a text can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    ByteOrderMark,
    NotAnObject,
    TrailingText,
    Unfinished,
    ExpectedName,
    ExpectedColon,
    ExpectedCommaOrEnd,
    ExpectedValue,
    RepeatedName,
    TooDeep,
    ControlByte,
    BadEscape,
    LoneSurrogate,
    BadNumber,
    NumberTooLong,
    NumberTooLarge,
}

/// The deepest nesting, counting the outermost object.
const MAX_DEPTH: usize = 64;

/// Copies a document from `rest` to `out`. When a rule is broken, `rest` begins where that happened.
struct Copier<'t, 'o> {
    rest: &'t str,
    depth: usize,
    out: &'o mut Vec<u8>,
    violations: &'o mut Violations,
}

impl<'t> Copier<'t, '_> {
    fn document(&mut self, fields: Option<&Fields>, place: &Place<'_>) -> Result<(), Rule> {
        if self.rest.starts_with('\u{feff}') {
            return Err(Rule::ByteOrderMark);
        }
        self.skip_space();
        if self.next() != Some(b'{') {
            return Err(Rule::NotAnObject);
        }
        self.object(fields, place)?;
        self.skip_space();
        if self.rest.is_empty() { Ok(()) } else { Err(Rule::TrailingText) }
    }

    fn object(&mut self, fields: Option<&Fields>, place: &Place<'_>) -> Result<(), Rule> {
        self.enter()?;
        let mut names = Names::default();
        let mut ended = self.ends_with(b'}');
        while !ended {
            self.skip_space();
            let before = self.rest;
            let name = self.name()?;
            let decoded = name.decoded();
            let field = fields.and_then(|fields| fields.find(&decoded));
            if !names.insert(decoded) {
                self.rest = before;
                return Err(Rule::RepeatedName);
            }
            self.quote(name.raw);
            self.pass_colon()?;
            match field {
                Some(field) => self.value(Some(&field.kind), &place.below(&field.name))?,
                None => self.value(None, place)?,
            }
            ended = self.ends_with_or_comma(b'}')?;
        }
        for field in fields.iter().flat_map(|fields| fields.iter()) {
            if field.required && !names.contains(&field.name) {
                self.violations.add(&place.below(&field.name), Breach::Missing);
            }
        }
        self.depth = self.depth.saturating_sub(1);
        Ok(())
    }

    fn array(&mut self, place: &Place<'_>) -> Result<(), Rule> {
        self.enter()?;
        let mut ended = self.ends_with(b']');
        while !ended {
            self.value(None, place)?;
            ended = self.ends_with_or_comma(b']')?;
        }
        self.depth = self.depth.saturating_sub(1);
        Ok(())
    }

    /// Copies one value of the documented `kind`, if there is one.
    fn value(&mut self, kind: Option<&FieldType>, place: &Place<'_>) -> Result<(), Rule> {
        self.skip_space();
        if self.next() == Some(b'"') {
            let text = self.text()?;
            match kind {
                Some(kind) => self.typed_text(text, kind, place),
                None => self.quote(text.raw),
            }
            return Ok(());
        }
        match kind {
            Some(FieldType::Text { .. } | FieldType::Enum { .. }) => {
                self.violations.add(place, Breach::NotText);
            }
            None => {}
        }
        match self.next() {
            Some(b'{') => self.object(None, place),
            Some(b'[') => self.array(place),
            Some(b'-' | b'0'..=b'9') => {
                let number = scan_number(self.rest)?;
                self.copy(number.len());
                Ok(())
            }
            Some(_) => self.literal(),
            None => Err(Rule::Unfinished),
        }
    }

    fn typed_text(&mut self, text: Text<'t>, kind: &FieldType, place: &Place<'_>) {
        match kind {
            FieldType::Text { max_length } => {
                if let Some(max) = max_length.filter(|max| text.is_longer_than(*max)) {
                    self.violations.add(place, Breach::TooLong(max));
                }
                self.quote(text.raw);
            }
            FieldType::Enum { values } => {
                let decoded = text.decoded();
                let known = values.iter().find(|value| value.spelling.eq_ignore_ascii_case(&decoded));
                if known.is_none() {
                    self.violations.add(place, Breach::UnknownValue);
                }
                self.quote(known.map_or(text.raw, |known| &known.spelling));
            }
        }
    }

    fn literal(&mut self) -> Result<(), Rule> {
        let literal = ["true", "false", "null"].into_iter().find(|literal| self.rest.starts_with(literal));
        self.copy(literal.ok_or(Rule::ExpectedValue)?.len());
        Ok(())
    }

    fn name(&mut self) -> Result<Text<'t>, Rule> {
        match self.next() {
            Some(b'"') => self.text(),
            Some(_) => Err(Rule::ExpectedName),
            None => Err(Rule::Unfinished),
        }
    }

    /// Passes the string that `rest` begins with.
    fn text(&mut self) -> Result<Text<'t>, Rule> {
        self.pass(1);
        let text = Text::scan(self.rest).map_err(|(at, rule)| {
            self.pass(at);
            rule
        })?;
        self.pass(text.raw.len().saturating_add(1));
        Ok(text)
    }

    /// Copies the bracket that opens an object or an array.
    fn enter(&mut self) -> Result<(), Rule> {
        if self.depth >= MAX_DEPTH {
            return Err(Rule::TooDeep);
        }
        self.depth = self.depth.saturating_add(1);
        self.copy(1);
        Ok(())
    }

    /// Copies the bracket `end` if it comes next.
    fn ends_with(&mut self, end: u8) -> bool {
        self.skip_space();
        let ends = self.next() == Some(end);
        if ends {
            self.copy(1);
        }
        ends
    }

    /// Copies the bracket `end` or the comma, one of which comes next, and says whether it was the end.
    fn ends_with_or_comma(&mut self, end: u8) -> Result<bool, Rule> {
        if self.ends_with(end) {
            return Ok(true);
        }
        match self.next() {
            Some(b',') => {
                self.copy(1);
                Ok(false)
            }
            Some(_) => Err(Rule::ExpectedCommaOrEnd),
            None => Err(Rule::Unfinished),
        }
    }

    fn pass_colon(&mut self) -> Result<(), Rule> {
        self.skip_space();
        match self.next() {
            Some(b':') => {
                self.copy(1);
                Ok(())
            }
            Some(_) => Err(Rule::ExpectedColon),
            None => Err(Rule::Unfinished),
        }
    }

    /// Writes a string that needs no further escapes.
    fn quote(&mut self, raw: &str) {
        self.out.push(b'"');
        self.out.extend_from_slice(raw.as_bytes());
        self.out.push(b'"');
    }

    /// Copies `length` bytes.
    fn copy(&mut self, length: usize) {
        self.out.extend_from_slice(self.rest.as_bytes().get(..length).unwrap_or_default());
        self.pass(length);
    }

    /// Passes `length` bytes, which end between two characters.
    fn pass(&mut self, length: usize) {
        self.rest = self.rest.get(length..).unwrap_or_default();
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn next(&self) -> Option<u8> {
        self.rest.as_bytes().first().copied()
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at byte {}: {}", self.at, self.rule)
    }
}

impl std::error::Error for Malformed {}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ByteOrderMark => "a byte-order mark",
            Self::NotAnObject => "not a JSON object",
            Self::TrailingText => "text after the end of the object",
            Self::Unfinished => "the text ends too early",
            Self::ExpectedName => "a name in quotes should stand here",
            Self::ExpectedColon => "a colon should stand here",
            Self::ExpectedCommaOrEnd => "a comma or a closing bracket should stand here",
            Self::ExpectedValue => "a value should stand here",
            Self::RepeatedName => "a name occurs twice in one object",
            Self::TooDeep => "nested deeper than 64 levels",
            Self::ControlByte => "a control character that is not escaped",
            Self::BadEscape => "an escape that JSON does not know",
            Self::LoneSurrogate => "half of a surrogate pair",
            Self::BadNumber => "not a number as JSON writes it",
            Self::NumberTooLong => "a number of more than 64 characters",
            Self::NumberTooLarge => "a number beyond the range of a double",
        })
    }
}
