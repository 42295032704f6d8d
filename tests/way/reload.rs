//! Configuration, keys and certificates that change while the sidecar runs.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::support::alipay::{self, APP_ID, Form, Key, Notification, foreign_key, key, other_key};
use crate::support::client::{Answer, Client};
use crate::support::config;
use crate::support::process::Running;
use crate::support::upstream::{Act, Upstream};
use crate::tls::{TLS, issue};

/// A sidecar whose configuration can be written anew.
struct Changing {
    running: Running,
}

impl Changing {
    fn start(settings: &[(&str, &str)]) -> Self {
        Self { running: Running::start(settings) }
    }

    fn path(&self) -> PathBuf {
        self.running.folder().join("sidecar.toml")
    }

    /// Puts `text` in the place of the configuration, all at once.
    fn put(&self, text: &str) {
        let new = self.running.folder().join("sidecar.toml.new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.path()).unwrap();
    }

    /// The configuration with `settings`, in front of its upstream.
    fn text(&self, settings: &[(&str, &str)]) -> String {
        config(&format!("http://{}/app", self.running.upstream.address), settings)
    }

    /// The next line about a reload, which has to be of this result.
    #[track_caller]
    fn is(&mut self, result: &str) -> serde_json::Value {
        let line = self.running.line("reload");
        assert_eq!(line["result"], result, "{line}");
        line
    }

    /// As [`Changing::is`], after a hangup: what it asks for may have been noticed before.
    #[track_caller]
    fn comes_to_be(&mut self, result: &str) {
        loop {
            let line = self.running.line("reload");
            if line["result"] != "unchanged" {
                assert_eq!(line["result"], result, "{line}");
                return;
            }
        }
    }

    /// Puts the configuration with `settings`, and waits until it is served by.
    #[track_caller]
    fn apply(&mut self, settings: &[(&str, &str)]) -> serde_json::Value {
        self.put(&self.text(settings));
        self.is("applied")
    }

    fn post(&self, notification: &Notification) -> Answer {
        self.running.connect().post(&notification.body())
    }

    fn reloads(&self, result: &str) -> u64 {
        let (_, metrics) = self.running.admin("/metrics");
        let start = format!("alipay_sidecar_reloads_total{{result=\"{result}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&start)).unwrap().parse().unwrap()
    }
}

fn genuine() -> Notification {
    Notification::genuine(Form::V1)
}

#[test]
fn a_hangup_reads_everything_again() {
    let mut sidecar = Changing::start(&[]);
    sidecar.running.signal("HUP");
    sidecar.is("unchanged");
    sidecar.running.upstream.does([Act::status(500)]);
    sidecar.post(&genuine()).is(200, "fail");
    sidecar.put(&sidecar.text(&[("ack", "failure_status = 503")]));
    sidecar.running.signal("HUP");
    sidecar.comes_to_be("applied");
    sidecar.running.upstream.does([Act::status(500)]);
    sidecar.post(&genuine()).is(503, "fail");
    assert_eq!(sidecar.reloads("applied"), 1);
    assert!(sidecar.reloads("unchanged") >= 1);
    sidecar.running.signal("TERM");
    assert!(sidecar.running.end().0.success());
}

#[test]
fn a_change_of_the_file_is_noticed_however_it_is_made() {
    let mut sidecar = Changing::start(&[]);
    // Replaced by another file; written in its place; removed and made anew.
    sidecar.apply(&[("server", "paths = [\"/a\"]")]);
    sidecar.post(&genuine()).is(404, "fail");
    fs::write(sidecar.path(), sidecar.text(&[])).unwrap();
    sidecar.is("applied");
    sidecar.post(&genuine()).is(200, "success");
    fs::remove_file(sidecar.path()).unwrap();
    sidecar.is("refused");
    sidecar.post(&genuine()).is(200, "success");
    fs::write(sidecar.path(), sidecar.text(&[("server", "paths = [\"/b\"]")])).unwrap();
    sidecar.is("applied");
    sidecar.post(&genuine()).is(404, "fail");
}

#[test]
fn the_files_that_it_names_are_watched_too() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("keys")).unwrap();
    let pem = folder.path().join("keys/alipay.pem");
    fs::write(&pem, foreign_key().public()).unwrap();
    let settings = [("apps", "alipay_public_key_files = [\"keys/alipay.pem\"]")];
    let mut sidecar = Changing { running: Running::start_in(folder, &settings) };
    let by = |key: &Key| Notification::unsigned().signed(Form::V1, key);
    sidecar.post(&by(foreign_key())).is(200, "success");
    let third = alipay::third_key();
    sidecar.post(&by(third)).is(403, "fail");
    fs::write(&pem, third.public()).unwrap();
    sidecar.is("applied");
    sidecar.post(&by(third)).is(200, "success");
    sidecar.post(&by(foreign_key())).is(403, "fail");
    // A folder that is replaced, and one that was not there when it was named.
    let keys = sidecar.running.folder().join("keys");
    fs::create_dir(keys.with_extension("new")).unwrap();
    fs::write(keys.with_extension("new").join("alipay.pem"), foreign_key().public()).unwrap();
    fs::rename(&keys, keys.with_extension("old")).unwrap();
    fs::rename(keys.with_extension("new"), &keys).unwrap();
    sidecar.is("applied");
    sidecar.post(&by(foreign_key())).is(200, "success");
    sidecar.put(&sidecar.text(&[("apps", "alipay_public_key_files = [\"more/alipay.pem\"]")]));
    sidecar.is("refused");
    fs::create_dir(sidecar.running.folder().join("more")).unwrap();
    fs::write(sidecar.running.folder().join("more/alipay.pem"), third.public()).unwrap();
    sidecar.is("applied");
    sidecar.post(&by(third)).is(200, "success");
}

