//! The ledger in a Redis, which replicas share.
//!
//! A notification has two keys: its record, and the lease of whoever delivers it. Each step is a script, so that nobody comes
//! between its parts: [`begin.lua`](redis/begin.lua) before a delivery, [`end.lua`](redis/end.lua) after it. A lease ends by
//! itself, so one who dies leaves nothing behind, and one who hangs for longer can do no harm: it may still tell that the app
//! accepted, but not that a delivery failed.
//!
//! What is kept of failures has a key for each event, and an [index](redis/index.lua). How long all of it is there is measured by
//! the clock of Redis alone, so that a replica whose clock is wrong forgets nothing of the others'.

mod line;
mod script;
mod text;
mod tls;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redis::Value;
use tokio::runtime::Handle;
use tokio::time::timeout;

use self::line::Lines;
use self::script::Script;
use super::Terms;
use super::backlog::{Backlog, Place};
use super::figures::{Figures, GONE, NO_ROOM, Step, TOO_OLD, TOO_SLOW};
use super::kept::{self, Failure, Found, Kept, Stored};
use super::key::Key;
use super::record::{Moment, Record};
use super::shelf::{ROOM, Room};
use super::store::{Known, Store, StoreError};
use crate::config::RedisUrl;

/// What all our keys begin with.
const PREFIX: &str = "alipay-sidecar:";
/// The set of all that waits for a retry, by when it does no more.
const WAITING: &str = "alipay-sidecar:waiting";
/// The index of all events that are kept. Each has a key of its own below it.
const PENDING: &str = "alipay-sidecar:pending";
/// How many records are asked for in one go.
const SOME: usize = 256;
/// How long a question of `pending` may wait for a connection, twice over.
const GRACE: Duration = Duration::from_secs(2);

/// The script of this file, with what those that look at the index share before it.
macro_rules! script {
    ($file:literal) => {
        Script::new(concat!(include_str!("redis/index.lua"), include_str!($file)))
    };
}

/// A store in a Redis.
#[derive(Debug)]
pub(crate) struct RedisStore {
    lines: Lines,
    begin: Script,
    end: Script,
    sweep: Arc<Script>,
    kept: Script,
    entries: Script,
    stored: Script,
    accepted: Script,
    backlog: Backlog,
    room: Room,
    /// What the tokens of this process begin with, and those of no other.
    process: String,
    figures: Figures,
}

impl RedisStore {
    /// The store in the Redis at `url`. Nothing is asked of it yet: whoever has a notification finds out whether it is there.
    pub(super) fn new(url: RedisUrl, figures: Figures) -> io::Result<Self> {
        let mut random = [0; 16];
        aws_lc_rs::rand::fill(&mut random).map_err(|_unspecified| io::Error::other("no random bytes"))?;
        Ok(Self {
            lines: Lines::new(url),
            begin: Script::new(include_str!("redis/begin.lua")),
            end: script!("redis/end.lua"),
            sweep: Arc::new(script!("redis/sweep.lua")),
            kept: Script::new(include_str!("redis/kept.lua")),
            entries: script!("redis/entries.lua"),
            stored: Script::new(include_str!("redis/stored.lua")),
            accepted: Script::new(include_str!("redis/accepted.lua")),
            backlog: Backlog::default(),
            room: ROOM,
            process: format!("{:032x}:", u128::from_be_bytes(random)),
            figures,
        })
    }

    /// What the delivery is called that began at this moment. Of one notification, a process has one at a time.
    fn token(&self, begun: Moment) -> String {
        format!("{}{}", self.process, begun.0)
    }
}

impl RedisStore {
    /// What is to be kept of a delivery that failed, unless too much of that is on its way already.
    fn keep<'e>(&self, failure: Failure<'e>, record: Record) -> Option<Keep<'e>> {
        let (kept, body) = (Kept::of(failure, record), failure.event.body());
        let Some(place) = self.backlog.enter(body.len()) else {
            self.figures.keeping_of_store().dropped(&kept, TOO_SLOW);
            return None;
        };
        // It is JSON, so it is text.
        let written = String::from_utf8(kept.encoded().ok()?).ok()?;
        Some(Keep { kept: written, body: std::str::from_utf8(body).ok()?, _place: place })
    }

    /// What Redis answers to a question of `pending`. Who asks has a deadline.
    async fn asked(&self, script: &Script, keys: &[&str], arguments: &[&str]) -> Result<Value, StoreError> {
        self.lines.here().ask(script, keys, arguments, GRACE).await.map_err(StoreError::Broken)
    }
}

