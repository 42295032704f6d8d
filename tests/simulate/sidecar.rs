//! The built proxy, with keys of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// A folder with the files of `keygen` in `keys`.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        alipay_sidecar::tools::keygen::keygen(&folder.path().join("keys")).unwrap();
        Self(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn key(&self, name: &str) -> PathBuf {
        self.path().join("keys").join(name)
    }
}

/// `alipay-sidecar run`; it is gone when this is.
pub(crate) struct Sidecar {
    process: Child,
    pub(crate) url: String,
}

impl Sidecar {
    /// In front of `upstream`, with one app, whose keys are in `folder`.
    pub(crate) fn start(folder: &Folder, upstream: SocketAddr) -> Self {
        let config = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [upstream]\nurl = \"http://{upstream}/alipay/notify\"\n\
             [[apps]]\napp_id = \"2021000000000000\"\nalipay_public_key_files = [\"keys/alipay.pem\"]\n\
             content_key_file = \"keys/content_key.txt\"\napp_private_key_file = \"keys/alipay_private_key.pem\"\n"
        );
        fs::write(folder.path().join("sidecar.toml"), config).unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_alipay-sidecar"))
            .current_dir(folder.path())
            .arg("run")
            .env_remove("SIDECAR_LOG")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(process.stdout.take().unwrap());
        let (sender, listening) = channel();
        // The log is read to its end, so that the process never waits for a reader.
        thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                let event: Value = serde_json::from_str(&line).unwrap_or_default();
                if event["event"] == "listening" {
                    sender.send(event["address"].as_str().unwrap().to_owned()).ok();
                }
            }
        });
        let address = listening.recv_timeout(Duration::from_mins(1));
        if address.is_err() {
            process.kill().ok();
        }
        Self { process, url: format!("http://{}/alipay/notify", address.expect("it listens")) }
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
