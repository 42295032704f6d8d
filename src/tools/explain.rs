//! `explain`: what `run` would do with one captured notification, and why.
//!
//! The rooms of the proxy say whether it is genuine, and nothing else does; where it is not, a diagnosis says why.

mod doubts;
mod input;
mod json;
mod report;

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;

use self::input::{Capture, Head};
use super::check::read_own_key;
use crate::config::{App, Config, KeySource, Printable, read_key_file};
use crate::confirm::confirm;
use crate::diagnose::{Budget, Candidate, Case, Diagnosis, diagnose};
use crate::receive::{Received, receive};
use crate::rejection::Rejection;
use crate::translate::Translator;
use crate::verify::envelope::is_app_id;
use crate::verify::key::{Fingerprint, PublicKey};
use crate::verify::keyring::Keyring;
use crate::verify::kind::Kind;
use crate::verify::{Policy, SignedForm, verify};

/// What `explain` is asked.
#[derive(Debug)]
pub struct Question<'q> {
    /// The capture; standard input if there is none.
    pub file: Option<&'q Path>,
    /// The configuration.
    pub config: &'q Path,
    /// Alipay's keys, in the place of a configuration.
    pub keys: &'q [PathBuf],
    /// The user's own public key, if it is to be told from Alipay's.
    pub app_public_key: Option<&'q Path>,
    /// Whether the report is JSON.
    pub json: bool,
}

/// Why there is no report.
#[derive(Debug)]
pub enum Problem {
    /// The capture, a key or the configuration cannot be read; with what to do.
    Unusable(String),
    /// The report cannot be written.
    Output(io::Error),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unusable(what) => f.write_str(what),
            Self::Output(error) => write!(f, "the report cannot be written: {error}"),
        }
    }
}

/// The longest capture: one body of the greatest `server.max_body`, escaped.
const MAX_CAPTURE: u64 = 64 * 1024 * 1024;
/// How many bytes are hashed in search of a cause.
const BYTES: u64 = 512 * 1024 * 1024;
/// How long a cause is searched for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Explains a capture on `out`, and says whether it is genuine.
pub fn explain(
    question: &Question<'_>,
    env: impl Fn(&str) -> Option<String>,
    now: SystemTime,
    input: &mut impl Read,
    out: &mut impl Write,
) -> Result<bool, Problem> {
    let bytes = read(question.file, input)?;
    let capture = Capture::read(&bytes).map_err(|unreadable| {
        let name = question.file.map_or("standard input".to_owned(), |file| file.display().to_string());
        Problem::Unusable(format!("{}: {unreadable}", Printable(&name)))
    })?;
    let mut bench = Bench::set(question, env, &capture)?;
    if let Some(path) = question.app_public_key {
        let (what, remedy) = match read_own_key(path) {
            Ok(key) => {
                bench.own_keys.push(key.fingerprint());
                (String::new(), "")
            }
            Err(problem) => problem,
        };
        if !remedy.is_empty() {
            return Err(Problem::Unusable(format!("--app-public-key  {}\n    {remedy}", Printable(&what))));
        }
    }
    let report = Report::make(&capture, &bench, now)?;
    let written = if question.json { report.write_json(out) } else { report.write_text(out) };
    match written.and_then(|()| out.flush()) {
        // Whoever read the report has read enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(Problem::Output(error)),
        Ok(()) | Err(_) => {}
    }
    Ok(report.verified.is_some())
}

fn read(file: Option<&Path>, input: &mut impl Read) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    let limit = MAX_CAPTURE.saturating_add(1);
    let read = match file.filter(|file| *file != Path::new("-")) {
        Some(path) => File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)),
        None => input.take(limit).read_to_end(&mut bytes),
    };
    let name = file.map_or("standard input".to_owned(), |file| file.display().to_string());
    let name = Printable(&name);
    read.map_err(|error| Problem::Unusable(format!("{name} cannot be read: {error}")))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_CAPTURE) {
        Ok(bytes)
    } else {
        Err(Problem::Unusable(format!("{name} is over 64 MiB: give one captured notification")))
    }
}

/// The configuration, or what stands in its place.
struct Bench {
    config: Config,
    keyring: Keyring,
    keys: Vec<KnownKey>,
    own_keys: Vec<Fingerprint>,
    /// Whether there is a configuration, so that paths and contents can be judged.
    is_configured: bool,
    /// The command that asks whether the key is the app's own, where that was not asked.
    ask_for_own_key: Option<String>,
}

