//! A walk over the parsed TOML that takes typed values out and notes everything that is wrong, at its place.
//!
//! A value that is wrong is noted and replaced by the default, so that the walk goes on and finds the rest. What
//! was read counts only if nothing was noted: see [`Reader::finish`].

use std::borrow::Cow;
use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::expand::{ExpandError, expand};
use super::finding::{ConfigErrors, Finding, Place, in_order};
use super::known;
use super::source::{Source, quote};

/// What is wrong with a value, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) what: String,
    pub(super) remedy: String,
}

impl Problem {
    pub(super) fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: remedy.into() }
    }
}

/// A string of the file, with its variables filled in.
pub(super) struct Written<'a> {
    /// What it means.
    pub(super) text: Cow<'a, str>,
    /// Where it stands.
    pub(super) place: Place,
    /// The path of its key.
    pub(super) key: String,
    raw: &'a str,
    expanded: bool,
}

impl Written<'_> {
    /// The value as it stands in the file: a variable by its name, never by its value.
    pub(super) fn quoted(&self) -> String {
        let filled_in = if self.expanded { " (filled in)" } else { "" };
        format!("{}{filled_in}", quote(self.raw))
    }

    /// Whether a part of it came from the environment, so that no message may show it.
    pub(super) fn is_expanded(&self) -> bool {
        self.expanded
    }

    /// A problem whose text opens with the value as it stands in the file.
    pub(super) fn problem(&self, what: &str, remedy: impl Into<String>) -> Problem {
        Problem::new(format!("{} {what}", self.quoted()), remedy)
    }
}

/// The walk over one file.
pub(super) struct Reader<'a> {
    source: &'a Source<'a>,
    root: &'a DeTable<'a>,
    env: &'a dyn Fn(&str) -> Option<String>,
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
}

impl<'a> Reader<'a> {
    /// Starts the walk; whatever at the top is no section is noted.
    pub(super) fn new(
        source: &'a Source<'a>,
        root: &'a DeTable<'a>,
        env: &'a dyn Fn(&str) -> Option<String>,
    ) -> Self {
        let mut reader = Self { source, root, env, errors: Vec::new(), warnings: Vec::new() };
        for key in root.keys().filter(|key| !known::sections().any(|section| section == key.get_ref())) {
            let name = key.get_ref();
            let problem = Problem::new("is not a section", known::remedy_for_section(name));
            reader.error(Some(source.place(key.span().start)), &quote(name), problem);
        }
        reader
    }

    /// The section `[name]`, empty if the file has none.
    pub(super) fn section(&mut self, name: &'static str) -> Section<'_, 'a> {
        let value = self.root.get(name);
        let table = value.and_then(|value| value.get_ref().as_table());
        if let Some(value) = value
            && table.is_none()
        {
            let what = format!("is {}, not a section", article(value.get_ref()));
            let problem =
                Problem::new(what, format!("write [{name}] on a line of its own, and its keys below"));
            self.error(Some(self.source.place(value.span().start)), name, problem);
        }
        self.open(name, name.to_owned(), table)
    }

    /// The tables `[[name]]`, in their order. Anything else under that name is noted.
    pub(super) fn tables(&mut self, name: &'static str) -> Vec<(Place, &'a DeTable<'a>)> {
        self.tables_in(self.root.get(name), name)
    }

