//! What was captured, in the forms in which people have it.

mod curl;
mod dict;
mod event;
mod go;
mod har;
mod http;
mod java;
mod joined;
mod line;
mod maps;
mod pairs;
mod php;
mod powershell;
mod tcpdump;
mod text;
mod wrapped;

use std::collections::HashSet;
use std::fmt;
use std::sync::LazyLock;

use self::text::Text;
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
    /// Other ways to read it, where its form leaves several: the likelier ones first.
    others: Vec<Parameters>,
    /// What there is to know about that, unless the signature says which one is right.
    doubt: Option<&'static str>,
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
    /// The body is of a type that is not a form's.
    OtherType(String),
    /// A curl command that reads a file.
    NamesFile(String),
    /// A curl command whose quotes do not end.
    OpenQuote,
    /// Java printed where its arrays are, and not what is in them.
    Addresses,
    /// There are so many notifications in it.
    TooMany(usize),
}

impl Capture {
    /// Reads all notifications in `bytes`, whatever form they have: each that is signed, once, or else what is left of
    /// one.
    pub(super) fn all(bytes: &[u8]) -> Result<Vec<Self>, Unreadable> {
        let found = find(bytes, 0)?;
        if found.len() > MAX_NOTIFICATIONS {
            return Err(Unreadable::TooMany(found.len()));
        }
        Ok(found)
    }

    /// The other ways to read it, the likelier ones first.
    pub(super) fn others(&self) -> impl Iterator<Item = Self> {
        let others = self.others.iter().filter(|parameters| **parameters != self.parameters());
        others.map(|parameters| {
            let other = Self::parsed(self.form, parameters.clone());
            Self { notes: self.notes.clone(), ..other }.noting(READ_BY_SIGNATURE)
        })
    }

    /// The same as the way to read it that is right as far as is known.
    pub(super) fn in_doubt(mut self) -> Self {
        self.notes.extend(self.doubt.take());
        self
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
            others: Vec::new(),
            doubt: None,
        }
    }

    /// A capture of a body that is shown in several lines, or its head again.
    fn joined(form: &'static str, head: Option<Head>, lines: &[u8]) -> Result<Self, Option<Head>> {
        let Some((whole, but_last)) = joined::joined(lines) else { return Err(head) };
        let other = Parameters::decoded(&but_last);
        Ok(Self::body(form, head, &whole).noting(joined::NOTE).or(vec![other]))
    }

    /// A capture of parameters that somebody has parsed.
    fn parsed(form: &'static str, parameters: Parameters) -> Self {
        let body = parameters.encoded().into_bytes();
        let readings = readings_of_map(parameters);
        Self {
            form,
            head: None,
            body,
            readings,
            notes: Vec::new(),
            placeholder: None,
            is_parsed: true,
            others: Vec::new(),
            doubt: None,
        }
    }

    /// The same with something to know about it.
    fn noting(mut self, note: &'static str) -> Self {
        self.notes.push(note);
        self
    }

    /// The same with these other ways to read it.
    fn or(self, others: Vec<Parameters>) -> Self {
        Self { others, ..self }
    }

    /// The same, where it is not known which way to read it is right.
    fn doubted(self) -> Self {
        Self { doubt: Some(AMBIGUOUS), ..self }
    }

    /// The same in the bytes in which `text` was written.
    fn written_as(self, text: &Text<'_>) -> Self {
        if text.is_utf8() {
            return self;
        }
        let written = |parameters: &Parameters| -> Parameters {
            let pairs: Vec<_> =
                parameters.iter().map(|(name, value)| (text.of_bytes(name), text.of_bytes(value))).collect();
            pairs.iter().map(|(name, value)| (name.as_slice(), value.as_slice())).collect()
        };
        let again = if self.is_parsed {
            Self::parsed(self.form, written(&self.parameters()))
        } else {
            Self::body(self.form, None, &text.of_bytes(&self.body))
        };
        let others = self.others.iter().map(written).collect();
        Self { body: again.body, readings: again.readings, others, ..self }
    }

    /// The app that it says it is for, by the first way to read it that has one.
    pub(super) fn app_id(&self) -> Option<&[u8]> {
        self.readings.iter().find_map(|reading| reading.parameters.app_id())
    }

    /// What `run` reads.
    pub(super) fn parameters(&self) -> Parameters {
        self.readings.first().map(|reading| reading.parameters.clone()).unwrap_or_default()
    }
}

