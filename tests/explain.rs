//! `explain`: the built binary, on genuine notifications to which the damage was done that people report.
#![cfg(test)]
#![expect(clippy::string_slice, reason = "places in a test's own text")]

#[path = "way/support/alipay.rs"]
#[expect(dead_code, reason = "the whole way needs more of it")]
mod alipay;

#[path = "explain/captures.rs"]
mod captures;
#[path = "explain/content.rs"]
mod content;
#[path = "explain/innocent.rs"]
mod innocent;
#[path = "explain/keys.rs"]
mod keys;
#[path = "explain/printed.rs"]
mod printed;
#[path = "explain/several.rs"]
mod several;
#[path = "explain/together.rs"]
mod together;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::alipay::{APP_ID, Form, Notification, key};

/// A folder with Alipay's key in `alipay.pem`, and what it was asked to explain.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("alipay.pem"), key().public()).unwrap();
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        fs::write(self.path().join(name), content).unwrap();
        self
    }

    /// Exit code, standard output and standard error of `explain` with `arguments`, given `capture` on standard input.
    fn run(&self, arguments: &[&str], capture: &[u8]) -> (Option<i32>, String, String) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_alipay-sidecar"))
            .current_dir(self.path())
            .arg("explain")
            .args(arguments)
            .env_remove("SIDECAR_LOG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // What is refused at once is not read.
        drop(child.stdin.take().unwrap().write_all(capture));
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// The report in JSON, of `capture` with these arguments.
    #[track_caller]
    fn json(&self, arguments: &[&str], capture: impl AsRef<[u8]>) -> Report {
        let (code, out, err) = self.run(&[arguments, &["--json"]].concat(), capture.as_ref());
        let report: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"));
        assert_eq!(code, Some(i32::from(report["verified"] != true)), "{err}");
        Report(report)
    }

    /// The report in JSON, of a body and the one key.
    #[track_caller]
    fn explain(&self, capture: impl AsRef<[u8]>) -> Report {
        self.json(&["--key", "alipay.pem"], capture)
    }
}

/// A report in JSON.
struct Report(Value);

impl Report {
    /// Expects these causes, proven.
    #[track_caller]
    fn proves(&self, causes: &[&str]) -> &Self {
        self.tells(causes);
        assert_eq!(self.0["diagnosis"]["proven"], true);
        self
    }

    /// Expects this cause, as a likely one.
    #[track_caller]
    fn suspects(&self, cause: &str) -> &Self {
        self.tells(&[cause]);
        assert_eq!(self.0["diagnosis"]["proven"], false);
        self
    }

    #[track_caller]
    fn tells(&self, causes: &[&str]) {
        assert_eq!(self.0["verified"], false);
        let found: Vec<&str> = self.0["diagnosis"]["causes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|cause| cause["cause"].as_str().unwrap())
            .collect();
        assert_eq!(found, causes, "{:#}", self.0["diagnosis"]);
    }

    /// Expects the first cause to be in these parameters.
    #[track_caller]
    fn within(&self, names: &[&str]) -> &Self {
        assert_eq!(self.0["diagnosis"]["causes"][0]["parameters"], serde_json::json!(names));
        self
    }

    /// Expects the first difference at this byte of this parameter.
    #[track_caller]
    fn at(&self, parameter: &str, at: usize) -> &Self {
        let difference = &self.0["diagnosis"]["difference"];
        assert_eq!((&difference["parameter"], &difference["at"]), (&parameter.into(), &at.into()));
        self
    }

    #[track_caller]
    fn verifies(&self) -> &Self {
        assert_eq!(self.0["verified"], true, "{:#}", self.0["diagnosis"]);
        self
    }
}

/// A notification whose content has what frameworks stumble over.
fn notification() -> Notification {
    let content = r#"{"mini_app_id":"2021098756789043","name":"人脸 a+b","url":"https://a.example/?x=1&y=%2Fz","n":1.10}"#;
    Notification::unsigned().set("biz_content", content).signed(Form::V1, key())
}

/// A trade, with an empty value and a time with a space in it.
fn trade() -> Notification {
    let params = [
        ("notify_time", "2026-11-25 12:00:00"),
        ("notify_type", "trade_status_sync"),
        ("notify_id", "2026112500222120000000000000000001"),
        ("app_id", APP_ID),
        ("charset", "utf-8"),
        ("version", "1.0"),
        ("sign_type", "RSA2"),
        ("trade_no", "2026112522001400000000000001"),
        ("out_trade_no", "70501111111S001111119"),
        ("subject", "a+b c"),
        ("body", ""),
        ("passback_params", "merchantBizType%3d3C%26merchantBizNo%3d2016010101111"),
        ("total_amount", "20.00"),
        ("trade_status", "TRADE_SUCCESS"),
    ];
    let params = params.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).into();
    Notification { params }.signed(Form::V1, key())
}

/// The same with another value of each parameter but `sign`.
fn each(notification: &Notification, change: impl Fn(&str) -> String) -> Notification {
    let mut changed = notification.clone();
    for (_, value) in changed.params.iter_mut().filter(|(name, _)| name != "sign") {
        *value = change(std::str::from_utf8(value).unwrap()).into_bytes();
    }
    changed
}

/// The same with another value of `name`.
fn change(notification: &Notification, name: &str, change: impl Fn(&str) -> String) -> Notification {
    let value = change(std::str::from_utf8(notification.value(name)).unwrap());
    notification.clone().set(name, value)
}

/// The parameters as a JSON map.
fn map(notification: &Notification) -> String {
    let pairs = notification.params.iter().map(|(name, value)| {
        let value = std::str::from_utf8(value).unwrap();
        format!("{}:{}", serde_json::json!(name), serde_json::json!(value))
    });
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
}
