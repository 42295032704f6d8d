//! `simulate` as people run it: the built binary as Alipay, against the built proxy, an SDK that is not ours, upstreams that
//! do as they are told, and the examples in their own languages.
#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "counts of a test do not overflow")]

#[path = "interop/driver.rs"]
mod driver;
#[path = "simulate/examples.rs"]
mod examples;
#[path = "simulate/hostile.rs"]
mod hostile;
#[path = "simulate/receiver.rs"]
mod receiver;
#[path = "simulate/sidecar.rs"]
mod sidecar;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use serde_json::Value;

use crate::receiver::Receiver;
use crate::sidecar::{Folder, Sidecar};

/// `alipay-sidecar simulate` towards `url`, with the private key of `folder`.
fn simulate(folder: &Folder, url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_alipay-sidecar"));
    command.current_dir(folder.path()).args(["simulate", "--to", url]);
    command.args(["--private-key", "keys/alipay_private_key.pem"]).args(arguments);
    command
}

/// What a command that ends by itself printed: exit code, standard output, standard error.
fn run(mut command: Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// The exit code and the summary in JSON.
fn summary(folder: &Folder, url: &str, arguments: &[&str]) -> (Option<i32>, Value) {
    let mut command = simulate(folder, url, arguments);
    command.arg("--json");
    let (code, out, err) = run(command);
    assert_eq!(err, "", "no live line where there is no terminal");
    assert_eq!(out.lines().count(), 1, "{out}");
    (code, serde_json::from_str(&out).unwrap())
}

/// A command that runs while the test does something else.
struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out }
    }

    /// The next line that begins with `words`, which are compared without the blanks between them.
    fn line(&mut self, words: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(self.out.read_line(&mut line).unwrap() > 0, "it ended without a line of {words:?}");
            if line.split_whitespace().collect::<Vec<_>>().join(" ").starts_with(words) {
                return line;
            }
        }
    }

    /// Waits for the end, and returns exit code and the rest of what was printed.
    fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn every_kind_of_the_catalogue_and_the_check_of_the_address_are_accepted() {
    let (folder, upstream) = (Folder::new(), Receiver::accepting());
    let sidecar = Sidecar::start(&folder, upstream.address);
    let all = ["--msg-method", "*", "--msg-method", "alipay.service.check"];
    let (code, found) = summary(&folder, &sidecar.url, &[&all[..], &["--concurrency", "4"]].concat());
    assert_eq!(code, Some(0), "{found}");
    let kinds = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/messages")).unwrap().count();
    assert!(kinds > 30);
    assert_eq!((&found["notifications"], &found["accepted"]), (&(kinds + 1).into(), &(kinds + 1).into()));
    let got = upstream.got();
    assert_eq!(got.len(), kinds, "the check is not for the app");
    let mismatches: Vec<_> = got.iter().filter(|got| got.header("alipay-schema") == "mismatch").collect();
    assert!(mismatches.is_empty(), "each fits its own table: {mismatches:?}");
}

