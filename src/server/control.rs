//! The socket beside the ledger's file, over which the command `pending` asks the process that has that file open.
//!
//! It is a name in the file system that only the owner of the process may open, and nothing on a network leads to it.

use std::fs;
use std::future::pending;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use tracing::warn;

use super::Ended;
use super::drain::Phase;
use crate::config::LedgerStore;
use crate::deliver::{Idle, Upstream};
use crate::gateway::Shared;
use crate::outside::{Machine, Outside};
use crate::replay::{Ask, Replayer, Reply, socket};

/// How many may ask at once; more wait.
const MAX_CONNECTIONS: u32 = 4;
/// The longest question: some ten thousand names.
const MAX_QUESTION: u64 = 1024 * 1024;
/// How long a question may take to come, and a part of the answer to be taken.
const PATIENCE: Duration = Duration::from_secs(10);

/// The socket, which is there for as long as this is.
#[derive(Debug)]
pub(super) struct Control {
    listener: UnixListener,
    path: PathBuf,
    /// The device and the number of what it is on disk.
    inode: Option<(u64, u64)>,
}

impl Control {
    /// The socket beside the file of `store`, where there is one. That there can be none is told, and is no reason not to serve.
    ///
    /// To be called while the file is locked: then nobody else has that name.
    pub(super) fn of(store: &LedgerStore) -> Option<Self> {
        let LedgerStore::File(path) = store else { return None };
        let path = socket(path);
        match bind(&path) {
            Ok(listener) => {
                let inode = inode(&path);
                Some(Self { listener, path, inode })
            }
            Err(error) => {
                let path = path.display();
                warn!(
                    event = "pending_unavailable",
                    %path, %error,
                    "the command `pending` cannot ask this process; it works while the process is stopped"
                );
                None
            }
        }
    }

    /// Answers until the process drains, and then until what is being replayed has ended.
    pub(super) async fn serve(
        self,
        latest: Arc<ArcSwap<Shared>>,
        mut phases: watch::Receiver<Phase>,
        mut ended: Ended,
    ) {
        let places = Arc::new(Semaphore::new(usize::try_from(MAX_CONNECTIONS).unwrap_or(1)));
        let seen = phases.clone();
        let accepting = async {
            if let Err(error) = accept(&self.listener, &latest, &seen, &places).await {
                warn!(event = "accept_failed", listener = "pending", %error);
            }
            pending::<()>().await;
        };
        tokio::select! {
            () = accepting => {}
            _ = phases.wait_for(|phase| *phase >= Phase::Draining) => {}
        }
        tokio::select! {
            all = places.acquire_many(MAX_CONNECTIONS) => drop(all),
            _ = phases.wait_for(|phase| *phase >= Phase::Over) => {}
        }
        drop(self);
        ended.tell();
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // One that somebody removed is gone already, and where the ledger was moved away the name may be another process's.
        if self.inode.is_some() && inode(&self.path) == self.inode {
            drop(fs::remove_file(&self.path));
        }
    }
}

/// What is at `path`, if there is something: its device and its number there.
fn inode(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// A socket at `path`, in the place of one that was left behind. It gets that name when only its owner can open it.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let is_other = fs::symlink_metadata(path).is_ok_and(|found| !found.file_type().is_socket());
    if is_other {
        return Err(io::Error::other("there is something else under that name: move it away"));
    }
    let mut room = path.as_os_str().to_owned();
    room.push(".new");
    let room = PathBuf::from(room);
    let inside = room.join("s");
    // Left behind by a process that was killed.
    drop(fs::remove_file(&inside));
    drop(fs::remove_dir(&room));
    fs::DirBuilder::new().mode(0o700).create(&room)?;
    let outcome = UnixListener::bind(&inside).and_then(|listener| {
        fs::set_permissions(&inside, fs::Permissions::from_mode(0o600))?;
        fs::rename(&inside, path)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    if outcome.is_err() {
        drop(fs::remove_file(&inside));
    }
    drop(fs::remove_dir(&room));
    outcome
}

async fn accept(
    listener: &UnixListener,
    latest: &Arc<ArcSwap<Shared>>,
    phases: &watch::Receiver<Phase>,
    places: &Arc<Semaphore>,
) -> io::Result<()> {
    let listener = tokio::net::UnixListener::from_std(listener.try_clone()?)?;
    loop {
        let Ok(place) = Arc::clone(places).acquire_owned().await else { return Ok(()) };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!(event = "accept_failed", listener = "pending", %error);
                sleep(super::ACCEPT_REST).await;
                continue;
            }
        };
        let (shared, phases) = (latest.load_full(), phases.clone());
        tokio::task::spawn_local(async move {
            // Who does not wait for the answer need not have it.
            drop(answer(stream, &shared, &phases).await);
            drop(place);
        });
    }
}

/// Reads one question, and answers it by what is configured now.
async fn answer(stream: UnixStream, shared: &Shared, phases: &watch::Receiver<Phase>) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    timeout(PATIENCE, BufReader::new(read.take(MAX_QUESTION)).read_line(&mut line)).await??;
    let mut say = async |reply: Reply| {
        let mut line = serde_json::to_vec(&reply)?;
        line.push(b'\n');
        timeout(PATIENCE, write.write_all(&line)).await?
    };
    let ask: Ask = match serde_json::from_str(&line) {
        Ok(ask) => ask,
        Err(error) => return say(Reply::Problem(format!("this is no question of `pending`: {error}"))).await,
    };
    let config = &shared.config;
    // Connections of its own: the workers' belong to their event loops.
    let upstream: Upstream =
        Upstream::new(config.upstream.clone(), 0, &Idle::new(1), shared.lasting.metrics.in_flight())
            .map_err(io::Error::other)?;
    let replayer =
        Replayer { ledger: &shared.lasting.ledger, config, upstream: &upstream, clock: Machine::now };
    let is_over = || *phases.borrow() >= Phase::Draining;
    replayer.answer(ask, is_over, say).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_its_owners_alone_takes_the_place_of_one_left_behind_and_goes_in_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("ledger.redb");
        let path = socket(&ledger);
        let store = LedgerStore::File(ledger);
        for _ in 0..2 {
            let control = Control::of(&store).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert!(std::os::unix::net::UnixStream::connect(&path).is_ok());
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left behind");
            // As if it was killed.
            std::mem::forget(control);
        }
        drop(Control::of(&store).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_socket_of_another_process_under_that_name_stays() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("ledger.redb");
        let store = LedgerStore::File(ledger.clone());
        let first = Control::of(&store).unwrap();
        // Its ledger was moved away, and another process has begun one where it was.
        let second = Control::of(&store).unwrap();
        drop(first);
        assert!(std::os::unix::net::UnixStream::connect(socket(&ledger)).is_ok());
        drop(second);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("ledger.redb");
        fs::write(socket(&ledger), "a file of somebody's").unwrap();
        assert!(Control::of(&LedgerStore::File(ledger.clone())).is_none());
        assert_eq!(fs::read_to_string(socket(&ledger)).unwrap(), "a file of somebody's");
        assert!(Control::of(&LedgerStore::Off).is_none());
    }

    #[test]
    fn a_name_that_is_too_long_for_a_socket_is_no_reason_not_to_serve() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = folder.path().join("a".repeat(120));
        assert!(Control::of(&LedgerStore::File(ledger)).is_none());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
