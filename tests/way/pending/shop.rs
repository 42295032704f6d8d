//! An app and a ledger, in front of which sidecars and commands come and go.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use serde_json::Value;
use tempfile::{TempDir, tempdir};

use crate::support::alipay::Notification;
use crate::support::config;
use crate::support::process::{Running, command, output};
use crate::support::upstream::{Act, Got, Upstream};

/// An app, and a folder with a ledger and a configuration, in front of which sidecars come and go.
pub(super) struct Shop {
    pub(super) folder: TempDir,
    pub(super) upstream: Upstream,
    pub(super) url: String,
    pub(super) settings: Vec<(&'static str, String)>,
}

impl Shop {
    pub(super) fn open() -> Self {
        Self::with(&[("ledger", "keep_failed = true")])
    }

    pub(super) fn with(more: &[(&'static str, &str)]) -> Self {
        let (folder, upstream) = (tempdir().unwrap(), Upstream::start());
        let url = format!("http://{}/app", upstream.address);
        let path = folder.path().join("ledger.redb");
        let settings =
            vec![("ledger", "store = \"file\"".to_owned()), ("ledger", format!("path = {path:?}"))];
        Self::fitted(folder, upstream, url, settings, more)
    }

    /// One whose ledger is in the Redis at `url`.
    pub(super) fn shared(redis: &str) -> Self {
        let (folder, upstream) = (tempdir().unwrap(), Upstream::start());
        let url = format!("http://{}/app", upstream.address);
        let settings =
            vec![("ledger", "store = \"redis\"".to_owned()), ("ledger", format!("url = \"{redis}\""))];
        Self::fitted(folder, upstream, url, settings, &[("ledger", "keep_failed = true")])
    }

    fn fitted(
        folder: TempDir,
        upstream: Upstream,
        url: String,
        mut settings: Vec<(&'static str, String)>,
        more: &[(&'static str, &str)],
    ) -> Self {
        settings.extend(more.iter().map(|(table, line)| (*table, (*line).to_owned())));
        let shop = Self { folder, upstream, url, settings };
        // For the commands; a sidecar has a folder of its own for what it is configured by.
        fs::write(shop.folder.path().join("sidecar.toml"), config(&shop.url, &shop.settings())).unwrap();
        shop
    }

    pub(super) fn settings(&self) -> Vec<(&str, &str)> {
        self.settings.iter().map(|(table, line)| (*table, line.as_str())).collect()
    }

    pub(super) fn sidecar(&self) -> Running {
        Running::to(&self.url, &self.settings())
    }

    pub(super) fn ledger(&self) -> PathBuf {
        self.folder.path().join("ledger.redb")
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.folder.path().join("ledger.redb.sock")
    }

    /// What `pending` prints: exit code, standard output, standard error.
    pub(super) fn pending(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        output(command(self.folder.path(), &[&["pending"], arguments].concat()))
    }

    /// `pending`, begun.
    pub(super) fn begin(&self, arguments: &[&str]) -> Child {
        let mut command = command(self.folder.path(), &[&["pending"], arguments].concat());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// What is pending, as `pending list --json` has it.
    #[track_caller]
    pub(super) fn list(&self) -> Vec<Value> {
        let (code, out, err) = self.pending(&["list", "--json"]);
        assert_eq!((code, err.as_str()), (Some(0), ""));
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The ids of what is pending.
    #[track_caller]
    pub(super) fn ids(&self) -> Vec<String> {
        self.list().iter().map(|entry| entry["notify_id"].as_str().unwrap().to_owned()).collect()
    }

    /// What stands in the first column of `pending list`.
    #[track_caller]
    pub(super) fn names(&self) -> Vec<String> {
        let (code, out, err) = self.pending(&["list"]);
        assert_eq!((code, err.as_str()), (Some(0), ""));
        let rows = out.lines().skip(1).map(|row| row.split_whitespace().next());
        rows.map(|name| name.unwrap().to_owned()).collect()
    }

    /// Has `notification` fail, and returns what the app got of it.
    #[track_caller]
    pub(super) fn fails(&self, sidecar: &Running, notification: &Notification) -> Got {
        self.upstream.does([Act::status(500)]);
        sidecar.connect().post(&notification.body()).is(200, "fail");
        self.upstream.got()
    }
}
