//! The files that a configuration is made of: itself and those that it names, each with the hash of what it held.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};

/// The files that a configuration is made of, as they were when it was read.
///
/// Two that are equal were made of the same files with the same contents, so they mean the same.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct NamedFiles(BTreeMap<PathBuf, Contents>);

/// What a file held, if it could be read and was no longer than its limit.
#[derive(Clone, PartialEq, Eq)]
struct Contents {
    limit: u64,
    hash: Option<Hash>,
}

/// The SHA-256 of a file's contents.
type Hash = [u8; 32];

/// Prints no hash: what is guessed of a secret could be checked with it.
impl fmt::Debug for NamedFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamedFiles").finish_non_exhaustive()
    }
}

impl NamedFiles {
    /// Their paths, those that cannot be read among them.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.keys().map(PathBuf::as_path)
    }

    /// Whether they still hold the same.
    pub(crate) fn are_current(&self) -> bool {
        let hash_now = |path, limit| read_bounded(path, limit).ok().as_deref().map(hash);
        self.0.iter().all(|(path, contents)| hash_now(path, contents.limit) == contents.hash)
    }

    /// The bytes of the file at `path`, which has at most `limit`.
    pub(super) fn read(&mut self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let bytes = read_bounded(path, limit);
        let hash = bytes.as_deref().ok().map(hash);
        self.0.insert(path.to_owned(), Contents { limit, hash });
        bytes
    }
}

/// The SHA-256 of `bytes`.
pub(super) fn hash(bytes: &[u8]) -> Hash {
    let mut hash = Hash::default();
    hash.iter_mut().zip(digest(&SHA256, bytes).as_ref()).for_each(|(to, from)| *to = *from);
    hash
}

/// The folder at which relative paths in the configuration start. It remembers what was read.
pub(super) struct Folder<'a> {
    path: &'a Path,
    read: RefCell<NamedFiles>,
}

impl<'a> Folder<'a> {
    /// The folder at `path`, of which `read` was read already.
    pub(super) fn new(path: &'a Path, read: NamedFiles) -> Self {
        Self { path, read: RefCell::new(read) }
    }

    /// Where the file of this name is.
    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The bytes of the file at `path`, which has at most `limit`.
    pub(super) fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        self.read.borrow_mut().read(path, limit)
    }

    /// What was read.
    pub(super) fn into_read(self) -> NamedFiles {
        self.read.into_inner()
    }
}

/// The bytes of a file that has at most `limit`.
pub(super) fn read_bounded(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    // Opening a pipe would wait for whoever writes to it.
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= limit) {
        return Ok(bytes);
    }
    Err(io::Error::other(format!("it is over {} KiB", limit / 1024)))
}
