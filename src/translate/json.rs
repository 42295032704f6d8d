//! JSON, read strictly and written cleanly in one pass, without a tree.
//!
//! Where two readers of JSON disagree - which of two equal names counts, what a lone surrogate is, how large a number
//! may be - this one refuses. What it accepts it copies: order, digits and escapes stay as they came, and only
//! insignificant white space goes. The schema, where there is one, is checked on the way.

mod names;
pub(crate) mod token;
#[cfg(test)]
mod differential;

use std::fmt;

use self::names::Names;
use self::token::{Text, scan_number};
use super::catalogue::{FieldType, Fields};
use super::typed::{self, Typed};
use super::violation::{Breach, Place, Violations};
use crate::receive::form::is_name;

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

/// Appends to `out` the one object or list that the text of a field holds, at this depth of the document around it,
/// and says whether there was one. If not, nothing is changed.
pub(super) fn write_text(
    text: &str,
    holds: Option<&FieldType>,
    depth: usize,
    place: &Place<'_>,
    out: &mut Vec<u8>,
    violations: &mut Violations,
) -> bool {
    let (written, known) = (out.len(), violations.as_slice().len());
    let mut copier = Copier { rest: text, depth, out, violations };
    let is_one = copier.embedded(holds, place).is_ok();
    if !is_one {
        out.truncate(written);
        violations.truncate(known);
    }
    is_one
}

/// What is wrong with a text that is not exactly one strict JSON object, and where; never what stood there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed {
    at: usize,
    rule: Rule,
}

/// The rules of strict JSON that a text can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
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

    /// An object or a list, with nothing around it.
    fn embedded(&mut self, holds: Option<&FieldType>, place: &Place<'_>) -> Result<(), Rule> {
        self.skip_space();
        if !matches!(self.next(), Some(b'{' | b'[')) {
            return Err(Rule::NotAnObject);
        }
        self.value(holds, place)?;
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
            if field.is_none() && fields.is_some_and(Fields::is_complete) {
                // Only a plain name is repeated: anything can stand in another one.
                let name = if is_name(decoded.as_bytes()) { &*decoded } else { "…" };
                self.violations.add(&place.below(name), Breach::Undocumented);
            }
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
        if let Some(fields) = fields {
            self.violations.add_missing(fields, place, |name| names.contains(name));
        }
        self.depth = self.depth.saturating_sub(1);
        Ok(())
    }

    fn array(&mut self, items: Option<&FieldType>, place: &Place<'_>) -> Result<(), Rule> {
        self.enter()?;
        let mut ended = self.ends_with(b']');
        while !ended {
            self.value(items, place)?;
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
        // Where JSON was announced as text, it may as well come as it is.
        let kind = match kind {
            Some(FieldType::Json { holds }) if matches!(self.next(), Some(b'{' | b'[')) => holds.as_deref(),
            kind => kind,
        };
        match (self.next(), kind) {
            (Some(b'{'), Some(FieldType::Object { fields })) => self.object(Some(fields), place),
            (Some(b'{'), kind) => {
                self.report(kind, Breach::NotAList, place);
                self.object(None, place)
            }
            (Some(b'['), Some(FieldType::List { items })) => self.array(Some(items), place),
            (Some(b'['), kind) => {
                self.report(kind, Breach::NotAnObject, place);
                self.array(None, place)
            }
            (Some(b'-' | b'0'..=b'9'), kind) => {
                let number = scan_number(self.rest)?;
                self.typed_token(number, kind, place);
                Ok(())
            }
            (Some(_), kind) => {
                let literal =
                    ["true", "false", "null"].into_iter().find(|literal| self.rest.starts_with(literal));
                self.typed_token(literal.ok_or(Rule::ExpectedValue)?, kind, place);
                Ok(())
            }
            (None, _) => Err(Rule::Unfinished),
        }
    }

    /// Reports an object or a list that stands where a value of `kind` should; `wanted` is what it lacks where that is
    /// the other of the two.
    fn report(&mut self, kind: Option<&FieldType>, wanted: Breach, place: &Place<'_>) {
        match kind {
            None => {}
            Some(FieldType::List { .. } | FieldType::Object { .. }) => self.violations.add(place, wanted),
            // What an empty token lacks is what an object lacks too.
            Some(kind) => {
                if let Err(breach) = typed::token("", kind) {
                    self.violations.add(place, breach);
                }
            }
        }
    }

    /// Writes the number or literal that comes next, as its type has it.
    fn typed_token(&mut self, token: &str, kind: Option<&FieldType>, place: &Place<'_>) {
        match kind.map(|kind| typed::token(token, kind)) {
            None | Some(Ok(Typed::Same)) => self.out.extend_from_slice(token.as_bytes()),
            Some(Ok(Typed::Token(token))) => self.out.extend_from_slice(token.as_bytes()),
            Some(Ok(Typed::Number(number))) => self.out.extend_from_slice(number.to_string().as_bytes()),
            // A token needs no escapes.
            Some(Ok(Typed::Text(text))) => self.quote(&text),
            Some(Err(breach)) => {
                self.violations.add(place, breach);
                self.out.extend_from_slice(token.as_bytes());
            }
        }
        self.pass(token.len());
    }

    fn typed_text(&mut self, text: Text<'t>, kind: &FieldType, place: &Place<'_>) {
        let decoded = text.decoded();
        if let FieldType::Json { holds } = kind
            && write_text(&decoded, holds.as_deref(), self.depth, place, self.out, self.violations)
        {
            return;
        }
        match typed::text(&decoded, kind) {
            Ok(Typed::Same) => self.quote(text.raw),
            Ok(Typed::Token(token)) => self.out.extend_from_slice(token.as_bytes()),
            Ok(Typed::Number(number)) => self.out.extend_from_slice(number.to_string().as_bytes()),
            Ok(Typed::Text(text)) => self.quote_anew(&text),
            Err(breach) => {
                self.violations.add(place, breach);
                self.quote(text.raw);
            }
        }
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

    /// Writes a string with the escapes that it needs.
    fn quote_anew(&mut self, text: &str) {
        // Writing to memory does not fail.
        drop(serde_json::to_writer(&mut *self.out, text));
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