#[test]
fn the_swap_of_a_mounted_config_map_is_noticed() {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let (path, url) = (folder.path().to_owned(), format!("http://{}/app", upstream.address));
    let mount = |name: &str, settings: &[(&str, &str)], keys: &Key| {
        let version = path.join(name);
        fs::create_dir_all(version.join("keys")).unwrap();
        let app = ("apps", "alipay_public_key_files = [\"keys/alipay.pem\"]");
        fs::write(version.join("sidecar.toml"), config(&url, &[&[app], settings].concat())).unwrap();
        fs::write(version.join("keys/alipay.pem"), keys.public()).unwrap();
        symlink(name, path.join("..data_tmp")).unwrap();
        fs::rename(path.join("..data_tmp"), path.join("..data")).unwrap();
    };
    mount("..2026_01", &[], foreign_key());
    symlink("..data/sidecar.toml", path.join("sidecar.toml")).unwrap();
    symlink("..data/keys", path.join("keys")).unwrap();
    let third = alipay::third_key();
    let mut sidecar = Changing { running: Running::run(folder, upstream) };
    let by = |key: &Key| Notification::unsigned().signed(Form::V1, key);
    sidecar.post(&by(foreign_key())).is(200, "success");
    mount("..2026_02", &[], third);
    fs::remove_dir_all(path.join("..2026_01")).unwrap();
    sidecar.is("applied");
    sidecar.post(&by(third)).is(200, "success");
    // Twice, for what was watched was replaced itself.
    mount("..2026_03", &[("server", "paths = [\"/elsewhere\"]")], third);
    fs::remove_dir_all(path.join("..2026_02")).unwrap();
    sidecar.is("applied");
    sidecar.post(&by(third)).is(404, "fail");
    mount("..2026_04", &[("server", "paths = \"wrong\"")], third);
    sidecar.is("refused");
    sidecar.post(&by(third)).is(404, "fail");
}

