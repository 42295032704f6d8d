//! Which paths are closed to what is not verified.
//!
//! One path is read in many ways: percent-decoded once or twice, with slashes merged, dot segments removed, a backslash
//! taken for a slash, parameters after a semicolon dropped, letters folded. Which of it an app does nobody can tell from
//! here. So a path is read as leniently as any of them does, and what could lead to a handler of notifications is closed.

/// How often a path is decoded; who encodes once more than that has no honest reason.
const LEVELS: usize = 4;

/// The paths that notifications are for, each with all that lies below it.
#[derive(Debug, Clone)]
pub(crate) struct Closed(Vec<Vec<String>>);

impl Closed {
    /// Closes `paths`, which may have a query behind them.
    pub(crate) fn new<'p>(paths: impl IntoIterator<Item = &'p str>) -> Self {
        Self(paths.into_iter().map(segments_of).collect())
    }

    /// Whether closing `path` leaves nothing open: it is the root, or a page that servers show for whatever they lack.
    pub(crate) fn is_everything(path: &str) -> bool {
        segments_of(path).is_empty()
    }

    /// Whether `path`, as it stands in a request, could lead to one of them.
    pub(crate) fn holds(&self, path: &str) -> bool {
        let mut bytes = path.as_bytes().to_vec();
        for _ in 0..=LEVELS {
            // A control character has no business in a path.
            let Some(text) = folded(&bytes) else { return true };
            if self.is_read_in(&text) || (!text.is_ascii() && self.is_read_in_some_of(&text)) {
                return true;
            }
            match decoded(&bytes) {
                Some(once_more) => bytes = once_more,
                None => return false,
            }
        }
        true
    }

    fn is_read_in(&self, text: &str) -> bool {
        let reading = Reading::of(text);
        self.0.iter().any(|closed| reading.leads_to(closed))
    }

    /// Whether one of them is left when what cannot be decoded is left out, or whatever is no ASCII.
    fn is_read_in_some_of(&self, text: &str) -> bool {
        self.is_read_in(&text.replace(char::REPLACEMENT_CHARACTER, ""))
            || self.is_read_in(&text.replace(|char: char| !char.is_ascii(), ""))
    }
}

/// The segments of a path that is to be closed.
fn segments_of(path: &str) -> Vec<String> {
    let path = path.split('?').next().unwrap_or_default();
    let mut bytes = path.as_bytes().to_vec();
    for _ in 0..LEVELS {
        bytes = decoded(&bytes).unwrap_or(bytes);
    }
    // What cannot be read closes everything.
    let mut segments = folded(&bytes).map(|text| Reading::of(&text).resolved).unwrap_or_default();
    if let Some(last) = segments.last_mut() {
        // `/notify.php` is `/notify` to some servers, and `/notify` is `/notify.json` to others.
        let end = last.char_indices().skip(1).find(|(_, char)| *char == '.').map_or(last.len(), |(at, _)| at);
        last.truncate(end);
    }
    segments
}

/// A path as a lenient server might read it.
struct Reading {
    /// Its segments, but for those that servers drop or that stand for the folder they are in.
    segments: Vec<String>,
    /// The same, with each `..` taken for what it says.
    resolved: Vec<String>,
    /// Whether a segment was `..` or the like, so that any segment before it may be dropped, too.
    has_dots: bool,
    /// Whether it begins with two slashes, after which some read the name of a host.
    has_authority: bool,
}

impl Reading {
    fn of(text: &str) -> Self {
        let is_slash = |char| matches!(char, '/' | '\\');
        let has_authority = text.strip_prefix(is_slash).is_some_and(|rest| rest.starts_with(is_slash));
        let mut reading = Self { segments: Vec::new(), resolved: Vec::new(), has_dots: false, has_authority };
        for segment in text.split(is_slash) {
            let name = segment.split(';').next().unwrap_or_default().trim();
            if name.starts_with('.') && !name.chars().any(is_word) {
                reading.has_dots = true;
                if name.starts_with("..") {
                    reading.resolved.pop();
                }
            } else if !name.is_empty() && !is_index(name) {
                reading.segments.push(name.to_owned());
                reading.resolved.push(name.to_owned());
            }
        }
        reading
    }

    fn leads_to(&self, closed: &[String]) -> bool {
        let below_host = self.segments.get(1..).filter(|_| self.has_authority);
        begins(&self.segments, closed)
            || below_host.is_some_and(|segments| begins(segments, closed))
            || (self.has_dots && occurs_in_order(&self.segments, closed))
    }
}

fn begins(segments: &[String], closed: &[String]) -> bool {
    segments.len() >= closed.len()
        && segments.iter().zip(closed).all(|(segment, closed)| is_same(segment, closed))
}

/// Whether `closed` is left when some of `segments` are dropped.
fn occurs_in_order(segments: &[String], closed: &[String]) -> bool {
    let mut segments = segments.iter();
    closed.iter().all(|closed| segments.any(|segment| is_same(segment, closed)))
}

