//! `Kept → Delivery`: what was never accepted, listed, and delivered once more because somebody asks for it.
//!
//! Whoever asks does so with the command `pending`, which opens the ledger itself, or asks the process that has it open over a
//! socket: one line of JSON with the question, a line for each part of the answer, and a last one.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hyper::header::HeaderMap;
use serde::{Deserialize, Serialize};
use tracing::{error, info, warn};

use crate::ack::Outcome;
use crate::config::Config;
use crate::deliver::trace::TraceContext;
use crate::deliver::{Exchange, Upstream};
use crate::ledger::kept::{Kept, Unreadable};
use crate::ledger::key::Key;
use crate::ledger::record::Moment;
use crate::ledger::{Ledger, Sighting};
use crate::outside::{Machine, Outside};
use crate::rejection::{Rejection, Severity};
use crate::translate::Event;

/// How many events are looked at in one go, so that who has an acceptance to write does not wait for long.
const PAGE: usize = 256;

/// What somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// To list what is kept.
    List,
    /// To deliver these once more; each is a `notify_id`, or an `app_id` and a `notify_id` with a slash between.
    Replay(Vec<String>),
    /// To deliver all that is kept once more.
    ReplayAll,
}

/// A part of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Something that is kept.
    Entry(Entry),
    /// Something that is kept, and cannot be read: its name in the ledger.
    Unreadable(String),
    /// What one replay came to.
    Replayed(Replayed),
    /// Why the answer ends early.
    Problem(String),
    /// That the answer is whole, and whether what fails is kept from now on.
    End {
        /// `ledger.keep_failed`.
        keep_failed: bool,
    },
}

/// Something that is kept. Of its content there is nothing in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What Alipay calls the notification.
    pub notify_id: String,
    /// The app that it is for.
    pub app_id: String,
    /// The kind of message.
    pub msg_method: String,
    /// When it was first seen.
    pub first_seen: String,
    /// When it was last given to the app.
    pub last_attempt: String,
    /// How often it was given to the app.
    pub attempts: u8,
    /// When Alipay delivers it again; absent where that is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_due: Option<String>,
    /// Why it was not accepted.
    pub reason: String,
    /// How long its body is.
    pub bytes: usize,
}

/// What one replay came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    /// What was asked for, or what Alipay calls the notification.
    pub notify_id: String,
    /// The app that it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
    /// The kind of message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub msg_method: Option<String>,
    /// What it came to.
    pub result: ReplayResult,
    /// Which attempt it was, if it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u8>,
    /// The status with which the app answered, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_status: Option<u16>,
    /// Why it was not accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What one replay came to, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplayResult {
    /// The app accepted it.
    Accepted,
    /// The app had accepted it before, or a delivery that was in flight; it was not sent.
    AcceptedEarlier,
    /// The app did not accept it, and it is kept.
    Failed,
    /// Nothing is kept under that name.
    Unknown,
    /// It is kept for several apps under that name.
    Ambiguous,
    /// What is kept under that name is damaged, or of another version.
    Unreadable,
}

impl ReplayResult {
    /// Whether the app has it now.
    pub fn is_accepted(self) -> bool {
        match self {
            Self::Accepted | Self::AcceptedEarlier => true,
            Self::Failed | Self::Unknown | Self::Ambiguous | Self::Unreadable => false,
        }
    }

    /// The word.
    pub fn label(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::AcceptedEarlier => "accepted_earlier",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Ambiguous => "ambiguous",
            Self::Unreadable => "unreadable",
        }
    }
}

/// Where a process that has the ledger at `path` open can be asked.
pub fn socket(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".sock");
    PathBuf::from(name)
}

/// Who answers.
pub struct Replayer<'r, O = Machine> {
    /// Where what failed is kept.
    pub ledger: &'r Ledger,
    /// What holds now.
    pub config: &'r Config,
    /// The app.
    pub upstream: &'r Upstream<O>,
    /// What time it is.
    pub clock: fn() -> SystemTime,
}

