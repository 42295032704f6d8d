//! JSON Schema of the draft 2020-12, as far as it is needed here.

use serde::Serialize;
use serde::ser::Serializer;

/// A JSON Schema, with its keywords in the order in which people read them.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Schema {
    #[serde(rename = "$schema", skip_serializing_if = "Option::is_none")]
    pub(super) dialect: Option<&'static str>,
    #[serde(rename = "$id", skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    #[serde(rename = "$comment", skip_serializing_if = "Option::is_none")]
    pub(super) comment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Types::is_empty")]
    pub(super) types: Types,
    #[serde(rename = "const", skip_serializing_if = "Option::is_none")]
    pub(super) constant: Option<String>,
    #[serde(rename = "enum", skip_serializing_if = "Vec::is_empty")]
    pub(super) values: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) format: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pattern: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_length: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) minimum: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) maximum: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) items: Option<Box<Self>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) properties: Option<Properties>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) required: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) min_properties: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) additional_properties: Option<Additional>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) one_of: Vec<Self>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) all_of: Vec<Self>,
}

/// The types that a value may have: any, if there are none.
#[derive(Debug, Default, Serialize)]
#[serde(untagged)]
pub(super) enum Types {
    #[default]
    Any,
    One(&'static str),
    Several([&'static str; 2]),
}

impl Types {
    const fn is_empty(&self) -> bool {
        matches!(self, Self::Any)
    }
}

/// Properties, in the order of their source.
#[derive(Debug)]
pub(super) struct Properties(Vec<(String, Schema)>);

impl Serialize for Properties {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, schema)| (name, schema)))
    }
}

/// What properties that are not listed may be.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Additional {
    /// Anything, or not there at all.
    Allowed(bool),
    /// What the schema says.
    All(Box<Schema>),
}

impl Schema {
    /// Values of one type.
    pub(super) fn of_type(name: &'static str) -> Self {
        Self { types: Types::One(name), ..Self::default() }
    }

    /// Texts of which all match `pattern`.
    pub(super) fn matching(pattern: &'static str) -> Self {
        Self { pattern: Some(pattern), ..Self::of_type("string") }
    }

    /// Texts that are one of `values`.
    pub(super) fn one_of_texts<'v>(values: impl IntoIterator<Item = &'v str>) -> Self {
        let values = values.into_iter().map(ToOwned::to_owned).collect();
        Self { values, ..Self::of_type("string") }
    }

    /// Whole numbers from `minimum` to `maximum`.
    pub(super) fn integer(minimum: i64, maximum: i64) -> Self {
        Self { minimum: Some(minimum), maximum: Some(maximum), ..Self::of_type("integer") }
    }

    /// Times in RFC 3339, of the shape that `pattern` says. That they are real ones, `format` says.
    pub(super) fn time(pattern: &'static str) -> Self {
        Self { format: Some("date-time"), ..Self::matching(pattern) }
    }

    /// Objects with these properties, each with whether it is always there, and others unless they are `closed`.
    pub(super) fn object(properties: impl IntoIterator<Item = (String, bool, Self)>, closed: bool) -> Self {
        let mut object = Self::of_type("object");
        let mut list = Vec::new();
        for (name, is_required, schema) in properties {
            if is_required {
                object.required.push(name.clone());
            }
            list.push((name, schema));
        }
        object.properties = Some(Properties(list)).filter(|properties| !properties.0.is_empty());
        object.additional_properties = closed.then_some(Additional::Allowed(false));
        object
    }

    /// The same with a description, unless that is empty.
    pub(super) fn described(self, description: String) -> Self {
        Self { description: Some(description).filter(|text| !text.is_empty()), ..self }
    }
}
