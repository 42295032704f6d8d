//! What is kept in a file: within bounds, for as long as it should be, and given back as it was.

use super::*;
use crate::ledger::shelf::Room;

const ROOM: Room = Room { entries: 3, bytes: 10_000 };
const DAY: u32 = 24 * 3600;

fn terms() -> Terms {
    Terms { keep_failed: true, ..Terms::for_tests() }
}

fn refused(event: &Event, at: u32) -> Failure<'_> {
    Failure { event, reason: Reason::UpstreamRefused, at: Moment(at) }
}

fn failed(first_seen: u32, last_seen: u32) -> Record {
    Record { is_accepted: false, attempt: 1, first_seen: Moment(first_seen), last_seen: Moment(last_seen) }
}

fn key(id: &str) -> Key {
    Key::of("1", id)
}

struct Kitchen {
    _folder: tempfile::TempDir,
    path: std::path::PathBuf,
    figures: Figures,
}

impl Kitchen {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.redb");
        Self { _folder: folder, path, figures: Figures::default() }
    }

    fn open(&self, room: Room) -> FileStore {
        FileStore::open(&self.path, 100, room, &self.figures).unwrap()
    }
}

async fn fails(store: &FileStore, id: &str, first_seen: u32, at: u32) {
    let event = event(id);
    store.end(key(id), failed(first_seen, at), Some(refused(&event, at)), &terms()).await.unwrap();
}

async fn ids(store: &FileStore) -> Vec<String> {
    let keys = store.kept().await.unwrap();
    let entries = store.entries(keys).await.unwrap();
    entries.into_iter().map(|found| found.unwrap().notify_id).collect()
}

#[test]
fn an_event_comes_back_as_it_was_also_after_a_restart() {
    run(async {
        let kitchen = Kitchen::new();
        let store = kitchen.open(ROOM);
        fails(&store, "a", 100, 100).await;
        drop(store);
        let store = kitchen.open(ROOM);
        let again = Event::restored(store.stored(key("a")).await.unwrap().unwrap()).unwrap();
        let once = event("a");
        assert_eq!(
            (again.body(), again.content(), again.sent_at()),
            (once.body(), once.content(), once.sent_at())
        );
        assert_eq!(
            (again.notify_id(), again.app_id(), again.msg_method(), again.is_known()),
            (once.notify_id(), once.app_id(), once.msg_method(), once.is_known())
        );
        assert_eq!((again.signed_form(), again.schema()), (once.signed_form(), once.schema()));
        assert!(store.stored(key("b")).await.unwrap().is_none());
        assert_eq!(kitchen.figures.kept(), 1);
    });
}

#[test]
fn the_oldest_gives_way_and_that_is_counted() {
    run(async {
        let kitchen = Kitchen::new();
        let store = kitchen.open(ROOM);
        for (id, first_seen) in [("b", 200), ("a", 100), ("c", 300), ("d", 400)] {
            fails(&store, id, first_seen, first_seen).await;
        }
        assert_eq!(ids(&store).await, ["b", "c", "d"]);
        assert_eq!((kitchen.figures.kept(), kitchen.figures.dropped()), (3, 1));
        assert!(store.stored(key("a")).await.unwrap().is_none());
        // Where there is less room after a restart, it is the same.
        drop(store);
        let store = kitchen.open(Room { entries: 1, ..ROOM });
        assert_eq!(ids(&store).await, ["d"]);
        drop(store);
        let store = kitchen.open(Room { entries: 3, bytes: 1 });
        assert!(ids(&store).await.is_empty());
        fails(&store, "e", 500, 500).await;
        assert!(ids(&store).await.is_empty());
        assert_eq!(kitchen.figures.dropped(), 2);
    });
}