/// Parameters of which every notification has some. Others of the envelope, such as `version`, are common elsewhere.
const TELLING: [&str; 6] = ["app_id", "biz_content", "msg_method", "notify_id", "notify_type", "sign"];
/// How many notifications are explained at once.
const MAX_NOTIFICATIONS: usize = 16;
/// How many requests are looked for.
const MAX_REQUESTS: usize = 1_000;
/// How deep JSON may be nested in the strings of JSON, and captures be looked for in it.
const MAX_DEPTH: usize = 8;
/// What Java prints in the place of an array of strings.
const ADDRESS: &str = "[Ljava.lang.String;@";
/// Of a form in which the type of the map makes each value a list.
const LISTS: &str =
    "each value is a list of one here: the first item of each was taken, as the check has to take it";
/// Of a map that does not end.
const CUT: &str = "the map does not end: something cut it, and what came after is not known";
/// Of a form in which nothing is escaped.
const AMBIGUOUS: &str = "ambiguous: this form escapes nothing, so that a name here that is none of Alipay's, or is there \
    twice, may be a part of the value before it; no way to read it fits the signature: log the raw body instead";
/// Of what can be read in several ways, where the signature told.
const READ_BY_SIGNATURE: &str =
    "there are several ways to read this: this is the one that fits the signature";

/// The names that mean something in any notification.
static KNOWN: LazyLock<KnownParameters> = LazyLock::new(|| Catalogue::builtin().parameters());

/// How many of these parameters mean something, each name once.
fn known(parameters: &Parameters) -> usize {
    KNOWN.names(false, None).filter(|name| parameters.get(name).is_some()).count()
}

/// All notifications in `bytes`, which stand at this depth of strings in strings: those that are signed, each once, or
/// else the first that is one at all.
fn find(bytes: &[u8], depth: usize) -> Result<Vec<Capture>, Unreadable> {
    if bytes.trim_ascii().is_empty() {
        return Err(Unreadable::Empty);
    }
    let text = Text::of(bytes);
    let inner = depth.checked_add(1).filter(|inner| *inner <= MAX_DEPTH);
    let within = |bytes: &[u8]| inner.and_then(|inner| find(bytes, inner).ok());
    if let Some(found) = event::logged(text.as_str()).and_then(|logged| within(&text.bytes(&logged))) {
        return Ok(found);
    }
    let commands = match curl::find(text.as_str()) {
        Some(commands) => Some(curl::read(commands)?),
        None => powershell::read(text.as_str())?,
    };
    let found = match commands {
        Some(commands) => {
            let mut found = Findings::default();
            for command in commands {
                found.add(command.written_as(&text));
            }
            found.end(Unreadable::NoNotification)
        }
        None => of_text(&text, depth),
    };
    found.or_else(|unreadable| wrapped::all(&text).find_map(|bytes| within(&bytes)).ok_or(unreadable))
}

/// The notifications in requests, in bodies and in maps.
fn of_text(text: &Text<'_>, depth: usize) -> Result<Vec<Capture>, Unreadable> {
    let mut found = Findings::default();
    let mut problem = None;
    let mut rest = text.raw();
    let mut is_dump = false;
    let mut others: Vec<&[u8]> = Vec::new();
    for _ in 0..MAX_REQUESTS {
        let Some(request) = http::find(rest) else { break };
        is_dump |= request.is_dump();
        let (before, bytes) = rest.split_at_checked(request.start).unwrap_or((rest, b""));
        let signed = match http::read(&request) {
            Ok((capture, length)) => found.add(capture).then_some(length),
            Err(unreadable) => {
                problem = problem.or(Some(unreadable));
                None
            }
        };
        others.push(before);
        let length = signed.unwrap_or_else(|| {
            // A log has lines about requests, too.
            let line = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |end| end.saturating_add(1));
            others.extend(bytes.get(..line));
            line
        });
        rest = bytes.get(length..).unwrap_or_default();
    }
    others.push(rest);
    let is_cut = matches!(problem, Some(Unreadable::Incomplete { .. } | Unreadable::IncompleteDump { .. }));
    if found.signed.is_empty() {
        of_bodies_and_maps(text, depth, is_cut, &mut found);
    } else if !is_dump {
        // What a dump shows between its packets may be the rest of a body.
        let others = others.concat();
        of_bodies_and_maps(&Text::of(&others), depth, is_cut, &mut found);
    }
    let is_of_addresses = text.as_str().contains(ADDRESS);
    found.end(problem.unwrap_or(if is_of_addresses { Unreadable::Addresses } else { Unreadable::Unknown }))
}

