//! Tells when a file of the configuration may have changed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tracing::warn;

use super::places::places;
use crate::config::NamedFiles;

/// How long nothing must have changed: editors write in steps, and files that belong together come one by one.
const QUIET: Duration = Duration::from_millis(200);
/// How long is waited for that at most.
const PATIENCE: Duration = Duration::from_secs(5);

/// A watch over the files of a configuration. Folders are watched, not files: most changes replace a file.
pub(super) struct Watch {
    changes: Arc<Notify>,
    /// Whether a change was heard of and not told yet.
    has_changed: bool,
    /// Dropped, it watches no more. `None` where watching is not possible.
    _watcher: Option<RecommendedWatcher>,
    /// What cannot be watched, as it was told.
    failure: Option<String>,
}

impl Watch {
    /// Watches over `files`, in the place of the watch `before`, without missing anything between the two.
    pub(super) fn over(files: &NamedFiles, before: Option<Self>) -> Self {
        let changes = before.as_ref().map(|before| Arc::clone(&before.changes)).unwrap_or_default();
        let (watcher, failure) = watch(files.paths().flat_map(places).collect(), &changes);
        if let Some(failure) = &failure
            && before.as_ref().and_then(|before| before.failure.as_ref()) != Some(failure)
        {
            warn!(
                event = "watch_failed",
                cause = failure,
                "changes of files may go unnoticed: SIGHUP reloads; on Linux see fs.inotify.max_user_instances and \
                 max_user_watches"
            );
        }
        // What changed after it was read, and before it was watched.
        if !files.are_current() {
            changes.notify_one();
        }
        let has_changed = before.is_some_and(|before| before.has_changed);
        Self { changes, has_changed, _watcher: watcher, failure }
    }

    /// Waits for a change, and until nothing changes any more. It may be dropped at any time, and asked again.
    pub(super) async fn changed(&mut self) {
        if !self.has_changed {
            self.changes.notified().await;
            self.has_changed = true;
        }
        let start = Instant::now();
        while start.elapsed() < PATIENCE && timeout(QUIET, self.changes.notified()).await.is_ok() {}
        self.has_changed = false;
    }
}

/// Watches over the folders of `places`, and tells `changes` of what happens to one of these; with what is not watched.
fn watch(
    mut places: BTreeSet<PathBuf>,
    changes: &Arc<Notify>,
) -> (Option<RecommendedWatcher>, Option<String>) {
    let folders: BTreeSet<PathBuf> =
        places.iter().filter_map(|place| place.parent()).map(Path::to_owned).collect();
    places.extend(folders.iter().cloned());
    let teller = Arc::clone(changes);
    let tell = move |event: notify::Result<Event>| {
        if event.is_ok_and(|event| is_change(&event, &places)) {
            teller.notify_one();
        }
    };
    let mut watcher = match notify::recommended_watcher(tell) {
        Ok(watcher) => watcher,
        Err(error) => return (None, Some(error.to_string())),
    };
    let mut failure = None;
    for folder in folders {
        match watcher.watch(&folder, RecursiveMode::NonRecursive) {
            Ok(()) => {}
            // It was there a moment ago, so there is something new in its place.
            Err(_) if !folder.exists() => changes.notify_one(),
            Err(error) => failure = Some(format!("{}: {error}", folder.display())),
        }
    }
    (Some(watcher), failure)
}

/// Whether one of `places` may have changed. That a file is read is no change: we do that ourselves.
fn is_change(event: &Event, places: &BTreeSet<PathBuf>) -> bool {
    let is_read =
        matches!(event.kind, EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write));
    event.need_rescan() || (!is_read && event.paths.iter().any(|path| places.contains(path)))
}
