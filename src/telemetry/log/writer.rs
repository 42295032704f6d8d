//! The way of a line to standard output: over a bounded queue, so that a slow reader of the log holds nobody up.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use tracing::warn;
use tracing_subscriber::fmt::MakeWriter;

/// How many lines may wait to be written: about 2 MiB.
const QUEUE: usize = 4096;
/// How many bytes are written at once when many lines wait.
const BATCH: usize = 64 * 1024;

/// The queue of the process, once the log is started.
static QUEUED: OnceLock<SyncSender<Job>> = OnceLock::new();
static DROPPED: AtomicU64 = AtomicU64::new(0);

enum Job {
    Write(Vec<u8>),
    /// Everything before it is written: say so.
    Tell(SyncSender<()>),
}

/// Where the lines of `tracing` go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Queue;

impl Queue {
    /// Starts the thread that writes. Until then, lines go nowhere.
    pub(super) fn start() -> io::Result<Self> {
        let (sender, jobs) = sync_channel(QUEUE);
        thread::Builder::new().name("log".to_owned()).spawn(move || write(&jobs))?;
        // A second log in one process writes to the queue of the first.
        drop(QUEUED.set(sender));
        Ok(Self)
    }
}

impl MakeWriter<'_> for Queue {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}

/// Each call is one line: `tracing-subscriber` writes an event at once.
impl Write for Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let is_queued = QUEUED.get().is_some_and(|queue| queue.try_send(Job::Write(line.to_vec())).is_ok());
        if !is_queued {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How many lines were dropped because the reader of the log was too slow.
pub(crate) fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// Waits until what was logged is written, but no longer than `patience`.
pub fn flush(patience: Duration) {
    let (tell, told) = sync_channel(1);
    if let Some(queue) = QUEUED.get()
        && queue.try_send(Job::Tell(tell)).is_ok()
    {
        told.recv_timeout(patience).unwrap_or_default();
    }
}

fn write(jobs: &Receiver<Job>) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut told = 0;
    while let Ok(job) = jobs.recv() {
        let mut next = Some(job);
        while let Some(job) = next {
            match job {
                Job::Write(line) => batch.extend_from_slice(&line),
                Job::Tell(tell) => {
                    put(&mut batch);
                    // Whoever asked may have lost patience.
                    tell.try_send(()).unwrap_or_default();
                }
            }
            next = if batch.len() < BATCH { jobs.try_recv().ok() } else { None };
        }
        put(&mut batch);
        let dropped = dropped();
        if dropped > told {
            warn!(
                event = "log_lines_dropped",
                lines = dropped.saturating_sub(told),
                "the reader of the log is too slow"
            );
            told = dropped;
        }
    }
}

/// Writes `batch`. Where standard output is closed, there is nobody to tell.
fn put(batch: &mut Vec<u8>) {
    let mut out = io::stdout().lock();
    drop(out.write_all(batch).and_then(|()| out.flush()));
    batch.clear();
}