#[test]
fn a_bad_configuration_is_refused_with_each_of_its_errors() {
    let mut sidecar = Changing::start(&[]);
    sidecar.put("[server]\nlisten = 1\nnew = 2\n[upstream]\nurl = \"http://me:hunter2@app/\"\n");
    let mut keys = Vec::new();
    let line = loop {
        let line = sidecar.running.any_line();
        match line["event"].as_str() {
            Some("config_error") => keys.push(line["key"].as_str().unwrap().to_owned()),
            Some("reload") => break line,
            _ => {}
        }
        assert!(!line.to_string().contains("hunter2"), "{line}");
        assert_ne!(line["event"], "config_warning");
    };
    assert_eq!(keys, ["server.listen", "server.new", "upstream.url"]);
    assert_eq!(
        (&line["result"], &line["errors"], &line["level"]),
        (&"refused".into(), &3.into(), &"ERROR".into())
    );
    sidecar.post(&genuine()).is(200, "success");
    assert_eq!((sidecar.reloads("refused"), sidecar.reloads("applied")), (1, 0));
    // Told again only to who asks again.
    sidecar.running.signal("HUP");
    sidecar.is("refused");
    assert_eq!(sidecar.reloads("refused"), 2);
    fs::write(sidecar.path(), "").unwrap();
    let line = sidecar.is("refused");
    assert!(line["cause"].as_str().unwrap().contains("is empty"), "{line}");
    sidecar.post(&genuine()).is(200, "success");
    sidecar.apply(&[("ack", "failure_status = 503")]);
}

#[test]
fn what_needs_a_restart_is_named_and_all_else_is_served() {
    let mut sidecar = Changing::start(&[]);
    let text = sidecar.text(&[("server", "paths = [\"/new\"]")]);
    sidecar.put(&text.replacen("127.0.0.1:0", "127.0.0.2:0", 2));
    let line = sidecar.is("applied");
    assert_eq!(
        (&line["needs_restart"], &line["level"]),
        (&"server.listen, admin.listen".into(), &"WARN".into())
    );
    sidecar.post(&genuine()).is(404, "fail");
    assert!(sidecar.apply(&[]).get("needs_restart").is_none());
}

#[test]
fn another_collector_needs_a_restart() {
    let mut sidecar = Changing::start(&[]);
    let line = sidecar.apply(&[("telemetry", "otlp_endpoint = \"http://127.0.0.1:1\"")]);
    assert_eq!(line["needs_restart"], "telemetry.otlp_endpoint");
    assert!(sidecar.apply(&[]).get("needs_restart").is_none());
}

#[test]
fn the_ledger_outlives_a_reload_and_another_store_needs_a_restart() {
    let mut sidecar = Changing::start(&[]);
    let notification = genuine();
    sidecar.post(&notification).is(200, "success");
    sidecar.running.upstream.got();
    let line = sidecar.apply(&[("ledger", "store = \"file\"\npath = \"new.redb\"")]);
    assert_eq!((&line["needs_restart"], &line["level"]), (&"ledger.store".into(), &"WARN".into()));
    sidecar.post(&notification).is(200, "success");
    sidecar.running.upstream.got_nothing();
    // What is no matter of the store holds at once.
    let line = sidecar.apply(&[("ledger", "retain = \"30h\"")]);
    assert!(line.get("needs_restart").is_none(), "{line}");
    drop(sidecar);
    let mut sidecar = Changing::start(&[("ledger", "store = \"file\"\npath = \"ledger.redb\"")]);
    let line = sidecar.apply(&[("ledger", "store = \"file\"\npath = \"other.redb\"")]);
    assert_eq!(line["needs_restart"], "ledger.path");
    sidecar.post(&genuine()).is(200, "success");
    assert!(!sidecar.running.folder().join("other.redb").exists());
    drop(sidecar);
    // Nobody is there, and nobody need be.
    let redis =
        |credentials: &str| format!("store = \"redis\"\nurl = \"redis://{credentials}127.0.0.1:1/0\"");
    let mut sidecar = Changing::start(&[("ledger", &redis(""))]);
    let line = sidecar.apply(&[("ledger", &redis(":hunter2@"))]);
    assert_eq!(line["needs_restart"], "ledger.url");
    assert!(!line.to_string().contains("hunter2"), "{line}");
}

