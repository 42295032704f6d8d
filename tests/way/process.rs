//! The built binary: its log, its signals, its exit codes.

use std::fs;

use crate::support::alipay::{APP_ID, CONTENT, Form, Notification, flat, key};
use crate::support::client::Client;
use crate::support::process::{Running, command, output};
use crate::support::upstream::Act;

fn request(notification: &Notification) -> String {
    let body = notification.body();
    format!("{}{body}", Client::head(body.len(), ""))
}

#[test]
fn each_notification_is_one_line_of_the_log_with_names_and_no_values() {
    let mut running = Running::start(&[]);
    running.connect().post(&Notification::genuine(Form::V1).body()).is(200, "success");
    let line = running.line("notification");
    let names: Vec<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "app_id",
            "bytes",
            "event",
            "form",
            "handling_ms",
            "level",
            "msg_method",
            "notify_id",
            "outcome",
            "peer",
            "schema",
            "timestamp",
            "trace_id",
            "upstream_ms",
            "upstream_status"
        ]
    );
    assert_eq!((&line["outcome"], &line["level"]), (&"accepted".into(), &"INFO".into()));
    assert_eq!((&line["form"], &line["schema"]), (&"v1".into(), &"typed".into()));
    assert_eq!(line["trace_id"], running.upstream.got().header("traceparent").unwrap()[3..35]);

    running.upstream.does([Act::status(500)]);
    running.connect().post(&Notification::genuine(Form::V1).body()).is(200, "fail");
    let line = running.line("notification");
    assert_eq!((&line["outcome"], &line["level"]), (&"failed".into(), &"WARN".into()));
    assert_eq!((&line["reason"], &line["upstream_status"]), (&"upstream_refused".into(), &500.into()));

    let forged = Notification::genuine(Form::V1).set("notify_id", "a\u{1b}[31m\nb");
    running.connect().post(&forged.body()).is(400, "fail");
    let line = running.line("notification");
    assert_eq!((&line["outcome"], &line["reason"]), (&"refused".into(), &"malformed_parameter".into()));
    assert_eq!(line["cause"], "notify_id breaks its grammar");
    assert!(line.get("notify_id").is_none(), "what breaks its grammar is not written");

    running.signal("TERM");
    let (status, lines) = running.end();
    assert!(status.success());
    assert!(!lines.iter().any(|line| line.contains("\"notification\"")), "one line each: {lines:?}");
}

#[test]
fn the_line_of_a_flat_notification_says_its_type_and_its_app() {
    let mut running = Running::start(&[]);
    let id = "a".repeat(128);
    let trade = flat("trade_status_sync", &[("trade_no", "1")]).set("notify_id", &id);
    running.connect().post(&trade.signed(Form::V1, key()).body()).is(200, "success");
    let line = running.line("notification");
    assert_eq!((&line["msg_method"], &line["app_id"]), (&"trade_status_sync".into(), &APP_ID.into()));
    assert_eq!(line["notify_id"], id);

    let of_a_seller = flat("trade_status_sync", &[("seller_id", APP_ID)]);
    let of_a_seller = of_a_seller.without("app_id").without("version").without("charset");
    running.connect().post(&of_a_seller.signed(Form::V1, key()).body()).is(200, "success");
    let line = running.line("notification");
    assert_eq!((&line["msg_method"], &line["app_id"]), (&"trade_status_sync".into(), &APP_ID.into()));
    running.signal("TERM");
    assert!(running.end().0.success());
}

#[test]
fn nothing_of_the_content_reaches_the_log() {
    let running = Running::start(&[("log", "level = \"trace\"")]);
    let contents = [
        CONTENT,
        r#"{"mini_app_id":7,"certify_result_status":"人脸核验","bundle_id":"人脸核验","x":"人脸核验"}"#,
        "{\"人脸核验\":1,\"人脸核验\":2}",
    ];
    for content in contents {
        for form in [Form::V1, Form::V2] {
            let genuine = Notification::unsigned().set("biz_content", content).set("memo", "人脸核验");
            let signed = genuine.signed(form, key());
            drop(running.connect().post(&signed.body()));
            drop(running.connect().post(&signed.clone().set("memo", "人脸核验!").body()));
            drop(running.connect().post(&signed.without("version").body()));
        }
    }
    running.signal("INT");
    let (status, lines) = running.end();
    assert!(status.success());
    assert!(
        lines.iter().filter(|line| line.contains("\"event\":\"notification\"")).count() == 18,
        "{lines:#?}"
    );
    for secret in ["人脸", "2021098756789043", "alipaywallet", "\\u4eba"] {
        let leaks: Vec<_> = lines.iter().filter(|line| line.contains(secret)).collect();
        assert!(leaks.is_empty(), "{leaks:?}");
    }
}

