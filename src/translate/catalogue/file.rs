//! A catalogue file as it is written, and the way from there to what it means.

use serde::Deserialize;
use toml::Spanned;

use super::{CatalogueError, EnumValue, Field, FieldType, Fields, Message, Source, Words};
use crate::translate::json;
use crate::translate::violation::{Place, Violations};

/// The message that the TOML `text` describes, or all mistakes in it.
///
/// `is_taken` says of a `msg_method` whether another file describes it.
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
    let MessageFile { msg_method, complete, title, source, example, fields } = written;
    check_method(&msg_method, is_taken, &mut mistakes);
    let mut known: Vec<Field> = Vec::with_capacity(fields.len());
    for written in fields {
        let line = written.span().start;
        let written = written.into_inner();
        if known.iter().any(|field| field.name == written.name) {
            mistakes.add(line, &format!("the field {:?} stands above already: remove one", written.name));
        }
        match written.kind() {
            Ok(kind) => known.push(written.with(kind)),
            Err(mistake) => mistakes.add(line, &format!("the field {:?} {mistake}", written.name)),
        }
    }
    let fields = Fields(known);
    // While a field is wrong, what the example says about the fields means nothing.
    if let Some(example) = example.as_ref().filter(|_| mistakes.found.is_empty()) {
        check_example(example, &fields, &mut mistakes);
    }
    if !mistakes.found.is_empty() {
        return Err(mistakes.found);
    }
    let example = example.map(Spanned::into_inner);
    Ok(Message { msg_method: msg_method.into_inner(), title, source, complete, fields, example })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageFile {
    msg_method: Spanned<String>,
    complete: bool,
    #[serde(default)]
    title: Words,
    source: Option<Source>,
    example: Option<Spanned<String>>,
    #[serde(default)]
    fields: Vec<Spanned<FieldEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldEntry {
    name: String,
    r#type: TypeName,
    max_length: Option<usize>,
    values: Option<Vec<EnumValue>>,
    required: bool,
    #[serde(default)]
    description: Words,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum TypeName {
    String,
    Enum,
}

impl FieldEntry {
    fn kind(&self) -> Result<FieldType, String> {
        if self.name.is_empty() {
            return Err("has no name".to_owned());
        }
        match (self.r#type, self.max_length, &self.values) {
            (TypeName::String, Some(0), None) => Err("has no room: max_length is at least 1".to_owned()),
            (TypeName::String, max_length, None) => Ok(FieldType::Text { max_length }),
            (TypeName::String, _, Some(_)) => {
                Err("is a string with values: make it an enum, or remove them".to_owned())
            }
            (TypeName::Enum, Some(_), _) => {
                Err("is an enum with max_length: its values say how long it is, so remove that".to_owned())
            }
            (TypeName::Enum, None, None) => Err("is an enum without values: list them".to_owned()),
            (TypeName::Enum, None, Some(values)) => {
                check_values(values)?;
                Ok(FieldType::Enum { values: values.clone() })
            }
        }
    }

    fn with(self, kind: FieldType) -> Field {
        Field { name: self.name, kind, required: self.required, description: self.description }
    }
}

fn check_method(method: &Spanned<String>, is_taken: impl Fn(&str) -> bool, mistakes: &mut Mistakes<'_>) {
    let (line, name) = (method.span().start, method.get_ref());
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_'));
    if !is_plain || name.is_empty() || name.len() > 100 {
        mistakes.add(line, "msg_method is 1 to 100 letters, digits, dots and underscores");
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

fn check_example(example: &Spanned<String>, fields: &Fields, mistakes: &mut Mistakes<'_>) {
    let mut violations = Violations::default();
    let mut out = Vec::new();
    let content = Place::top("biz_content");
    let line = example.span().start;
    match json::write_object(example.get_ref(), Some(fields), &content, &mut out, &mut violations) {
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
    use crate::translate::catalogue::Catalogue;

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
        let (index, message) = catalogue.find("a.b").unwrap();
        assert_eq!(index, 0);
        assert_eq!(message.fields.iter().map(|field| &*field.name).collect::<Vec<_>>(), ["status", "id"]);
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
        my.toml:1: missing field `complete`
        my.toml:3: unknown field `colour`, expected one of `msg_method`, `complete`, `title`, `source`, `example`, `fields`
        my.toml:6: unknown variant `enumm`, expected `string` or `enum`
        my.toml:13: invalid type: string "no", expected a boolean
        my.toml:13: unknown field `requierd`, expected one of `name`, `type`, `max_length`, `values`, `required`, `description`
        my.toml:8: unknown field `speling`, expected `spelling` or `meaning`
        my.toml:1: msg_method is 1 to 100 letters, digits, dots and underscores
        my.toml:1: msg_method is 1 to 100 letters, digits, dots and underscores
        my.toml:10: the field "status" stands above already: remove one
        my.toml:10: the field "" has no name
        my.toml:10: the field "id" has no room: max_length is at least 1
        my.toml:13: invalid value: integer `-1`, expected usize
        my.toml:10: the field "id" is a string with values: make it an enum, or remove them
        my.toml:10: the field "id" is an enum without values: list them
        my.toml:10: the field "id" is an enum without values: list them
        my.toml:4: the field "status" is an enum with max_length: its values say how long it is, so remove that
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
