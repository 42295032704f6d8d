//! The page of messages, for people.

use std::io::{self, Write};

use super::completeness;
use super::indented::indented;
use crate::translate::catalogue::{Catalogue, ContentPlace, EnumValue, FieldType, Fields, Message, Words};

/// What stands above the table.
const INTRODUCTION: &str = "\
# Messages / 消息

What the catalogue knows of each kind of message. `alipay-sidecar schema NAME` prints the JSON Schema of the whole body that
the app gets for one, `alipay-sidecar schema NAME --format markdown` its section of this page.

本页列出目录中的每一种消息。`alipay-sidecar schema 消息名` 输出应用收到的整个 JSON 的 JSON Schema。

| type / 类型 | in the JSON / 在 JSON 中 |
|---|---|
| `string(n)` | a string of at most n characters / 字符串，最多 n 个字符 |
| `enum` | a string, one of those listed, spelled as here / 字符串，取值和大小写如下表 |
| `integer` | a whole number of 64 bits / 64 位整数 |
| `decimal(n)` | a string with the exact digits, at most n characters / 字符串，数字原样，最多 n 个字符 |
| `boolean` | `true` or `false` / `true` 或 `false` |
| `timestamp_ms` | milliseconds since the epoch, as a number / 毫秒时间戳，数字 |
| `datetime` | RFC 3339 in Beijing time, `2024-03-15T10:30:00+08:00` / 北京时间 |
| `json` | the object or list that came as text / 原为文本的对象或列表 |
| `list`, `object` | a list or an object; `a[].b` and `a.b` are what stands in them / 列表或对象，`a[].b`、`a.b` 为其中的字段 |

A table is `complete` if it lists all fields that are documented: then any other is reported. With `incomplete` others are
known to exist; with `name only` nothing is known, and the content passes as it came.
`complete` 表示字段齐全，出现其他字段会被报告；`incomplete` 表示还有未列出的字段；`name only` 表示只知道名称，内容原样转发。

";

/// Writes the page of all messages of `catalogue`.
pub(super) fn page(catalogue: &Catalogue, out: &mut impl Write) -> io::Result<()> {
    out.write_all(INTRODUCTION.as_bytes())?;
    writeln!(out, "| message / 消息 | title / 标题 | table / 字段表 | source / 来源 |\n|---|---|---|---|")?;
    for message in catalogue.messages() {
        let name = &message.name;
        let anchor = name.to_ascii_lowercase().replace('.', "");
        let title = cell(&message.title.both());
        writeln!(
            out,
            "| [`{name}`](#{anchor}) | {title} | {} | {} |",
            completeness(message),
            cell(&source(message))
        )?;
    }
    for message in catalogue.messages() {
        writeln!(out)?;
        section(message, out)?;
    }
    Ok(())
}

/// Writes what is known of one message.
pub(super) fn section(message: &Message, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "## {}\n", message.name)?;
    let title = message.title.both();
    if !title.is_empty() {
        writeln!(out, "{title}\n")?;
    }
    let facts =
        [format!("`{}`", message.naming.parameter()), completeness(message).to_owned(), source(message)];
    let facts: Vec<&str> = facts.iter().map(|fact| &**fact).filter(|fact| !fact.is_empty()).collect();
    writeln!(out, "{}", facts.join(" · "))?;
    if let Some(fields) = &message.fields {
        writeln!(
            out,
            "\n| field / 字段 | type / 类型 | required / 必填 | 含义 | meaning |\n|---|---|---|---|---|"
        )?;
        rows("", fields, out)?;
        for group in fields.exactly_one_of() {
            let names: Vec<String> = group.iter().map(|name| format!("`{name}`")).collect();
            writeln!(out, "\nExactly one of / 有且仅有其一: {}", names.join(", "))?;
        }
    }
    if let (Some(example), Some(translated)) = (&message.example, message.translated_example()) {
        let place = match message.content {
            ContentPlace::BizContent => "`biz_content` as it comes / 收到的 `biz_content`",
            ContentPlace::Parameters => "Parameters as they come / 收到的参数",
        };
        writeln!(out, "\n{place}:\n\n```json\n{}```", indented(example))?;
        writeln!(
            out,
            "\n`biz_content` as the app gets it / 应用得到的 `biz_content`:\n\n```json\n{}```",
            indented(&translated)
        )?;
    }
    Ok(())
}

