//! `--hostile` against the proxy, which lets nothing pass, and against an SDK that is not ours, which does.

use std::sync::Mutex;

use serde_json::{Value, json};

use crate::driver::{Driver, python};
use crate::receiver::{Got, Receiver};
use crate::sidecar::{Folder, Sidecar};
use crate::{run, simulate, summary};

/// The names of the attacks with that verdict.
fn names<'f>(found: &'f Value, verdict: &str) -> Vec<&'f str> {
    let attacks = found["attacks"].as_array().unwrap().iter();
    attacks
        .filter(|attack| attack["verdict"] == verdict)
        .map(|attack| attack["attack"].as_str().unwrap())
        .collect()
}

#[test]
fn no_attack_passes_the_proxy_and_what_it_takes_was_signed() {
    let (folder, upstream) = (Folder::new(), Receiver::accepting());
    let sidecar = Sidecar::start(&folder, upstream.address);
    for arguments in
        [&["--hostile"][..], &["--hostile", "--form", "v2", "--encrypt-key", "keys/content_key.txt"]]
    {
        let (code, found) = summary(&folder, &sidecar.url, arguments);
        assert_eq!(
            (code, &found["passed"], &found["finished"]),
            (Some(0), &0.into(), &true.into()),
            "{found}"
        );
        // Each of them reads as what was signed.
        assert_eq!(
            names(&found, "taken"),
            ["added_empty", "other_charset", "posed_headers", "method_override", "chunked", "upgrade"]
        );
        assert!(names(&found, "refused").len() > 80, "{found}");
        let mut all = [names(&found, "refused"), names(&found, "taken")].concat();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count, "each attack has a name of its own: {all:?}");
        let controls = found["genuine"].as_array().unwrap();
        assert!(controls.iter().all(|control| control["accepted"] == true), "{found}");
        // The check of the address is not for the app.
        let accepted = controls.len() - 1 + names(&found, "taken").len();
        let got = upstream.got();
        assert_eq!(got.len(), accepted, "the app got what was accepted, and nothing else");
        let forged: Vec<&Got> = got
            .iter()
            .filter(|got| String::from_utf8_lossy(&got.body).contains("2021000000000666"))
            .collect();
        assert!(forged.is_empty(), "{forged:?}");
    }
}

#[test]
fn an_sdk_that_takes_every_reading_of_a_signed_text_is_found_out() {
    let folder = Folder::new();
    let (interpreter, script, installed) = python("python-alipay-sdk");
    let driver = Mutex::new(Driver::start("python-alipay-sdk", &interpreter, &script, &installed));
    let key = folder.key("alipay.pem");
    let app = Receiver::answering(move |_, got| {
        let body = String::from_utf8_lossy(&got.body);
        let request = json!({ "do": "verify", "charset": "utf-8", "body": body, "public_key_file": key });
        let verdict = driver.lock().unwrap().ask(&request);
        (200, if verdict["accepted"] == true { "success" } else { "fail" })
    });
    let (code, found) = summary(&folder, &app.url(), &["--hostile", "--concurrency", "16"]);
    assert_eq!(code, Some(1), "{found}");
    let passed = names(&found, "passed");
    for attack in
        ["folded_time", "folded_all", "folded_name", "v2_as_v1", "split", "emptied", "chosen_method"]
    {
        assert!(passed.contains(&attack), "{attack} passes, for the SDK escapes nothing: {passed:?}");
    }
    // And no false alarm: these it refuses, or they can be read as what was signed.
    for attack in ["unsigned", "stranger", "changed_content", "changed_id", "left_out", "flipped_sign", "get"]
    {
        assert!(!passed.contains(&attack), "{attack}: {passed:?}");
    }
    assert_eq!(found["finished"], true);
    let controls = found["genuine"].as_array().unwrap();
    let v2 = controls.iter().find(|control| control["subject"] == "message signed as v2").unwrap();
    assert_eq!(v2["accepted"], false, "it takes one form only, which is told: {controls:?}");
}

#[test]
fn without_anything_genuine_accepted_nothing_is_attacked() {
    let (folder, others, upstream) = (Folder::new(), Folder::new(), Receiver::accepting());
    let sidecar = Sidecar::start(&folder, upstream.address);
    let (code, found) = summary(&others, &sidecar.url, &["--hostile"]);
    assert_eq!((code, &found["attacks"], &found["finished"]), (Some(1), &json!([]), &false.into()));
    let (code, out, _) = run(simulate(&others, &sidecar.url, &["--hostile"]));
    assert_eq!(code, Some(1));
    assert!(out.contains("Nothing genuine was accepted"), "{out}");
}

#[test]
fn one_that_accepts_everything_fails_in_every_forgery() {
    let folder = Folder::new();
    let app = Receiver::answering(|_, _| (200, "success"));
    let (code, out, _) = run(simulate(&folder, &app.url(), &["--hostile", "--concurrency", "16"]));
    assert_eq!(code, Some(1));
    for line in
        ["PASSED    200 success               unsigned:", "PASSED    200 success               folded_time:"]
    {
        assert!(out.contains(line), "{line} in {out}");
    }
    assert!(out.contains("It takes no gateway check, so 4 attacks of that kind are left out."), "{out}");
    assert!(out.contains("PASSED: what nobody signed was answered with `success`."), "{out}");
}
