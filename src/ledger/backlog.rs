//! How much may wait at once to be kept, so that a slow store fills no memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many bytes of events may wait.
const MAX: usize = 8 * 1024 * 1024;

/// The bytes of all events that wait to be kept.
#[derive(Debug, Clone, Default)]
pub(super) struct Backlog(Arc<AtomicUsize>);

impl Backlog {
    /// A place for an event of `bytes`, where there is one. However many they are, there is one for the only event.
    pub(super) fn enter(&self, bytes: usize) -> Option<Place> {
        let before = self.0.fetch_add(bytes, Ordering::Relaxed);
        let place = Place { backlog: self.clone(), bytes };
        (before == 0 || before.saturating_add(bytes) <= MAX).then_some(place)
    }
}

/// The place of one that waits, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    backlog: Backlog,
    bytes: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.backlog.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_wait_than_there_is_room_for_and_a_place_is_given_back() {
        let backlog = Backlog::default();
        let one = backlog.enter(MAX - 1).unwrap();
        let another = backlog.enter(1).unwrap();
        assert!(backlog.enter(1).is_none());
        drop((one, another));
        let only = backlog.enter(MAX * 2).unwrap();
        assert!(backlog.enter(1).is_none());
        drop(only);
        assert_eq!(backlog.0.load(Ordering::Relaxed), 0);
    }
}
