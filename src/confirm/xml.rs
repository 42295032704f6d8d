//! The XML of a gateway check, read strictly: one document of the one known shape, or nothing.
//!
//! The shape is a root `XML` whose children are flat and each there at most once. Whatever XML has beyond that, where
//! one reader may see what another does not, is refused: document types, entities of one's own, references by number,
//! processing instructions, comments, attributes, namespaces, and anything after the root.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else XML may have, now or later, is not of the shape"
)]

use std::error::Error;
use std::fmt;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::receive::form::is_name;
use crate::translate::charset::Charset;

/// More children than any check has; a genuine one has eight.
const MAX_CHILDREN: usize = 32;

/// The app whose gateway check `text` is.
pub(super) fn app_id(text: &str) -> Result<String, Malformed> {
    if text.starts_with('\u{feff}') || !text.chars().all(is_xml_character) {
        return Err(Malformed::Character);
    }
    let mut reader = Document { reader: Reader::from_str(text) };
    reader.open()?;
    let mut seen: Vec<String> = Vec::new();
    let (mut app_id, mut event_type) = (None, None);
    while let Some((name, value)) = reader.child()? {
        if seen.len() >= MAX_CHILDREN {
            return Err(Malformed::TooMany);
        }
        if seen.contains(&name) {
            return Err(Malformed::Repeated);
        }
        match name.as_str() {
            "AppId" => app_id = Some(value),
            "EventType" => event_type = Some(value),
            _ => {}
        }
        seen.push(name);
    }
    reader.end()?;
    if event_type.as_deref() != Some("verifygw") {
        return Err(Malformed::EventType);
    }
    app_id.ok_or(Malformed::NoAppId)
}

/// What is wrong with a text that is no gateway check; never what stood there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Malformed {
    Character,
    Syntax,
    Declaration,
    Root,
    Attributes,
    Name,
    Nested,
    Reference,
    Foreign,
    Repeated,
    TooMany,
    EventType,
    NoAppId,
}

/// A walk over the document, an event at a time.
struct Document<'t> {
    reader: Reader<&'t [u8]>,
}

impl Document<'_> {
    /// Passes all before the children: a declaration, if there is one, and the tag that opens the root.
    fn open(&mut self) -> Result<(), Malformed> {
        let mut is_first = true;
        loop {
            match self.next()? {
                Event::Decl(declaration) if is_first => is_declaration(&declaration)?,
                Event::Text(text) if is_space(&text) => {}
                Event::Start(start) if start.name().as_ref() == "XML" => return without_attributes(&start),
                Event::Start(_) | Event::Empty(_) | Event::End(_) | Event::Eof => {
                    return Err(Malformed::Root);
                }
                other => return Err(foreign(&other)),
            }
            is_first = false;
        }
    }

    /// The next child and its text; nothing at the end of the root.
    fn child(&mut self) -> Result<Option<(String, String)>, Malformed> {
        loop {
            match self.next()? {
                Event::Text(text) if is_space(&text) => {}
                Event::Start(start) => {
                    let name = name(&start)?;
                    return Ok(Some((name, self.text()?)));
                }
                Event::Empty(start) => return Ok(Some((name(&start)?, String::new()))),
                // That it closes what was opened, the reader has checked.
                Event::End(_) => return Ok(None),
                other => return Err(foreign(&other)),
            }
        }
    }

    /// The text of the child that was opened, to its end.
    fn text(&mut self) -> Result<String, Malformed> {
        let mut text = String::new();
        loop {
            match self.next()? {
                Event::Text(part) if !part.contains("]]>") => text.push_str(&part),
                Event::CData(part) => text.push_str(&part),
                Event::GeneralRef(reference) => text.push(match &*reference {
                    "amp" => '&',
                    "lt" => '<',
                    "gt" => '>',
                    "apos" => '\'',
                    "quot" => '"',
                    _ => return Err(Malformed::Reference),
                }),
                Event::End(_) => return Ok(text),
                Event::Start(_) | Event::Empty(_) => return Err(Malformed::Nested),
                other => return Err(foreign(&other)),
            }
        }
    }

    /// Passes what may follow the root: white space.
    fn end(&mut self) -> Result<(), Malformed> {
        loop {
            match self.next()? {
                Event::Text(text) if is_space(&text) => {}
                Event::Eof => return Ok(()),
                _ => return Err(Malformed::Foreign),
            }
        }
    }

    fn next(&mut self) -> Result<Event<'_>, Malformed> {
        self.reader.read_event().map_err(|_error| Malformed::Syntax)
    }
}

fn is_declaration(declaration: &str) -> Result<(), Malformed> {
    // The charset that was signed has decoded this text, so what stands here decides nothing; it may not be odd either.
    let is_known = |encoding: &str| Charset::named(encoding.as_bytes()).is_some();
    let rest = declaration.trim_end_matches(is_space_character).strip_prefix("xml version=\"1.0\"");
    let encoding = rest.map(|rest| rest.strip_prefix(" encoding=\"").and_then(|rest| rest.strip_suffix('"')));
    match (rest, encoding) {
        (Some(""), _) => Ok(()),
        (Some(_), Some(Some(encoding))) if is_known(encoding) => Ok(()),
        _ => Err(Malformed::Declaration),
    }
}

fn name(start: &BytesStart<'_>) -> Result<String, Malformed> {
    without_attributes(start)?;
    let name = start.name().as_ref().to_owned();
    if is_name(name.as_bytes()) { Ok(name) } else { Err(Malformed::Name) }
}

fn without_attributes(start: &BytesStart<'_>) -> Result<(), Malformed> {
    if is_space(start.attributes_raw()) { Ok(()) } else { Err(Malformed::Attributes) }
}

fn foreign(event: &Event<'_>) -> Malformed {
    match event {
        Event::GeneralRef(_) => Malformed::Reference,
        Event::Eof => Malformed::Syntax,
        _ => Malformed::Foreign,
    }
}

fn is_space(text: &str) -> bool {
    text.chars().all(is_space_character)
}

fn is_space_character(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

/// The production `Char` of XML 1.0.
fn is_xml_character(character: char) -> bool {
    !matches!(character, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}')
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Character => "a character that XML does not have, or a byte-order mark",
            Self::Syntax => "not well-formed XML",
            Self::Declaration => {
                "an XML declaration of another version, or with more than an encoding that is known"
            }
            Self::Root => "the root is not XML",
            Self::Attributes => "an attribute",
            Self::Name => "an element whose name is not a plain one",
            Self::Nested => "an element within a child of the root",
            Self::Reference => "a reference to what is none of the five entities of XML",
            Self::Foreign => "something that is neither an element nor text where it belongs",
            Self::Repeated => "an element occurs twice",
            Self::TooMany => "more elements than any gateway check has",
            Self::EventType => "EventType is not verifygw",
            Self::NoAppId => "no AppId",
        })
    }
}

impl Error for Malformed {}

#[cfg(test)]
mod tests;
