//! What is refused is diagnosed now and then, for the log alone.

use serde_json::json;

use crate::support::alipay::{Form, Notification, foreign_key, key, third_key};
use crate::support::process::Running;

/// The line about `body`, which is answered with this status.
fn diagnosed(body: &str, status: u16) -> serde_json::Value {
    let mut running = Running::start(&[]);
    running.connect().post(body).is(status, "fail");
    running.line("diagnosis")
}

/// The same as text, whatever the answer is.
fn running_line(body: &str) -> String {
    let mut running = Running::start(&[]);
    running.connect().post(body);
    running.line("diagnosis").to_string()
}

fn escaped() -> Notification {
    let genuine = Notification::genuine(Form::V1);
    let content = String::from_utf8(genuine.value("biz_content").to_vec()).unwrap().replace('"', "&quot;");
    genuine.set("biz_content", content)
}

#[test]
fn damage_on_the_way_is_told_by_its_label_and_the_names_of_parameters() {
    let escaped = escaped();
    let line = diagnosed(&escaped.body(), 403);
    assert_eq!(line["likely_cause"], "html_escaped");
    assert_eq!((&line["proven"], &line["parameters"]), (&json!(true), &json!("biz_content")));
    assert_eq!((&line["reason"], &line["level"]), (&json!("bad_signature"), &json!("WARN")));
    assert_eq!(line["notify_id"].as_str().unwrap().as_bytes(), escaped.value("notify_id"));
    assert!(line["trace_id"].is_string());
    assert!(!line.to_string().contains("mini_app_id"), "a value is told: {line}");
}

#[test]
fn a_body_that_is_no_form_is_diagnosed_too() {
    let genuine = Notification::genuine(Form::V2);
    let pairs =
        genuine.params.iter().map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value)));
    let decoded = pairs.collect::<Vec<_>>().join("&");
    let line = diagnosed(&decoded, 400);
    assert_eq!((&line["likely_cause"], &line["reason"]), (&json!("decoded_twice"), &json!("bad_encoding")));
}

#[test]
fn a_name_that_is_not_known_is_not_written() {
    let odd = Notification::genuine(Form::V1).set("\u{1b}[31m人", "x").body();
    let line = diagnosed(&odd, 400);
    assert_eq!((&line["likely_cause"], &line["parameters"]), (&json!("extra_parameter"), &json!("…")));
    // A piece of a value after an `&` that was not encoded looks like a name.
    let subject = "a&Zhangsan";
    let genuine = Notification::unsigned().set("biz_content", subject).signed(Form::V1, key());
    for body in [
        genuine.body().replace("a%26Zhangsan", subject),
        genuine.body().replace("a%26Zhangsan", "a&Lisi&Lisi"),
        Notification::genuine(Form::V1).set("Zhangsan", "x").set("Lisi", "x").body(),
    ] {
        let line = running_line(&body);
        assert!(!line.contains("Zhangsan") && !line.contains("Lisi"), "a value is told: {line}");
    }
}

#[test]
fn each_name_is_told_once() {
    let genuine = Notification::genuine(Form::V1).set("Zhangsan", "x").set("Lisi", "x");
    let line = diagnosed(&genuine.body(), 403);
    assert_eq!((&line["likely_cause"], &line["parameters"]), (&json!("extra_parameter"), &json!("…")));
}

#[test]
fn what_none_of_our_keys_signed_is_no_warning() {
    let line = diagnosed(&Notification::unsigned().signed(Form::V1, foreign_key()).body(), 403);
    assert_eq!((&line["likely_cause"], &line["level"]), (&json!("no_key_opens"), &json!("INFO")));
}

#[test]
fn an_app_key_that_is_only_suspected_is_no_warning() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("app_public_key.pem"), third_key().public()).unwrap();
    let apps = [("apps", "alipay_public_key_files = [\"app_public_key.pem\"]")];
    let mut running = Running::start_in(folder, &apps);
    let forged = Notification::unsigned().signed(Form::V1, foreign_key());
    running.connect().post(&forged.body()).is(403, "fail");
    let line = running.line("diagnosis");
    assert_eq!((&line["likely_cause"], &line["proven"]), (&json!("app_key"), &json!(false)));
    assert_eq!(line["level"], "INFO", "anybody can send that");
}

#[test]
fn a_sign_type_that_names_another_hash_is_told_by_its_name() {
    for form in [Form::V1, Form::V2] {
        let signed = Notification::unsigned().set("sign_type", "RSA").signed(form, key());
        let line = diagnosed(&signed.body(), 403);
        assert_eq!(
            (&line["likely_cause"], &line["parameters"]),
            (&json!("parameter_changed"), &json!("sign_type"))
        );
    }
}

#[test]
fn signatures_that_nobody_of_ours_made_take_no_place_of_a_genuine_one() {
    let mut running = Running::start(&[]);
    let mut client = running.connect();
    for nth in 0..8 {
        let id = format!("5608cccc09ddb39d41c2e3c06e3d9fe{nth}");
        client
            .post(&Notification::unsigned().set("notify_id", id).signed(Form::V1, foreign_key()).body())
            .is(403, "fail");
    }
    for _ in 0..4 {
        assert_eq!(running.line("diagnosis")["likely_cause"], "no_key_opens");
    }
    client.post(&escaped().body()).is(403, "fail");
    assert_eq!(running.line("diagnosis")["likely_cause"], "html_escaped", "and nothing of the other four");
}

#[test]
fn a_flood_of_forgeries_is_diagnosed_once_and_answered_alike() {
    let mut running = Running::start(&[]);
    let forged = escaped().body();
    let mut client = running.connect();
    let first = client.post(&forged);
    running.line("diagnosis");
    for _ in 0..100 {
        assert_eq!(client.post(&forged), first);
    }
    client.post(&Notification::genuine(Form::V1).signed(Form::V1, key()).body()).is(200, "success");
    running.signal("TERM");
    let (status, lines) = running.end();
    assert!(status.success());
    assert!(!lines.iter().any(|line| line.contains("\"diagnosis\"")), "{lines:?}");
}
