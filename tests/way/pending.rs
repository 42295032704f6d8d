//! What was never accepted is kept, listed and sent again, exactly as it was, by whoever asks on this machine.

mod redis;
mod shop;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use self::shop::Shop;
use crate::support::alipay::{APP_ID, Form, Notification, OTHER_APP_ID, flat, key, other_key};
use crate::support::client::Client;
use crate::support::config;
use crate::support::process::{Running, command};
use crate::support::upstream::{Act, Got};

fn id(got: &Got) -> String {
    got.header("alipay-notify-id").unwrap().to_owned()
}

/// What must be the same each time: all but which attempt it is and the trace, which is new for each delivery.
fn essence(got: &Got) -> (String, Vec<(String, String)>, Vec<u8>) {
    let varies = |name: &str| ["alipay-attempt", "traceparent"].contains(&name);
    let headers = got.headers.iter().filter(|(name, _)| !varies(name)).cloned().collect();
    (got.line.clone(), headers, got.body.clone())
}

fn end(running: Running, signal: &str) {
    running.signal(signal);
    running.end();
}

#[test]
fn what_failed_is_listed_sent_again_exactly_as_it_was_and_not_delivered_to_the_app_any_more() {
    for (format, form) in [("json", Form::V1), ("cloudevents", Form::V2), ("cloudevents-binary", Form::V1)] {
        let format = format!("format = \"{format}\"");
        let shop = Shop::with(&[("ledger", "keep_failed = true"), ("upstream", &format)]);
        let mut sidecar = shop.sidecar();
        let notification = Notification::genuine(form);
        let first = shop.fails(&sidecar, &notification);
        let entries = shop.list();
        let [entry] = entries.as_slice() else { panic!("{entries:?}") };
        assert_eq!(entry["notify_id"], id(&first));
        assert_eq!(entry["app_id"], APP_ID);
        assert_eq!(entry["msg_method"], first.header("alipay-msg-method").unwrap());
        assert_eq!((&entry["attempts"], &entry["reason"]), (&1.into(), &"upstream_refused".into()));
        let time = |name: &str| entry[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        assert_eq!(time("first_seen"), time("last_attempt"));
        assert_eq!(time("next_due").as_second() - time("first_seen").as_second(), 120);
        assert!(sidecar.admin("/metrics").1.contains("alipay_sidecar_pending 1\n"));
        let (code, out, err) = shop.pending(&["replay", &id(&first)]);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
        assert!(out.contains("accepted") && out.contains(&id(&first)), "{out}");
        let second = shop.upstream.got();
        assert_eq!(essence(&second), essence(&first));
        assert_eq!(second.header("alipay-attempt"), Some("2"));
        let line = sidecar.line("replay");
        assert_eq!((&line["result"], &line["notify_id"]), (&"accepted".into(), &id(&first).into()));
        assert!(sidecar.admin("/metrics").1.contains("alipay_sidecar_pending 0\n"));
        // Alipay comes again, and so does the operator.
        sidecar.connect().post(&notification.body()).is(200, "success");
        let (code, out, _) = shop.pending(&["replay", &id(&first)]);
        assert_eq!(code, Some(0), "{out}");
        assert!(out.contains("accepted_earlier"), "{out}");
        shop.upstream.got_nothing();
        assert_eq!(shop.pending(&["list"]).1, "Nothing is pending.\n");
        end(sidecar, "TERM");
    }
}

#[test]
fn without_a_process_the_commands_open_the_ledger_themselves() {
    let shop = Shop::open();
    // Before there is a ledger, looking makes none, and does not say that nothing is pending.
    let (code, out, said) = shop.pending(&["list"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(said.starts_with("there is no ledger at "), "{said}");
    assert!(!shop.ledger().exists());
    let sidecar = shop.sidecar();
    let notification = Notification::genuine(Form::V1);
    let first = shop.fails(&sidecar, &notification);
    end(sidecar, "TERM");
    assert!(!shop.socket().exists(), "the socket goes with the process");
    assert_eq!(shop.ids(), [id(&first)]);
    let (code, out, err) = shop.pending(&["replay", "--all"]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert_eq!(essence(&shop.upstream.got()), essence(&first));
    assert!(shop.ids().is_empty());
    let sidecar = shop.sidecar();
    sidecar.connect().post(&notification.body()).is(200, "success");
    shop.upstream.got_nothing();
    end(sidecar, "TERM");
}

#[test]
fn what_is_kept_survives_a_kill_9_and_the_socket_that_it_leaves_behind_is_in_nobodys_way() {
    let shop = Shop::open();
    let sidecar = shop.sidecar();
    let first = shop.fails(&sidecar, &Notification::genuine(Form::V1));
    end(sidecar, "KILL");
    assert!(shop.socket().exists());
    assert_eq!(shop.ids(), [id(&first)]);
    let sidecar = shop.sidecar();
    let other = shop.fails(&sidecar, &Notification::genuine(Form::V2));
    // Of one second, any may come first.
    let mut ids = shop.ids();
    ids.sort();
    assert_eq!(ids, [id(&first), id(&other)]);
    assert_eq!(shop.pending(&["replay", &id(&first)]).0, Some(0));
    assert_eq!(essence(&shop.upstream.got()), essence(&first));
    end(sidecar, "KILL");
    // What was accepted is not sent again, and what was not is still there.
    let (code, out, _) = shop.pending(&["replay", &id(&first), "--json"]);
    let said: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &said["result"]), (Some(0), &"accepted_earlier".into()), "{out}");
    shop.upstream.got_nothing();
    assert_eq!(shop.ids(), [id(&other)]);
}

#[test]
fn what_the_end_of_the_process_cuts_off_is_kept_and_counted_as_an_attempt() {
    let shop = Shop::with(&[("ledger", "keep_failed = true"), ("server", "drain_timeout = \"1ms\"")]);
    let sidecar = shop.sidecar();
    let notification = Notification::genuine(Form::V1);
    shop.upstream.does([Act::Hang]);
    let mut client = sidecar.connect();
    let body = notification.body();
    client.send(format!("{}{body}", Client::head(body.len(), "")));
    let first = shop.upstream.got();
    sidecar.signal("TERM");
    client.answer().is(200, "fail");
    assert!(sidecar.end().0.success());
    let kept = shop.list();
    assert_eq!(kept.len(), 1);
    assert_eq!((&kept[0]["notify_id"], &kept[0]["reason"]), (&id(&first).into(), &"shutting_down".into()));
    let sidecar = shop.sidecar();
    assert_eq!(shop.fails(&sidecar, &notification).header("alipay-attempt"), Some("2"));
    end(sidecar, "TERM");
}

#[test]
fn a_delivery_by_alipay_that_is_accepted_makes_it_pending_no_longer() {
    let shop = Shop::open();
    let sidecar = shop.sidecar();
    let notification = Notification::genuine(Form::V1);
    shop.fails(&sidecar, &notification);
    shop.fails(&sidecar, &notification);
    let entries = shop.list();
    assert_eq!((entries.len(), &entries[0]["attempts"]), (1, &2.into()));
    sidecar.connect().post(&notification.body()).is(200, "success");
    assert_eq!(shop.upstream.got().header("alipay-attempt"), Some("3"));
    assert!(shop.ids().is_empty());
    end(sidecar, "TERM");
}

#[test]
fn what_the_app_still_refuses_stays_and_the_exit_code_says_so() {
    let shop = Shop::open();
    let sidecar = shop.sidecar();
    let (first, second) = (
        shop.fails(&sidecar, &Notification::genuine(Form::V1)),
        shop.fails(&sidecar, &Notification::genuine(Form::V1)),
    );
    shop.upstream.does([Act::status(503), Act::status(204)]);
    let (code, out, _) = shop.pending(&["replay", "--all", "--json"]);
    let said: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(code, Some(1), "{out}");
    // The oldest first, or those of one second in any order.
    assert_eq!((&said[0]["result"], &said[0]["upstream_status"]), (&"failed".into(), &503.into()));
    assert_eq!((&said[0]["reason"], &said[0]["attempt"]), (&"upstream_refused".into(), &2.into()));
    assert_eq!(said[1]["result"], "accepted");
    let entries = shop.list();
    let [entry] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!((&entry["notify_id"], &entry["attempts"]), (&said[0]["notify_id"], &2.into()));
    assert!([id(&first), id(&second)].contains(&entry["notify_id"].as_str().unwrap().to_owned()));
    // Nor is an app that is away a reason to lose it.
    end(sidecar, "TERM");
    let nobody = config("http://127.0.0.1:9/app", &shop.settings());
    fs::write(shop.folder.path().join("sidecar.toml"), nobody).unwrap();
    let (code, out, _) = shop.pending(&["replay", "--all"]);
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("failed") && out.contains("upstream_unreachable"), "{out}");
    assert_eq!(
        (&shop.list()[0]["attempts"], &shop.list()[0]["reason"]),
        (&3.into(), &"upstream_unreachable".into())
    );
}

#[test]
fn a_name_under_which_nothing_is_kept_is_said_to_be_unknown() {
    let shop = Shop::open();
    let sidecar = shop.sidecar();
    let first = shop.fails(&sidecar, &Notification::genuine(Form::V1));
    let of_another_app = format!("{OTHER_APP_ID}/{}", id(&first));
    let (code, out, _) = shop.pending(&["replay", "5608nothing", &of_another_app, &id(&first), &id(&first)]);
    assert_eq!(code, Some(1), "{out}");
    assert_eq!(out.matches("unknown").count(), 2, "{out}");
    assert_eq!(out.lines().count(), 4, "what is named twice is sent once: {out}");
    shop.upstream.got();
    shop.upstream.got_nothing();
    end(sidecar, "TERM");
    for arguments in [&["replay"][..], &["replay", "--all", "5608nothing"], &[]] {
        assert_eq!(shop.pending(arguments).0, Some(2), "{arguments:?}");
    }
}

#[test]
fn one_name_for_two_apps_is_not_guessed_at() {
    let shop = Shop::open();
    let sidecar = shop.sidecar();
    let notification = Notification::unsigned();
    for app in [APP_ID, OTHER_APP_ID] {
        shop.fails(&sidecar, &notification.clone().set("app_id", app).signed(Form::V1, other_key()));
    }
    let name = shop.ids().pop().unwrap();
    let (code, out, _) = shop.pending(&["replay", &name]);
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("ambiguous") && out.contains("APP_ID/NOTIFY_ID"), "{out}");
    shop.upstream.got_nothing();
    // What stands in the first column is told apart.
    let of_other_app = format!("{OTHER_APP_ID}/{name}");
    assert!(shop.names().contains(&of_other_app), "{:?}", shop.names());
    assert_eq!(shop.pending(&["replay", &of_other_app]).0, Some(0));
    assert_eq!(shop.upstream.got().header("alipay-app-id"), Some(OTHER_APP_ID));
    assert_eq!(shop.list()[0]["app_id"], APP_ID);
    assert_eq!(shop.names(), [name]);
    end(sidecar, "TERM");
}

