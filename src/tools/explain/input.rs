//! What was captured, in the forms in which people have it.

mod curl;
mod http;
mod map;

use std::fmt;

use crate::diagnose::json::Node;
use crate::diagnose::{Parameters, Reading, readings, readings_of_map};
use crate::verify::kind::is_of_an_envelope;

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
    /// The request has no body.
    NoBody,
    /// A curl command that reads a file.
    NamesFile(String),
    /// A curl command whose quotes do not end.
    OpenQuote,
}

impl Capture {
    /// Reads `bytes`, whatever form they have, if they hold a notification or what is left of one.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let trimmed = bytes.trim_ascii();
        if trimmed.is_empty() {
            return Err(Unreadable::Empty);
        }
        let capture = if trimmed.starts_with(b"curl ") || trimmed.starts_with(b"curl.exe ") {
            curl::read(&String::from_utf8_lossy(trimmed))?
        } else if let Some(request) = http::find(bytes) {
            http::read(request)?
        } else {
            Self::of_text(bytes)?
        };
        if capture.is_of_a_notification() { Ok(capture) } else { Err(Unreadable::NoNotification) }
    }

    /// Reads a body, or what else may hold its parameters: JSON, or a line of a log.
    fn of_text(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut found: Option<Self> = None;
        let name = bytes.trim_ascii_start().split(|byte| *byte == b'=').next().unwrap_or_default();
        let is_form = name.len() < bytes.trim_ascii().len()
            && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_%.-".contains(byte));
        if is_form {
            // What ends a line is of the editor or the shell that wrote the file, and so is a line that is empty.
            let end =
                bytes.strip_suffix(b"\n").map_or(bytes, |line| line.strip_suffix(b"\r").unwrap_or(line));
            let body = end.strip_prefix(b"\r\n").or_else(|| end.strip_prefix(b"\n")).unwrap_or(end);
            let capture = Self::body("a raw body", None, body);
            // A line of a log may begin so, too.
            if capture.is_signed() || (body.contains(&b'&') && capture.is_of_a_notification()) {
                return Ok(capture);
            }
            found = Some(capture);
        }
        // The first that is signed, or else the first that is of a notification at all.
        for capture in maps(bytes) {
            if capture.is_signed() {
                return Ok(capture);
            }
            if !found.as_ref().is_some_and(Self::is_of_a_notification) {
                found = Some(capture);
            }
        }
        found.ok_or(Unreadable::Unknown)
    }

    /// Whether it has a signature, and something else that a notification has.
    fn is_signed(&self) -> bool {
        self.readings.iter().any(|reading| {
            let is_beside = |name: &[u8]| name != b"sign" && name != b"sign_type" && is_of_an_envelope(name);
            let mut names = reading.parameters.iter().map(|(name, _)| name);
            reading.parameters.get("sign").is_some() && names.any(is_beside)
        })
    }

    /// Whether it has a parameter by which a notification can be told from anything else.
    fn is_of_a_notification(&self) -> bool {
        self.readings.iter().any(|reading| TELLING.iter().any(|name| reading.parameters.get(name).is_some()))
    }

    /// A capture of a body as it came.
    fn body(form: &'static str, head: Option<Head>, body: &[u8]) -> Self {
        Self { form, head, readings: readings(body), body: body.to_vec() }
    }

    /// A capture of parameters that somebody has parsed.
    fn parsed(form: &'static str, parameters: Parameters) -> Self {
        Self {
            form,
            head: None,
            body: parameters.encoded().into_bytes(),
            readings: readings_of_map(parameters),
        }
    }

    /// What `run` reads.
    pub(super) fn parameters(&self) -> Parameters {
        self.readings.first().map(|reading| reading.parameters.clone()).unwrap_or_default()
    }
}

/// Parameters of which every notification has some. Others of the envelope, such as `version`, are common elsewhere.
const TELLING: [&str; 6] = ["app_id", "biz_content", "msg_method", "notify_id", "notify_type", "sign"];
/// How many braces are looked at as the beginning of a map.
const MAX_BRACES: usize = 64;
/// How deep JSON may be nested in the strings of JSON, and captures be looked for in it.
const MAX_DEPTH: usize = 8;

