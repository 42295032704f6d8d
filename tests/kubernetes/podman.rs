//! The pod of the example in podman: the containers of the rendered Deployment, with their arguments, users, rights and
//! mounts, in one network of their own, started and stopped in the order of the kubelet.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::tools::path;

/// How long anything here may take, unless the test says something else.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A podman with storage of its own; all that it runs is gone when this is.
pub(crate) struct Podman {
    home: tempfile::TempDir,
}

impl Podman {
    pub(crate) fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// `program` of the folder `scripts`, on this storage.
    pub(crate) fn script(&self, program: &str, arguments: &[&str]) -> Output {
        // Bounded, for a podman that hangs would hold all tests up.
        Command::new("timeout")
            .args(["-k", "2", "90"])
            .arg(path("scripts").join(program))
            .args(arguments)
            .env("PODMAN_HOME", self.path("storage"))
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// podman, which must end well; what it printed.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = self.script("podman", arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "podman {arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// One figure of a container.
    #[track_caller]
    pub(crate) fn inspect(&self, container: &str, figure: &str) -> String {
        self.run(&["inspect", "--format", &format!("{{{{{figure}}}}}"), container])
    }

    /// The process of a container.
    #[track_caller]
    pub(crate) fn process(&self, container: &str) -> String {
        self.inspect(container, ".State.Pid")
    }

    /// Everything that a container wrote, as lines of JSON.
    #[track_caller]
    pub(crate) fn log(&self, container: &str) -> Vec<Value> {
        let log = self.run(&["logs", container]);
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Starts `container` of the pod `spec`, with everything that its manifest says, in the pod `pod`.
    ///
    /// `volumes` has the folders that stand for the volumes of the pod, by name.
    #[track_caller]
    pub(crate) fn start(&self, pod: &str, container: &Value, volumes: &[(&str, &Path)], more: &[&str]) {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let security = &container["securityContext"];
        let mut arguments: Vec<String> = ["run", "--detach", "--pod", pod, "--name"].map(Into::into).into();
        arguments.push(text(&container["name"]));
        arguments.push(format!("--user={}:{}", security["runAsUser"], security["runAsGroup"]));
        arguments.push(format!("--read-only={}", security["readOnlyRootFilesystem"]));
        // podman would add writable folders to it that Kubernetes does not.
        arguments.push("--read-only-tmpfs=false".into());
        for capability in security["capabilities"]["drop"].as_array().unwrap() {
            arguments.push(format!("--cap-drop={}", text(capability)));
        }
        if security["allowPrivilegeEscalation"] == false {
            arguments.push("--security-opt=no-new-privileges".into());
        }
        let memory = text(&container["resources"]["limits"]["memory"]);
        arguments.push(format!("--memory={}", memory.replace("Mi", "m")));
        for mount in container["volumeMounts"].as_array().unwrap_or(&Vec::new()) {
            let name = text(&mount["name"]);
            let (_, folder) = volumes.iter().find(|(known, _)| *known == name).unwrap();
            let access = if mount["readOnly"] == true { "ro" } else { "rw" };
            arguments.push(format!("--volume={}:{}:{access}", folder.display(), text(&mount["mountPath"])));
        }
        arguments.push(text(&container["image"]));
        arguments.extend(container["args"].as_array().unwrap().iter().map(text));
        arguments.extend(more.iter().map(ToString::to_string));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.run(&arguments);
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        // In any state; what is not there is no matter.
        drop(self.script("podman", &["pod", "rm", "--all", "--force", "--time", "1"]));
        drop(Command::new("umount").arg(self.path("storage/root/overlay")).stderr(Stdio::null()).status());
    }
}

/// A volume as the kubelet fills it from a `ConfigMap` or a Secret: `name` → `..data/name`, `..data` → `..VERSION`.
pub(crate) struct Volume {
    folder: PathBuf,
    version: u32,
}

impl Volume {
    pub(crate) fn new(folder: PathBuf, name: &str, text: &str) -> Self {
        fs::create_dir_all(&folder).unwrap();
        let mut volume = Self { folder, version: 0 };
        symlink(Path::new("..data").join(name), volume.folder.join(name)).unwrap();
        volume.write(name, text);
        volume
    }

    /// Puts `text` in the place of what is there, by one rename of `..data`.
    pub(crate) fn write(&mut self, name: &str, text: &str) {
        let old = format!("..{}", self.version);
        self.version += 1;
        let new = format!("..{}", self.version);
        fs::create_dir(self.folder.join(&new)).unwrap();
        fs::write(self.folder.join(&new).join(name), text).unwrap();
        symlink(&new, self.folder.join("..data_tmp")).unwrap();
        fs::rename(self.folder.join("..data_tmp"), self.folder.join("..data")).unwrap();
        drop(fs::remove_dir_all(self.folder.join(old)));
    }

    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }
}

/// A client within the network of a pod.
pub(crate) struct Client {
    process: Child,
    answers: BufReader<ChildStdout>,
}

impl Client {
    /// A client in the network of the process `process`.
    pub(crate) fn enter(process: &str) -> Self {
        let folder = path("tests/kubernetes/tools");
        let mut process = Command::new("nsenter")
            .args(["--target", process, "--net", "--"])
            .arg(folder.join(".venv/bin/python"))
            .arg(folder.join("post.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        Self { process, answers }
    }

    /// Sends a request whose answer is fetched later.
    pub(crate) fn send(&mut self, method: &str, port: u16, path: &str, body: &str) {
        let request = json!({"method": method, "port": port, "path": path, "body": body});
        writeln!(self.process.stdin.as_mut().unwrap(), "{request}").unwrap();
    }

    /// The next answer: status and body, or what went wrong.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        match answer["error"].as_str() {
            Some(error) => error.to_owned(),
            None => format!("{} {}", answer["status"], answer["body"].as_str().unwrap().trim_end()),
        }
    }

    /// What the sidecar answers to a notification.
    #[track_caller]
    pub(crate) fn post(&mut self, body: &str) -> String {
        self.send("POST", 18080, "/alipay/notify", body);
        self.answer()
    }

    #[track_caller]
    pub(crate) fn get(&mut self, port: u16, path: &str) -> String {
        self.send("GET", port, path, "");
        self.answer()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Waits until `holds`, and says how long it took.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "never came: {what}");
        std::thread::yield_now();
    }
    started.elapsed()
}
