//! The parameters of a flat notification, written as the object that its content is.

use std::borrow::Cow;

use super::catalogue::{FieldType, Fields};
use super::json;
use super::typed::{self, Typed};
use super::violation::{Breach, Place, Violations};

/// The parameters of flat notifications that stand in the envelope, or were for the signature alone.
const ENVELOPE: [&str; 9] = [
    "notify_id",
    "notify_type",
    "notify_time",
    "app_id",
    "auth_app_id",
    "version",
    "charset",
    "sign",
    "sign_type",
];

/// Whether the parameter `name` of a flat notification belongs to its envelope, and is no field.
pub(super) fn is_envelope(name: &str) -> bool {
    ENVELOPE.contains(&name)
}

/// Writes `parameters` as one object, in the order received. `fields` are those documented, if any are.
pub(super) fn write_object(
    parameters: &[(Cow<'_, str>, Cow<'_, str>)],
    fields: Option<&Fields>,
    place: &Place<'_>,
    out: &mut Vec<u8>,
    violations: &mut Violations,
) -> serde_json::Result<()> {
    for (index, (name, value)) in parameters.iter().enumerate() {
        out.push(if index == 0 { b'{' } else { b',' });
        serde_json::to_writer(&mut *out, name)?;
        out.push(b':');
        if let Some(field) = fields.and_then(|fields| fields.find(name)) {
            write_value(value, &field.kind, &place.below(name), out, violations)?;
        } else {
            if fields.is_some_and(Fields::is_complete) {
                violations.add(&place.below(name), Breach::Undocumented);
            }
            serde_json::to_writer(&mut *out, value)?;
        }
    }
    out.extend_from_slice(if parameters.is_empty() { b"{}" } else { b"}" });
    if let Some(fields) = fields {
        violations.add_missing(fields, place, |wanted| parameters.iter().any(|(name, _)| name == wanted));
    }
    Ok(())
}

fn write_value(
    value: &str,
    kind: &FieldType,
    place: &Place<'_>,
    out: &mut Vec<u8>,
    violations: &mut Violations,
) -> serde_json::Result<()> {
    if let FieldType::Json { holds } = kind
        && json::write_text(value, holds.as_deref(), 1, place, out, violations)
    {
        return Ok(());
    }
    match typed::text(value, kind) {
        Ok(Typed::Same) => serde_json::to_writer(out, value),
        Ok(Typed::Token(token)) => {
            out.extend_from_slice(token.as_bytes());
            Ok(())
        }
        Ok(Typed::Number(number)) => serde_json::to_writer(out, &number),
        Ok(Typed::Text(text)) => serde_json::to_writer(out, &text),
        Err(breach) => {
            violations.add(place, breach);
            serde_json::to_writer(out, value)
        }
    }
}
