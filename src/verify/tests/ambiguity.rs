//! One genuine signature, all the readings of its text that an attacker can think of: none is accepted as anything
//! but the original.
//!
//! An attacker without the key can only send other forms with the same signed text, or the same form in another
//! guise. So the readings are made from the text itself: cut at other places, folded, split, filled with empties.

use super::*;
use crate::verify::kind::Role;

/// A message-service notification with free choice of its optional parts.
fn message() -> impl Strategy<Value = Params> {
    let content = prop_oneof![
        Just("{}".to_owned()),
        // What a user can write into a text of the content: pieces that look like parameters.
        "(a|&|=|&c=|notify_id|version|msg_uid|sign_type|charset|RSA2|1.1|\\}|\\{){0,12}"
            .prop_map(|text| format!("{{\"a\":{}}}", serde_json::to_string(&text).unwrap())),
    ];
    let memo = prop::option::of("([a-z_]|&|=|&mm=){0,12}");
    (content, memo, prop::option::of("[a-z]{0,3}")).prop_map(|(content, memo, uid)| {
        let mut params = envelope();
        params.insert("biz_content".to_owned(), content.into_bytes());
        params.extend(memo.map(|memo| ("memo".to_owned(), memo.into_bytes())));
        params.extend(uid.map(|uid| ("msg_uid".to_owned(), uid.into_bytes())));
        params
    })
}

fn flat() -> impl Strategy<Value = Params> {
    let text = || {
        "(a|&|=|&status=|&title=|&name=|&buyer_id=|&gmt_create=|&trade_no=|&sign_type=|&app_id=|&charset=|&new=\
          |&price=|&subject=|&body=|&total_amount=|&notify_type=trade_status_sync|&biz_content=|\"|\\}|x){0,6}"
    };
    let optional = || prop::option::of(text());
    let kinds = prop::sample::select(vec![
        "trade_status_sync",
        "servicemarket_order_notify",
        "open_app_auth_notify",
        "unknown_kind",
    ]);
    let texts = (text(), text(), optional(), optional(), optional(), optional(), optional());
    (texts, kinds, any::<bool>()).prop_map(
        |((subject, body, reason, title, passback, bills, content), kind, is_of_a_partner)| {
            let mut params: Params = [
                ("charset", "GBK"),
                ("version", "1.0"),
                ("sign_type", "RSA2"),
                ("notify_type", kind),
                ("notify_id", "ac05099524730693a8b330c5ecf72da978"),
                ("notify_time", "2017-12-25 22:00:52"),
                ("app_id", APP_ID),
                ("trade_no", "2013112011001004330000121536"),
                ("total_amount", "20.00"),
                ("subject", &subject),
                ("body", &body),
            ]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
            .collect();
            for (name, text) in [
                ("refund_reason", reason),
                ("title", title),
                ("passback_params", passback),
                ("fund_bill_list", bills),
                (
                    "biz_content",
                    content.map(|text| format!("{{\"a\":{}}}", serde_json::to_string(&text).unwrap())),
                ),
            ] {
                params.extend(text.map(|text| (name.to_owned(), text.into_bytes())));
            }
            // The old partner API has another envelope.
            if is_of_a_partner {
                params.retain(|name, _| !["app_id", "charset", "version"].contains(&name.as_str()));
                params.insert("seller_id".to_owned(), APP_ID.as_bytes().to_vec());
            }
            params
        },
    )
}

