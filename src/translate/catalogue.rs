//! What is known about each kind of message: its fields, their types and meaning, and where that was learnt.
//!
//! The files in `messages/` are compiled in, and those of the user join them. The format is documented at the top of
//! `messages/alipay.open.mini.icp.faceauth.completed.toml`.

mod builtin;
mod file;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;

use self::builtin::{BUILTIN, Builtin};
use super::json;
use super::violation::{Place, Violations};
use crate::verify::kind::KnownParameters;

/// All kinds of messages that are known, each under its name: a `msg_method`, or the `notify_type` of a flat one.
///
/// Finding one takes the same time however many there are. `Debug` prints names.
#[derive(Default, Clone)]
pub struct Catalogue {
    entries: Vec<Entry>,
    by_name: HashMap<Cow<'static, str>, usize>,
}

/// A message, and the file that describes it.
#[derive(Clone)]
enum Entry {
    Builtin(&'static Builtin),
    Own(Arc<Own>),
}

/// A message that a file of the user describes.
struct Own {
    message: Message,
    file: String,
    line: usize,
}

impl Entry {
    fn name(&self) -> &str {
        match self {
            Self::Builtin(builtin) => builtin.name,
            Self::Own(own) => &own.message.name,
        }
    }

    fn naming(&self) -> Naming {
        match self {
            Self::Builtin(builtin) => builtin.naming,
            Self::Own(own) => own.message.naming,
        }
    }

    fn message(&self) -> &Message {
        match self {
            Self::Builtin(builtin) => builtin.message(),
            Self::Own(own) => &own.message,
        }
    }
}

impl Catalogue {
    /// The catalogue that is compiled in. Each of its files is parsed when its message is first asked for.
    pub fn builtin() -> Self {
        let entries = BUILTIN.iter().map(Entry::Builtin).collect();
        let by_name =
            BUILTIN.iter().enumerate().map(|(index, builtin)| (builtin.name.into(), index)).collect();
        Self { entries, by_name }
    }

    /// Adds the message that the TOML `text` describes; `file` is its name for the errors, of which all are reported.
    ///
    /// A name is described once. But where the catalogue that is compiled in knows no more than a name, a file
    /// completes it: the message keeps its place, and its title unless the file has another.
    pub fn add(&mut self, file: &str, text: &str) -> Result<(), Vec<CatalogueError>> {
        let clash = |naming: Naming, name: &str, has_fields: bool| {
            self.entry(name).and_then(|(_, entry)| entry.clash(naming, name, has_fields))
        };
        let (mut message, line) = file::parse(file, text, clash)?;
        let own = |message| Entry::Own(Arc::new(Own { message, file: file.to_owned(), line }));
        let index = self.by_name.get(&*message.name).copied();
        if let Some(entry) = index.and_then(|index| self.entries.get_mut(index)) {
            if message.title.both().is_empty() {
                message.title = entry.message().title.clone();
            }
            *entry = own(message);
        } else {
            self.by_name.insert(message.name.clone().into(), self.entries.len());
            self.entries.push(own(message));
        }
        Ok(())
    }

    /// The names of all messages, in the order in which they were added, which is that of [`Catalogue::find`].
    pub fn methods(&self) -> impl ExactSizeIterator<Item = &str> {
        self.entries.iter().map(Entry::name)
    }

    /// What names each kind, and its name, in the order of [`Catalogue::methods`].
    pub(crate) fn kinds(&self) -> impl Iterator<Item = (Naming, &str)> {
        self.entries.iter().map(|entry| (entry.naming(), entry.name()))
    }

    /// All messages, in the order of [`Catalogue::methods`].
    pub fn messages(&self) -> impl ExactSizeIterator<Item = &Message> {
        self.entries.iter().map(Entry::message)
    }

    /// The parameters of all flat notifications, and whether each is free text.
    pub fn parameters(&self) -> KnownParameters {
        KnownParameters::new(self.entries.iter().flat_map(Entry::parameters))
    }

    /// The message of that name, and the place it has among all.
    pub fn find(&self, naming: Naming, name: &str) -> Option<(usize, &Message)> {
        let (index, entry) = self.entry(name)?;
        (entry.naming() == naming).then(|| (index, entry.message()))
    }

