//! The diagnosis of what the proxy refuses, for its log alone: a few a minute, on a thread of its own.
//!
//! Nobody waits for it, and what it finds decides nothing. A flood of forgeries costs no more than the few: what is not
//! admitted is dropped where it stands, and nothing is copied.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::{Budget, Candidate, Case, Cause, Diagnosis, Parameters, Reading, diagnose, readings};
use crate::config::{Config, KeySource};
use crate::receive::form::is_name;
use crate::rejection::{Evidence, Reason};

/// Between two diagnoses this long nothing is admitted: four a minute.
const REST: Duration = Duration::from_secs(15);
/// The most that is looked at, in bytes. Genuine notifications have a few KiB.
const MAX_BYTES: usize = 64 * 1024;
/// How many bytes are hashed in search of a cause.
const BYTES: u64 = 16 * 1024 * 1024;
/// How long a cause is searched for: at four a minute, seven thousandths of a core.
const PATIENCE: Duration = Duration::from_millis(100);
/// How many keys of other apps are tried.
const MAX_OTHERS: usize = 32;

/// Whoever has something to diagnose tells it to this.
#[derive(Debug)]
pub struct DiagnosisQueue {
    start: Instant,
    /// When the next one is admitted, in milliseconds since the start.
    next: AtomicU64,
    waiting: SyncSender<Refused>,
}

/// What was refused, and what the log says of it.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) evidence: Evidence,
    pub(crate) reason: Reason,
    pub(crate) app_id: Option<String>,
    pub(crate) notify_id: Option<String>,
    pub(crate) trace_id: Option<String>,
    /// The configuration by which it was refused.
    pub(crate) config: Arc<Config>,
}

impl DiagnosisQueue {
    /// Starts the thread, which ends when the last of its users does.
    pub fn start() -> io::Result<Self> {
        let (sender, waiting) = sync_channel(1);
        thread::Builder::new().name("diagnosis".to_owned()).spawn(move || work(&waiting))?;
        Ok(Self { start: Instant::now(), next: AtomicU64::new(0), waiting: sender })
    }

    /// Whether `evidence`, of what was refused for `reason`, is to be diagnosed at `now`. If so, the next has to wait.
    pub(crate) fn admits(&self, reason: Reason, evidence: &Evidence, now: Instant) -> bool {
        if !may_be_damaged(reason) || evidence.bytes() > MAX_BYTES {
            return false;
        }
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let now = millis(now.saturating_duration_since(self.start));
        let next = self.next.load(Ordering::Relaxed);
        now >= next
            && self
                .next
                .compare_exchange(
                    next,
                    now.saturating_add(millis(REST)),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok()
    }

    /// Hands over what was admitted. If one is waiting already, this one is dropped.
    pub(crate) fn take(&self, refused: Refused) {
        drop(self.waiting.try_send(refused));
    }
}

/// Whether a genuine notification may be refused for this reason because something happened to it on its way.
fn may_be_damaged(reason: Reason) -> bool {
    [
        Reason::BadEncoding,
        Reason::MalformedForm,
        Reason::RepeatedParameter,
        Reason::MissingParameter,
        Reason::MalformedParameter,
        Reason::AmbiguousParameters,
        Reason::UnsupportedKind,
        Reason::UnknownApp,
        Reason::HashNotAllowed,
        Reason::BadSignature,
    ]
    .contains(&reason)
}

/// The life of the thread.
fn work(waiting: &Receiver<Refused>) {
    while let Ok(refused) = waiting.recv() {
        // A defect here costs one diagnosis; the hook for panics has told of it.
        drop(catch_unwind(AssertUnwindSafe(|| tell(&refused, &examine(&refused)))));
    }
}

fn examine(refused: &Refused) -> Diagnosis {
    let config = &refused.config;
    let readings = match &refused.evidence {
        Evidence::Body(body) => readings(body),
        Evidence::Form(form) => vec![Reading { cause: None, parameters: Parameters::from(form) }],
    };
    let claimed: Option<Vec<u8>> =
        readings.iter().find_map(|reading| reading.parameters.app_id()).map(<[u8]>::to_vec);
    let is_own = |app_id: &str| Some(app_id.as_bytes()) == claimed.as_deref();
    let candidates = |own: bool| {
        config.apps.iter().filter(move |app| is_own(&app.app_id) == own).flat_map(|app| {
            app.keys.iter().map(|configured| Candidate {
                app_id: &app.app_id,
                key: &configured.key,
                file: match &configured.source {
                    KeySource::File(name) => Some(name),
                    KeySource::Inline => None,
                },
            })
        })
    };
    let case = Case {
        keys: candidates(true).chain(candidates(false).take(MAX_OTHERS)).collect(),
        policy: &config.policy,
        own_keys: config.apps.iter().filter_map(|app| Some(app.answer.as_ref()?.fingerprint())).collect(),
        reason: Some(refused.reason),
        is_configured: true,
        readings,
    };
    let now = Instant::now();
    diagnose(&case, Budget { bytes: BYTES, deadline: now.checked_add(PATIENCE).unwrap_or(now) })
}

/// Writes labels and names, never values. What nobody of ours signed is worth no warning: anybody can send it.
fn tell(refused: &Refused, diagnosis: &Diagnosis) {
    let cause = diagnosis.cause();
    // What is no plain name might hold anything.
    let mut names: Vec<&str> = diagnosis
        .findings
        .iter()
        .flat_map(|finding| &finding.parameters)
        .map(|name| if is_name(name.as_bytes()) { name.as_str() } else { "…" })
        .collect();
    names.dedup();
    names.truncate(8);
    let other = diagnosis.findings.get(1).map(|finding| finding.cause.label());
    macro_rules! write_line {
        ($level:ident) => {
            $level!(
                event = "diagnosis",
                likely_cause = cause.label(),
                and_cause = other,
                proven = diagnosis.is_proven,
                parameters = (!names.is_empty()).then(|| names.join(", ")),
                reason = refused.reason.rule().label,
                app_id = refused.app_id,
                notify_id = refused.notify_id,
                trace_id = refused.trace_id,
                "{}",
                cause.remedy()
            )
        };
    }
    if diagnosis.opened.is_some() || cause == Cause::AppKey {
        write_line!(warn);
    } else {
        write_line!(info);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_flood_of_refusals_is_admitted_four_times_a_minute() {
        let queue = DiagnosisQueue::start().unwrap();
        let evidence = Evidence::Body(Bytes::from_static(b"a=1"));
        let start = queue.start;
        let admitted = (0..60_000_u64)
            .filter(|millis| {
                let now = start.checked_add(Duration::from_millis(*millis)).unwrap();
                queue.admits(Reason::BadSignature, &evidence, now)
            })
            .count();
        assert_eq!(admitted, 4);
    }

    #[test]
    fn what_is_too_long_or_refused_for_another_reason_is_not_admitted_and_delays_nobody() {
        let queue = DiagnosisQueue::start().unwrap();
        let long = Evidence::Body(Bytes::from(vec![b'a'; MAX_BYTES + 1]));
        let short = Evidence::Body(Bytes::from_static(b"a=1"));
        let now = Instant::now();
        assert!(!queue.admits(Reason::BadSignature, &long, now));
        assert!(!queue.admits(Reason::TooOld, &short, now));
        assert!(queue.admits(Reason::BadSignature, &short, now));
    }
}
