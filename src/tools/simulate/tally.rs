//! What became of the notifications: counts for people and for scripts.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::schedule::DELIVERIES;
use crate::tools::sender::{Heard, Unheard};

/// As many different answers are told apart; a page with the time in it is another each time.
const MAX_ANSWERS: usize = 12;
/// How an answer is called that is one too many to be told apart.
const OTHERS: &str = "others";

/// What one copy of a delivery heard, and after how long.
pub(super) type Outcome = (Result<Heard, Unheard>, Duration);

/// What becomes of a notification after a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was accepted.
    Accepted,
    /// It is delivered again.
    Again,
    /// It is never delivered again.
    Lost,
}

/// The counts of one run.
pub(super) struct Tally {
    count: u64,
    rows: [Row; DELIVERIES.len()],
    requests: u64,
    answers: BTreeMap<String, u64>,
    millis: Vec<f64>,
    never_accepted: BTreeMap<String, u64>,
}

/// The counts of all first deliveries, or of all second ones, and so on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(super) struct Row {
    /// Which delivery: 1 for the first.
    pub(super) delivery: usize,
    /// How many minutes after the first.
    pub(super) minutes: u64,
    /// Notifications that were delivered so often.
    pub(super) delivered: u64,
    /// Those that were accepted then.
    pub(super) accepted: u64,
    /// Those that are never delivered again, in vain.
    pub(super) lost: u64,
}

/// Everything at the end, as `--json` prints it.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    /// Notifications that were to be sent.
    pub(super) notifications: u64,
    /// Those that were accepted.
    pub(super) accepted: u64,
    /// Those that were delivered for the last time in vain.
    pub(super) never_accepted: u64,
    /// Those whose end was not waited for.
    pub(super) unfinished: u64,
    /// Requests that were sent, duplicates included.
    pub(super) requests: u64,
    /// A row for each delivery of the schedule.
    pub(super) deliveries: Vec<Row>,
    /// How often each answer was heard.
    pub(super) answers: BTreeMap<String, u64>,
    /// Of the never accepted, how many of each kind.
    pub(super) never_accepted_kinds: BTreeMap<String, u64>,
    /// How long answers took; none where there was none.
    pub(super) latency_ms: Option<Latency>,
    /// How long it all took.
    pub(super) seconds: f64,
}

/// How long answers took, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Latency {
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
}

impl Tally {
    /// Of `count` notifications.
    pub(super) fn new(count: u64) -> Self {
        let mut rows = [Row::default(); DELIVERIES.len()];
        for (number, (row, since)) in (1..).zip(rows.iter_mut().zip(DELIVERIES)) {
            row.delivery = number;
            row.minutes = since.as_secs() / 60;
        }
        let (answers, never_accepted) = (BTreeMap::new(), BTreeMap::new());
        Self { count, rows, requests: 0, answers, millis: Vec::new(), never_accepted }
    }

    /// Counts the delivery of that index of a notification of `kind`, with all that its copies heard.
    pub(super) fn record(&mut self, delivery: usize, kind: &str, fate: Fate, outcomes: &[Outcome]) {
        if let Some(row) = self.rows.get_mut(delivery) {
            row.delivered = row.delivered.saturating_add(1);
            row.accepted = row.accepted.saturating_add(u64::from(fate == Fate::Accepted));
            row.lost = row.lost.saturating_add(u64::from(fate == Fate::Lost));
        }
        for (heard, took) in outcomes {
            self.requests = self.requests.saturating_add(1);
            let mut label = heard.as_ref().map_or_else(ToString::to_string, ToString::to_string);
            if self.answers.len() >= MAX_ANSWERS && !self.answers.contains_key(&label) {
                OTHERS.clone_into(&mut label);
            }
            increase(&mut self.answers, label);
            if heard.is_ok() {
                self.millis.push(took.as_secs_f64() * 1000.0);
            }
        }
        if fate == Fate::Lost {
            increase(&mut self.never_accepted, kind.to_owned());
        }
    }

    /// The row of the delivery of that index, once all of its deliveries are over.
    pub(super) fn finished_row(&self, index: usize) -> Option<Row> {
        let mut due = self.count;
        for row in self.rows.iter().take(index) {
            if row.delivered < due {
                return None;
            }
            due = due.saturating_sub(row.accepted).saturating_sub(row.lost);
        }
        self.rows.get(index).filter(|row| row.delivered == due && due > 0).copied()
    }

