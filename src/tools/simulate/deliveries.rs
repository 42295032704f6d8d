//! The deliveries: each notification on the schedule of Alipay until its address says `success`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io::{self, Write};
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::kinds::Kind;
use super::show::Show;
use super::tally::{Fate, Outcome, Summary, Tally};
use super::{Plan, confirmed};
use crate::schedule::DELIVERIES;
use crate::tools::sender;

/// How often the live line is drawn anew.
const FRAME: Duration = Duration::from_millis(100);

/// A notification on its way.
struct Sent {
    kind: usize,
    body: Bytes,
    first: Instant,
    delivery: usize,
}

/// Sends everything that `plan` says, and obeys the answers, until all is over or `stop` is.
pub(super) async fn deliver<W: Write>(
    plan: &Plan,
    stop: impl Future<Output = ()>,
    show: &mut Show<W>,
) -> Result<Summary, Stopped> {
    let started = Instant::now();
    let mut round = Round::new(plan);
    let mut stop = std::pin::pin!(stop);
    let mut frames = tokio::time::interval(FRAME);
    show.introduce(plan)?;
    loop {
        round.fill().map_err(Stopped::Unusable)?;
        if round.is_over() {
            break;
        }
        let due = round.next_due();
        tokio::select! {
            () = &mut stop => break,
            Some(returned) = round.flying.join_next() => {
                // A task that panicked has said so on standard error; its notification stays unfinished.
                if let Ok((sent, outcomes)) = returned {
                    round.land(sent, &outcomes);
                    show.rows(&round.tally)?;
                }
            }
            () = sleep_until(due.unwrap_or(started)), if due.is_some() => {}
            _ = frames.tick(), if show.is_live() => show.frame(&round.tally, plan, round.pause()),
        }
    }
    show.clear();
    Ok(round.tally.summary(started.elapsed()))
}

/// Why the deliveries cannot go on.
pub(super) enum Stopped {
    /// What is to be sent cannot be made.
    Unusable(String),
    /// What is said reaches nobody.
    Output(io::Error),
}

impl From<io::Error> for Stopped {
    fn from(problem: io::Error) -> Self {
        Self::Output(problem)
    }
}

/// What is on its way, what waits, and what is still to be sent for the first time.
struct Round<'p> {
    plan: &'p Plan,
    tally: Tally,
    flying: JoinSet<(Sent, Vec<Outcome>)>,
    due: BinaryHeap<Reverse<(Instant, u64)>>,
    waiting: BTreeMap<u64, Sent>,
    begun: u64,
    queued: u64,
}

impl<'p> Round<'p> {
    fn new(plan: &'p Plan) -> Self {
        Self {
            plan,
            tally: Tally::new(plan.count),
            flying: JoinSet::new(),
            due: BinaryHeap::new(),
            waiting: BTreeMap::new(),
            begun: 0,
            queued: 0,
        }
    }

    /// Sends what is due, and then new notifications, as many as may be on their way at once.
    fn fill(&mut self) -> Result<(), String> {
        while self.flying.len() < self.plan.concurrency {
            if let Some(sent) = self.take_due() {
                self.launch(sent);
            } else if let Some(sent) = self.begin()? {
                self.launch(sent);
            } else {
                break;
            }
        }
        Ok(())
    }

    /// The notification that has waited for its next delivery until now.
    fn take_due(&mut self) -> Option<Sent> {
        let Reverse((due, _)) = self.due.peek()?;
        if *due > Instant::now() {
            return None;
        }
        let Reverse((_, id)) = self.due.pop()?;
        self.waiting.remove(&id)
    }

    /// The next notification that was never delivered; the kinds take turns.
    fn begin(&mut self) -> Result<Option<Sent>, String> {
        if self.begun == self.plan.count {
            return Ok(None);
        }
        let kinds = u64::try_from(self.plan.kinds.len()).unwrap_or(u64::MAX).max(1);
        let kind = usize::try_from(self.begun.checked_rem(kinds).unwrap_or_default()).unwrap_or_default();
        let Some(of) = self.plan.kinds.get(kind) else { return Ok(None) };
        let body = of.notification(&self.plan.shape, &self.plan.key)?.body().into();
        self.begun = self.begun.saturating_add(1);
        Ok(Some(Sent { kind, body, first: Instant::now(), delivery: 0 }))
    }

    /// Sends one delivery in all its copies.
    fn launch(&mut self, sent: Sent) {
        let (address, duplicates) = (self.plan.to.clone(), self.plan.duplicates);
        self.flying.spawn(async move {
            let mut copies = JoinSet::new();
            for _ in 0..duplicates {
                let (address, body) = (address.clone(), sent.body.clone());
                copies.spawn(async move {
                    let started = Instant::now();
                    (sender::post(&address, body).await, started.elapsed())
                });
            }
            (sent, copies.join_all().await)
        });
    }

    /// Obeys what was answered to a delivery.
    fn land(&mut self, mut sent: Sent, outcomes: &[Outcome]) {
        let Some(kind) = self.plan.kinds.get(sent.kind) else { return };
        let is_accepted =
            outcomes.iter().any(|(heard, _)| heard.as_ref().is_ok_and(|heard| accepts(kind, heard)));
        // The check of an address is made when somebody sets it up, and once.
        let next = sent.delivery.saturating_add(1);
        let again = DELIVERIES.get(next).filter(|_| !kind.is_gateway_check());
        let fate = match (is_accepted, again) {
            (true, _) => Fate::Accepted,
            (false, Some(_)) => Fate::Again,
            (false, None) => Fate::Lost,
        };
        self.tally.record(sent.delivery, &kind.name, fate, outcomes);
        if let (Fate::Again, Some(since)) = (fate, again) {
            sent.delivery = next;
            let due = sent.first.checked_add(self.plan.compressed(*since)).unwrap_or(sent.first);
            self.queued = self.queued.saturating_add(1);
            self.due.push(Reverse((due, self.queued)));
            self.waiting.insert(self.queued, sent);
        }
    }

    /// When the next delivery is due, if another one may be on its way then.
    fn next_due(&self) -> Option<Instant> {
        let Reverse((due, _)) = self.due.peek().filter(|_| self.flying.len() < self.plan.concurrency)?;
        Some(*due)
    }

    /// How long nothing will happen.
    fn pause(&self) -> Option<Duration> {
        let due = self.next_due().filter(|_| self.flying.is_empty())?;
        Some(due.saturating_duration_since(Instant::now()))
    }

    fn is_over(&self) -> bool {
        self.flying.is_empty() && self.waiting.is_empty() && self.begun == self.plan.count
    }
}

/// Whether Alipay takes the answer for an acceptance of this kind.
fn accepts(kind: &Kind, heard: &sender::Heard) -> bool {
    if kind.is_gateway_check() { confirmed::is_confirmed(heard) } else { heard.is_success() }
}