#[test]
fn charsets_forms_and_ciphers_arrive_as_the_same_json() {
    let (folder, upstream) = (Folder::new(), Receiver::accepting());
    let sidecar = Sidecar::start(&folder, upstream.address);
    for arguments in [
        &["--form", "v1"][..],
        &["--form", "v2"],
        &["--charset", "gbk"],
        &["--charset", "GB2312", "--form", "v2"],
        &["--charset", "GB18030", "--encrypt-key", "keys/content_key.txt"],
        &["--encrypt-key", "keys/content_key.txt", "--form", "v2"],
    ] {
        let (code, found) = summary(&folder, &sidecar.url, arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {found}");
        let got = upstream.got();
        assert_eq!(got.len(), 1, "{arguments:?}");
        let event: Value = serde_json::from_slice(&got[0].body).unwrap();
        assert_eq!(event["biz_content"]["certify_result_desc"], "人脸核验时人脸被遮挡", "{arguments:?}");
        let form = if arguments.contains(&"v2") { "v2" } else { "v1" };
        assert_eq!(got[0].header("alipay-form"), form, "{arguments:?}");
    }
}

#[test]
fn content_and_parameters_are_sent_as_given() {
    let (folder, upstream) = (Folder::new(), Receiver::accepting());
    let sidecar = Sidecar::start(&folder, upstream.address);
    std::fs::write(folder.path().join("content.json"), r#"{"a":1}"#).unwrap();
    let arguments = ["--msg-method", "my.own", "--biz-content", "@content.json", "--param", "memo=a b"];
    assert_eq!(run(simulate(&folder, &sidecar.url, &arguments)).0, Some(0));
    let event: Value = serde_json::from_slice(&upstream.got()[0].body).unwrap();
    assert_eq!((&event["msg_method"], &event["biz_content"]["a"]), (&"my.own".into(), &1.into()));
    assert_eq!(event["extra"]["memo"], "a b");

    let arguments = ["--msg-method", "trade_status_sync", "--param", "trade_status=TRADE_CLOSED"];
    assert_eq!(summary(&folder, &sidecar.url, &arguments).0, Some(0));
    let event: Value = serde_json::from_slice(&upstream.got()[0].body).unwrap();
    assert_eq!(event["biz_content"]["trade_status"], "TRADE_CLOSED");
}

#[test]
fn what_alipay_would_not_send_is_sent_and_told() {
    let (folder, app) = (Folder::new(), Receiver::accepting());
    let arguments = ["--msg-method", "nope", "--biz-content", "{", "--json", "--speed", "1000000"];
    let (_, out, err) = run(simulate(&folder, &app.url(), &arguments));
    assert!(!app.got().is_empty() && out.lines().count() == 1, "{out}{err}");
    insta::assert_snapshot!(err, @r#"
    --msg-method "nope" is not in the built-in catalogue, and is sent as a message: `alipay-sidecar schema --list` shows what is
    --biz-content is no object in JSON, as which Alipay sends it, and is sent as it is
    "#);
    let usual = ["--msg-method", "trade_status_sync", "--biz-content", "{}", "--speed", "1000000"];
    assert_eq!(run(simulate(&folder, &app.url(), &usual)).2, "");
}

#[test]
fn an_outage_delays_and_loses_nothing() {
    let deliveries = Mutex::new(HashMap::<String, u32>::new());
    let upstream = Receiver::answering(move |_, got| {
        let mut deliveries = deliveries.lock().unwrap();
        let count = deliveries.entry(got.header("alipay-notify-id").to_owned()).or_default();
        *count += 1;
        (if *count < 4 { 503 } else { 204 }, "")
    });
    let folder = Folder::new();
    let sidecar = Sidecar::start(&folder, upstream.address);
    let (code, out, err) = run(simulate(&folder, &sidecar.url, &["--count", "10", "--speed", "5000"]));
    assert_eq!((code, &*err), (Some(0), ""), "{out}");
    let rows: Vec<String> = out
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|line| line.starts_with(|first: char| first.is_ascii_digit()))
        .collect();
    assert!(out.contains("Heard so far: 200 fail."), "{out}");
    for row in ["1 at once 10 0", "2 2 m 10 0", "3 12 m 10 0", "4 22 m 10 10"] {
        assert!(rows.iter().any(|found| found == row), "{row} in {out}");
    }
    assert!(out.contains("10 of 10 notifications accepted, with 40 requests"), "{out}");
    assert!(out.contains("30 × 200 fail, 10 × 200 success"), "{out}");
    let mut ids: Vec<_> =
        upstream.got().iter().map(|got| got.header("alipay-notify-id").to_owned()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 10, "a notification keeps its id over its deliveries");
}

#[test]
fn only_the_exact_word_ends_the_deliveries_and_the_body_stays_the_same() {
    let folder = Folder::new();
    let answers = ["fail", "success\n", " success", "success", "", "Success"];
    // It follows no redirect, and takes none for an acceptance.
    let app = Receiver::answering(move |nth, _| (if nth == 3 { 302 } else { 200 }, answers[nth]));
    let (code, found) = summary(&folder, &app.url(), &["--speed", "100000"]);
    assert_eq!(code, Some(0), "{found}");
    assert_eq!(found["requests"], 6);
    let got = app.got();
    assert!(got.windows(2).all(|pair| pair[0].body == pair[1].body), "signed once, sent six times");
    assert_eq!(got[0].header("user-agent"), "Mozilla/4.0");
}

#[test]
fn what_is_refused_eight_times_is_lost_and_the_exit_code_says_so() {
    let folder = Folder::new();
    let app = Receiver::answering(|_, _| (200, "fail"));
    let arguments = ["--count", "3", "--speed", "1000000"];
    let (code, found) = summary(&folder, &app.url(), &arguments);
    assert_eq!(code, Some(1));
    assert_eq!((&found["never_accepted"], &found["requests"]), (&3.into(), &24.into()), "{found}");
    assert_eq!(found["deliveries"][7]["lost"], 3);
    let (code, out, _) = run(simulate(&folder, &app.url(), &arguments));
    assert_eq!(code, Some(1));
    assert!(out.contains("lost with Alipay: 3 × alipay.open.mini.icp.faceauth.completed"), "{out}");
}

#[test]
fn duplicates_come_at_once_and_one_acceptance_is_enough() {
    let folder = Folder::new();
    let app = Receiver::answering(|nth, _| (200, if nth == 2 { "success" } else { "fail" }));
    let (code, found) = summary(&folder, &app.url(), &["--duplicates", "4"]);
    assert_eq!((code, &found["requests"]), (Some(0), &4.into()), "{found}");
    assert_eq!(found["answers"]["200 fail"], 3);
}

#[test]
fn nobody_there_is_an_answer_too() {
    let (folder, url) = (Folder::new(), receiver::nobody());
    let (code, found) = summary(&folder, &url, &["--speed", "1000000"]);
    assert_eq!((code, &found["answers"]["connection refused"]), (Some(1), &8.into()), "{found}");
    assert_eq!(found["latency_ms"], Value::Null);
}

#[test]
fn a_wrong_key_is_named_at_once() {
    let (folder, others, upstream) = (Folder::new(), Folder::new(), Receiver::accepting());
    let sidecar = Sidecar::start(&folder, upstream.address);
    let (code, out, _) = run(simulate(&others, &sidecar.url, &["--speed", "1000000"]));
    assert_eq!(code, Some(1));
    assert!(out.contains("All were taken for forgeries: --private-key is not"), "{out}");
    assert!(upstream.got().is_empty());
}

#[test]
fn whatever_tells_it_to_end_it_prints_the_summary_so_far() {
    let folder = Folder::new();
    let app = Receiver::answering(|_, _| (200, "fail"));
    for signal in ["-INT", "-TERM"] {
        let mut running = Running::start(simulate(&folder, &app.url(), &["--count", "2"]));
        running.line("1 at once 2 0");
        let id = running.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        let (code, rest) = running.end();
        assert_eq!(code, Some(1), "{signal}: {rest}");
        assert!(rest.contains("2 notifications ended before Alipay would have"), "{signal}: {rest}");
    }
}

/// A receiver that accepts so many and then answers nothing more; each request beyond them is told.
fn silent_after(accepted: usize) -> (Receiver, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (tell, told) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let app = Receiver::answering(move |nth, _| {
        if nth >= accepted {
            tell.send(()).ok();
            // Until the test is over.
            released.lock().unwrap().recv().ok();
        }
        (200, "success")
    });
    (app, told, release)
}

/// Interrupts a command that waits for an answer of that receiver, and returns exit code and what it printed.
fn interrupted(mut command: Command, told: &mpsc::Receiver<()>) -> (Option<i32>, String) {
    let child = command.stdout(Stdio::piped()).spawn().unwrap();
    told.recv_timeout(Duration::from_mins(1)).unwrap();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn an_interrupt_before_the_first_answer_is_told_as_that() {
    let folder = Folder::new();
    let (app, told, _release) = silent_after(0);
    let (code, out) = interrupted(simulate(&folder, &app.url(), &[]), &told);
    assert_eq!(code, Some(1));
    assert!(out.contains("No answer came until then.") && !out.contains("Answers:"), "{out}");
}

#[test]
fn an_interrupt_of_the_attacks_is_told_as_that_and_as_nothing_else() {
    let folder = Folder::new();
    for (accepted, says) in [(0, "Interrupted before the first attack"), (6, "Interrupted: of the attacks")] {
        let (app, told, _release) = silent_after(accepted);
        let (code, out) = interrupted(simulate(&folder, &app.url(), &["--hostile"]), &told);
        assert_eq!(code, Some(1));
        assert!(out.contains(says), "{out}");
        assert!(!out.contains("genuine was refused") && !out.contains("Nothing genuine"), "{out}");
        let (app, told, _release) = silent_after(accepted);
        let (_, out) = interrupted(simulate(&folder, &app.url(), &["--hostile", "--json"]), &told);
        let found: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((&found["interrupted"], &found["finished"]), (&true.into(), &false.into()), "{out}");
    }
}

#[test]
fn a_reader_that_has_read_enough_ends_it_without_a_word() {
    let folder = Folder::new();
    let app = Receiver::answering(|_, _| (200, "fail"));
    for arguments in [&["--speed", "100000"][..], &["--speed", "100000", "--json"], &["--hostile"]] {
        let mut child = simulate(&folder, &app.url(), arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), &*output.stderr), (Some(141), &b""[..]), "{arguments:?}");
    }
}

#[test]
fn the_line_that_the_demo_prints_to_try_is_accepted() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_alipay-sidecar"));
    command.arg("demo");
    let mut demo = Running::start(command);
    demo.line("Still serving;");
    let line = demo.line(env!("CARGO_BIN_EXE_alipay-sidecar"));
    assert!(line.contains(" simulate --to ") && line.contains("--msg-method '*'"), "{line}");
    let mut shell = Command::new("sh");
    shell.args(["-c", line.trim()]);
    let (code, out, err) = run(shell);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(Command::new("kill").args(["-INT", &demo.child.id().to_string()]).status().unwrap().success());
    assert_eq!(demo.end().0, Some(0));
}