#[test]
fn whatever_stands_in_the_first_column_of_the_list_can_be_replayed() {
    let shop = Shop::open();
    let sidecar = shop.sidecar();
    let long = flat("trade_status_sync", &[("trade_no", "1")]).set("notify_id", "a".repeat(128));
    let twice = Notification::unsigned();
    let twice = [APP_ID, OTHER_APP_ID].map(|app| twice.clone().set("app_id", app));
    for notification in [Notification::unsigned(), long].into_iter().chain(twice) {
        shop.fails(&sidecar, &notification.signed(Form::V1, other_key()));
    }
    let names = shop.names();
    assert_eq!(names.len(), 4, "{names:?}");
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (code, out, _) = shop.pending(&[&["replay"], names.as_slice()].concat());
    assert_eq!(code, Some(0), "{out}");
    assert!(shop.names().is_empty());
    end(sidecar, "TERM");
}

#[test]
fn who_reads_no_more_of_what_is_printed_is_no_reason_to_complain() {
    let shop = Shop::open();
    let sidecar = shop.sidecar();
    shop.fails(&sidecar, &Notification::genuine(Form::V1));
    for arguments in [&["list"][..], &["list", "--json"]] {
        let (nobody, out) = std::io::pipe().unwrap();
        drop(nobody);
        let mut command = command(shop.folder.path(), &[&["pending"], arguments].concat());
        let output = command.stdout(out).stderr(Stdio::piped()).output().unwrap();
        assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]), "{arguments:?}");
    }
    // What was replayed is not known then.
    let (nobody, out) = std::io::pipe().unwrap();
    drop(nobody);
    let mut command = command(shop.folder.path(), &["pending", "replay", "--all"]);
    let output = command.stdout(out).stderr(Stdio::piped()).output().unwrap();
    assert_eq!((output.status.code(), &*output.stderr), (Some(141), &b""[..]));
    end(sidecar, "TERM");
}

