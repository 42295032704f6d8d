//! The ledger in a file: an acceptance is on the disk before `success` goes out.
//!
//! What is asked is answered from memory. What is told goes to a thread of its own, which writes all that has come meanwhile
//! in one transaction, so that under load many share one wait for the disk, and no event loop waits for it at all.

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;
use tracing::info;

use super::Terms;
use super::disk::{Change, Disk, Problem};
use super::figures::Waiting;
use super::key::Key;
use super::memory::Memory;
use super::record::{Moment, Record};
use super::store::{Known, Store, StoreError};
use crate::translate::Event;

/// How many notifications are remembered: in memory and in the file 50 bytes for each.
pub(super) const CAPACITY: usize = 1_000_000;
/// How many changes may wait for the disk. It is slower than the network if so many do.
const QUEUE: usize = 8192;

/// A store in a file.
#[derive(Debug)]
pub(crate) struct FileStore {
    memory: Memory,
    /// Taken when the store is dropped, which ends the thread.
    queue: Option<SyncSender<Order>>,
    writer: Option<JoinHandle<()>>,
}

/// A change to be written, and who waits for it.
#[derive(Debug)]
pub(super) struct Order {
    change: Change,
    written: Option<oneshot::Sender<Result<(), String>>>,
}

impl FileStore {
    /// The store in the file at `path`, with all that it remembers, at most `capacity` records.
    pub(super) fn open(path: &Path, capacity: usize, waiting: Waiting) -> io::Result<Self> {
        let explained = |problem| {
            io::Error::other(format!("ledger.path = \"{}\" cannot be used: {problem}", path.display()))
        };
        let mut disk = Disk::open(path).map_err(explained)?;
        let (memory, records) = recall(&disk, capacity, waiting).map_err(explained)?;
        disk.compact(path, records).map_err(explained)?;
        info!(event = "ledger_opened", records, "the ledger remembers what was before");
        let path = path.to_owned();
        let (mut store, mut writer) = Self::over(memory, disk, move || Disk::open(&path));
        let thread =
            thread::Builder::new().name("ledger".to_owned()).spawn(move || while writer.turn() {})?;
        store.writer = Some(thread);
        Ok(store)
    }

    /// The store on the disk that `open` opens, and what writes for it; for tests, which have disks of their own.
    #[cfg(test)]
    pub(super) fn on<O>(open: O, capacity: usize, waiting: Waiting) -> Result<(Self, Writer<O>), Problem>
    where
        O: Fn() -> Result<Disk, Problem>,
    {
        let disk = open()?;
        let (memory, _) = recall(&disk, capacity, waiting)?;
        Ok(Self::over(memory, disk, open))
    }

    /// The store over `memory` and `disk`, and what writes for it, which the caller sets to work. After an error the disk is
    /// what `open` makes of it.
    fn over<O>(memory: Memory, disk: Disk, open: O) -> (Self, Writer<O>)
    where
        O: Fn() -> Result<Disk, Problem>,
    {
        let (queue, orders) = sync_channel(QUEUE);
        (Self { memory, queue: Some(queue), writer: None }, Writer { disk: Some(disk), open, orders })
    }

    /// Gives an order to the thread that writes; never waits.
    fn order(&self, order: Order) -> Result<(), StoreError> {
        let Some(queue) = &self.queue else { return Err(StoreError::Broken("it is closed".into())) };
        queue.try_send(order).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Broken("too much waits to be written".into()),
            TrySendError::Disconnected(_) => StoreError::Broken("what writes it has ended".into()),
        })
    }

    /// Forgets on the disk what was forgotten here. What cannot be ordered is found to be over at the next start.
    fn forget(&self, keys: impl IntoIterator<Item = Key>) {
        for key in keys {
            drop(self.order(Order { change: Change::Forget(key), written: None }));
        }
    }
}

impl Store for FileStore {
    async fn begin(&self, key: Key, now: Moment, terms: &Terms) -> Result<Known, StoreError> {
        self.memory.begin(key, now, terms).await
    }

    async fn end(
        &self,
        key: Key,
        record: Record,
        _event: Option<&Event>,
        terms: &Terms,
    ) -> Result<(), StoreError> {
        let (written, outcome) = oneshot::channel();
        self.order(Order { change: Change::Put(key, record), written: Some(written) })?;
        match outcome.await {
            Ok(Ok(())) => {
                self.forget(self.memory.put(key, record, terms).into_iter().flatten());
                Ok(())
            }
            Ok(Err(problem)) => Err(StoreError::Broken(problem.into())),
            Err(_) => Err(StoreError::Broken("what writes it has ended".into())),
        }
    }

    fn sweep(&self, now: Moment, terms: &Terms) {
        while let Some(key) = self.memory.forget_over(now, terms) {
            self.forget([key]);
        }
    }
}

impl Drop for FileStore {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(writer) = self.writer.take() {
            // It writes what is left, and closes the file.
            drop(writer.join());
        }
    }
}

/// What `disk` remembers, at most `capacity` records, of which it forgets the others; and how many it had.
fn recall(disk: &Disk, capacity: usize, waiting: Waiting) -> Result<(Memory, usize), Problem> {
    let records = disk.records()?;
    let memory = Memory::new(capacity, waiting);
    let surplus = memory.fill(&records);
    disk.write(surplus.into_iter().map(Change::Forget))?;
    Ok((memory, records.len()))
}

/// What writes to the disk.
pub(super) struct Writer<O> {
    disk: Option<Disk>,
    open: O,
    pub(super) orders: Receiver<Order>,
}

impl<O: Fn() -> Result<Disk, Problem>> Writer<O> {
    /// Waits for an order, and writes it and what has come meanwhile; says whether there may be more.
    fn turn(&mut self) -> bool {
        let Ok(first) = self.orders.recv() else { return false };
        self.write(first);
        true
    }

    /// Writes `first` and all that has come meanwhile, and tells those who wait.
    ///
    /// After an error the disk is closed and opened anew, since redb takes no more changes then.
    pub(super) fn write(&mut self, first: Order) {
        let batch: Vec<Order> = std::iter::once(first).chain(self.orders.try_iter().take(QUEUE)).collect();
        let outcome = self.commit(&batch).map_err(|problem| problem.to_string());
        for waiting in batch.into_iter().filter_map(|order| order.written) {
            // Who does not wait any more need not know.
            drop(waiting.send(outcome.clone()));
        }
    }

    fn commit(&mut self, batch: &[Order]) -> Result<(), Problem> {
        let disk = match self.disk.take() {
            Some(disk) => disk,
            None => (self.open)()?,
        };
        disk.write(batch.iter().map(|order| order.change))?;
        self.disk = Some(disk);
        Ok(())
    }
}
