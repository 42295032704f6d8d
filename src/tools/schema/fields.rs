//! Documented fields as JSON Schema.
//!
//! Each type says what `translate` writes for a value that fits, and nothing that it writes for one that does not; so
//! a body validates exactly if nothing in it is reported.

use super::json_schema::{Schema, Types};
use crate::translate::MAX_TIMESTAMP;
use crate::translate::catalogue::{EnumValue, Field, FieldType, Fields};

/// The shape of a time in Beijing.
pub(super) const BEIJING: &str =
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?\\+08:00$";
/// Digits with or without a fraction.
const DECIMAL: &str = "^-?(0|[1-9][0-9]*)(\\.[0-9]+)?$";

/// The schema of an object that holds `fields`.
pub(super) fn object(fields: &Fields) -> Schema {
    let properties = fields.iter().map(|field| (field.name.clone(), field.required, property(field)));
    let mut object = Schema::object(properties, fields.is_complete());
    let mut groups: Vec<Schema> = fields.exactly_one_of().iter().map(|group| exactly_one(group)).collect();
    if let [_] = &*groups {
        object.one_of = groups.pop().map(|group| group.one_of).unwrap_or_default();
    } else {
        object.all_of = groups;
    }
    object
}

/// The schema of objects that hold exactly one field of `group`.
fn exactly_one(group: &[String]) -> Schema {
    let holds = |name: &String| Schema { required: vec![name.clone()], ..Schema::default() };
    Schema { one_of: group.iter().map(holds).collect(), ..Schema::default() }
}

fn property(field: &Field) -> Schema {
    let mut description = field.description.both();
    if let FieldType::Enum { values } = &field.kind {
        for EnumValue { spelling, meaning } in values {
            let meaning = meaning.both();
            if !meaning.is_empty() {
                description.extend(["\n- ", spelling, ": ", &meaning]);
            }
        }
    }
    value(&field.kind).described(description)
}

/// The schema of a value of this type.
fn value(kind: &FieldType) -> Schema {
    match kind {
        FieldType::Text { max_length, .. } => Schema { max_length: *max_length, ..Schema::of_type("string") },
        FieldType::Enum { values } => Schema::one_of_texts(values.iter().map(|value| &*value.spelling)),
        FieldType::Integer => Schema::integer(i64::MIN, i64::MAX),
        FieldType::Decimal { max_length } => Schema { max_length: *max_length, ..Schema::matching(DECIMAL) },
        FieldType::Boolean { .. } => Schema::of_type("boolean"),
        FieldType::TimestampMs => Schema::integer(0, MAX_TIMESTAMP),
        FieldType::DateTime => Schema::time(BEIJING),
        FieldType::Json { holds: Some(holds) } => value(holds),
        FieldType::Json { holds: None } => {
            Schema { types: Types::Several(["object", "array"]), ..Schema::default() }
        }
        FieldType::List { items } => {
            Schema { items: Some(Box::new(value(items))), ..Schema::of_type("array") }
        }
        FieldType::Object { fields } => object(fields),
    }
}