/// Why an answer ends early: who asked is gone, or the ledger cannot be asked.
enum Stop {
    Io(io::Error),
    Ledger(Rejection),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Rejection> for Stop {
    fn from(rejection: Rejection) -> Self {
        Self::Ledger(rejection)
    }
}

impl<O: Outside> Replayer<'_, O> {
    /// Answers `ask`, part by part, to `say`. Before each delivery it asks `is_over` whether there is to be another.
    pub async fn answer(
        &self,
        ask: Ask,
        is_over: impl Fn() -> bool,
        mut say: impl AsyncFnMut(Reply) -> io::Result<()>,
    ) -> io::Result<()> {
        let outcome = match ask {
            Ask::List => self.list(&mut say).await,
            Ask::Replay(names) => self.replay_named(names, is_over, &mut say).await,
            Ask::ReplayAll => self.replay_all(is_over, &mut say).await,
        };
        match outcome {
            Ok(None) => say(Reply::End { keep_failed: self.config.ledger.keep_failed }).await,
            Ok(Some(problem)) => say(Reply::Problem(problem)).await,
            Err(Stop::Ledger(rejection)) => {
                let cause = rejection.cause().map(ToString::to_string).unwrap_or_default();
                say(Reply::Problem(format!("{}: {cause}", rejection.reason().rule().label))).await
            }
            Err(Stop::Io(error)) => Err(error),
        }
    }

    async fn list(&self, say: &mut impl AsyncFnMut(Reply) -> io::Result<()>) -> Result<Option<String>, Stop> {
        let keys = self.ledger.kept(&self.config.terms()).await?;
        for page in keys.chunks(PAGE) {
            let now = Moment::of((self.clock)());
            for found in self.ledger.entries(page.to_vec(), &self.config.terms()).await? {
                say(match found {
                    Ok(kept) => Reply::Entry(Entry::of(kept, now)),
                    Err(Unreadable(key)) => Reply::Unreadable(key.to_string()),
                })
                .await?;
            }
        }
        Ok(None)
    }

    /// One after the other, those first that were first seen: an app that was away is not to be trampled on.
    async fn replay_all(
        &self,
        is_over: impl Fn() -> bool,
        say: &mut impl AsyncFnMut(Reply) -> io::Result<()>,
    ) -> Result<Option<String>, Stop> {
        let keys = self.ledger.kept(&self.config.terms()).await?;
        for page in keys.chunks(PAGE) {
            for found in self.ledger.entries(page.to_vec(), &self.config.terms()).await? {
                if is_over() {
                    return Ok(Some(ENDING.to_owned()));
                }
                let replayed = match found {
                    Ok(kept) => self.replay(&kept).await,
                    Err(Unreadable(key)) => Replayed::without(&key.to_string(), ReplayResult::Unreadable),
                };
                say(Reply::Replayed(replayed)).await?;
            }
        }
        Ok(None)
    }

    async fn replay_named(
        &self,
        names: Vec<String>,
        is_over: impl Fn() -> bool,
        say: &mut impl AsyncFnMut(Reply) -> io::Result<()>,
    ) -> Result<Option<String>, Stop> {
        let mut wanted: BTreeMap<String, Vec<Kept>> =
            names.iter().map(|name| (name.clone(), Vec::new())).collect();
        let mut unreadable = BTreeSet::new();
        let keys = self.ledger.kept(&self.config.terms()).await?;
        for page in keys.chunks(PAGE) {
            for found in self.ledger.entries(page.to_vec(), &self.config.terms()).await? {
                let kept = match found {
                    Ok(kept) => kept,
                    Err(Unreadable(key)) => {
                        unreadable.insert(key);
                        continue;
                    }
                };
                let full = format!("{}/{}", kept.app_id, kept.notify_id);
                if let Some(found) = wanted.get_mut(&full) {
                    found.push(kept);
                } else if let Some(found) = wanted.get_mut(&kept.notify_id) {
                    found.push(kept);
                }
            }
        }
        let mut seen = BTreeSet::new();
        for name in names.iter().filter(|name| seen.insert(name.as_str())) {
            if is_over() {
                return Ok(Some(ENDING.to_owned()));
            }
            let replayed = match wanted.remove(name).unwrap_or_default().as_slice() {
                [kept] => self.replay(kept).await,
                [] => {
                    let keys = self.keys(name);
                    let verdict = if keys.iter().any(|key| unreadable.contains(key)) {
                        ReplayResult::Unreadable
                    } else if self.was_accepted(&keys).await? {
                        ReplayResult::AcceptedEarlier
                    } else {
                        ReplayResult::Unknown
                    };
                    Replayed::without(name, verdict)
                }
                [_, ..] => Replayed::without(name, ReplayResult::Ambiguous),
            };
            say(Reply::Replayed(replayed)).await?;
        }
        Ok(None)
    }

