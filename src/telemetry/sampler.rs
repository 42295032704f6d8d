//! How many lines a flood may write: enough to see it, few enough to bear it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tracing::warn;

/// How many lines about what was not verified a worker writes in [`WINDOW`].
const LINES: u32 = 50;
const WINDOW: Duration = Duration::from_secs(1);

/// Counts the lines of one worker, and tells of those that were not written.
#[derive(Debug, Clone, Default)]
pub(super) struct Sampler(Rc<Window>);

#[derive(Debug, Default)]
struct Window {
    start: Cell<Option<Instant>>,
    written: Cell<u32>,
    suppressed: Cell<u64>,
}

impl Sampler {
    /// Whether a line may be written now. If not, it is counted, and the count is written when the window ends.
    pub(super) fn admits(&self, now: Instant) -> bool {
        let window = &self.0;
        let is_over = window.start.get().is_none_or(|start| now.duration_since(start) >= WINDOW);
        if is_over && window.suppressed.get() == 0 {
            window.start.set(Some(now));
            window.written.set(0);
        }
        if window.written.get() < LINES {
            window.written.set(window.written.get().saturating_add(1));
            return true;
        }
        if window.suppressed.replace(window.suppressed.get().saturating_add(1)) == 0 {
            let window = Rc::clone(window);
            let end = window.start.get().unwrap_or(now).checked_add(WINDOW).unwrap_or(now);
            tokio::task::spawn_local(async move {
                sleep_until(end).await;
                window.tell();
            });
        }
        false
    }
}

impl Window {
    /// Writes how many lines were not written.
    fn tell(&self) {
        let suppressed = self.suppressed.take();
        if suppressed > 0 {
            warn!(
                event = "suppressed",
                lines = suppressed,
                "more refusals than are written one by one; all are counted"
            );
        }
    }
}

/// What a drain cuts short is told as well.
impl Drop for Window {
    fn drop(&mut self) {
        self.tell();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_writes_a_bounded_number_of_lines_and_counts_the_rest() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().build_local(tokio::runtime::LocalOptions::default()).unwrap();
        runtime.block_on(async {
            let sampler = Sampler::default();
            let start = Instant::now();
            let admitted = (0..1000).filter(|_| sampler.admits(start)).count();
            assert_eq!((admitted, sampler.0.suppressed.get()), (50, 950));
            // The count is told before the next window begins.
            let next = start.checked_add(WINDOW).unwrap();
            assert!(!sampler.admits(next));
            sampler.0.tell();
            assert!(sampler.admits(next));
        });
    }
}
