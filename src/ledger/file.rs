//! The ledger in a file: an acceptance is on the disk before `success` goes out.
//!
//! What is asked is answered from memory. What is told goes to a thread of its own, which writes all that has come meanwhile
//! in one transaction, so that under load many share one wait for the disk, and no event loop waits for it at all.

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tracing::{error, info};

use super::Terms;
use super::backlog::{self, Backlog};
use super::disk::{Change, Disk, Problem};
use super::figures::{Figures, Keeping, NO_ROOM, TOO_OLD, TOO_SLOW};
use super::kept::{self, Failure, Found, Kept, Stored};
use super::key::Key;
use super::memory::Memory;
use super::place::Place;
use super::record::{Moment, Record};
use super::shelf::{Room, Shelf};
use super::store::{Known, Store, StoreError};

/// How many notifications are remembered: in memory and in the file 50 bytes for each.
pub(super) const CAPACITY: usize = 1_000_000;
/// How many changes may wait for the disk. It is slower than the network if so many do.
const QUEUE: usize = 8192;
/// How many records a sweep forgets, in one order: after a long stop all of them are over at once, and whoever has an acceptance to
/// write waits for it.
const SWEPT: usize = 50_000;
/// How long the disk may take for what is left when the store is closed. Nobody was told that it is written.
const LAST_WRITES: Duration = Duration::from_secs(2);

/// A store in a file.
#[derive(Debug)]
pub(crate) struct FileStore {
    memory: Memory,
    shelf: Arc<Mutex<Shelf>>,
    keeping: Keeping,
    backlog: Backlog,
    /// Taken when the store is dropped, which ends the thread.
    queue: Option<SyncSender<Order>>,
    /// Ends when the thread has written what is left, and closed the file. In a lock, so that the store can be shared.
    closed: Option<Mutex<Receiver<()>>>,
}

/// What comes of a question or of a change, and of the thread that had it to do.
pub(super) type Answer<T> = oneshot::Sender<Result<T, String>>;

/// What the thread that has the file is to do.
pub(super) enum Order {
    /// Make these changes, and tell who waits for them.
    Write(Vec<Change>, Option<Answer<()>>),
    /// Remember what a delivery came to, if its record is to be remembered, and keep its event, if there is one.
    End(Key, Option<Record>, Option<Box<Keep>>, Answer<()>),
    /// Say what is kept of these.
    Entries(Vec<Key>, Answer<Vec<Found>>),
    /// Give back what is kept of this one.
    Stored(Key, Answer<Option<Box<Stored>>>),
    /// See whether the file is still where it was.
    Look,
}

/// An event that is to be kept. It has its place as long as it waits.
pub(super) struct Keep {
    kept: Kept,
    body: Bytes,
    _place: backlog::Place,
}

impl FileStore {
    /// The store in the file at `path`, with all that it remembers, at most `capacity` records, and with what it keeps, which
    /// is what there is `room` for.
    pub(super) fn open(path: &Path, capacity: usize, room: Room, figures: &Figures) -> io::Result<Self> {
        let explained = |problem: Problem| {
            let kind = problem.downcast_ref::<io::Error>().map_or(io::ErrorKind::Other, io::Error::kind);
            io::Error::new(kind, format!("ledger.path = \"{}\" cannot be used: {problem}", path.display()))
        };
        let place = path.to_owned();
        let opened = Self::over(move || Disk::open(&place), capacity, room, figures).map_err(explained)?;
        let (mut store, mut writer, records) = opened;
        let pending = store.shelf().len();
        writer.compact(path, records).map_err(explained)?;
        info!(event = "ledger_opened", records, pending, "the ledger remembers what was before");
        store.set_to_work(writer)?;
        Ok(store)
    }

    /// Gives `writer` a thread of its own, which ends with the store.
    pub(super) fn set_to_work<O>(&mut self, mut writer: Writer<O>) -> io::Result<()>
    where
        O: Fn() -> Result<Disk, Problem> + Send + 'static,
    {
        let (open, closed) = sync_channel(0);
        let work = move || {
            while writer.turn() {}
            drop(writer);
            drop::<SyncSender<()>>(open);
        };
        thread::Builder::new().name("ledger".to_owned()).spawn(work)?;
        self.closed = Some(Mutex::new(closed));
        Ok(())
    }

