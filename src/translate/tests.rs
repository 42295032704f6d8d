//! The room as a whole: from the form to the JSON.

mod encrypted;
mod families;
mod properties;

use super::*;
use crate::receive::form::Form;

const CONTENT: &str = concat!(
    r#"{"mini_app_id":"2021098756789043","certify_result_status":"success","#,
    r#""bundle_id":"com.alipay.alipaywallet","certify_result_desc":"人脸核验时人脸被遮挡"}"#
);

/// The documented example, in the order in which such notifications come.
const EXAMPLE: [(&str, &str); 9] = [
    ("charset", "utf-8"),
    ("biz_content", CONTENT),
    ("utc_timestamp", "1514210452731"),
    ("sign", "c2lnbg=="),
    ("app_id", "2014060600164699"),
    ("version", "1.1"),
    ("sign_type", "RSA2"),
    ("notify_id", "5608cccc09ddb39d41c2e3c06e3d9fejh2"),
    ("msg_method", "alipay.open.mini.icp.faceauth.completed"),
];

/// The example with some parameters changed or, where there are none of that name, added at the end.
fn example(changes: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    let mut params: Vec<_> = EXAMPLE.iter().map(|(name, value)| owned(name, value)).collect();
    for (name, value) in changes {
        match params.iter_mut().find(|param| param.0 == *name) {
            Some(param) => *param = owned(name, value),
            None => params.push(owned(name, value)),
        }
    }
    params
}

fn owned(name: &str, value: &str) -> (String, Vec<u8>) {
    (name.to_owned(), value.as_bytes().to_vec())
}

fn verified(params: &[(String, Vec<u8>)]) -> Verified {
    let pairs = params.iter().map(|(name, value)| {
        let value: Vec<_> = value.iter().map(|byte| format!("%{byte:02X}")).collect();
        format!("{name}={}", value.concat())
    });
    let body = pairs.collect::<Vec<_>>().join("&");
    Verified::for_tests(Form::parse(body.as_bytes(), 64).unwrap(), SignedForm::V2)
}

fn lenient() -> Translator {
    Translator::new(Catalogue::builtin(), OnMismatch::Forward, UnknownMethods::Forward)
}

fn event(changes: &[(&str, &str)]) -> Event {
    lenient().translate(verified(&example(changes))).unwrap()
}

fn json(event: &Event) -> &str {
    std::str::from_utf8(event.body()).unwrap()
}

/// What is refused, as reason and cause.
fn refused(changes: &[(&str, &str)]) -> (Reason, String) {
    why(&lenient().translate(verified(&example(changes))).unwrap_err())
}

fn why(rejection: &Rejection) -> (Reason, String) {
    (rejection.reason(), rejection.cause().map(ToString::to_string).unwrap_or_default())
}

fn violations(event: &Event) -> String {
    event.violations.to_string()
}

#[test]
fn an_event_knows_when_it_was_sent_and_which_part_of_it_is_the_content() {
    let event = event(&[("auth_app_id", "2021"), ("more", "x")]);
    assert_eq!(event.sent_at().to_string(), "2017-12-25T14:00:52.731Z");
    assert_eq!(event.content(), CONTENT.as_bytes());
}

#[test]
fn the_documented_example_becomes_the_documented_json() {
    let event = event(&[]);
    let envelope = concat!(
        r#"{"notify_id":"5608cccc09ddb39d41c2e3c06e3d9fejh2","msg_method":"alipay.open.mini.icp.faceauth.completed","#,
        r#""app_id":"2014060600164699","version":"1.1","utc_timestamp":1514210452731,"#,
        r#""sent_at":"2017-12-25T14:00:52.731Z","#,
    );
    assert_eq!(json(&event), format!("{envelope}\"biz_content\":{CONTENT}}}"));
    assert_eq!(event.notify_id(), "5608cccc09ddb39d41c2e3c06e3d9fejh2");
    assert_eq!(event.msg_method(), "alipay.open.mini.icp.faceauth.completed");
    assert_eq!(event.app_id(), "2014060600164699");
    assert_eq!(event.signed_form(), SignedForm::V2);
    assert_eq!(event.schema(), Schema::Typed);
    assert_eq!(event.violations(), []);
    let method =
        event.method_index().and_then(|index| lenient().catalogue().methods().nth(index).map(str::to_owned));
    assert_eq!(method.as_deref(), Some(event.msg_method()));
}

