//! `Event → Outcome`: what became of each notification, so that one which was accepted is not delivered again.
//!
//! Alipay delivers a notification up to 8 times in 25 hours, at times at once, and to any replica. It is known by its app and
//! its `notify_id`. Only what was verified and translated comes here: a forgery must neither hear what is known, nor be known.
//!
//! | state of the notification | what happens |
//! |---|---|
//! | new, or it failed | it is delivered, and what that comes to is remembered before the sender hears of it |
//! | in flight here | whoever comes meanwhile waits, and hears the same |
//! | in flight on another replica | `fail`: Alipay comes again |
//! | accepted | `success`, and nothing is delivered |

mod backlog;
mod disk;
pub mod figures;
mod file;
mod flights;
mod index;
pub(crate) mod kept;
pub(crate) mod key;
mod memory;
mod place;
pub(crate) mod record;
mod redis;
mod shelf;
#[cfg(test)]
pub(crate) mod simulated;
mod store;

use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, SystemTime};

use tokio::time::timeout;

pub(crate) use self::disk::Condition;
use self::figures::{Figures, Step, Waiting};
use self::file::FileStore;
use self::flights::{Boarding, Flights, Landed, Waiter};
pub(crate) use self::kept::Stored;
use self::kept::{Failure, Found, Kept};
use self::key::Key;
use self::memory::Memory;
pub use self::record::Sighting;
use self::record::{Moment, Record};
use self::redis::RedisStore;
use self::store::{AnyStore, Known, Store, StoreError};
use crate::ack::Outcome;
use crate::config::{self, OnStoreError};
use crate::deliver::Delivery;
use crate::patience;
use crate::rejection::{Reason, Rejection};
use crate::translate::Event;

/// How many acceptances are remembered here that the store could not be told of.
const UNTOLD: usize = 10_000;

/// That the app accepted the notification earlier, or a moment ago for somebody else: proof, as a
/// [`Delivery`] is. Only the ledger makes one.
///
/// ```compile_fail,E0423
/// # use alipay_sidecar::{ack::Outcome, ledger::Accepted};
/// fn forged() -> Outcome {
///     Outcome::Repeated(Accepted(())) // nobody but the ledger makes one
/// }
/// ```
#[derive(Debug)]
pub struct Accepted(());

/// What holds for one notification: what was configured, at the time when it came.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// How long what became of a notification is remembered; `ledger.retain`.
    pub retain: Duration,
    /// Whether the event of a delivery that failed is kept, to be delivered by hand; `ledger.keep_failed`.
    pub keep_failed: bool,
    /// What becomes of a notification while the store cannot be asked or told; `ledger.on_store_error`.
    pub on_store_error: OnStoreError,
    /// How long a repeat waits for the delivery that runs; `upstream.timeout`.
    pub patience: Duration,
    /// How long the store may take each time.
    pub store_patience: Duration,
    /// How many may wait at once for deliveries that run; `upstream.max_in_flight`.
    pub max_waiting: usize,
}

#[cfg(test)]
impl Terms {
    pub(crate) fn for_tests() -> Self {
        Self {
            retain: Duration::from_hours(26),
            keep_failed: false,
            on_store_error: OnStoreError::Fail,
            patience: Duration::from_secs(10),
            store_patience: Duration::from_secs(10),
            max_waiting: 2,
        }
    }
}

/// Who has an event delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// Alipay, by its schedule.
    Sender,
    /// Somebody who replays what is kept. It knows what became of its notification, which may be forgotten elsewhere.
    Hand(Record),
}

impl By {
    /// What came before a delivery of which this is `known`; or what one hears instead, where it is not to be delivered.
    fn before(self, known: Known) -> ControlFlow<Result<Outcome, Rejection>, Option<Record>> {
        match known {
            Known::New => ControlFlow::Continue(match self {
                Self::Sender => None,
                Self::Hand(record) => Some(record),
            }),
            Known::Record(record) if record.is_accepted => {
                ControlFlow::Break(Ok(Outcome::Repeated(Accepted(()))))
            }
            Known::Record(record) => ControlFlow::Continue(Some(record)),
            Known::Elsewhere => ControlFlow::Break(Err(Reason::InFlightElsewhere.into())),
        }
    }
}

/// The ledger that was configured, shared by all workers.
#[derive(Debug)]
pub struct Ledger(Option<Book<AnyStore>>);

