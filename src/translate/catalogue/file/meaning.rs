//! What a catalogue file means as a whole: the rules that hold between its keys.

use std::collections::HashMap;

use toml::Spanned;

use super::Mistakes;
use super::fields::{Standing, fields};
use super::shape::{Entries, Given, Written};
use crate::translate::catalogue::{ContentPlace, Fields, Message, Naming};
use crate::translate::json;
use crate::translate::violation::{Place, Violations};

/// The message that was written, and the byte at which it is named. `None` if the mistakes leave no message.
pub(super) fn message(
    written: Written,
    clash: impl FnOnce(Naming, &str, bool) -> Option<String>,
    mistakes: &mut Mistakes<'_>,
) -> Option<(Message, usize)> {
    let has_fields = written.fields.has_others || !written.fields.sound.is_empty();
    let named = named(written.msg_method, written.notify_type, mistakes);
    if let Some((naming, name)) = &named {
        check_name(*naming, name, |name| clash(*naming, name, has_fields), mistakes);
    }
    let naming = named.as_ref().map(|(naming, _)| *naming);
    let content = content(naming, written.content, mistakes);
    let mut table = table(written.complete, written.fields, has_fields, content, mistakes);
    for group in written.exactly_one_of {
        add_group(group, table.as_mut(), mistakes);
    }
    let ((naming, name), content) = (named?, content?);
    let fields = table.map(|table| table.fields);
    // While a field is wrong, what the example says about the fields means nothing.
    if let Some(example) = written.example.as_ref().filter(|_| mistakes.found.is_empty()) {
        check_example(example, content, fields.as_ref(), mistakes);
    }
    let (title, source, example) = (written.title, written.source, written.example.map(Spanned::into_inner));
    let at = name.span().start;
    Some((Message { naming, name: name.into_inner(), content, title, source, fields, example }, at))
}

fn named(
    msg_method: Given<String>,
    notify_type: Given<String>,
    mistakes: &mut Mistakes<'_>,
) -> Option<(Naming, Spanned<String>)> {
    match (msg_method, notify_type) {
        (Given::Is(name), Given::Absent) => Some((Naming::MsgMethod, name)),
        (Given::Absent, Given::Is(name)) => Some((Naming::NotifyType, name)),
        (Given::Absent, Given::Absent) => {
            mistakes.add(0, "there is no msg_method, and no notify_type: write the name of the message");
            None
        }
        (Given::Is(_), Given::Is(second)) => {
            let what = "there are a msg_method and a notify_type: keep the one that names it";
            mistakes.add(second.span().start, what);
            None
        }
        (Given::Wrong, _) | (_, Given::Wrong) => None,
    }
}

fn content(
    naming: Option<Naming>,
    written: Given<ContentPlace>,
    mistakes: &mut Mistakes<'_>,
) -> Option<ContentPlace> {
    match (naming?, written) {
        (_, Given::Wrong) => None,
        (Naming::MsgMethod, Given::Absent) => Some(ContentPlace::BizContent),
        (Naming::MsgMethod, Given::Is(content)) => {
            let what = "content goes with notify_type: that of a msg_method is biz_content";
            mistakes.add(content.span().start, what);
            Some(ContentPlace::BizContent)
        }
        (Naming::NotifyType, Given::Absent) => Some(ContentPlace::Parameters),
        (Naming::NotifyType, Given::Is(content)) => Some(content.into_inner()),
    }
}

/// The fields of the message, as far as they are sound.
struct Table {
    fields: Fields,
    /// Whether there are others.
    has_others: bool,
}

fn table(
    complete: Given<bool>,
    entries: Entries,
    has_fields: bool,
    content: Option<ContentPlace>,
    mistakes: &mut Mistakes<'_>,
) -> Option<Table> {
    let complete = match (complete, has_fields) {
        (Given::Is(complete), true) => complete.into_inner(),
        (Given::Absent | Given::Wrong, false) => return None,
        (Given::Is(complete), false) => {
            let what = "complete speaks of fields, and there are none: list them, or remove it";
            mistakes.add(complete.span().start, what);
            return None;
        }
        (Given::Wrong, true) => false,
        (Given::Absent, true) => {
            mistakes.add(0, "complete is missing: say whether `fields` are all that is documented");
            false
        }
    };
    let standing = match content {
        Some(ContentPlace::Parameters) => Standing::Parameter,
        Some(ContentPlace::BizContent) => Standing::Json,
        None => Standing::Open,
    };
    let count = entries.sound.len();
    let fields = fields(entries.sound, standing, complete, mistakes);
    let has_others = entries.has_others || fields.list.len() < count;
    Some(Table { fields, has_others })
}

/// Adds a group of fields of which a message carries exactly one.
fn add_group(group: Spanned<Vec<String>>, table: Option<&mut Table>, mistakes: &mut Mistakes<'_>) {
    let at = group.span().start;
    let group = group.into_inner();
    let Some(Table { fields, has_others }) = table.filter(|_| group.len() > 1) else {
        mistakes.add(at, "exactly_one_of names two or more fields in each group");
        return;
    };
    for (index, name) in group.iter().enumerate() {
        if group.iter().take(index).any(|before| before == name) {
            mistakes.add(at, format!("exactly_one_of names {name:?} twice: remove one"));
        }
        // One that is not found may be among those with mistakes.
        let is_optional = fields.find(name).map_or(*has_others, |field| !field.required);
        if !is_optional {
            mistakes.add(at, format!("exactly_one_of names {name:?}, which is no optional field"));
        }
    }
    fields.exactly_one_of.push(group);
}

fn check_name(
    naming: Naming,
    name: &Spanned<String>,
    clash: impl FnOnce(&str) -> Option<String>,
    mistakes: &mut Mistakes<'_>,
) {
    let (at, name) = (name.span().start, name.get_ref());
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_'));
    if !is_plain || name.is_empty() || name.len() > 100 {
        let parameter = naming.parameter();
        mistakes.add(at, format!("{parameter} is 1 to 100 letters, digits, dots and underscores"));
    } else if let Some(mistake) = clash(name) {
        mistakes.add(at, mistake);
    }
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
    let at = example.span().start;
    let text = example.get_ref();
    if content == ContentPlace::Parameters && serde_json::from_str::<HashMap<String, String>>(text).is_err() {
        mistakes.add(at, "the example is not one JSON object of texts, as parameters are");
        return;
    }
    match json::write_object(text, fields, &place, &mut out, &mut violations) {
        Err(malformed) => mistakes.add(at, format!("the example is not one JSON object: {malformed}")),
        Ok(()) if violations.as_slice().is_empty() => {}
        Ok(()) => mistakes.add(at, format!("the example does not fit the fields: {violations}")),
    }
}