fn gateway_check() -> impl Strategy<Value = Params> {
    // `c` sorts between biz_content and charset, where a piece of the XML could stand on its own.
    "(a|&|=|&c=|charset|GBK|service){0,8}".prop_map(|text| {
        let xml = format!(
            "<XML><AppId><![CDATA[{APP_ID}]]></AppId><EventType><![CDATA[verifygw{text}]]></EventType></XML>"
        );
        [
            ("charset", "GBK"),
            ("service", "alipay.service.check"),
            ("sign_type", "RSA2"),
            ("biz_content", &xml),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
        .collect()
    })
}

/// All that an attacker may do with a signed text: take it for other parameters, by cutting it at other `&`.
///
/// `flips` says at which `&` the cut is made otherwise than in the genuine reading.
fn read_otherwise(genuine: &Params, left_out: &[&str], flips: &[prop::sample::Index]) -> Option<Params> {
    let text = oracle_text(genuine, left_out, true);
    let mut cuts: Vec<bool> = Vec::new();
    for (name, value) in genuine.iter().filter(|(name, _)| !left_out.contains(&name.as_str())) {
        assert!(!name.contains('&'));
        cuts.push(true);
        cuts.extend(value.iter().filter(|byte| **byte == b'&').map(|_| false));
    }
    for flip in flips {
        let index = flip.index(cuts.len());
        cuts[index] = !cuts[index];
    }
    let mut pairs: Vec<Vec<u8>> = Vec::new();
    for (piece, is_cut) in text.split(|byte| *byte == b'&').zip(cuts) {
        match pairs.last_mut() {
            Some(last) if !is_cut => last.extend([b"&", piece].concat()),
            Some(_) | None => pairs.push(piece.to_vec()),
        }
    }
    let mut params = Params::new();
    for pair in pairs {
        let (name, value) = pair.split_at(pair.iter().position(|byte| *byte == b'=')?);
        let name = String::from_utf8(name.to_vec()).ok()?;
        if params.insert(name, value[1..].to_vec()).is_some() {
            return None;
        }
    }
    params.insert("sign".to_owned(), genuine["sign"].clone());
    // Under V1 the sign_type is not signed, so the attacker may add it.
    params.entry("sign_type".to_owned()).or_insert_with(|| b"RSA2".to_vec());
    Some(params)
}

/// Where the genuine reading is changed: at one to three places.
fn flips() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 1..4)
}

/// What whoever reads the notification later gets to see: everything that was signed.
fn reading(verified: &Verified) -> Params {
    verified
        .form()
        .iter()
        .filter(|(name, _)| *name != b"sign" && *name != b"sign_type")
        .map(|(name, value)| (String::from_utf8(name.to_vec()).unwrap(), value.to_vec()))
        .collect()
}

/// Any time is in time here: an attacker may be quick.
fn open_policy() -> Policy {
    Policy { max_age: None, max_skew: Duration::from_hours(24 * 365 * 200), ..policy(AUTO) }
}

/// Whether `content` is one JSON object, which is what the next room asks of a message's.
fn is_object(content: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(content).is_ok()
}

/// Judges `forged` as the whole way does: by the verification, and for a message by its content as well.
fn accepts(forged: &Params) -> Option<Params> {
    let verified = judge(forged, &open_policy()).ok()?;
    let read = reading(&verified);
    let names = PARAMETERS.of(read.get("notify_type").map(Vec::as_slice));
    let has_content = match verified.kind() {
        Kind::Message => true,
        Kind::GatewayCheck => false,
        Kind::Flat => names.role(b"biz_content") == Some(Role::FreeText),
    };
    let content = read.get("biz_content").filter(|_| has_content);
    content.is_none_or(|content| is_object(content)).then_some(read)
}

