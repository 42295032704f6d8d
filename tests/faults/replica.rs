//! A sidecar in a process of its own, which is killed, told to end, and started again in its place.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};
use std::{env, thread};

use serde_json::Value;
use tempfile::TempDir;

use super::alipay::APP_ID;

/// How long a delivery may take.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(2);
/// How long a replica may take to end, from the configuration.
const DRAIN: Duration = Duration::from_secs(6);
/// How much longer the machine may take for it.
const SLACK: Duration = Duration::from_secs(4);
/// How long a replica may take to start. Its port may be in use for a moment.
const PATIENCE: Duration = Duration::from_secs(30);

/// A replica, which is there from one process to the next.
pub(crate) struct Replica {
    pub(crate) address: SocketAddr,
    folder: TempDir,
    process: Mutex<Option<Child>>,
    /// How often it was killed.
    kills: AtomicUsize,
}

impl Replica {
    /// A replica in front of the app at `app`, which trusts this key of Alipay and keeps its ledger as `ledger` says. A relative
    /// path in it is one in a folder of its own.
    pub(crate) fn start(app: SocketAddr, key: &str, ledger: &str) -> Self {
        let address = free_address();
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[server]\nlisten = \"{address}\"\ndrain_timeout = \"{}s\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [upstream]\nurl = \"http://{app}/app\"\ntimeout = \"{}s\"\nconnect_timeout = \"300ms\"\n\
             [ledger]\n{ledger}\nkeep_failed = true\n[[apps]]\napp_id = \"{APP_ID}\"\nalipay_public_keys = [\"{key}\"]\n",
            DRAIN.as_secs(),
            TIMEOUT.as_secs(),
        );
        fs::write(folder.path().join("sidecar.toml"), text).unwrap();
        let replica = Self { address, folder, process: Mutex::default(), kills: AtomicUsize::new(0) };
        replica.run();
        replica
    }

    /// Starts its process, and waits until it listens.
    pub(crate) fn run(&self) {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let mut command = Command::new(binary());
            command.arg("run").current_dir(self.folder.path()).env_remove("SIDECAR_LOG");
            let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
            let log = BufReader::new(child.stdout.take().unwrap());
            let (sender, listening) = channel();
            // It is read to its end, so that nobody waits for a reader.
            thread::spawn(move || {
                for line in log.lines().map_while(Result::ok) {
                    if line.contains("\"event\":\"listening\"") {
                        sender.send(()).unwrap_or_default();
                    }
                }
            });
            *self.process() = Some(child);
            if listening.recv_timeout(PATIENCE).is_ok() {
                return;
            }
            self.kill();
        }
        panic!("a replica does not start");
    }

    /// Ends its process as `kill -9` does.
    pub(crate) fn kill(&self) {
        // Before and after: whoever sees the same twice was not cut off by it.
        self.kills.fetch_add(1, Ordering::SeqCst);
        if let Some(mut child) = self.process().take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        self.kills.fetch_add(1, Ordering::SeqCst);
    }

    /// Tells its process to end, and waits for that; whether it ended in order.
    pub(crate) fn drain(&self) -> bool {
        let Some(mut child) = self.process().take() else { return true };
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let start = Instant::now();
        while start.elapsed() < DRAIN + SLACK {
            if let Some(status) = child.try_wait().unwrap() {
                return status.success() && status.signal().is_none();
            }
            thread::sleep(Duration::from_millis(10));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        false
    }

    /// The names of what it keeps as failed; nothing where that is not to be learned now.
    pub(crate) fn kept(&self) -> Option<Vec<String>> {
        let (is_whole, entries) = self.pending(&["list"]);
        let name = |entry: &Value| entry["notify_id"].as_str().unwrap().to_owned();
        is_whole.then(|| entries.iter().map(name).collect())
    }

    /// Has what it keeps under `name` delivered once more, and says whether that is accepted now; nothing where nobody knows.
    pub(crate) fn replay(&self, name: &str) -> Option<bool> {
        let (_, parts) = self.pending(&["replay", name]);
        let result = parts.first()?["result"].as_str().unwrap();
        Some(["accepted", "accepted_earlier"].contains(&result))
    }

    /// What the command `pending` says beside its process, or while there is none; and whether that is all.
    fn pending(&self, arguments: &[&str]) -> (bool, Vec<Value>) {
        let mut command = Command::new(binary());
        command.arg("pending").args(arguments).arg("--json").current_dir(self.folder.path());
        let output = command.env_remove("SIDECAR_LOG").output().unwrap();
        let parts = String::from_utf8(output.stdout).unwrap();
        (output.status.success(), parts.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    /// A number that stands still while nobody kills it.
    pub(crate) fn kills(&self) -> usize {
        self.kills.load(Ordering::SeqCst)
    }

    /// What its process takes up, in KiB, if there is one.
    pub(crate) fn memory(&self) -> Option<u64> {
        let id = self.process().as_ref()?.id();
        let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().trim_end_matches(" kB").parse().ok()
    }

    fn process(&self) -> MutexGuard<'_, Option<Child>> {
        self.process.lock().unwrap()
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        if let Some(child) = self.process().as_mut() {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// The binary of this build, unless `FAULTS_BINARY` names another one.
fn binary() -> PathBuf {
    env::var_os("FAULTS_BINARY").map_or_else(|| env!("CARGO_BIN_EXE_alipay-sidecar").into(), PathBuf::from)
}

/// An address of loopback whose port nobody gets who does not ask for it by its number: those are above.
fn free_address() -> SocketAddr {
    let mut random = fastrand::Rng::new();
    let mut addresses = std::iter::repeat_with(|| (Ipv4Addr::LOCALHOST, random.u16(10_000..30_000)).into());
    addresses.find(|address: &SocketAddr| TcpListener::bind(address).is_ok()).unwrap()
}