impl Ledger {
    /// The ledger of `config`. It tells `figures` what there is to count.
    ///
    /// A file that cannot be used, because it is damaged, or another process has it open, is an error. A Redis that is out of
    /// reach is none: it may be back any time, and until then `ledger.on_store_error` holds.
    pub fn open(config: &config::Ledger, figures: Figures) -> io::Result<Self> {
        let store = match &config.store {
            config::LedgerStore::Memory => {
                AnyStore::Memory(Memory::new(memory::CAPACITY, figures.waiting_of_store()))
            }
            config::LedgerStore::File(path) => {
                AnyStore::File(FileStore::open(path, file::CAPACITY, shelf::ROOM, &figures)?)
            }
            config::LedgerStore::Redis(url) => {
                AnyStore::Redis(Box::new(RedisStore::new(url.clone(), figures.clone())?))
            }
            config::LedgerStore::Off => return Ok(Self(None)),
        };
        Ok(Self(Some(Book::new(store, figures))))
    }

    /// Delivers `event` by `deliver`, unless it was accepted already, or is being delivered.
    ///
    /// `sighting` becomes what there is to say of this delivery, and is given to `deliver`. Without a ledger there is nothing to
    /// say, and everything is delivered.
    pub async fn once<D>(
        &self,
        event: Event,
        terms: Terms,
        now: SystemTime,
        sighting: &mut Option<Sighting>,
        deliver: D,
    ) -> Result<Outcome, Rejection>
    where
        D: AsyncFnOnce(&Event, Option<Sighting>) -> Result<Delivery, Rejection>,
    {
        match &self.0 {
            Some(book) => book.once(event, terms, Moment::of(now), sighting, deliver).await,
            None => deliver(&event, None).await.map(Outcome::Delivered),
        }
    }

    /// The notifications whose events are kept, those first that were first seen.
    pub(crate) async fn kept(&self, terms: &Terms) -> Result<Vec<Key>, Rejection> {
        match &self.0 {
            Some(book) => book.asked(terms, book.store.kept()).await,
            None => Ok(Vec::new()),
        }
    }

    /// What is kept of these events, but for their bodies. Those that are kept no longer are missing.
    pub(crate) async fn entries(&self, keys: Vec<Key>, terms: &Terms) -> Result<Vec<Found>, Rejection> {
        match &self.0 {
            Some(book) => book.asked(terms, book.store.entries(keys)).await,
            None => Ok(Vec::new()),
        }
    }

    /// Whether one of these notifications was accepted, as far as is remembered.
    pub(crate) async fn is_any_accepted(
        &self,
        keys: &[Key],
        now: SystemTime,
        terms: &Terms,
    ) -> Result<bool, Rejection> {
        match &self.0 {
            Some(book) => {
                // What is kept no longer may be about to be remembered as accepted.
                for waiter in keys.iter().filter_map(|key| book.flights.running(*key)) {
                    drop(timeout(terms.patience, waiter.landed()).await);
                }
                book.asked(terms, book.store.is_any_accepted(keys, Moment::of(now), terms)).await
            }
            None => Ok(false),
        }
    }

    /// Delivers the event that is kept under `key` once more, as [`Ledger::once`] does; nothing where none is kept.
    pub(crate) async fn again<D>(
        &self,
        key: Key,
        terms: Terms,
        now: SystemTime,
        sighting: &mut Option<Sighting>,
        deliver: D,
    ) -> Result<Option<Outcome>, Rejection>
    where
        D: AsyncFnOnce(&Event, Option<Sighting>) -> Result<Delivery, Rejection>,
    {
        match &self.0 {
            Some(book) => book.again(key, terms, Moment::of(now), sighting, deliver).await,
            None => Ok(None),
        }
    }

    /// Forgets what need not be known any more at `now`, and tells the store of the acceptances that it could not be told of.
    pub async fn sweep(&self, now: SystemTime, terms: Terms) {
        if let Some(book) = &self.0 {
            book.store.sweep(Moment::of(now), &terms);
            book.catch_up(&terms).await;
        }
    }
}

/// Says of the file of a ledger whether it can be used, without changing it. What makes it unusable is an error.
pub(crate) fn examine(path: &Path) -> Result<Condition, String> {
    disk::examine(path).map_err(|problem| problem.to_string())
}

/// A ledger that is kept in a store.
#[derive(Debug)]
struct Book<S> {
    store: S,
    flights: Flights,
    /// The acceptances that the store could not be told of. They count more than what it says.
    untold: Memory,
    figures: Figures,
}

impl<S: Store> Book<S> {
    fn new(store: S, figures: Figures) -> Self {
        let untold = Memory::new(UNTOLD, Waiting::default());
        Self { store, flights: Flights::default(), untold, figures }
    }