#[test]
fn optional_parameters_follow_the_documented_order_and_the_rest_is_extra_in_the_order_received() {
    let event = event(&[
        ("zeta", "1"),
        ("merchant_app_id", "m"),
        ("auth_app_id", "a"),
        ("alpha", "\"\\\n\u{1}人"),
        ("notify_time", "2017-12-25 22:00:52"),
        ("notify_type", "t"),
        ("msg_app_id", "2"),
        ("msg_uid", ""),
        ("msg_type", "sys"),
        ("biz_content", r#"{"mini_app_id":"1","certify_result_status":"init"}"#),
    ]);
    insta::assert_snapshot!(json(&event).replace(r#","msg_type"#, ",\n\"msg_type"), @r#"
    {"notify_id":"5608cccc09ddb39d41c2e3c06e3d9fejh2","msg_method":"alipay.open.mini.icp.faceauth.completed","app_id":"2014060600164699","version":"1.1","utc_timestamp":1514210452731,"sent_at":"2017-12-25T14:00:52.731Z",
    "msg_type":"sys","msg_uid":"","msg_app_id":"2","notify_type":"t","notify_time":"2017-12-25T22:00:52+08:00","auth_app_id":"a","merchant_app_id":"m","biz_content":{"mini_app_id":"1","certify_result_status":"init"},"extra":{"zeta":"1","alpha":"\"\\\n\u0001人"}}
    "#);
    assert_eq!(event.schema(), Schema::Typed);
}

#[test]
fn milliseconds_are_always_three_digits() {
    for (utc_timestamp, expected) in [
        ("1514210452000", r#""utc_timestamp":1514210452000,"sent_at":"2017-12-25T14:00:52.000Z""#),
        ("1514210452700", r#""utc_timestamp":1514210452700,"sent_at":"2017-12-25T14:00:52.700Z""#),
        ("0000000000001", r#""utc_timestamp":1,"sent_at":"1970-01-01T00:00:00.001Z""#),
        ("9999999999999", r#""utc_timestamp":9999999999999,"sent_at":"2286-11-20T17:46:39.999Z""#),
    ] {
        let event = event(&[("utc_timestamp", utc_timestamp)]);
        assert!(json(&event).contains(expected), "{expected}");
    }
}

#[test]
fn a_time_that_is_not_real_passes_as_it_came_and_is_flagged() {
    for time in [
        "2017-02-29 00:00:00",
        "2017-13-01 00:00:00",
        "2017-12-25 24:00:00",
        "2016-12-31 23:59:60",
        "2017-12-25T22:00:52",
        "2017-12-25 22:00:52Z",
        "2017-12-25 22:00",
        "+017-12-25 22:00:52",
        "",
        "now",
    ] {
        let event = event(&[("notify_time", time)]);
        assert!(json(&event).contains(&format!(r#""notify_time":"{time}""#)), "{time}");
        assert_eq!(event.schema(), Schema::Mismatch);
        assert_eq!(violations(&event), "notify_time: not a real time of the form yyyy-MM-dd HH:mm:ss");
    }
}

#[test]
fn fields_that_break_the_schema_pass_as_they_came_and_are_flagged() {
    for (content, expected) in [
        ("{}", "mini_app_id: required, but missing; certify_result_status: required, but missing"),
        (r#"{"mini_app_id":1.50,"certify_result_status":"fail"}"#, "mini_app_id: not a string"),
        (r#"{"mini_app_id":null,"certify_result_status":"fail"}"#, "mini_app_id: not a string"),
        (r#"{"mini_app_id":{"mini_app_id":7},"certify_result_status":"fail"}"#, "mini_app_id: not a string"),
        (r#"{"mini_app_id":["a"],"certify_result_status":"fail"}"#, "mini_app_id: not a string"),
        (
            r#"{"mini_app_id":"1","certify_result_status":"Pending"}"#,
            "certify_result_status: not one of the values in the catalogue",
        ),
        (r#"{"mini_app_id":"1","certify_result_status":true}"#, "certify_result_status: not a string"),
        (
            r#"{"MINI_APP_ID":"1","certify_result_status":"fail"}"#,
            "MINI_APP_ID: not in the catalogue, whose table is complete; mini_app_id: required, but missing",
        ),
        (
            r#"{"mini_app_id":"人人人人人人人人人人人人人人人人人人人人人人人人人人人人人人人人\u4eba","certify_result_status":"fail"}"#,
            "mini_app_id: longer than 32 characters",
        ),
    ] {
        let event = event(&[("biz_content", content)]);
        assert!(json(&event).ends_with(&format!(r#""biz_content":{content}}}"#)), "{content}");
        assert_eq!(event.schema(), Schema::Mismatch, "{content}");
        assert_eq!(violations(&event).replace("biz_content.", ""), expected);
    }
}

#[test]
fn length_is_counted_in_characters_of_the_decoded_text() {
    let longest = r"\u4eba".repeat(16) + &"人".repeat(15) + r"\ud83d\ude00";
    let content = format!(r#"{{"mini_app_id":"{longest}","certify_result_status":"fail"}}"#);
    assert_eq!(event(&[("biz_content", &content)]).schema(), Schema::Typed);
}

#[test]
fn an_enum_is_matched_without_case_and_written_as_the_catalogue_spells_it() {
    for status in ["SUCCESS", "Success", r"\u0073UCCESS"] {
        let content = format!(r#"{{"certify_result_status":"{status}","mini_app_id":"1"}}"#);
        let event = event(&[("biz_content", &content)]);
        assert!(
            json(&event).contains(r#"{"certify_result_status":"success","mini_app_id":"1"}"#),
            "{status}"
        );
        assert_eq!(event.schema(), Schema::Typed);
    }
}

#[test]
fn a_field_is_known_by_its_decoded_name() {
    let event = event(&[("biz_content", r#"{"mini\u005fapp_id":"1","certify_result_status":"FAIL"}"#)]);
    assert!(json(&event).contains(r#"{"mini\u005fapp_id":"1","certify_result_status":"fail"}"#));
    assert_eq!(event.schema(), Schema::Typed);
}

#[test]
fn unknown_fields_pass_with_their_digits_and_are_flagged_where_the_table_is_complete() {
    let content = r#"{"mini_app_id":"1","certify_result_status":"fail","new":{"n":[1.10,-0,12345678901234567890123,1E+5,null]}}"#;
    let event = event(&[("biz_content", &format!("\n {} \t", content.replace(',', " ,\r\n ")))]);
    assert!(json(&event).contains(content));
    assert_eq!(violations(&event), "biz_content.new: not in the catalogue, whose table is complete");
}

#[test]
fn an_unknown_method_passes_untyped_or_is_refused() {
    let changes = [("msg_method", "alipay.some.new.thing"), ("biz_content", r#"{"status":"SUCCESS"}"#)];
    let event = event(&changes);
    assert!(json(&event).ends_with(r#""biz_content":{"status":"SUCCESS"}}"#));
    assert_eq!((event.schema(), event.method_index()), (Schema::Untyped, None));
    let strict = Translator::new(Catalogue::builtin(), OnMismatch::Forward, UnknownMethods::Fail);
    let rejection = strict.translate(verified(&example(&changes))).unwrap_err();
    assert_eq!(rejection.reason(), Reason::UnknownMethod);
    assert!(strict.translate(verified(&example(&[]))).is_ok());
}

#[test]
fn a_mismatch_is_refused_where_that_is_wanted_and_the_cause_names_no_value() {
    let strict = Translator::new(Catalogue::builtin(), OnMismatch::Fail, UnknownMethods::Forward);
    let content = r#"{"mini_app_id":42,"certify_result_status":"secret"}"#;
    let rejection = strict.translate(verified(&example(&[("biz_content", content)]))).unwrap_err();
    insta::assert_snapshot!(format!("{:?}", why(&rejection)),
        @r#"(SchemaMismatch, "biz_content.mini_app_id: not a string; biz_content.certify_result_status: not one of the values in the catalogue")"#);
    assert!(strict.translate(verified(&example(&[]))).is_ok());
}

#[test]
fn what_is_wrong_with_the_content_is_told_without_its_text() {
    for (content, expected) in [
        (r#"{"a":1,"\u0061":2}"#, "at byte 7: a name occurs twice in one object"),
        (r#"["secret"]"#, "at byte 0: not a JSON object"),
        ("\u{feff}{}", "at byte 0: a byte-order mark"),
        (r#"{"secret":tru}"#, "at byte 10: a value should stand here"),
        ("", "at byte 0: not a JSON object"),
    ] {
        assert_eq!(refused(&[("biz_content", content)]), (Reason::MalformedContent, expected.to_owned()));
    }
}

#[test]
fn malformed_text_is_refused_and_names_its_parameter_alone() {
    for name in ["biz_content", "some_extra", "msg_uid"] {
        let mut params = example(&[(name, "")]);
        params.iter_mut().find(|param| param.0 == name).unwrap().1 = b"secret\xff".to_vec();
        let rejection = lenient().translate(verified(&params)).unwrap_err();
        assert_eq!(why(&rejection), (Reason::MalformedText, format!("{name}: not text in its charset")));
    }
}

#[test]
fn a_parameter_that_is_missing_or_malformed_is_named() {
    for name in ["charset", "notify_id", "msg_method", "version", "utc_timestamp", "biz_content"] {
        let mut params = example(&[]);
        params.retain(|param| param.0 != name);
        let rejection = lenient().translate(verified(&params)).unwrap_err();
        assert_eq!(why(&rejection), (Reason::MissingParameter, name.to_owned()));
    }
    for (name, value) in
        [("charset", "utf-16"), ("utc_timestamp", "soon"), ("utc_timestamp", "99999999999999999")]
    {
        let (reason, cause) = refused(&[(name, value)]);
        assert_eq!(reason, Reason::MalformedParameter);
        assert!(cause.starts_with(name) && !cause.contains(value), "{cause}");
    }
}

#[test]
fn sign_sign_type_and_charset_stay_behind_whatever_the_form() {
    let form = Form::parse(b"charset=GBK&sign=c&sign_type=RSA2&notify_id=n&msg_method=m&app_id=1&version=1.0&utc_timestamp=1514210452731&biz_content=%7B%7D", 64);
    let event = lenient().translate(Verified::for_tests(form.unwrap(), SignedForm::V1)).unwrap();
    assert_eq!(event.signed_form(), SignedForm::V1);
    insta::assert_snapshot!(json(&event),
        @r#"{"notify_id":"n","msg_method":"m","app_id":"1","version":"1.0","utc_timestamp":1514210452731,"sent_at":"2017-12-25T14:00:52.731Z","biz_content":{}}"#);
}

#[test]
fn debug_prints_nothing_of_the_content() {
    let event = event(&[("biz_content", r#"{"a":"secret"}"#), ("some_extra", "secret")]);
    assert!(!format!("{event:?}").contains("secret"));
}
