//! A catalogue file as it is written, and the way from there to what it means.

use std::collections::HashMap;

use serde::Deserialize;
use toml::Spanned;

use super::{
    CatalogueError, ContentPlace, EnumValue, Field, FieldType, Fields, Message, Naming, Source, Spelling,
    Words,
};
use crate::receive::form::is_name;
use crate::translate::json;
use crate::translate::parameters;
use crate::translate::violation::{Place, Violations};

/// The message that the TOML `text` describes, or all mistakes in it.
///
/// `is_taken` says of a name whether another file describes it.
pub(super) fn parse(
    file: &str,
    text: &str,
    is_taken: impl Fn(&str) -> bool,
) -> Result<Message, Vec<CatalogueError>> {
    let mut mistakes = Mistakes { file, text, found: Vec::new() };
    let written: MessageFile = match toml::from_str(text) {
        Ok(written) => written,
        Err(error) => {
            mistakes.add(error.span().unwrap_or_default().start, error.message());
            return Err(mistakes.found);
        }
    };
    let message = written.message(is_taken, &mut mistakes);
    message.filter(|_| mistakes.found.is_empty()).ok_or(mistakes.found)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageFile {
    msg_method: Option<Spanned<String>>,
    notify_type: Option<Spanned<String>>,
    content: Option<Spanned<ContentPlace>>,
    complete: Option<Spanned<bool>>,
    #[serde(default)]
    title: Words,
    source: Option<Source>,
    #[serde(default)]
    exactly_one_of: Vec<Spanned<Vec<String>>>,
    example: Option<Spanned<String>>,
    #[serde(default)]
    fields: Vec<Spanned<Entry>>,
}

/// A field; or, without a name, what a list or a text with JSON holds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: Option<String>,
    r#type: TypeName,
    max_length: Option<usize>,
    free_text: Option<bool>,
    encoded: Option<bool>,
    values: Option<Vec<EnumValue>>,
    spelling: Option<Spelling>,
    items: Option<Box<Spanned<Self>>>,
    holds: Option<Box<Spanned<Self>>>,
    fields: Option<Vec<Spanned<Self>>>,
    required: Option<bool>,
    #[serde(default)]
    description: Words,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TypeName {
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

impl MessageFile {
    fn message(self, is_taken: impl Fn(&str) -> bool, mistakes: &mut Mistakes<'_>) -> Option<Message> {
        let (naming, name) = match (self.msg_method, self.notify_type) {
            (Some(name), None) => (Naming::MsgMethod, name),
            (None, Some(name)) => (Naming::NotifyType, name),
            (None, None) => {
                mistakes.add(0, "there is no msg_method, and no notify_type: write the name of the message");
                return None;
            }
            (Some(_), Some(second)) => {
                mistakes.add(
                    second.span().start,
                    "there are a msg_method and a notify_type: keep the one that names it",
                );
                return None;
            }
        };
        check_name(naming, &name, is_taken, mistakes);
        let content = match (naming, self.content) {
            (Naming::MsgMethod, Some(content)) => {
                mistakes.add(
                    content.span().start,
                    "content goes with notify_type: that of a msg_method is biz_content",
                );
                ContentPlace::BizContent
            }
            (Naming::MsgMethod, None) => ContentPlace::BizContent,
            (Naming::NotifyType, content) => content.map_or(ContentPlace::Parameters, Spanned::into_inner),
        };
        let fields = match (self.complete, self.fields.is_empty()) {
            (Some(complete), false) => Some(fields(self.fields, complete.into_inner(), mistakes)),
            (None, true) => None,
            (Some(complete), true) => {
                let what = "complete speaks of fields, and there are none: list them, or remove it";
                mistakes.add(complete.span().start, what);
                None
            }
            (None, false) => {
                mistakes.add(0, "complete is missing: say whether `fields` are all that is documented");
                None
            }
        };
        let mut fields = fields;
        for group in self.exactly_one_of {
            add_group(group, fields.as_mut(), mistakes);
        }
        if content == ContentPlace::Parameters {
            check_parameters(fields.as_ref(), mistakes);
        }
        // While a field is wrong, what the example says about the fields means nothing.
        if let Some(example) = self.example.as_ref().filter(|_| mistakes.found.is_empty()) {
            check_example(example, content, fields.as_ref(), mistakes);
        }
        let (title, source, example) = (self.title, self.source, self.example.map(Spanned::into_inner));
        Some(Message { naming, name: name.into_inner(), content, title, source, fields, example })
    }
}

fn fields(entries: Vec<Spanned<Entry>>, complete: bool, mistakes: &mut Mistakes<'_>) -> Fields {
    let mut list: Vec<Field> = Vec::with_capacity(entries.len());
    for entry in entries {
        let line = entry.span().start;
        let mut entry = entry.into_inner();
        let name = entry.name.take().unwrap_or_default();
        if name.is_empty() {
            mistakes.add(line, "a field has no name");
        } else if list.iter().any(|field| field.name == name) {
            mistakes.add(line, &format!("the field {name:?} stands above already: remove one"));
        }
        let required = entry.required.take().unwrap_or_else(|| {
            mistakes.add(line, &format!("the field {name:?} does not say whether it is `required`"));
            false
        });
        let description = std::mem::take(&mut entry.description);
        let who = format!("the field {name:?}");
        if let Some(kind) = entry.kind(line, &who, complete, mistakes) {
            list.push(Field { name, kind, required, description });
        }
    }
    Fields { list, exactly_one_of: Vec::new(), complete }
}

impl Entry {
    /// What it may hold. `who` is what messages call it.
    fn kind(self, line: usize, who: &str, complete: bool, mistakes: &mut Mistakes<'_>) -> Option<FieldType> {
        let label = self.r#type.label();
        for key in self.keys().filter(|key| !self.r#type.keys().contains(key)) {
            mistakes.add(line, &format!("{who} has the type {label}, which has no {key}: remove that"));
        }
        if self.max_length == Some(0) {
            mistakes.add(line, &format!("{who} has no room: max_length is at least 1"));
        }
        let mut lacks = |key: &str| {
            mistakes.add(line, &format!("{who} has the type {label}, and no {key}: add that"));
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
                    mistakes.add(line, &format!("{who} {mistake}"));
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
                        let kind = nameless(*holds, &format!("what {who} holds"), complete, mistakes)?;
                        if !matches!(kind, FieldType::List { .. } | FieldType::Object { .. }) {
                            mistakes.add(
                                line,
                                &format!("{who} holds neither a list nor an object, as JSON does"),
                            );
                        }
                        Some(Box::new(kind))
                    }
                    None => None,
                },
            },
            TypeName::List => match self.items {
                Some(items) => FieldType::List {
                    items: Box::new(nameless(*items, &format!("each item of {who}"), complete, mistakes)?),
                },
                None => return lacks("items"),
            },
            TypeName::Object => match self.fields {
                Some(entries) => FieldType::Object { fields: fields(entries, complete, mistakes) },
                None => return lacks("fields"),
            },
        })
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

