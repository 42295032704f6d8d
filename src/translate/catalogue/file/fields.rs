//! What the fields in a catalogue file mean: the rules that hold for each of them.

use super::Mistakes;
use super::shape::{Entry, TypeName};
use crate::receive::form::is_name;
use crate::translate::catalogue::{EnumValue, Field, FieldType, Fields};
use crate::translate::parameters;

/// Where a field stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is a parameter.
    Parameter,
    /// It stands in JSON.
    Json,
    /// The mistakes in the file leave that open.
    Open,
}

/// The fields of one object, as far as they are sound.
pub(super) fn fields(
    entries: Vec<Entry>,
    standing: Standing,
    complete: bool,
    mistakes: &mut Mistakes<'_>,
) -> Fields {
    let mut list: Vec<Field> = Vec::with_capacity(entries.len());
    for mut entry in entries {
        let at = entry.at;
        let name = entry.name.take().unwrap_or_default();
        if name.is_empty() {
            mistakes.add(at, "a field has no name");
        } else if list.iter().any(|field| field.name == name) {
            mistakes.add(at, format!("the field {name:?} stands above already: remove one"));
        }
        let required = entry.required.take().unwrap_or_else(|| {
            mistakes.add(at, format!("the field {name:?} does not say whether it is `required`"));
            false
        });
        let description = std::mem::take(&mut entry.description);
        let who = format!("the field {name:?}");
        if let Some(kind) = entry.kind(&who, standing, complete, mistakes) {
            let field = Field { name, kind, required, description };
            if standing == Standing::Parameter {
                check_parameter(&field, at, mistakes);
            }
            list.push(field);
        }
    }
    Fields { list, exactly_one_of: Vec::new(), complete }
}

impl TypeName {
    const fn label(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Enum => "enum",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Boolean => "boolean",
            Self::TimestampMs => "timestamp_ms",
            Self::DateTime => "datetime",
            Self::Json => "json",
            Self::List => "list",
            Self::Object => "object",
        }
    }

    /// The keys that say more about a field of this type.
    const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::String => &["max_length", "free_text", "encoded"],
            Self::Enum => &["values"],
            Self::Decimal => &["max_length"],
            Self::Boolean => &["spelling"],
            Self::Json => &["holds"],
            Self::List => &["items"],
            Self::Object => &["fields"],
            Self::Integer | Self::TimestampMs | Self::DateTime => &[],
        }
    }
}

impl Entry {
    /// What it may hold. `who` is what messages call it.
    fn kind(
        self,
        who: &str,
        standing: Standing,
        complete: bool,
        mistakes: &mut Mistakes<'_>,
    ) -> Option<FieldType> {
        let (at, label) = (self.at, self.r#type.label());
        for key in self.keys().filter(|key| !self.r#type.keys().contains(key)) {
            mistakes.add(at, format!("{who} has the type {label}, which has no {key}: remove that"));
        }
        if self.max_length == Some(0) {
            mistakes.add(at, format!("{who} has no room: max_length is at least 1"));
        }
        if self.encoded.is_some() && standing == Standing::Json {
            mistakes
                .add(at, format!("{who} stands in JSON, where nothing is percent-encoded: remove encoded"));
        }
        if self.free_text.is_some() && standing == Standing::Json {
            mistakes
                .add(at, format!("{who} stands in JSON, where & and = are always welcome: remove free_text"));
        }
        let mut lacks = |key: &str| {
            mistakes.add(at, format!("{who} has the type {label}, and no {key}: add that"));
            None
        };
        Some(match self.r#type {
            TypeName::String => FieldType::Text {
                max_length: self.max_length,
                free_text: self.free_text.unwrap_or_default(),
                encoded: self.encoded.unwrap_or_default(),
            },
            TypeName::Enum => {
                let Some(values) = self.values else { return lacks("values") };
                if let Err(mistake) = check_values(&values) {
                    mistakes.add(at, format!("{who} {mistake}"));
                }
                FieldType::Enum { values }
            }
            TypeName::Integer => FieldType::Integer,
            TypeName::Decimal => FieldType::Decimal { max_length: self.max_length },
            TypeName::Boolean => match self.spelling {
                Some(spelling) => FieldType::Boolean { spelling },
                None => return lacks("spelling"),
            },
            TypeName::TimestampMs => FieldType::TimestampMs,
            TypeName::DateTime => FieldType::DateTime,
            TypeName::Json => FieldType::Json {
                holds: match self.holds {
                    Some(holds) => {
                        let kind = holds.nameless(&format!("what {who} holds"), complete, mistakes)?;
                        if !matches!(kind, FieldType::List { .. } | FieldType::Object { .. }) {
                            mistakes
                                .add(at, format!("{who} holds neither a list nor an object, as JSON does"));
                        }
                        Some(Box::new(kind))
                    }
                    None => None,
                },
            },
            TypeName::List => match self.items {
                Some(items) => FieldType::List {
                    items: Box::new(items.nameless(&format!("each item of {who}"), complete, mistakes)?),
                },
                None => return lacks("items"),
            },
            TypeName::Object => match self.fields {
                Some(entries) => {
                    FieldType::Object { fields: fields(entries, Standing::Json, complete, mistakes) }
                }
                None => return lacks("fields"),
            },
        })
    }

    /// What it may hold, for what a list or a text with JSON holds: a type, and nothing that belongs to a field.
    fn nameless(self, who: &str, complete: bool, mistakes: &mut Mistakes<'_>) -> Option<FieldType> {
        if self.name.is_some() || self.required.is_some() {
            mistakes.add(self.at, format!("{who} is no field: remove `name` and `required`"));
        }
        self.kind(who, Standing::Json, complete, mistakes)
    }

    /// The keys that are there and say more about the type.
    fn keys(&self) -> impl Iterator<Item = &'static str> {
        [
            ("max_length", self.max_length.is_some()),
            ("free_text", self.free_text.is_some()),
            ("encoded", self.encoded.is_some()),
            ("values", self.values.is_some()),
            ("spelling", self.spelling.is_some()),
            ("items", self.items.is_some()),
            ("holds", self.holds.is_some()),
            ("fields", self.fields.is_some()),
        ]
        .into_iter()
        .filter_map(|(key, is_there)| is_there.then_some(key))
    }
}

/// Parameters have plain names, and come as text.
fn check_parameter(field: &Field, at: usize, mistakes: &mut Mistakes<'_>) {
    let name = &field.name;
    // A notification with one of these two is of another kind.
    let is_taken = parameters::is_envelope(name) || matches!(&**name, "msg_method" | "service");
    if !name.is_empty() && (!is_name(name.as_bytes()) || is_taken) {
        mistakes.add(at, format!("the field {name:?} is no parameter that could be a field"));
    }
    if matches!(field.kind, FieldType::List { .. } | FieldType::Object { .. }) {
        mistakes
            .add(at, format!("the field {name:?} is a parameter, which is text: make it json, with `holds`"));
    }
}

fn check_values(values: &[EnumValue]) -> Result<(), String> {
    if values.is_empty() {
        return Err("is an enum without values: list them".to_owned());
    }
    for (index, EnumValue { spelling, .. }) in values.iter().enumerate() {
        if spelling.is_empty()
            || spelling.contains(|char: char| char.is_control() || matches!(char, '"' | '\\'))
        {
            return Err(format!(
                "has the value {spelling:?}: it may not be empty or hold characters to escape"
            ));
        }
        if values.iter().take(index).any(|before| before.spelling.eq_ignore_ascii_case(spelling)) {
            return Err(format!("has the value {spelling:?} twice: values are compared without case"));
        }
    }
    Ok(())
}
