//! The diagnosis of what the proxy refuses, for its log alone: a few a minute, on a thread of its own.
//!
//! Nobody waits for it, and what it finds decides nothing. A flood of forgeries costs no more than a share of a
//! processor: what is not admitted is dropped where it stands, and nothing is copied. What is admitted is opened first.
//! Only Alipay can make what one of our keys opens, so that has places of its own, which no forgery takes.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use super::refused::Refused;

use super::refused::Keys;
use super::share::{Places, Share};
use crate::rejection::{Evidence, Reason};

/// The most that is looked at, in bytes. Genuine notifications have a few KiB.
const MAX_BYTES: usize = 64 * 1024;
/// How many may wait: at most a MiB.
const MAX_WAITING: usize = 16;
/// How often the keys of other apps are tried where that of its own does not open it.
const OTHERS: Duration = Duration::from_secs(1);
/// How long what was signed is remembered, so that one genuine signature that somebody has takes no more places.
const MEMORY: Duration = Duration::from_mins(1);
/// How many of them are: more than there are places in that time.
const MAX_SEEN: usize = 8;

/// Whoever has something to diagnose tells it to this.
#[derive(Debug)]
pub struct DiagnosisQueue {
    share: Arc<Share>,
    waiting: SyncSender<Refused>,
}

impl DiagnosisQueue {
    /// Starts the thread, which ends when the last of its users does.
    pub fn start() -> io::Result<Self> {
        let (sender, waiting) = sync_channel(MAX_WAITING);
        let share = Arc::new(Share::new(Instant::now()));
        let spent = Arc::clone(&share);
        thread::Builder::new().name("diagnosis".to_owned()).spawn(move || work(&waiting, &spent))?;
        Ok(Self { share, waiting: sender })
    }

    /// Whether `evidence`, of what was refused for `reason`, is to be looked at, where there is time for it at `now`.
    pub(crate) fn admits(&self, reason: Reason, evidence: &Evidence, now: Instant) -> bool {
        may_be_damaged(reason) && evidence.bytes() <= MAX_BYTES && self.share.is_left(now)
    }

    /// Hands over what was admitted. If many are waiting already, this one is dropped.
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
fn work(waiting: &Receiver<Refused>, share: &Share) {
    let mut desk = Desk::default();
    while let Ok(refused) = waiting.recv() {
        let start = Instant::now();
        // A defect here costs one diagnosis; the hook for panics has told of it.
        let is_admitted = catch_unwind(AssertUnwindSafe(|| desk.admits(&refused, start))).unwrap_or(false);
        let end = Instant::now();
        share.spend(end, end.saturating_duration_since(start));
        if is_admitted {
            drop(catch_unwind(AssertUnwindSafe(|| refused.tell(&refused.diagnose()))));
        }
    }
}

/// What was admitted of late.
#[derive(Debug, Default)]
struct Desk {
    /// Of what one of our keys opens.
    opened: Places,
    /// Of all else.
    others: Places,
    /// When the keys of other apps were tried last.
    others_tried: Option<Instant>,
    /// The hashes that were signed in what was admitted, and when.
    seen: VecDeque<(Vec<u8>, Instant)>,
}

impl Desk {
    /// Whether there is a place for `refused` at `now`.
    fn admits(&mut self, refused: &Refused, now: Instant) -> bool {
        let opened = refused.opens_with(Keys::Own).or_else(|| {
            let is_due = self.others_tried.is_none_or(|tried| now.saturating_duration_since(tried) >= OTHERS);
            is_due.then(|| self.others_tried = Some(now)).and_then(|()| refused.opens_with(Keys::Others))
        });
        let Some(opened) = opened else { return self.others.take(now) };
        self.seen.retain(|(_, at)| now.saturating_duration_since(*at) < MEMORY);
        if self.seen.iter().any(|(digest, _)| *digest == opened.digest) || !self.opened.take(now) {
            return false;
        }
        self.seen.push_back((opened.digest, now));
        self.seen.truncate(MAX_SEEN);
        true
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn what_is_too_long_or_refused_for_another_reason_is_not_admitted() {
        let queue = DiagnosisQueue::start().unwrap();
        let long = Evidence::Body(Bytes::from(vec![b'a'; MAX_BYTES + 1]));
        let short = Evidence::Body(Bytes::from_static(b"a=1"));
        let now = Instant::now();
        assert!(!queue.admits(Reason::BadSignature, &long, now));
        assert!(!queue.admits(Reason::TooOld, &short, now));
        assert!(queue.admits(Reason::BadSignature, &short, now));
    }
}