#[test]
fn the_passthrough_goes_on_and_off() {
    let mut sidecar = Changing::start(&[]);
    let mut kept = sidecar.running.connect();
    let mut asks = |is_on: bool| {
        kept.send("POST /shop HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(kept.answer().status, if is_on { 204 } else { 404 });
    };
    asks(false);
    for _ in 0..2 {
        sidecar.apply(&[("passthrough", "enabled = true")]);
        asks(true);
        assert_eq!(sidecar.running.upstream.got().line, "POST /shop HTTP/1.1");
        sidecar.apply(&[]);
        asks(false);
    }
    sidecar.running.upstream.got_nothing();
}

#[test]
fn readiness_follows_the_apps() {
    let mut sidecar = Changing::start(&[]);
    assert_eq!(sidecar.running.admin("/readyz").0, 200);
    let text = sidecar.text(&[]);
    sidecar.put(text.split("[[apps]]").next().unwrap());
    sidecar.is("applied");
    let (status, why) = sidecar.running.admin("/readyz");
    assert_eq!((status, why.as_str()), (503, "not ready: no [[apps]] are configured\n"));
    sidecar.post(&genuine()).is(403, "fail");
    sidecar.put(&text);
    sidecar.is("applied");
    assert_eq!(sidecar.running.admin("/readyz").0, 200);
    sidecar.post(&genuine()).is(200, "success");
}

#[test]
fn what_began_with_one_configuration_ends_with_it() {
    let mut sidecar = Changing::start(&[]);
    let request = |id: &str| {
        let body = Notification::unsigned().set("notify_id", id).signed(Form::V1, key()).body();
        format!("{}{body}", Client::head(body.len(), ""))
    };
    let elsewhere = Upstream::start();
    sidecar.running.upstream.does([Act::Wait, Act::Hang]);
    let (mut first, mut second) = (sidecar.running.connect(), sidecar.running.connect());
    first.send(request("first"));
    sidecar.running.upstream.got();
    second.send(request("second"));
    sidecar.running.upstream.got();
    // Its app is taken away, its upstream moved, its answers changed.
    let text = config(&format!("http://{}/new", elsewhere.address), &[("ack", "failure_status = 503")]);
    sidecar.put(&text.replace(APP_ID, "2021999999999999"));
    sidecar.is("applied");
    first.send(request("third"));
    sidecar.running.upstream.release();
    first.answer().is(200, "success");
    second.answer().is(200, "fail");
    // The same connections go on with what is new.
    first.answer().is(403, "fail");
    sidecar.put(&text);
    sidecar.is("applied");
    second.send(request("fourth"));
    second.answer().is(200, "success");
    assert_eq!(elsewhere.got().line, "POST /new HTTP/1.1");
    elsewhere.got_nothing();
}

#[test]
fn a_reload_that_makes_the_log_quieter_is_told_before() {
    let mut sidecar = Changing::start(&[]);
    let text = sidecar.text(&[("log", "level = \"error\"")]);
    sidecar.put(&text.replacen("127.0.0.1:0", "127.0.0.2:0", 1));
    assert_eq!(sidecar.is("applied")["needs_restart"], "server.listen");
    // And one that makes it louder, after.
    sidecar.apply(&[]);
}

#[test]
fn the_log_changes_its_level_and_its_format() {
    let sidecar = Changing::start(&[]);
    sidecar.put(&sidecar.text(&[("log", "level = \"warn\"")]));
    sidecar.running.signal("HUP");
    // This line itself is of the level that was; what follows is not written.
    while sidecar.reloads("applied") == 0 {}
    sidecar.post(&genuine()).is(200, "success");
    sidecar.put(&sidecar.text(&[("log", "format = \"text\"")]));
    while sidecar.reloads("applied") == 1 {}
    sidecar.post(&genuine()).is(200, "success");
    sidecar.running.signal("TERM");
    let (status, lines) = sidecar.running.end();
    assert!(status.success());
    let written: Vec<_> =
        lines.iter().filter(|line| line.contains("notification") && line.contains("accepted")).collect();
    assert!(
        matches!(written.as_slice(), [line] if line.contains(" INFO ") && line.contains("event=\"notification\"")),
        "{written:?}"
    );
}

#[test]
fn a_message_that_joins_the_catalogue_has_its_own_label() {
    let mut sidecar = Changing::start(&[]);
    let post = |sidecar: &Changing| {
        let message = Notification::unsigned().set("msg_method", "my.own.message");
        sidecar.post(&message.signed(Form::V1, key())).is(200, "success");
    };
    post(&sidecar);
    let own = include_str!("../fixtures/config/messages/own.toml");
    fs::write(sidecar.running.folder().join("own.toml"), own).unwrap();
    sidecar.apply(&[("translate", "messages = [\"own.toml\"]")]);
    post(&sidecar);
    sidecar.post(&genuine()).is(200, "success");
    let (_, metrics) = sidecar.running.admin("/metrics");
    for method in ["other", "my.own.message", "alipay.open.mini.icp.faceauth.completed"] {
        let line = format!(
            "alipay_sidecar_notifications_total{{msg_method=\"{method}\",outcome=\"accepted\",reason=\"\"}} 1"
        );
        assert!(metrics.lines().any(|found| found == line), "{line} in {metrics}");
    }
}

#[test]
fn a_new_certificate_is_served_to_new_connections_and_old_ones_live_on() {
    let folder = tempfile::tempdir().unwrap();
    let old = issue(folder.path());
    let mut sidecar = Changing { running: Running::start_in(folder, &[TLS]) };
    let address = sidecar.running.address.parse().unwrap();
    let mut kept = Client::connect_tls(address, &old);
    kept.post(&genuine().body()).is(200, "success");
    let read = |name: &str| fs::read(sidecar.running.folder().join(name)).unwrap();
    let before = read("tls.key");
    let new = issue(sidecar.running.folder());
    sidecar.is("applied");
    kept.post(&genuine().body()).is(200, "success");
    Client::connect_tls(address, &new).post(&genuine().body()).is(200, "success");
    // A key that does not fit is refused, and the certificate serves on.
    fs::write(sidecar.running.folder().join("tls.key"), before).unwrap();
    sidecar.is("refused");
    Client::connect_tls(address, &new).post(&genuine().body()).is(200, "success");
    // Without TLS new connections are plain, and those that began with it keep it.
    sidecar.apply(&[]);
    sidecar.post(&genuine()).is(200, "success");
    kept.post(&genuine().body()).is(200, "success");
}

/// Ends a load, at the latest when it is dropped.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What a hundred reloads go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keys {
    Old,
    Both,
    New,
}

