//! What was captured, in the forms in which people have it.

mod curl;
mod event;
mod go;
mod har;
mod http;
mod java;
mod php;
mod python;
mod tcpdump;
mod text;

use std::fmt;
use std::sync::LazyLock;

use self::text::Text;
use crate::diagnose::json::Node;
use crate::diagnose::{Parameters, Reading, readings, readings_of_map};
use crate::translate::catalogue::Catalogue;
use crate::verify::kind::{KnownParameters, is_of_an_envelope};

/// A notification, as it was captured.
#[derive(Debug)]
pub(super) struct Capture {
    /// In which form it was captured, for people.
    pub(super) form: &'static str,
    /// The head of the request, if it was captured.
    pub(super) head: Option<Head>,
    /// The body that `run` would read; of parameters that somebody has parsed, the one that holds them.
    pub(super) body: Vec<u8>,
    /// The ways to read it.
    pub(super) readings: Vec<Reading>,
    /// What the form of the capture does not show, for people.
    pub(super) notes: Vec<&'static str>,
    /// What it shows where it could not show a byte.
    pub(super) placeholder: Option<&'static [u8]>,
    /// Whether somebody has parsed it.
    is_parsed: bool,
}

/// The head of a request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) method: String,
    /// Path and query.
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
}

/// Why a capture cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// There is nothing in it.
    Empty,
    /// It is nothing that is known here.
    Unknown,
    /// No parameter in it is one of a notification.
    NoNotification,
    /// The body is shorter than its head says.
    Incomplete { captured: usize, announced: usize },
    /// The same of what tcpdump printed.
    IncompleteDump { captured: usize, announced: usize },
    /// The request has no body.
    NoBody,
    /// A curl command that reads a file.
    NamesFile(String),
    /// A curl command whose quotes do not end.
    OpenQuote,
    /// Java printed where its arrays are, and not what is in them.
    Addresses,
}

impl Capture {
    /// Reads `bytes`, whatever form they have, if they hold a notification or what is left of one.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        Self::within(bytes, 0)
    }

    /// Reads what stands at this depth of strings in JSON.
    fn within(bytes: &[u8], depth: usize) -> Result<Self, Unreadable> {
        if bytes.trim_ascii().is_empty() {
            return Err(Unreadable::Empty);
        }
        let text = Text::of(bytes);
        let logged = event::logged(text.as_str()).filter(|_| depth < MAX_DEPTH);
        if let Some(Ok(capture)) =
            logged.map(|logged| Self::within(&text.bytes(&logged), depth.saturating_add(1)))
        {
            return Ok(capture);
        }
        if let Some(command) = curl::find(text.as_str()) {
            return curl::read(command)?.written_as(&text).if_of_a_notification();
        }
        let of_text = || Self::of_text(&text, depth).and_then(Self::if_of_a_notification);
        match http::find(text.raw()).map(|found| http::read(&found).and_then(Self::if_of_a_notification)) {
            Some(Ok(capture)) => Ok(capture),
            // A log has lines about requests, too.
            Some(Err(unreadable)) => of_text().map_err(|_of_text| unreadable),
            None => of_text(),
        }
    }

    fn if_of_a_notification(self) -> Result<Self, Unreadable> {
        if self.is_of_a_notification() { Ok(self) } else { Err(Unreadable::NoNotification) }
    }

    /// Reads a body, or what else may hold its parameters: JSON, or a line of a log.
    fn of_text(text: &Text<'_>, depth: usize) -> Result<Self, Unreadable> {
        let mut found: Option<Self> = None;
        if let Some(body) = form(text.raw()) {
            let capture = Self::body("a raw body", None, body);
            // A line of a log may begin so, too.
            if capture.is_signed() || (body.contains(&b'&') && capture.is_of_a_notification()) {
                return Ok(capture);
            }
            found = Some(capture);
        }
        // The first that is signed, or else the first that is of a notification at all.
        for capture in maps(text.as_str(), depth) {
            if capture.is_signed() {
                return Ok(capture.written_as(text));
            }
            if !found.as_ref().is_some_and(Self::is_of_a_notification) {
                found = Some(capture.written_as(text));
            }
        }
        if text.as_str().contains(ADDRESS) {
            return Err(Unreadable::Addresses);
        }
        found.ok_or(Unreadable::Unknown)
    }

    /// Whether it has a signature, and something else that a notification has.
    fn is_signed(&self) -> bool {
        self.readings.iter().any(|reading| {
            let is_beside = |name: &[u8]| name != b"sign" && name != b"sign_type" && is_of_an_envelope(name);
            let mut names = reading.parameters.iter().map(|(name, _)| name);
            let sign = reading.parameters.get("sign");
            sign.is_some_and(|sign| !sign.starts_with(ADDRESS.as_bytes())) && names.any(is_beside)
        })
    }

    /// Whether it has a parameter by which a notification can be told from anything else.
    fn is_of_a_notification(&self) -> bool {
        self.readings.iter().any(|reading| TELLING.iter().any(|name| reading.parameters.get(name).is_some()))
    }

    /// A capture of a body as it came.
    fn body(form: &'static str, head: Option<Head>, body: &[u8]) -> Self {
        Self {
            form,
            head,
            readings: readings(body),
            body: body.to_vec(),
            notes: Vec::new(),
            placeholder: None,
            is_parsed: false,
        }
    }

    /// A capture of parameters that somebody has parsed.
    fn parsed(form: &'static str, parameters: Parameters) -> Self {
        let body = parameters.encoded().into_bytes();
        let readings = readings_of_map(parameters);
        Self { form, head: None, body, readings, notes: Vec::new(), placeholder: None, is_parsed: true }
    }

    /// The same with something to know about it.
    fn noting(mut self, note: &'static str) -> Self {
        self.notes.push(note);
        self
    }

    /// The same in the bytes in which `text` was written.
    fn written_as(self, text: &Text<'_>) -> Self {
        if text.is_utf8() {
            return self;
        }
        let Self { form, head, notes, placeholder, .. } = self;
        let written = if self.is_parsed {
            let parameters = self.readings.first().map(|reading| &reading.parameters);
            let pairs: Vec<_> = parameters
                .iter()
                .flat_map(|parameters| parameters.iter())
                .map(|(name, value)| (text.of_bytes(name), text.of_bytes(value)))
                .collect();
            Self::parsed(
                form,
                pairs.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect(),
            )
        } else {
            Self::body(form, None, &text.of_bytes(&self.body))
        };
        Self { head, notes, placeholder, ..written }
    }

    /// What `run` reads.
    pub(super) fn parameters(&self) -> Parameters {
        self.readings.first().map(|reading| reading.parameters.clone()).unwrap_or_default()
    }
}

