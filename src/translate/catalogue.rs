//! What is known about each kind of message: its fields, their types and meaning, and where that was learnt.
//!
//! The files in `messages/` are compiled in, and those of the user join them. The format is documented at the top of
//! `messages/alipay.open.mini.icp.faceauth.completed.toml`.

mod file;

use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;

/// The files in `messages/`: their names and texts.
const BUILTIN: &[(&str, &str)] = &[(
    "messages/alipay.open.mini.icp.faceauth.completed.toml",
    include_str!("../../messages/alipay.open.mini.icp.faceauth.completed.toml"),
)];

/// All kinds of messages that are known, each under its `msg_method`.
///
/// Finding one takes the same time however many there are.
#[derive(Debug, Default, Clone)]
pub struct Catalogue {
    messages: Vec<Message>,
    by_method: HashMap<String, usize>,
}

impl Catalogue {
    /// The catalogue that is compiled in. It is parsed here, once, and fails only if one of its files is wrong.
    pub fn builtin() -> Result<Self, Vec<CatalogueError>> {
        let mut catalogue = Self::default();
        for (name, text) in BUILTIN {
            catalogue.add(name, text)?;
        }
        Ok(catalogue)
    }

    /// Adds the message that the TOML `text` describes; `file` is its name for the errors, of which all are reported.
    pub fn add(&mut self, file: &str, text: &str) -> Result<(), Vec<CatalogueError>> {
        let message = file::parse(file, text, |method| self.by_method.contains_key(method))?;
        self.by_method.insert(message.msg_method.clone(), self.messages.len());
        self.messages.push(message);
        Ok(())
    }

    /// The names of all messages, in the order in which they were added, which is that of [`Catalogue::find`].
    pub fn methods(&self) -> impl ExactSizeIterator<Item = &str> {
        self.messages.iter().map(|message| &*message.msg_method)
    }

    /// All messages, in the order of [`Catalogue::methods`].
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The message of that name, and the place it has among all.
    pub fn find(&self, msg_method: &str) -> Option<(usize, &Message)> {
        let index = *self.by_method.get(msg_method)?;
        Some((index, self.messages.get(index)?))
    }
}

/// A kind of message.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its name, `[A-Za-z0-9._]{1,100}`.
    pub msg_method: String,
    /// What it tells.
    pub title: Words,
    /// Where the table of its fields comes from, if that is known.
    pub source: Option<Source>,
    /// Whether `fields` are all that are documented. Fields that are not listed pass as they come either way, and are
    /// never held against a message: the platform adds fields without notice.
    pub complete: bool,
    /// What its `biz_content` holds.
    pub fields: Fields,
    /// The text of a `biz_content` that fits the fields.
    pub example: Option<String>,
}

/// A text for people, in two languages; a language that is not written is empty.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Words {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

/// Where a table of fields comes from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The page, or the place in the source.
    pub page: String,
    /// How far that is to be trusted.
    pub kind: SourceKind,
}

/// How a table of fields was learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// A page of the platform states it.
    Documented,
    /// It was seen in genuine messages.
    Observed,
    /// It was read in published source.
    Code,
}

/// The fields of one JSON object, in the order of their source; each name once.
#[derive(Debug, Clone)]
pub struct Fields(Vec<Field>);

impl Fields {
    /// All fields, in the order of their source.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Field> {
        self.0.iter()
    }

    /// The field of that name, which is compared with case.
    pub fn find(&self, name: &str) -> Option<&Field> {
        self.0.iter().find(|field| field.name == name)
    }
}

/// A field that is documented.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name in the JSON.
    pub name: String,
    /// What it may hold.
    pub kind: FieldType,
    /// Whether every message carries it.
    pub required: bool,
    /// What it means.
    pub description: Words,
}

/// What a field may hold.
#[derive(Debug, Clone)]
pub enum FieldType {
    /// Text.
    Text {
        /// Its greatest length in characters, if one is documented.
        max_length: Option<usize>,
    },
    /// One of some values: matched without case, written as spelled here.
    Enum {
        /// At least one; no two are alike but for case.
        values: Vec<EnumValue>,
    },
}

/// A value of an enum.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnumValue {
    /// How it is written: not empty, and without characters that JSON escapes.
    pub spelling: String,
    /// What it means.
    #[serde(default)]
    pub meaning: Words,
}

/// A mistake in a catalogue file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueError {
    file: String,
    line: usize,
    mistake: String,
}

impl fmt::Display for CatalogueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.mistake)
    }
}

impl std::error::Error for CatalogueError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_in_messages_is_compiled_in() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/messages");
        let mut found: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| format!("messages/{}", entry.unwrap().file_name().into_string().unwrap()))
            .collect();
        found.sort();
        assert!(!found.is_empty());
        let compiled_in: Vec<&str> = BUILTIN.iter().map(|(name, _)| *name).collect();
        assert_eq!(found, compiled_in);
    }

    #[test]
    fn every_file_compiled_in_is_named_for_its_message_and_documents_it() {
        let catalogue = Catalogue::builtin().unwrap();
        assert_eq!(catalogue.methods().len(), BUILTIN.len());
        let is_told = |words: &Words| !words.zh.is_empty() && !words.en.is_empty();
        for (index, ((file, _), message)) in BUILTIN.iter().zip(catalogue.messages()).enumerate() {
            assert_eq!(*file, format!("messages/{}.toml", message.msg_method));
            assert!(is_told(&message.title), "{file}");
            assert!(message.source.is_some() && message.example.is_some(), "{file}");
            for field in message.fields.iter() {
                assert!(is_told(&field.description), "{file}: {}", field.name);
                if let FieldType::Enum { values } = &field.kind {
                    assert!(values.iter().all(|value| is_told(&value.meaning)), "{file}: {}", field.name);
                }
            }
            assert_eq!(catalogue.find(&message.msg_method).unwrap().0, index);
        }
    }

    #[test]
    fn an_unknown_method_is_not_found() {
        assert!(Catalogue::builtin().unwrap().find("alipay.open.mini.icp.faceauth.complete").is_none());
    }
}
