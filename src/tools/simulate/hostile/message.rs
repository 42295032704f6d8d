//! Attacks on the form, with a message of the message service: rules R1 to R7 and R9 of SECURITY.md, one by one.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::{Timestamp, ToSpan};

use super::super::kinds::fresh_id;
use super::attack::{Attack, Forger, MESSAGE};
use crate::tools::sender::Notification;
use crate::verify::SignedForm::{V1, V2};

/// What a forger would like the app to read.
const FORGED_CONTENT: &str = r#"{"mini_app_id":"2021000000000666","certify_result_status":"success"}"#;

/// All attacks on the form.
pub(super) fn attacks(forger: &Forger<'_>) -> Result<Vec<Attack>, String> {
    let mut attacks = unsigned(forger)?;
    attacks.extend(changed(forger)?);
    attacks.extend(folded(forger)?);
    attacks.extend(split(forger)?);
    attacks.extend(repeated(forger)?);
    attacks.extend(encoded(forger)?);
    attacks.extend(genuinely_signed(forger)?);
    Ok(attacks)
}

fn unsigned(forger: &Forger<'_>) -> Result<Vec<Attack>, String> {
    let plain = forger.unsigned(MESSAGE)?;
    let genuine = forger.genuine()?;
    let signature = BASE64_STANDARD.decode(genuine.value("sign")).unwrap_or_default();
    let zeros = BASE64_STANDARD.encode(vec![0; signature.len()]);
    let mut flipped = signature;
    if let Some(last) = flipped.last_mut() {
        *last ^= 1;
    }
    Ok(vec![
        forger.forged("unsigned", "without a signature", &plain),
        forger.forged("empty_sign", "with an empty signature", &plain.clone().set("sign", "")),
        forger.forged(
            "unsigned_by_word",
            "without a signature, and sign_type says NONE",
            &plain.clone().set("sign_type", "NONE"),
        ),
        forger.forged("zero_sign", "with a signature of zeros", &plain.clone().set("sign", zeros)),
        forger.forged(
            "sign_no_base64",
            "with a signature that is no base64",
            &plain.clone().set("sign", "!"),
        ),
        forger.forged(
            "flipped_sign",
            "with one bit of the signature flipped",
            &genuine.clone().set("sign", BASE64_STANDARD.encode(flipped)),
        ),
        forger.forged(
            "sign_of_another",
            "with the genuine signature of another notification",
            &plain.clone().set("sign", genuine.value("sign")),
        ),
        forger.forged("stranger", "signed with another key", &forger.sign_as_a_stranger(plain)?),
    ])
}

fn changed(forger: &Forger<'_>) -> Result<Vec<Attack>, String> {
    let genuine = || forger.genuine();
    let optional = || forger.sign(forger.unsigned(MESSAGE)?.set("msg_type", "sys"));
    Ok(vec![
        forger.forged(
            "changed_content",
            "biz_content changed",
            &genuine()?.set("biz_content", FORGED_CONTENT),
        ),
        forger.forged(
            "changed_id",
            "notify_id changed, to pass as a new one",
            &genuine()?.set("notify_id", fresh_id()),
        ),
        forger.forged("changed_time", "utc_timestamp changed, to pass as a recent one", &later(genuine()?)),
        forger.forged("changed_app", "app_id changed", &genuine()?.set("app_id", "2099000000000000")),
        forger.forged(
            "changed_method",
            "msg_method changed",
            &genuine()?.set("msg_method", "alipay.trade.settle.success"),
        ),
        forger.forged("changed_version", "version changed", &genuine()?.set("version", "1.0")),
        forger.forged("changed_charset", "charset changed", &genuine()?.set("charset", "gb18030")),
        forger.forged("left_out", "a signed parameter left out", &optional()?.without("msg_type")),
        forger.lenient(
            "changed_sign_type",
            "sign_type says RSA, where it may be unsigned: fine if the configuration chooses the hash",
            forger.sign_in(forger.unsigned(MESSAGE)?, V1)?.set("sign_type", "RSA").body(),
        ),
        forger.lenient(
            "no_sign_type",
            "sign_type left out, where it may be unsigned: fine if the configuration chooses the hash",
            forger.sign_in(forger.unsigned(MESSAGE)?, V1)?.without("sign_type").body(),
        ),
        forger.lenient(
            "added",
            "an unsigned parameter added: fine only if nobody ever reads it",
            genuine()?.and("auth_app_id", "2099000000000000").body(),
        ),
        forger.lenient(
            "added_empty",
            "an unsigned parameter without a value added: fine only if nobody reads it",
            genuine()?.and("auth_app_id", "").body(),
        ),
    ])
}

