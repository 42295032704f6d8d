//! The ledger in a Redis, which replicas share.
//!
//! A notification has two keys: its record, and the lease of whoever delivers it. Each step is a script, so that nobody comes
//! between its parts: [`begin.lua`](redis/begin.lua) before a delivery, [`end.lua`](redis/end.lua) after it. A lease ends by
//! itself, so one who dies leaves nothing behind, and one who hangs for longer can do no harm: it may still tell that the app
//! accepted, but not that a delivery failed.

mod line;
mod script;
mod text;
mod tls;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::Value;
use tokio::runtime::Handle;
use tokio::time::timeout;

use self::line::Lines;
use self::script::Script;
use super::Terms;
use super::figures::Figures;
use super::key::Key;
use super::record::{Moment, Record};
use super::store::{Known, Store, StoreError};
use crate::config::RedisUrl;
use crate::translate::Event;

/// What all our keys begin with.
const PREFIX: &str = "alipay-sidecar:";
/// The set of all that waits for a retry, by when it does no more.
const WAITING: &str = "alipay-sidecar:waiting";

/// A store in a Redis.
#[derive(Debug)]
pub(crate) struct RedisStore {
    lines: Lines,
    begin: Script,
    end: Script,
    sweep: Arc<Script>,
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
            end: Script::new(include_str!("redis/end.lua")),
            sweep: Arc::new(Script::new(include_str!("redis/sweep.lua"))),
            process: format!("{:032x}:", u128::from_be_bytes(random)),
            figures,
        })
    }

    /// What the delivery is called that began at this moment. Of one notification, a process has one at a time.
    fn token(&self, begun: Moment) -> String {
        format!("{}{}", self.process, begun.0)
    }
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
        _event: Option<&Event>,
        terms: &Terms,
    ) -> Result<(), StoreError> {
        let names = Names::of(key);
        let written = text::encoded(&record);
        // It is written about when it was last seen. Whole seconds are counted, so there is one more.
        let age = record.since().until(record.last_seen);
        let retained = terms.retain.saturating_sub(age).saturating_add(Duration::from_secs(1));
        let until = record.next().map(|_| record.first_seen.after(terms.retain).0.to_string());
        let (token, retained) = (self.token(record.last_seen), milliseconds(retained));
        let keys = [names.record.as_str(), &names.lease, WAITING];
        let until = until.unwrap_or_default();
        let arguments = [token.as_str(), &written, &retained, text::ACCEPTED, &names.member, &until];
        let told = self.lines.here().ask(&self.end, &keys, &arguments, terms.store_patience);
        count(&self.figures, &told.await.map_err(StoreError::Broken)?);
        Ok(())
    }

    /// Also finds out whether Redis is there, when nothing else asks for it.
    fn sweep(&self, now: Moment, terms: &Terms) {
        let Ok(runtime) = Handle::try_current() else { return };
        let (line, script, figures) = (self.lines.here(), Arc::clone(&self.sweep), self.figures.clone());
        let patience = terms.store_patience;
        drop(runtime.spawn(async move {
            let now = now.0.to_string();
            match timeout(patience, line.ask(&script, &[WAITING], &[&now], patience)).await {
                Ok(Ok(waiting)) => {
                    count(&figures, &waiting);
                    figures.succeeded();
                }
                Ok(Err(problem)) => figures.failed(&StoreError::Broken(problem)),
                Err(_elapsed) => figures.failed(&StoreError::Late),
            }
        }));
    }
}

/// Takes over how many wait for a retry, which is what a script answered.
fn count(figures: &Figures, waiting: &Value) {
    if let Value::Int(waiting) = waiting {
        figures.waiting_of_store().set(usize::try_from(*waiting).unwrap_or_default());
    }
}

/// The names of one notification in Redis.
struct Names {
    /// The key of its record.
    record: String,
    /// The key of the lease.
    lease: String,
    /// Its name among those that wait.
    member: String,
}

impl Names {
    fn of(key: Key) -> Self {
        let member = format!("{:032x}", u128::from_be_bytes(*key.bytes()));
        let record = format!("{PREFIX}{member}");
        Self { lease: format!("{record}:lease"), record, member }
    }
}

/// For how long a delivery has its notification for itself: as long as it may take, and the store before and after it.
fn lease_time(terms: &Terms) -> Duration {
    terms.patience.saturating_add(terms.store_patience.saturating_mul(2))
}

fn milliseconds(duration: Duration) -> String {
    duration.as_millis().max(1).to_string()
}

#[cfg(test)]
mod tests;
