//! `schema`: what the app gets, as JSON Schema, as a list, and as a page for people.

mod envelope;
mod fields;
mod indented;
mod json_schema;
mod list;
mod markdown;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, Write};

use crate::translate::catalogue::{Catalogue, Fields, Message, Naming};

/// Writes the JSON Schema of what the app gets for `message`.
pub fn json(message: &Message, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &envelope::schema(message))?;
    writeln!(out)
}

/// Writes the section of `message` of the page for people.
pub fn section(message: &Message, out: &mut impl Write) -> io::Result<()> {
    markdown::section(message, out)
}

/// Writes the page of all messages, which is `docs/messages.md` for those that are compiled in.
pub fn page(catalogue: &Catalogue, out: &mut impl Write) -> io::Result<()> {
    markdown::page(catalogue, out)
}

/// Writes one line for each message: its name, how much of it is known, and what it tells.
pub fn list(catalogue: &Catalogue, out: &mut impl Write) -> io::Result<()> {
    list::write(catalogue, out)
}

/// The message of that name, be it a `msg_method` or a `notify_type`.
pub fn find<'c>(catalogue: &'c Catalogue, name: &str) -> Result<&'c Message, UnknownMessage> {
    let found = [Naming::MsgMethod, Naming::NotifyType].into_iter().find_map(|by| catalogue.find(by, name));
    found.map(|(_, message)| message).ok_or_else(|| UnknownMessage {
        name: name.to_owned(),
        nearest: nearest(name, catalogue.methods()).map(ToOwned::to_owned),
    })
}

/// The known name that looks most like `name`.
fn nearest<'c>(name: &str, known: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    // No name is longer, and comparing takes time and memory of both lengths.
    if name.len() > 100 {
        return None;
    }
    let name = name.to_ascii_lowercase();
    known.min_by_key(|candidate| strsim::osa_distance(&name, candidate))
}

/// A name that no message has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownMessage {
    name: String,
    nearest: Option<String>,
}

impl fmt::Display for UnknownMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the catalogue has no message {:?}", self.name)?;
        if let Some(nearest) = &self.nearest {
            write!(f, "; the nearest is {nearest}")?;
        }
        f.write_str("\n    `alipay-sidecar schema --list` shows all names; the files of your own are added by --config")
    }
}

impl std::error::Error for UnknownMessage {}

/// How much is known of a message.
fn completeness(message: &Message) -> &'static str {
    match message.fields.as_ref().map(Fields::is_complete) {
        Some(true) => "complete",
        Some(false) => "incomplete",
        None => "name only",
    }
}
