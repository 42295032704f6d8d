//! The pod of the example, run by podman as the kubelet would run it.
//!
//! The binary is the static one of `make image-debug`, in the image of the Dockerfile's last stage.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::alipay::Key;
use crate::podman::{Client, Podman, Volume, until};
use crate::tools::{kustomize, object};

const PUBLIC: u16 = 18080;
const ADMIN: u16 = 19090;
/// A drain with nothing in flight ends at once; the kubelet may leave it no more than 2 s.
const AT_ONCE: Duration = Duration::from_secs(2);

/// What was seen, for people: `make pod` prints it.
struct Table(String);

impl Table {
    fn row(&mut self, what: &str, seen: impl std::fmt::Display) {
        writeln!(self.0, "| {what} | {seen} |").unwrap();
    }
}

/// The folder of everything that cargo makes.
fn target() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().to_owned()
}

/// The folder of the image, with the static binary.
fn image_root() -> PathBuf {
    let root = target().join("image-debug");
    assert!(root.join("alipay-sidecar").exists(), "`make test-deps` builds {}", root.display());
    root
}

/// Whether podman can run anything here. Where it cannot, that is said, and `make test` shows it at its end.
fn can_run(podman: &Podman) -> bool {
    let archive = podman.path("image.tar");
    let root = image_root();
    let built = podman.script("image", &[root.to_str().unwrap(), archive.to_str().unwrap()]);
    let why = if built.status.success() {
        let version = ["run", "--rm", "--network", "none", "localhost/alipay-sidecar:0.1.0", "--version"];
        let ran = podman.script("podman", &version);
        if ran.status.success() {
            return true;
        }
        ran.stderr
    } else {
        built.stderr
    };
    let why = String::from_utf8_lossy(&why).trim().replace('\n', "; ");
    let line = format!("SKIPPED: the pod of the example (podman cannot run it here: {why})\n");
    eprint!("{line}");
    let file = target().join("skipped.txt");
    let known = fs::read_to_string(&file).unwrap_or_default();
    fs::write(file, known + &line).unwrap();
    false
}

fn of<'a>(lines: &'a [Value], event: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["event"] == event).collect()
}