/// All that may be a map of parameters in `text`, in its order. What was read as JSON is not looked at again.
fn maps(text: &[u8]) -> impl Iterator<Item = Capture> {
    let mut at = 0_usize;
    let mut braces = 0_usize;
    std::iter::from_fn(move || {
        let start = at.checked_add(memchr::memchr(b'{', text.get(at..)?)?)?;
        braces = braces.checked_add(1).filter(|braces| *braces <= MAX_BRACES)?;
        let rest = text.get(start..)?;
        let (captures, length) = json(rest).unwrap_or_else(|| (map::read(rest), 1));
        at = start.checked_add(length)?;
        Some(captures)
    })
    .flatten()
}

/// The captures in the JSON that `text` begins with, the outer ones first, and how many bytes it has.
fn json(text: &[u8]) -> Option<(Vec<Capture>, usize)> {
    let text = readable(text);
    let (node, rest) = Node::begin(text)?;
    let mut found = Vec::new();
    nodes(&node, 0, &mut found);
    Some((found, text.len().saturating_sub(rest.len())))
}

/// What of `text` is UTF-8, from its beginning on.
fn readable(text: &[u8]) -> &str {
    let end = std::str::from_utf8(text).map_or_else(|error| error.valid_up_to(), str::len);
    text.get(..end).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
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
            let text = text.trim_start();
            if !text.starts_with(['{', '[']) {
                return;
            }
            match Node::begin(text) {
                Some((node, _)) => nodes(&node, inner, found),
                None => found.extend(map::read(text.as_bytes())),
            }
        }
        Node::Object(members) => {
            if let Some(request) = har_request(node) {
                found.extend(har(request));
                return;
            }
            if let Some(body) = node.get("body").and_then(Node::text).filter(|body| body.contains("sign=")) {
                found.push(Capture::body("the body of an event in JSON", None, body.as_bytes()));
            }
            found.push(object(members));
            // The content of a notification is no other notification.
            let others = members.iter().filter(|(name, _)| name != "biz_content");
            others.for_each(|(_, value)| nodes(value, inner, found));
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

/// The first request of an HTTP archive that has a body; or of one of its entries.
fn har_request(node: &Node) -> Option<&Node> {
    let entries = node.get("log").and_then(|log| log.get("entries"));
    let mut of_entries = match entries {
        Some(Node::List(entries)) => entries.iter(),
        _ => [].iter(),
    };
    let request =
        of_entries.find_map(|entry| entry.get("request").filter(|request| request.get("postData").is_some()));
    let request = request.or_else(|| node.get("request")).unwrap_or(node);
    request.get("postData").map(|_| request)
}

fn har(request: &Node) -> Option<Capture> {
    let text = |node: &Node, name| node.get(name).and_then(Node::text).map(ToOwned::to_owned);
    let pairs = |node: Option<&Node>| -> Vec<(String, String)> {
        match node {
            Some(Node::List(items)) => {
                items.iter().filter_map(|item| Some((text(item, "name")?, text(item, "value")?))).collect()
            }
            _ => Vec::new(),
        }
    };
    let data = request.get("postData")?;
    let head = Head {
        method: text(request, "method").unwrap_or_else(|| "POST".to_owned()),
        target: target(&text(request, "url").unwrap_or_default()),
        headers: pairs(request.get("headers")),
    };
    if let Some(body) = text(data, "text").filter(|text| !text.is_empty()) {
        return Some(Capture::body(HAR, Some(head), body.as_bytes()));
    }
    let params = pairs(data.get("params"));
    let params = params.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    Some(Capture { head: Some(head), ..Capture::parsed(HAR, params) })
}

const HAR: &str = "an HTTP archive (HAR)";

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
            Self::NoBody => write!(f, "the request has no body: Alipay posts a form"),
            Self::NamesFile(name) => {
                write!(f, "the curl command reads the file {}: explain that file", name.escape_debug())
            }
            Self::OpenQuote => write!(f, "the curl command has a quote without its end: copy all of it"),
        }
    }
}

const FORMS: &str =
    "give a raw body, an HTTP request, a curl command, a JSON map of parameters or an HTTP archive (HAR)";

#[cfg(test)]
mod tests;