#[test]
fn two_replays_at_once_deliver_once() {
    for has_process in [true, false] {
        let shop = Shop::open();
        let sidecar = shop.sidecar();
        let first = shop.fails(&sidecar, &Notification::genuine(Form::V1));
        let sidecar = if has_process {
            Some(sidecar)
        } else {
            end(sidecar, "KILL");
            None
        };
        shop.upstream.does([Act::Wait]);
        let children = [shop.begin(&["replay", &id(&first)]), shop.begin(&["replay", "--all"])];
        assert_eq!(id(&shop.upstream.got()), id(&first));
        shop.upstream.release();
        for child in children {
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{output:?}");
        }
        shop.upstream.got_nothing();
        assert!(shop.ids().is_empty());
        if let Some(sidecar) = sidecar {
            end(sidecar, "TERM");
        }
    }
}

#[test]
fn who_repeats_what_is_being_replayed_waits_and_hears_the_same() {
    let shop = Shop::open();
    let sidecar = shop.sidecar();
    let notification = Notification::genuine(Form::V1);
    let first = shop.fails(&sidecar, &notification);
    shop.upstream.does([Act::Wait]);
    let child = shop.begin(&["replay", &id(&first)]);
    shop.upstream.got();
    let mut repeat = sidecar.connect();
    let body = notification.body();
    repeat.send(format!("{}{body}", Client::head(body.len(), "")));
    shop.upstream.release();
    repeat.answer().is(200, "success");
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
    shop.upstream.got_nothing();
    end(sidecar, "TERM");
}