#[test]
fn the_pod_of_the_example_runs_as_the_kubelet_would_run_it() {
    let podman = Podman::new();
    if !can_run(&podman) {
        return;
    }
    let mut table = Table("| what | seen |\n|---|---|\n".to_owned());
    table.row(
        "image",
        format!(
            "{} bytes, static, with debug information",
            podman.run(&["image", "inspect", "--format", "{{.Size}}", "localhost/alipay-sidecar:0.1.0",])
        ),
    );
    let objects = kustomize("1.37", "k8s/example");
    let pod = &object(&objects, "Deployment", "shop")["spec"]["template"]["spec"];
    let (sidecar, app) = (&pod["initContainers"][0], &pod["containers"][0]);
    let config = object(&objects, "ConfigMap", "alipay-sidecar")["data"]["sidecar.toml"].as_str().unwrap();

    let (key, new_key) = (Key::generate(), Key::generate());
    let mut settings = Volume::new(podman.path("config"), "sidecar.toml", config);
    let mut keys = Volume::new(podman.path("keys"), "alipay.pem", &key.public());
    let (ledger, no_token) = (podman.path("ledger"), podman.path("no-token"));
    for folder in [&ledger, &no_token] {
        fs::create_dir(folder).unwrap();
    }
    // An emptyDir is writable for everybody.
    fs::set_permissions(&ledger, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let (settings_folder, keys_folder) = (settings.path().to_owned(), keys.path().to_owned());
    let volumes = [
        ("alipay-sidecar-config", settings_folder.as_path()),
        ("alipay-sidecar-keys", &keys_folder),
        ("alipay-sidecar-ledger", &ledger),
        ("alipay-sidecar-no-token", &no_token),
    ];

    // The sidecar comes first, and the app only once it is ready.
    let started = Instant::now();
    podman.run(&["pod", "create", "--name", "shop", "--network", "none"]);
    podman.start("shop", sidecar, &volumes, &[]);
    let ready = ["exec", "alipay-sidecar", "/alipay-sidecar", "ready", "--admin", "127.0.0.1:19090"];
    until("the sidecar is ready", || podman.script("podman", &ready).status.success());
    table
        .row("sidecar ready, by its own health check", format!("after {} ms", started.elapsed().as_millis()));
    let mut client = Client::enter(&podman.process("alipay-sidecar"));
    assert_eq!(client.post(&key.notification("early")), "200 fail");
    table.row("a genuine notification before the app is there", "200 fail");
    podman.start("shop", app, &volumes, &["--delay", "500ms"]);
    until("the app listens", || !of(&podman.log("app"), "listening").is_empty());
    let first = key.notification("first");
    assert_eq!(client.post(&first), "200 success");
    table.row("from nothing to the first `success`", format!("{} ms", started.elapsed().as_millis()));

    // The Service leads here, so all else goes on to the app.
    assert_eq!(client.get(PUBLIC, "/orders"), "200 the app");
    table.row("another page of the app", "200, passed through");

    // What is forged stops here.
    let forged = key.notification("forged").replace("success", "fail");
    assert_eq!(client.post(&forged), "403 fail");
    assert_eq!(client.post(&new_key.notification("foreign")), "403 fail");
    table.row("a forged one, and one of another key", "403 fail");
    let log = podman.log("app");
    let got: Vec<&Value> = of(&log, "got").iter().map(|line| &line["notify_id"]).collect();
    assert_eq!(got, ["first"], "{log:#?}");

    restricted(&podman, &mut table);
    repeated(&podman, &mut client, &first, &mut table);

    // A key is rotated, and then a configuration is wrong.
    keys.write("alipay.pem", &new_key.public());
    let mut number = 0;
    let took = until("the new key verifies", || {
        number += 1;
        client.post(&new_key.notification(&format!("rotated{number}"))) == "200 success"
    });
    assert_eq!(client.post(&key.notification("old")), "403 fail");
    table.row(
        "the Secret has a new key",
        format!("it verifies after {} ms, the old one no more", took.as_millis()),
    );
    settings.write("sidecar.toml", "[server\n");
    until("the new configuration is refused", || {
        of(&podman.log("alipay-sidecar"), "reload").iter().any(|line| line["result"] == "refused")
    });
    assert_eq!(client.post(&new_key.notification("after")), "200 success");
    table.row("the ConfigMap is broken", "refused, and the last good one serves on");
    the_end(&podman, &mut client, &new_key, &mut table);
    println!("{}", table.0);
    fs::write(target().join("pod.md"), table.0).unwrap();
}

/// A repeat does not reach the app, not even after the sidecar was killed and has come back.
fn repeated(podman: &Podman, client: &mut Client, first: &str, table: &mut Table) {
    let got = || of(&podman.log("app"), "got").iter().filter(|line| line["notify_id"] == "first").count();
    assert_eq!(client.post(first), "200 success");
    assert_eq!(got(), 1);
    table.row("a repeat", "200 success, and the app does not get it again");
    podman.run(&["kill", "--signal", "KILL", "alipay-sidecar"]);
    podman.run(&["wait", "alipay-sidecar"]);
    let killed = Instant::now();
    podman.run(&["start", "alipay-sidecar"]);
    until("the sidecar is back", || client.get(ADMIN, "/readyz") == "200 ok");
    table.row(
        "the sidecar is killed and started again",
        format!("ready after {} ms", killed.elapsed().as_millis()),
    );
    assert_eq!(client.post(first), "200 success");
    assert_eq!(got(), 1);
    table.row("the repeat once more", "200 success, and the app does not get it again");
}

/// The rights of the sidecar's process, as the kernel has them.
fn restricted(podman: &Podman, table: &mut Table) {
    let status = fs::read_to_string(format!("/proc/{}/status", podman.process("alipay-sidecar"))).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(field("Uid:"), "65532 65532 65532 65532");
    assert_eq!(field("Gid:"), "65532 65532 65532 65532");
    table.row("user and group", "65532");
    for capabilities in ["CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
        assert_eq!(field(capabilities), "0000000000000000", "{capabilities}");
    }
    assert_eq!(field("NoNewPrivs:"), "1");
    table.row("capabilities", "none, and none to be had");
    let write = podman.script("podman", &["exec", "alipay-sidecar", "/alipay-sidecar", "keygen", "/keys"]);
    let said = String::from_utf8_lossy(&write.stderr);
    assert!(!write.status.success() && said.contains("Read-only file system"), "{said}");
    table.row("writing to the root of its file system", "refused: read-only");
}

/// The app is told to end while it is at work on a notification, and the sidecar once the app is gone.
fn the_end(podman: &Podman, client: &mut Client, key: &Key, table: &mut Table) {
    let mut slow = Client::enter(&podman.process("alipay-sidecar"));
    slow.send("POST", 18080, "/alipay/notify", &key.notification("slow"));
    until("the app is at work on it", || {
        of(&podman.log("app"), "got").iter().any(|line| line["notify_id"] == "slow")
    });
    assert!(client.get(ADMIN, "/metrics").contains("\nalipay_sidecar_in_flight 1\n"));
    podman.run(&["stop", "--time", "10", "app"]);
    assert_eq!(slow.answer(), "200 success");
    assert_eq!(podman.inspect("app", ".State.ExitCode"), "0");
    table.row("in flight while the app is told to end", "200 success");
    assert_eq!(client.post(&key.notification("late")), "200 fail");
    table.row("a genuine notification when the app is gone", "200 fail");
    let stopping = Instant::now();
    podman.run(&["stop", "--time", "10", "alipay-sidecar"]);
    let took = stopping.elapsed();
    assert_eq!(podman.inspect("alipay-sidecar", ".State.ExitCode"), "0");
    assert!(took < AT_ONCE * 5, "killed, not ended");
    table.row("the sidecar is told to end", format!("exit code 0 after {} ms", took.as_millis()));
    let log = podman.log("alipay-sidecar");
    assert_eq!(of(&log, "drained").len(), 1, "{log:#?}");
}