#[test]
fn a_flood_is_written_in_part_and_counted_in_full() {
    let running = Running::start(&[]);
    let forged = request(&Notification::genuine(Form::V1).set("version", "1.0"));
    let mut client = running.connect();
    for _ in 0..10 {
        client.send(forged.repeat(100));
        for _ in 0..100 {
            client.answer().is(403, "fail");
        }
    }
    running.signal("TERM");
    let (_, lines) = running.end();
    let lines: Vec<serde_json::Value> =
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let written = lines.iter().filter(|line| line["event"] == "notification").count();
    let counted: u64 = lines.iter().filter_map(|line| line["lines"].as_u64()).sum();
    assert_eq!(u64::try_from(written).unwrap() + counted, 1000);
    assert!(counted > 0, "{written} lines were written");
}

#[test]
fn the_first_signal_drains_and_ends_with_0() {
    for signal in ["TERM", "INT"] {
        let mut running = Running::start(&[]);
        running.upstream.does([Act::Wait]);
        let mut client = running.connect();
        client.send(request(&Notification::genuine(Form::V2)));
        running.upstream.got();
        running.signal(signal);
        running.line("draining");
        running.upstream.release();
        client.answer().is(200, "success");
        let (status, lines) = running.end();
        assert_eq!(status.code(), Some(0), "{lines:#?}");
        assert!(lines.iter().any(|line| line.contains("\"drained\"")), "{lines:#?}");
    }
}

#[test]
fn the_second_signal_ends_at_once() {
    let mut running = Running::start(&[]);
    running.upstream.does([Act::Hang]);
    let mut client = running.connect();
    client.send(request(&Notification::genuine(Form::V2)));
    running.upstream.got();
    running.signal("TERM");
    running.line("draining");
    running.signal("TERM");
    client.is_closed();
    let (status, _) = running.end();
    assert_eq!(status.code(), Some(1));
}

#[test]
fn what_the_user_can_mend_ends_with_2_and_says_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, err) = output(command(folder.path(), &["run"]));
    assert_eq!(code, Some(2));
    assert!(err.contains("sidecar.toml"), "{err}");
    fs::write(folder.path().join("sidecar.toml"), "[server]\nlisten = 1\nmax_params = \"x\"\nnew = 1\n")
        .unwrap();
    for arguments in [&["run"][..], &["check"]] {
        let (code, out, err) = output(command(folder.path(), arguments));
        assert_eq!(code, Some(2));
        for place in ["sidecar.toml:2:", "sidecar.toml:3:", "sidecar.toml:4:"] {
            assert!(format!("{out}{err}").contains(place), "{place} in {out}{err}");
        }
    }
    let (code, _, err) = output(command(folder.path(), &["rnu"]));
    assert_eq!(code, Some(2));
    assert!(err.contains("rnu"), "{err}");
}

#[test]
fn an_address_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let address = taken.local_addr().unwrap();
    fs::write(folder.path().join("sidecar.toml"), format!("[server]\nlisten = \"{address}\"\n")).unwrap();
    let (code, _, err) = output(command(folder.path(), &["run"]));
    assert_eq!(code, Some(1));
    assert!(err.contains(&format!("server.listen = \"{address}\"")), "{err}");
}

#[test]
fn the_default_configuration_runs_on_the_keys_of_keygen() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, _) = output(command(folder.path(), &["keygen", "keys"]));
    assert_eq!(code, Some(0));
    assert!(out.contains("keys/alipay.pem"), "{out}");
    let default = include_str!("../../sidecar.toml");
    let app = "\n[[apps]]\napp_id = \"2021000000000000\"\nalipay_public_key_files = [\"keys/alipay.pem\"]\n";
    fs::write(folder.path().join("sidecar.toml"), format!("{default}{app}")).unwrap();
    let (code, out, _) = output(command(folder.path(), &["check"]));
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("SHA256:") && out.contains("2021000000000000"), "{out}");
    let (code, _, err) = output(command(folder.path(), &["keygen", "keys"]));
    assert_eq!(code, Some(2), "{err}");
}

#[test]
fn the_demo_goes_as_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, err) = output(command(folder.path(), &["demo", "--once"]));
    assert_eq!(code, Some(0), "{out}{err}");
    for line in [
        "Alipay hears: 200 success",
        "Alipay hears: 200 fail",
        "the sender hears 403 fail",
        "人脸核验时人脸被遮挡",
    ] {
        assert!(out.contains(line), "{line} in {out}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn a_log_that_nobody_reads_holds_nothing_up() {
    let running = Running::start(&[]);
    let body = Notification::genuine(Form::V1).body();
    let mut client = running.connect();
    // Their lines are more than a pipe takes.
    for _ in 0..600 {
        client.post(&body).is(200, "success");
    }
    running.signal("TERM");
    client.is_closed();
    let (status, lines) = running.end();
    assert_eq!(status.code(), Some(0));
    assert!(!lines.is_empty());
}
