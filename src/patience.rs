//! Waiting no longer than one may.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::error::Elapsed;
use tokio::time::timeout;

/// What `future` comes to, if it does so within `patience`. What is there at once, as most things are that a notification
/// waits for, takes neither a timer nor a look at the clock.
pub(crate) async fn within<T>(patience: Duration, future: impl Future<Output = T>) -> Result<T, Elapsed> {
    let mut future = pin!(future);
    match poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await {
        Poll::Ready(value) => Ok(value),
        Poll::Pending => timeout(patience, future).await,
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::runtime::Builder;
    use tokio::time::sleep;

    use super::*;

    #[test]
    fn what_is_there_at_once_needs_no_timer() {
        // A runtime without a clock: a timer would panic.
        let runtime = Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(within(Duration::ZERO, ready(7))), Ok(7));
    }

    #[test]
    fn what_comes_later_is_waited_for_and_no_longer_than_one_may() {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        let soon = async { within(Duration::from_mins(1), sleep(Duration::from_millis(1))).await };
        assert_eq!(runtime.block_on(soon), Ok(()));
        let never = async { within(Duration::from_millis(1), pending::<()>()).await };
        assert!(runtime.block_on(never).is_err());
    }
}