/// What a list or a text with JSON holds: a type, and nothing that belongs to a field.
fn nameless(
    entry: Spanned<Entry>,
    who: &str,
    complete: bool,
    mistakes: &mut Mistakes<'_>,
) -> Option<FieldType> {
    let line = entry.span().start;
    let entry = entry.into_inner();
    if entry.name.is_some() || entry.required.is_some() {
        mistakes.add(line, &format!("{who} is no field: remove `name` and `required`"));
    }
    entry.kind(line, who, complete, mistakes)
}

/// Adds a group of fields of which a message carries exactly one.
fn add_group(group: Spanned<Vec<String>>, fields: Option<&mut Fields>, mistakes: &mut Mistakes<'_>) {
    let line = group.span().start;
    let group = group.into_inner();
    let Some(fields) = fields.filter(|_| group.len() > 1) else {
        mistakes.add(line, "exactly_one_of names two or more fields in each group");
        return;
    };
    for name in &group {
        if fields.find(name).is_none_or(|field| field.required) {
            mistakes.add(line, &format!("exactly_one_of names {name:?}, which is no optional field"));
        }
    }
    fields.exactly_one_of.push(group);
}

/// Parameters have plain names, and come as text.
fn check_parameters(fields: Option<&Fields>, mistakes: &mut Mistakes<'_>) {
    for field in fields.into_iter().flat_map(Fields::iter) {
        if !is_name(field.name.as_bytes()) || parameters::is_envelope(&field.name) {
            let what = format!("the field {:?} is no parameter that could be a field", field.name);
            mistakes.add(0, &what);
        }
        if matches!(field.kind, FieldType::List { .. } | FieldType::Object { .. }) {
            let what = format!(
                "the field {:?} is a parameter, which is text: make it json, with `holds`",
                field.name
            );
            mistakes.add(0, &what);
        }
    }
}