/// Whether a segment may be taken for `closed`, with whatever servers drop behind a name: an extension, parameters,
/// dots, spaces, the name of a stream, what follows an end of text.
fn is_same(segment: &str, closed: &str) -> bool {
    segment.strip_prefix(closed).is_some_and(|rest| !rest.starts_with(is_word))
}

/// What a name is made of.
fn is_word(char: char) -> bool {
    char.is_alphanumeric() || matches!(char, '-' | '_')
}

/// The page that a server shows for the folder that it is in, and often for what is not in the folder.
fn is_index(name: &str) -> bool {
    ["index", "default"].iter().any(|index| is_same(name, index))
}

/// Decodes each percent-escape once, also in the form `%uXXXX`; `None` where there is none.
fn decoded(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    let mut found = false;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            if let Some((value, after)) = hex(after, 2) {
                decoded.push(u8::try_from(value).unwrap_or_default());
                (rest, found) = (after, true);
                continue;
            }
            let long =
                after.strip_prefix(b"u").or(after.strip_prefix(b"U")).and_then(|digits| hex(digits, 4));
            if let Some((value, after)) = long {
                let char = char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER);
                decoded.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
                (rest, found) = (after, true);
                continue;
            }
        }
        decoded.push(byte);
    }
    found.then_some(decoded)
}

/// The number that the first `digits` bytes are, in hexadecimal, and what follows them.
fn hex(bytes: &[u8], digits: usize) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_at_checked(digits)?;
    if !number.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    Some((u32::from_str_radix(str::from_utf8(number).ok()?, 16).ok()?, rest))
}

/// The text that `bytes` are to whoever minds neither case nor width nor the shortest form of UTF-8; `None` where a
/// control character is in it.
fn folded(bytes: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((char, length)) = first_char(rest) {
        if char.is_ascii_control() {
            return None;
        }
        fold(char, &mut text);
        rest = rest.get(length..).unwrap_or_default();
    }
    Some(text)
}

/// The first character of `bytes` and its length. What is no UTF-8 is a character of one byte that means nothing, but
/// for an overlong form, which means what it means to a decoder that does not look.
fn first_char(bytes: &[u8]) -> Option<(char, usize)> {
    let (&lead, _) = bytes.split_first()?;
    if lead.is_ascii() {
        return Some((char::from(lead), 1));
    }
    let length = match lead {
        0xC0..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF7 => 4,
        _ => return Some((char::REPLACEMENT_CHARACTER, 1)),
    };
    let bits = bytes.get(1..length).filter(|rest| rest.iter().all(|byte| matches!(byte, 0x80..=0xBF)));
    let mask = 0x7F_u32.checked_shr(u32::try_from(length).unwrap_or_default()).unwrap_or_default();
    let value = bits.map(|bits| {
        bits.iter().fold(u32::from(lead) & mask, |value, byte| (value << 6) | u32::from(byte & 0x3F))
    });
    match value.and_then(char::from_u32) {
        // An overlong end of text ends no honest name; what follows it is not a part of the name.
        Some(char) if char.is_ascii_control() => Some((char::REPLACEMENT_CHARACTER, length)),
        Some(char) => Some((char, length)),
        None => Some((char::REPLACEMENT_CHARACTER, 1)),
    }
}

/// Adds `char` as those see it who fold case and width, and who take what looks like a slash or a dot for one.
fn fold(char: char, text: &mut String) {
    match char {
        // The full-width forms of ASCII stand in its order.
        '\u{FF01}'..='\u{FF5E}' => {
            let narrow = u32::from(char).saturating_sub(0xFEE0);
            text.extend(char::from_u32(narrow).map(|narrow| narrow.to_ascii_lowercase()));
        }
        '\u{3000}' | '\u{A0}' => text.push(' '),
        '\u{2044}' | '\u{2215}' | '\u{29F8}' => text.push('/'),
        '\u{2216}' | '\u{FE68}' | '\u{29F5}' | '\u{29F9}' | '\u{A5}' | '\u{20A9}' | '\u{FFE5}'
        | '\u{FFE6}' => {
            text.push('\\');
        }
        '\u{2024}' | '\u{2025}' | '\u{2026}' | '\u{FE52}' | '\u{3002}' | '\u{FF61}' => text.push('.'),
        '\u{37E}' | '\u{FE54}' => text.push(';'),
        '\u{130}' | '\u{131}' => text.push('i'),
        '\u{17F}' => text.push('s'),
        '\u{212A}' => text.push('k'),
        '\u{FB00}' => text.push_str("ff"),
        '\u{FB01}' => text.push_str("fi"),
        '\u{FB02}' => text.push_str("fl"),
        '\u{FB03}' => text.push_str("ffi"),
        '\u{FB04}' => text.push_str("ffl"),
        '\u{FB05}' | '\u{FB06}' => text.push_str("st"),
        // What takes no room: file systems skip it.
        '\u{AD}'
        | '\u{180E}'
        | '\u{200B}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}'
        | '\u{FEFF}' => {}
        _ => text.extend(char.to_lowercase()),
    }
}

#[cfg(test)]
mod tests;