/// The notifications in bodies and in maps. Where a body `is_cut`, what is left of it is in no line of a log.
fn of_bodies_and_maps(text: &Text<'_>, depth: usize, is_cut: bool, found: &mut Findings) {
    let lines = if is_cut { Vec::new() } else { line::bodies(text.as_str()) };
    // A body that was wrapped goes on in the next line, and all in that could be part of one.
    let is_in_line = lines.len() > 1
        || lines.first().is_some_and(|line| {
            let mut others = text.as_str().lines().filter(|line| !line.contains("sign="));
            line.is_posted && !others.all(|other| line::is_posted(other.trim()))
        });
    if Capture::joined("a raw body", None, text.raw()).is_ok_and(|capture| found.add(capture)) {
        return;
    }
    if let Some(capture) = pairs::read(text.as_str()) {
        found.add(capture.written_as(text));
        return;
    }
    if let Some(body) = form(text.raw()).filter(|_| !is_in_line) {
        let capture = Capture::body("a raw body", None, body);
        // What stands in the lines after it may be something else.
        let of_line = lines.first().map(|line| Parameters::decoded(&text.of_bytes(&line.bytes)));
        let capture = capture.or(of_line.into_iter().collect());
        // A line of a log may begin so, too.
        let is_one = capture.is_signed() || (body.contains(&b'&') && capture.is_of_a_notification());
        found.add(capture);
        if is_one {
            return;
        }
    }
    let mut captures: Vec<(usize, Capture)> = Vec::new();
    let mut places = Vec::new();
    for maps::Found { captures: of_map, place } in maps::all(text.as_str(), depth) {
        if of_map.iter().any(Capture::is_signed) {
            places.push(place.clone());
        }
        captures.extend(of_map.into_iter().map(|capture| (place.start, capture.written_as(text))));
    }
    for line::Body { bytes, at, .. } in lines {
        if !places.iter().any(|place| place.contains(&at)) {
            captures.push((at, Capture::body("a body in a line of a log", None, &text.of_bytes(&bytes))));
        }
    }
    captures.sort_by_key(|(at, _)| *at);
    for (_, capture) in captures {
        found.add(capture);
    }
}

/// What was found.
#[derive(Default)]
struct Findings {
    signed: Vec<Capture>,
    /// What those hold.
    known: HashSet<Vec<(Vec<u8>, Vec<u8>)>>,
    /// The first that has something of a notification.
    unsigned: Option<Capture>,
    /// Whether there is anything that could be read at all.
    is_any: bool,
}

impl Findings {
    /// Adds a capture, unless it was found before, and says whether it is signed.
    fn add(&mut self, capture: Capture) -> bool {
        self.is_any = true;
        let is_signed = capture.is_signed();
        if is_signed {
            let parameters = capture.parameters();
            let mut pairs: Vec<_> =
                parameters.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
            pairs.sort();
            if self.known.insert(pairs) {
                self.signed.push(capture);
            }
        } else if self.unsigned.is_none() && capture.is_of_a_notification() {
            self.unsigned = Some(capture);
        }
        is_signed
    }

    fn end(self, problem: Unreadable) -> Result<Vec<Capture>, Unreadable> {
        match (self.signed.is_empty(), self.unsigned) {
            (false, _) => Ok(self.signed),
            (true, Some(unsigned)) if problem != Unreadable::Addresses => Ok(vec![unsigned]),
            (true, _) if self.is_any && problem == Unreadable::Unknown => Err(Unreadable::NoNotification),
            (true, _) => Err(problem),
        }
    }
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
            Self::OtherType(media_type) => write!(
                f,
                "the body is {}, to which run answers 415 (unsupported_media_type): Alipay posts \
                 application/x-www-form-urlencoded, as `curl -d` does",
                media_type.escape_debug()
            ),
            Self::NamesFile(name) => {
                write!(f, "the curl command reads the file {}: explain that file", name.escape_debug())
            }
            Self::OpenQuote => write!(f, "the command has a quote without its end: copy all of it"),
            Self::Addresses => write!(
                f,
                "Java printed where its arrays are and not what is in them ({ADDRESS}…): log the raw body, or each value \
                 by getParameter(name)"
            ),
            Self::TooMany(notifications) => write!(
                f,
                "it holds {notifications} notifications, and {MAX_NOTIFICATIONS} are explained at once: give those of one \
                 notify_id, as grep finds them"
            ),
        }
    }
}

const FORMS: &str = "give a raw body, also in a line of a log, an HTTP request, a command of curl or PowerShell, a map of \
                     parameters as JSON or as Java, Python, PHP, Go or Node.js print it, or an HTTP archive (HAR); also in \
                     base64, or as a dump in hexadecimal";

#[cfg(test)]
mod tests;