#[test]
fn a_hundred_reloads_under_load_make_not_one_wrong_answer() {
    let third = alipay::third_key();
    let backends = [Upstream::start(), Upstream::start()];
    let text = |backend: usize, keys: Keys| {
        let rotated = match keys {
            Keys::Old => vec![foreign_key().public()],
            Keys::Both => vec![foreign_key().public(), third.public()],
            Keys::New => vec![third.public()],
        };
        let text = config(&format!("http://{}/app", backends[backend].address), &[]);
        format!("{text}[[apps]]\napp_id = \"2021777777777777\"\nalipay_public_keys = {rotated:?}\n")
    };
    let mut sidecar = Changing::start(&[]);
    sidecar.put(&text(0, Keys::Old));
    sidecar.is("applied");
    let address = sidecar.running.address.parse().unwrap();
    let is_over = AtomicBool::new(false);
    // Which key the rotated app signs with: the new one once both are known, as a key is rotated.
    let signs_with_new = Mutex::new(false);
    let answered = AtomicUsize::new(0);
    let rotated = |id: &str, key: &Key| {
        Notification::unsigned().set("app_id", "2021777777777777").set("notify_id", id).signed(Form::V2, key)
    };
    let mut posted = 0;
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|name| {
                let (is_over, signs_with_new, answered) = (&is_over, &signs_with_new, &answered);
                let rotated = &rotated;
                scope.spawn(move || {
                    let mut client = Client::connect(address);
                    let mut number = 0;
                    while !is_over.load(Ordering::Relaxed) {
                        number += 1;
                        let id = format!("{name}-{number}");
                        match number % 4 {
                            // Held over the answer, so that the key is not taken away meanwhile.
                            0 => {
                                let new = signs_with_new.lock().unwrap();
                                let key = if *new { alipay::third_key() } else { foreign_key() };
                                client.post(&rotated(&id, key).body()).is(200, "success");
                            }
                            1 => client
                                .post(&rotated(&format!("{id}-forged"), other_key()).body())
                                .is(403, "fail"),
                            _ => {
                                let genuine =
                                    Notification::unsigned().set("notify_id", &id).signed(Form::V1, key());
                                client.post(&genuine.body()).is(200, "success");
                            }
                        }
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                    number
                })
            })
            .collect();
        // Also where something is wrong here: they would go on for ever.
        let _over = Over(&is_over);
        let (mut backend, mut keys) = (0, Keys::Old);
        for round in 0..100 {
            if round % 4 == 3 {
                // A bad one of another kind each time.
                let bad = ["[server", "[server]\nmax_params = 0\n", "", "[[apps]]\napp_id = \"x\"\n"];
                sidecar.put(bad[round / 4 % 4]);
                sidecar.comes_to_be("refused");
            } else {
                keys = match (keys, *signs_with_new.lock().unwrap()) {
                    (Keys::Old | Keys::New, _) => Keys::Both,
                    (Keys::Both, true) => Keys::New,
                    (Keys::Both, false) => Keys::Old,
                };
                backend = if round % 3 == 0 { 1 - backend } else { backend };
                sidecar.put(&format!("{}# {round}\n", text(backend, keys)));
                if round % 2 == 0 {
                    sidecar.running.signal("HUP");
                }
                sidecar.comes_to_be("applied");
                if keys == Keys::Both {
                    let mut new = signs_with_new.lock().unwrap();
                    *new = !*new;
                }
            }
            // What begins now is served by what was applied last.
            let probe =
                Notification::unsigned().set("notify_id", format!("probe-{round}")).signed(Form::V1, key());
            sidecar.post(&probe).is(200, "success");
            posted += 1;
            let id = format!("probe-{round}");
            while backends[backend].got().header("alipay-notify-id") != Some(&id) {}
        }
        is_over.store(true, Ordering::Relaxed);
        for client in clients {
            posted += client.join().unwrap();
        }
    });
    assert!(posted > 400, "{posted}");
    assert_eq!((sidecar.reloads("applied"), sidecar.reloads("refused")), (76, 25));
    sidecar.running.signal("TERM");
    assert!(sidecar.running.end().0.success());
}

