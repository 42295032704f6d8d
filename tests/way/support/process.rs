//! The built binary, as its users run it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
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

/// How long a line of the log, and the end, may take to come.
const PATIENCE: Duration = Duration::from_mins(1);

/// A process that runs `run`; it is gone when this is.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    /// The lines of the log before the one that tells where it listens.
    pub(crate) before: Vec<serde_json::Value>,
    pub(crate) address: String,
    pub(crate) upstream: Upstream,
    _folder: tempfile::TempDir,
}

impl Running {
    pub(crate) fn start(settings: &[(&str, &str)]) -> Self {
        Self::under(&[], settings)
    }

    /// The same, started by `launcher`: a command that runs what follows its arguments, in its own place.
    pub(crate) fn under(launcher: &[&str], settings: &[(&str, &str)]) -> Self {
        let upstream = Upstream::start();
        let url = format!("http://{}/app", upstream.address);
        Self::launch(launcher, upstream, &url, settings)
    }

    /// One in front of `url`.
    pub(crate) fn to(url: &str, settings: &[(&str, &str)]) -> Self {
        Self::launch(&[], Upstream::start(), url, settings)
    }

    fn launch(launcher: &[&str], upstream: Upstream, url: &str, settings: &[(&str, &str)]) -> Self {
        // The keys are made first: that takes longer than a process does.
        alipay::key();
        let folder = tempfile::tempdir().unwrap();
        let text = config(url, settings);
        fs::write(folder.path().join("sidecar.toml"), text).unwrap();
        let run = [env!("CARGO_BIN_EXE_alipay-sidecar"), "run"];
        let words = [launcher, &run].concat();
        let mut command = Command::new(words[0]);
        command.current_dir(folder.path()).args(&words[1..]).env_remove("SIDECAR_LOG");
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || log.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut running =
            Self { child, lines, before: Vec::new(), address: String::new(), upstream, _folder: folder };
        let listening = loop {
            let line = running.next();
            if line["event"] == "listening" {
                break line;
            }
            running.before.push(line);
        };
        running.address = listening["address"].as_str().unwrap().to_owned();
        running
    }

    /// The next line of the log with `event`; all lines must be JSON.
    #[track_caller]
    pub(crate) fn line(&mut self, event: &str) -> serde_json::Value {
        loop {
            let line = self.next();
            if line["event"] == event {
                return line;
            }
        }
    }

    fn next(&mut self) -> serde_json::Value {
        let line = self.lines.recv_timeout(PATIENCE).expect("another line of the log");
        serde_json::from_str(&line).unwrap()
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address.parse().unwrap())
    }

    /// The names of its threads.
    pub(crate) fn threads(&self) -> Vec<String> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let name =
            |task: std::io::Result<fs::DirEntry>| fs::read_to_string(task.unwrap().path().join("comm"));
        tasks.map(|task| name(task).unwrap().trim_end().to_owned()).collect()
    }

    /// The most memory that the process took up so far, in KiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let status =
            Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the end, and returns the rest of the log with it.
    pub(crate) fn end(mut self) -> (ExitStatus, Vec<String>) {
        let mut lines = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Disconnected) => return (self.child.wait().unwrap(), lines),
                Err(RecvTimeoutError::Timeout) => panic!("it does not end: {lines:#?}"),
            }
        }
    }
}

impl Drop for Running {
    /// What a failed test leaves behind would hold its output open.
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
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
