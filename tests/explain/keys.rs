//! The key, the hash or the form is at fault, or the signature itself.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rsa::Pkcs1v15Sign;
use rsa::pkcs1::EncodeRsaPublicKey;
use rsa::pkcs8::{DecodePublicKey, LineEnding};
use sha2::{Digest, Sha512};

use crate::alipay::{APP_ID, Form, Notification, OTHER_APP_ID, foreign_key, key, other_key};
use crate::{Desk, change, notification, trade};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/config/keys");

/// A configuration of these apps, each with the key in a file.
fn config(apps: &[(&str, &str)], more: &str) -> String {
    let apps = apps.iter().map(|(app_id, file)| {
        format!("[[apps]]\napp_id = \"{app_id}\"\nalipay_public_key_files = [\"{file}\"]\n")
    });
    format!("{}{more}", apps.collect::<String>())
}

#[test]
fn the_apps_own_key_in_the_place_of_alipays() {
    let desk = Desk::new();
    desk.write("own.pem", foreign_key().public());
    let arguments = ["--key", "own.pem", "--app-public-key", "own.pem"];
    desk.json(&arguments, notification().body()).proves(&["app_key"]);
    // Known by its private half, too.
    desk.write("private.pem", foreign_key().private());
    desk.write("sidecar.toml", config(&[(APP_ID, "own.pem")], "app_private_key_file = \"private.pem\"\n"));
    desk.json(&[], notification().body()).proves(&["app_key"]);
    // By its name it is only likely.
    desk.write("app_public_key.txt", foreign_key().public());
    desk.json(&["--key", "app_public_key.txt"], notification().body()).suspects("app_key");
}

#[test]
fn a_key_of_which_nothing_is_known_is_not_called_the_apps_own() {
    let desk = Desk::new();
    desk.write("alipay.pem", foreign_key().public()).write("own.pem", other_key().public());
    desk.explain(notification().body()).proves(&["no_key_opens"]);
    let arguments = ["--key", "alipay.pem", "--app-public-key", "own.pem"];
    desk.json(&arguments, notification().body()).proves(&["no_key_opens"]);
}

#[test]
fn the_form_of_a_file_does_not_accuse_a_key_that_is_configured() {
    let text: String = key().public().lines().filter(|line| !line.starts_with('-')).collect();
    let public = rsa::PublicKey::from_public_key_der(&BASE64_STANDARD.decode(text).unwrap()).unwrap();
    let desk = Desk::new();
    desk.write("alipay.pem", public.to_pkcs1_pem(LineEnding::LF).unwrap());
    desk.write("sidecar.toml", config(&[(APP_ID, "alipay.pem")], ""));
    desk.json(&[], notification().body()).verifies();
    let forged = Notification::unsigned().signed(Form::V1, foreign_key());
    desk.json(&[], forged.body()).proves(&["no_key_opens"]);
}

#[test]
fn the_key_of_another_app() {
    let desk = Desk::new();
    desk.write("other.pem", other_key().public());
    desk.write("sidecar.toml", config(&[(APP_ID, "other.pem"), (OTHER_APP_ID, "alipay.pem")], ""));
    desk.json(&[], notification().body()).proves(&["key_of_other_app"]);
    // It may be the app_id that was changed, where other things were too.
    let changed = change(&notification(), "biz_content", |value| value.replace("1.10", "1.20"));
    let report = desk.json(&[], changed.body());
    report.tells(&["key_of_other_app", "content_changed"]);
    assert_eq!(report.0["diagnosis"]["proven"], false);
    // Where the change can be undone, what was signed names the app.
    let escaped = change(&notification(), "biz_content", |value| value.replace('"', "&quot;"));
    desk.json(&[], escaped.body()).proves(&["html_escaped", "key_of_other_app"]);
    let of_nobody = Notification::unsigned().set("app_id", "2014060600164698").signed(Form::V1, key());
    let content = std::str::from_utf8(of_nobody.value("biz_content")).unwrap().replace('"', "&quot;");
    desk.json(&[], of_nobody.set("biz_content", content).body()).proves(&["html_escaped", "unknown_app"]);
    let (_, out, _) = desk.run(&[], changed.body().as_bytes());
    assert!(out.contains(&format!("it is configured for app {OTHER_APP_ID}, and the notification")), "{out}");
}