    /// The store on the disk that `open` opens, now and after an error; what has the disk, which the caller sets to work; and how
    /// many records there were.
    pub(super) fn over<O>(
        open: O,
        capacity: usize,
        room: Room,
        figures: &Figures,
    ) -> Result<(Self, Writer<O>, usize), Problem>
    where
        O: Fn() -> Result<Disk, Problem>,
    {
        let disk = open()?;
        let records = disk.records()?;
        let memory = Memory::new(capacity, figures.waiting_of_store());
        let surplus = memory.fill(&records);
        disk.write(surplus.into_iter().map(Change::Forget))?;
        let keeping = figures.keeping_of_store();
        let mut shelf = Shelf::new(room);
        fill(&mut shelf, &disk, &keeping)?;
        let shelf = Arc::new(Mutex::new(shelf));
        let (queue, orders) = sync_channel(QUEUE);
        let writer = Writer {
            place: disk.place(),
            disk: Some(disk),
            open,
            orders,
            shelf: Arc::clone(&shelf),
            keeping: keeping.clone(),
            figures: figures.clone(),
        };
        let backlog = Backlog::default();
        let store = Self { memory, shelf, keeping, backlog, queue: Some(queue), closed: None };
        Ok((store, writer, records.len()))
    }

    /// Gives an order to the thread that has the file; never waits.
    fn order(&self, order: Order) -> Result<(), StoreError> {
        let Some(queue) = &self.queue else { return Err(StoreError::Broken("it is closed".into())) };
        queue.try_send(order).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Broken("too much waits to be written".into()),
            TrySendError::Disconnected(_) => StoreError::Broken("what writes it has ended".into()),
        })
    }

    /// Gives an order, and waits for what comes of it.
    pub(super) async fn ask<T>(&self, order: impl FnOnce(Answer<T>) -> Order) -> Result<T, StoreError> {
        let (answer, outcome) = oneshot::channel();
        self.order(order(answer))?;
        match outcome.await {
            Ok(outcome) => outcome.map_err(|problem| StoreError::Broken(problem.into())),
            Err(_) => Err(StoreError::Broken("what writes it has ended".into())),
        }
    }

    /// Orders changes that nobody waits for, all of them or none.
    fn change(&self, changes: impl Iterator<Item = Change>) -> Result<(), StoreError> {
        let changes: Vec<Change> = changes.collect();
        if changes.is_empty() { Ok(()) } else { self.order(Order::Write(changes, None)) }
    }

    /// What is to be kept of a delivery that failed, unless too much of that waits for the disk already.
    fn keep(&self, failure: Failure<'_>, record: Record) -> Option<Box<Keep>> {
        let (kept, body) = (Kept::of(failure, record), failure.event.body().clone());
        let Some(place) = self.backlog.enter(body.len()) else {
            self.keeping.dropped(&kept, TOO_SLOW);
            return None;
        };
        Some(Box::new(Keep { kept, body, _place: place }))
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        locked(&self.shelf)
    }
}

impl Store for FileStore {
    async fn begin(&self, key: Key, now: Moment, terms: &Terms) -> Result<Known, StoreError> {
        if let Some(record) = self.memory.get(key, now, terms) {
            return Ok(Known::Record(record));
        }
        // What is kept is kept for longer than it is remembered, and so are its attempts.
        let kept = self.shelf().record(key).filter(|record| !kept::is_over(record.first_seen, now, terms));
        Ok(kept.map_or(Known::New, Known::Record))
    }

    async fn end(
        &self,
        key: Key,
        record: Record,
        failure: Option<Failure<'_>>,
        terms: &Terms,
    ) -> Result<(), StoreError> {
        // What failed by hand, days later, is no longer waited for by anybody.
        let is_over = failure.is_some_and(|failure| record.is_over(failure.at, terms.retain));
        let remembered = Some(record).filter(|_| !is_over);
        let keep = failure.and_then(|failure| self.keep(failure, record));
        self.ask(|answer| Order::End(key, remembered, keep, answer)).await?;
        if let Some(record) = remembered {
            let forgotten = self.memory.put(key, record, terms).into_iter().flatten();
            // What cannot be ordered is found out at the next start.
            drop(self.change(forgotten.map(Change::Forget)));
        }
        Ok(())
    }

    async fn kept(&self) -> Result<Vec<Key>, StoreError> {
        Ok(self.shelf().keys())
    }