    /// The tables in the `value` of `name`, which is the path of a section.
    fn tables_in(
        &mut self,
        value: Option<&'a Spanned<DeValue<'a>>>,
        name: &str,
    ) -> Vec<(Place, &'a DeTable<'a>)> {
        let Some(value) = value else { return Vec::new() };
        let Some(items) = value.get_ref().as_array() else {
            let what = format!("is {}, not a list of tables", article(value.get_ref()));
            let problem =
                Problem::new(what, format!("write [[{name}]], with two brackets, above each of them"));
            self.error(Some(self.source.place(value.span().start)), name, problem);
            return Vec::new();
        };
        let mut tables = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let place = self.source.place(item.span().start);
            if let Some(table) = item.get_ref().as_table() {
                tables.push((place, table));
            } else {
                let what = format!("is {}, not a table", article(item.get_ref()));
                let problem = Problem::new(what, format!("write [[{name}]] above its keys"));
                self.error(Some(place), &format!("{name}[{index}]"), problem);
            }
        }
        tables
    }

    /// One of [`Reader::tables`] or of [`Section::tables`], to be read like a section; `path` is what messages call it.
    pub(super) fn open(
        &mut self,
        name: &'static str,
        path: String,
        table: Option<&'a DeTable<'a>>,
    ) -> Section<'_, 'a> {
        for key in table.into_iter().flat_map(DeTable::keys) {
            let key_name = key.get_ref();
            if !known::names_in(name).any(|known| known == key_name) {
                let problem = Problem::new("is not a key", known::remedy_for_key(name, key_name));
                let place = self.source.place(key.span().start);
                self.error(Some(place), &format!("{path}.{}", quote(key_name)), problem);
            }
        }
        Section { reader: self, table, path }
    }

    /// Notes an error.
    pub(super) fn error(&mut self, place: Option<Place>, key: &str, problem: Problem) {
        self.errors.push(finding(self.source, place, key, problem));
    }

    /// Notes a warning.
    pub(super) fn warn(&mut self, place: Option<Place>, key: &str, problem: Problem) {
        self.warnings.push(finding(self.source, place, key, problem));
    }

    /// Where the value of a key stands, if the file has it.
    pub(super) fn place(&self, section: &str, key: &str) -> Option<Place> {
        let value = self.root.get(section)?.get_ref().as_table()?.get(key)?;
        Some(self.source.place(value.span().start))
    }

    /// Whether nothing is wrong with these keys so far, so that a rule that compares them says something new.
    pub(super) fn are_sound(&self, keys: &[&str]) -> bool {
        !self.errors.iter().any(|error| keys.contains(&error.key.as_str()))
    }

    /// As [`Reader::are_sound`], for a key and everything in it.
    pub(super) fn are_sound_below(&self, prefix: &str) -> bool {
        !self.errors.iter().any(|error| error.key.starts_with(prefix))
    }

    /// The warnings in the order of lines, or all errors.
    pub(super) fn finish(self) -> Result<Vec<Finding>, ConfigErrors> {
        ConfigErrors::among(self.errors)?;
        let mut warnings = self.warnings;
        in_order(&mut warnings);
        Ok(warnings)
    }
}

/// A section of the file, from which its keys are taken.
pub(super) struct Section<'r, 'a> {
    reader: &'r mut Reader<'a>,
    table: Option<&'a DeTable<'a>>,
    path: String,
}

