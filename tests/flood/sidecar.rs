//! The built binary under attack, and what it costs.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;
use std::{env, fs, thread};

use serde_json::Value;
use tempfile::TempDir;

use crate::alipay::{APP_ID, key};

/// A running `alipay-sidecar run`, with the default limits but for those given.
pub(crate) struct Sidecar {
    process: Child,
    pub(crate) address: SocketAddr,
    _folder: TempDir,
}

/// What the process has taken so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) resident_kib: u64,
    pub(crate) peak_kib: u64,
    pub(crate) cpu_ticks: u64,
}

impl Sidecar {
    /// Starts it in front of `upstream`, with `settings` in the table `[server]`.
    pub(crate) fn start(upstream: SocketAddr, settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("sidecar.toml");
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n{settings}\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [upstream]\nurl = \"http://{upstream}/app\"\n\
             [[apps]]\napp_id = \"{APP_ID}\"\nalipay_public_keys = [\"{}\"]\n",
            key().public()
        );
        fs::write(&config, text).unwrap();
        let mut process = Command::new(binary())
            .arg("run")
            .arg("--config")
            .arg(config)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, listening) = channel();
        let log = process.stdout.take().unwrap();
        thread::spawn(move || watch(log, &sender));
        let address = listening.recv_timeout(Duration::from_secs(30));
        if address.is_err() {
            process.kill().ok();
        }
        Self { process, address: address.expect("a log line says where it listens"), _folder: folder }
    }

    /// What it has taken so far; it must still be running.
    pub(crate) fn usage(&mut self) -> Usage {
        assert!(self.process.try_wait().unwrap().is_none(), "the sidecar has ended");
        let folder = format!("/proc/{}", self.process.id());
        let status = fs::read_to_string(format!("{folder}/status")).unwrap();
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches(" kB").parse().unwrap()
        };
        let stat = fs::read_to_string(format!("{folder}/stat")).unwrap();
        // After the name in parentheses: utime and stime are the fields 14 and 15 of proc(5).
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks = |field: usize| fields[field - 3].parse::<u64>().unwrap();
        Usage { resident_kib: kib("VmRSS:"), peak_kib: kib("VmHWM:"), cpu_ticks: ticks(14) + ticks(15) }
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// The binary of this build, unless `FLOOD_BINARY` names another one.
fn binary() -> PathBuf {
    env::var_os("FLOOD_BINARY").map_or_else(|| env!("CARGO_BIN_EXE_alipay-sidecar").into(), PathBuf::from)
}

/// Reads the log to its end, so that the process never waits for a reader, and tells where it listens.
fn watch(log: ChildStdout, listening: &Sender<SocketAddr>) {
    let mut lines = BufReader::new(log).split(b'\n').map_while(Result::ok);
    let address = lines.by_ref().find_map(|line| {
        let event: Value = serde_json::from_slice(&line).ok()?;
        (event["event"] == "listening").then(|| event["address"].as_str().unwrap().parse().unwrap())
    });
    if let Some(address) = address {
        listening.send(address).ok();
    }
    lines.for_each(drop);
}
