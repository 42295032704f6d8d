//! The built binary, running with a configuration of its own.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc::{Sender, channel},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::{notification::APP_ID, upstream::Upstream};

/// What a sender hears.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    status: u16,
    body: String,
}

impl Answer {
    pub(crate) fn success() -> Self {
        Self { status: 200, body: "success".into() }
    }

    pub(crate) fn failed() -> Self {
        Self { status: 200, body: "fail".into() }
    }

    pub(crate) fn refused() -> Self {
        Self { status: 403, body: "fail".into() }
    }
}

pub(crate) struct Sidecar {
    process: Child,
    address: SocketAddr,
}

impl Sidecar {
    /// `alipay-sidecar run` with one app, whose key is in that file and whose content key is beside it, in front of the upstream.
    pub(crate) fn start(public_key: &Path, upstream: &Upstream) -> Self {
        Self::with(public_key, upstream, "")
    }

    /// The same, with more `settings` of its upstream.
    pub(crate) fn with(public_key: &Path, upstream: &Upstream, settings: &str) -> Self {
        let key_name = public_key.file_name().unwrap().to_str().unwrap();
        let config_file = public_key.with_file_name(format!("{key_name}.toml"));
        fs::write(&config_file, config(key_name, upstream.address, settings)).unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_alipay-sidecar"))
            .arg("run")
            .arg("--config")
            .arg(config_file)
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
        Self { process, address: address.expect("`run` logs a line with \"event\":\"listening\" on stdout") }
    }

    /// Posts a form as Alipay does and reads the whole answer.
    pub(crate) fn post(&self, form: &str) -> Answer {
        self.post_with(form, "")
    }

    /// The same, with more `headers`.
    pub(crate) fn post_with(&self, form: &str, headers: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let head = format!(
            "POST /alipay/notify HTTP/1.1\r\nHost: {}\r\nUser-Agent: Mozilla/4.0\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded; text/html; charset=UTF-8\r\nContent-Length: {}\r\n{headers}\r\n",
            self.address,
            form.len(),
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(form.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {answer:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Answer { status: status.unwrap_or_else(|| panic!("no status: {head}")), body: body.to_owned() }
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn config(key_name: &str, upstream: SocketAddr, settings: &str) -> String {
    format!(
        r#"
[server]
listen = "127.0.0.1:0"

[admin]
listen = "127.0.0.1:0"

[upstream]
url = "http://{upstream}/alipay/notify"
{settings}

[[apps]]
app_id = "{APP_ID}"
alipay_public_key_files = ["{key_name}"]
content_key_file = "content_key.txt"
"#
    )
}

/// Reads the log to its end, so that the process never waits for a reader, and tells where it listens.
fn watch(log: ChildStdout, listening: &Sender<SocketAddr>) {
    for line in BufReader::new(log).lines().map_while(Result::ok) {
        let event: Value = serde_json::from_str(&line).unwrap_or_default();
        if event["event"] == "listening" {
            let address = event["address"].as_str().unwrap_or_default();
            listening.send(address.parse().expect("`address` is an address with a port")).ok();
        }
    }
}
