//! What is shown while it runs, and at the end: a table for people, whose rows appear as they are known, and a live line
//! where there is a terminal.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Plan;
use super::tally::{Row, Summary, Tally};
use crate::schedule::DELIVERIES;

/// Where it is shown: rows on `out`, the live line on standard error.
pub(super) struct Show<W> {
    out: W,
    /// Whether there are no words for people.
    is_silent: bool,
    line: Option<ProgressBar>,
    shown_rows: usize,
}

impl<W: Write> Show<W> {
    /// On `out`; with `json` nothing but the summary is.
    pub(super) fn new(out: W, json: bool) -> Self {
        let line = io::stderr().is_terminal().then(|| {
            let line = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            line.set_style(ProgressStyle::default_spinner());
            line
        });
        Self { out, is_silent: json, line, shown_rows: 0 }
    }

    /// Whether only a summary in JSON is wanted.
    pub(super) fn is_silent(&self) -> bool {
        self.is_silent
    }

    /// Whether there is a live line.
    pub(super) fn is_live(&self) -> bool {
        self.line.is_some()
    }

    /// What is about to happen.
    pub(super) fn introduce(&mut self, plan: &Plan) -> io::Result<()> {
        let count = counted(plan.count, "notification");
        let whole = DELIVERIES.last().copied().unwrap_or_default();
        let here = plan.compressed(whole);
        let here = if here == whole { String::new() } else { format!(", here {}", brief(here)) };
        let most = DELIVERIES.len();
        self.say(&format!("{count} to {}, each up to {most} times in {}{here}.", plan.to, time(whole)))?;
        self.say("\n  delivery      after   delivered    accepted")
    }

    /// The rows that are known now.
    pub(super) fn rows(&mut self, tally: &Tally) -> io::Result<()> {
        while let Some(row) = tally.finished_row(self.shown_rows) {
            self.shown_rows = self.shown_rows.saturating_add(1);
            self.row(row)?;
            if self.shown_rows == 1 && row.accepted < row.delivered {
                // Without counts, for some may be at their next delivery already.
                let heard: Vec<&str> = tally.answers().keys().map(String::as_str).collect();
                self.say(&format!("  Heard so far: {}.", heard.join(", ")))?;
            }
            if self.shown_rows == 1 && tally.is_taken_for_a_forger() {
                self.say(
                    "  All were taken for forgeries: --private-key is not the other half of the key over there, or \
                     --app-id is not its app.",
                )?;
            }
        }
        Ok(())
    }

    fn row(&mut self, row: Row) -> io::Result<()> {
        let after = if row.minutes == 0 { "at once".to_owned() } else { minutes(row.minutes) };
        let line = format!("{:>10} {after:>10} {:>11} {:>11}", row.delivery, row.delivered, row.accepted);
        self.say(&line)
    }

    /// Draws the live line. `pause` is how long nothing will happen.
    pub(super) fn frame(&mut self, tally: &Tally, plan: &Plan, pause: Option<Duration>) {
        if let Some(line) = &self.line {
            let next = pause.map(|pause| format!(", the next delivery in {}", brief(pause)));
            line.set_message(format!(
                "{} of {} accepted after {}{}; Ctrl-C ends it",
                tally.accepted(),
                plan.count,
                deliveries(tally.deliveries()),
                next.unwrap_or_default()
            ));
            line.tick();
        }
    }

    /// Draws a live line that says `message`.
    pub(super) fn note(&mut self, message: String) {
        if let Some(line) = &self.line {
            line.set_message(message);
            line.tick();
        }
    }

    /// Takes the live line away.
    pub(super) fn clear(&mut self) {
        if let Some(line) = self.line.take() {
            line.finish_and_clear();
        }
    }

    /// What became of all notifications.
    pub(super) fn summarise(&mut self, summary: &Summary) -> io::Result<()> {
        if self.is_silent {
            return self.json(summary);
        }
        for row in summary.deliveries.iter().skip(self.shown_rows).filter(|row| row.delivered > 0) {
            self.row(*row)?;
        }
        self.say(&format!(
            "\n{} of {} accepted, with {} in {}.",
            summary.accepted,
            counted(summary.notifications, "notification"),
            counted(summary.requests, "request"),
            brief(Duration::from_secs_f64(summary.seconds))
        ))?;
        if summary.never_accepted > 0 {
            let kinds = summary.never_accepted_kinds.iter();
            let kinds: Vec<String> = kinds.map(|(kind, count)| format!("{count} × {kind}")).collect();
            self.say(&format!("Never accepted, and lost with Alipay: {}.", kinds.join(", ")))?;
        }
        if summary.unfinished > 0 {
            self.say(&format!(
                "{} ended before Alipay would have.",
                counted(summary.unfinished, "notification")
            ))?;
        }
        if summary.answers.is_empty() {
            self.say("No answer came until then.")?;
        } else {
            self.say(&format!("Answers: {}.", answers(&summary.answers)))?;
        }
        if let Some(latency) = summary.latency_ms {
            self.say(&format!(
                "Time to an answer: p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms.",
                latency.p50, latency.p99, latency.max
            ))?;
        }
        Ok(())
    }

    /// `value` on one line, for scripts.
    pub(super) fn json(&mut self, value: &impl serde::Serialize) -> io::Result<()> {
        let text = serde_json::to_string(value).map_err(io::Error::other)?;
        self.clear();
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }

    /// A line for people, above the live line.
    pub(super) fn say(&mut self, text: &str) -> io::Result<()> {
        if self.is_silent {
            return Ok(());
        }
        let out = &mut self.out;
        let mut write = || {
            writeln!(out, "{text}")?;
            out.flush()
        };
        match &self.line {
            Some(line) => line.suspend(write),
            None => write(),
        }
    }
}

/// How often each answer was heard.
fn answers(counts: &BTreeMap<String, u64>) -> String {
    counts.iter().map(|(answer, count)| format!("{count} × {answer}")).collect::<Vec<_>>().join(", ")
}

fn deliveries(count: u64) -> String {
    if count == 1 { "1 delivery".to_owned() } else { format!("{count} deliveries") }
}

/// `count` and the noun, in the plural where it is due.
pub(super) fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn time(time: Duration) -> String {
    minutes(time.as_secs() / 60)
}

fn minutes(minutes: u64) -> String {
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} m"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes:>2} m"),
    }
}

/// A time in the unit that fits.
fn brief(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1000.0)
    } else if seconds < 120.0 {
        format!("{seconds:.1} s")
    } else {
        minutes(time.as_secs() / 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_the_unit_that_fits() {
        let of = |millis| brief(Duration::from_millis(millis));
        assert_eq!([of(5), of(1500), of(119_900)], ["5 ms", "1.5 s", "119.9 s"]);
        assert_eq!(brief(Duration::from_mins(82)), "1 h 22 m");
        assert_eq!([minutes(2), minutes(62), minutes(120)], ["2 m", "1 h  2 m", "2 h"]);
    }
}
