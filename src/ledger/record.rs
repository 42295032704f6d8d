//! What is remembered of one notification.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

use crate::schedule;

/// A time in whole seconds since the epoch: all that retries in minutes and hours need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Moment(pub(super) u32);

impl Moment {
    /// The second in which `time` lies; the first or the last there is where it lies beyond them.
    pub(crate) fn of(time: SystemTime) -> Self {
        let elapsed = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u32::try_from(elapsed.as_secs()).unwrap_or(u32::MAX))
    }

    /// How long before `later` it was; nothing where the clock was set back meanwhile.
    pub(crate) fn until(self, later: Self) -> Duration {
        Duration::from_secs(later.0.saturating_sub(self.0).into())
    }

    /// The moment `duration` after it.
    pub(super) fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)))
    }

    /// The same for people.
    pub(crate) fn timestamp(self) -> Timestamp {
        Timestamp::from_second(self.0.into()).unwrap_or_default()
    }
}

/// What became of a notification, as it is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    /// Whether the app accepted it.
    pub(crate) is_accepted: bool,
    /// Which attempt came to this, from 1 on.
    pub(crate) attempt: u8,
    /// When it was first seen.
    pub(crate) first_seen: Moment,
    /// When it was last seen: its last delivery came to this.
    pub(crate) last_seen: Moment,
}

impl Record {
    /// The record of a delivery that begins at `now`, after what is known from `before`. It counts as failed until it is not.
    pub(super) fn begun(before: Option<Self>, now: Moment) -> Self {
        let first_seen = before.map_or(now, |before| before.first_seen);
        let earlier = before.map_or(0, |before| before.attempt);
        let by_time = u8::try_from(schedule::number(first_seen.until(now))).unwrap_or(u8::MAX);
        let attempt = earlier.saturating_add(1).max(by_time);
        Self { is_accepted: false, attempt, first_seen, last_seen: now }
    }

    /// The same, when the app accepted it.
    pub(super) fn accepted(self) -> Self {
        Self { is_accepted: true, ..self }
    }

    /// From when on it is retained: from its acceptance, or else from its first sight, since Alipay gives up by then.
    pub(super) fn since(&self) -> Moment {
        if self.is_accepted { self.last_seen } else { self.first_seen }
    }

    /// Whether it is to be forgotten at `now`. Whole seconds are counted, so it is never forgotten too early.
    pub(super) fn is_over(&self, now: Moment, retain: Duration) -> bool {
        self.since().until(now) > retain
    }

    /// Which of Alipay's deliveries the last one was, as far as time tells.
    fn number(&self) -> usize {
        schedule::number(self.first_seen.until(self.last_seen))
    }

    /// When Alipay delivers it again; never once it was accepted, or after its last delivery.
    pub(crate) fn next(&self) -> Option<Moment> {
        let next = schedule::after(self.number()).filter(|_| !self.is_accepted);
        next.map(|due| self.first_seen.after(due))
    }
}

/// Which delivery of its notification one is; for the app and the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    attempt: u8,
    next: Option<Moment>,
    /// Whether its last delivery failed before already, which is told once.
    is_told: bool,
    was_last: bool,
}

impl Sighting {
    /// The sighting of a delivery after what is known from `before`, which is remembered as `record` if it fails.
    pub(super) fn of(before: Option<Record>, record: &Record) -> Self {
        let is_told = before.is_some_and(|before| before.next().is_none());
        Self { attempt: record.attempt, next: record.next(), is_told, was_last: false }
    }

    /// The same, when it failed: from here on it may have been the last one.
    pub(super) fn failed(self) -> Self {
        Self { was_last: self.next.is_none() && !self.is_told, ..self }
    }

    /// The same, for one who shared that delivery, and is not to tell of it again.
    pub(super) fn shared(self) -> Self {
        Self { was_last: false, ..self }
    }

    /// How often the notification was given to the app, with this time; from 1 on. Deliveries that the schedule has, and
    /// that were not seen here, count.
    pub fn attempt(self) -> u8 {
        self.attempt
    }

    /// When Alipay delivers it again if this delivery fails, as far as its schedule tells.
    pub fn next(self) -> Option<Timestamp> {
        self.next.map(Moment::timestamp)
    }

    /// Whether it failed, and was the last delivery of the schedule, for the first time: what it tells of is lost unless somebody
    /// acts.
    pub fn is_loss(self) -> bool {
        self.was_last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(first_seen: u32, last_seen: u32) -> Record {
        let (first_seen, last_seen) = (Moment(first_seen), Moment(last_seen));
        Record { is_accepted: false, attempt: 1, first_seen, last_seen }
    }

    #[test]
    fn attempts_count_up_and_those_that_were_missed_count_too() {
        let after = |attempt, minutes: u32| {
            let before = Record { attempt, ..failed(1000, 1000) };
            Record::begun(Some(before), Moment(1000 + minutes * 60)).attempt
        };
        assert_eq!(Record::begun(None, Moment(1000)).attempt, 1);
        assert_eq!(after(1, 2), 2);
        // A repeat out of the schedule, and schedules that somebody compressed.
        assert_eq!((after(2, 2), after(7, 0)), (3, 8));
        // The sidecar was away for the third and the fourth.
        assert_eq!(after(2, 83), 5);
        assert_eq!(after(255, 0), 255);
    }

    #[test]
    fn what_failed_is_due_again_as_the_schedule_says_until_it_failed_for_the_last_time() {
        assert_eq!(failed(1000, 1000).next(), Some(Moment(1000 + 2 * 60)));
        assert_eq!(failed(1000, 1000 + 125).next(), Some(Moment(1000 + 12 * 60)));
        assert_eq!(failed(1000, 1000 + 1462 * 60).next(), None);
        assert!(Sighting::of(None, &failed(1000, 1000 + 1462 * 60)).failed().is_loss());
        assert!(!Sighting::of(None, &failed(1000, 1000 + 1462 * 60)).is_loss());
        assert!(!Sighting::of(None, &failed(1000, 1000)).failed().is_loss());
        assert_eq!(Record { is_accepted: true, ..failed(1000, 1000) }.next(), None);
    }

    #[test]
    fn a_record_is_over_when_it_was_retained_for_long_enough_and_never_earlier() {
        let retain = Duration::from_secs(10);
        assert!(!failed(1000, 1005).is_over(Moment(1010), retain));
        assert!(failed(1000, 1005).is_over(Moment(1011), retain));
        let accepted = Record { is_accepted: true, ..failed(1000, 1005) };
        assert!(!accepted.is_over(Moment(1015), retain));
        assert!(accepted.is_over(Moment(1016), retain));
        // A clock that was set back keeps it.
        assert!(!accepted.is_over(Moment(3), retain));
    }

    #[test]
    fn a_moment_is_the_second_of_a_time_however_far_off() {
        assert_eq!(Moment::of(UNIX_EPOCH.checked_add(Duration::from_millis(1999)).unwrap()), Moment(1));
        assert_eq!(Moment::of(UNIX_EPOCH.checked_sub(Duration::from_secs(9)).unwrap()), Moment(0));
        assert_eq!(
            Moment::of(UNIX_EPOCH.checked_add(Duration::from_secs(1 << 40)).unwrap()),
            Moment(u32::MAX)
        );
        assert_eq!(Moment(1_514_210_452).timestamp().to_string(), "2017-12-25T14:00:52Z");
    }
}
