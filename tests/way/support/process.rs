//! The built binary, as its users run it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use tempfile::{TempDir, tempdir};

use super::client::Client;
use super::upstream::Upstream;
use super::{alipay, config};

/// `alipay-sidecar` with `arguments`, in `folder`, without anything of the environment of the test.
pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_alipay-sidecar"));
    command.current_dir(folder).args(arguments).env_remove("SIDECAR_LOG");
    command
}

/// How long a line of the log, and the end, may take to come.
const PATIENCE: Duration = Duration::from_mins(1);

/// A process that is gone when this is: what a failed test leaves behind would hold its output open.
struct Guarded(Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        // One that has ended already is not there to be killed.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A process that runs `run`.
pub(crate) struct Running {
    child: Guarded,
    lines: Receiver<String>,
    /// The lines of the log before the one that tells where it listens.
    pub(crate) before: Vec<serde_json::Value>,
    pub(crate) address: String,
    pub(crate) admin: String,
    pub(crate) upstream: Upstream,
    folder: TempDir,
}

impl Running {
    pub(crate) fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_in(tempdir().unwrap(), settings)
    }

    /// As [`Running::start`], in a folder that has files already.
    pub(crate) fn start_in(folder: TempDir, settings: &[(&str, &str)]) -> Self {
        let (upstream, url) = upstream();
        configure(&folder, &url, settings);
        Self::run(folder, upstream)
    }

    /// As [`Running::start`], by `launcher`: a command that runs what follows its arguments, in its own place.
    pub(crate) fn under(launcher: &[&str], settings: &[(&str, &str)]) -> Self {
        let (upstream, url) = upstream();
        let folder = tempdir().unwrap();
        configure(&folder, &url, settings);
        let words = [launcher, &[env!("CARGO_BIN_EXE_alipay-sidecar"), "run"]].concat();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        Self::spawn(command, folder, upstream)
    }

    /// One in front of `url`.
    pub(crate) fn to(url: &str, settings: &[(&str, &str)]) -> Self {
        Self::to_in(tempdir().unwrap(), url, settings)
    }

    /// As [`Running::to`], in a folder that has files already.
    pub(crate) fn to_in(folder: TempDir, url: &str, settings: &[(&str, &str)]) -> Self {
        configure(&folder, url, settings);
        Self::run(folder, Upstream::start())
    }

    /// Runs what is configured in `folder`.
    pub(crate) fn run(folder: TempDir, upstream: Upstream) -> Self {
        let command = command(folder.path(), &["run"]);
        Self::spawn(command, folder, upstream)
    }

    /// Runs `command`, which comes to `run`, in `folder`.
    pub(crate) fn spawn(mut command: Command, folder: TempDir, upstream: Upstream) -> Self {
        command.current_dir(folder.path()).env_remove("SIDECAR_LOG");
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || log.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut running = Self {
            child: Guarded(child),
            lines,
            before: Vec::new(),
            address: String::new(),
            admin: String::new(),
            upstream,
            folder,
        };
        let listening = loop {
            let line = running.any_line();
            if line["event"] == "listening" {
                break line;
            }
            running.before.push(line);
        };
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
        let line = self.lines.recv_timeout(PATIENCE).expect("another line of the log");
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

    /// The names of its threads.
    pub(crate) fn threads(&self) -> Vec<String> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.0.id())).unwrap();
        let name =
            |task: std::io::Result<fs::DirEntry>| fs::read_to_string(task.unwrap().path().join("comm"));
        tasks.map(|task| name(task).unwrap().trim_end().to_owned()).collect()
    }

    /// The most memory that the process took up so far, in KiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.child.0.id().to_string()])
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
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end: {lines:#?}"),
            }
        }
        (self.child.0.wait().unwrap(), lines, self.upstream)
    }
}

/// An upstream that answers, and its URL.
fn upstream() -> (Upstream, String) {
    let upstream = Upstream::start();
    let url = format!("http://{}/app", upstream.address);
    (upstream, url)
}

/// Writes a configuration into `folder`.
fn configure(folder: &TempDir, url: &str, settings: &[(&str, &str)]) {
    // The keys are made first: that takes longer than a process does.
    alipay::key();
    fs::write(folder.path().join("sidecar.toml"), config(url, settings)).unwrap();
}

/// What a command that ends by itself printed: exit code, standard output, standard error.
pub(crate) fn output(mut command: Command) -> (Option<i32>, String, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut out, mut err) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    (child.wait().unwrap().code(), out, err)
}
