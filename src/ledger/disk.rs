//! The records on a disk: one file of redb, which survives a crash at any instruction, and a lock that no two processes hold.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Bound;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use redb::backends::{FileBackend, InMemoryBackend};
use redb::{
    Database, DatabaseError, Key as TableKey, ReadOnlyTable, ReadTransaction, ReadableDatabase,
    ReadableTable, StorageBackend, StorageError, TableDefinition, TableError, Value,
};

use super::kept::{Found, Kept, Stored};
use super::key::Key;
use super::place::Place;
use super::record::{Moment, Record};

/// The records by their keys. A change of their form takes a new name.
const RECORDS: TableDefinition<'_, &[u8; 16], Written> = TableDefinition::new("records-1");
/// What is kept of events, as JSON, but for their bodies, so that listing them does not read those.
const KEPT: TableDefinition<'_, &[u8; 16], &[u8]> = TableDefinition::new("kept-1");
/// The bodies of the events that are kept.
const BODIES: TableDefinition<'_, &[u8; 16], &[u8]> = TableDefinition::new("bodies-1");
/// What redb may keep in memory: what is read after the start is little.
const CACHE: usize = 4 * 1024 * 1024;
/// Files shorter than this are not worth being made shorter.
const SHORT: u64 = 16 * 1024 * 1024;
/// What a record takes up in a file that is not compact, with much to spare.
const LOOSE: u64 = 160;

/// A record in the file: when it was first and last seen, the attempt, and whether it was accepted.
type Written = (u32, u32, u8, bool);

/// Why the file cannot be used.
pub(super) type Problem = Box<dyn std::error::Error + Send + Sync>;

/// A change of what is remembered.
pub(super) enum Change {
    /// This record is remembered now.
    Put(Key, Record),
    /// Nothing is.
    Forget(Key),
    /// An event is kept now: this of it, and its body.
    Keep(Key, Vec<u8>, Bytes),
    /// Nothing is.
    Unkeep(Key),
    /// Nothing is, though it was not accepted: this is why.
    Evict(Key, &'static str),
}

/// What can be said of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// There is none yet.
    Absent,
    /// It is sound.
    Sound,
    /// A process has it open.
    InUse,
}

/// The file, opened, and locked for as long as this is there.
#[derive(Debug)]
pub(super) struct Disk {
    database: Database,
    /// Where the file lies; nothing where it is none.
    place: Option<Place>,
}

impl Disk {
    /// Opens the file at `path`, or makes one where there is none, that only its owner can read. What was cut off is undone.
    ///
    /// A file that is something else, that is damaged, or that another process has open is an error.
    pub(super) fn open(path: &Path) -> Result<Self, Problem> {
        if !path.try_exists()? {
            create(path)?;
        }
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        if file.metadata()?.len() == 0 {
            return Err(EMPTY.into());
        }
        let place = Some(Place::of(path, &file)?);
        let database = builder().create_with_backend(FileBackend::new(file)?).map_err(explained)?;
        Ok(Self { database, place })
    }

    /// Where its file lies, if it has one.
    pub(super) fn place(&self) -> Option<Place> {
        self.place.clone()
    }

    /// Opens what is kept on `backend`, a disk of the tests, or makes it where there is nothing.
    #[cfg(test)]
    pub(super) fn on(backend: impl StorageBackend) -> Result<Self, Problem> {
        let database = builder().create_with_backend(backend).map_err(explained)?;
        let disk = Self { database, place: None };
        disk.write(std::iter::empty())?;
        Ok(disk)
    }

    /// Every record, in the order in which they will be over.
    pub(super) fn records(&self) -> Result<Vec<(Key, Record)>, Problem> {
        let table = self.database.begin_read()?.open_table(RECORDS)?;
        let mut records = Vec::new();
        for entry in table.iter()? {
            let (key, record) = entry?;
            records.push((Key::from_bytes(*key.value()), decoded(record.value())));
        }
        records.sort_by_key(|(_, record)| record.since());
        Ok(records)
    }

