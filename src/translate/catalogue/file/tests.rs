//! What a catalogue file may say, and what is said of its mistakes.

use crate::translate::catalogue::{Catalogue, CatalogueError, Naming};

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
    told(&errors)
}

fn told(errors: &[CatalogueError]) -> String {
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
        @"other.toml:1: a.b is described at my.toml:1 too: keep one of them");
    assert_eq!(catalogue.methods().len(), 1);
}

#[test]
fn a_name_is_taken_whichever_parameter_it_stands_in() {
    let mut catalogue = Catalogue::default();
    catalogue.add("my.toml", GOOD).unwrap();
    let errors = catalogue.add("flat.toml", "notify_type = 'a.b'").unwrap_err();
    insta::assert_snapshot!(errors[0],
        @"flat.toml:1: a.b is described at my.toml:1 too: keep one of them");
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
    my.toml:3: colour is no key here: the keys are msg_method, notify_type, content, complete, title, source, exactly_one_of, example, fields
    my.toml:6: type: unknown variant `enumm`, expected one of `string`, `enum`, `integer`, `decimal`, `boolean`, `timestamp_ms`, `datetime`, `json`, `list`, `object`
    my.toml:13: required: invalid type: string "no", expected a boolean
    my.toml:13: requierd is no key here: the keys are name, type, max_length, free_text, encoded, values, spelling, items, holds, fields, required, description
    my.toml:8: values: unknown field `speling`, expected `spelling` or `meaning`
    my.toml:1: msg_method is 1 to 100 letters, digits, dots and underscores
    my.toml:1: msg_method is 1 to 100 letters, digits, dots and underscores
    my.toml:10: the field "status" stands above already: remove one
    my.toml:10: a field has no name
    my.toml:10: the field "id" has no room: max_length is at least 1
    my.toml:13: max_length: invalid value: integer `-1`, expected usize
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

#[test]
fn mistakes_of_shape_and_of_meaning_are_told_together_each_at_its_line() {
    let text = "\
msg_method = 'a b'
complete = 'yes'
title = { zh = '', en = 'Mine' }
source = { page = 'mine', kind = 'guessed' }
colour = 'red'

[[fields]]
name = 'status'
type = 'enumm'
required = 'no'
requierd = true

[[fields]]
name = 'closed'
type = 'enum'
required = true
values = [{ speling = 'paid' }, { spelling = 3 }, { spelling = 'closed' }]

[[fields]]
name = 'list'
type = 'list'
required = false
items = { type = 'object', fields = [
    { name = 'a', type = 'text', required = true },
    { name = 'b', required = true },
    'c',
] }

[[fields]]
type = 'boolean'
required = false
";
    let errors = Catalogue::default().add("my.toml", text).unwrap_err();
    insta::assert_snapshot!(told(&errors), @r#"
    my.toml:1: msg_method is 1 to 100 letters, digits, dots and underscores
    my.toml:2: complete: invalid type: string "yes", expected a boolean
    my.toml:3: title: an empty text says nothing: write it, or leave it out
    my.toml:4: source: unknown variant `guessed`, expected one of `documented`, `observed`, `code`
    my.toml:5: colour is no key here: the keys are msg_method, notify_type, content, complete, title, source, exactly_one_of, example, fields
    my.toml:9: type: unknown variant `enumm`, expected one of `string`, `enum`, `integer`, `decimal`, `boolean`, `timestamp_ms`, `datetime`, `json`, `list`, `object`
    my.toml:10: required: invalid type: string "no", expected a boolean
    my.toml:11: requierd is no key here: the keys are name, type, max_length, free_text, encoded, values, spelling, items, holds, fields, required, description
    my.toml:17: values: unknown field `speling`, expected `spelling` or `meaning`
    my.toml:17: values: invalid type: integer `3`, expected a string
    my.toml:24: type: unknown variant `text`, expected one of `string`, `enum`, `integer`, `decimal`, `boolean`, `timestamp_ms`, `datetime`, `json`, `list`, `object`
    my.toml:25: the type of the field "b" is missing: add `type`
    my.toml:26: fields holds tables, and this is of the type string
    my.toml:29: a field has no name
    my.toml:29: the field "" has the type boolean, and no spelling: add that
    "#);
}

#[test]
fn all_mistakes_in_the_syntax_are_told() {
    let text = "msg_method = 'a.b\ncomplete = treu\ntitle = { zh = 'a' \n\n[[fields]]\nname = \n";
    insta::assert_snapshot!(told(&Catalogue::default().add("my.toml", text).unwrap_err()), @"
    my.toml:1: invalid literal string, expected `'`
    my.toml:2: invalid boolean, expected `true`
    my.toml:5: missing key for inline table element, expected `,`
    my.toml:6: missing comma between key-value pairs, expected `,`
    ");
}

#[test]
fn what_is_written_says_something() {
    insta::assert_snapshot!([
        mistakes("complete", "title = { zh = '', en = 'Mine' }\ncomplete"),
        mistakes("complete", "title = { zh = ' ' }\ncomplete"),
        mistakes("complete", "title = {}\ncomplete"),
        mistakes("complete", "source = { page = '', kind = 'code' }\ncomplete"),
        mistakes("required = false", "required = false\ndescription = { en = '' }"),
        mistakes("required = false", "required = false\ndescription = {}"),
        mistakes("'paid' }", "'paid', meaning = { zh = '' } }"),
    ].join("\n"), @"
    my.toml:2: title: an empty text says nothing: write it, or leave it out
    my.toml:2: title: an empty text says nothing: write it, or leave it out
    my.toml:2: title: it says nothing: write zh, en or both, or leave it out
    my.toml:2: source: an empty text says nothing: write it, or leave it out
    my.toml:14: description: an empty text says nothing: write it, or leave it out
    my.toml:14: description: it says nothing: write zh, en or both, or leave it out
    my.toml:8: values: an empty text says nothing: write it, or leave it out
    ");
}

#[test]
fn a_text_may_be_in_one_language() {
    let text = GOOD.replacen("complete", "title = { zh = '我的消息' }\ncomplete", 1);
    let mut catalogue = Catalogue::default();
    catalogue.add("my.toml", &text).unwrap();
    assert_eq!(catalogue.find(Naming::MsgMethod, "a.b").unwrap().1.title.both(), "我的消息");
}

#[test]
fn fields_that_are_parameters_are_told_at_their_lines() {
    let text = GOOD.replace("msg_method", "notify_type");
    let add = |text: &str| Catalogue::default().add("my.toml", text);
    add(&text).unwrap();
    insta::assert_snapshot!([
        text.replace("name = 'id'", "name = 'sign'"),
        text.replace("name = 'id'", "name = 'i d'"),
        text.replace("name = 'id'", "name = 'service'"),
        text.replace("type = 'string'", "type = 'list'\nitems = { type = 'string' }"),
        text.replace("type = 'string'", "type = 'object'\nfields = []"),
    ].map(|text| told(&add(&text).unwrap_err())).join("\n"), @r#"
    my.toml:10: the field "sign" is no parameter that could be a field
    my.toml:10: the field "i d" is no parameter that could be a field
    my.toml:10: the field "service" is no parameter that could be a field
    my.toml:10: the field "id" is a parameter, which is text: make it json, with `holds`
    my.toml:10: the field "id" is a parameter, which is text: make it json, with `holds`
    "#);
}

#[test]
fn a_group_names_each_field_once() {
    let twice = mistakes("complete", "exactly_one_of = [['id', 'id']]\ncomplete");
    assert!(twice.contains("exactly_one_of names \"id\" twice: remove one"), "{twice}");
}

#[test]
fn in_json_no_text_is_freer_than_another() {
    assert_eq!(
        mistakes("type = 'string'", "type = 'string'\nfree_text = true"),
        "my.toml:10: the field \"id\" stands in JSON, where & and = are always welcome: remove free_text"
    );
}

#[test]
fn nothing_in_json_is_percent_encoded() {
    let encoded = "type = 'string'\nencoded = true";
    let flat = |to: &str| GOOD.replace("msg_method", "notify_type").replace("type = 'string'", to);
    Catalogue::default().add("my.toml", &flat(encoded)).unwrap();
    let held = "type = 'json'\nholds = { type = 'list', items = { type = 'string', encoded = true } }";
    insta::assert_snapshot!([
        mistakes("type = 'string'", encoded),
        told(&Catalogue::default().add("my.toml", &flat(held)).unwrap_err()),
        told(&Catalogue::default()
            .add("my.toml", &format!("content = 'biz_content'\n{}", flat(encoded)))
            .unwrap_err()),
    ].join("\n"), @r#"
    my.toml:10: the field "id" stands in JSON, where nothing is percent-encoded: remove encoded
    my.toml:13: each item of what the field "id" holds stands in JSON, where nothing is percent-encoded: remove encoded
    my.toml:11: the field "id" stands in JSON, where nothing is percent-encoded: remove encoded
    "#);
}

#[test]
fn a_group_may_name_a_field_that_has_a_mistake_of_its_own() {
    let text = GOOD
        .replace("complete", "exactly_one_of = [['id', 'status']]\ncomplete")
        .replace("required = true", "required = 'no'");
    assert_eq!(Catalogue::default().add("my.toml", &text).unwrap_err().len(), 1);
}
