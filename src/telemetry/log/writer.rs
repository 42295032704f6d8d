//! The way of a line to standard output: over a bounded buffer, so that a slow reader of the log holds nobody up.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::warn;
use tracing_subscriber::fmt::MakeWriter;

/// How many bytes of lines may wait to be written.
const CAPACITY: usize = 2 * 1024 * 1024;
/// How long the first line waits for company, so that a busy process does not wake the writer for each.
const GATHERING: Duration = Duration::from_millis(5);

/// The lines of the process that wait to be written.
static WAITING: Mutex<Waiting> =
    Mutex::new(Waiting { lines: Vec::new(), is_writing: false, is_urgent: false });
/// That there are lines where there were none, or that they are urgent.
static ARRIVED: Condvar = Condvar::new();
/// That what waited was written.
static WRITTEN: Condvar = Condvar::new();
static DROPPED: AtomicU64 = AtomicU64::new(0);

struct Waiting {
    lines: Vec<u8>,
    /// Whether lines that were taken from here are not written yet.
    is_writing: bool,
    /// Whether somebody waits for them.
    is_urgent: bool,
}

/// Where the lines of `tracing` go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Queue;

impl Queue {
    /// Starts the thread that writes.
    pub(super) fn start() -> io::Result<Self> {
        thread::Builder::new().name("log".to_owned()).spawn(write)?;
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
        let mut waiting = lock();
        if waiting.lines.len().saturating_add(line.len()) > CAPACITY {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        } else {
            if waiting.lines.is_empty() {
                ARRIVED.notify_one();
            }
            waiting.lines.extend_from_slice(line);
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
    let mut waiting = lock();
    waiting.is_urgent = true;
    ARRIVED.notify_one();
    let is_left = |waiting: &mut Waiting| waiting.is_writing || !waiting.lines.is_empty();
    drop(WRITTEN.wait_timeout_while(waiting, patience, is_left));
}

/// The life of the thread that writes.
fn write() {
    let mut batch = Vec::new();
    let mut told = 0;
    loop {
        let waiting = ARRIVED.wait_while(lock(), |waiting| waiting.lines.is_empty() && !waiting.is_urgent);
        let waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        let gathered = ARRIVED.wait_timeout_while(waiting, GATHERING, |waiting| !waiting.is_urgent);
        let (mut waiting, _) = gathered.unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut batch, &mut waiting.lines);
        waiting.is_writing = true;
        waiting.is_urgent = false;
        drop(waiting);
        let mut out = io::stdout().lock();
        // Where standard output is closed, there is nobody to tell.
        drop(out.write_all(&batch).and_then(|()| out.flush()));
        drop(out);
        batch.clear();
        lock().is_writing = false;
        WRITTEN.notify_all();
        let dropped = dropped();
        if dropped > told {
            warn!(
                event = "log_lines_dropped",
                lines = dropped.saturating_sub(told),
                "the log is read too slowly"
            );
            told = dropped;
        }
    }
}

/// The buffer is sound after whatever happened while it was locked.
fn lock() -> MutexGuard<'static, Waiting> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}
