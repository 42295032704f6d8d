//! The examples, run by the interpreters of their languages behind the built proxy: they accept, refuse, crash and come back.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use crate::sidecar::{Folder, Sidecar};
use crate::{Running, simulate, summary};

/// A virtual machine may take its time on a busy one.
const PATIENCE: Duration = Duration::from_mins(2);

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

/// An example: how it is started, and what it prints when it listens.
struct Example {
    command: fn(port: u16) -> Command,
    ready: &'static str,
}

/// A running example; it is gone when this is.
struct App(Child);

impl App {
    fn start(example: &Example, address: SocketAddr, inbox: &Path) -> Self {
        let mut command = (example.command)(address.port());
        command.env("INBOX", inbox).env("PORT", address.port().to_string());
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}; `make test` installs what it needs"));
        let (sender, lines) = channel();
        watch(child.stdout.take().unwrap(), sender.clone());
        watch(child.stderr.take().unwrap(), sender);
        let app = Self(child);
        let mut said = Vec::new();
        loop {
            let line =
                lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("it does not listen: {said:#?}"));
            if line.contains(example.ready) {
                return app;
            }
            said.push(line);
        }
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Reads what the app says to its end, so that it never waits for a reader.
fn watch(stream: impl Read + Send + 'static, sender: Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            sender.send(line).ok();
        }
    });
}

/// What lies in the inbox.
fn dealt_with(inbox: &Path) -> usize {
    let names = fs::read_dir(inbox).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: Vec<String> = names.collect();
    assert!(names.iter().all(|name| name.starts_with("2021000000000000.")), "no drafts are left: {names:?}");
    names.len()
}

#[track_caller]
fn accepts_refuses_crashes_and_comes_back(example: &Example) {
    let folder = Folder::new();
    let inbox = folder.path().join("inbox");
    fs::create_dir(&inbox).unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let app = App::start(example, address, &inbox);
    let sidecar = Sidecar::start(&folder, address);

    let (code, found) = summary(&folder, &sidecar.url, &["--count", "3", "--speed", "1000"]);
    assert_eq!((code, dealt_with(&inbox)), (Some(0), 3), "{found}");
    let (code, found) = summary(&folder, &sidecar.url, &["--duplicates", "4", "--speed", "1000"]);
    assert_eq!((code, dealt_with(&inbox)), (Some(0), 4), "the same one is dealt with once: {found}");
    let (code, found) =
        summary(&folder, &sidecar.url, &["--msg-method", "trade_status_sync", "--charset", "GBK"]);
    assert_eq!((code, dealt_with(&inbox)), (Some(0), 5), "{found}");

    let away = folder.path().join("away");
    fs::rename(&inbox, &away).unwrap();
    let (code, found) = summary(&folder, &sidecar.url, &["--speed", "1000000"]);
    assert_eq!((code, &found["answers"]["200 fail"]), (Some(1), &8.into()), "{found}");
    fs::rename(&away, &inbox).unwrap();
    assert_eq!(summary(&folder, &sidecar.url, &["--speed", "1000"]).0, Some(0));

    drop(app);
    let mut running = Running::start(simulate(&folder, &sidecar.url, &["--count", "5", "--speed", "1500"]));
    running.line("1 at once 5 0");
    let _app = App::start(example, address, &inbox);
    let (code, rest) = running.end();
    assert_eq!((code, dealt_with(&inbox)), (Some(0), 11), "{rest}");
    assert!(rest.contains("5 of 5 notifications accepted"), "{rest}");
}

#[test]
fn the_example_in_php_accepts_refuses_crashes_and_comes_back() {
    accepts_refuses_crashes_and_comes_back(&Example {
        command: |port| {
            let mut command = Command::new("php");
            command.arg("-S").arg(format!("127.0.0.1:{port}")).arg(example("php/notify.php"));
            command
        },
        ready: "Development Server",
    });
}

#[test]
fn the_example_in_java_accepts_refuses_crashes_and_comes_back() {
    accepts_refuses_crashes_and_comes_back(&Example {
        command: |_| {
            let mut command = Command::new("java");
            // It compiles the source first; what starts sooner may run slower here.
            command.arg("-XX:TieredStopAtLevel=1").arg(example("java/Notify.java"));
            command
        },
        ready: "listening on",
    });
}

#[test]
fn the_example_in_node_accepts_refuses_crashes_and_comes_back() {
    accepts_refuses_crashes_and_comes_back(&Example {
        command: |_| {
            let mut command = Command::new("node");
            command.arg(example("node/server.mjs"));
            command
        },
        ready: "listening on",
    });
}

#[test]
fn the_example_in_python_accepts_refuses_crashes_and_comes_back() {
    accepts_refuses_crashes_and_comes_back(&Example {
        command: |_| {
            let mut command = Command::new(example("python/.venv/bin/python"));
            command.arg(example("python/app.py"));
            command
        },
        ready: "Running on",
    });
}

#[test]
fn every_example_is_short_and_has_its_test() {
    let mut found = 0;
    for folder in fs::read_dir(example("")).unwrap() {
        let folder = folder.unwrap().path();
        let test = format!("fn the_example_in_{}_accepts", folder.file_name().unwrap().to_str().unwrap());
        assert!(include_str!("examples.rs").contains(&test), "{}", folder.display());
        for file in fs::read_dir(&folder).unwrap() {
            let file = file.unwrap().path();
            let is_code =
                ["php", "java", "mjs", "py"].iter().any(|code| file.extension() == Some(code.as_ref()));
            if is_code {
                found += 1;
                assert!(fs::read_to_string(&file).unwrap().lines().count() < 60, "{}", file.display());
            }
        }
    }
    assert_eq!(found, 4);
}
