//! The built binary, as its users run it.

use std::fs;
use std::io::{BufRead, BufReader, Lines, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::client::Client;
use super::upstream::Upstream;
use super::{alipay, config};

/// `alipay-sidecar` with `arguments`, in `folder`, without anything of the environment of the test.
pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_alipay-sidecar"));
    command.current_dir(folder).args(arguments).env_remove("SIDECAR_LOG");
    command
}

/// Far longer than any test takes; a process that runs for so long is ended, and whoever waits for its log has failed.
const PATIENCE: Duration = Duration::from_mins(5);

/// A process that ends with its test, at the latest.
struct Guarded(Arc<Mutex<Child>>);

impl Guarded {
    fn new(child: Child) -> Self {
        let child = Arc::new(Mutex::new(child));
        let guarded = Arc::downgrade(&child);
        thread::spawn(move || {
            thread::sleep(PATIENCE);
            if let Some(child) = guarded.upgrade() {
                drop(child.lock().unwrap().kill());
            }
        });
        Self(child)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if let Ok(mut child) = self.0.lock() {
            // One that has ended already is not there to be killed.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// A process that runs `run`.
pub(crate) struct Running {
    child: Guarded,
    lines: Lines<BufReader<ChildStdout>>,
    pub(crate) address: String,
    pub(crate) upstream: Upstream,
    folder: tempfile::TempDir,
    pub(crate) admin: String,
}

impl Running {
    pub(crate) fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), settings)
    }

    /// As [`Running::start`], in a folder that has files already.
    pub(crate) fn start_in(folder: tempfile::TempDir, settings: &[(&str, &str)]) -> Self {
        // The keys are made first: that takes longer than a process does.
        alipay::key();
        let upstream = Upstream::start();
        let text = config(&format!("http://{}/app", upstream.address), settings);
        fs::write(folder.path().join("sidecar.toml"), text).unwrap();
        Self::run(folder, upstream)
    }

    /// Runs what is configured in `folder`.
    pub(crate) fn run(folder: tempfile::TempDir, upstream: Upstream) -> Self {
        let command = command(folder.path(), &["run"]);
        Self::spawn(command, folder, upstream)
    }

    /// Runs `command`, which comes to `run`, in `folder`.
    pub(crate) fn spawn(mut command: Command, folder: tempfile::TempDir, upstream: Upstream) -> Self {
        command.current_dir(folder.path()).env_remove("SIDECAR_LOG");
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let child = Guarded::new(child);
        let mut running =
            Self { child, lines, address: String::new(), upstream, folder, admin: String::new() };
        let listening = running.line("listening");
        running.address = listening["address"].as_str().unwrap().to_owned();
        running.admin = listening["admin"].as_str().unwrap().to_owned();
        running
    }

    /// The next line of the log with `event`; all lines must be JSON.
    #[track_caller]
    pub(crate) fn line(&mut self, event: &str) -> serde_json::Value {
        loop {
            let line = self.any_line();
            if line["event"] == event {
                return line;
            }
        }
    }

    /// The next line of the log, which must be JSON.
    #[track_caller]
    pub(crate) fn any_line(&mut self) -> serde_json::Value {
        let line = self.lines.next().expect("the log ended").unwrap();
        serde_json::from_str(&line).unwrap()
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address.parse().unwrap())
    }

    /// Where the configuration is, and whatever it names.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What `path` on the admin listener answers: status and body.
    pub(crate) fn admin(&self, path: &str) -> (u16, String) {
        let answer = Client::connect(self.admin.parse().unwrap()).get(path);
        (answer.status, answer.body)
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.child.0.lock().unwrap().id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Waits for the end, and returns the rest of the log with it.
    pub(crate) fn end(self) -> (ExitStatus, Vec<String>) {
        let (status, lines, _) = self.end_with_upstream();
        (status, lines)
    }

    /// As [`Running::end`], with the upstream that outlives it.
    pub(crate) fn end_with_upstream(mut self) -> (ExitStatus, Vec<String>, Upstream) {
        let mut lines = Vec::new();
        for line in self.lines.by_ref() {
            lines.push(line.unwrap());
        }
        let status = self.child.0.lock().unwrap().wait().unwrap();
        drop(self.folder);
        (status, lines, self.upstream)
    }
}

/// What a command that ends by itself printed: exit code, standard output, standard error.
pub(crate) fn output(mut command: Command) -> (Option<i32>, String, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut out, mut err) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    (child.wait().unwrap().code(), out, err)
}