    /// What is known under a name, whichever parameter holds it: a schema is known by the name alone.
    fn entry(&self, name: &str) -> Option<(usize, &Entry)> {
        let index = *self.by_name.get(name)?;
        Some((index, self.entries.get(index)?))
    }
}

impl Entry {
    /// The parameters that hold its fields, if it is flat: the name of the message, that of the field, and whether it is free text.
    fn parameters(&self) -> Vec<(&str, &str, bool)> {
        match self {
            Self::Builtin(Builtin { name, parameters, .. }) => {
                parameters.iter().map(|(field, is_free_text)| (*name, *field, *is_free_text)).collect()
            }
            Self::Own(own) => {
                let parameters = own.message.parameters().into_iter();
                parameters.map(|(field, is_free_text)| (self.name(), field, is_free_text)).collect()
            }
        }
    }

    /// What is wrong with one more file for its `name`, if anything is.
    fn clash(&self, naming: Naming, name: &str, has_fields: bool) -> Option<String> {
        let builtin = match self {
            Self::Own(own) => {
                return Some(format!(
                    "{name} is described at {}:{} too: keep one of them",
                    own.file, own.line
                ));
            }
            Self::Builtin(builtin) => builtin,
        };
        let known = builtin.file;
        if builtin.naming != naming {
            let (right, wrong) = (builtin.naming.parameter(), naming.parameter());
            Some(format!("{name} is a {right} in {known}, built in: write {right} in place of {wrong}"))
        } else if builtin.has_fields {
            Some(format!(
                "{name} has its fields in {known}, built in, which stay as they are: remove this file"
            ))
        } else if !has_fields {
            Some(format!(
                "{name} is known without fields from {known}, built in: list them, or remove this file"
            ))
        } else {
            None
        }
    }
}

impl fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.methods()).finish()
    }
}

/// The parameter that names a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Naming {
    /// `msg_method`, of the message service.
    MsgMethod,
    /// `notify_type`, of a flat notification.
    NotifyType,
}

impl Naming {
    /// The name of the parameter.
    pub const fn parameter(self) -> &'static str {
        match self {
            Self::MsgMethod => "msg_method",
            Self::NotifyType => "notify_type",
        }
    }
}

/// Where the fields of a message stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentPlace {
    /// In the JSON object of the parameter `biz_content`.
    BizContent,
    /// They are parameters of the notification.
    Parameters,
}

/// A kind of message.
#[derive(Debug, Clone)]
pub struct Message {
    /// The parameter that names it.
    pub naming: Naming,
    /// Its name, `[A-Za-z0-9._]{1,100}`.
    pub name: String,
    /// Where its fields stand.
    pub content: ContentPlace,
    /// What it tells.
    pub title: Words,
    /// Where the table of its fields comes from, if that is known.
    pub source: Option<Source>,
    /// What it holds; `None` if only its name is known.
    pub fields: Option<Fields>,
    /// The text of a JSON object that fits the fields: a `biz_content`, or the parameters as strings.
    pub example: Option<String>,
}

impl Message {
    /// The parameters that hold its fields, if it is flat, and whether each is free text.
    fn parameters(&self) -> Vec<(&str, bool)> {
        match (self.naming, self.content) {
            (Naming::MsgMethod, _) => Vec::new(),
            (Naming::NotifyType, ContentPlace::BizContent) => vec![("biz_content", true)],
            (Naming::NotifyType, ContentPlace::Parameters) => {
                let fields = self.fields.iter().flat_map(Fields::iter);
                fields.map(|field| (&*field.name, field.kind.is_free_text())).collect()
            }
        }
    }

    /// The example as the app gets it: the value of its `biz_content`. A message without one has none.
    pub fn translated_example(&self) -> Option<String> {
        let (mut out, mut violations) = (Vec::new(), Violations::default());
        let place = Place::top("biz_content");
        let example = self.example.as_deref()?;
        json::write_object(example, self.fields.as_ref(), &place, &mut out, &mut violations).ok()?;
        String::from_utf8(out).ok()
    }
}