#[test]
fn when_the_process_ends_what_is_being_replayed_ends_first_and_the_rest_is_not_begun() {
    let shop = Shop::open();
    let mut sidecar = shop.sidecar();
    for _ in 0..3 {
        shop.fails(&sidecar, &Notification::genuine(Form::V1));
    }
    shop.upstream.does([Act::Wait]);
    let child = shop.begin(&["replay", "--all", "--json"]);
    let sent = shop.upstream.got();
    sidecar.signal("TERM");
    sidecar.line("draining");
    shop.upstream.release();
    let output = child.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(2), "{out}{err}");
    assert!(err.contains("the sidecar is about to end"), "{err}");
    let said: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((said.len(), &said[0]["result"]), (1, &"accepted".into()), "{out}");
    assert!(sidecar.end().0.success());
    shop.upstream.got_nothing();
    let left = shop.ids();
    assert!(left.len() == 2 && !left.contains(&id(&sent)), "{left:?}");
}

#[test]
fn a_replay_that_a_kill_9_cuts_off_is_known_for_one_and_can_be_asked_for_again() {
    let shop = Shop::open();
    let sidecar = shop.sidecar();
    let first = shop.fails(&sidecar, &Notification::genuine(Form::V1));
    shop.upstream.does([Act::Wait]);
    let child = shop.begin(&["replay", "--all"]);
    shop.upstream.got();
    end(sidecar, "KILL");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("broke off"), "{output:?}");
    shop.upstream.release();
    assert_eq!(shop.ids(), [id(&first)]);
    assert_eq!(shop.pending(&["replay", "--all"]).0, Some(0));
    // Nobody could record the attempt that was cut off.
    let again = shop.upstream.got();
    assert_eq!((essence(&again), again.header("alipay-attempt")), (essence(&first), Some("2")));
}

