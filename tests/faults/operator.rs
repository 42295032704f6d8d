//! The operator: who lists what is kept as failed, and has it delivered once more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use super::alipay::number_of;
use super::judge::{Content, Event, History};
use super::replica::Replica;

/// Who replays what is kept. To the judge that is a request like any other.
pub(crate) struct Operator {
    random: fastrand::Rng,
    replicas: Arc<Vec<Replica>>,
    history: History,
    posts: Arc<AtomicU32>,
    replays: usize,
}

impl Operator {
    /// One who notes in `history` what becomes of it, and numbers it as other requests are, by `posts`.
    pub(crate) fn new(
        seed: u64,
        replicas: &Arc<Vec<Replica>>,
        history: &History,
        posts: &Arc<AtomicU32>,
    ) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed.rotate_left(32)),
            replicas: Arc::clone(replicas),
            history: history.clone(),
            posts: Arc::clone(posts),
            replays: 0,
        }
    }

    /// Replays something now and then, beside replicas and while there are none, until it is over.
    pub(crate) fn work(mut self, is_over: impl Fn() -> bool) -> Self {
        while !is_over() {
            thread::sleep(Duration::from_millis(self.random.u64(50..1000)));
            let via = self.random.usize(..self.replicas.len());
            let kept = self.replicas[via].kept().unwrap_or_default();
            if let Some(name) = self.random.choice(kept).filter(|_| !is_over()) {
                self.replay(via, &name);
            }
        }
        self
    }

    /// Replays all that is left, when nothing else is under way; how often something was replayed in all.
    pub(crate) fn finish(mut self) -> usize {
        for via in 0..self.replicas.len() {
            for name in self.notes_what_is_kept(via) {
                self.replay(via, &name);
            }
            self.notes_what_is_kept(via);
        }
        self.replays
    }

    fn notes_what_is_kept(&self, via: usize) -> Vec<String> {
        let kept = self.replicas[via].kept().expect("now that all is well it can be listed");
        for name in &kept {
            self.history.note(Event::Kept { content: content(name) });
        }
        kept
    }

    fn replay(&mut self, via: usize, name: &str) {
        self.replays += 1;
        let post = self.posts.fetch_add(1, Ordering::Relaxed);
        self.history.note(Event::Sent { post, content: content(name), via });
        self.history.note(match self.replicas[via].replay(name) {
            Some(is_success) => Event::Answered { post, is_success },
            // The replica went away meanwhile, or its store.
            None => Event::Unanswered { post, is_excused: true },
        });
    }
}

fn content(name: &str) -> Content {
    Content::Genuine(number_of(name).expect("what is kept is what Alipay sent"))
}
