//! Maps as Java prints them: `{name=value, name=value}`, in which nothing is escaped.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use super::{CUT, Capture, KNOWN, LISTS, known};
use crate::diagnose::Parameters;
use crate::diagnose::json::Node;
use crate::receive::form::is_name;
use crate::verify::kind::is_of_an_envelope;

/// How many braces are looked at as the end of a map.
const MAX_ENDS: usize = 64;
/// How many bytes are read up to all of them.
const MAX_BYTES: usize = 1024 * 1024;
/// At how many of them all ways to read the map are looked at.
const MAX_READ: usize = 4;
/// How many pieces may be names or not, each with each: twice as many ways for each of them.
const MAX_DOUBTFUL: usize = 6;
/// More names than any notification has: a map with as many is read in one way.
const MAX_NAMES: usize = 128;
/// How many names that mean something may be part of a value.
const MAX_CERTAIN: usize = 64;
/// How many ways to read a map there may be, and how many bytes they may have in all.
const MAX_WAYS: (usize, usize) = (256, 16 * 1024 * 1024);

/// Reads the map that `text` begins with, and returns what comes after it. As nothing is escaped, there are several ways
/// to read it, as soon as a value holds a brace, or a comma and what looks like a name. It ends where braces in pairs
/// end it, if it has a signature then, or else where it has most parameters that mean something.
pub(super) fn map(text: &str) -> Option<(Capture, &str)> {
    let inner = text.strip_prefix('{')?;
    if !begins(inner) {
        return None;
    }
    let paired = end(inner);
    // Where another map begins after it, it has come to its end.
    let inner = match paired.and_then(|end| Some((end, another(inner.get(end..)?)?))) {
        Some((end, another)) => inner.get(..end.saturating_add(another))?,
        None => inner,
    };
    let mut left = MAX_BYTES;
    let braces = inner.match_indices('}').map(|(at, _)| at).take(MAX_ENDS).take_while(|end| {
        left = left.saturating_sub(*end);
        left > 0
    });
    let mut ends: Vec<(usize, Parameters)> = Vec::new();
    for end in paired.into_iter().chain(braces.filter(|end| Some(*end) != paired)) {
        let read = inner.get(..end).map(Pieces::of).and_then(|pieces| pieces.read(&pieces.repeats()));
        ends.extend(read.map(|parameters| (end, parameters)));
    }
    let is_signed = |parameters: &Parameters| parameters.get("sign").is_some();
    ends.sort_by_key(|(end, parameters)| {
        (!(Some(*end) == paired && is_signed(parameters)), Reverse(known(parameters)))
    });
    // Without a signature, it may go on to where a line of the log was cut.
    let best = ends.first();
    let line = inner.lines().next().filter(|_| best.is_none_or(|(_, best)| !is_signed(best)));
    let pieces = line.map(|line| (line, Pieces::of(line)));
    let cut = pieces.and_then(|(line, pieces)| Some((line, pieces.read(&pieces.repeats())?)));
    let cut = cut.filter(|(_, cut)| best.is_none_or(|(_, best)| known(cut) > known(best)));
    if let Some((line, cut)) = cut {
        return Some((Capture::parsed("a map of Java", cut).noting(CUT), text.get(1..)?.get(line.len()..)?));
    }
    let (end, first) = ends.first().cloned()?;
    let doubtful = Pieces::of(inner.get(..end)?).doubtful();
    let ends = ends.iter().take(MAX_READ).filter_map(|(end, _)| inner.get(..*end));
    let ends = ends.filter(|inner| Pieces::of(inner).names().nth(MAX_NAMES).is_none());
    let mut others: Vec<Parameters> = Vec::new();
    let mut bytes = 0_usize;
    for other in ends.flat_map(ways) {
        bytes = bytes.saturating_add(other.bytes());
        if others.len() >= MAX_WAYS.0 || bytes > MAX_WAYS.1 {
            break;
        }
        if other != first {
            others.push(other);
        }
    }
    // In some ways only each value is a list, so that those are the right ones.
    let mut lists = std::iter::once(&first).chain(&others).filter_map(items);
    let capture = match lists.next() {
        Some(items) => Capture::parsed("a map of lists of Java", items).noting(LISTS).or(lists.collect()),
        None => Capture::parsed("a map of Java", first).or(others),
    };
    let capture = if doubtful.is_empty() { capture } else { capture.doubted() };
    Some((capture, text.get(1..)?.get(end..)?))
}

/// Where in `text` a map begins.
fn another(text: &str) -> Option<usize> {
    text.match_indices('{').map(|(at, _)| at).find(|at| text.get(at.saturating_add(1)..).is_some_and(begins))
}

