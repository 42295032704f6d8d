//! What is kept of a notification whose delivery failed: the event as it would have been delivered, to be delivered by hand.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Terms;
use super::key::Key;
use super::record::{Moment, Record};
use crate::rejection::Reason;
use crate::schedule;
use crate::translate::{Event, Schema};
use crate::verify::SignedForm;

/// For how long an event is kept at least, from the first sight of its notification on: whoever comes back from the longest
/// public holidays, eight days and the weekends around them, still finds it.
const LIFETIME: Duration = Duration::from_hours(14 * 24);
/// How late a delivery of Alipay's may be, and still be one that is to come.
const LATE: Duration = Duration::from_mins(10);

/// A delivery that failed, of an event that is to be kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failure<'e> {
    /// What was to be delivered.
    pub(crate) event: &'e Event,
    /// Why it was not accepted.
    pub(crate) reason: Reason,
    /// When that was.
    pub(crate) at: Moment,
}

/// All that is kept of an event, but for its body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) notify_id: String,
    pub(crate) app_id: String,
    pub(crate) msg_method: String,
    pub(crate) form: SignedForm,
    pub(crate) schema: Schema,
    /// Whether the catalogue knew its kind.
    pub(crate) is_known: bool,
    /// When Alipay sent it: seconds and nanoseconds.
    pub(crate) sent_at: (i64, i32),
    /// Where in the body the content stands.
    pub(crate) content: (usize, usize),
    /// How long the body is.
    pub(crate) bytes: usize,
    /// The label of the reason for which the last delivery failed.
    pub(crate) reason: String,
    /// When the last delivery was, Alipay's or one by hand.
    last_attempt: u32,
    attempt: u8,
    first_seen: u32,
    /// When Alipay's last delivery was.
    last_seen: u32,
}

impl Kept {
    /// What is kept of a delivery that failed and is remembered as `record`.
    pub(crate) fn of(failure: Failure<'_>, record: Record) -> Self {
        let Failure { event, reason, at } = failure;
        let (sent_at, content) = (event.sent_at(), event.content_range());
        Self {
            notify_id: event.notify_id().to_owned(),
            app_id: event.app_id().to_owned(),
            msg_method: event.msg_method().to_owned(),
            form: event.signed_form(),
            schema: event.schema(),
            is_known: event.is_known(),
            sent_at: (sent_at.as_second(), sent_at.subsec_nanosecond()),
            content: (content.start, content.end),
            bytes: event.body().len(),
            reason: reason.rule().label.to_owned(),
            last_attempt: at.0,
            attempt: record.attempt,
            first_seen: record.first_seen.0,
            last_seen: record.last_seen.0,
        }
    }

    /// What a store wrote under `key`.
    pub(super) fn read(key: Key, bytes: &[u8]) -> Found {
        Self::decoded(bytes).filter(|kept| kept.key() == key).ok_or(Unreadable(key))
    }