    /// Everything that is kept, with the length that it has on the disk, in no order.
    pub(super) fn kept(&self) -> Result<Vec<(Key, Kept, usize)>, Problem> {
        let Some(table) = opened(&self.database.begin_read()?, KEPT)? else { return Ok(Vec::new()) };
        let mut all = Vec::new();
        for entry in table.iter()? {
            let (key, written) = entry?;
            let Some(kept) = Kept::decoded(written.value()) else { return Err(DAMAGED.into()) };
            let length = written.value().len().saturating_add(kept.bytes);
            all.push((Key::from_bytes(*key.value()), kept, length));
        }
        Ok(all)
    }

    /// What is kept under these keys; nothing for those under which nothing is.
    pub(super) fn entries(&self, keys: &[Key]) -> Result<Vec<Found>, Problem> {
        let Some(table) = opened(&self.database.begin_read()?, KEPT)? else { return Ok(Vec::new()) };
        let mut entries = Vec::with_capacity(keys.len());
        for key in keys {
            if let Some(written) = table.get(key.bytes())? {
                entries.push(Kept::read(*key, written.value()));
            }
        }
        Ok(entries)
    }

    /// The event that is kept under `key`.
    pub(super) fn stored(&self, key: Key) -> Result<Option<Stored>, Problem> {
        let transaction = self.database.begin_read()?;
        let (Some(kept), Some(bodies)) = (opened(&transaction, KEPT)?, opened(&transaction, BODIES)?) else {
            return Ok(None);
        };
        let (Some(kept), Some(body)) = (kept.get(key.bytes())?, bodies.get(key.bytes())?) else {
            return Ok(None);
        };
        let stored = Stored::read(key, kept.value(), Bytes::copy_from_slice(body.value()));
        Ok(Some(stored.ok_or(DAMAGED)?))
    }

    /// Makes the changes, all or none. When this returns, they are on the disk. What was evicted is returned, with why.
    pub(super) fn write(
        &self,
        changes: impl Iterator<Item = Change>,
    ) -> Result<Vec<(Kept, &'static str)>, Problem> {
        let transaction = self.database.begin_write()?;
        let mut table = transaction.open_table(RECORDS)?;
        // Opened where they are needed: for many a ledger that is never.
        let mut shelves = None;
        let mut evicted = Vec::new();
        for change in changes {
            match change {
                Change::Put(key, record) => drop(table.insert(key.bytes(), encoded(record))?),
                Change::Forget(key) => drop(table.remove(key.bytes())?),
                Change::Keep(..) | Change::Unkeep(_) | Change::Evict(..) => {
                    let (kept, bodies) = match &mut shelves {
                        Some(shelves) => shelves,
                        none => none.insert((transaction.open_table(KEPT)?, transaction.open_table(BODIES)?)),
                    };
                    match change {
                        Change::Keep(key, written, body) => {
                            drop(kept.insert(key.bytes(), written.as_slice())?);
                            drop(bodies.insert(key.bytes(), &*body)?);
                        }
                        Change::Unkeep(key) => {
                            drop(kept.remove(key.bytes())?);
                            drop(bodies.remove(key.bytes())?);
                        }
                        Change::Evict(key, cause) => {
                            let removed = kept.remove(key.bytes())?;
                            let removed = removed.and_then(|removed| Kept::decoded(removed.value()));
                            evicted.extend(removed.map(|kept| (kept, cause)));
                            drop(bodies.remove(key.bytes())?);
                        }
                        Change::Put(..) | Change::Forget(_) => {}
                    }
                }
            }
        }
        drop((table, shelves));
        transaction.commit()?;
        Ok(evicted)
    }

    /// Makes its file, which is at `path`, shorter where it is much longer than `records` and what is kept in `bytes` need.
    pub(super) fn compact(&mut self, path: &Path, records: usize, bytes: usize) -> Result<(), Problem> {
        let needed = u64::try_from(records)?.saturating_mul(LOOSE);
        let needed = needed.saturating_add(u64::try_from(bytes)?.saturating_mul(2));
        if fs::metadata(path)?.len() > needed.max(SHORT) {
            self.database.compact()?;
        }
        Ok(())
    }
}

