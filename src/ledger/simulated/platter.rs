//! A disk that keeps what it was told to sync, and of all else what chance leaves, when the power goes.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use redb::StorageBackend;

/// What is written at once, or not at all.
const SECTOR: usize = 512;

/// A disk. What is inserted into it ends when the process does that inserted it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Platter(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// What the power does not take away.
    kept: Vec<u8>,
    /// What is read.
    seen: Vec<u8>,
    /// What was changed since the last sync, in this order.
    unsynced: Vec<Change>,
    /// How many processes have had it.
    process: usize,
    /// After how many more changes and syncs the power goes.
    left: Option<u32>,
    is_full: bool,
    ignores_syncs: bool,
}

#[derive(Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Length(length) => bytes.resize(*length, 0),
            Self::Write(offset, written) => {
                let end = offset + written.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*offset..end].copy_from_slice(written);
            }
        }
    }
}

impl Platter {
    /// The disk for one process, the only one that has it from now on.
    pub(crate) fn inserted(&self) -> impl StorageBackend {
        Inserted { process: self.state().process, platter: self.clone() }
    }

    /// The process ends. What it wrote is there, for the machine lives on.
    pub(crate) fn process_ends(&self) {
        let mut state = self.state();
        state.process += 1;
        state.left = None;
    }

    /// The power goes: of what was not synced, each sector is on the disk or not.
    pub(crate) fn power_goes(&self, random: &mut fastrand::Rng) {
        self.process_ends();
        let mut guard = self.state();
        let state = &mut *guard;
        // Nothing, anything or all of it; in between it is torn.
        let share = [0.0, 0.5, 0.9, 1.0][random.usize(..4)];
        for change in state.unsynced.drain(..) {
            match change {
                Change::Length(_) => {
                    if random.f64() < share {
                        change.apply(&mut state.kept);
                    }
                }
                Change::Write(offset, written) => {
                    let mut at = offset;
                    let mut rest = &written[..];
                    while !rest.is_empty() {
                        let (sector, others) = rest.split_at(rest.len().min(SECTOR - at % SECTOR));
                        if random.f64() < share {
                            Change::Write(at, sector.to_vec()).apply(&mut state.kept);
                        }
                        at += sector.len();
                        rest = others;
                    }
                }
            }
        }
        state.seen = state.kept.clone();
    }

    /// The power is to go after so many more changes and syncs; see [`Platter::is_off`].
    pub(crate) fn power_goes_after(&self, left: u32) {
        self.state().left = Some(left);
    }

    /// The power does not go, unless it has gone.
    pub(crate) fn power_stays(&self) {
        let mut state = self.state();
        state.left = state.left.filter(|left| *left == 0);
    }

    /// Whether the power went as it was told to.
    pub(crate) fn is_off(&self) -> bool {
        self.state().left == Some(0)
    }

    /// From now on nothing more can be written, or it can again.
    pub(crate) fn fill(&self, is_full: bool) {
        self.state().is_full = is_full;
    }

    /// Whether nothing more can be written.
    pub(crate) fn has_no_room(&self) -> bool {
        self.state().is_full
    }

    /// From now on it does not keep what it is told to.
    pub(crate) fn ignores_syncs(&self) {
        self.state().ignores_syncs = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

/// A disk, in the hands of a process.
#[derive(Debug)]
struct Inserted {
    process: usize,
    platter: Platter,
}

impl Inserted {
    /// The disk, for as long as the process has it.
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.platter.state();
        let has_it = state.process == self.process && state.left != Some(0);
        has_it.then_some(state).ok_or_else(|| io::Error::other("the process has ended"))
    }

    /// The same, to change it or have it synced.
    fn changing(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state()?;
        state.left = state.left.map(|left| left - 1);
        if state.left == Some(0) { Err(io::Error::other("the power went")) } else { Ok(state) }
    }

    fn change(&self, change: Change) -> io::Result<()> {
        let mut state = self.changing()?;
        if state.is_full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        change.apply(&mut state.seen);
        state.unsynced.push(change);
        Ok(())
    }
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

impl StorageBackend for Inserted {
    fn len(&self) -> io::Result<u64> {
        Ok(u64::try_from(self.state()?.seen.len()).unwrap())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let (state, offset) = (self.state()?, place(offset));
        let bytes = state.seen.get(offset..offset + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.change(Change::Length(place(length)))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut guard = self.changing()?;
        let state = &mut *guard;
        if !state.ignores_syncs {
            for change in state.unsynced.drain(..) {
                change.apply(&mut state.kept);
            }
        }
        Ok(())
    }

    fn write(&self, offset: u64, written: &[u8]) -> io::Result<()> {
        self.change(Change::Write(place(offset), written.to_vec()))
    }
}

#[test]
fn what_was_synced_outlives_the_power_and_what_was_not_may_be_torn() {
    let mut random = fastrand::Rng::with_seed(7);
    let (mut torn, mut lost, mut whole) = (0, 0, 0);
    for _ in 0..100 {
        let platter = Platter::default();
        let disk = platter.inserted();
        disk.set_len(4096).unwrap();
        disk.write(0, &[1; 2048]).unwrap();
        disk.sync_data().unwrap();
        disk.write(2048, &[2; 2048]).unwrap();
        platter.power_goes(&mut random);
        assert!(disk.write(0, &[3]).is_err(), "its process has ended");
        let mut read = [0; 4096];
        platter.inserted().read(0, &mut read).unwrap();
        assert_eq!(read[..2048], [1; 2048]);
        match (read[2048..].contains(&2), read[2048..].contains(&0)) {
            (false, _) => lost += 1,
            (true, false) => whole += 1,
            (true, true) => torn += 1,
        }
    }
    assert!(torn > 10 && lost > 10 && whole > 10, "{torn} torn, {lost} lost, {whole} whole");
}

#[test]
fn what_a_process_wrote_outlives_it() {
    let platter = Platter::default();
    platter.inserted().write(0, &[1; 8]).unwrap();
    platter.process_ends();
    assert_eq!(platter.inserted().len().unwrap(), 8);
}

#[test]
fn the_power_goes_in_the_middle_where_it_is_told_to() {
    let platter = Platter::default();
    let disk = platter.inserted();
    platter.power_goes_after(2);
    disk.write(0, &[1; 8]).unwrap();
    assert!(!platter.is_off());
    assert!(disk.write(8, &[1; 8]).is_err() && platter.is_off());
    assert!(disk.read(0, &mut [0; 8]).is_err());
}