/// Parameters of which every notification has some. Others of the envelope, such as `version`, are common elsewhere.
const TELLING: [&str; 6] = ["app_id", "biz_content", "msg_method", "notify_id", "notify_type", "sign"];
/// How many places are looked at as the beginning of a map.
const MAX_MAPS: usize = 1_000;
/// How many bytes are read in vain as JSON that has no end.
const MAX_HALVES: usize = 1024 * 1024 * 1024;
/// How deep JSON may be nested in the strings of JSON, and captures be looked for in it.
const MAX_DEPTH: usize = 8;
/// The longest map that is no JSON, in bytes.
const MAX_MAP: usize = 1024 * 1024;
/// What Java prints in the place of an array of strings.
const ADDRESS: &str = "[Ljava.lang.String;@";
/// Of a form in which the type of the map makes each value a list.
const LISTS: &str =
    "each value is a list of one here: the first item of each was taken, as the check has to take it";
/// Of a map that does not end.
const CUT: &str = "the map does not end: something cut it, and what came after is not known";

/// The names that mean something in any notification.
static KNOWN: LazyLock<KnownParameters> = LazyLock::new(|| Catalogue::builtin().parameters());

/// How many of these parameters mean something, each name once.
fn known(parameters: &Parameters) -> usize {
    KNOWN.names(false, None).filter(|name| parameters.get(name).is_some()).count()
}

/// The body in `bytes`, if they may be one.
fn form(bytes: &[u8]) -> Option<&[u8]> {
    // What ends a line is of the editor or the shell that wrote the file, and so is a line that is empty.
    let end = bytes.strip_suffix(b"\n").map_or(bytes, |line| line.strip_suffix(b"\r").unwrap_or(line));
    let body = end.strip_prefix(b"\r\n").or_else(|| end.strip_prefix(b"\n")).unwrap_or(end);
    let trimmed = bytes.trim_ascii();
    let name = trimmed.split(|byte| *byte == b'=').next().unwrap_or_default();
    let is_plain = name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_%.-+".contains(byte));
    // All of it may have been encoded, so that no `=` is left.
    let is_encoded = || memchr::memmem::find(&trimmed.to_ascii_lowercase(), b"sign%3d").is_some();
    (is_plain && (name.len() < trimmed.len() || is_encoded())).then_some(body)
}

