//! The judge: what may never be seen in a history of what was sent, forwarded, accepted and answered.
//!
//! A history has one order: an acceptance stands in it before its first byte is written, a forward once it was read, an
//! answer once it was heard. So whatever stands before something else may have caused it, and nothing else can have.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex};

/// What a notification says: each genuine one, and each forgery, says something of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Content {
    /// Signed by Alipay.
    Genuine(u32),
    /// Signed by nobody who may, in the name of the genuine one of this number.
    Forged(u32),
}

/// Something that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// A request goes to a replica. Each has a number of its own, repeats too.
    Sent { post: u32, content: Content, via: usize },
    /// Its answer was heard.
    Answered { post: u32, is_success: bool },
    /// It will not be answered. That is excused where a fault that was put in took the answer.
    Unanswered { post: u32, is_excused: bool },
    /// The app has read a request of a replica.
    Forwarded { content: Content, by: usize },
    /// The app says 2xx.
    Accepted { content: Content },
    /// A replica that was told to end has ended; in order, if it did so by itself and in time.
    Ended { replica: usize, is_orderly: bool },
    /// The store may have lost what it was told.
    StoreLost,
    /// It is kept as failed, to be replayed, now that nothing is under way.
    Kept { content: Content },
    /// From here on no fault is put in.
    Healed,
    /// What a replica takes up, in KiB.
    Memory { replica: usize, kib: u64 },
}

/// What was seen, in one order.
#[derive(Debug, Clone, Default)]
pub(crate) struct History(Arc<Mutex<Vec<Event>>>);

impl History {
    /// Notes what was seen just now.
    pub(crate) fn note(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }

    /// All that was seen.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap().clone()
    }
}

/// What may never be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Invariant {
    /// I1: no `success` without an earlier 2xx of the app for that very notification.
    SuccessIsEarned,
    /// I2: nothing is forwarded but what Alipay signed and sent.
    NothingUnverified,
    /// I3: what is delivered once more after the faults is accepted in the end.
    NothingLost,
    /// I4: what `success` was heard for is not forwarded again, unless the store lost since then what it was told, or while the
    /// request was under way.
    NothingTwice,
    /// I5: of those whose notification a replica forwards, one at least is answered, also if the replica is told to end; and
    /// that one ends in order.
    DrainsInOrder,
    /// I6: memory stays within its bound.
    MemoryBounded,
    /// I7: what `success` was heard for is not kept as failed, with the same exception as in I4; and nothing is that Alipay did not
    /// send.
    NothingKeptInVain,
}

/// An invariant that does not hold, for what, and at which event of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) of: Invariant,
    pub(crate) at: usize,
    pub(crate) event: Event,
}

/// How much of what there was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub(crate) posts: usize,
    pub(crate) notifications: usize,
    pub(crate) forgeries: usize,
    pub(crate) forwards: usize,
    pub(crate) acceptances: usize,
    /// Forwards of what the app had said 2xx to before, and nobody had heard `success` for: at least once, not exactly once.
    pub(crate) again: usize,
    /// Forwards of what `success` was heard for, before the store lost that.
    pub(crate) forgotten: usize,
    pub(crate) successes: usize,
    pub(crate) fails: usize,
    pub(crate) unanswered: usize,
    /// What was kept as failed when nothing was under way.
    pub(crate) kept: usize,
    pub(crate) peak_kib: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} requests of {} notifications and {} forgeries; {} forwarded, {} accepted, {} forwarded again before success was \
             heard, {} after the store had lost it; answered {} success, {} fail, {} not at all; {} kept as failed in the end; {} KiB at most",
            self.posts,
            self.notifications,
            self.forgeries,
            self.forwards,
            self.acceptances,
            self.again,
            self.forgotten,
            self.successes,
            self.fails,
            self.unanswered,
            self.kept,
            self.peak_kib
        )
    }
}

/// A request.
struct Post {
    content: Content,
    via: usize,
    sent: usize,
    is_after_healing: bool,
    became: Became,
}

/// What became of a request, as far as the history has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Became {
    Open,
    Answered,
    Excused,
    Unanswered,
}

