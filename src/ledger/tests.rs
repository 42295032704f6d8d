//! The ledger as a whole, in front of a store that does as it is told.
#![expect(clippy::arithmetic_side_effects, reason = "times and counts of a test do not overflow")]

mod figures;
mod keeping;
mod misfortune;

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::rc::Rc;

use hyper::StatusCode;

use super::*;
use crate::receive::form::Form;
use crate::translate::catalogue::Catalogue;
use crate::translate::{OnMismatch, Translator, UnknownMethods};
use crate::verify::{SignedForm, Verified};

/// What a store does with the next calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Sound,
    Broken,
    Hanging,
}

/// A store in memory that can be out of reach.
#[derive(Debug)]
struct Moody {
    memory: Memory,
    asked: Cell<Mood>,
    told: Cell<Mood>,
    is_elsewhere: Cell<bool>,
}

async fn mood(mood: Mood) -> Result<(), StoreError> {
    match mood {
        Mood::Sound => Ok(()),
        Mood::Broken => Err(StoreError::Broken("the disk is full".into())),
        Mood::Hanging => pending().await,
    }
}

impl Store for Rc<Moody> {
    async fn begin(&self, key: Key, now: Moment, terms: &Terms) -> Result<Known, StoreError> {
        mood(self.asked.get()).await?;
        if self.is_elsewhere.get() {
            return Ok(Known::Elsewhere);
        }
        self.memory.begin(key, now, terms).await
    }

    async fn end(
        &self,
        key: Key,
        record: Record,
        failure: Option<Failure<'_>>,
        terms: &Terms,
    ) -> Result<(), StoreError> {
        mood(self.told.get()).await?;
        self.memory.end(key, record, failure, terms).await
    }

    async fn kept(&self) -> Result<Vec<Key>, StoreError> {
        self.memory.kept().await
    }

    async fn entries(&self, keys: Vec<Key>) -> Result<Vec<Found>, StoreError> {
        self.memory.entries(keys).await
    }

    async fn stored(&self, key: Key) -> Result<Option<Stored>, StoreError> {
        self.memory.stored(key).await
    }

    async fn is_any_accepted(&self, keys: &[Key], now: Moment, terms: &Terms) -> Result<bool, StoreError> {
        self.memory.is_any_accepted(keys, now, terms).await
    }

    fn sweep(&self, now: Moment, terms: &Terms) {
        self.memory.sweep(now, terms);
    }
}

/// A ledger, its store, and what the app has seen.
struct Stage {
    book: Book<Rc<Moody>>,
    store: Rc<Moody>,
    terms: Terms,
    attempts: RefCell<Vec<u8>>,
}

impl Stage {
    fn set() -> Self {
        let figures = Figures::default();
        let store = Rc::new(Moody {
            memory: Memory::new(100, figures.waiting_of_store()),
            asked: Cell::new(Mood::Sound),
            told: Cell::new(Mood::Sound),
            is_elsewhere: Cell::new(false),
        });
        let terms = Terms { store_patience: Duration::from_millis(10), ..Terms::for_tests() };
        let book = Book::new(Rc::clone(&store), figures);
        Self { book, store, terms, attempts: RefCell::default() }
    }

    /// A delivery at `minutes` to an app that does as `app` says; what comes of it, and what is said of it.
    async fn once(&self, id: &str, minutes: u32, app: Result<(), Reason>) -> (Heard, Option<Sighting>) {
        let mut sighting = None;
        let now = Moment(1_000_000 + minutes * 60);
        let deliver = async |_: &Event, sighting: Option<Sighting>| {
            self.attempts.borrow_mut().push(sighting.unwrap().attempt());
            tokio::task::yield_now().await;
            app.map(|()| Delivery::for_tests(StatusCode::OK)).map_err(Rejection::from)
        };
        let outcome = self.book.once(event(id), self.terms, now, &mut sighting, deliver).await;
        (Heard::of(outcome), sighting)
    }

    /// As [`Stage::once`], for what comes of it alone.
    async fn hears(&self, id: &str, minutes: u32, app: Result<(), Reason>) -> Heard {
        self.once(id, minutes, app).await.0
    }