/// Tries another reading of what was signed in `form`.
fn has_one_reading(params: Params, is_v1: bool, flips: &[prop::sample::Index]) -> Result<(), TestCaseError> {
    let left_out: &[&str] = if is_v1 { &["sign", "sign_type"] } else { &["sign"] };
    let genuine = sign(params, left_out, true);
    let Some(original) = accepts(&genuine) else { return Ok(()) };
    if let Some(read) = read_otherwise(&genuine, left_out, flips).and_then(|forged| accepts(&forged)) {
        prop_assert_eq!(read, original, "one signed text, two readings");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn a_message_has_one_reading(params in message(), flips in flips(), is_v1 in any::<bool>()) {
        has_one_reading(params, is_v1, &flips)?;
    }

    #[test]
    fn a_gateway_check_has_one_reading(params in gateway_check(), flips in flips(), is_v1 in any::<bool>()) {
        has_one_reading(params, is_v1, &flips)?;
    }

    #[test]
    fn no_other_reading_of_a_flat_notification_changes_what_is_known(
        params in flat(),
        flips in flips(),
        is_v1 in any::<bool>(),
        empty in prop::option::of(prop::sample::select(vec!["t", "bp", "trade_no", "total_amount", "seller_id", "refund_s"])),
    ) {
        let left_out: &[&str] = if is_v1 { &["sign", "sign_type"] } else { &["sign"] };
        let genuine = sign(params, left_out, true);
        let Some(original) = accepts(&genuine) else { return Ok(()) };
        let Some(mut forged) = read_otherwise(&genuine, left_out, &flips) else { return Ok(()) };
        // What is empty may not be signed, so the attacker may add it.
        forged.extend(empty.filter(|empty| !forged.contains_key(*empty)).map(|empty| (empty.to_owned(), Vec::new())));
        let names = PARAMETERS.of(original.get("notify_type").map(Vec::as_slice));
        if let Some(read) = accepts(&forged) {
            // Free text may lose its end to a name that means nothing; whatever means something stays what it was.
            for (name, value) in &original {
                match names.role(name.as_bytes()) {
                    Some(Role::FreeText) if name != "biz_content" => {
                        prop_assert!(read.contains_key(name), "{name} has vanished");
                    }
                    Some(_) => prop_assert_eq!(read.get(name), Some(value), "{}", name),
                    // Of unsigned names the text may take one back, if it means nothing.
                    None => {}
                }
            }
            for name in read.keys().filter(|name| !original.contains_key(*name)) {
                prop_assert!(names.role(name.as_bytes()).is_none(), "{name} was injected");
            }
        }
    }

    #[test]
    fn an_empty_parameter_added_without_a_signature_is_never_read(params in message(), name in "[a-z_]{1,12}", is_v1 in any::<bool>()) {
        let left_out: &[&str] = if is_v1 { &["sign", "sign_type"] } else { &["sign"] };
        let genuine = sign(params, left_out, false);
        prop_assume!(!genuine.contains_key(&name));
        let Some(original) = accepts(&genuine) else { return Ok(()) };
        let mut forged = genuine.clone();
        forged.insert(name.clone(), Vec::new());
        if let Some(read) = accepts(&forged) {
            prop_assert_eq!(read, original);
        }
    }

    #[test]
    fn the_sign_type_moves_nothing(params in message(), other in "[A-Za-z0-9]{1,10}", is_v1 in any::<bool>()) {
        let left_out: &[&str] = if is_v1 { &["sign", "sign_type"] } else { &["sign"] };
        let genuine = sign(params, left_out, true);
        let Some(original) = accepts(&genuine) else { return Ok(()) };
        let mut forged = genuine.clone();
        forged.insert("sign_type".to_owned(), other.clone().into_bytes());
        if let Some(read) = accepts(&forged) {
            prop_assert_eq!(read, original);
            prop_assert!(other.eq_ignore_ascii_case("RSA2"), "only the configuration chooses the hash");
        }
    }
}

/// The attacks that were seen, one by one, each with the genuine signature.
#[test]
fn the_known_forgeries_are_refused() {
    let text = |params: &Params, name: &str| String::from_utf8(params[name].clone()).unwrap();
    for (left_out, form) in [(&["sign", "sign_type"][..], SignedForm::V1), (&["sign"], SignedForm::V2)] {
        let genuine = sign(envelope(), left_out, true);
        assert_eq!(judge(&genuine, &open_policy()).unwrap().signed_form(), form);
        let fold = |into: &str, gone: &str| {
            let mut forged = genuine.clone();
            let swallowed = String::from_utf8(forged.remove(gone).unwrap()).unwrap();
            let folded = format!("{}&{gone}={swallowed}", text(&genuine, into));
            forged.insert(into.to_owned(), folded.into_bytes());
            forged
        };
        // Sorted: app_id, biz_content, charset, msg_method, notify_id, sign_type, utc_timestamp, version.
        for (into, gone) in [
            ("app_id", "biz_content"),
            ("biz_content", "charset"),
            ("charset", "msg_method"),
            ("msg_method", "notify_id"),
            ("notify_id", "utc_timestamp"),
            ("utc_timestamp", "version"),
            ("notify_id", "sign_type"),
        ] {
            assert!(accepts(&fold(into, gone)).is_none(), "{gone} folded into {into}");
        }
        // A name that holds `=` and `&`.
        let mut forged = genuine.clone();
        let time = String::from_utf8(forged.remove("utc_timestamp").unwrap()).unwrap();
        let id = String::from_utf8(forged.remove("notify_id").unwrap()).unwrap();
        forged.insert(format!("notify_id={id}&utc_timestamp"), time.into_bytes());
        assert!(accepts(&forged).is_none());
    }
    // A V2 signature shown as V1, with the sign_type swallowed by the parameter before it.
    let genuine = sign(envelope(), &["sign"], true);
    let mut forged = genuine.clone();
    forged.insert(
        "notify_id".to_owned(),
        format!("{}&sign_type=RSA2", text(&genuine, "notify_id")).into_bytes(),
    );
    assert!(accepts(&forged).is_none());
    // The content cut short, its rest swallowed by a neighbour that did not exist.
    let mut params = envelope();
    params.insert("biz_content".to_owned(), br#"{"a":"{}&c=1"}"#.to_vec());
    let genuine = sign(params, &["sign"], true);
    let mut forged = genuine.clone();
    forged.insert("biz_content".to_owned(), br#"{"a":"{}"#.to_vec());
    forged.insert("c".to_owned(), br#"1"}"#.to_vec());
    assert!(accepts(&forged).is_none());
}

/// What a free text may hold is decided by its kind alone: not by what else is there, nor by the signature.
#[test]
fn the_known_forgeries_of_flat_notifications_are_refused() {
    let flat = |more: &[(&str, &str)]| {
        let base = [
            ("charset", "UTF-8"),
            ("version", "1.0"),
            ("sign_type", "RSA2"),
            ("notify_type", "trade_status_sync"),
            ("notify_id", "ac05099524730693a8b330c5ecf72da978"),
            ("notify_time", "2017-12-25 22:00:52"),
            ("app_id", APP_ID),
        ];
        let pairs = base.iter().chain(more);
        pairs.map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect::<Params>()
    };
    let v1 = ["sign", "sign_type"];
    let genuine =
        sign(flat(&[("subject", "hello"), ("total_amount", "88.00"), ("trade_no", "2026")]), &v1, true);
    assert!(accepts(&genuine).is_some());
    for empty in [None, Some("t"), Some("total_amount"), Some("trade_no")] {
        let mut forged = flat(&[("subject", "hello&total_amount=88.00&trade_no=2026")]);
        forged.insert("sign".to_owned(), genuine["sign"].clone());
        forged.extend(empty.map(|empty| (empty.to_owned(), Vec::new())));
        assert!(accepts(&forged).is_none(), "folded, with {empty:?} added empty");
    }
    for text in ["x&status=OK", "x&subject=hello", "x&sign_type=RSA2", "x&refund_reason=y"] {
        let genuine = sign(flat(&[("refund_reason", text)]), &v1, true);
        assert!(accepts(&genuine).is_none(), "{text}");
    }
    // The name of the next parameter cannot be read as that twice, and none beyond it can come before it.
    for text in ["x&trade_no=y", "https://a.b/?id=3&trade_status=9&use_coupon=Y"] {
        let genuine = sign(flat(&[("subject", text), ("trade_no", "z")]), &v1, true);
        assert!(accepts(&genuine).is_some(), "{text}");
        let mut forged = genuine.clone();
        let (subject, swallowed) = text.split_once('&').unwrap();
        forged.insert("subject".to_owned(), subject.into());
        let (name, value) = swallowed.split_once('=').unwrap();
        forged.insert(name.to_owned(), format!("{value}&trade_no=z").into());
        assert!(accepts(&forged).is_none(), "{text}");
    }
    // An empty parameter may be the attacker's, so nothing ends there.
    let mut params = flat(&[("subject", "x&trade_status=y"), ("use_coupon", "Y")]);
    params.insert("t".to_owned(), Vec::new());
    assert!(accepts(&sign(params, &v1, true)).is_none());
    // This stands beyond the next parameter, but is free text and could swallow that: as the text of its own value.
    for kind in ["trade_status_sync", "servicemarket_order_notify", "unknown_kind"] {
        let text = if kind == "trade_status_sync" { "x&voucher_detail_list=" } else { "x&title=" };
        let mut params = flat(&[("refund_reason", text), ("subject", "y")]);
        params.insert("notify_type".to_owned(), kind.as_bytes().to_vec());
        assert!(accepts(&sign(params, &v1, true)).is_none(), "{kind}");
    }
    for text in ["https://a.b/?x=1&name=y&page=2", "x&app_id=1", "a & b = c"] {
        let genuine = sign(flat(&[("body", text)]), &v1, true);
        assert!(accepts(&genuine).is_some(), "{text}");
    }
    for (kind, content, is_accepted) in [
        ("trade_status_sync", r#"{"a":1}&buyer_id=2088"#, false),
        ("trade_status_sync", r#"{"a":"https://a.b/?x=1&y=2"}"#, false),
        ("open_app_auth_notify", r#"{"a":"https://a.b/?x=1&y=2"}"#, true),
        ("unknown_kind", r#"{"a":"https://a.b/?x=1&y=2"}"#, true),
        ("open_app_auth_notify", r#"{"a":"x&notify_type=trade_status_sync&y=2"}"#, false),
    ] {
        let mut params = flat(&[("biz_content", content)]);
        params.insert("notify_type".to_owned(), kind.as_bytes().to_vec());
        assert_eq!(accepts(&sign(params, &v1, true)).is_some(), is_accepted, "{kind} {content}");
    }
}
