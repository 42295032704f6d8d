//! Captures that hold several notifications, or one that can be read in several ways.

use serde_json::Value;

use crate::alipay::{Form, Notification, key, other_key};
use crate::{Desk, each, map, notification};

const KEY: [&str; 2] = ["--key", "alipay.pem"];

/// As Java prints a map of them.
fn java(notification: &Notification) -> String {
    let pairs: Vec<String> = notification
        .params
        .iter()
        .map(|(name, value)| format!("{name}={}", std::str::from_utf8(value).unwrap()))
        .collect();
    format!("{{{}}}", pairs.join(", "))
}

#[test]
fn each_notification_of_a_capture_is_explained_in_its_turn() {
    let (genuine, forged) = (notification(), Notification::unsigned().signed(Form::V1, other_key()));
    let log = format!("12:00 INFO body: {}\n12:01 INFO params: {}\n", genuine.body(), map(&forged));
    let (code, out, _) = Desk::new().run(&KEY, log.as_bytes());
    assert_eq!(code, Some(1));
    let id =
        |notification: &Notification| String::from_utf8(notification.value("notify_id").to_vec()).unwrap();
    let heads: Vec<&str> = out.lines().filter(|line| line.starts_with("===")).collect();
    let (first, second) = (id(&genuine), id(&forged));
    let expected = [
        format!("=== Notification 1 of 2: {first}, a body in a line of a log ==="),
        format!("=== Notification 2 of 2: {second}, a JSON map of parameters ==="),
    ];
    assert_eq!(heads, expected);
    let verdicts: Vec<&str> = out.lines().filter(|line| line.contains("VERIFIED")).collect();
    assert!(verdicts[0].starts_with("VERIFIED: genuine"), "{out}");
    assert!(verdicts[1].starts_with("NOT VERIFIED: no_key_opens"), "{out}");
    let (code, out, _) = Desk::new().run(&["--key", "alipay.pem", "--json"], log.as_bytes());
    assert_eq!(code, Some(1));
    let reports: Vec<Value> =
        serde_json::Deserializer::from_str(&out).into_iter().collect::<Result<_, _>>().unwrap();
    let verified: Vec<&Value> = reports.iter().map(|report| &report["verified"]).collect();
    assert_eq!(verified, [true, false]);
    let two = format!("{}\n{}\n", genuine.body(), notification().body());
    assert_eq!(Desk::new().run(&KEY, two.as_bytes()).0, Some(0));
}

#[test]
fn more_than_are_explained_at_once_are_refused_with_how_to_choose() {
    let bodies: Vec<String> = (0..20).map(|_| notification().body()).collect();
    let log = bodies.join("\n");
    let (code, out, err) = Desk::new().run(&KEY, log.as_bytes());
    assert_eq!((code, out.as_str()), (Some(2), ""));
    insta::assert_snapshot!(err, @"standard input: it holds 20 notifications, and 16 are explained at once: give those of one notify_id, as grep finds them");
}

#[test]
fn a_map_of_java_is_read_in_that_way_in_which_the_signature_holds() {
    for subject in ["a, x=b", "a, x=b, y=c", "a, version=9", "a} b", "a, sign=b", "a={b, c=d}"] {
        let genuine = Notification::unsigned().set("subject", subject).signed(Form::V1, key());
        let lists = java(&each(&genuine, |value| format!("[{value}]")));
        let sign = std::str::from_utf8(genuine.value("sign")).unwrap();
        let lists = lists.replace(sign, &format!("[{sign}]"));
        for log in [java(&genuine), format!("INFO {} resp={{x=1}}", java(&genuine)), lists] {
            let report = Desk::new().explain(log);
            report.verifies();
            let parameters = report.0["received"]["parameters"].as_array().unwrap();
            let read = parameters.iter().find(|pair| pair["name"] == "subject").unwrap();
            assert_eq!(read["value"], subject);
        }
    }
}

#[test]
fn a_map_of_java_is_read_in_that_way_in_which_it_is_proven_what_changed() {
    let genuine = Notification::unsigned().set("subject", "a, x=<b>").signed(Form::V1, key());
    let damaged = genuine.set("subject", "a, x=&lt;b&gt;");
    let report = Desk::new().explain(java(&damaged));
    report.proves(&["html_escaped"]).within(&["subject"]);
}

#[test]
fn a_map_that_stays_ambiguous_is_said_to_be() {
    let genuine = Notification::unsigned().set("subject", "a, x=b").signed(Form::V1, key());
    let changed = genuine.set("subject", "c, x=b");
    let report = Desk::new().explain(java(&changed));
    let note = report.0["received"]["notes"][0].as_str().unwrap();
    assert!(note.starts_with("ambiguous: "), "{note}");
    let (_, out, _) = Desk::new().run(&KEY, java(&changed).as_bytes());
    assert!(out.contains("  note      ambiguous: "), "{out}");
    let certain = Desk::new().explain(java(&notification().set("version", "9")));
    assert_eq!(certain.0["received"]["notes"], serde_json::json!([]));
}

#[test]
fn what_follows_a_body_in_its_file_is_no_part_of_it() {
    for after in ["\n\nsuccess\n", "\nHTTP/1.1 200 OK\n", "\n{\"a\":1}\n"] {
        Desk::new().explain(format!("{}{after}", notification().body())).verifies();
    }
}