    async fn entries(&self, keys: Vec<Key>) -> Result<Vec<Found>, StoreError> {
        self.ask(|answer| Order::Entries(keys, answer)).await
    }

    async fn stored(&self, key: Key) -> Result<Option<Stored>, StoreError> {
        let stored = self.ask(|answer| Order::Stored(key, answer)).await?;
        Ok(stored.map(|stored| *stored))
    }

    async fn is_any_accepted(&self, keys: &[Key], now: Moment, terms: &Terms) -> Result<bool, StoreError> {
        self.memory.is_any_accepted(keys, now, terms).await
    }

    fn sweep(&self, now: Moment, terms: &Terms) {
        let over = self.memory.over(now, terms, SWEPT);
        // Before they are forgotten here: what comes to one of them meanwhile is written after that.
        if self.change(over.iter().copied().map(Change::Forget)).is_ok() {
            for key in over {
                self.memory.forget(key, now, terms);
            }
        }
        let over = self.shelf().over(now, terms);
        // Where too much waits, there is another sweep.
        drop(self.change(over.into_iter().map(|key| Change::Evict(key, TOO_OLD))));
        drop(self.order(Order::Look));
    }
}

impl Drop for FileStore {
    fn drop(&mut self) {
        drop(self.queue.take());
        let Some(closed) = self.closed.take() else { return };
        let closed = closed.into_inner().unwrap_or_else(PoisonError::into_inner);
        if closed.recv_timeout(LAST_WRITES) == Err(RecvTimeoutError::Timeout) {
            error!(
                event = "ledger_not_closed",
                "the disk hangs, and is not waited for: whatever success was said for is on it"
            );
        }
    }
}

/// What has the file, on a thread of its own. What is kept is on the shelf and on the disk, and this alone changes either.
pub(super) struct Writer<O> {
    disk: Option<Disk>,
    /// Where its file was when it was opened first.
    place: Option<Place>,
    open: O,
    pub(super) orders: Receiver<Order>,
    shelf: Arc<Mutex<Shelf>>,
    keeping: Keeping,
    figures: Figures,
}

impl<O: Fn() -> Result<Disk, Problem>> Writer<O> {
    /// Waits for an order, and does it and what has come meanwhile; says whether there may be more.
    fn turn(&mut self) -> bool {
        let Ok(first) = self.orders.recv() else { return false };
        self.work(first);
        true
    }

    /// Makes the file shorter, where it is much longer than it need be.
    fn compact(&mut self, path: &Path, records: usize) -> Result<(), Problem> {
        let bytes = locked(&self.shelf).bytes();
        self.disk.as_mut().map_or(Ok(()), |disk| disk.compact(path, records, bytes))
    }

    /// Does what `first` orders, and all that has come meanwhile.
    pub(super) fn work(&mut self, first: Order) {
        // Before the shelf is touched: it becomes what is on the disk.
        let open = self.reopen().map_err(|problem| problem.to_string());
        let batch = std::iter::once(first).chain(self.orders.try_iter().take(QUEUE));
        let (mut changes, mut waiting, mut questions) = (Vec::new(), Vec::new(), Vec::new());
        for order in batch {
            match order {
                Order::Write(ordered, answer) => {
                    for change in &ordered {
                        if let Change::Unkeep(key) | Change::Evict(key, _) = change {
                            locked(&self.shelf).remove(*key);
                        }
                    }
                    changes.extend(ordered);
                    waiting.extend(answer);
                }
                Order::End(key, record, keep, answer) => {
                    changes.extend(record.map(|record| Change::Put(key, record)));
                    let is_accepted = record.is_some_and(|record| record.is_accepted);
                    if is_accepted && locked(&self.shelf).remove(key) {
                        changes.push(Change::Unkeep(key));
                    }
                    if let Some(keep) = keep {
                        changes.extend(self.keep(key, &keep));
                    }
                    waiting.push(answer);
                }
                Order::Entries(..) | Order::Stored(..) => questions.push(order),
                Order::Look => {
                    if let Err(error) = self.look() {
                        self.figures.misplaced(&error);
                    }
                }
            }
        }
        let outcome = open.and_then(|()| self.write(changes).map_err(|problem| problem.to_string()));
        self.keeping.set(locked(&self.shelf).len());
        for answer in waiting {
            // Who does not wait any more need not know.
            drop(answer.send(outcome.clone()));
        }
        for question in questions {
            self.answer(question);
        }
    }