/// All ways to read what is within the braces, those first in which most is a name: what may be one or part of the value
/// before it is taken so or so, each with each, and of all else no more than one.
fn ways(inner: &str) -> impl Iterator<Item = Parameters> {
    let pieces = Pieces::of(inner);
    let doubtful = pieces.doubtful();
    let mut sets: Vec<Vec<usize>> = vec![Vec::new()];
    for place in doubtful.iter().take(MAX_DOUBTFUL) {
        let with: Vec<Vec<usize>> = sets.iter().map(|set| [set.as_slice(), &[*place]].concat()).collect();
        sets.extend(with);
    }
    sets.sort_by_key(Vec::len);
    if doubtful.len() > MAX_DOUBTFUL {
        sets.push(doubtful.clone());
        sets.push(pieces.repeats());
    }
    let certain = pieces
        .names()
        .skip(1)
        .take(MAX_CERTAIN)
        .map(|(place, _)| place)
        .filter(|place| !doubtful.contains(place));
    let of_doubtful = sets.clone();
    for place in certain {
        sets.extend(of_doubtful.iter().map(|set| {
            let mut set = [set.as_slice(), &[place]].concat();
            set.sort_unstable();
            set
        }));
    }
    sets.into_iter().filter_map(move |set| pieces.read(&set))
}

/// What stands between the commas of a map.
struct Pieces<'t>(Vec<&'t str>);

impl<'t> Pieces<'t> {
    fn of(inner: &'t str) -> Self {
        Self(inner.split(", ").collect())
    }

    /// The places of the pieces that begin with what looks like a name, and that name.
    fn names(&self) -> impl Iterator<Item = (usize, &'t str)> {
        let name = |piece: &'t str| piece.split_once('=').map(|(name, _)| name);
        self.0.iter().enumerate().filter_map(move |(place, piece)| {
            name(piece).filter(|name| is_name(name.as_bytes())).map(|name| (place, name))
        })
    }

    /// The places where a name is there once more.
    fn repeats(&self) -> Vec<usize> {
        let mut names = HashSet::new();
        self.names().filter(|(_, name)| !names.insert(*name)).map(|(place, _)| place).collect()
    }

    /// Those of them in which what looks like a name may be part of the value before it: it means nothing in this
    /// kind of notification, or is there twice.
    fn doubtful(&self) -> Vec<usize> {
        let value = |name: &str| self.0.iter().find_map(|piece| piece.strip_prefix(name)?.strip_prefix('='));
        let (is_message, kind) = (value("msg_method").is_some(), value("notify_type").map(str::as_bytes));
        let known: HashSet<&str> = KNOWN.names(is_message, kind).collect();
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for (_, name) in self.names() {
            let count = counts.entry(name).or_default();
            *count = count.saturating_add(1);
        }
        let is_doubtful =
            |name: &str| !known.contains(name) || counts.get(name).is_some_and(|count| *count > 1);
        self.names().skip(1).filter(|(_, name)| is_doubtful(name)).map(|(place, _)| place).collect()
    }

    /// The parameters, if those at `joined`, in order, are part of the value before them; each name is there once.
    fn read(&self, joined: &[usize]) -> Option<Parameters> {
        let mut pairs: Vec<String> = Vec::new();
        for (place, piece) in self.0.iter().enumerate() {
            match pairs.last_mut() {
                Some(last) if !begins(piece) || joined.binary_search(&place).is_ok() => {
                    last.push_str(", ");
                    last.push_str(piece);
                }
                Some(_) | None => pairs.push((*piece).to_owned()),
            }
        }
        let pairs: Vec<(&str, &str)> =
            pairs.iter().map(|pair| pair.split_once('=')).collect::<Option<_>>()?;
        // A map in a map is one of its own, but for content that was parsed.
        let is_map = |value: &str| {
            let name = value.strip_prefix('{').and_then(|value| value.split_once('=')).map(|(name, _)| name);
            name.is_some_and(|name| is_of_an_envelope(name.as_bytes()))
        };
        let mut names = HashSet::new();
        let is_pair = |(name, value): &(&str, &str)| {
            is_name(name.as_bytes()) && (*name == "biz_content" || !is_map(value))
        };
        let is_sound = pairs.iter().all(|pair| is_pair(pair) && names.insert(pair.0));
        is_sound.then(|| pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect())
    }
}

/// What is in the lists, if each value is a list as a `MultiValueMap` prints it.
fn items(parameters: &Parameters) -> Option<Parameters> {
    let item = |value: &'_ [u8]| Some(value.strip_prefix(b"[")?.strip_suffix(b"]")?.to_vec());
    let items: Option<Vec<_>> = parameters.iter().map(|(name, value)| Some((name, item(value)?))).collect();
    Some(items?.iter().map(|(name, value)| (*name, value.as_slice())).collect())
}

/// Whether `text` begins with a name and `=`.
fn begins(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, _)| is_name(name.as_bytes()))
}

/// Where the map ends, as far as braces tell: they may stand in values, too, of which those in JSON are passed over.
fn end(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0_usize;
    let mut before = '{';
    while let Some(next) = text.get(at..)?.chars().next() {
        let after = at.checked_add(next.len_utf8())?;
        at = after;
        match next {
            '{' | '[' if before == '=' || (before == '[' && next == '{') => {
                let value = text.get(after.checked_sub(1)?..)?;
                match Node::begin(value) {
                    Some((_, rest)) => at = text.len().checked_sub(rest.len())?,
                    None if next == '{' => depth = depth.checked_add(1)?,
                    None => {}
                }
            }
            '{' => depth = depth.checked_add(1)?,
            '}' if depth > 0 => depth = depth.saturating_sub(1),
            // Within a word it is of a text.
            '}' if !text.get(after..)?.starts_with(char::is_alphanumeric) => return after.checked_sub(1),
            _ => {}
        }
        before = next;
    }
    None
}
