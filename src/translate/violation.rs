//! Where a genuine notification departs from what is documented.

use std::fmt;

use super::catalogue::Fields;

/// How a documented field was departed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breach {
    /// A required field is not there.
    Missing,
    /// A field that is documented as text holds something else.
    NotText,
    /// A text is longer than this number of characters.
    TooLong(usize),
    /// A value is not among those listed in the catalogue.
    UnknownValue,
    /// A time is not a real `yyyy-MM-dd HH:mm:ss`.
    NotATime,
    /// A value is not a whole number of 64 bits.
    NotAnInteger,
    /// A value is not digits with or without a fraction.
    NotADecimal,
    /// A value is neither of the two words of its field.
    NotABoolean,
    /// A value is not milliseconds since the epoch.
    NotATimestamp,
    /// A text does not hold one JSON object or list.
    NotJson,
    /// A value is not a list.
    NotAList,
    /// A value is not an object.
    NotAnObject,
    /// A field is not in a table that is complete.
    Undocumented,
    /// Of a group of fields none is there, or more than one.
    NotExactlyOne,
}

/// A departure from what is documented: where, and how; never what stood there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    field: Box<str>,
    breach: Breach,
}

impl Violation {
    /// The path of the field in the JSON that goes to the upstream, as in `biz_content.mini_app_id`.
    ///
    /// It consists of documented names, and of plain names of parameters and fields, so it is safe to log.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// How the field departs from what is documented.
    pub fn breach(&self) -> Breach {
        self.breach
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("required, but missing"),
            Self::NotText => f.write_str("not a string"),
            Self::TooLong(max) => write!(f, "longer than {max} characters"),
            Self::UnknownValue => f.write_str("not one of the values in the catalogue"),
            Self::NotATime => f.write_str("not a real time of the form yyyy-MM-dd HH:mm:ss"),
            Self::NotAnInteger => f.write_str("not a whole number of 64 bits"),
            Self::NotADecimal => f.write_str("not digits with or without a fraction"),
            Self::NotABoolean => f.write_str("not one of the two words of this field"),
            Self::NotATimestamp => f.write_str("not milliseconds since the epoch"),
            Self::NotJson => f.write_str("not a text with one JSON object or list"),
            Self::NotAList => f.write_str("not a list"),
            Self::NotAnObject => f.write_str("not an object"),
            Self::Undocumented => f.write_str("not in the catalogue, whose table is complete"),
            Self::NotExactlyOne => f.write_str("not exactly one of a group of fields"),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.breach)
    }
}

/// The violations of one notification; the first few, so that a long list of wrong elements cannot flood the log.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Violations(Vec<Violation>);

/// How many violations of one notification are remembered.
const MAX_VIOLATIONS: usize = 16;

impl Violations {
    pub(super) fn add(&mut self, place: &Place<'_>, breach: Breach) {
        if self.0.len() < MAX_VIOLATIONS {
            self.0.push(Violation { field: place.to_string().into(), breach });
        }
    }

    /// Adds the fields that should be there and are not, as `is_there` tells.
    pub(super) fn add_missing(
        &mut self,
        fields: &Fields,
        place: &Place<'_>,
        is_there: impl Fn(&str) -> bool,
    ) {
        for field in fields.iter().filter(|field| field.required && !is_there(&field.name)) {
            self.add(&place.below(&field.name), Breach::Missing);
        }
        for group in fields.exactly_one_of() {
            if group.iter().filter(|name| is_there(name)).count() != 1 {
                self.add(&place.below(&group.join("|")), Breach::NotExactlyOne);
            }
        }
    }

    /// Forgets all but the first `count`.
    pub(super) fn truncate(&mut self, count: usize) {
        self.0.truncate(count);
    }

    pub(super) fn as_slice(&self) -> &[Violation] {
        &self.0
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, violation) in self.0.iter().enumerate() {
            write!(f, "{}{violation}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for Violations {}

/// Where a field stands: a chain on the stack, which becomes a path only when there is something to report.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'p> {
    above: Option<&'p Self>,
    name: &'p str,
}

impl<'p> Place<'p> {
    pub(super) const fn top(name: &'p str) -> Self {
        Self { above: None, name }
    }

    pub(super) const fn below<'q>(&'q self, name: &'q str) -> Place<'q>
    where
        'p: 'q,
    {
        Place { above: Some(self), name }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.above {
            Some(above) => write!(f, "{above}.{}", self.name),
            None => f.write_str(self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_every_level() {
        let top = Place::top("biz_content");
        let list = top.below("list");
        let mut violations = Violations::default();
        violations.add(&list.below("id"), Breach::TooLong(3));
        violations.add(&top.below("status"), Breach::Missing);
        insta::assert_snapshot!(violations,
            @"biz_content.list.id: longer than 3 characters; biz_content.status: required, but missing");
    }

    #[test]
    fn a_flood_of_violations_is_bounded() {
        let mut violations = Violations::default();
        for _ in 0..1000 {
            violations.add(&Place::top("notify_time"), Breach::NotATime);
        }
        assert_eq!(violations.as_slice().len(), MAX_VIOLATIONS);
    }
}
