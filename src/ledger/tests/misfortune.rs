//! What becomes of the store in a file when the disk hangs, or somebody takes the file away; and of the one in Redis when that
//! hangs.

use std::fs;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;

use redb::StorageBackend;
use redb::backends::InMemoryBackend;

use super::*;
use crate::ledger::disk::{Change, Disk};
use crate::ledger::redis::tests::server::Redis;
use crate::ledger::redis::tests::store;

/// A disk that takes nothing for as long as somebody has the lock.
#[derive(Debug)]
struct Hanging(InMemoryBackend, Arc<Mutex<()>>);

impl StorageBackend for Hanging {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        let _turn = self.1.lock().unwrap();
        self.0.sync_data()
    }

    fn write(&self, offset: u64, written: &[u8]) -> io::Result<()> {
        self.0.write(offset, written)
    }
}

#[test]
fn a_disk_that_hangs_earns_no_success_and_the_end_does_not_wait_for_it() {
    let hangs = Arc::new(Mutex::new(()));
    let disk = {
        let hangs = Arc::clone(&hangs);
        move || Disk::on(Hanging(InMemoryBackend::new(), Arc::clone(&hangs)))
    };
    let (mut store, writer, _) = FileStore::over(disk, 100, shelf::ROOM, &Figures::default()).unwrap();
    store.set_to_work(writer).unwrap();
    let book = Book::new(store, Figures::default());
    let terms = Terms { store_patience: Duration::from_millis(10), ..Terms::for_tests() };
    let guard = hangs.lock().unwrap();
    let accepts = async |_: &Event, _: Option<Sighting>| Ok(Delivery::for_tests(StatusCode::OK));
    let outcome = run(book.once(event("a"), terms, Moment(1), &mut None, accepts));
    assert_eq!(Heard::of(outcome), Heard::Failed(Reason::LedgerOutOfReach));
    // What was to be kept may not be there, and that is told.
    let keeps = Terms { keep_failed: true, ..terms };
    let refuses = async |_: &Event, _: Option<Sighting>| Err(Reason::UpstreamRefused.into());
    let outcome = run(book.once(event("b"), keeps, Moment(1), &mut None, refuses));
    assert_eq!(Heard::of(outcome), Heard::Failed(Reason::UpstreamRefused));
    assert_eq!(book.figures.dropped(), 1);
    let (tell, ended) = channel();
    thread::spawn(move || {
        drop(book);
        tell.send(()).unwrap();
    });
    ended.recv_timeout(Duration::from_mins(1)).expect("it ends");
    drop(guard);
}

#[test]
fn what_is_over_all_at_once_is_forgotten_on_the_disk_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    let key = |number: u32| Key::of("1", &number.to_string());
    let records = 12_000;
    let put = |number| Change::Put(key(number), Record::begun(None, Moment(1)).accepted());
    Disk::open(&path).unwrap().write((0..records).map(put)).unwrap();
    let store = FileStore::open(&path, 1_000_000, shelf::ROOM, &Figures::default()).unwrap();
    store.sweep(Moment(u32::MAX), &Terms::for_tests());
    drop(store);
    assert!(Disk::open(&path).unwrap().records().unwrap().is_empty());
}

#[test]
fn a_file_that_was_removed_or_replaced_is_an_error_of_each_sweep_until_it_is_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let [path, aside] = ["ledger.redb", "aside"].map(|name| folder.path().join(name));
    let figures = Figures::default();
    let store = FileStore::open(&path, 100, shelf::ROOM, &figures).unwrap();
    let errors_after_a_sweep = || {
        store.sweep(Moment(1), &Terms::for_tests());
        // What is asked after it is answered after it.
        run(store.entries(Vec::new())).unwrap();
        figures.errors()
    };
    assert_eq!(errors_after_a_sweep(), 0);
    fs::rename(&path, &aside).unwrap();
    assert_eq!((errors_after_a_sweep(), errors_after_a_sweep()), (1, 2));
    fs::copy(&aside, &path).unwrap();
    assert_eq!(errors_after_a_sweep(), 3);
    fs::rename(&aside, &path).unwrap();
    assert_eq!(errors_after_a_sweep(), 3);
}