#[test]
fn where_no_key_opens_it_is_told_what_the_key_may_be_and_how_to_find_out() {
    let desk = Desk::new();
    desk.write("it's.pem", foreign_key().public()).write("n.form", notification().body());
    let (code, out, _) = desk.run(&["--key", "it's.pem", "n.form"], b"");
    assert_eq!(code, Some(1));
    let command = r"alipay-sidecar explain --key 'it'\''s.pem' --app-public-key OWN.pem n.form";
    for part in [
        "maybe     the key is your app's own public key (应用公钥)",
        command,
        "openssl pkey -in PRIVATE.pem -pubout",
        "maybe     `sign` was changed where its length stays",
        "maybe     the notification is not from Alipay",
    ] {
        assert!(out.contains(part), "{part} in {out}");
    }
    // What the console shows of the key, so that it can be found there.
    let shown =
        desk.json(&["--key", "it's.pem"], notification().body()).0["diagnosis"]["maybe"][1]["find_out"]
            .clone();
    let public: String = foreign_key().public().lines().filter(|line| !line.starts_with('-')).collect();
    let distinct = &public[44..56];
    assert!(shown.as_str().unwrap().contains(&format!("holds {distinct}:")), "{shown} {distinct}");
    // Once it was asked, the command answers; and nothing is asked again.
    desk.write("OWN.pem", foreign_key().public()).write("other.pem", other_key().public());
    desk.json(&["--key", "it's.pem", "--app-public-key", "OWN.pem"], notification().body())
        .proves(&["app_key"]);
    let (_, out, _) = desk.run(&["--key", "it's.pem", "--app-public-key", "other.pem", "n.form"], b"");
    assert!(!out.contains("应用公钥)\n") && out.contains("查看支付宝公钥"), "{out}");
}

#[test]
fn an_app_id_that_was_changed_does_not_accuse_the_key() {
    let masked = notification().set("app_id", "2014****4699");
    let changed = change(&notification(), "biz_content", |value| value.replace("1.10", "1.20"));
    let spaced = change(&changed, "app_id", |value| format!("{value} "));
    let of_nobody = notification().set("app_id", "2014060600164698").set("notify_id", "another");
    let desk = Desk::new();
    desk.write("other.pem", other_key().public());
    desk.write("sidecar.toml", config(&[(APP_ID, "alipay.pem"), (OTHER_APP_ID, "other.pem")], ""));
    for damaged in [&masked, &spaced, &of_nobody] {
        desk.explain(damaged.body()).proves(&["content_changed"]);
    }
    for damaged in [&spaced, &of_nobody] {
        desk.json(&[], damaged.body()).proves(&["content_changed"]);
    }
    // What was signed is known here.
    desk.json(&[], masked.body()).proves(&["parameter_changed"]).within(&["app_id"]);
    let odd = Notification::unsigned().set("app_id", "x").signed(Form::V1, key());
    desk.explain(odd.body()).proves(&["refused_otherwise"]);
}

#[test]
fn the_key_for_rsa_in_the_place_of_that_for_rsa2() {
    let short = format!("{FIXTURES}/test-1024-bits.pem");
    Desk::new().json(&["--key", &short], notification().body()).proves(&["key_length"]);
}

#[test]
fn a_key_of_the_sandbox() {
    let certificate = format!("{FIXTURES}/test-b.crt");
    Desk::new().json(&["--key", &certificate], notification().body()).suspects("sandbox_key");
}

#[test]
fn an_app_that_is_not_configured() {
    let desk = Desk::new();
    desk.write("sidecar.toml", config(&[(OTHER_APP_ID, "alipay.pem")], ""));
    desk.json(&[], notification().body()).proves(&["unknown_app"]);
    let foreign = Notification::unsigned().signed(Form::V1, foreign_key());
    desk.json(&[], foreign.body()).proves(&["unknown_app"]);
}

#[test]
fn a_notification_without_a_signature() {
    Desk::new().explain(Notification::unsigned().body()).proves(&["unsigned"]);
    Desk::new().explain(notification().set("sign", "").body()).proves(&["unsigned"]);
}

#[test]
fn a_sign_that_was_cut() {
    // 171 characters are 128 bytes without their padding, and 256 fill a column of a table.
    for length in [1, 171, 172, 255, 256, 300, 341] {
        let cut = change(&notification(), "sign", |value| value[..length].to_owned());
        Desk::new().explain(cut.body()).proves(&["sign_damaged"]);
    }
    // Without its padding it can still be opened.
    let bare = change(&notification(), "sign", |value| value.trim_end_matches('=').to_owned());
    Desk::new().explain(bare.body()).proves(&["sign_damaged"]).within(&["sign"]);
}

#[test]
fn a_sign_that_lost_its_capitals_is_damaged_and_the_key_is_not_accused() {
    for sign in [str::to_lowercase, str::to_uppercase] {
        Desk::new().explain(change(&notification(), "sign", sign).body()).proves(&["sign_damaged"]);
    }
}