/// Judges a whole `history`, in which no replica may take up more than `max_kib`.
pub(crate) fn judge(history: &[Event], max_kib: u64) -> (Vec<Violation>, Counts) {
    let mut violations = Vec::new();
    let mut counts = Counts::default();
    let mut posts: HashMap<u32, Post> = HashMap::new();
    let (mut sent, mut accepted, mut settled) = (HashSet::new(), HashSet::new(), HashSet::new());
    let mut heard = HashSet::new();
    // Who waits for what is forwarded.
    let mut owed: Vec<(Violation, Vec<u32>)> = Vec::new();
    let mut open: HashMap<(Content, usize), Vec<u32>> = HashMap::new();
    let (mut is_healed, mut lost_at) = (false, None);
    for (at, event) in history.iter().copied().enumerate() {
        let mut violates = |of| violations.push(Violation { of, at, event });
        match event {
            Event::Sent { post, content, via } => {
                counts.posts += 1;
                sent.insert(content);
                let became = Became::Open;
                posts.insert(post, Post { content, via, sent: at, is_after_healing: is_healed, became });
                open.entry((content, via)).or_default().push(post);
            }
            Event::Answered { post, is_success } => {
                let Post { content, via, sent, became, .. } = posts.get_mut(&post).expect("it was sent");
                *became = Became::Answered;
                let (content, via, sent) = (*content, *via, *sent);
                open.entry((content, via)).or_default().retain(|other| *other != post);
                *(if is_success { &mut counts.successes } else { &mut counts.fails }) += 1;
                if is_success {
                    if !accepted.contains(&content) {
                        violates(Invariant::SuccessIsEarned);
                    }
                    if lost_at.is_none_or(|lost| sent > lost) {
                        settled.insert(content);
                    }
                    heard.insert(content);
                }
            }
            Event::Unanswered { post, is_excused } => {
                counts.unanswered += 1;
                let Post { content, via, became, .. } = posts.get_mut(&post).expect("it was sent");
                *became = if is_excused { Became::Excused } else { Became::Unanswered };
                open.entry((*content, *via)).or_default().retain(|other| *other != post);
            }
            Event::Forwarded { content, by } => {
                counts.forwards += 1;
                if matches!(content, Content::Forged(_)) || !sent.contains(&content) {
                    violates(Invariant::NothingUnverified);
                }
                if settled.contains(&content) {
                    violates(Invariant::NothingTwice);
                } else if heard.contains(&content) {
                    counts.forgotten += 1;
                } else if accepted.contains(&content) {
                    counts.again += 1;
                }
                if let Some(waiting) = open.get(&(content, by)).filter(|waiting| !waiting.is_empty()) {
                    owed.push((Violation { of: Invariant::DrainsInOrder, at, event }, waiting.clone()));
                }
            }
            Event::Accepted { content } => {
                counts.acceptances += 1;
                accepted.insert(content);
            }
            Event::Ended { is_orderly, .. } => {
                if !is_orderly {
                    violates(Invariant::DrainsInOrder);
                }
            }
            Event::StoreLost => {
                settled.clear();
                lost_at = Some(at);
            }
            Event::Kept { content } => {
                counts.kept += 1;
                if settled.contains(&content)
                    || !sent.contains(&content)
                    || matches!(content, Content::Forged(_))
                {
                    violates(Invariant::NothingKeptInVain);
                }
            }
            Event::Healed => is_healed = true,
            Event::Memory { kib, .. } => {
                counts.peak_kib = counts.peak_kib.max(kib);
                if kib > max_kib {
                    violates(Invariant::MemoryBounded);
                }
            }
        }
    }
    let is_owed = |waiting: &Vec<u32>| waiting.iter().all(|post| posts[post].became == Became::Unanswered);
    violations.extend(owed.iter().filter(|(_, waiting)| is_owed(waiting)).map(|(violation, _)| *violation));
    counts.notifications = sent.iter().filter(|content| matches!(content, Content::Genuine(_))).count();
    counts.forgeries = sent.len() - counts.notifications;
    violations.extend(lost(history, &posts, &heard));
    (violations, counts)
}

/// What was delivered after the faults, and nobody has heard `success` for.
fn lost(history: &[Event], posts: &HashMap<u32, Post>, heard: &HashSet<Content>) -> Vec<Violation> {
    let mut late: Vec<&Post> = posts.values().filter(|post| post.is_after_healing).collect();
    late.sort_by_key(|post| post.sent);
    let mut told = HashSet::new();
    late.retain(|post| {
        let is_genuine = matches!(post.content, Content::Genuine(_));
        is_genuine && !heard.contains(&post.content) && told.insert(post.content)
    });
    let violation =
        |post: &Post| Violation { of: Invariant::NothingLost, at: post.sent, event: history[post.sent] };
    late.into_iter().map(violation).collect()
}