    /// How often each answer was heard so far.
    pub(super) fn answers(&self) -> &BTreeMap<String, u64> {
        &self.answers
    }

    /// How many were accepted so far.
    pub(super) fn accepted(&self) -> u64 {
        self.rows.iter().map(|row| row.accepted).sum()
    }

    /// How many deliveries there were so far.
    pub(super) fn deliveries(&self) -> u64 {
        self.rows.iter().map(|row| row.delivered).sum()
    }

    /// Whether the other side refuses what is sent as it does a forgery, and nothing else was heard.
    pub(super) fn is_taken_for_a_forger(&self) -> bool {
        !self.answers.is_empty() && self.answers.keys().all(|answer| answer.starts_with("403 "))
    }

    /// Everything, after that time.
    pub(super) fn summary(mut self, took: Duration) -> Summary {
        let accepted = self.accepted();
        let never_accepted = self.never_accepted.values().sum();
        self.millis.sort_unstable_by(f64::total_cmp);
        let latency_ms = self.millis.last().map(|max| Latency {
            p50: percentile(&self.millis, 50),
            p99: percentile(&self.millis, 99),
            max: *max,
        });
        Summary {
            notifications: self.count,
            accepted,
            never_accepted,
            unfinished: self.count.saturating_sub(accepted).saturating_sub(never_accepted),
            requests: self.requests,
            deliveries: self.rows.to_vec(),
            answers: self.answers,
            never_accepted_kinds: self.never_accepted,
            latency_ms,
            seconds: took.as_secs_f64(),
        }
    }
}

fn increase(counts: &mut BTreeMap<String, u64>, label: String) {
    let count = counts.entry(label).or_default();
    *count = count.saturating_add(1);
}

/// The value that this many of a hundred of the `sorted` ones do not exceed.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let index = sorted.len().saturating_mul(percent).div_ceil(100).saturating_sub(1);
    sorted.get(index).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(status: u16, body: &str) -> Outcome {
        (Ok(Heard { status, body: body.into() }), Duration::from_millis(2))
    }

    #[test]
    fn a_row_is_finished_once_everything_that_is_due_was_delivered() {
        let mut tally = Tally::new(2);
        tally.record(0, "a", Fate::Accepted, &[heard(200, "success")]);
        assert_eq!(tally.finished_row(0), None);
        tally.record(0, "a", Fate::Again, &[heard(200, "fail")]);
        assert_eq!(
            tally.finished_row(0),
            Some(Row { delivery: 1, minutes: 0, delivered: 2, accepted: 1, lost: 0 })
        );
        assert_eq!(tally.finished_row(1), None);
        tally.record(1, "a", Fate::Accepted, &[heard(200, "success")]);
        assert_eq!(
            tally.finished_row(1),
            Some(Row { delivery: 2, minutes: 2, delivered: 1, accepted: 1, lost: 0 })
        );
        assert_eq!(tally.finished_row(2), None, "nothing was due");
    }

    #[test]
    fn what_fails_to_the_last_is_never_accepted_and_named() {
        let mut tally = Tally::new(2);
        for delivery in 0..DELIVERIES.len() {
            let fate = if delivery == DELIVERIES.len() - 1 { Fate::Lost } else { Fate::Again };
            tally.record(delivery, "a", fate, &[(Err(Unheard::Refused), Duration::ZERO)]);
        }
        let summary = tally.summary(Duration::from_secs(1));
        assert_eq!((summary.never_accepted, summary.unfinished, summary.accepted), (1, 1, 0));
        assert_eq!(summary.answers.get("connection refused"), Some(&8));
        assert_eq!(summary.never_accepted_kinds.get("a"), Some(&1));
        assert_eq!(summary.latency_ms, None);
    }

    #[test]
    fn different_answers_are_bounded() {
        let mut tally = Tally::new(100);
        for number in 0..100 {
            tally.record(0, "a", Fate::Again, &[heard(500, &number.to_string())]);
        }
        assert_eq!(tally.answers.len(), MAX_ANSWERS + 1);
        assert_eq!(tally.answers.get(OTHERS), Some(&88));
        assert_eq!(tally.requests, 100);
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let sorted: Vec<f64> = (1..=200).map(f64::from).collect();
        assert!((percentile(&sorted, 50) - 100.0).abs() < f64::EPSILON);
        assert!((percentile(&sorted, 99) - 198.0).abs() < f64::EPSILON);
        assert!((percentile(&[7.0], 99) - 7.0).abs() < f64::EPSILON);
    }
}
