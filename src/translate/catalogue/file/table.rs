//! The keys of one table, taken one after another.

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::Mistakes;
use super::shape::{Entries, Entry, Given};

/// The keys of a field, which are those of what a list or a text with JSON holds too.
const ENTRY_KEYS: &[&str] = &[
    "name",
    "type",
    "max_length",
    "free_text",
    "encoded",
    "values",
    "spelling",
    "items",
    "holds",
    "fields",
    "required",
    "description",
];

/// A table from which one key after another is taken.
pub(super) struct Table<'i, 'm, 'f> {
    left: DeTable<'i>,
    is_sound: bool,
    mistakes: &'m mut Mistakes<'f>,
}

impl<'i, 'm, 'f> Table<'i, 'm, 'f> {
    pub(super) fn new(left: DeTable<'i>, mistakes: &'m mut Mistakes<'f>) -> Self {
        Self { left, is_sound: true, mistakes }
    }

    pub(super) fn take<T: DeserializeOwned>(&mut self, key: &str) -> Given<T> {
        let Some(value) = self.left.remove(key) else { return Given::Absent };
        let span = value.span();
        match self.value(key, value) {
            Some(value) => Given::Is(Spanned::new(span, value)),
            None => Given::Wrong,
        }
    }

    /// The items of the list at `key` that are of their kind.
    pub(super) fn take_list<T: DeserializeOwned>(&mut self, key: &str) -> Option<Vec<T>> {
        let items = self.items(key)?;
        Some(items.into_iter().filter_map(|item| self.value(key, item)).collect())
    }

    /// The fields in the list at `key`.
    pub(super) fn take_entries(&mut self, key: &str) -> Option<Entries> {
        let was_sound = self.is_sound;
        let items = self.items(key);
        let mut entries = Entries { has_others: was_sound && !self.is_sound, ..Entries::default() };
        if items.is_none() && !entries.has_others {
            return None;
        }
        for item in items.into_iter().flatten() {
            match self.entry(key, item) {
                Some(entry) => entries.sound.push(entry),
                None => entries.has_others = true,
            }
        }
        Some(entries)
    }

    /// What a list or a text with JSON holds.
    fn take_entry(&mut self, key: &str) -> Option<Box<Entry>> {
        let value = self.left.remove(key)?;
        self.entry(key, value).map(Box::new)
    }

    fn items(&mut self, key: &str) -> Option<Vec<Spanned<DeValue<'i>>>> {
        let value = self.left.remove(key)?;
        let at = value.span().start;
        let kind = value.get_ref().type_str();
        let DeValue::Array(items) = value.into_inner() else {
            self.refuse(at, &format!("{key} is a list, and this is of the type {kind}"));
            return None;
        };
        Some(items.into_iter().collect())
    }

    fn value<T: DeserializeOwned>(&mut self, key: &str, value: Spanned<DeValue<'i>>) -> Option<T> {
        let at = value.span().start;
        T::deserialize(ValueDeserializer::from(value))
            .map_err(|error| {
                let at = error.span().map_or(at, |span| span.start);
                self.refuse(at, &format!("{key}: {}", error.message()));
            })
            .ok()
    }

    fn entry(&mut self, key: &str, value: Spanned<DeValue<'i>>) -> Option<Entry> {
        let at = value.span().start;
        let kind = value.get_ref().type_str();
        let entry = if let DeValue::Table(table) = value.into_inner() {
            Table::new(table, self.mistakes).into_entry(at)
        } else {
            self.mistakes.add(at, format!("{key} holds tables, and this is of the type {kind}"));
            None
        };
        self.is_sound &= entry.is_some();
        entry
    }

    fn into_entry(mut self, at: usize) -> Option<Entry> {
        let name = self.take("name").bare();
        let r#type = match self.take("type") {
            Given::Is(r#type) => Some(r#type.into_inner()),
            Given::Wrong => None,
            Given::Absent => {
                let who = name.as_ref().map_or_else(String::new, |name| format!(" of the field {name:?}"));
                self.refuse(at, &format!("the type{who} is missing: add `type`"));
                None
            }
        };
        let max_length = self.take("max_length").bare();
        let free_text = self.take("free_text").bare();
        let encoded = self.take("encoded").bare();
        let values = self.take_list("values");
        let spelling = self.take("spelling").bare();
        let items = self.take_entry("items");
        let holds = self.take_entry("holds");
        let fields = self.take_entries("fields").map(|entries| entries.sound);
        let required = self.take("required").bare();
        let description = self.take("description").bare().unwrap_or_default();
        if !self.has_only(ENTRY_KEYS) {
            return None;
        }
        Some(Entry {
            at,
            name,
            r#type: r#type?,
            max_length,
            free_text,
            encoded,
            values,
            spelling,
            items,
            holds,
            fields,
            required,
            description,
        })
    }

    /// Whether nothing was wrong, and nothing is left: whatever is left are keys beside those `known`.
    pub(super) fn has_only(mut self, known: &[&str]) -> bool {
        for (key, _) in std::mem::take(&mut self.left) {
            let list = known.join(", ");
            self.refuse(key.span().start, &format!("{} is no key here: the keys are {list}", key.get_ref()));
        }
        self.is_sound
    }

    fn refuse(&mut self, at: usize, mistake: &str) {
        self.mistakes.add(at, mistake);
        self.is_sound = false;
    }
}