/// A text for people, in two languages; a language that is not written is empty.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(try_from = "file::WrittenWords")]
pub struct Words {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

impl Words {
    /// The text in both languages, as far as it is written: empty, one, or both with a slash between.
    pub fn both(&self) -> String {
        let written = [&*self.zh, &*self.en];
        written.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" / ")
    }
}

/// Where a table of fields comes from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The page, or the place in the source.
    #[serde(deserialize_with = "file::told")]
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

impl SourceKind {
    /// As catalogue files write it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Documented => "documented",
            Self::Observed => "observed",
            Self::Code => "code",
        }
    }
}

/// The fields of one object, in the order of their source; each name once.
#[derive(Debug, Clone)]
pub struct Fields {
    list: Vec<Field>,
    exactly_one_of: Vec<Vec<String>>,
    complete: bool,
}

impl Fields {
    /// All fields, in the order of their source.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Field> {
        self.list.iter()
    }

    /// The field of that name, which is compared with case.
    pub fn find(&self, name: &str) -> Option<&Field> {
        self.list.iter().find(|field| field.name == name)
    }

    /// Groups of fields of which every message carries one, and one only.
    pub fn exactly_one_of(&self) -> &[Vec<String>] {
        &self.exactly_one_of
    }

    /// Whether these are all that are documented. Others pass as they come either way; where the table is complete,
    /// they are reported.
    pub fn is_complete(&self) -> bool {
        self.complete
    }
}

/// A field that is documented.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name in the JSON, or that of the parameter.
    pub name: String,
    /// What it may hold.
    pub kind: FieldType,
    /// Whether every message carries it.
    pub required: bool,
    /// What it means.
    pub description: Words,
}

/// What a field may hold, and what becomes of it.
#[derive(Debug, Clone)]
pub enum FieldType {
    /// Text, which stays as it is.
    Text {
        /// Its greatest length in characters, if one is documented.
        max_length: Option<usize>,
        /// Whether people or merchants write it, so that it may hold `&` and `=`. Of flat notifications alone.
        free_text: bool,
        /// Whether it comes percent-encoded, so that it is decoded once the signature was checked.
        encoded: bool,
    },
    /// One of some values: matched without case, written as spelled here.
    Enum {
        /// At least one; no two are alike but for case.
        values: Vec<EnumValue>,
    },
    /// A whole number of 64 bits, as text or as a number; it becomes a number.
    Integer,
    /// A number with its exact digits, such as an amount of money; it becomes a string, never a float.
    Decimal {
        /// Its greatest length in characters, if one is documented.
        max_length: Option<usize>,
    },
    /// A word for yes or no; it becomes `true` or `false`.
    Boolean {
        /// How it is spelled.
        spelling: Spelling,
    },
    /// Milliseconds since the epoch, as text or as a number; they become a number.
    TimestampMs,
    /// A time in Beijing, `yyyy-MM-dd HH:mm:ss` with or without a fraction; it becomes RFC 3339 with `+08:00`.
    DateTime,
    /// Text that holds a JSON object or list; it becomes that.
    Json {
        /// What the JSON holds, if that is documented.
        holds: Option<Box<Self>>,
    },
    /// A list.
    List {
        /// What each of its items is.
        items: Box<Self>,
    },
    /// An object.
    Object {
        /// What it holds.
        fields: Fields,
    },
}

impl FieldType {
    /// Whether people or merchants write it, or something in it. What is no text but JSON holds such texts, and a part
    /// of JSON is no JSON.
    fn is_free_text(&self) -> bool {
        matches!(self, Self::Text { free_text: true, .. } | Self::Json { .. })
    }
}

/// How a boolean is spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Spelling {
    /// `true` and `false`.
    #[serde(rename = "true/false")]
    TrueFalse,
    /// `Y` and `N`.
    #[serde(rename = "Y/N")]
    YesNo,
    /// `T` and `F`.
    #[serde(rename = "T/F")]
    TF,
}

impl Spelling {
    /// The two words: that for yes, and that for no.
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::TrueFalse => ("true", "false"),
            Self::YesNo => ("Y", "N"),
            Self::TF => ("T", "F"),
        }
    }
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