#[test]
fn what_is_accepted_is_kept_no_longer() {
    run(async {
        let kitchen = Kitchen::new();
        let store = kitchen.open(ROOM);
        fails(&store, "a", 100, 100).await;
        fails(&store, "b", 100, 100).await;
        store.end(key("a"), failed(100, 200).accepted(), None, &terms()).await.unwrap();
        assert_eq!(ids(&store).await, ["b"]);
        drop(store);
        let store = kitchen.open(ROOM);
        assert_eq!(ids(&store).await, ["b"]);
        assert!(store.is_any_accepted(&[key("b"), key("a")], Moment(300), &terms()).await.unwrap());
        assert!(!store.is_any_accepted(&[key("b")], Moment(300), &terms()).await.unwrap());
    });
}

#[test]
fn what_is_kept_is_known_for_longer_than_what_is_remembered_and_over_after_a_fortnight() {
    run(async {
        let kitchen = Kitchen::new();
        let store = kitchen.open(ROOM);
        fails(&store, "a", 100, 200).await;
        for days in [1, 2, 13] {
            let now = Moment(100 + days * DAY);
            store.sweep(now, &terms());
            assert_eq!(
                store.begin(key("a"), now, &terms()).await.unwrap(),
                Known::Record(failed(100, 200)),
                "{days}"
            );
        }
        // Failing by hand then is no reason to wait for Alipay again.
        fails(&store, "a", 100, 100 + 13 * DAY).await;
        assert_eq!((kitchen.figures.waiting(), kitchen.figures.kept()), (0, 1));
        store.sweep(Moment(100 + 15 * DAY), &terms());
        assert!(ids(&store).await.is_empty());
        assert_eq!(store.begin(key("a"), Moment(100 + 15 * DAY), &terms()).await.unwrap(), Known::New);
        // It cannot be replayed any more, and that is told.
        assert_eq!((kitchen.figures.kept(), kitchen.figures.dropped()), (0, 1));
    });
}

#[test]
fn a_delivery_by_hand_counts_as_an_attempt_and_is_none_of_alipays() {
    run(async {
        let kitchen = Kitchen::new();
        let book = Book::new(kitchen.open(ROOM), kitchen.figures.clone());
        let refuse = async |_: &Event, _: Option<Sighting>| Err(Rejection::from(REFUSED.unwrap_err()));
        let mut sighting = None;
        let start = Moment(1_000_000);
        let heard = book.once(event("a"), terms(), start, &mut sighting, refuse).await;
        assert_eq!(Heard::of(heard), FAILED);
        let before_last = start.after(Duration::from_hours(23));
        let outcome = book.again(key("a"), terms(), before_last, &mut sighting, refuse).await;
        assert_eq!(outcome.unwrap_err().reason(), Reason::UpstreamRefused);
        let kept = book.store.entries(vec![key("a")]).await.unwrap().pop().unwrap().unwrap();
        assert_eq!((kept.record().last_seen, kept.last_attempt()), (start, before_last));
        // It still waits for Alipay's last delivery.
        assert_eq!(kept.next(before_last), Some(start.after(Duration::from_mins(1462))));
        assert_eq!(kitchen.figures.waiting(), 1);
        let accept = async |_: &Event, _: Option<Sighting>| Ok(Delivery::for_tests(StatusCode::OK));
        let days_later = start.after(Duration::from_hours(72));
        let outcome = book.again(key("a"), terms(), days_later, &mut sighting, accept).await;
        assert!(matches!(outcome, Ok(Some(Outcome::Delivered(_)))));
        // It is kept no longer, and known as accepted: whoever asks for it once more hears so.
        let once_more = book.again(key("a"), terms(), days_later, &mut sighting, refuse).await;
        assert!(matches!(once_more, Ok(Some(Outcome::Repeated(_)))));
        assert!(matches!(book.again(key("b"), terms(), days_later, &mut sighting, refuse).await, Ok(None)));
        let heard = book.once(event("a"), terms(), days_later, &mut sighting, refuse).await;
        assert_eq!(Heard::of(heard), Heard::Repeated);
    });
}
