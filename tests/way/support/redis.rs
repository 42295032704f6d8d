//! A real Redis on loopback, which ends with the test.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tempfile::{TempDir, tempdir};

/// How long it may take to be there.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is started, where somebody else took the port that was free.
const TRIES: usize = 10;

/// A Redis that remembers nothing after its end.
pub(crate) struct Redis {
    /// Where it listens; the same for all that are started here.
    pub(crate) port: u16,
    options: Vec<String>,
    child: Option<Child>,
    folder: TempDir,
}

impl Redis {
    /// A Redis without a password.
    pub(crate) fn start() -> Self {
        Self::with(tempdir().unwrap(), &[])
    }

    /// A Redis with these options, which works in `folder`.
    pub(crate) fn with(folder: TempDir, options: &[&str]) -> Self {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let mut redis = Self { port: 0, options, child: None, folder };
        for _ in 0..TRIES {
            redis.port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            if redis.try_restart() {
                return redis;
            }
        }
        panic!("no Redis starts");
    }

    /// The address of its database, for a sidecar.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// Starts it again, empty, after [`Redis::kill`].
    pub(crate) fn restart(&mut self) {
        assert!(self.try_restart(), "it does not start again");
    }

    fn try_restart(&mut self) -> bool {
        self.kill();
        let port = if self.options.iter().any(|option| option == "--tls-port") { 0 } else { self.port };
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]);
        command.arg(self.folder.path()).args(["--port", &port.to_string()]);
        let own = self.port.to_string();
        command.args(self.options.iter().map(|option| if option == "PORT" { &own } else { option }));
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.expect("redis-server is needed: apt-get install redis-server");
        let log = BufReader::new(child.stdout.take().unwrap());
        self.child = Some(child);
        let (sender, ready) = mpsc::channel();
        // It is read to its end, so that it can always be written.
        thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                if line.contains("Ready to accept connections") {
                    sender.send(()).unwrap_or_default();
                }
            }
        });
        ready.recv_timeout(PATIENCE).is_ok()
    }

    /// Ends it at once, and with it all that it remembers.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Sends it a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// What it answers to a command, as `redis-cli` shows it.
    pub(crate) fn say(&self, words: &[&str]) -> String {
        self.say_as(&[], words)
    }

    /// As [`Redis::say`], with options for `redis-cli`.
    pub(crate) fn say_as(&self, options: &[&str], words: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-p", &self.port.to_string()])
            .args(options)
            .args(words)
            .output()
            .expect("redis-cli is needed: apt-get install redis-tools");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// Its only key that ends with `end`, but for the one of all that waits.
    #[track_caller]
    pub(crate) fn key(&self, is_wanted: impl Fn(&str) -> bool) -> String {
        let keys = self.say(&["KEYS", "*"]);
        let found: Vec<&str> = keys.lines().filter(|key| is_wanted(key)).collect();
        assert_eq!(found.len(), 1, "{keys}");
        found[0].to_owned()
    }

    /// Where it works.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            drop(child.kill());
            drop(child.wait());
        }
    }
}