fn later(genuine: Notification) -> Notification {
    let time: i64 = genuine.text("utc_timestamp").parse().unwrap_or_default();
    genuine.set("utc_timestamp", time.saturating_add(1).to_string())
}

/// The parameter `second`, which follows `first` in the signed text, swallowed by its value.
fn fold(genuine: Notification, first: &str, second: &str) -> Notification {
    let value = [genuine.value(first), b"&", second.as_bytes(), b"=", genuine.value(second)].concat();
    genuine.set(first, value).without(second)
}

fn folded(forger: &Forger<'_>) -> Result<Vec<Attack>, String> {
    let of = |form| forger.sign_in(forger.unsigned(MESSAGE)?, form);
    let whole = of(V1)?;
    let text = whole.signed_text(V1);
    let rest = text.strip_prefix(b"app_id=").unwrap_or(&text).to_vec();
    let everything =
        Notification::new([]).set("app_id", rest).set("sign_type", "RSA2").set("sign", whole.value("sign"));
    let named = of(V1)?;
    let name = format!("notify_id={}&utc_timestamp", named.text("notify_id"));
    let time = named.text("utc_timestamp");
    let v2 = of(V2)?;
    let id = format!("{}&sign_type=RSA2", v2.text("notify_id"));
    Ok(vec![
        forger.forged(
            "folded_time",
            "utc_timestamp folded into notify_id: another id for the same event, and no time",
            &fold(of(V1)?, "notify_id", "utc_timestamp"),
        ),
        forger.forged(
            "folded_version",
            "version folded into utc_timestamp",
            &fold(of(forger.form)?, "utc_timestamp", "version"),
        ),
        forger.forged(
            "folded_id",
            "notify_id folded into msg_method: no id to know it again by",
            &fold(of(forger.form)?, "msg_method", "notify_id"),
        ),
        forger.forged("folded_content", "biz_content folded into app_id", &fold(of(forger.form)?, "app_id", "biz_content")),
        forger.forged("folded_all", "everything folded into app_id", &everything),
        forger.forged(
            "folded_name",
            "notify_id folded into a name that holds = and &",
            &named.without("notify_id").without("utc_timestamp").and(&name, time),
        ),
        forger.forged(
            "v2_as_v1",
            "signed with sign_type, shown as signed without: sign_type folded into notify_id, another id for the same event",
            &v2.set("notify_id", id),
        ),
    ])
}