impl<'a> Section<'_, 'a> {
    /// A key whose value is a string that `parse` understands.
    pub(super) fn text<T>(
        &mut self,
        key: &str,
        default: T,
        parse: impl FnOnce(&Written<'a>) -> Result<T, Problem>,
    ) -> T {
        self.optional(key, parse).unwrap_or(default)
    }

    /// As [`Section::text`], for a key without a default. `None` if it is absent or wrong.
    pub(super) fn optional<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&Written<'a>) -> Result<T, Problem>,
    ) -> Option<T> {
        let value = self.value(key)?;
        self.parsed(value, &self.path_of(key), parse)
    }

    /// A key whose value is a list of strings that `parse` understands.
    pub(super) fn list<T>(
        &mut self,
        key: &str,
        default: Vec<T>,
        mut parse: impl FnMut(&Written<'a>) -> Result<T, Problem>,
    ) -> Vec<T> {
        let Some(value) = self.value(key) else { return default };
        let path = self.path_of(key);
        let Some(items) = value.get_ref().as_array() else {
            self.mistyped(value, &path, "a list", "put it in brackets: [\"…\"]");
            return default;
        };
        let mut parsed = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            parsed.extend(self.parsed(item, &format!("{path}[{index}]"), &mut parse));
        }
        parsed
    }

    /// The tables of a section in this one, such as `[[upstream.routes]]`; see [`Reader::tables`].
    pub(super) fn tables(&mut self, key: &str) -> Vec<(Place, &'a DeTable<'a>)> {
        let path = self.path_of(key);
        self.reader.tables_in(self.value(key), &path)
    }

    /// The section `[outer.key]` in this one, whose name is `name`; `None` if the file has none, or something else.
    pub(super) fn section(&mut self, name: &'static str, key: &str) -> Option<Section<'_, 'a>> {
        let value = self.value(key)?;
        let path = self.path_of(key);
        let Some(table) = value.get_ref().as_table() else {
            let remedy = format!("write [{name}] on a line of its own, and its keys below");
            self.mistyped(value, &path, "a section", &remedy);
            return None;
        };
        Some(self.reader.open(name, path, Some(table)))
    }

    /// A key whose value is a whole number.
    pub(super) fn number(&mut self, key: &str, default: usize, range: RangeInclusive<usize>) -> usize {
        let Some(value) = self.value(key) else { return default };
        let path = self.path_of(key);
        let Some(integer) = value.get_ref().as_integer() else {
            self.mistyped(value, &path, "a whole number", "write it in digits, without quotes");
            return default;
        };
        match usize::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(number) if range.contains(&number) => number,
            Ok(_) | Err(_) => {
                let what = format!("{} is out of range", quote(self.reader.source.raw(value.span())));
                let remedy = format!("write a number from {} to {}", range.start(), range.end());
                self.reader.error(Some(self.place_of(value)), &path, Problem::new(what, remedy));
                default
            }
        }
    }

    /// A key whose value is `true` or `false`.
    pub(super) fn boolean(&mut self, key: &str, default: bool) -> bool {
        let Some(value) = self.value(key) else { return default };
        value.get_ref().as_bool().unwrap_or_else(|| {
            let path = self.path_of(key);
            self.mistyped(value, &path, "true or false", "write true or false, without quotes");
            default
        })
    }

    /// Whether the file has this key, with a list that is empty.
    pub(super) fn is_empty_list(&self, key: &str) -> bool {
        self.value(key).and_then(|value| value.get_ref().as_array()).is_some_and(|items| items.is_empty())
    }

    /// Whether the file has this key, right or wrong.
    pub(super) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// How many errors were noted so far, in the whole file.
    pub(super) fn faults(&self) -> usize {
        self.reader.errors.len()
    }

    /// Notes an error about the value of a key.
    pub(super) fn refuse(&mut self, key: &str, problem: Problem) {
        let place = self.value(key).map(|value| self.place_of(value));
        self.reader.error(place, &self.path_of(key), problem);
    }

    fn value(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.and_then(|table| table.get(key))
    }

    fn path_of(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    fn place_of(&self, value: &Spanned<DeValue<'a>>) -> Place {
        self.reader.source.place(value.span().start)
    }

    fn parsed<T>(
        &mut self,
        value: &'a Spanned<DeValue<'a>>,
        key: &str,
        parse: impl FnOnce(&Written<'a>) -> Result<T, Problem>,
    ) -> Option<T> {
        let Some(text) = value.get_ref().as_str() else {
            self.mistyped(value, key, "a string", "put it in quotes, with its unit if it has one");
            return None;
        };
        let place = self.place_of(value);
        let result = match expand(text, self.reader.env) {
            Ok(text) => {
                // A doubled dollar changes the text too, but shows nothing of the environment.
                let expanded = matches!(&text, Cow::Owned(_));
                let raw = self.reader.source.raw(value.span());
                parse(&Written { text, place, key: key.to_owned(), raw, expanded })
            }
            Err(ExpandError::Unset(name)) => Err(Problem::new(
                format!("the environment variable {} is not set", quote(&name)),
                "set it, or write $${ for a literal ${",
            )),
            Err(ExpandError::Malformed) => Err(Problem::new(
                "there is a ${ that is not followed by a name and a }",
                "write ${NAME}, or $${ for a literal ${; there are no defaults as in ${NAME:-x}",
            )),
        };
        result.map_err(|problem| self.reader.error(Some(place), key, problem)).ok()
    }

    /// Notes a value of the wrong type. Its text is not quoted: it may be a key in the wrong place.
    fn mistyped(&mut self, value: &Spanned<DeValue<'a>>, path: &str, wanted: &str, remedy: &str) {
        let what = format!("{wanted} is expected, and this is {}", article(value.get_ref()));
        self.reader.error(Some(self.place_of(value)), path, Problem::new(what, remedy));
    }
}

fn finding(source: &Source<'_>, place: Option<Place>, key: &str, problem: Problem) -> Finding {
    Finding { file: source.file(), place, key: key.to_owned(), what: problem.what, remedy: problem.remedy }
}

fn article(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