    /// What the ledger may call it.
    fn keys(&self, name: &str) -> Vec<Key> {
        match name.split_once('/') {
            Some((app_id, notify_id)) => vec![Key::of(app_id, notify_id)],
            None => self.config.apps.iter().map(|app| Key::of(&app.app_id, name)).collect(),
        }
    }

    /// Whether the ledger still knows that one of these was accepted.
    async fn was_accepted(&self, keys: &[Key]) -> Result<bool, Rejection> {
        self.ledger.is_any_accepted(keys, (self.clock)(), &self.config.terms()).await
    }

    async fn replay(&self, kept: &Kept) -> Replayed {
        let (now, trace) = ((self.clock)(), TraceContext::of(&HeaderMap::new()));
        let (mut sighting, mut exchange) = (None, Exchange::default());
        let deliver = async |event: &Event, sighting| {
            self.upstream.deliver(event, sighting, &trace, now, &mut exchange).await
        };
        let outcome = self.ledger.again(kept.key(), self.config.terms(), now, &mut sighting, deliver).await;
        let (result, reason) = match &outcome {
            Ok(Some(Outcome::Delivered(_))) => (ReplayResult::Accepted, None),
            // What is kept no longer, and was when this began, was accepted meanwhile, or made room.
            Ok(Some(Outcome::Repeated(_) | Outcome::Confirmed(_))) => (ReplayResult::AcceptedEarlier, None),
            Ok(None) => {
                let is_accepted = self.was_accepted(&[kept.key()]).await;
                let verdict = if is_accepted.is_ok_and(|is| is) {
                    ReplayResult::AcceptedEarlier
                } else {
                    ReplayResult::Unknown
                };
                (verdict, None)
            }
            Err(rejection) => (ReplayResult::Failed, Some(rejection.reason().rule().label)),
        };
        let attempt = sighting.map(Sighting::attempt);
        let upstream_status = exchange.status.map(|status| status.as_u16());
        macro_rules! write_line {
            ($level:ident) => {
                $level!(
                    event = "replay",
                    result = result.label(),
                    reason,
                    cause = outcome.as_ref().err().and_then(Rejection::cause).map(ToString::to_string),
                    app_id = kept.app_id,
                    notify_id = kept.notify_id,
                    msg_method = kept.msg_method,
                    attempt,
                    upstream_status,
                    trace_id = trace.id(),
                )
            };
        }
        let severity = match &outcome {
            Ok(_) if result.is_accepted() => Severity::Sender,
            Ok(_) => Severity::Upstream,
            Err(rejection) => rejection.reason().rule().severity,
        };
        match severity {
            Severity::Sender => write_line!(info),
            Severity::Upstream => write_line!(warn),
            Severity::Operator => write_line!(error),
        }
        Replayed {
            notify_id: kept.notify_id.clone(),
            app_id: Some(kept.app_id.clone()),
            msg_method: Some(kept.msg_method.clone()),
            result,
            attempt,
            upstream_status,
            reason: reason.map(ToOwned::to_owned),
        }
    }
}

const ENDING: &str =
    "the sidecar is about to end: what is not listed here was not sent; ask again when it is back";

impl Entry {
    fn of(kept: Kept, now: Moment) -> Self {
        let record = kept.record();
        Self {
            first_seen: record.first_seen.timestamp().to_string(),
            last_attempt: kept.last_attempt().timestamp().to_string(),
            attempts: record.attempt,
            next_due: kept.next(now).map(|due| due.timestamp().to_string()),
            notify_id: kept.notify_id,
            app_id: kept.app_id,
            msg_method: kept.msg_method,
            reason: kept.reason,
            bytes: kept.bytes,
        }
    }
}

impl Replayed {
    /// Of what was not found, or not without doubt.
    fn without(name: &str, result: ReplayResult) -> Self {
        Self {
            notify_id: name.to_owned(),
            app_id: None,
            msg_method: None,
            result,
            attempt: None,
            upstream_status: None,
            reason: None,
        }
    }
}
