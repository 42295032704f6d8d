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
use crate::rejection::{Reason, Rejection};
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
/// How long causes are searched for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Explains a capture on `out`, each notification in it in its turn, and says whether all of them are genuine.
pub fn explain(
    question: &Question<'_>,
    env: impl Fn(&str) -> Option<String>,
    now: SystemTime,
    input: &mut impl Read,
    out: &mut impl Write,
) -> Result<bool, Problem> {
    let bytes = read(question.file, input)?;
    let captures = Capture::all(&bytes).map_err(|unreadable| {
        let name = question.file.map_or("standard input".to_owned(), |file| file.display().to_string());
        Problem::Unusable(format!("{}: {unreadable}", Printable(&name)))
    })?;
    let mut bench = Bench::set(question, env)?;
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
    let mut patience = PATIENCE;
    let of_how_many = captures.len();
    let mut is_all_genuine = true;
    for (place, capture) in captures.into_iter().enumerate() {
        bench.claim(&capture);
        let start = Instant::now();
        let share = share(patience, of_how_many.saturating_sub(place));
        let report = Report::make(capture, &bench, now, start.checked_add(share).unwrap_or(start))?;
        patience = patience.saturating_sub(start.elapsed());
        is_all_genuine &= report.verified.is_some();
        let place = (of_how_many > 1).then(|| (place.saturating_add(1), of_how_many));
        let written = if question.json { report.write_json(out) } else { report.write_text(place, out) };
        match written.and_then(|()| out.flush()) {
            // Whoever read the report has read enough.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(Problem::Output(error)),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(is_all_genuine)
}

/// How much of `patience` the next of so many notifications has: none is searched less for those that stand before it.
fn share(patience: Duration, of_how_many: usize) -> Duration {
    // Of none that is to come, all of it.
    patience.checked_div(u32::try_from(of_how_many).unwrap_or(u32::MAX)).unwrap_or(patience)
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
    fn set(question: &Question<'_>, env: impl Fn(&str) -> Option<String>) -> Result<Self, Problem> {
        if question.keys.is_empty() {
            let config = Config::load(question.config, env).map_err(|errors| {
                Problem::Unusable(format!("{errors}\n    or give Alipay's public key itself: --key FILE"))
            })?;
            let keys: Vec<KnownKey> = config.apps.iter().flat_map(known_keys).collect();
            let own_keys =
                config.apps.iter().filter_map(|app| Some(app.answer.as_ref()?.fingerprint())).collect();
            let keyring = keyring(&keys);
            let ask_for_own_key = doubts::command(question);
            return Ok(Self { keyring, keys, own_keys, config, is_configured: true, ask_for_own_key });
        }
        let config = Config::parse(question.config, b"", |_| None)
            .map_err(|errors| Problem::Unusable(errors.to_string()))?;
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
                Ok(KnownKey { app_id: String::new(), key: Arc::new(key), entry, file: Some(file) })
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

    /// Takes keys that are configured for no app for those of the app that `capture` says it is for.
    fn claim(&mut self, capture: &Capture) {
        if self.is_configured {
            return;
        }
        let app_id = capture.app_id().filter(|app_id| is_app_id(app_id)).unwrap_or(b"0");
        let app_id = String::from_utf8_lossy(app_id).into_owned();
        self.keys.iter_mut().for_each(|known| known.app_id.clone_from(&app_id));
        self.keyring = keyring(&self.keys);
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

fn keyring(keys: &[KnownKey]) -> Keyring {
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
    capture: Capture,
    /// The app and the form, if it is genuine.
    verified: Option<(String, SignedForm)>,
    next: Next,
    diagnosis: Option<Diagnosis>,
    keys: Vec<&'r KnownKey>,
    bench: &'r Bench,
}

impl<'r> Report<'r> {
    fn make(capture: Capture, bench: &'r Bench, now: SystemTime, deadline: Instant) -> Result<Self, Problem> {
        let keys = bench.candidates(capture.app_id());
        let Settled { capture, verdict: (verified, of_body), diagnosis } =
            settle(capture, bench, &keys, now, deadline);
        let of_head = match &capture.head {
            Some(head) => refused_by_head(head, &capture, bench).map_err(Problem::Output)?,
            None => None,
        };
        // What the head alone decides is decided first.
        let next = match of_head.map_or(of_body, Err) {
            Ok(next) => next,
            Err(rejection) => Next::Refuse(rejection),
        };
        Ok(Self { capture, verified, next, diagnosis, keys, bench })
    }
}

/// The app and the form of what is genuine, and what `run` would do with it now.
type Verdict = (Option<(String, SignedForm)>, Result<Next, Rejection>);

/// The way to read a capture that is right as far as is known, and what is found of it.
struct Settled {
    capture: Capture,
    verdict: Verdict,
    diagnosis: Option<Diagnosis>,
}

/// Takes that way to read `capture` with which the signature holds, or with which it is proven why it does not; if there
/// is none, the likeliest.
fn settle(
    capture: Capture,
    bench: &Bench,
    keys: &[&KnownKey],
    now: SystemTime,
    deadline: Instant,
) -> Settled {
    let verdict = judge(&capture, bench, now);
    if verdict.0.is_some() {
        return Settled { capture, verdict, diagnosis: None };
    }
    for other in capture.others() {
        let verdict = judge(&other, bench, now);
        if verdict.0.is_some() {
            return Settled { capture: other, verdict, diagnosis: None };
        }
    }
    let found = search(&capture, bench, keys, &verdict, deadline);
    if found.opened.is_some() && found.signed.is_none() {
        for other in capture.others() {
            let verdict = judge(&other, bench, now);
            let found = search(&other, bench, keys, &verdict, deadline);
            if found.signed.is_some() {
                return Settled { capture: other, verdict, diagnosis: Some(found) };
            }
        }
    }
    let capture = if found.signed.is_some() { capture } else { capture.in_doubt() };
    Settled { capture, verdict, diagnosis: Some(found) }
}

/// Why `capture` is not genuine.
fn search(
    capture: &Capture,
    bench: &Bench,
    keys: &[&KnownKey],
    (_, next): &Verdict,
    deadline: Instant,
) -> Diagnosis {
    let case = Case {
        readings: capture.readings.clone(),
        keys: keys
            .iter()
            .map(|known| Candidate { app_id: &known.app_id, key: &known.key, file: known.file.as_deref() })
            .collect(),
        policy: &bench.config.policy,
        catalogue: &bench.config.catalogue,
        own_keys: bench.own_keys.clone(),
        reason: next.as_ref().err().map(Rejection::reason),
        is_configured: bench.is_configured,
        placeholder: capture.placeholder,
    };
    diagnose(&case, Budget { bytes: BYTES, deadline })
}

impl Report<'_> {
    /// Whether this key is configured for another app than the one that the notification says it is for.
    fn is_of_another_app(&self, known: &KnownKey) -> bool {
        self.bench.is_configured
            && self.capture.app_id().is_some_and(|app_id| app_id != known.app_id.as_bytes())
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
fn judge(capture: &Capture, bench: &Bench, now: SystemTime) -> Verdict {
    let policy = &bench.config.policy;
    let limits = &bench.config.limits;
    // A capture may be old, or larger than what is configured: that is no fault of its signature.
    let patient = Policy { max_age: None, max_skew: Duration::MAX, ..policy.clone() };
    let verified = Received::parse(&capture.body, usize::MAX)
        .and_then(|received| verify(received, &bench.keyring, &patient, now));
    let verified = match verified {
        Ok(verified) => (verified.app_id().to_owned(), verified.signed_form()),
        Err(rejection) => return (None, Err(rejection)),
    };
    let received = if capture.body.len() > limits.max_body {
        Err(Reason::BodyTooLarge.into())
    } else {
        Received::parse(&capture.body, limits.max_params)
    };
    let next =
        received.and_then(|received| verify(received, &bench.keyring, policy, now)).and_then(|verified| {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_those_before_it_take_none_has_less_than_its_share() {
        for taken in [Duration::ZERO, Duration::MAX] {
            let mut patience = PATIENCE;
            for left in (1..=16).rev() {
                let share = share(patience, left);
                assert!(share >= PATIENCE / 17, "{share:?} with {left} to come");
                patience = patience.saturating_sub(taken.min(share));
            }
            assert!(patience <= PATIENCE);
        }
    }
}