/// What is wrong with a file whose tables do not hold what they should.
const DAMAGED: &str = "what is kept in it is damaged: restore it, or remove it and what it remembers with it";

/// A table, where the file has it.
fn opened<K: TableKey + 'static, V: Value + 'static>(
    transaction: &ReadTransaction,
    definition: TableDefinition<'_, K, V>,
) -> Result<Option<ReadOnlyTable<K, V>>, Problem> {
    match transaction.open_table(definition) {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Looks at the file at `path` without changing it: a copy of it in memory is opened as `run` opens the file, which checks every
/// page and mends what a crash left. What makes it unusable is an error.
pub(super) fn examine(path: &Path) -> Result<Condition, Problem> {
    if !path.try_exists()? {
        return Ok(Condition::Absent);
    }
    // `run` needs to write, too.
    let file = FileBackend::new(OpenOptions::new().read(true).write(true).open(path)?)?;
    if !file.try_lock_range(Bound::Unbounded, Bound::Unbounded)? {
        return Ok(Condition::InUse);
    }
    let bytes = fs::read(path)?;
    if bytes.is_empty() {
        return Err(EMPTY.into());
    }
    let copy = InMemoryBackend::new();
    copy.set_len(u64::try_from(bytes.len())?)?;
    copy.write(0, &bytes)?;
    let database = builder().create_with_backend(copy).map_err(explained)?;
    drop(database.begin_read()?.open_table(RECORDS)?);
    Ok(Condition::Sound)
}

const EMPTY: &str = "it is empty, so what it held is lost: remove it to begin anew";

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE);
    // Else a damaged file might be found out much later, and by a panic.
    builder.set_check_integrity_on_open(true);
    builder
}

/// Makes a file without records at `path`. Until it is whole it has another name, so that a crash leaves none that is half
/// made; and one that nobody else has, who makes one at the same time.
fn create(path: &Path) -> Result<(), Problem> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".new-{:016x}", fastrand::u64(..)));
    let unfinished = PathBuf::from(unfinished);
    let outcome = begin(&unfinished).and_then(|()| Ok(put(&unfinished, path)?));
    // It has its place by now, or nobody's.
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => outcome.and(Err(error.into())),
        _ => outcome,
    }
}

/// Makes a file without records, and closes it.
fn begin(path: &Path) -> Result<(), Problem> {
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
    let database = builder().create_with_backend(FileBackend::new(file)?).map_err(explained)?;
    let transaction = database.begin_write()?;
    drop(transaction.open_table(RECORDS)?);
    transaction.commit()?;
    database.close()?;
    Ok(())
}