/// All that may be a map of parameters in `text`, in its order. What was read as JSON is not looked at again.
fn maps(text: &str, depth: usize) -> impl Iterator<Item = Capture> {
    let mut at = 0_usize;
    let mut places = 0_usize;
    let mut left = MAX_HALVES;
    std::iter::from_fn(move || {
        let rest = text.get(at..)?;
        let start = at.checked_add(rest.find(['{', '[', 'A', 'a'])?)?;
        let rest = text.get(start..)?;
        at = start.checked_add(1)?;
        if rest.starts_with('{') {
            places = places.checked_add(1).filter(|places| *places <= MAX_MAPS)?;
            if let Some((node, after)) = Node::begin(rest) {
                at = text.len().saturating_sub(after.len());
                let mut found = Vec::new();
                nodes(&node, depth, &mut found);
                return Some(found);
            }
            if rest.get(1..)?.trim_start().starts_with('"') {
                left = left.checked_sub(rest.len())?;
            }
        }
        let before = text.get(..start).unwrap_or_default();
        let rest = up_to(rest, MAX_MAP);
        let found = match rest.as_bytes().first() {
            Some(b'{') => python::dict(before, rest).or_else(|| java::map(rest)),
            Some(b'[') if before.ends_with("map") => go::map(rest),
            Some(b'[') => python::tuples(rest),
            _ => php::array(rest),
        };
        Some(found.into_iter().collect())
    })
    .flatten()
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
        Node::List(items) => items.iter().for_each(|item| nodes(item, inner, found)),
        Node::Text(text) => {
            if TELLING.iter().any(|name| text.contains(name)) {
                found.extend(Capture::within(text.as_bytes(), inner));
            }
        }
        Node::Object(members) => {
            if let Some(request) = har::request(node) {
                found.extend(har::read(request));
                return;
            }
            if let Some(capture) = event::read(node) {
                found.push(capture);
                return;
            }
            // The content of a notification is no other notification.
            let others = members.iter().filter(|(name, _)| name != "biz_content").map(|(_, value)| value);
            let is_signed = node.get("sign").is_some();
            if is_signed {
                found.push(object(members));
            }
            others.for_each(|value| nodes(value, inner, found));
            if !is_signed {
                found.push(object(members));
            }
        }
    }
}

fn object(members: &[(String, Node)]) -> Capture {
    let values: Vec<(&str, String)> = members
        .iter()
        .map(|(name, value)| {
            (
                name.as_str(),
                value
                    .text()
                    .map_or_else(|| value.write(crate::diagnose::json::Style::COMPACT), ToOwned::to_owned),
            )
        })
        .collect();
    let parameters = values.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    Capture::parsed("a JSON map of parameters", parameters)
}

/// Path and query of a URL.
fn target(url: &str) -> String {
    let after = url.split_once("://").map_or(url, |(_, after)| after);
    let path = if url.starts_with('/') { Some(0) } else { after.find(['/', '?']) };
    match path.and_then(|at| after.get(at..)) {
        Some(path) if path.starts_with('/') => path.split('#').next().unwrap_or(path).to_owned(),
        Some(query) => format!("/{query}"),
        None => "/".to_owned(),
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "there is nothing in it: {FORMS}"),
            Self::Unknown => write!(f, "this is no capture of a form that is known here: {FORMS}"),
            Self::NoNotification => {
                write!(f, "nothing in it is a parameter of a notification, such as app_id or sign: {FORMS}")
            }
            Self::Incomplete { captured, announced } => write!(
                f,
                "the capture holds {captured} of the {announced} bytes that the body has: capture all of it (tcpdump -s 0)"
            ),
            Self::IncompleteDump { captured, announced } => write!(
                f,
                "tcpdump shows {captured} of the {announced} bytes that the body has: capture all of it (-s 0), and as \
                 -A leaves out what ends a line with CR, write the packets (-w FILE) and save the body from Wireshark \
                 (Follow HTTP Stream, as raw)"
            ),
            Self::NoBody => write!(f, "the request has no body: Alipay posts a form"),
            Self::NamesFile(name) => {
                write!(f, "the curl command reads the file {}: explain that file", name.escape_debug())
            }
            Self::OpenQuote => write!(f, "the curl command has a quote without its end: copy all of it"),
            Self::Addresses => write!(
                f,
                "Java printed where its arrays are and not what is in them ({ADDRESS}…): log the raw body, or each value \
                 by getParameter(name)"
            ),
        }
    }
}

const FORMS: &str = "give a raw body, an HTTP request, a curl command, a map of parameters as JSON or as Java, Python, PHP or Go \
                     print it, or an HTTP archive (HAR)";

#[cfg(test)]
mod tests;