/// A key, and where it came from.
struct KnownKey {
    app_id: String,
    key: Arc<PublicKey>,
    /// Its place in the configuration, or the option that named it.
    entry: String,
    file: Option<String>,
}

impl Bench {
    fn set(
        question: &Question<'_>,
        env: impl Fn(&str) -> Option<String>,
        capture: &Capture,
    ) -> Result<Self, Problem> {
        if question.keys.is_empty() {
            let config = Config::load(question.config, env).map_err(|errors| {
                Problem::Unusable(format!("{errors}\n    or give Alipay's public key itself: --key FILE"))
            })?;
            let keys = config.apps.iter().flat_map(known_keys).collect();
            let own_keys =
                config.apps.iter().filter_map(|app| Some(app.answer.as_ref()?.fingerprint())).collect();
            let keyring = keyring(&keys);
            let ask_for_own_key = doubts::command(question);
            return Ok(Self { keyring, keys, own_keys, config, is_configured: true, ask_for_own_key });
        }
        let config = Config::parse(question.config, b"", |_| None)
            .map_err(|errors| Problem::Unusable(errors.to_string()))?;
        let claimed = capture.readings.iter().find_map(|reading| reading.parameters.app_id());
        let app_id = claimed.filter(|app_id| is_app_id(app_id)).unwrap_or(b"0");
        let app_id = String::from_utf8_lossy(app_id).into_owned();
        let keys: Vec<KnownKey> = question
            .keys
            .iter()
            .map(|path| {
                let file = path.display().to_string();
                let bytes = read_key_file(path).map_err(|error| {
                    Problem::Unusable(format!("--key {}: cannot be read: {error}", Printable(&file)))
                })?;
                let key = PublicKey::parse(&bytes).or_else(|_error| PublicKey::parse_allowing_sha1(&bytes));
                let key =
                    key.map_err(|error| Problem::Unusable(format!("--key {}: {error}", Printable(&file))))?;
                let entry = "--key".to_owned();
                Ok(KnownKey { app_id: app_id.clone(), key: Arc::new(key), entry, file: Some(file) })
            })
            .collect::<Result<_, Problem>>()?;
        Ok(Self {
            keyring: keyring(&keys),
            keys,
            own_keys: Vec::new(),
            config,
            is_configured: false,
            ask_for_own_key: doubts::command(question),
        })
    }

    /// The keys as candidates of a diagnosis, those of `app_id` first.
    fn candidates(&self, app_id: Option<&[u8]>) -> Vec<&KnownKey> {
        let is_own = |known: &&KnownKey| Some(known.app_id.as_bytes()) == app_id;
        let others = self.keys.iter().filter(|known| !is_own(known)).take(MAX_OTHERS);
        self.keys.iter().filter(is_own).chain(others).collect()
    }
}

/// How many keys of other apps are tried; each costs a quarter of a millisecond.
const MAX_OTHERS: usize = 20_000;

fn known_keys(app: &App) -> impl Iterator<Item = KnownKey> {
    app.keys.iter().map(|configured| KnownKey {
        app_id: app.app_id.clone(),
        key: Arc::clone(&configured.key),
        entry: configured.entry.clone(),
        file: match &configured.source {
            KeySource::File(name) => Some(name.clone()),
            KeySource::Inline => None,
        },
    })
}

fn keyring(keys: &Vec<KnownKey>) -> Keyring {
    let mut apps: Vec<(String, Vec<Arc<PublicKey>>)> = Vec::new();
    for known in keys {
        match apps.last_mut().filter(|(app_id, _)| *app_id == known.app_id) {
            Some((_, keys)) => keys.push(Arc::clone(&known.key)),
            None => apps.push((known.app_id.clone(), vec![Arc::clone(&known.key)])),
        }
    }
    apps.into_iter().collect()
}

/// What `run` would do.
enum Next {
    /// Forward it to the app.
    Forward,
    /// Answer a gateway check.
    Confirm,
    /// Refuse it.
    Refuse(Rejection),
}

/// All that is told of a capture.
struct Report<'r> {
    capture: &'r Capture,
    /// The app and the form, if it is genuine.
    verified: Option<(String, SignedForm)>,
    next: Next,
    diagnosis: Option<Diagnosis>,
    keys: Vec<&'r KnownKey>,
    bench: &'r Bench,
}