/// Writes a row for each field, and below it those for what it holds. `above` is the path to them.
fn rows(above: &str, fields: &Fields, out: &mut impl Write) -> io::Result<()> {
    for field in fields.iter() {
        let path = format!("{above}{}", field.name);
        let required = if field.required { "yes" } else { "no" };
        let Words { zh, en } = meaning(&field.description, &field.kind);
        let (kind, zh, en) = (label(&field.kind), cell(&zh), cell(&en));
        writeln!(out, "| `{}` | {kind} | {required} | {zh} | {en} |", cell(&path))?;
        if let Some((path, fields)) = within(path, &field.kind) {
            rows(&format!("{path}."), fields, out)?;
        }
    }
    Ok(())
}

/// The fields within a value, if it holds some, and the path to their object.
fn within(path: String, kind: &FieldType) -> Option<(String, &Fields)> {
    match kind {
        FieldType::Object { fields } => Some((path, fields)),
        FieldType::List { items } => within(format!("{path}[]"), items),
        FieldType::Json { holds } => within(path, holds.as_deref()?),
        FieldType::Text { .. }
        | FieldType::Enum { .. }
        | FieldType::Integer
        | FieldType::Decimal { .. }
        | FieldType::Boolean { .. }
        | FieldType::TimestampMs
        | FieldType::DateTime => None,
    }
}

/// The type of a field, in the words of catalogue files.
fn label(kind: &FieldType) -> String {
    let bounded = |name: &str, max: &Option<usize>| match max {
        Some(max) => format!("{name}({max})"),
        None => name.to_owned(),
    };
    match kind {
        FieldType::Text { max_length, .. } => bounded("string", max_length),
        FieldType::Enum { .. } => "enum".to_owned(),
        FieldType::Integer => "integer".to_owned(),
        FieldType::Decimal { max_length } => bounded("decimal", max_length),
        FieldType::Boolean { .. } => "boolean".to_owned(),
        FieldType::TimestampMs => "timestamp_ms".to_owned(),
        FieldType::DateTime => "datetime".to_owned(),
        FieldType::Json { holds: None } => "json".to_owned(),
        FieldType::Json { holds: Some(holds) } => format!("json: {}", label(holds)),
        FieldType::List { items } => format!("list of {}", label(items)),
        FieldType::Object { .. } => "object".to_owned(),
    }
}

/// What a field means, with the meaning of each of its values.
fn meaning(description: &Words, kind: &FieldType) -> Words {
    let FieldType::Enum { values } = kind else { return description.clone() };
    let with_values = |description: &str, between: [&str; 2], meaning_of: fn(&EnumValue) -> &str| {
        let values = values.iter().map(|value| {
            let text = format!("`{}` {}", value.spelling, meaning_of(value));
            text.trim_end().to_owned()
        });
        let values = values.collect::<Vec<_>>().join(between[1]);
        if description.is_empty() { values } else { format!("{description}{}{values}", between[0]) }
    };
    Words {
        zh: with_values(&description.zh, ["：", "；"], |value| &value.meaning.zh),
        en: with_values(&description.en, [": ", "; "], |value| &value.meaning.en),
    }
}

/// Where the table comes from, if that is known.
fn source(message: &Message) -> String {
    let source = message.source.as_ref();
    source.map(|source| format!("{}: {}", source.kind.label(), source.page)).unwrap_or_default()
}

/// `text` in the cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\r', '\n'], " ")
}