#[test]
fn a_terminal_has_a_live_line_and_the_same_rows() {
    const ON_A_TERMINAL: &str =
        "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
    let folder = Folder::new();
    let app = Receiver::answering(|_, _| (200, "fail"));
    let inner = simulate(&folder, &app.url(), &["--speed", "100000"]);
    let mut command = Command::new("python3");
    command.current_dir(folder.path()).args(["-c", ON_A_TERMINAL]).arg(inner.get_program());
    command.args(inner.get_args()).env("TERM", "xterm").stdin(Stdio::null());
    let (code, out, err) = run(command);
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(out.contains("0 of 1 accepted after") && out.contains("Ctrl-C ends it"), "{out:?}");
    assert!(out.contains("         1    at once           1           0\r\n"), "{out:?}");
    assert!(out.contains("0 of 1 notification accepted, with 8 requests"), "{out:?}");
}

#[test]
fn what_cannot_be_sent_is_said_before_anything_is() {
    let folder = Folder::new();
    let app = Receiver::accepting();
    std::fs::write(folder.path().join("none.pem"), "none").unwrap();
    for (arguments, says) in [
        (&["--to", "https://a/"][..], "--to \"https://a/\" speaks TLS"),
        (&["--private-key", "missing.pem"], "--private-key missing.pem cannot be read"),
        (&["--private-key", "keys/alipay.pem"], "is a public key"),
        (&["--private-key", "none.pem"], "alipay-sidecar keygen keys"),
        (&["--msg-method", "nothing.*"], "schema --list"),
        (&["--msg-method", "a**"], "has a * beside another"),
        (&["--msg-method", ""], "can be the name of no kind"),
        (&["--msg-method", "a b"], "can be the name of no kind"),
        (&["--encrypt-key", "keys/alipay.pem"], "holds no content key"),
        (&["--encrypt-key", "keys/content_key.txt", "--msg-method", "trade_status_sync"], "never encrypted"),
        (&["--biz-content", "[]", "--msg-method", "trade_status_sync"], "is a JSON object"),
        (&["--charset", "GBK", "--biz-content", "😀"], "biz_content holds characters that GBK does not have"),
        (&["--param", "no"], "NAME=VALUE"),
        (&["--param", "sign=x"], "is not sign"),
        (&["--speed", "0"], "Alipay's own pace"),
        (&["--app-id", "x"], "1 to 20 digits"),
        (&["--hostile", "--count", "2"], "cannot be used with"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_alipay-sidecar"));
        command.current_dir(folder.path()).arg("simulate").args(arguments);
        for (name, value) in [("--to", &*app.url()), ("--private-key", "keys/alipay_private_key.pem")] {
            if !arguments.contains(&name) {
                command.args([name, value]);
            }
        }
        let (code, out, err) = run(command);
        assert_eq!((code, &*out), (Some(2), ""), "{arguments:?}: {err}");
        assert!(err.contains(says), "{arguments:?}: {err}");
    }
    assert!(app.got().is_empty());
}

#[test]
fn bash_completes_the_options_of_every_command() {
    // What bash does at the tab key, with the function that the script gives it.
    const TAB: &str = r#"
        eval "$("$1" completions bash)"
        spec=$(complete -p alipay-sidecar); by=${spec##*-F }; by=${by%% *}
        COMP_WORDS=(alipay-sidecar "$2" "$3"); COMP_CWORD=2
        "$by" alipay-sidecar "$3" "$2"
        echo "${COMPREPLY[*]}"
    "#;
    for (command, begun, completed) in [
        ("run", "--con", "--config"),
        ("check", "--app", "--app-public-key"),
        ("explain", "--k", "--key"),
        ("simulate", "--hos", "--hostile"),
        ("demo", "--b", "--backend"),
        ("completions", "fi", "fish"),
    ] {
        let mut bash = Command::new("bash");
        bash.args(["-c", TAB, "bash", env!("CARGO_BIN_EXE_alipay-sidecar"), command, begun]);
        assert_eq!(run(bash), (Some(0), format!("{completed}\n"), String::new()), "{command} {begun}");
    }
}

#[test]
fn completions_and_man_pages_know_every_command() {
    let folder = Folder::new();
    let alipay_sidecar = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_alipay-sidecar"));
        command.current_dir(folder.path()).args(arguments);
        run(command)
    };
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let (code, script, _) = alipay_sidecar(&["completions", shell]);
        assert_eq!(code, Some(0));
        assert!(script.contains("simulate") && script.contains("private-key"), "{shell}");
    }
    assert_eq!(alipay_sidecar(&["man", "pages"]).0, Some(0));
    let page = |name: &str| std::fs::read_to_string(folder.path().join("pages").join(name)).unwrap();
    assert!(page("alipay-sidecar.1").contains("simulate"));
    for command in ["run", "check", "keygen", "schema", "simulate", "demo", "completions", "man"] {
        assert!(page(&format!("alipay-sidecar-{command}.1")).starts_with(".ie"), "{command}");
    }
    assert!(page("alipay-sidecar-simulate.1").contains("hostile"));
    std::fs::write(folder.path().join("file"), "").unwrap();
    let (code, _, err) = alipay_sidecar(&["man", "file"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("name a directory of yours"), "{err}");
}