/// The part of `history` that tells what a violation is about, for people.
pub(crate) fn around(history: &[Event], violation: Violation) -> String {
    let posts: HashMap<u32, Content> = history
        .iter()
        .filter_map(|event| {
            let Event::Sent { post, content, .. } = *event else { return None };
            Some((post, content))
        })
        .collect();
    let about = |event: &Event| match *event {
        Event::Sent { content, .. }
        | Event::Forwarded { content, .. }
        | Event::Accepted { content }
        | Event::Kept { content } => Some(content),
        Event::Answered { post, .. } | Event::Unanswered { post, .. } => posts.get(&post).copied(),
        Event::Ended { .. } | Event::StoreLost | Event::Healed | Event::Memory { .. } => None,
    };
    let wanted = about(&violation.event);
    let lines = history.iter().enumerate().filter(|(_, event)| {
        let of = about(event);
        of == wanted || (of.is_none() && !matches!(event, Event::Memory { .. }))
    });
    let lines = lines.map(|(at, event)| format!("  {at}: {event:?}\n"));
    format!("{:?} does not hold at {}:\n{}", violation.of, violation.at, lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Content = Content::Genuine(1);
    const B: Content = Content::Genuine(2);
    const FORGED: Content = Content::Forged(1);

    fn sent(post: u32, content: Content) -> Event {
        Event::Sent { post, content, via: 0 }
    }

    fn answered(post: u32, is_success: bool) -> Event {
        Event::Answered { post, is_success }
    }

    fn forwarded(content: Content) -> Event {
        Event::Forwarded { content, by: 0 }
    }

    fn accepted(content: Content) -> Event {
        Event::Accepted { content }
    }

    fn violated(history: &[Event]) -> Vec<(Invariant, usize)> {
        judge(history, 1000).0.iter().map(|violation| (violation.of, violation.at)).collect()
    }

    #[test]
    fn a_history_as_it_should_be_is_not_objected_to() {
        let history = [
            sent(1, A),
            sent(2, FORGED),
            forwarded(A),
            answered(2, false),
            answered(1, false),
            // The answer to the first one was lost on its way.
            sent(3, A),
            forwarded(A),
            accepted(A),
            Event::Unanswered { post: 3, is_excused: true },
            // At least once, for nobody has heard of it.
            sent(4, A),
            forwarded(A),
            accepted(A),
            answered(4, true),
            Event::Healed,
            sent(5, A),
            answered(5, true),
            Event::Ended { replica: 0, is_orderly: true },
            Event::Memory { replica: 0, kib: 1000 },
            sent(6, B),
            answered(6, false),
            Event::Kept { content: B },
            // By hand.
            sent(7, B),
            forwarded(B),
            accepted(B),
            answered(7, true),
        ];
        let (violations, counts) = judge(&history, 1000);
        assert_eq!(violations, []);
        let wanted = Counts {
            posts: 7,
            notifications: 2,
            forgeries: 1,
            forwards: 4,
            acceptances: 3,
            again: 1,
            forgotten: 0,
            successes: 3,
            fails: 3,
            unanswered: 1,
            kept: 1,
            peak_kib: 1000,
        };
        assert_eq!(counts, wanted);
    }

    #[test]
    fn a_success_without_an_acceptance_is_noticed() {
        let unearned = Invariant::SuccessIsEarned;
        assert_eq!(violated(&[sent(1, A), forwarded(A), answered(1, true)]), [(unearned, 2)]);
        // That of another notification does not count, nor one that comes later.
        assert_eq!(
            violated(&[sent(1, A), sent(2, B), forwarded(B), accepted(B), answered(1, true)]),
            [(unearned, 4)]
        );
        assert_eq!(violated(&[sent(1, A), forwarded(A), answered(1, true), accepted(A)]), [(unearned, 2)]);
        // A forgery has no part in what the genuine one was accepted for.
        assert_eq!(
            violated(&[sent(1, A), forwarded(A), accepted(A), sent(2, FORGED), answered(2, true)]),
            [(unearned, 4)]
        );
    }

    #[test]
    fn what_is_forwarded_and_was_not_sent_by_alipay_is_noticed() {
        let unverified = Invariant::NothingUnverified;
        assert_eq!(violated(&[sent(1, FORGED), forwarded(FORGED)]), [(unverified, 1)]);
        assert_eq!(violated(&[sent(1, A), forwarded(B), sent(2, B)]), [(unverified, 1)]);
    }

    #[test]
    fn what_is_never_accepted_though_it_was_delivered_after_the_faults_is_noticed() {
        let lost = Invariant::NothingLost;
        assert_eq!(
            violated(&[sent(1, A), answered(1, false), Event::Healed, sent(2, A), answered(2, false)]),
            [(lost, 3)]
        );
        assert_eq!(
            violated(&[Event::Healed, sent(1, A), Event::Unanswered { post: 1, is_excused: true }]),
            [(lost, 1)]
        );
        // What had its last delivery before that, nobody could save.
        assert_eq!(violated(&[sent(1, A), answered(1, false), Event::Healed]), []);
        assert_eq!(violated(&[Event::Healed, sent(1, FORGED), answered(1, false)]), []);
    }

    #[test]
    fn what_is_forwarded_again_after_success_is_noticed() {
        let first = [sent(1, A), forwarded(A), accepted(A), answered(1, true)];
        let again = [sent(2, A), forwarded(A)];
        assert_eq!(violated(&[&first[..], &again].concat()), [(Invariant::NothingTwice, 5)]);
        // A store that lost what it was told cannot know.
        let lost = [&first[..], &[Event::StoreLost], &again].concat();
        let (violations, counts) = judge(&lost, 1000);
        assert_eq!((violations, counts.forgotten, counts.again), (vec![], 1, 0));
        // Nor of what was under way then.
        let under_way = [sent(1, A), forwarded(A), accepted(A), Event::StoreLost, answered(1, true)];
        assert_eq!(violated(&[&under_way[..], &again].concat()), []);
        let since = [sent(3, A), accepted(A), answered(3, true), sent(4, A), forwarded(A)];
        assert_eq!(
            violated(&[&first[..], &[Event::StoreLost], &again, &since].concat()),
            [(Invariant::NothingTwice, 11)]
        );
    }

    #[test]
    fn who_is_forwarded_and_hears_nothing_is_noticed() {
        let unanswered = |is_excused| Event::Unanswered { post: 1, is_excused };
        let disorderly = Invariant::DrainsInOrder;
        assert_eq!(violated(&[sent(1, A), forwarded(A), accepted(A), unanswered(false)]), [(disorderly, 1)]);
        assert_eq!(violated(&[sent(1, A), forwarded(A), accepted(A), unanswered(true)]), []);
        // It was not taken, so Alipay comes again; or another replica had forwarded it.
        assert_eq!(violated(&[sent(1, A), unanswered(false)]), []);
        let elsewhere = Event::Forwarded { content: A, by: 1 };
        assert_eq!(violated(&[sent(1, A), elsewhere, unanswered(false)]), []);
        assert_eq!(violated(&[sent(2, A), forwarded(A), sent(1, A), unanswered(false)]), []);
        // It was not taken, and a repeat that was at the same time is answered.
        let history = [sent(2, A), sent(1, A), forwarded(A), unanswered(false), answered(2, false)];
        assert_eq!(violated(&history), []);
        assert_eq!(violated(&[Event::Ended { replica: 0, is_orderly: false }]), [(disorderly, 0)]);
    }

    #[test]
    fn memory_beyond_its_bound_is_noticed() {
        assert_eq!(violated(&[Event::Memory { replica: 1, kib: 1001 }]), [(Invariant::MemoryBounded, 0)]);
    }

    #[test]
    fn what_is_kept_as_failed_though_success_was_heard_for_it_is_noticed() {
        let in_vain = Invariant::NothingKeptInVain;
        let accepted = [sent(1, A), forwarded(A), accepted(A), answered(1, true)];
        let kept = [Event::Kept { content: A }];
        assert_eq!(violated(&[&accepted[..], &kept].concat()), [(in_vain, 4)]);
        assert_eq!(violated(&[&accepted[..], &[Event::StoreLost], &kept].concat()), []);
        // Nobody has heard that it was accepted, so it may be sent again.
        assert_eq!(violated(&[&accepted[..3], &kept].concat()), []);
        assert_eq!(violated(&kept), [(in_vain, 0)]);
        assert_eq!(violated(&[sent(1, FORGED), Event::Kept { content: FORGED }]), [(in_vain, 1)]);
    }

    #[test]
    fn a_violation_is_told_with_all_that_concerns_it() {
        let history = [sent(1, A), sent(2, B), forwarded(A), answered(1, true)];
        let told = around(&history, judge(&history, 1000).0[0]);
        let wanted = "SuccessIsEarned does not hold at 3:\n  0: Sent { post: 1, content: Genuine(1), via: 0 }\n  2: Forwarded { \
                      content: Genuine(1), by: 0 }\n  3: Answered { post: 1, is_success: true }\n";
        assert_eq!(told, wanted);
    }
}
