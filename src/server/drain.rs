//! How one worker's connections learn that the process is to end, without a lock on their way.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::rejection::Reason;

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Serving.
    Serving,
    /// Still serving, but no longer ready: whoever balances the load should look elsewhere.
    Leaving,
    /// Nothing new is accepted; what is in flight goes on to its end.
    Draining,
    /// What is still in flight is cut off, and what came of it is recorded.
    Over,
    /// Whatever still waits for something is answered `fail`.
    Ended,
}

/// The open connections of a worker, and the phase they are told of.
pub struct Drain {
    phase: Cell<Phase>,
    next: Cell<u64>,
    open: RefCell<HashMap<u64, Waker>>,
    empty: Cell<Option<Waker>>,
}

/// Why a future did not come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It panicked.
    Panicked,
    /// The process is over.
    Over,
}

impl From<Stop> for Reason {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Panicked => Self::Internal,
            Stop::Over => Self::ShuttingDown,
        }
    }
}

impl Default for Drain {
    /// A worker that serves, without a connection yet.
    fn default() -> Self {
        Self {
            phase: Cell::new(Phase::Serving),
            next: Cell::new(0),
            open: RefCell::default(),
            empty: Cell::new(None),
        }
    }
}

impl Drain {
    /// The phase as it is now.
    pub fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Moves on to `phase` and wakes all connections, so that they see it.
    pub fn advance(&self, phase: Phase) {
        self.phase.set(phase);
        self.open.borrow().values().for_each(Waker::wake_by_ref);
    }

    /// Enters the task that runs in `context` among those that are woken when the phase moves on.
    pub fn enter(self: &Rc<Self>, context: &Context<'_>) -> Ticket {
        let id = self.next.get();
        self.next.set(id.wrapping_add(1));
        self.open.borrow_mut().insert(id, context.waker().clone());
        Ticket { drain: Rc::clone(self), id }
    }

    /// Waits until no connection is open.
    pub async fn emptied(&self) {
        poll_fn(|context| {
            if self.open.borrow().is_empty() {
                return Poll::Ready(());
            }
            self.empty.set(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    /// Runs `future` to its end, unless it panics or the process comes to the phase `end` before that.
    ///
    /// The task must be one that has entered: it is woken when the phase moves on.
    pub async fn unless<T>(
        &self,
        end: Phase,
        mut future: Pin<&mut impl Future<Output = T>>,
    ) -> Result<T, Stop> {
        // Nothing begins then.
        if self.phase.get() >= end {
            return Err(Stop::Over);
        }
        poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Ok(Poll::Pending) if self.phase.get() >= end => Poll::Ready(Err(Stop::Over)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => Poll::Ready(Err(Stop::Panicked)),
        })
        .await
    }
}

/// An open connection; dropped when it is closed.
pub struct Ticket {
    drain: Rc<Drain>,
    id: u64,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.drain.open.borrow_mut().remove(&self.id);
        if self.drain.open.borrow().is_empty()
            && let Some(waker) = self.drain.empty.take()
        {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::pin::pin;

    use super::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    #[test]
    fn a_panic_is_an_internal_failure_and_not_the_end() {
        let drain = Drain::default();
        let panics = async {
            ready(()).await;
            panic!("a defect")
        };
        let stop = run(drain.unless::<()>(Phase::Over, pin!(panics))).unwrap_err();
        assert_eq!(Reason::from(stop), Reason::Internal);
        assert_eq!(Reason::Internal.rule().answer, crate::rejection::Answer::Retry);
        assert_eq!(run(drain.unless(Phase::Over, pin!(ready(7)))), Ok(7));
    }

    #[test]
    fn what_is_pending_when_the_process_is_over_is_told_so() {
        let drain = Rc::new(Drain::default());
        let stop = run(async {
            let ticket = poll_fn(|context| Poll::Ready(drain.enter(context))).await;
            let never = pin!(pending::<()>());
            let (stop, ()) =
                tokio::join!(drain.unless(Phase::Over, never), async { drain.advance(Phase::Over) });
            drop(ticket);
            drain.emptied().await;
            let late = drain.unless(Phase::Over, pin!(ready(7))).await;
            assert_eq!(late, Err(Stop::Over), "nothing begins any more");
            assert_eq!(drain.unless(Phase::Ended, pin!(ready(7))).await, Ok(7), "and what was begun goes on");
            stop.unwrap_err()
        });
        assert_eq!(Reason::from(stop), Reason::ShuttingDown);
    }
}