fn check_name(
    naming: Naming,
    name: &Spanned<String>,
    is_taken: impl Fn(&str) -> bool,
    mistakes: &mut Mistakes<'_>,
) {
    let (line, name) = (name.span().start, name.get_ref());
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_'));
    if !is_plain || name.is_empty() || name.len() > 100 {
        let parameter = naming.parameter();
        mistakes.add(line, &format!("{parameter} is 1 to 100 letters, digits, dots and underscores"));
    } else if is_taken(name) {
        mistakes.add(line, &format!("{name} is described by another file already: remove one of them"));
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

fn check_example(
    example: &Spanned<String>,
    content: ContentPlace,
    fields: Option<&Fields>,
    mistakes: &mut Mistakes<'_>,
) {
    let mut violations = Violations::default();
    let mut out = Vec::new();
    let place = Place::top("biz_content");
    let line = example.span().start;
    let text = example.get_ref();
    if content == ContentPlace::Parameters && serde_json::from_str::<HashMap<String, String>>(text).is_err() {
        mistakes.add(line, "the example is not one JSON object of texts, as parameters are");
        return;
    }
    match json::write_object(text, fields, &place, &mut out, &mut violations) {
        Err(malformed) => mistakes.add(line, &format!("the example is not one JSON object: {malformed}")),
        Ok(()) if violations.as_slice().is_empty() => {}
        Ok(()) => mistakes.add(line, &format!("the example does not fit the fields: {violations}")),
    }
}

struct Mistakes<'f> {
    file: &'f str,
    text: &'f str,
    found: Vec<CatalogueError>,
}

impl Mistakes<'_> {
    /// Adds a mistake that was made at the byte `at`.
    fn add(&mut self, at: usize, mistake: &str) {
        let breaks = self.text.bytes().take(at).filter(|byte| *byte == b'\n').count();
        let (file, mistake) = (self.file.to_owned(), mistake.to_owned());
        self.found.push(CatalogueError { file, line: breaks.saturating_add(1), mistake });
    }
}

#[cfg(test)]
mod tests {
    use crate::translate::catalogue::{Catalogue, Naming};

    const GOOD: &str = "\
msg_method = 'a.b'
complete = true

[[fields]]
name = 'status'
type = 'enum'
required = true
values = [{ spelling = 'paid' }, { spelling = 'closed' }]

[[fields]]
name = 'id'
type = 'string'
required = false
";

