//! Attacks around the form, in sound HTTP: what is read from elsewhere than the signed body (rule R8).

use form_urlencoded::byte_serialize;

use super::super::kinds::fresh_id;
use super::attack::{Attack, Forger, MESSAGE, Meaning, Sends};
use crate::tools::sender::{FORM_TYPE, Notification};

const PLAIN_FORM: &str = "application/x-www-form-urlencoded";

/// All of them.
pub(super) fn attacks(forger: &Forger<'_>) -> Result<Vec<Attack>, String> {
    let mut attacks = elsewhere(forger)?;
    attacks.extend(in_other_types(forger)?);
    attacks.extend(with_headers(forger)?);
    Ok(attacks)
}

fn attack(
    name: &'static str,
    does: &'static str,
    meaning: Meaning,
    sends: Result<Sends, String>,
) -> Result<Attack, String> {
    Ok(Attack { name, does, meaning, sends: sends? })
}

/// A genuine one whose id was changed.
fn forged(forger: &Forger<'_>) -> Result<Notification, String> {
    Ok(forger.genuine()?.set("notify_id", fresh_id()))
}

/// Parameters in the address.
fn elsewhere(forger: &Forger<'_>) -> Result<Vec<Attack>, String> {
    let genuine = forger.genuine()?;
    let in_query = |pairs: &str, method: &str, body: String| {
        Sends::request(method, &forger.target_with(pairs), FORM_TYPE, &[], body)
    };
    let content: String = byte_serialize(br#"{"mini_app_id":"2021000000000666"}"#).collect();
    let hidden = genuine.clone().without("biz_content");
    let genuine_content: String = byte_serialize(genuine.value("biz_content")).collect();
    let attacks = vec![
        attack(
            "get_forged",
            "a forged one in the query of a GET",
            Meaning::Forged,
            in_query(&forged(forger)?.body(), "GET", String::new()),
        ),
        attack(
            "put_forged",
            "a forged one in a PUT",
            Meaning::Forged,
            Sends::request("PUT", forger.plan.to.target(), FORM_TYPE, &[], forged(forger)?.body()),
        ),
        attack(
            "get",
            "a genuine one in the query of a GET: fine only if logs of addresses are secret",
            Meaning::Lenient,
            in_query(&forger.genuine()?.body(), "GET", String::new()),
        ),
        attack(
            "query_content",
            "a forged biz_content in the query: fine only if the app reads the body alone",
            Meaning::Lenient,
            in_query(&format!("biz_content={content}"), "POST", forger.genuine()?.body()),
        ),
        attack(
            "query_id",
            "another notify_id in the query: fine only if the app reads the body alone",
            Meaning::Lenient,
            in_query(&format!("notify_id={}", fresh_id()), "POST", forger.genuine()?.body()),
        ),
        attack(
            "query_half",
            "biz_content in the query, all else in the body: fine only if the app reads both alike",
            Meaning::Lenient,
            in_query(&format!("biz_content={genuine_content}"), "POST", hidden.body()),
        ),
    ];
    attacks.into_iter().collect()
}

/// What is no form, or says so.
fn in_other_types(forger: &Forger<'_>) -> Result<Vec<Attack>, String> {
    let post = |content_type: &str, body: String| {
        Sends::request("POST", forger.plan.to.target(), content_type, &[], body)
    };
    let id = fresh_id();
    let app_id = &forger.plan.shape.app_id;
    let json = format!(
        r#"{{"notify_id":"{id}","msg_method":"{MESSAGE}","app_id":"{app_id}","version":"1.1","biz_content":{{"mini_app_id":"2021000000000666","certify_result_status":"success"}}}}"#
    );
    let multipart =
        ["charset", "utc_timestamp", "app_id", "version", "sign_type", "notify_id", "msg_method", "sign"];
    let of = forged(forger)?;
    let parts = multipart.iter().map(|name| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{}\r\n", of.text(name))
    });
    let multipart = format!(
        "{}--b\r\nContent-Disposition: form-data; name=\"biz_content\"\r\n\r\n{}\r\n--b--\r\n",
        parts.collect::<String>(),
        of.text("biz_content")
    );
    let headers = [("alipay-notify-id", &*id), ("alipay-msg-method", MESSAGE), ("alipay-app-id", app_id)];
    let attacks = vec![
        attack(
            "json",
            "the same in JSON, without a signature",
            Meaning::Forged,
            post("application/json", json.clone()),
        ),
        attack(
            "posed_json",
            "JSON under headers that pose as a verifying proxy",
            Meaning::Forged,
            Sends::request("POST", forger.plan.to.target(), "application/json", &headers, json),
        ),
        attack(
            "multipart_forged",
            "a forged one in multipart/form-data",
            Meaning::Forged,
            post("multipart/form-data; boundary=b", multipart),
        ),
        attack(
            "text_forged",
            "a forged one as text/plain",
            Meaning::Forged,
            post("text/plain", forged(forger)?.body()),
        ),
        attack(
            "other_charset",
            "a content type with another charset: fine only if the signed charset decides",
            Meaning::Lenient,
            post(&format!("{PLAIN_FORM}; charset=ISO-8859-1"), forger.genuine()?.body()),
        ),
    ];
    attacks.into_iter().collect()
}

/// Headers that nobody signed.
fn with_headers(forger: &Forger<'_>) -> Result<Vec<Attack>, String> {
    let with = |headers: &[(&str, &str)], body: String| {
        Sends::request("POST", forger.plan.to.target(), FORM_TYPE, headers, body)
    };
    let id = fresh_id();
    let attacks = vec![
        attack(
            "from_loopback",
            "a forged one, under headers that say it comes from this machine",
            Meaning::Forged,
            with(
                &[
                    ("x-forwarded-for", "127.0.0.1"),
                    ("x-real-ip", "127.0.0.1"),
                    ("forwarded", "for=127.0.0.1"),
                ],
                forged(forger)?.body(),
            ),
        ),
        attack(
            "posed_headers",
            "headers that name another id and method: fine only if nobody reads them",
            Meaning::Lenient,
            with(
                &[
                    ("alipay-notify-id", &id),
                    ("idempotency-key", &id),
                    ("alipay-msg-method", "alipay.trade.settle.success"),
                ],
                forger.genuine()?.body(),
            ),
        ),
        attack(
            "method_override",
            "headers that ask for another method: fine only if nobody reads them",
            Meaning::Lenient,
            with(
                &[("x-http-method-override", "DELETE"), ("x-method-override", "DELETE")],
                forger.genuine()?.body(),
            ),
        ),
        attack(
            "false_encoding",
            "a content encoding that it does not have: fine only if nobody decompresses",
            Meaning::Lenient,
            with(&[("content-encoding", "gzip")], forger.genuine()?.body()),
        ),
    ];
    attacks.into_iter().collect()
}
