//! Maps of parameters, wherever they stand in a text.

use std::ops::Range;

use super::{Capture, MAX_DEPTH, TELLING, dict, event, find, go, har, java, pairs, php};
use crate::diagnose::json::{Node, Style};

/// How many places are looked at as the beginning of a map.
const MAX_MAPS: usize = 1_000;
/// How much of a line is looked at beyond them.
const MAX_LINE: usize = 16 * 1024;
/// How many bytes are read in vain as JSON that has no end.
const MAX_HALVES: usize = 1024 * 1024 * 1024;
/// The longest map that is no JSON, in bytes.
const MAX_MAP: usize = 1024 * 1024;

/// What was read as one map, or as JSON that holds several, and where it stands.
pub(super) struct Found {
    pub(super) captures: Vec<Capture>,
    pub(super) place: Range<usize>,
}

/// All that may be a map of parameters in `text`, in its order. What was read as JSON, or as a map with a signature, is
/// not looked at again.
pub(super) fn all(text: &str, depth: usize) -> impl Iterator<Item = Found> {
    let mut at = 0_usize;
    let mut places = 0_usize;
    let mut late = 0_usize;
    let mut left = MAX_HALVES;
    std::iter::from_fn(move || {
        loop {
            let rest = text.get(at..)?;
            let start = at.checked_add(rest.find(['{', '[', 'A', 'a'])?)?;
            let rest = text.get(start..)?;
            at = start.checked_add(1)?;
            let inner = rest.get(1..).unwrap_or_default().trim_start();
            if rest.starts_with('{') || (rest.starts_with('[') && inner.starts_with('{')) {
                places = places.saturating_add(1);
                // In a long log, only what may be signed.
                if places > MAX_MAPS {
                    let line = up_to(rest, MAX_LINE).lines().next().unwrap_or_default();
                    if !line.contains("sign") {
                        continue;
                    }
                    late = late.checked_add(1).filter(|late| *late <= MAX_MAPS)?;
                }
                if let Some((node, after)) = Node::begin(rest) {
                    at = text.len().saturating_sub(after.len());
                    let mut captures = Vec::new();
                    nodes(&node, depth, &mut captures);
                    return Some(Found { captures, place: start..at });
                }
                if inner.starts_with(['"', '{']) {
                    left = left.checked_sub(rest.len())?;
                }
            }
            let before = text.get(..start).unwrap_or_default();
            let is_place =
                ["Array", "array"].iter().any(|name| rest.starts_with(name)) || before.ends_with("map");
            late = late.saturating_add(usize::from(is_place));
            if late > MAX_MAPS {
                return None;
            }
            let rest = up_to(rest, MAX_MAP);
            let Some((capture, after)) = one(before, rest) else { continue };
            let end = start.saturating_add(rest.len().saturating_sub(after.len()));
            if capture.is_signed() {
                at = end;
            }
            return Some(Found { captures: vec![capture], place: start..end });
        }
    })
}

/// The map that is no JSON and that `text` begins with, and what comes after it; `before` stands before it.
fn one<'t>(before: &str, text: &'t str) -> Option<(Capture, &'t str)> {
    match text.as_bytes().first() {
        Some(b'{') => dict::map(before, text).or_else(|| php::serialized(text)).or_else(|| java::map(text)),
        Some(b'[') if before.ends_with("map") => go::map(text),
        Some(b'[') => {
            dict::tuples(text).or_else(|| dict::map(before, text)).or_else(|| pairs::in_brackets(text))
        }
        _ => php::array(text),
    }
}

/// The beginning of `text`, of at most as many bytes.
fn up_to(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default()
}

/// Adds what may be a notification in `node`: a HAR entry, the event of a cloud function, a map of parameters, or what
/// is nested in one.
fn nodes(node: &Node, depth: usize, found: &mut Vec<Capture>) {
    if depth >= MAX_DEPTH {
        return;
    }
    let inner = depth.saturating_add(1);
    match node {
        Node::Token(_) => {}
        Node::List(items) => match list(items).filter(Capture::is_signed) {
            Some(capture) => found.push(capture),
            None => items.iter().for_each(|item| nodes(item, inner, found)),
        },
        Node::Text(text) => {
            if TELLING.iter().any(|name| text.contains(name)) {
                found.extend(find(text.as_bytes(), inner).unwrap_or_default());
            }
        }
        Node::Object(members) => {
            if har::is_request(node) {
                found.extend(har::read(node));
                return;
            }
            // What was answered is nobody's notification.
            if let Some(request) = node.get("request").filter(|request| har::is_request(request)) {
                found.extend(har::read(request));
                return;
            }
            if let Some(capture) = event::read(node) {
                found.push(capture);
                return;
            }
            let capture = object(members);
            if node.get("sign").is_none() || !capture.is_signed() {
                let known = found.len();
                // The content of a notification is no other notification.
                let others = members.iter().filter(|(name, _)| name != "biz_content");
                others.for_each(|(_, value)| nodes(value, inner, found));
                if found.iter().skip(known).any(Capture::is_signed) {
                    return;
                }
            }
            found.push(capture);
        }
    }
}

/// The parameters in a list of objects with a name and a value each, as Postman has them.
fn list(items: &[Node]) -> Option<Capture> {
    let text = |item: &Node, name| Some(item.get(name)?.text()?.to_owned());
    let pair = |item| Some((text(item, "key").or_else(|| text(item, "name"))?, text(item, "value")?));
    let pairs: Vec<(String, String)> = items.iter().map(pair).collect::<Option<_>>()?;
    let parameters = pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    Some(Capture::parsed("a list of parameters in JSON", parameters))
}

fn object(members: &[(String, Node)]) -> Capture {
    let values: Vec<(&str, String)> = members
        .iter()
        .map(|(name, value)| {
            (name.as_str(), value.text().map_or_else(|| value.write(Style::COMPACT), ToOwned::to_owned))
        })
        .collect();
    let parameters = values.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    Capture::parsed("a JSON map of parameters", parameters)
}