#[test]
fn a_sign_that_is_escaped_still() {
    let desk = Desk::new();
    let escaped = change(&notification(), "sign", |value| value.replace('/', "\\/").replace('=', "\\u003d"));
    desk.explain(escaped.body()).proves(&["backslash_escaped"]).within(&["sign"]);
    let broken = change(&notification(), "sign", |value| format!("{}\\n{}", &value[..76], &value[76..]));
    desk.explain(broken.body()).proves(&["backslash_escaped", "white_space"]);
}

#[test]
fn a_sign_of_4096_bits_that_was_cut_where_no_padding_is_missed() {
    let long = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa4096).unwrap();
    let public: aws_lc_rs::encoding::PublicKeyX509Der<'_> = long.public_key().as_der().unwrap();
    let mut sign = vec![0; long.public_modulus_len()];
    let text = Notification::unsigned().signed_text(Form::V1);
    long.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), &text, &mut sign).unwrap();
    let desk = Desk::new();
    desk.write("long.pem", BASE64_STANDARD.encode(public.as_ref()));
    let mut sign = BASE64_STANDARD.encode(sign);
    sign.truncate(512);
    // As many characters has a whole one of 3,072 bits.
    desk.json(&["--key", "long.pem"], notification().set("sign", &sign).body()).suspects("sign_damaged");
    desk.explain(notification().set("sign", &sign).body()).proves(&["key_length"]);
}

#[test]
fn white_space_around_a_sign_or_in_it() {
    for (before, after) in
        [("", "\n"), ("", "\r\n"), (" ", ""), ("\t", " "), ("\"", "\""), ("\u{feff}", "\u{a0}\u{200b}")]
    {
        let spaced = change(&notification(), "sign", |value| format!("{before}{value}{after}"));
        Desk::new().explain(spaced.body()).proves(&["white_space"]).within(&["sign"]);
    }
    let wrapped = change(&notification(), "sign", |value| format!("{}\n{}", &value[..76], &value[76..]));
    Desk::new().explain(wrapped.body()).proves(&["white_space"]).within(&["sign"]);
}

#[test]
fn a_signature_with_sha_1() {
    let unsigned = Notification::unsigned().set("sign_type", "RSA");
    let digest = aws_lc_rs::digest::digest(
        &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY,
        &unsigned.signed_text(Form::V1),
    );
    let info =
        [&b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14"[..], digest.as_ref()].concat();
    let signed = unsigned.set("sign", key().seal(Pkcs1v15Sign::new_unprefixed(), &info));
    Desk::new().explain(signed.body()).proves(&["sha1"]);
    Desk::new().explain(signed.set("sign_type", "RSA2").body()).proves(&["sha1"]);
}

#[test]
fn a_signature_with_a_hash_that_alipay_does_not_use() {
    let unsigned = Notification::unsigned();
    let digest = Sha512::digest(unsigned.signed_text(Form::V1));
    let signed = unsigned.set("sign", key().seal(Pkcs1v15Sign::new::<Sha512>(), &digest));
    let report = Desk::new().explain(signed.body());
    report.proves(&["other_hash"]);
    assert_eq!(report.0["diagnosis"]["signature_holds"]["hash"], "SHA-512");
}

#[test]
fn a_sign_type_that_was_changed_where_it_is_not_signed() {
    Desk::new()
        .explain(notification().set("sign_type", "RSA").body())
        .proves(&["parameter_changed"])
        .within(&["sign_type"]);
}

#[test]
fn a_form_that_the_configuration_does_not_allow() {
    let desk = Desk::new();
    desk.write("sidecar.toml", config(&[(APP_ID, "alipay.pem")], "[verify]\nform = \"v2\"\n"));
    desk.json(&[], notification().body()).proves(&["form_not_allowed"]);
    desk.json(&[], Notification::genuine(Form::V2).body()).verifies();
}

#[test]
fn a_form_in_which_the_kind_is_not_signed() {
    let trade = trade().signed(Form::V2, key());
    let report = Desk::new().explain(trade.body());
    report.proves(&["form_not_allowed"]);
    assert_eq!(report.0["run"]["reason"], "bad_signature");
    assert_eq!(report.0["diagnosis"]["signed_text"]["form"], "v2");
}

#[test]
fn a_genuine_signature_over_what_the_grammar_refuses() {
    let odd = Notification::unsigned().set("version", "9.9").signed(Form::V1, key());
    let report = Desk::new().explain(odd.body());
    report.proves(&["refused_otherwise"]);
    assert_eq!(report.0["run"]["reason"], "malformed_parameter");
    assert_eq!(report.0["run"]["cause"], "version breaks its grammar");
}
