//! What is written in a catalogue file: TOML, with keys that exist and values of their kinds.
//!
//! Each key is read on its own, so that one mistake does not hide the others.

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use toml::Spanned;
use toml::de::DeTable;

use super::Mistakes;
use super::table::Table;
use crate::translate::catalogue::{ContentPlace, EnumValue, Source, Spelling, Words};

/// The keys of a message.
const MESSAGE_KEYS: &[&str] = &[
    "msg_method",
    "notify_type",
    "content",
    "complete",
    "title",
    "source",
    "exactly_one_of",
    "example",
    "fields",
];

/// A file as it is written.
pub(super) struct Written {
    pub(super) msg_method: Given<String>,
    pub(super) notify_type: Given<String>,
    pub(super) content: Given<ContentPlace>,
    pub(super) complete: Given<bool>,
    pub(super) title: Words,
    pub(super) source: Option<Source>,
    pub(super) exactly_one_of: Vec<Spanned<Vec<String>>>,
    pub(super) example: Option<Spanned<String>>,
    pub(super) fields: Entries,
}

/// The value of a key.
pub(super) enum Given<T> {
    /// The key is not there.
    Absent,
    /// It has a value of another kind, which is among the mistakes.
    Wrong,
    /// It has this value.
    Is(Spanned<T>),
}

impl<T> Given<T> {
    /// The value, if it is there and of its kind.
    pub(super) fn sound(self) -> Option<Spanned<T>> {
        match self {
            Self::Is(value) => Some(value),
            Self::Absent | Self::Wrong => None,
        }
    }

    /// As [`Given::sound`], without its place.
    pub(super) fn bare(self) -> Option<T> {
        self.sound().map(Spanned::into_inner)
    }
}

/// A list of fields.
#[derive(Default)]
pub(super) struct Entries {
    /// Those without a mistake.
    pub(super) sound: Vec<Entry>,
    /// Whether there are others, which are among the mistakes.
    pub(super) has_others: bool,
}

/// A field; or, without a name, what a list or a text with JSON holds.
pub(super) struct Entry {
    /// The byte at which it starts.
    pub(super) at: usize,
    pub(super) name: Option<String>,
    pub(super) r#type: TypeName,
    pub(super) max_length: Option<usize>,
    pub(super) free_text: Option<bool>,
    pub(super) encoded: Option<bool>,
    pub(super) values: Option<Vec<EnumValue>>,
    pub(super) spelling: Option<Spelling>,
    pub(super) items: Option<Box<Self>>,
    pub(super) holds: Option<Box<Self>>,
    pub(super) fields: Option<Vec<Self>>,
    pub(super) required: Option<bool>,
    pub(super) description: Words,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TypeName {
    String,
    Enum,
    Integer,
    Decimal,
    Boolean,
    TimestampMs,
    #[serde(rename = "datetime")]
    DateTime,
    Json,
    List,
    Object,
}

/// A text in two languages as it is written. Whoever writes one says something in it, be it in one language.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::translate::catalogue) struct WrittenWords {
    #[serde(default, deserialize_with = "told")]
    zh: String,
    #[serde(default, deserialize_with = "told")]
    en: String,
}

impl TryFrom<WrittenWords> for Words {
    type Error = &'static str;

    fn try_from(WrittenWords { zh, en }: WrittenWords) -> Result<Self, Self::Error> {
        let words = Self { zh, en };
        if words.both().is_empty() {
            return Err("it says nothing: write zh, en or both, or leave it out");
        }
        Ok(words)
    }
}

/// A text that says something.
pub(in crate::translate::catalogue) fn told<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.trim().is_empty() {
        return Err(D::Error::custom("an empty text says nothing: write it, or leave it out"));
    }
    Ok(text)
}

/// Reads a file. `None` if it is no TOML; what else is wrong is among the mistakes.
pub(super) fn read(text: &str, mistakes: &mut Mistakes<'_>) -> Option<Written> {
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let mut lines = Vec::new();
        for error in errors {
            let at = error.span().unwrap_or_default().start;
            // What follows on the same line is mostly a consequence.
            if lines.last() != Some(&mistakes.line(at)) {
                lines.push(mistakes.line(at));
                mistakes.add(at, error.message());
            }
        }
        return None;
    }
    let mut table = Table::new(root.into_inner(), mistakes);
    let written = Written {
        msg_method: table.take("msg_method"),
        notify_type: table.take("notify_type"),
        content: table.take("content"),
        complete: table.take("complete"),
        title: table.take("title").bare().unwrap_or_default(),
        source: table.take("source").bare(),
        exactly_one_of: table.take_list("exactly_one_of").unwrap_or_default(),
        example: table.take("example").sound(),
        fields: table.take_entries("fields").unwrap_or_default(),
    };
    table.has_only(MESSAGE_KEYS);
    Some(written)
}