    /// Whether the file is still where it was.
    fn look(&self) -> io::Result<()> {
        self.place.as_ref().map_or(Ok(()), Place::check)
    }

    /// Opens the file anew, where it was closed after an error. What could not be written is on the shelf no longer.
    fn reopen(&mut self) -> Result<(), Problem> {
        if self.disk.is_none() {
            // Another, or a new one, would not have what is in memory.
            self.look()?;
            let disk = (self.open)()?;
            let mut all = locked(&self.shelf);
            all.clear();
            fill(&mut all, &disk, &self.keeping)?;
            drop(all);
            self.disk = Some(disk);
        }
        Ok(())
    }

    /// Puts an event on the shelf. What has to be written then: it, and that what has to make room is not there any more.
    fn keep(&self, key: Key, keep: &Keep) -> Vec<Change> {
        // It is made of texts and numbers, so it can be written.
        let Ok(written) = keep.kept.encoded() else { return Vec::new() };
        let length = written.len().saturating_add(keep.body.len());
        let surplus = locked(&self.shelf).put(key, keep.kept.record(), length);
        let kept = Change::Keep(key, written, keep.body.clone());
        std::iter::once(kept).chain(surplus.into_iter().map(|key| Change::Evict(key, NO_ROOM))).collect()
    }

    /// Writes all changes, or none, and tells of what was evicted.
    ///
    /// After an error the file is closed, since redb takes no more changes then.
    fn write(&mut self, changes: Vec<Change>) -> Result<(), Problem> {
        if changes.is_empty() {
            return Ok(());
        }
        let open = self.disk.take().ok_or("it is closed")?;
        let evicted = open.write(changes.into_iter())?;
        self.disk = Some(open);
        for (kept, cause) in evicted {
            self.keeping.dropped(&kept, cause);
        }
        Ok(())
    }

    fn answer(&self, question: Order) {
        match question {
            Order::Entries(keys, answer) => drop(answer.send(self.read(|disk| disk.entries(&keys)))),
            Order::Stored(key, answer) => {
                drop(answer.send(self.read(|disk| Ok(disk.stored(key)?.map(Box::new)))));
            }
            Order::Write(..) | Order::End(..) | Order::Look => {}
        }
    }

    fn read<T>(&self, read: impl FnOnce(&Disk) -> Result<T, Problem>) -> Result<T, String> {
        let open = self.disk.as_ref().ok_or("it is closed")?;
        read(open).map_err(|problem| problem.to_string())
    }
}

/// Puts on the shelf what is on the disk; what there is no room for is kept no longer.
fn fill(shelf: &mut Shelf, disk: &Disk, keeping: &Keeping) -> Result<(), Problem> {
    let mut surplus = Vec::new();
    for (key, kept, length) in disk.kept()? {
        surplus.extend(shelf.put(key, kept.record(), length));
    }
    keeping.set(shelf.len());
    if !surplus.is_empty() {
        drop(disk.write(surplus.into_iter().map(Change::Unkeep))?);
    }
    Ok(())
}

fn locked(shelf: &Mutex<Shelf>) -> MutexGuard<'_, Shelf> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::ledger::shelf::ROOM;

    #[test]
    fn after_an_error_no_other_file_is_opened_in_the_place_of_one_that_was_removed() {
        let folder = tempfile::tempdir().unwrap();
        let [path, aside] = ["ledger.redb", "aside"].map(|name| folder.path().join(name));
        let open = || Disk::open(&path);
        let (_store, mut writer, _) = FileStore::over(open, 100, ROOM, &Figures::default()).unwrap();
        let mut told = || {
            // As an error leaves it.
            writer.disk = None;
            let (answer, mut outcome) = oneshot::channel();
            writer.work(Order::Write(vec![Change::Forget(Key::of("1", "a"))], Some(answer)));
            outcome.try_recv().unwrap()
        };
        assert_eq!(told(), Ok(()));
        fs::rename(&path, &aside).unwrap();
        assert!(told().unwrap_err().contains("it was removed"));
        assert!(!path.exists());
        fs::rename(&aside, &path).unwrap();
        assert_eq!(told(), Ok(()));
    }
}