#[test]
fn of_those_that_begin_a_file_at_once_one_has_it_and_it_is_sound() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.redb");
        let (start, opened) = (std::sync::Barrier::new(8), Mutex::new(Vec::new()));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    let disk = Disk::open(&path);
                    opened.lock().unwrap().push(disk);
                });
            }
        });
        let opened = opened.into_inner().unwrap();
        let problems: Vec<String> =
            opened.iter().filter_map(|disk| disk.as_ref().err()).map(ToString::to_string).collect();
        assert_eq!(problems.len(), 7, "{problems:?}");
        assert!(problems.iter().all(|problem| problem.contains("another process")), "{problems:?}");
        drop(opened);
        Disk::open(&path).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "what was begun is cleared away");
    }
}

#[test]
fn what_failed_while_redis_hung_is_no_younger_for_it_and_its_loss_is_told() {
    let redis = Redis::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let book = Book::new(store(&redis), Figures::default());
        let start = 1_000_000;
        let fails = async |minutes: u32, hangs: bool| {
            let store_patience = if hangs { Duration::from_secs(2) } else { Duration::from_mins(1) };
            let terms = Terms { on_store_error: OnStoreError::Deliver, store_patience, ..Terms::for_tests() };
            let refuses = async |_: &Event, _: Option<Sighting>| {
                // It is back, and does late what it was asked before.
                redis.signal("CONT");
                assert_eq!(redis.say(&["PING"]), "PONG");
                Err(Rejection::from(Reason::UpstreamRefused))
            };
            if hangs {
                redis.signal("STOP");
            }
            let (now, mut sighting) = (Moment(start + minutes * 60), None);
            let outcome = book.once(event("a"), terms, now, &mut sighting, refuses).await;
            assert_eq!(Heard::of(outcome), FAILED);
            let sighting = sighting.unwrap();
            let record = redis.say(&["GET", &format!("alipay-sidecar:{}", Key::of("1", "a"))]);
            assert_eq!(record, format!("1 failed {} {start} {}", sighting.attempt(), now.0));
            (sighting.attempt(), sighting.is_loss(), redis.say(&["ZCARD", "alipay-sidecar:waiting"]))
        };
        for (minutes, attempt) in [(0, 1), (2, 2), (12, 3), (22, 4), (82, 5), (202, 6)] {
            assert_eq!(fails(minutes, false).await, (attempt, false, "1".to_owned()));
        }
        assert_eq!(fails(562, true).await, (7, false, "1".to_owned()));
        assert_eq!(fails(1462, true).await, (8, true, "0".to_owned()));
        assert_eq!(book.figures.errors(), 2);
    });
}

#[test]
fn what_fails_while_redis_hangs_was_accepted_if_redis_says_so_afterwards() {
    let redis = Redis::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let book = Book::new(store(&redis), Figures::default());
        let terms = Terms {
            on_store_error: OnStoreError::Deliver,
            store_patience: Duration::from_secs(2),
            ..Terms::for_tests()
        };
        let (first, last) = (Moment(1_000_000), Moment(1_000_000 + 1462 * 60));
        let accepts = async |_: &Event, _: Option<Sighting>| Ok(Delivery::for_tests(StatusCode::OK));
        let outcome = book.once(event("a"), terms, first, &mut None, accepts).await;
        assert_eq!(Heard::of(outcome), Heard::Delivered);
        redis.signal("STOP");
        let refuses = async |_: &Event, _: Option<Sighting>| {
            redis.signal("CONT");
            assert_eq!(redis.say(&["PING"]), "PONG");
            Err(Rejection::from(Reason::UpstreamRefused))
        };
        let mut sighting = None;
        let outcome = book.once(event("a"), terms, last, &mut sighting, refuses).await;
        assert_eq!((Heard::of(outcome), sighting.unwrap().is_loss()), (Heard::Repeated, false));
    });
}
