//! The gateway check: who set the address up hears from the app's own key, nobody else hears more than `fail`.

use std::fs;

use tempfile::TempDir;

use crate::support::Way;
use crate::support::alipay::{APP_ID, Form, Key, Notification, OTHER_APP_ID, foreign_key, key, other_key};
use crate::support::client::Answer;

/// A sidecar whose app has `own` for its private key, and the folder of its file.
fn with_key(own: &Key) -> (Way, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.pem");
    fs::write(&file, own.private()).unwrap();
    let line = format!("app_private_key_file = {:?}", file.to_str().unwrap());
    (Way::with(&[("apps", &line)]), folder)
}

fn xml(app_id: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"gbk\"?><XML><AppId><![CDATA[{app_id}]]></AppId><FromUserId></FromUserId>\
         <CreateTime><![CDATA[1795460736896]]></CreateTime><MsgType><![CDATA[event]]></MsgType>\
         <EventType><![CDATA[verifygw]]></EventType><ActionParam></ActionParam><AgreementId></AgreementId>\
         <AccountNo></AccountNo></XML>"
    )
}

fn check_of(xml: &str, charset: &str) -> Notification {
    let params = [
        ("charset", charset),
        ("biz_content", xml),
        ("service", "alipay.service.check"),
        ("sign_type", "RSA2"),
    ];
    Notification { params: params.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).into() }
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    text.split_once(before).unwrap().1.split_once(after).unwrap().0
}

/// That `answer` is what Alipay wants to hear: signed by `own`, in `encoding`.
#[track_caller]
fn is_confirmed(answer: &Answer, own: &Key, encoding: &str) {
    let response = between(&answer.body, "<response>", "</response>");
    let sign = between(&answer.body, "<sign>", "</sign>");
    assert!(own.verifies(response.as_bytes(), sign));
    let expected = format!(
        "<?xml version=\"1.0\" encoding=\"{encoding}\"?><alipay><response><success>true</success><biz_content>{}\
         </biz_content></response><sign>{sign}</sign><sign_type>RSA2</sign_type></alipay>",
        own.public()
    );
    assert_eq!((answer.status, answer.body.as_str()), (200, expected.as_str()));
    assert_eq!(answer.header("content-type"), Some(format!("text/xml; charset={encoding}").as_str()));
    assert_eq!(answer.headers.len(), 2, "{answer:?}");
}

#[test]
fn a_genuine_check_is_answered_in_its_charset_under_the_apps_own_key() {
    let (way, _folder) = with_key(foreign_key());
    let charsets = [
        ("GBK", "GBK"),
        ("gbk", "GBK"),
        ("GB2312", "GBK"),
        ("gb18030", "GBK"),
        ("UTF-8", "UTF-8"),
        ("utf8", "UTF-8"),
    ];
    for (charset, encoding) in charsets {
        for form in [Form::V2, Form::V1] {
            let answer = way.post(&check_of(&xml(APP_ID), charset).signed(form, key()));
            is_confirmed(&answer, foreign_key(), encoding);
        }
    }
    let counted =
        "alipay_sidecar_notifications_total{msg_method=\"other\",outcome=\"confirmed\",reason=\"\"} 12";
    assert!(way.metrics().contains(counted), "{}", way.metrics());
    way.upstream.got_nothing();
}

#[test]
fn the_same_check_has_the_same_answer_each_time() {
    let (way, _folder) = with_key(foreign_key());
    let check = check_of(&xml(APP_ID), "GBK").signed(Form::V2, key());
    assert_eq!(way.post(&check), way.post(&check));
}

#[test]
fn a_forged_check_hears_fail_as_any_forgery_does() {
    let (way, _folder) = with_key(foreign_key());
    let genuine = check_of(&xml(APP_ID), "GBK").signed(Form::V2, key());
    way.post(&genuine.clone().set("charset", "UTF-8")).is(403, "fail");
    way.post(&check_of(&xml(APP_ID), "GBK").signed(Form::V2, foreign_key())).is(403, "fail");
    way.post(&check_of(&xml(OTHER_APP_ID), "GBK").signed(Form::V2, key())).is(403, "fail");
    way.post(&check_of(&xml("2021"), "GBK").signed(Form::V2, key())).is(403, "fail");
    way.post(&genuine.set("extra", "1").signed(Form::V2, key())).is(400, "fail");
}

#[test]
fn without_a_private_key_a_check_fails_and_has_a_reason_of_its_own() {
    let (way, _folder) = with_key(foreign_key());
    // The other app has none.
    let check = check_of(&xml(OTHER_APP_ID), "GBK").signed(Form::V2, other_key());
    way.post(&check).is(200, "fail");
    assert_eq!(way.count("unanswered_check"), 1);
}

#[test]
fn genuine_xml_of_another_shape_is_400() {
    let (way, _folder) = with_key(foreign_key());
    let genuine = xml(APP_ID);
    let cases = [
        genuine.replace("verifygw", "other"),
        genuine.replace("<AccountNo></AccountNo>", "<AppId></AppId>"),
        genuine.replace("<AccountNo>", "<AccountNo a=\"b\">"),
        format!("{genuine}<XML></XML>"),
        format!("<!DOCTYPE XML>{genuine}"),
        // A section of the app whose key verifies, but only where text that looks like it is searched.
        xml(OTHER_APP_ID).replace(
            "<XML><AppId>",
            &format!(
                "<XML><AccountName><![CDATA[<AppId><![CDATA[{APP_ID}]]></AppId>]]></AccountName><AppId>"
            ),
        ),
        xml(OTHER_APP_ID)
            .replace("<XML>", &format!("<XML><A>&lt;</A><B><![CDATA[<AppId>]]></B><C>{APP_ID}</C>"))
            .replace("<C>", "<C><!--<AppId><![CDATA[")
            .replace("</C>", "]]></AppId>--></C>"),
    ];
    for text in &cases {
        way.post(&check_of(text, "GBK").signed(Form::V2, key())).is(400, "fail");
    }
    assert_eq!(way.count("malformed_content"), 7);
    let mut broken = check_of(&genuine, "GBK");
    broken.params[1].1.splice(genuine.len() - 12..genuine.len() - 12, *b"\xff");
    way.post(&broken.signed(Form::V2, key())).is(400, "fail");
    assert_eq!(way.count("malformed_text"), 1);
}

#[test]
fn an_app_id_that_reads_otherwise_than_where_it_was_searched_confirms_nothing() {
    let (way, _folder) = with_key(foreign_key());
    let text = xml(APP_ID).replace("<AppId>", "<AppId>1<![CDATA[<AppId>");
    way.post(&check_of(&text, "GBK").signed(Form::V2, key())).is(400, "fail");
    assert_eq!(way.count("malformed_content"), 1);
}