#[test]
fn only_the_owner_can_open_the_ledger_and_its_socket_and_no_content_is_listed() {
    let shop = Shop::open();
    let sidecar = shop.sidecar();
    let content = r#"{"mini_app_id":"2021098756789043","certify_result_status":"a secret of somebody's"}"#;
    let notification = Notification::unsigned().set("biz_content", content).signed(Form::V1, key());
    let first = shop.fails(&sidecar, &notification);
    assert!(first.text().contains("a secret of somebody's"));
    for path in [shop.ledger(), shop.socket()] {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{path:?}");
    }
    for arguments in [&["list"][..], &["list", "--json"], &["replay", "--all"]] {
        let (_, out, err) = shop.pending(arguments);
        assert!(
            out.contains(&id(&first)) && !out.contains("secret") && !err.contains("secret"),
            "{out}{err}"
        );
    }
    sidecar.signal("TERM");
    let (_, log) = sidecar.end();
    assert!(log.iter().all(|line| !line.contains("secret")), "{log:?}");
}

#[test]
fn what_is_not_asked_properly_is_told_so_and_harms_nobody() {
    let shop = Shop::open();
    let sidecar = shop.sidecar();
    for question in ["\n", "{}\n", "\"everything\"\n", "GET / HTTP/1.1\r\n\r\n", "\u{fffd}\0\n", ""] {
        let mut stream = UnixStream::connect(shop.socket()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(question.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        assert!(said["problem"].as_str().unwrap().contains("no question"), "{said}");
    }
    // What is too long is cut off, and what comes after is not read.
    let mut stream = UnixStream::connect(shop.socket()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    drop(stream.write_all(&vec![b'['; 2 * 1024 * 1024]));
    let mut said = Vec::new();
    drop(stream.read_to_end(&mut said));
    assert!(shop.ids().is_empty());
    sidecar.connect().post(&Notification::genuine(Form::V1).body()).is(200, "success");
    end(sidecar, "TERM");
}

#[test]
fn where_nothing_is_kept_the_commands_say_how_to_switch_it_on() {
    let shop = Shop::with(&[]);
    let sidecar = shop.sidecar();
    shop.fails(&sidecar, &Notification::genuine(Form::V1));
    let said_off = |shop: &Shop| {
        for arguments in [&["list"][..], &["replay", "--all"]] {
            let (code, _, err) = shop.pending(arguments);
            assert_eq!(code, Some(2));
            assert!(err.contains("keep_failed = true"), "{err}");
        }
    };
    said_off(&shop);
    end(sidecar, "TERM");
    said_off(&shop);
    let file = shop.folder.path().join("sidecar.toml");
    for store in ["memory", "off"] {
        fs::write(&file, format!("[ledger]\nstore = \"{store}\"\n")).unwrap();
        said_off(&shop);
        fs::write(&file, format!("[ledger]\nstore = \"{store}\"\nkeep_failed = true\n")).unwrap();
        let (code, _, err) = shop.pending(&["list"]);
        assert_eq!(code, Some(2));
        assert!(err.contains("sidecar.toml:3:") && err.contains("ledger.keep_failed"), "{err}");
    }
}

#[test]
fn what_was_kept_is_there_when_it_is_switched_off() {
    let shop = Shop::open();
    let sidecar = shop.sidecar();
    let first = shop.fails(&sidecar, &Notification::genuine(Form::V1));
    end(sidecar, "TERM");
    let off: Vec<_> =
        shop.settings().into_iter().filter(|(_, line)| !line.starts_with("keep_failed")).collect();
    fs::write(shop.folder.path().join("sidecar.toml"), config(&shop.url, &off)).unwrap();
    assert_eq!(shop.ids(), [id(&first)]);
    assert_eq!(shop.pending(&["replay", "--all"]).0, Some(0));
    assert_eq!(essence(&shop.upstream.got()), essence(&first));
}

#[test]
fn the_process_that_serves_delivers_to_where_it_is_configured_to() {
    let shop = Shop::open();
    let sidecar = shop.sidecar();
    shop.fails(&sidecar, &Notification::genuine(Form::V1));
    let elsewhere = config("http://127.0.0.1:9/app", &shop.settings());
    fs::write(shop.folder.path().join("sidecar.toml"), elsewhere).unwrap();
    assert_eq!(shop.pending(&["replay", "--all"]).0, Some(0));
    shop.upstream.got();
    end(sidecar, "TERM");
}