    async fn once<D>(
        &self,
        event: Event,
        terms: Terms,
        now: Moment,
        sighting: &mut Option<Sighting>,
        deliver: D,
    ) -> Result<Outcome, Rejection>
    where
        D: AsyncFnOnce(&Event, Option<Sighting>) -> Result<Delivery, Rejection>,
    {
        let key = Key::of(event.app_id(), event.notify_id());
        match self.flights.board(key, terms.max_waiting) {
            Boarding::First(flight) => {
                let outcome = self.first(key, &event, (&terms, now, By::Sender), sighting, deliver).await;
                flight.land(Landed::of(&outcome, *sighting));
                outcome
            }
            Boarding::Repeat(waiter) => {
                // Who waits holds nothing: a body that was captured and sent often would fill the memory.
                drop(event);
                heard(waiter, &terms, sighting).await
            }
            Boarding::Full => Err(full()),
        }
    }

    /// Delivers what is kept under `key`, unless it was accepted meanwhile. Nothing where nothing is kept.
    async fn again<D>(
        &self,
        key: Key,
        terms: Terms,
        now: Moment,
        sighting: &mut Option<Sighting>,
        deliver: D,
    ) -> Result<Option<Outcome>, Rejection>
    where
        D: AsyncFnOnce(&Event, Option<Sighting>) -> Result<Delivery, Rejection>,
    {
        match self.flights.board(key, terms.max_waiting) {
            Boarding::First(flight) => {
                let outcome = self.replayed(key, &terms, now, sighting, deliver).await;
                flight.land(match &outcome {
                    Ok(Some(_)) => Landed::Accepted,
                    // Whoever came meanwhile hears that nothing was delivered.
                    Ok(None) => Landed::Failed(Reason::InFlight, None),
                    Err(rejection) => Landed::Failed(rejection.reason(), sighting.map(Sighting::shared)),
                });
                outcome
            }
            Boarding::Repeat(waiter) => heard(waiter, &terms, sighting).await.map(Some),
            Boarding::Full => Err(full()),
        }
    }

    /// Delivers what is kept under `key`. What was accepted is kept no longer.
    async fn replayed<D>(
        &self,
        key: Key,
        terms: &Terms,
        now: Moment,
        sighting: &mut Option<Sighting>,
        deliver: D,
    ) -> Result<Option<Outcome>, Rejection>
    where
        D: AsyncFnOnce(&Event, Option<Sighting>) -> Result<Delivery, Rejection>,
    {
        let Some(stored) = self.asked(terms, self.store.stored(key)).await? else {
            let is_accepted = self.asked(terms, self.store.is_any_accepted(&[key], now, terms)).await?;
            return Ok(is_accepted.then_some(Outcome::Repeated(Accepted(()))));
        };
        let by = By::Hand(stored.kept.record());
        let event =
            Event::restored(stored).ok_or_else(|| Reason::Internal.because("what was kept is damaged"))?;
        self.first(key, &event, (terms, now, by), sighting, deliver).await.map(Some)
    }

    /// The way of the only delivery of `event` that runs here.
    async fn first<D>(
        &self,
        key: Key,
        event: &Event,
        (terms, now, by): (&Terms, Moment, By),
        sighting: &mut Option<Sighting>,
        deliver: D,
    ) -> Result<Outcome, Rejection>
    where
        D: AsyncFnOnce(&Event, Option<Sighting>) -> Result<Delivery, Rejection>,
    {
        let known = self.known(key, now, terms).await?;
        let mut before = match by.before(known.unwrap_or(Known::New)) {
            ControlFlow::Continue(before) => before,
            ControlFlow::Break(outcome) => return outcome,
        };
        let mut record = Record::begun(before, now);
        let seen = Sighting::of(before, &record);
        // It counts as failed until it is not, also where it is cut off.
        *sighting = Some(seen.failed());
        match deliver(event, Some(seen)).await {
            Ok(delivery) => {
                *sighting = Some(seen);
                self.tell(key, record.accepted(), None, terms).await?;
                Ok(Outcome::Delivered(delivery))
            }
            Err(rejection) => {
                if known.is_none() {
                    // What could not be asked before is asked now: its failures are not forgotten for one more.
                    let later = self.within(terms, Step::Ask, self.store.begin(key, now, terms)).await;
                    before = match later.map(|later| by.before(later)) {
                        Ok(ControlFlow::Continue(before)) => before,
                        Ok(ControlFlow::Break(Ok(accepted))) => {
                            *sighting = Some(seen);
                            return Ok(accepted);
                        }
                        // What nothing is known of, or what another replica delivers, is not told.
                        Ok(ControlFlow::Break(Err(_))) | Err(_) => return Err(rejection),
                    };
                    record = Record::begun(before, now);
                    *sighting = Some(Sighting::of(before, &record).failed());
                }
                // A delivery by hand is none of Alipay's, whose next one is due as before.
                let is_by_hand = matches!(by, By::Hand(_));
                let last_seen = before.filter(|_| is_by_hand).map_or(now, |before| before.last_seen);
                let failure = Failure { event, reason: rejection.reason(), at: now };
                let failure = (terms.keep_failed || is_by_hand).then_some(failure);
                // What it failed for is what counts.
                drop(self.tell(key, Record { last_seen, ..record }, failure, terms).await);
                Err(rejection)
            }
        }
    }

