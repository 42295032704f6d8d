//! What was captured, in the forms in which people have it.

mod curl;
mod http;
mod map;

use std::fmt;

use crate::diagnose::json::Node;
use crate::diagnose::{Parameters, Reading, readings, readings_of_map};

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
    /// Reads `bytes`, whatever form they have.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let trimmed = bytes.trim_ascii();
        if trimmed.is_empty() {
            return Err(Unreadable::Empty);
        }
        if trimmed.starts_with(b"curl ") || trimmed.starts_with(b"curl.exe ") {
            return curl::read(&String::from_utf8_lossy(trimmed));
        }
        if let Some(request) = http::find(bytes) {
            return http::read(request);
        }
        if matches!(trimmed.first(), Some(b'{' | b'[')) {
            return json(trimmed).or_else(|| map::read(trimmed)).ok_or(Unreadable::Unknown);
        }
        let name = trimmed.split(|byte| *byte == b'=').next().unwrap_or_default();
        let is_form = name.len() < trimmed.len()
            && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_%.-".contains(byte));
        if is_form {
            // What ends a line is of the editor or the shell that wrote the file.
            return Ok(Self::body(
                "a raw body",
                None,
                bytes.strip_suffix(b"\n").map_or(bytes, |line| line.strip_suffix(b"\r").unwrap_or(line)),
            ));
        }
        // A line of a log, with the parameters in it.
        let braces = memchr::memchr_iter(b'{', trimmed).take(64);
        let mut maps = braces.filter_map(|at| trimmed.get(at..));
        maps.find_map(|text| json(text).or_else(|| map::read(text))).ok_or(Unreadable::Unknown)
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

/// JSON: a HAR entry, the event of a cloud function, or a map of parameters.
fn json(text: &[u8]) -> Option<Capture> {
    let (node, _) = Node::begin(std::str::from_utf8(text).ok()?)?;
    if let Some(request) = har_request(&node) {
        return har(request);
    }
    if let Some(body) = node.get("body").and_then(Node::text).filter(|body| body.contains("sign=")) {
        return Some(Capture::body("the body of an event in JSON", None, body.as_bytes()));
    }
    let Node::Object(members) = &node else { return None };
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
    Some(Capture::parsed("a JSON map of parameters", parameters))
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
