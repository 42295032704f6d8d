//! What is remembered of notifications, and where.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::files::Folder;
use super::reader::{Problem, Reader, Written};
use super::redis::{self, RedisUrl};
use super::value;

/// What is remembered of notifications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    /// Where it is remembered.
    pub store: LedgerStore,
    /// For how long.
    pub retain: Duration,
    /// Whether what failed is kept, so that it can be delivered once more by hand.
    pub keep_failed: bool,
    /// What becomes of notifications while the store is out of reach.
    pub on_store_error: OnStoreError,
}

/// Where it is remembered what became of notifications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerStore {
    /// In the memory of the process.
    Memory,
    /// In this file.
    File(PathBuf),
    /// In this Redis, which replicas share.
    Redis(RedisUrl),
    /// Nowhere: whatever comes is delivered.
    Off,
}

impl LedgerStore {
    /// What it is called in `ledger.store`.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::File(_) => "file",
            Self::Redis(_) => "redis",
            Self::Off => "off",
        }
    }

    /// The key that makes `other` of it, where it is another.
    pub(crate) fn changed(&self, other: &Self) -> Option<&'static str> {
        match (self, other) {
            (Self::File(one), Self::File(another)) => (one != another).then_some("ledger.path"),
            (Self::Redis(one), Self::Redis(another)) => (one != another).then_some("ledger.url"),
            (one, another) => (one != another).then_some("ledger.store"),
        }
    }
}

/// What becomes of notifications while the store is out of reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStoreError {
    /// They fail, and Alipay delivers them again.
    Fail,
    /// They are delivered, and a repeat may be so too.
    Deliver,
}

/// How long Alipay waits for an answer: the only figure that its documents have (`"timeout":16000` in a sample).
const SENDER_WAITS: Duration = Duration::from_secs(16);

/// How long the store may take each time: it is asked before a delivery and told after it, and a third of what the delivery
/// leaves of the sender's patience is for all else.
pub(super) fn store_patience(delivery: Duration) -> Duration {
    SENDER_WAITS.saturating_sub(delivery).checked_div(3).unwrap_or_default()
}

/// Takes the section out of the file.
pub(super) fn read(reader: &mut Reader<'_>, folder: &Folder<'_>) -> Ledger {
    const STORES: &[(&str, Kind)] =
        &[("memory", Kind::Memory), ("file", Kind::File), ("redis", Kind::Redis), ("off", Kind::Off)];
    const ON_STORE_ERROR: &[(&str, OnStoreError)] =
        &[("fail", OnStoreError::Fail), ("deliver", OnStoreError::Deliver)];
    let mut section = reader.section("ledger");
    let kind = section.text("store", Kind::Memory, value::word(STORES));
    let path = section.optional("path", |written| path(written, folder, kind));
    if kind == Kind::File && !section.has("path") {
        let remedy = "name the file to keep it in, like path = \"/var/lib/alipay-sidecar/ledger.redb\"";
        section.refuse("store", Problem::new("is \"file\", and ledger.path is missing", remedy));
    }
    let url = section.optional("url", redis::url);
    if kind == Kind::Redis && !section.has("url") {
        let remedy = "name the Redis to keep it in, like url = \"redis://127.0.0.1:6379/0\"";
        section.refuse("store", Problem::new("is \"redis\", and ledger.url is missing", remedy));
    }
    let store = match (kind, url) {
        (Kind::File, _) => LedgerStore::File(path.unwrap_or_default()),
        (Kind::Redis, Some(url)) => LedgerStore::Redis(url),
        (Kind::Off, _) => LedgerStore::Off,
        // One without its URL was refused.
        (Kind::Memory, _) | (Kind::Redis, None) => LedgerStore::Memory,
    };
    let keep_failed = section.boolean("keep_failed", false);
    if keep_failed && !matches!(kind, Kind::File | Kind::Redis) {
        let what = "needs a store that keeps what failed: not this one";
        let remedy = "write store = \"file\" or \"redis\", and where that is, or keep_failed = false";
        section.refuse("keep_failed", Problem::new(what, remedy));
    }
    let retain = Duration::from_secs(1)..=Duration::from_hours(30 * 24);
    Ledger {
        store,
        retain: section.text("retain", Duration::from_hours(26), value::duration(retain)),
        keep_failed,
        on_store_error: section.text("on_store_error", OnStoreError::Fail, value::word(ON_STORE_ERROR)),
    }
}

/// The words of `ledger.store`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Memory,
    File,
    Redis,
    Off,
}

/// The file of the ledger, which need not be there yet. Where it is used, its folder must be.
fn path(written: &Written<'_>, folder: &Folder<'_>, kind: Kind) -> Result<PathBuf, Problem> {
    let path = folder.join(&written.text);
    if written.text.is_empty() || path.is_dir() {
        return Err(written.problem("is no file", "name the file itself, like \"ledger.redb\""));
    }
    let home = path.parent().filter(|home| !home.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if kind == Kind::File && !home.is_dir() {
        let remedy =
            "make the folder, or name another; relative paths start at the folder of the configuration file";
        return Err(written.problem("lies in a folder that is not there", remedy));
    }
    Ok(path)
}