    /// What is known of `key`. It fails where the store cannot be asked, unless the terms have it delivered then; there is
    /// nothing to say in that case.
    async fn known(&self, key: Key, now: Moment, terms: &Terms) -> Result<Option<Known>, Rejection> {
        if let Some(record) = self.untold.get(key, now, terms) {
            self.tell(key, record, None, terms).await?;
            return Ok(Some(Known::Record(record)));
        }
        match self.within(terms, Step::Ask, self.store.begin(key, now, terms)).await {
            Ok(known) => Ok(Some(known)),
            Err(error) => match terms.on_store_error {
                OnStoreError::Fail => Err(Reason::LedgerOutOfReach.because(error)),
                OnStoreError::Deliver => Ok(None),
            },
        }
    }

    /// Tells the store of `record`. An acceptance that it cannot be told of is remembered here, and told with the next sweep, or
    /// when the notification comes again; the terms say whether that is a failure.
    async fn tell(
        &self,
        key: Key,
        record: Record,
        failure: Option<Failure<'_>>,
        terms: &Terms,
    ) -> Result<(), Rejection> {
        match self.within(terms, Step::Tell, self.store.end(key, record, failure, terms)).await {
            Ok(()) => {
                if record.is_accepted {
                    self.untold.remove(key);
                }
                Ok(())
            }
            Err(error) => {
                if record.is_accepted {
                    self.untold.put(key, record, terms);
                }
                // What failed before is kept since then.
                if let Some(failure) = failure.filter(|_| terms.keep_failed && record.attempt == 1) {
                    self.figures.unkept(&Kept::of(failure, record));
                }
                match terms.on_store_error {
                    OnStoreError::Fail => Err(Reason::LedgerOutOfReach.because(error)),
                    OnStoreError::Deliver => Ok(()),
                }
            }
        }
    }

    /// Tells the store of what it could not be told of, until there is no more, or it cannot be told again.
    async fn catch_up(&self, terms: &Terms) {
        while let Some((key, record)) = self.untold.oldest() {
            if self.within(terms, Step::Tell, self.store.end(key, record, None, terms)).await.is_err() {
                return;
            }
            self.untold.remove(key);
        }
    }

    /// What the store says to a question that nothing can be done without.
    async fn asked<T>(
        &self,
        terms: &Terms,
        asked: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, Rejection> {
        self.within(terms, Step::Ask, asked).await.map_err(|error| Reason::LedgerOutOfReach.because(error))
    }

    /// What the store says, if it says so in time. What goes wrong is counted.
    async fn within<T>(
        &self,
        terms: &Terms,
        step: Step,
        asked: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let outcome = patience::within(terms.store_patience, asked).await.unwrap_or(Err(StoreError::Late));
        match &outcome {
            Ok(_) => self.figures.succeeded(step),
            Err(error) => self.figures.failed(step, error),
        }
        outcome
    }
}

/// What one hears who waits for the delivery that runs, and what is to be said of that.
async fn heard(
    waiter: Waiter<'_>,
    terms: &Terms,
    sighting: &mut Option<Sighting>,
) -> Result<Outcome, Rejection> {
    match timeout(terms.patience, waiter.landed()).await {
        Ok(Landed::Accepted) => Ok(Outcome::Repeated(Accepted(()))),
        Ok(Landed::Failed(reason, shared)) => {
            *sighting = shared;
            Err(reason.because("that is what the delivery came to which it waited for"))
        }
        Err(_) => Err(Reason::InFlight.into()),
    }
}

fn full() -> Rejection {
    Reason::TooManyInFlight.because("as many wait for deliveries in flight")
}

#[cfg(test)]
mod tests;