fn split(forger: &Forger<'_>) -> Result<Vec<Attack>, String> {
    let app_id = &forger.plan.shape.app_id;
    let tail = r#"","certify_result_status":"success","mini_app_id":"2021098756789043"}"#;
    let head = r#"{"certify_result_desc":""#;
    let swallowed = format!("{app_id}&biz_content={head}");

    let simple = forger.with_content(&format!("{head}&buyer_id=1{tail}"), forger.form)?;
    let simple = simple.set("biz_content", head).and("buyer_id", format!("1{tail}"));

    let emptied = forger.with_content(&format!("{head}&biz_content={{}}&c={tail}"), forger.form)?;
    let emptied = emptied.set("app_id", &swallowed).set("biz_content", "{}").and("c", tail);

    let other = "alipay.trade.settle.success";
    let charset = forger.unsigned(MESSAGE)?.text("charset");
    let inner = format!("{head}&biz_content={{}}&charset={charset}&msg_method={other}&msg_n={tail}");
    let chosen = forger.with_content(&inner, forger.form)?;
    let rest = format!("{tail}&charset={charset}&msg_method={MESSAGE}");
    let chosen = chosen.set("app_id", &swallowed).set("biz_content", "{}");
    let chosen = chosen.set("msg_method", other).and("msg_n", rest);
    Ok(vec![
        forger.forged("split", "text of a field of the content split off as a parameter of its own", &simple),
        forger.forged(
            "emptied",
            "biz_content cut to {} by text of one of its fields, the genuine one swallowed by app_id",
            &emptied,
        ),
        forger.forged(
            "chosen_method",
            "msg_method and biz_content both written by text of a field of the content",
            &chosen,
        ),
    ])
}

