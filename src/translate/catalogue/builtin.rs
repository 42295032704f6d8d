//! The messages that are compiled in, each of which is parsed when it is first used.

use std::sync::OnceLock;

use super::file;
use super::{CatalogueError, ContentPlace, Message, Naming, Words};

include!(concat!(env!("OUT_DIR"), "/messages.rs"));

/// A message that is compiled in: its file, and what is needed of it before it is used.
///
/// A process gets messages of a few kinds as a rule, and a parsed table takes up more memory than its text.
pub(super) struct Builtin {
    /// The name of the file.
    pub(super) file: &'static str,
    pub(super) naming: Naming,
    pub(super) name: &'static str,
    /// Whether more is known than its name.
    pub(super) has_fields: bool,
    /// The parameters that hold its fields, if it is flat, and whether each is free text.
    pub(super) parameters: &'static [(&'static str, bool)],
    text: &'static str,
    message: OnceLock<Message>,
}

impl Builtin {
    const fn new(
        file: &'static str,
        naming: Naming,
        name: &'static str,
        has_fields: bool,
        parameters: &'static [(&'static str, bool)],
        text: &'static str,
    ) -> Self {
        Self { file, naming, name, has_fields, parameters, text, message: OnceLock::new() }
    }

    /// The message. The first use in the process parses the file, on the way of the notification that needs it: that
    /// takes about a millisecond for the longest one, and happens once for each kind.
    pub(super) fn message(&self) -> &Message {
        self.message.get_or_init(|| self.parse().unwrap_or_else(|_| self.bare()))
    }

    pub(super) fn parse(&self) -> Result<Message, Vec<CatalogueError>> {
        file::parse(self.file, self.text, |_, _, _| None).map(|(message, _)| message)
    }

    /// The message with its name alone, which passes untyped. No file comes to this: a test parses each of them.
    fn bare(&self) -> Message {
        Message {
            naming: self.naming,
            name: self.name.to_owned(),
            content: match self.naming {
                Naming::MsgMethod => ContentPlace::BizContent,
                Naming::NotifyType => ContentPlace::Parameters,
            },
            title: Words::default(),
            source: None,
            fields: None,
            example: None,
        }
    }
}