impl<'r> Report<'r> {
    fn make(capture: &'r Capture, bench: &'r Bench, now: SystemTime) -> Result<Self, Problem> {
        let of_head = match &capture.head {
            Some(head) => refused_by_head(head, capture, bench).map_err(Problem::Output)?,
            None => None,
        };
        let (verified, of_body) = judge(capture, bench, now);
        let app_id = capture.readings.iter().find_map(|reading| reading.parameters.app_id());
        let keys = bench.candidates(app_id);
        let mut next = match of_body {
            Ok(next) => next,
            Err(rejection) => Next::Refuse(rejection),
        };
        let mut diagnosis = None;
        if verified.is_none() {
            let case = Case {
                readings: capture.readings.clone(),
                keys: keys
                    .iter()
                    .map(|known| Candidate {
                        app_id: &known.app_id,
                        key: &known.key,
                        file: known.file.as_deref(),
                    })
                    .collect(),
                policy: &bench.config.policy,
                catalogue: &bench.config.catalogue,
                own_keys: bench.own_keys.clone(),
                reason: match &next {
                    Next::Refuse(rejection) => Some(rejection.reason()),
                    Next::Forward | Next::Confirm => None,
                },
                is_configured: bench.is_configured,
                placeholder: capture.placeholder,
            };
            let start = Instant::now();
            let deadline = start.checked_add(PATIENCE).unwrap_or(start);
            diagnosis = Some(diagnose(&case, Budget { bytes: BYTES, deadline }));
        }
        // What the head alone decides is decided first.
        if let Some(rejection) = of_head {
            next = Next::Refuse(rejection);
        }
        Ok(Self { capture, verified, next, diagnosis, keys, bench })
    }
}

impl Report<'_> {
    /// Whether this key is configured for another app than the one that the notification says it is for.
    fn is_of_another_app(&self, known: &KnownKey) -> bool {
        let claimed = self.capture.readings.iter().find_map(|reading| reading.parameters.app_id());
        self.bench.is_configured && claimed.is_some_and(|app_id| app_id != known.app_id.as_bytes())
    }
}

/// Why the room that reads requests refuses this one by its head, if it does.
fn refused_by_head(head: &Head, capture: &Capture, bench: &Bench) -> io::Result<Option<Rejection>> {
    let mut request = Request::builder().method(head.method.as_str()).uri(head.target.as_str());
    let mut has_length = false;
    for (name, value) in &head.headers {
        if name.starts_with(':') {
            continue;
        }
        has_length |=
            name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("transfer-encoding");
        request = request.header(name, value);
    }
    if !has_length {
        request = request.header("content-length", capture.body.len());
    }
    // What hyper does not read as a request does not come to the rooms.
    let Ok(request) = request.body(Full::new(Bytes::copy_from_slice(&capture.body))) else { return Ok(None) };
    let path = head.target.split('?').next().unwrap_or_default().to_owned();
    let paths = if bench.is_configured { bench.config.server.paths.clone() } else { vec![path] };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let received = runtime.block_on(receive(request, &paths, &bench.config.limits));
    Ok(received.err())
}

/// Whether the body is genuine, and what `run` would do with it now.
fn judge(
    capture: &Capture,
    bench: &Bench,
    now: SystemTime,
) -> (Option<(String, SignedForm)>, Result<Next, Rejection>) {
    let policy = &bench.config.policy;
    let parse = || Received::parse(&capture.body, bench.config.limits.max_params);
    // A capture may be old: that is no fault of its signature.
    let patient = Policy { max_age: None, max_skew: Duration::MAX, ..policy.clone() };
    let verified = parse().and_then(|received| verify(received, &bench.keyring, &patient, now));
    let verified = match verified {
        Ok(verified) => (verified.app_id().to_owned(), verified.signed_form()),
        Err(rejection) => return (None, Err(rejection)),
    };
    let next =
        parse().and_then(|received| verify(received, &bench.keyring, policy, now)).and_then(|verified| {
            if verified.kind() == Kind::GatewayCheck {
                if bench.is_configured {
                    confirm(verified, &bench.config.answers)?;
                }
                return Ok(Next::Confirm);
            }
            if bench.is_configured {
                let translate = bench.config.translate;
                let translator = Translator::new(
                    bench.config.catalogue.clone(),
                    translate.on_mismatch,
                    translate.unknown_methods,
                );
                let translator = translator.with_content_keys(bench.config.content_keys.clone());
                translator.with_mini_apps(bench.config.mini_apps()).translate(verified)?;
            }
            Ok(Next::Forward)
        });
    (Some(verified), next)
}