/// An event that is to be kept. It has its place as long as it is on its way.
struct Keep<'e> {
    kept: String,
    body: &'e str,
    _place: Place,
}

impl Store for RedisStore {
    async fn begin(&self, key: Key, now: Moment, terms: &Terms) -> Result<Known, StoreError> {
        let Names { record, lease, .. } = Names::of(key);
        let (token, duration) = (self.token(now), milliseconds(lease_time(terms)));
        let arguments = [token.as_str(), &self.process, &duration, text::ACCEPTED];
        let keys = [record.as_str(), &lease];
        let asked = self.lines.here().ask(&self.begin, &keys, &arguments, terms.store_patience);
        let answer = asked.await.map_err(StoreError::Broken)?;
        if answer == Value::Nil {
            return Ok(Known::New);
        }
        if let Value::Int(_) = answer {
            return Ok(Known::Elsewhere);
        }
        let written = if let Value::BulkString(written) = &answer { text::decoded(written) } else { None };
        written.map(Known::Record).ok_or_else(|| {
            let what = format!("{record} holds no record of this version: remove it, or update the sidecar");
            StoreError::Broken(what.into())
        })
    }

    async fn end(
        &self,
        key: Key,
        record: Record,
        failure: Option<Failure<'_>>,
        terms: &Terms,
    ) -> Result<(), StoreError> {
        let names = Names::of(key);
        let written = text::encoded(&record);
        let now = failure.map_or(record.last_seen, |failure| failure.at);
        // Whole seconds are counted, so there is one more.
        let age = record.since().until(now);
        let retained = terms.retain.saturating_sub(age).saturating_add(Duration::from_secs(1));
        let is_waiting = record.next().is_some() && !record.is_over(now, terms.retain);
        let (token, retained) = (self.token(now), milliseconds(retained));
        let keep = failure.and_then(|failure| self.keep(failure, record));
        let (kept, body) = keep.as_ref().map_or(("", ""), |keep| (keep.kept.as_str(), keep.body));
        let (entries, kib) = (self.room.entries.to_string(), (self.room.bytes / 1024).to_string());
        let lifetime = seconds(kept::lifetime(terms));
        let keys = [names.record.as_str(), &names.lease, WAITING, PENDING];
        let waits = if is_waiting { "waits" } else { "" };
        let of_record = [token.as_str(), &written, &retained, text::ACCEPTED, &names.member, waits];
        let of_event = [kept, body, &entries, &kib, &lifetime];
        let arguments: Vec<&str> = of_record.into_iter().chain(of_event).collect();
        let told = self.lines.here().ask(&self.end, &keys, &arguments, terms.store_patience);
        count(&self.figures, &told.await.map_err(StoreError::Broken)?, NO_ROOM);
        Ok(())
    }

    async fn kept(&self) -> Result<Vec<Key>, StoreError> {
        let answer = self.asked(&self.kept, &[PENDING], &[]).await?;
        Ok(parts(&answer).iter().filter_map(|part| Names::key(text_of(part)?)).collect())
    }

    async fn entries(&self, keys: Vec<Key>) -> Result<Vec<Found>, StoreError> {
        let events: Vec<String> = keys.iter().map(|key| Names::of(*key).event()).collect();
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        let answer = self.asked(&self.entries, &events, &[]).await?;
        let found = keys.into_iter().zip(parts(&answer));
        Ok(found.filter_map(|(key, part)| Some(Kept::read(key, text_of(part)?))).collect())
    }

    async fn stored(&self, key: Key) -> Result<Option<Stored>, StoreError> {
        let answer = self.asked(&self.stored, &[&Names::of(key).event()], &[]).await?;
        let [Value::BulkString(kept), Value::BulkString(body)] = parts(&answer) else { return Ok(None) };
        Stored::read(key, kept, Bytes::copy_from_slice(body)).map(Some).ok_or_else(damaged)
    }