    /// What a store wrote; nothing where that is damaged.
    pub(crate) fn decoded(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// For a store to write.
    pub(crate) fn encoded(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// The name of its notification in the ledger.
    pub(crate) fn key(&self) -> Key {
        Key::of(&self.app_id, &self.notify_id)
    }

    /// What became of its notification so far.
    pub(crate) fn record(&self) -> Record {
        Record {
            is_accepted: false,
            attempt: self.attempt,
            first_seen: Moment(self.first_seen),
            last_seen: Moment(self.last_seen),
        }
    }

    /// When the last delivery was, Alipay's or one by hand.
    pub(crate) fn last_attempt(&self) -> Moment {
        Moment(self.last_attempt)
    }

    /// When Alipay delivers it again, as seen at `now`: the next of its deliveries that did not come here yet, and that is
    /// not overdue. Nothing after the last one.
    pub(crate) fn next(&self, now: Moment) -> Option<Moment> {
        let record = self.record();
        let seen = schedule::number(record.first_seen.until(record.last_seen));
        let due = schedule::DELIVERIES.iter().skip(seen).map(|since| record.first_seen.after(*since));
        due.into_iter().find(|due| due.after(LATE) >= now)
    }
}

/// What a store found under a key: one that is damaged, or of another version, holds up no others.
pub(crate) type Found = Result<Kept, Unreadable>;

/// That what is kept under this key cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreadable(pub(crate) Key);

/// For how long what failed is kept, from its first sight on.
pub(crate) fn lifetime(terms: &Terms) -> Duration {
    terms.retain.max(LIFETIME)
}

/// Whether what failed first at `first_seen` is kept no longer at `now`.
pub(crate) fn is_over(first_seen: Moment, now: Moment, terms: &Terms) -> bool {
    first_seen.until(now) > lifetime(terms)
}

/// An event as the ledger's store kept it. Only a store of the ledger makes one, of what it wrote itself: so what is in it was
/// verified and translated once.
pub(crate) struct Stored {
    pub(crate) kept: Kept,
    pub(crate) body: Bytes,
    _of_the_store: (),
}

impl Stored {
    /// What a store wrote under `key`; nothing where it is not that any more.
    pub(super) fn read(key: Key, kept: &[u8], body: Bytes) -> Option<Self> {
        let kept = Kept::read(key, kept).ok().filter(|kept| kept.bytes == body.len())?;
        Some(Self { kept, body, _of_the_store: () })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Something that failed, `number` of many.
    pub(in crate::ledger) fn kept(number: u32, first_seen: u32, bytes: usize) -> Kept {
        Kept {
            notify_id: format!("id{number}"),
            app_id: "1".to_owned(),
            msg_method: "a.b".to_owned(),
            form: SignedForm::V1,
            schema: Schema::Untyped,
            is_known: false,
            sent_at: (1, 2),
            content: (0, 0),
            bytes,
            reason: "upstream_refused".to_owned(),
            last_attempt: first_seen,
            attempt: 1,
            first_seen,
            last_seen: first_seen,
        }
    }

    #[test]
    fn what_is_written_is_read_again_and_what_is_damaged_is_not() {
        let kept = kept(1, 7, 3);
        let written = kept.encoded().unwrap();
        let read = |key, written: &[u8], body| Stored::read(key, written, Bytes::from_static(body));
        assert_eq!(read(kept.key(), &written, b"abc").unwrap().kept, kept);
        assert!(read(kept.key(), &written, b"abcd").is_none());
        assert!(read(Key::of("1", "another"), &written, b"abc").is_none());
        assert!(read(kept.key(), &written[1..], b"abc").is_none());
    }

    #[test]
    fn the_next_delivery_is_one_that_is_still_to_come() {
        let minutes = |minutes: u32| Moment(1_000_000 + minutes * 60);
        let next = |last_seen: u32, now: u32| {
            let kept = Kept { last_seen: minutes(last_seen).0, ..kept(1, minutes(0).0, 0) };
            kept.next(minutes(now))
        };
        assert_eq!(next(0, 0), Some(minutes(2)));
        // A little late is no loss, and what did not come at all is not waited for.
        assert_eq!(next(0, 11), Some(minutes(2)));
        assert_eq!(next(0, 13), Some(minutes(12)));
        assert_eq!(next(12, 13), Some(minutes(22)));
        assert_eq!(next(562, 600), Some(minutes(1462)));
        assert_eq!(next(562, 1472), Some(minutes(1462)));
        assert_eq!((next(562, 1473), next(1462, 1462), next(0, 99_999)), (None, None, None));
    }

    #[test]
    fn a_fortnight_passes_before_it_is_over() {
        let terms = |retain| Terms { retain, ..Terms::for_tests() };
        let days = |days: u32| Moment(5 + days * 24 * 3600);
        let short = terms(Duration::from_hours(26));
        assert!(!is_over(days(0), days(14), &short) && is_over(days(0), days(15), &short));
        let long = terms(Duration::from_hours(20 * 24));
        assert!(!is_over(days(0), days(20), &long) && is_over(days(0), days(21), &long));
    }
}
