//! The ledger of the simulation: the store in a file, on a disk that loses what it was not told to keep; and the defects that a
//! judge has to notice, put in around them.

#![expect(clippy::arithmetic_side_effects, reason = "places on a disk of a test do not overflow")]

mod platter;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::TryRecvError;
use std::time::Duration;

use tokio::task::spawn_local;
use tokio::time::sleep;

use super::disk::{Change, Disk, Problem};
use super::figures::Figures;
use super::file::{FileStore, Order, Writer};
use super::kept::{Failure, Found, Stored};
use super::key::Key;
use super::memory::Memory;
use super::record::{Moment, Record};
use super::store::{AnyStore, Known, Store, StoreError};
use super::{Book, Ledger, Terms, memory, shelf};
pub(crate) use platter::Platter;

/// What is wrong with a sidecar that is there to be caught.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    /// The file is written, and never synced.
    NoSync,
    /// `success` goes out while the acceptance is still being written.
    AcknowledgedBeforeTheSync,
    /// A notification counts as accepted before the app was asked.
    RecordedBeforeTheForward,
    /// What was accepted is known to the process alone.
    MemoryOnly,
    /// Nothing is known of what was accepted.
    NoLedger,
    /// What failed is taken for a delivery that still runs elsewhere.
    NeverTriesAgain,
    /// A status of the app that means failure is taken for an acceptance.
    SuccessOnError,
    /// A key that is not Alipay's is taken for one.
    TrustsAnotherKey,
    /// What failed stays kept when it is accepted.
    KeepsWhatIsAccepted,
}

/// How long the disk may take for a commit, in simulated milliseconds, and how often it is looked whether there is one to do.
const SLOWEST_COMMIT: u64 = 12;
const TURN: Duration = Duration::from_millis(1);

/// The store in a file, as the simulation has it.
#[derive(Debug)]
pub(crate) struct Simulated {
    file: Arc<FileStore>,
    defect: Option<Defect>,
}

/// The ledger on `platter`, and a task in place of the thread that writes, which ends never.
pub(crate) fn ledger(
    platter: &Platter,
    defect: Option<Defect>,
    figures: Figures,
    mut random: fastrand::Rng,
) -> io::Result<(Ledger, impl Future<Output = ()> + use<>)> {
    let open = {
        let platter = platter.clone();
        move || Disk::on(platter.inserted())
    };
    let opened = FileStore::over(open, memory::CAPACITY, shelf::ROOM, &figures);
    let (store, writer, _) = opened.map_err(io::Error::other)?;
    let store = match defect {
        Some(Defect::NoLedger) => None,
        Some(Defect::MemoryOnly) => {
            Some(AnyStore::Memory(Memory::new(memory::CAPACITY, figures.waiting_of_store())))
        }
        _ => Some(AnyStore::Simulated(Simulated { file: Arc::new(store), defect })),
    };
    let writing = async move { write(writer, || random.u64(..=SLOWEST_COMMIT)).await };
    Ok((Ledger(store.map(|store| Book::new(store, figures))), writing))
}

/// The names of what a process finds kept as failed on `platter`, when no other has it any more and it has room again.
pub(crate) fn kept(platter: &Platter) -> Result<Vec<String>, Problem> {
    platter.process_ends();
    platter.fill(false);
    let kept = Disk::on(platter.inserted())?.kept()?;
    Ok(kept.into_iter().map(|(_, kept, _)| kept.notify_id).collect())
}

async fn write<O: Fn() -> Result<Disk, Problem>>(mut writer: Writer<O>, mut millis: impl FnMut() -> u64) {
    loop {
        match writer.orders.try_recv() {
            Ok(first) => {
                sleep(Duration::from_millis(millis())).await;
                writer.work(first);
            }
            Err(TryRecvError::Empty) => sleep(TURN).await,
            Err(TryRecvError::Disconnected) => return,
        }
    }
}

impl Store for Simulated {
    async fn begin(&self, key: Key, now: Moment, terms: &Terms) -> Result<Known, StoreError> {
        let known = self.file.begin(key, now, terms).await?;
        match (self.defect, known) {
            (Some(Defect::RecordedBeforeTheForward), Known::New) => {
                self.file.end(key, Record::begun(None, now).accepted(), None, terms).await?;
                Ok(known)
            }
            (Some(Defect::NeverTriesAgain), Known::Record(record)) if !record.is_accepted => {
                Ok(Known::Elsewhere)
            }
            _ => Ok(known),
        }
    }

    async fn end(
        &self,
        key: Key,
        record: Record,
        failure: Option<Failure<'_>>,
        terms: &Terms,
    ) -> Result<(), StoreError> {
        match self.defect {
            Some(Defect::AcknowledgedBeforeTheSync) => {
                let (file, terms) = (Arc::clone(&self.file), *terms);
                spawn_local(async move { drop(file.end(key, record, None, &terms).await) });
                Ok(())
            }
            Some(Defect::KeepsWhatIsAccepted) if record.is_accepted => {
                let stored = self.file.stored(key).await?;
                self.file.end(key, record, None, terms).await?;
                let Some(Stored { kept, body, .. }) = stored else { return Ok(()) };
                let kept = kept.encoded().map_err(|error| StoreError::Broken(error.into()))?;
                self.file.ask(|answer| Order::Write(vec![Change::Keep(key, kept, body)], Some(answer))).await
            }
            // Else the failure would undo it.
            Some(Defect::RecordedBeforeTheForward) if !record.is_accepted => Ok(()),
            _ => self.file.end(key, record, failure, terms).await,
        }
    }

    async fn kept(&self) -> Result<Vec<Key>, StoreError> {
        self.file.kept().await
    }

    async fn entries(&self, keys: Vec<Key>) -> Result<Vec<Found>, StoreError> {
        self.file.entries(keys).await
    }

    async fn stored(&self, key: Key) -> Result<Option<Stored>, StoreError> {
        self.file.stored(key).await
    }

    async fn is_any_accepted(&self, keys: &[Key], now: Moment, terms: &Terms) -> Result<bool, StoreError> {
        self.file.is_any_accepted(keys, now, terms).await
    }

    fn sweep(&self, now: Moment, terms: &Terms) {
        self.file.sweep(now, terms);
    }
}