fn repeated(forger: &Forger<'_>) -> Result<Vec<Attack>, String> {
    let genuine = || forger.genuine();
    let in_halves =
        forger.with_content(r#"{"mini_app_id":"1","certify_result_status":"success"}"#, forger.form)?;
    let in_halves = in_halves.set("biz_content", r#"{"mini_app_id":"1""#);
    let in_halves = in_halves.and("biz_content", r#""certify_result_status":"success"}"#);
    Ok(vec![
        forger.lenient(
            "repeated_last",
            "a second, forged biz_content at the end: fine only if the app reads the first",
            genuine()?.and("biz_content", FORGED_CONTENT).body(),
        ),
        forger.lenient(
            "repeated_first",
            "a second, forged biz_content before it: fine only if the app reads the last",
            genuine()?.reversed().and("biz_content", FORGED_CONTENT).reversed().body(),
        ),
        forger.lenient(
            "repeated_id",
            "a second notify_id: fine only if repeats are told by the first",
            genuine()?.and("notify_id", fresh_id()).body(),
        ),
        forger.lenient(
            "halved",
            "biz_content in two halves, which some frameworks join with a comma: fine only if the app reads both",
            in_halves.body(),
        ),
        forger.lenient(
            "repeated_case",
            "a second biz_content under a name in capitals: fine only if the app tells them apart",
            genuine()?.and("BIZ_CONTENT", FORGED_CONTENT).body(),
        ),
        forger.lenient(
            "repeated_list",
            "a second biz_content as biz_content[]: fine only if the app reads the other",
            genuine()?.and("biz_content[]", FORGED_CONTENT).body(),
        ),
        forger.lenient(
            "repeated_dotted",
            "a second notify_id as notify.id, which PHP reads as notify_id: fine only if the app reads the other",
            genuine()?.and("notify.id", fresh_id()).body(),
        ),
        forger.lenient(
            "repeated_nul",
            "a second notify_id whose name ends with NUL: fine only if the app reads the other",
            genuine()?.and("notify_id\0", fresh_id()).body(),
        ),
    ])
}

/// Forms that are no strict forms. Each can be mended to what was signed.
fn encoded(forger: &Forger<'_>) -> Result<Vec<Attack>, String> {
    let body = || forger.genuine().map(|genuine| genuine.body());
    let genuine = forger.genuine()?;
    let raw = genuine.value("biz_content").iter().flat_map(|byte| match byte {
        0x80.. => vec![*byte],
        _ => form_urlencoded::byte_serialize(&[*byte]).collect::<String>().into_bytes(),
    });
    let raw = [
        genuine.clone().without("biz_content").body().as_bytes(),
        b"&biz_content=",
        &raw.collect::<Vec<_>>(),
    ]
    .concat();
    let twice = forger.genuine()?;
    let twice = twice
        .clone()
        .set("biz_content", form_urlencoded::byte_serialize(twice.value("biz_content")).collect::<String>());
    let spaced = body()?.replace("%2B", "+");
    let mut attacks = vec![
        forger.lenient("raw_bytes", "bytes above 127 that are not percent-encoded", raw),
        forger.lenient(
            "encoded_twice",
            "biz_content percent-encoded twice: fine only if it is decoded as often",
            twice.body(),
        ),
        forger.lenient("spaces_in_sign", "each + of the signature as a space", spaced),
        forger.lenient("bad_escape", "a bad escape in one more parameter", format!("{}&a=%zz", body()?)),
        forger.lenient("empty_pair", "an empty pair in the middle", body()?.replacen('&', "&&", 1)),
        forger.lenient("no_equals", "a name without a value", format!("{}&a", body()?)),
        forger.lenient("no_name", "a value without a name", format!("{}&=a", body()?)),
        forger.lenient("semicolons", "pairs separated by semicolons", body()?.replace('&', ";")),
        forger.lenient("line_end", "a line end after the form", format!("{}\r\n", body()?)),
        forger.lenient("sign_unpadded", "the signature without its padding", body()?.replace("%3D%3D", "")),
    ];
    if !forger.is_utf8() {
        // A byte above 127 in GBK may be the first half of a pair whose second is ASCII.
        attacks.retain(|attack| attack.name != "raw_bytes");
    }
    Ok(attacks)
}

/// What the right key signed, and should be refused all the same.
fn genuinely_signed(forger: &Forger<'_>) -> Result<Vec<Attack>, String> {
    let sent = |time: Timestamp| {
        let time = time.as_millisecond().to_string();
        Ok::<_, String>(forger.sign(forger.unsigned(MESSAGE)?.set("utc_timestamp", time))?.body())
    };
    let now = Timestamp::now();
    let at = |hours: i64| now.checked_add(hours.hours()).map_err(|error| error.to_string());
    let twice = r#"{"mini_app_id":"2021098756789043","mini_app_id":"2021000000000666","certify_result_status":"success"}"#;
    Ok(vec![
        forger.lenient(
            "old",
            "genuine, but 30 days old: fine only if the app knows every id again for ever",
            sent(at(-30 * 24)?)?,
        ),
        forger.lenient("future", "genuine, but from tomorrow: fine only if the app knows every id again for ever", sent(at(24)?)?),
        forger.lenient(
            "other_app",
            "genuine, but for another app: fine only if Alipay's key is this app's alone",
            forger.sign(forger.unsigned(MESSAGE)?.set("app_id", "2099000000000000"))?.body(),
        ),
        forger.lenient(
            "json_twice",
            "genuine, but a name occurs twice in its content: fine only if whoever checks and whoever reads take the same",
            forger.with_content(twice, forger.form)?.body(),
        ),
    ])
}

/// Attacks on a message whose content is encrypted.
pub(super) fn attacks_on_encryption(forger: &Forger<'_>, encrypted: &Notification) -> Vec<Attack> {
    let sealed = BASE64_STANDARD.decode(encrypted.value("biz_content")).unwrap_or_default();
    let flipped = |index: usize| {
        let mut bytes = sealed.clone();
        if let Some(byte) = bytes.get_mut(index) {
            *byte ^= 1;
        }
        encrypted.clone().set("biz_content", BASE64_STANDARD.encode(bytes))
    };
    vec![
        forger.forged("flipped_cipher", "one bit of the ciphertext flipped", &flipped(0)),
        forger.forged(
            "flipped_padding",
            "the padding of the ciphertext changed",
            &flipped(sealed.len().saturating_sub(17)),
        ),
        forger.forged("no_encrypt_type", "encrypt_type left out", &encrypted.clone().without("encrypt_type")),
        forger.forged(
            "clear_content",
            "content in clear in the place of the ciphertext",
            &encrypted.clone().set("biz_content", FORGED_CONTENT),
        ),
    ]
}
