//! The other end of the `driver` scripts: one process for each, a JSON line in, a JSON line out.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::Value;

/// A running driver.
pub(crate) struct Driver {
    name: String,
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Driver {
    /// Runs `script`; the file `installed` shows that what it needs is there.
    pub(crate) fn start(name: &str, interpreter: &Path, script: &Path, installed: &Path) -> Self {
        let remedy = "`make test` (or `make test-deps`) installs what these tests need";
        assert!(installed.exists(), "{name}: {} is missing; {remedy}", installed.display());
        let mut process = Command::new(interpreter)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {} : {error}; {remedy}", interpreter.display()));
        let requests = process.stdin.take().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        Self { name: name.to_owned(), process, requests, answers }
    }

    pub(crate) fn ask(&mut self, request: &Value) -> Value {
        // A driver that could not start has closed its end; its last words are on stderr, and the empty line below tells.
        writeln!(self.requests, "{request}").ok();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "{} ended, see above; `make test` installs what it needs", self.name);
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// The folder of a driver.
pub(crate) fn interop(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(name)
}

/// A driver in Python: the interpreter, the script, and the file that shows that all is installed.
pub(crate) fn python(name: &str) -> (PathBuf, PathBuf, PathBuf) {
    let interpreter = interop(name).join(".venv/bin/python");
    (interpreter.clone(), interop(name).join("driver.py"), interpreter)
}