/// Gives the file at `unfinished` its name, unless whoever was quicker has it.
fn put(unfinished: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(unfinished, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        // Some file systems have no links.
        Err(_) => fs::rename(unfinished, path)?,
        Ok(()) => {}
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// What is wrong with a file, and what to do.
fn explained(error: DatabaseError) -> Problem {
    if matches!(error, DatabaseError::DatabaseAlreadyOpen) {
        let what = "another process has it open: give each process a file of its own";
        return io::Error::new(io::ErrorKind::ResourceBusy, what).into();
    }
    if let DatabaseError::Storage(StorageError::Io(error)) = &error
        && error.kind() == io::ErrorKind::InvalidData
    {
        return format!("it is no ledger ({error}): name another file").into();
    }
    if let DatabaseError::Storage(StorageError::Corrupted(what)) = &error {
        return format!("it is damaged ({what}): restore it, or remove it and what it remembers with it")
            .into();
    }
    error.into()
}

fn encoded(record: Record) -> Written {
    (record.first_seen.0, record.last_seen.0, record.attempt, record.is_accepted)
}

fn decoded((first_seen, last_seen, attempt, is_accepted): Written) -> Record {
    Record { is_accepted, attempt, first_seen: Moment(first_seen), last_seen: Moment(last_seen) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn record(is_accepted: bool, first_seen: u32, last_seen: u32) -> Record {
        Record { is_accepted, attempt: 3, first_seen: Moment(first_seen), last_seen: Moment(last_seen) }
    }

    fn key(number: u32) -> Key {
        Key::of("1", &number.to_string())
    }

    #[test]
    fn what_was_written_is_there_when_the_file_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.redb");
        let disk = Disk::open(&path).unwrap();
        let records = [
            (key(1), record(true, 5, u32::MAX)),
            (key(2), record(false, 7, 8)),
            (key(3), record(true, 1, 2)),
        ];
        disk.write(records.into_iter().map(|(key, record)| Change::Put(key, record))).unwrap();
        disk.write([Change::Put(key(2), record(true, 7, 9)), Change::Forget(key(3))].into_iter()).unwrap();
        drop(disk);
        let disk = Disk::open(&path).unwrap();
        assert_eq!(disk.records().unwrap(), [(key(2), record(true, 7, 9)), records[0]]);
    }

    #[test]
    fn only_its_owner_can_read_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.redb");
        drop(Disk::open(&path).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left behind");
    }

    #[test]
    fn what_is_said_of_a_damaged_file_is_what_opening_it_comes_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.redb");
        let disk = Disk::open(&path).unwrap();
        disk.write((0..20).map(|number| Change::Put(key(number), record(true, 1, 1)))).unwrap();
        drop(disk);
        let whole = fs::read(&path).unwrap();
        assert_eq!(examine(&path).unwrap(), Condition::Sound);
        for at in (0..whole.len()).step_by(4096).take(24).flat_map(|page| [page + 5, page + 100]) {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&path, &changed).unwrap();
            let said = examine(&path).map_err(|problem| problem.to_string());
            fs::write(&path, &changed).unwrap();
            let opened = Disk::open(&path).map(|_| Condition::Sound).map_err(|problem| problem.to_string());
            assert_eq!(said, opened, "byte {at}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_used_is_an_error_and_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.redb");
        let open = || Disk::open(&path).unwrap_err().to_string();
        fs::write(&path, "").unwrap();
        assert!(open().contains("it is empty"), "{}", open());
        fs::write(&path, "this is a text\n".repeat(1000)).unwrap();
        assert!(open().contains("it is no ledger"), "{}", open());
        assert!(fs::read_to_string(&path).unwrap().starts_with("this is a text"));
        fs::remove_file(&path).unwrap();
        let disk = Disk::open(&path).unwrap();
        assert!(open().contains("another process has it open"), "{}", open());
        disk.write((0..1000).map(|number| Change::Put(key(number), record(true, 1, 1)))).unwrap();
        drop(disk);
        // Cut off in the middle.
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert!(!open().is_empty());
        // Changed where records are.
        let mut changed = whole.clone();
        let places: Vec<usize> = whole
            .windows(16)
            .enumerate()
            .filter(|(_, bytes)| bytes == key(500).bytes())
            .map(|(at, _)| at)
            .collect();
        assert!(!places.is_empty());
        for place in places {
            changed[place] ^= 1;
        }
        fs::write(&path, &changed).unwrap();
        assert!(open().contains("damaged"), "{}", open());
        fs::write(&path, &whole).unwrap();
        assert_eq!(Disk::open(&path).unwrap().records().unwrap().len(), 1000);
    }

    #[test]
    fn a_file_that_cannot_be_made_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Disk::open(&folder.path().join("absent").join("ledger.redb")).is_err());
        assert!(Disk::open(folder.path()).is_err());
    }

    #[test]
    fn a_file_that_is_much_longer_than_it_need_be_is_made_shorter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.redb");
        let mut disk = Disk::open(&path).unwrap();
        disk.write((0..300_000).map(|number| Change::Put(key(number), record(true, 1, 1)))).unwrap();
        disk.write((10..300_000).map(|number| Change::Forget(key(number)))).unwrap();
        let length = || fs::metadata(&path).unwrap().len();
        assert!(length() > SHORT, "{}", length());
        disk.compact(&path, 10, 0).unwrap();
        assert!(length() < SHORT, "{}", length());
        assert_eq!(disk.records().unwrap().len(), 10);
    }
}