    async fn is_any_accepted(&self, keys: &[Key], _now: Moment, _terms: &Terms) -> Result<bool, StoreError> {
        for some in keys.chunks(SOME) {
            let records: Vec<String> = some.iter().map(|key| Names::of(*key).record).collect();
            let records: Vec<&str> = records.iter().map(String::as_str).collect();
            if self.asked(&self.accepted, &records, &[text::ACCEPTED]).await? == Value::Int(1) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Also finds out whether Redis is there, when nothing else asks for it.
    fn sweep(&self, _now: Moment, terms: &Terms) {
        let Ok(runtime) = Handle::try_current() else { return };
        let (line, script, figures) = (self.lines.here(), Arc::clone(&self.sweep), self.figures.clone());
        let patience = terms.store_patience;
        let lifetime = seconds(kept::lifetime(terms));
        let chance = fastrand::u32(..).to_string();
        drop(runtime.spawn(async move {
            match timeout(patience, line.ask(&script, &[WAITING, PENDING], &[&lifetime, &chance], patience))
                .await
            {
                Ok(Ok(answer)) => {
                    count(&figures, &answer, TOO_OLD);
                    figures.succeeded(Step::Sweep);
                }
                Ok(Err(problem)) => figures.failed(Step::Sweep, &StoreError::Broken(problem)),
                Err(_elapsed) => figures.failed(Step::Sweep, &StoreError::Late),
            }
        }));
    }
}

/// Takes over how many wait for a retry and how many are kept, which is what a script answered, and tells of those that are kept
/// no longer: for this `cause`, where their events were still there.
fn count(figures: &Figures, answer: &Value, cause: &'static str) {
    let [Value::Int(waiting), Value::Int(pending), dropped] = parts(answer) else { return };
    figures.waiting_of_store().set(usize::try_from(*waiting).unwrap_or_default());
    let keeping = figures.keeping_of_store();
    keeping.set(usize::try_from(*pending).unwrap_or_default());
    for dropped in parts(dropped).chunks_exact(2) {
        let [name, kept] = dropped else { continue };
        let kept = text_of(kept);
        if let Some(event) = kept.and_then(Kept::decoded) {
            keeping.dropped(&event, cause);
        } else {
            let cause = if kept.is_some() { cause } else { GONE };
            keeping.lost(&String::from_utf8_lossy(text_of(name).unwrap_or_default()), cause);
        }
    }
}

/// The parts of an answer that has some.
fn parts(answer: &Value) -> &[Value] {
    if let Value::Array(parts) = answer { parts } else { &[] }
}

/// The text that a part of an answer is, if it is one.
fn text_of(part: &Value) -> Option<&[u8]> {
    if let Value::BulkString(text) = part { Some(text) } else { None }
}

fn damaged() -> StoreError {
    StoreError::Broken(
        "what is kept in it is not of this version, or is damaged: remove it, or update the sidecar".into(),
    )
}

/// The names of one notification in Redis.
struct Names {
    /// The key of its record.
    record: String,
    /// The key of the lease.
    lease: String,
    /// Its name among those that wait, and among those that are kept.
    member: String,
}

impl Names {
    /// The key of its event, where that is kept.
    fn event(&self) -> String {
        format!("{PENDING}:{}", self.member)
    }

    /// The notification that is called so among those that are kept.
    fn key(member: &[u8]) -> Option<Key> {
        let number = u128::from_str_radix(std::str::from_utf8(member).ok()?, 16).ok()?;
        Some(Key::from_bytes(number.to_be_bytes()))
    }

    fn of(key: Key) -> Self {
        let member = key.to_string();
        let record = format!("{PREFIX}{member}");
        Self { lease: format!("{record}:lease"), record, member }
    }
}

/// For how long a delivery has its notification for itself: as long as it may take, and the store before and after it.
fn lease_time(terms: &Terms) -> Duration {
    terms.patience.saturating_add(terms.store_patience.saturating_mul(2))
}

fn seconds(duration: Duration) -> String {
    duration.as_secs().to_string()
}

fn milliseconds(duration: Duration) -> String {
    duration.as_millis().max(1).to_string()
}

#[cfg(test)]
pub(super) mod tests;