    /// The mistakes in the good file with one change.
    fn mistakes(from: &str, to: &str) -> String {
        assert!(GOOD.contains(from), "{from}");
        let errors = Catalogue::default().add("my.toml", &GOOD.replacen(from, to, 1)).unwrap_err();
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn descriptions_are_optional() {
        let mut catalogue = Catalogue::default();
        catalogue.add("my.toml", GOOD).unwrap();
        let (index, message) = catalogue.find(Naming::MsgMethod, "a.b").unwrap();
        assert_eq!(index, 0);
        let fields = message.fields.as_ref().unwrap();
        assert_eq!(fields.iter().map(|field| &*field.name).collect::<Vec<_>>(), ["status", "id"]);
        assert!(message.title.zh.is_empty() && message.source.is_none() && message.example.is_none());
    }

    #[test]
    fn a_method_that_another_file_describes_is_refused() {
        let mut catalogue = Catalogue::default();
        catalogue.add("my.toml", GOOD).unwrap();
        let errors = catalogue.add("other.toml", GOOD).unwrap_err();
        insta::assert_snapshot!(errors[0],
            @"other.toml:1: a.b is described by another file already: remove one of them");
        assert_eq!(catalogue.methods().len(), 1);
    }

    #[test]
    fn a_name_is_taken_whichever_parameter_it_stands_in() {
        let mut catalogue = Catalogue::default();
        catalogue.add("my.toml", GOOD).unwrap();
        let errors = catalogue.add("flat.toml", "notify_type = 'a.b'").unwrap_err();
        insta::assert_snapshot!(errors[0],
            @"flat.toml:1: a.b is described by another file already: remove one of them");
    }

    #[test]
    fn mistakes_are_named_with_file_and_line() {
        insta::assert_snapshot!([
            mistakes("complete = true", "complete = treu"),
            mistakes("complete = true\n", ""),
            mistakes("complete = true", "complete = true\ncolour = 'red'"),
            mistakes("type = 'enum'", "type = 'enumm'"),
            mistakes("required = false", "required = 'no'"),
            mistakes("required = false", "requierd = false"),
            mistakes("{ spelling = 'paid' }", "{ speling = 'paid' }"),
            mistakes("'a.b'", "'a b'"),
            mistakes("'a.b'", "''"),
            mistakes("name = 'id'", "name = 'status'"),
            mistakes("name = 'id'", "name = ''"),
            mistakes("type = 'string'", "type = 'string'\nmax_length = 0"),
            mistakes("type = 'string'", "type = 'string'\nmax_length = -1"),
            mistakes("type = 'string'", "type = 'string'\nvalues = []"),
            mistakes("type = 'string'", "type = 'enum'"),
            mistakes("type = 'string'", "type = 'enum'\nvalues = []"),
            mistakes("type = 'enum'", "type = 'enum'\nmax_length = 3"),
            mistakes("'closed'", "'PAID'"),
            mistakes("'closed'", "'a\\b'"),
            mistakes("complete", "example = '{}'\ncomplete"),
            mistakes("complete", "example = '[]'\ncomplete"),
        ].join("\n"), @r#"
        my.toml:2: invalid boolean, expected `true`
        my.toml:1: complete is missing: say whether `fields` are all that is documented
        my.toml:3: unknown field `colour`, expected one of `msg_method`, `notify_type`, `content`, `complete`, `title`, `source`, `exactly_one_of`, `example`, `fields`
        my.toml:6: unknown variant `enumm`, expected one of `string`, `enum`, `integer`, `decimal`, `boolean`, `timestamp_ms`, `datetime`, `json`, `list`, `object`
        my.toml:13: invalid type: string "no", expected a boolean
        my.toml:13: unknown field `requierd`, expected one of `name`, `type`, `max_length`, `free_text`, `encoded`, `values`, `spelling`, `items`, `holds`, `fields`, `required`, `description`
        my.toml:8: unknown field `speling`, expected `spelling` or `meaning`
        my.toml:1: msg_method is 1 to 100 letters, digits, dots and underscores
        my.toml:1: msg_method is 1 to 100 letters, digits, dots and underscores
        my.toml:10: the field "status" stands above already: remove one
        my.toml:10: a field has no name
        my.toml:10: the field "id" has no room: max_length is at least 1
        my.toml:13: invalid value: integer `-1`, expected usize
        my.toml:10: the field "id" has the type string, which has no values: remove that
        my.toml:10: the field "id" has the type enum, and no values: add that
        my.toml:10: the field "id" is an enum without values: list them
        my.toml:4: the field "status" has the type enum, which has no max_length: remove that
        my.toml:4: the field "status" has the value "PAID" twice: values are compared without case
        my.toml:4: the field "status" has the value "a\\b": it may not be empty or hold characters to escape
        my.toml:2: the example does not fit the fields: biz_content.status: required, but missing
        my.toml:2: the example is not one JSON object: at byte 0: not a JSON object
        "#);
    }

    #[test]
    fn all_mistakes_are_reported_at_once() {
        let text = GOOD.replace("'a.b'", "''").replace("'closed'", "'paid'").replace("'id'", "''");
        assert_eq!(Catalogue::default().add("my.toml", &text).unwrap_err().len(), 3);
    }
}
