//! What is not genuine never reaches the upstream, and all of it hears the same.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::Way;
use crate::support::alipay::{Form, Notification, OTHER_APP_ID, foreign_key, key, other_key};

/// Posts `forged` and expects it to be refused for `reason`.
#[track_caller]
fn is_refused(way: &Way, forged: &Notification, status: u16, reason: &str) {
    let before = way.count(reason);
    way.post(forged).is(status, "fail");
    way.upstream.got_nothing();
    assert_eq!(way.count(reason), before + 1, "{reason} is not what it was refused for:\n{}", way.metrics());
}

#[test]
fn a_change_in_any_parameter_is_a_bad_signature() {
    let way = Way::start();
    let genuine = Notification::genuine(Form::V2);
    for (name, value) in [
        ("biz_content", r#"{"mini_app_id":"1","certify_result_status":"success"}"#),
        ("utc_timestamp", "1514210452731"),
        ("version", "1.0"),
        ("sign_type", "rsa2"),
        ("charset", "utf-8"),
        ("notify_id", "5608cccc09ddb39d41c2e3c06e3d9fejh3"),
        ("msg_method", "alipay.open.mini.icp.faceauth.complete"),
        ("app_id", OTHER_APP_ID),
        ("brand_new", "1"),
    ] {
        is_refused(&way, &genuine.clone().set(name, value), 403, "bad_signature");
    }
    assert!(genuine.value("charset") == b"UTF-8", "the unchanged one is genuine");
    way.post(&genuine).is(200, "success");
}

#[test]
fn a_parameter_left_out_is_a_bad_signature_or_missing() {
    let way = Way::start();
    let genuine = Notification::unsigned().set("msg_type", "sys").signed(Form::V1, key());
    is_refused(&way, &genuine.clone().without("msg_type"), 403, "bad_signature");
    for name in [
        "biz_content",
        "utc_timestamp",
        "version",
        "sign_type",
        "charset",
        "notify_id",
        "msg_method",
        "app_id",
    ] {
        // Without a msg_method it is no message.
        let reason = if name == "msg_method" { "unsupported_kind" } else { "missing_parameter" };
        is_refused(&way, &genuine.clone().without(name), 400, reason);
        is_refused(&way, &genuine.clone().set(name, ""), 400, "missing_parameter");
    }
}

#[test]
fn any_bit_of_the_signature_counts() {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    let way = Way::start();
    let genuine = Notification::genuine(Form::V1);
    let signature = BASE64_STANDARD.decode(genuine.value("sign")).unwrap();
    for bit in (0..signature.len() * 8).step_by(97) {
        let mut flipped = signature.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        is_refused(&way, &genuine.clone().set("sign", BASE64_STANDARD.encode(flipped)), 403, "bad_signature");
    }
    for length in [0, 1, 255, 257, 512] {
        let mut other = signature.clone();
        other.resize(length, 0);
        let reason = if length == 0 { "unsigned" } else { "bad_signature" };
        is_refused(&way, &genuine.clone().set("sign", BASE64_STANDARD.encode(other)), 403, reason);
    }
    for sign in ["not base64!", "AAAA====", "A", &"A".repeat(4000), "iNHw\r\nkxtO", "AB=="] {
        is_refused(&way, &genuine.clone().set("sign", sign), 403, "bad_signature");
    }
}

#[test]
fn unsigned_is_refused() {
    let way = Way::start();
    is_refused(&way, &Notification::unsigned(), 403, "unsigned");
    is_refused(&way, &Notification::unsigned().set("sign", ""), 403, "unsigned");
}

#[test]
fn a_key_that_is_not_the_apps_is_refused() {
    let way = Way::start();
    for form in [Form::V1, Form::V2] {
        is_refused(&way, &Notification::unsigned().signed(form, foreign_key()), 403, "bad_signature");
        let others = Notification::unsigned().set("app_id", OTHER_APP_ID);
        is_refused(&way, &others.clone().signed(form, key()), 403, "bad_signature");
        way.post(&others.signed(form, other_key())).is(200, "success");
        way.upstream.got();
    }
}

#[test]
fn an_app_that_is_not_configured_is_refused() {
    let way = Way::start();
    let unknown = Notification::unsigned().set("app_id", "2099000000000000").signed(Form::V1, key());
    is_refused(&way, &unknown, 403, "unknown_app");
}

#[test]
fn the_sender_cannot_choose_the_hash() {
    let way = Way::start();
    for name in ["RSA", "rsa", "SM2", "MD5", "RSA1"] {
        let named = Notification::unsigned().set("sign_type", name);
        is_refused(&way, &named.clone().signed(Form::V1, key()), 403, "hash_not_allowed");
        is_refused(&way, &named.signed(Form::V2, key()), 403, "hash_not_allowed");
    }
}

#[test]
fn the_sender_cannot_choose_the_form() {
    for (form, allowed, other) in [("v1", Form::V1, Form::V2), ("v2", Form::V2, Form::V1)] {
        let way = Way::with(&[("verify", &format!("form = \"{form}\""))]);
        is_refused(&way, &Notification::genuine(other), 403, "bad_signature");
        way.post(&Notification::genuine(allowed)).is(200, "success");
    }
}

#[test]
fn what_is_too_old_or_from_the_future_is_refused() {
    let way = Way::start();
    let now = jiff::Timestamp::now().as_millisecond();
    let sent = |millis: i64| {
        Notification::unsigned().set("utc_timestamp", millis.to_string()).signed(Form::V1, key())
    };
    let hour = 3_600_000;
    is_refused(&way, &sent(now - 26 * hour - 60_000), 403, "too_old");
    is_refused(&way, &sent(now + 6 * 60_000), 403, "from_the_future");
    way.post(&sent(now - 26 * hour + 60_000)).is(200, "success");
    way.post(&sent(now + 4 * 60_000)).is(200, "success");
    let forever = Way::with(&[("verify", "max_age = \"0s\"")]);
    forever.post(&sent(1_514_210_452_731)).is(200, "success");
    forever.upstream.got();
    is_refused(&forever, &sent(now + 6 * 60_000), 403, "from_the_future");
}

#[test]
fn all_403_are_alike() {
    let way = Way::start();
    let genuine = Notification::genuine(Form::V1);
    let answers = [
        Notification::unsigned(),
        genuine.clone().set("version", "1.0"),
        genuine.clone().set("app_id", "2099000000000000"),
        genuine.clone().set("sign_type", "RSA"),
        Notification::unsigned().set("utc_timestamp", "1514210452731").signed(Form::V1, key()),
        Notification::unsigned().set("utc_timestamp", "9514210452731").signed(Form::V1, key()),
    ]
    .map(|forged| way.post(&forged));
    answers[0].is(403, "fail");
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let reasons =
        ["unsigned", "bad_signature", "unknown_app", "hash_not_allowed", "too_old", "from_the_future"];
    assert_eq!(reasons.map(|reason| way.count(reason)), [1; 6], "each was refused for a reason of its own");
}

#[test]
fn folding_parameters_into_a_value_or_splitting_one_is_refused() {
    let way = Way::start();
    let genuine = Notification::genuine(Form::V1);
    let time = String::from_utf8(genuine.value("utc_timestamp").to_vec()).unwrap();
    let id = String::from_utf8(genuine.value("notify_id").to_vec()).unwrap();
    // The same signed text, read as other parameters.
    let folded =
        genuine.clone().without("utc_timestamp").set("notify_id", format!("{id}&utc_timestamp={time}"));
    is_refused(&way, &folded, 400, "malformed_parameter");
    let posed = Notification::genuine(Form::V2);
    let posed = posed.clone().set("notify_id", format!("{id}&sign_type=RSA2"));
    is_refused(&way, &posed, 400, "malformed_parameter");
    let extra = Notification::unsigned().set("memo", "a&version=1.0").signed(Form::V1, key());
    is_refused(&way, &extra, 400, "ambiguous_parameters");
    let split = Notification::unsigned().set("biz_content", r#"{"a":"&msg_uid=1"}"#).signed(Form::V1, key());
    let split = split.set("biz_content", r#"{"a":""#).set("msg_uid", r#"1"}"#);
    is_refused(&way, &split, 403, "bad_signature");
}

#[test]
fn any_change_to_a_signed_byte_is_refused_and_never_forwarded() {
    let way = Way::start();
    let mut runner = TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() });
    let change = (any::<bool>(), any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>());
    runner
        .run(&change, |(is_v1, which, place, byte)| {
            let form = if is_v1 { Form::V1 } else { Form::V2 };
            let mut changed = Notification::genuine(form);
            // Under V1 the sign_type is not signed: the configuration decides, and nothing reads it.
            let signed: Vec<usize> = (0..changed.params.len())
                .filter(|index| {
                    changed.params[*index].0 != "sign" && !(is_v1 && changed.params[*index].0 == "sign_type")
                })
                .collect();
            let index = signed[which.index(signed.len())];
            let value = &mut changed.params[index].1;
            let place = place.index(value.len());
            prop_assume!(value[place] != byte);
            value[place] = byte;
            let answer = way.post(&changed);
            prop_assert!(
                matches!(answer.status, 400 | 403) && answer.body == "fail",
                "{:?} {:?}",
                answer,
                changed
            );
            way.upstream.got_nothing();
            Ok(())
        })
        .unwrap();
}