    /// The attempts of which the app has heard since it was last asked.
    fn attempts(&self) -> Vec<u8> {
        self.attempts.take()
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Delivered,
    Repeated,
    Failed(Reason),
}

impl Heard {
    fn of(outcome: Result<Outcome, Rejection>) -> Self {
        match outcome {
            Ok(Outcome::Delivered(_)) => Self::Delivered,
            Ok(Outcome::Repeated(_)) => Self::Repeated,
            Ok(Outcome::Confirmed(_)) => panic!("nothing was to be confirmed"),
            Err(rejection) => Self::Failed(rejection.reason()),
        }
    }
}

pub(in crate::ledger) fn event(id: &str) -> Event {
    let body = format!(
        "charset=utf-8&biz_content=%7B%7D&utc_timestamp=1514210452731&sign=c2lnbg%3D%3D&app_id=1&version=1.1&sign_type=RSA2&\
         notify_id={id}&msg_method=a.b"
    );
    let verified = Verified::for_tests(Form::parse(body.as_bytes(), 64).unwrap(), SignedForm::V1);
    let translator = Translator::new(Catalogue::builtin(), OnMismatch::Forward, UnknownMethods::Forward);
    translator.translate(verified).unwrap()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

const REFUSED: Result<(), Reason> = Err(Reason::UpstreamRefused);
const FAILED: Heard = Heard::Failed(Reason::UpstreamRefused);

#[test]
fn what_was_accepted_is_not_delivered_again() {
    run(async {
        let stage = Stage::set();
        assert_eq!(stage.hears("a", 0, Ok(())).await, Heard::Delivered);
        assert_eq!(stage.hears("a", 2, REFUSED).await, Heard::Repeated);
        assert_eq!(stage.hears("b", 2, Ok(())).await, Heard::Delivered);
        assert_eq!(stage.attempts(), [1, 1]);
    });
}

#[test]
fn what_failed_is_delivered_again_and_counted() {
    run(async {
        let stage = Stage::set();
        assert_eq!(stage.hears("a", 0, REFUSED).await, FAILED);
        assert_eq!(stage.book.figures.waiting(), 1);
        assert_eq!(stage.hears("a", 2, REFUSED).await, FAILED);
        // The third and the fourth delivery did not come here.
        assert_eq!(stage.hears("a", 82, Ok(())).await, Heard::Delivered);
        assert_eq!(stage.book.figures.waiting(), 0);
        assert_eq!(stage.hears("a", 202, Ok(())).await, Heard::Repeated);
        assert_eq!(stage.attempts(), [1, 2, 5]);
    });
}

#[test]
fn the_failure_of_the_last_delivery_is_a_loss_and_nothing_waits_for_another() {
    run(async {
        let stage = Stage::set();
        for (index, minutes) in [0, 2, 12, 22, 82, 202, 562].into_iter().enumerate() {
            let (heard, sighting) = stage.once("a", minutes, REFUSED).await;
            let sighting = sighting.unwrap();
            assert_eq!((heard, sighting.is_loss(), stage.book.figures.waiting()), (FAILED, false, 1));
            assert_eq!(usize::from(sighting.attempt()), index + 1);
            assert!(sighting.next().is_some());
        }
        let sighting = stage.once("a", 1462, REFUSED).await.1.unwrap();
        assert_eq!((sighting.attempt(), sighting.is_loss(), sighting.next()), (8, true, None));
        assert_eq!(stage.book.figures.waiting(), 0);
        // Accepted with the last one, nothing is lost.
        stage.hears("b", 0, REFUSED).await;
        let (heard, sighting) = stage.once("b", 1462, Ok(())).await;
        assert_eq!((heard, sighting.unwrap().is_loss()), (Heard::Delivered, false));
    });
}

#[test]
fn a_last_delivery_that_is_cut_off_is_a_loss_unless_the_app_had_accepted() {
    run(async {
        let mut stage = Stage::set();
        stage.terms.store_patience = Duration::from_hours(1);
        for (app_accepts, minutes, is_loss) in [(false, 562, false), (false, 1462, true), (true, 1462, false)]
        {
            let id = format!("{app_accepts}{minutes}");
            stage.hears(&id, 0, REFUSED).await;
            stage.store.told.set(Mood::Hanging);
            let deliver = async |_: &Event, _: Option<Sighting>| {
                if !app_accepts {
                    pending::<()>().await;
                }
                Ok(Delivery::for_tests(StatusCode::OK))
            };
            let now = Moment(1_000_000 + minutes * 60);
            let mut sighting = None;
            let delivery = stage.book.once(event(&id), stage.terms, now, &mut sighting, deliver);
            // The process ends in the middle of it.
            assert!(timeout(Duration::from_millis(1), delivery).await.is_err());
            assert_eq!(sighting.unwrap().is_loss(), is_loss, "{id}");
            stage.store.told.set(Mood::Sound);
        }
    });
}

#[test]
fn what_is_no_longer_retained_is_new() {
    run(async {
        let stage = Stage::set();
        stage.hears("a", 0, Ok(())).await;
        stage.hears("b", 0, REFUSED).await;
        assert_eq!(stage.hears("a", 26 * 60, REFUSED).await, Heard::Repeated);
        assert_eq!(stage.hears("a", 26 * 60 + 1, REFUSED).await, FAILED);
        assert_eq!(stage.hears("b", 26 * 60 + 1, Ok(())).await, Heard::Delivered);
        assert_eq!(stage.attempts(), [1, 1, 1, 1]);
    });
}

#[test]
fn what_waits_for_a_retry_is_not_counted_once_it_is_over() {
    run(async {
        let stage = Stage::set();
        stage.hears("a", 0, REFUSED).await;
        stage.store.sweep(Moment(1_000_000 + 26 * 3600), &stage.terms);
        assert_eq!(stage.book.figures.waiting(), 1);
        stage.store.sweep(Moment(1_000_000 + 26 * 3600 + 1), &stage.terms);
        assert_eq!(stage.book.figures.waiting(), 0);
    });
}

#[test]
fn repeats_share_the_outcome_of_the_one_that_runs() {
    run(async {
        for (app, heard, shared) in [(Ok(()), Heard::Delivered, Heard::Repeated), (REFUSED, FAILED, FAILED)] {
            let stage = Stage::set();
            let (first, second, third, fourth) = tokio::join!(
                stage.once("a", 0, app),
                stage.once("a", 0, REFUSED),
                stage.once("a", 0, Ok(())),
                stage.once("a", 0, Ok(())),
            );
            assert_eq!((first.0, second.0), (heard, shared));
            assert_eq!(second.1.map(Sighting::attempt), app.is_err().then_some(1));
            assert!(matches!(third.0, Heard::Repeated | FAILED));
            // No more than two may wait.
            assert_eq!(fourth.0, Heard::Failed(Reason::TooManyInFlight));
            assert_eq!(stage.attempts(), [1]);
        }
    });
}

#[test]
fn a_loss_is_told_once_though_many_share_it() {
    run(async {
        let stage = Stage::set();
        stage.hears("a", 0, REFUSED).await;
        let (first, second) = tokio::join!(stage.once("a", 1462, REFUSED), stage.once("a", 1462, REFUSED));
        assert!(first.1.unwrap().is_loss() && !second.1.unwrap().is_loss());
    });
}

#[test]
fn a_loss_is_told_once_though_the_last_delivery_comes_twice() {
    run(async {
        let stage = Stage::set();
        stage.hears("a", 0, REFUSED).await;
        for (minutes, is_loss) in [(1462, true), (1463, false)] {
            let sighting = stage.once("a", minutes, REFUSED).await.1.unwrap();
            assert_eq!((sighting.is_loss(), sighting.next()), (is_loss, None));
        }
    });
}

#[test]
fn a_loss_is_told_from_16_h_52_min_after_the_first_sight_on_which_may_have_been_the_sixth_delivery() {
    run(async {
        let stage = Stage::set();
        for (first, last, is_loss) in
            [(202, 1462, true), (562, 1462, false), (0, 16 * 60 + 51, false), (0, 16 * 60 + 52, true)]
        {
            let id = format!("{first}-{last}");
            stage.hears(&id, first, REFUSED).await;
            assert_eq!(stage.once(&id, last, REFUSED).await.1.unwrap().is_loss(), is_loss, "{id}");
        }
    });
}

#[test]
fn a_repeat_does_not_wait_for_ever() {
    run(async {
        let mut stage = Stage::set();
        stage.terms.patience = Duration::from_millis(5);
        let never = async |_: &Event, _: Option<Sighting>| pending().await;
        let mut sighting = None;
        let hanging = stage.book.once(event("a"), stage.terms, Moment(0), &mut sighting, never);
        tokio::select! {
            biased;
            _ = hanging => panic!("the delivery never ends"),
            heard = stage.hears("a", 0, Ok(())) => assert_eq!(heard, Heard::Failed(Reason::InFlight)),
        }
        // What was cut off is not in flight any more, and was no failure of the app.
        assert_eq!(stage.hears("a", 0, Ok(())).await, Heard::Delivered);
        assert_eq!(stage.attempts(), [1]);
    });
}

#[test]
fn what_another_replica_delivers_is_not_delivered_here() {
    run(async {
        let stage = Stage::set();
        stage.store.is_elsewhere.set(true);
        assert_eq!(stage.hears("a", 0, Ok(())).await, Heard::Failed(Reason::InFlightElsewhere));
        assert!(stage.attempts().is_empty());
    });
}

#[test]
fn nothing_is_delivered_while_the_store_cannot_be_asked() {
    run(async {
        let stage = Stage::set();
        for mood in [Mood::Broken, Mood::Hanging] {
            stage.store.asked.set(mood);
            assert_eq!(
                stage.hears("a", 0, Ok(())).await,
                Heard::Failed(Reason::LedgerOutOfReach),
                "{mood:?}"
            );
        }
        assert_eq!((stage.attempts().len(), stage.book.figures.errors()), (0, 2));
    });
}

#[test]
fn what_the_store_could_not_be_told_of_is_told_when_it_comes_again_and_not_delivered_again() {
    run(async {
        let stage = Stage::set();
        for (id, mood) in [("a", Mood::Broken), ("b", Mood::Hanging)] {
            stage.store.told.set(mood);
            assert_eq!(stage.hears(id, 0, Ok(())).await, Heard::Failed(Reason::LedgerOutOfReach));
            assert_eq!(stage.hears(id, 2, Ok(())).await, Heard::Failed(Reason::LedgerOutOfReach));
            stage.store.told.set(Mood::Sound);
            assert_eq!(stage.hears(id, 12, REFUSED).await, Heard::Repeated);
            assert_eq!(stage.hears(id, 22, REFUSED).await, Heard::Repeated);
        }
        assert_eq!(stage.attempts(), [1, 1]);
    });
}

#[test]
fn what_the_store_could_not_be_told_of_is_told_by_the_next_sweep_that_can_and_every_replica_knows() {
    run(async {
        let mut stage = Stage::set();
        stage.terms.on_store_error = OnStoreError::Deliver;
        stage.store.told.set(Mood::Broken);
        for id in ["a", "b"] {
            assert_eq!(stage.hears(id, 0, Ok(())).await, Heard::Delivered);
        }
        stage.book.catch_up(&stage.terms).await;
        stage.store.told.set(Mood::Sound);
        stage.book.catch_up(&stage.terms).await;
        assert!(stage.book.untold.oldest().is_none());
        // What another process has of it is the store alone.
        stage.book = Book::new(Rc::clone(&stage.store), Figures::default());
        for id in ["a", "b"] {
            assert_eq!(stage.hears(id, 2, REFUSED).await, Heard::Repeated);
        }
        assert_eq!(stage.attempts(), [1, 1]);
    });
}

#[test]
fn with_deliver_all_is_delivered_while_the_store_is_out_of_reach() {
    run(async {
        let mut stage = Stage::set();
        stage.terms.on_store_error = OnStoreError::Deliver;
        for mood in [Mood::Broken, Mood::Hanging] {
            stage.store.asked.set(mood);
            stage.store.told.set(mood);
            let id = format!("{mood:?}");
            assert_eq!(stage.hears(&id, 0, REFUSED).await, FAILED);
            assert_eq!(stage.hears(&id, 2, Ok(())).await, Heard::Delivered);
            // What this process has seen accepted, it knows.
            assert_eq!(stage.hears(&id, 12, REFUSED).await, Heard::Repeated);
        }
        assert_eq!(stage.attempts(), [1, 1, 1, 1]);
    });
}