#[test]
fn where_files_cannot_be_watched_a_hangup_still_reloads() {
    // In a user namespace of its own, a process may lower the limit for itself.
    let lowered = "echo 0 > /proc/sys/user/max_inotify_instances";
    let unshare = |script: &str| {
        let mut unshare = Command::new("unshare");
        unshare.args(["--user", "--map-root-user", "sh", "-c", script]);
        unshare
    };
    if !unshare(lowered).output().is_ok_and(|output| output.status.success()) {
        // Straight to standard error, which the harness does not hold back.
        let skipped =
            "skipped: where_files_cannot_be_watched_a_hangup_still_reloads: no user namespaces here";
        writeln!(std::io::stderr(), "{skipped}").unwrap();
        return;
    }
    let (upstream, folder) = (Upstream::start(), tempfile::tempdir().unwrap());
    let text = config(&format!("http://{}/app", upstream.address), &[]);
    fs::write(folder.path().join("sidecar.toml"), text).unwrap();
    let mut run = unshare(&format!("{lowered} && exec \"$0\" run"));
    run.arg(env!("CARGO_BIN_EXE_alipay-sidecar"));
    let mut sidecar = Changing { running: Running::spawn(run, folder, upstream) };
    let line = sidecar.running.line("watch_failed");
    assert_eq!(line["level"], "WARN");
    sidecar.put(&sidecar.text(&[("server", "paths = [\"/new\"]")]));
    sidecar.running.signal("HUP");
    sidecar.comes_to_be("applied");
    sidecar.post(&genuine()).is(404, "fail");
}
