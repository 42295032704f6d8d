//! The built binary, as its users run it.

use std::fs;
use std::io::{BufRead, BufReader, Lines, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use super::client::Client;
use super::upstream::Upstream;
use super::{alipay, config};

/// `alipay-sidecar` with `arguments`, in `folder`, without anything of the environment of the test.
pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_alipay-sidecar"));
    command.current_dir(folder).args(arguments).env_remove("SIDECAR_LOG");
    command
}

/// A process that runs `run`.
pub(crate) struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    pub(crate) address: String,
    pub(crate) upstream: Upstream,
    folder: tempfile::TempDir,
}

impl Running {
    pub(crate) fn start(settings: &[(&str, &str)]) -> Self {
        let upstream = Upstream::start();
        let url = format!("http://{}/app", upstream.address);
        Self::launch(upstream, &url, settings)
    }

    /// One in front of `url`.
    pub(crate) fn to(url: &str, settings: &[(&str, &str)]) -> Self {
        Self::launch(Upstream::start(), url, settings)
    }

    fn launch(upstream: Upstream, url: &str, settings: &[(&str, &str)]) -> Self {
        // The keys are made first: that takes longer than a process does.
        alipay::key();
        let folder = tempfile::tempdir().unwrap();
        let text = config(url, settings);
        fs::write(folder.path().join("sidecar.toml"), text).unwrap();
        let mut child = command(folder.path(), &["run"]).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut running = Self { child, lines, address: String::new(), upstream, folder };
        let listening = running.line("listening");
        running.address = listening["address"].as_str().unwrap().to_owned();
        running
    }

    /// The next line of the log with `event`; all lines must be JSON.
    #[track_caller]
    pub(crate) fn line(&mut self, event: &str) -> serde_json::Value {
        loop {
            let line = self.lines.next().expect("the log ended").unwrap();
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            if line["event"] == event {
                return line;
            }
        }
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address.parse().unwrap())
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
        for line in self.lines.by_ref() {
            lines.push(line.unwrap());
        }
        let status = self.child.wait().unwrap();
        drop(self.folder);
        (status, lines)
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
