//! The verification held against an oracle that shares no code with it: `rsa` and `sha2`, and the scheme as it is
//! described by the platform.

mod ambiguity;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use aws_lc_rs::encoding::AsDer;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;
use rsa::pkcs8::{DecodePrivateKey, EncodePublicKey};
use rsa::{Pkcs1v15Sign, PrivateKey};
use sha2::{Digest, Sha256};

use super::*;
use crate::receive::form::Form;
use crate::translate::catalogue::Catalogue;

const APP_ID: &str = "2014060600164699";
const NOW: u64 = 1_514_210_452_731;

static KEY: LazyLock<PrivateKey> = LazyLock::new(|| {
    let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    PrivateKey::from_pkcs8_der(pair.as_der().unwrap().as_ref()).unwrap()
});

static KEYRING: LazyLock<Keyring> = LazyLock::new(|| {
    let spki = KEY.to_public_key().to_public_key_der().unwrap();
    let key = Arc::new(PublicKey::parse(spki.as_bytes()).unwrap());
    [(APP_ID.to_owned(), vec![key])].into_iter().collect()
});

type Params = BTreeMap<String, Vec<u8>>;

static PARAMETERS: LazyLock<Arc<KnownParameters>> =
    LazyLock::new(|| Arc::new(Catalogue::builtin().parameters()));

fn policy(forms: &'static [SignedForm]) -> Policy {
    Policy {
        parameters: Arc::clone(&PARAMETERS),
        forms,
        allow_sha1: false,
        max_age: Some(Duration::from_mins(1)),
        max_skew: Duration::from_mins(1),
    }
}

const AUTO: &[SignedForm] = &[SignedForm::V1, SignedForm::V2];

fn envelope() -> Params {
    [
        ("charset", "UTF-8"),
        ("biz_content", "{}"),
        ("utc_timestamp", "1514210452731"),
        ("app_id", APP_ID),
        ("version", "1.1"),
        ("sign_type", "RSA2"),
        ("notify_id", "5608cccc09ddb39d41c2e3c06e3d9fejh2"),
        ("msg_method", "alipay.some.message"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
    .collect()
}

/// The signed text: leave out, sort by name, join.
fn oracle_text(params: &Params, left_out: &[&str], empties: bool) -> Vec<u8> {
    let pairs: Vec<Vec<u8>> = params
        .iter()
        .filter(|(name, value)| !left_out.contains(&name.as_str()) && (empties || !value.is_empty()))
        .map(|(name, value)| [name.as_bytes(), b"=", value.as_slice()].concat())
        .collect();
    pairs.join(&b'&')
}

fn sign(mut params: Params, left_out: &[&str], empties: bool) -> Params {
    let digest = Sha256::digest(oracle_text(&params, left_out, empties));
    let signature = KEY.sign(Pkcs1v15Sign::new::<Sha256>(), &digest).unwrap();
    params.insert("sign".to_owned(), BASE64_STANDARD.encode(signature).into_bytes());
    params
}

fn encode(bytes: &[u8]) -> String {
    form_urlencoded::byte_serialize(bytes).collect()
}

fn judge(params: &Params, policy: &Policy) -> Result<Verified, Reason> {
    let pairs: Vec<String> =
        params.iter().map(|(name, value)| format!("{}={}", encode(name.as_bytes()), encode(value))).collect();
    let body = pairs.join("&");
    let form = Form::parse(body.as_bytes(), 64).map_err(crate::receive::form::FormError::reason)?;
    let received = Received { form, bytes: body.len() };
    let now = UNIX_EPOCH.checked_add(Duration::from_millis(NOW)).unwrap();
    verify(received, &KEYRING, policy, now).map_err(|rejection| rejection.reason())
}

#[test]
fn what_a_kind_is_said_to_require_is_required() {
    let flat = [("notify_type", "trade_status_sync"), ("notify_time", "2017-12-25 22:00:52")];
    let mut trade = envelope();
    trade.retain(|name, _| !matches!(name.as_str(), "msg_method" | "biz_content" | "utc_timestamp"));
    trade.extend(flat.map(|(name, value)| (name.to_owned(), value.into())));
    for (genuine, kind) in [(envelope(), Kind::Message), (trade, Kind::Flat)] {
        let form: Vec<String> = genuine.keys().map(|name| format!("{name}=x")).collect();
        let form = Form::parse(form.join("&").as_bytes(), 64).unwrap();
        let names: Vec<&str> = kind.required(&form).collect();
        assert!(judge(&sign(genuine.clone(), &["sign", "sign_type"], true), &policy(AUTO)).is_ok());
        for name in names {
            let mut without = genuine.clone();
            assert!(without.remove(name).is_some(), "{name}");
            let reason = judge(&sign(without, &["sign", "sign_type"], true), &policy(AUTO)).unwrap_err();
            let of_kind = matches!(name, "msg_method" | "notify_type");
            let expected = if of_kind { Reason::UnsupportedKind } else { Reason::MissingParameter };
            assert_eq!(reason, expected, "{name}");
        }
    }
}

/// Parameters that no envelope has, without what rule R6 refuses.
fn extras() -> impl Strategy<Value = Params> {
    let value = prop::collection::vec(any::<u8>().prop_filter("R6", |byte| *byte != b'&'), 0..30);
    prop::collection::btree_map("x_[A-Za-z0-9_]{0,8}", value, 0..10)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_the_oracle_signs_holds_in_its_form(extras in extras(), is_v1 in any::<bool>()) {
        let left_out: &[&str] = if is_v1 { &["sign", "sign_type"] } else { &["sign"] };
        let expected = if is_v1 { SignedForm::V1 } else { SignedForm::V2 };
        let mut params = envelope();
        params.extend(extras);
        let signed = sign(params, left_out, true);
        let verified = judge(&signed, &policy(AUTO)).unwrap();
        prop_assert_eq!(verified.signed_form(), expected);
        let kept: Params = verified
            .form()
            .iter()
            .map(|(name, value)| (String::from_utf8(name.to_vec()).unwrap(), value.to_vec()))
            .collect();
        prop_assert_eq!(kept, signed);
    }

    #[test]
    fn what_was_signed_without_its_empties_loses_them(extras in extras(), is_v1 in any::<bool>()) {
        let left_out: &[&str] = if is_v1 { &["sign", "sign_type"] } else { &["sign"] };
        let mut params = envelope();
        params.extend(extras);
        params.insert("msg_uid".to_owned(), Vec::new());
        let verified = judge(&sign(params, left_out, false), &policy(AUTO)).unwrap();
        prop_assert!(verified.form().iter().all(|(_, value)| !value.is_empty()));
    }

    #[test]
    fn any_change_to_a_signed_byte_is_refused(
        extras in extras(),
        which in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut params = envelope();
        params.extend(extras);
        let mut changed = sign(params, &["sign"], true);
        let names: Vec<String> = changed.iter().filter(|(_, value)| !value.is_empty()).map(|(name, _)| name.clone()).collect();
        let name = names[which.index(names.len())].clone();
        let value = changed.get_mut(&name).unwrap();
        let place = place.index(value.len());
        prop_assume!(value[place] != byte);
        value[place] = byte;
        // What is not refused by its grammar is refused by its signature.
        let reason = judge(&changed, &policy(AUTO)).unwrap_err();
        prop_assert!(
            matches!(
                reason,
                Reason::BadSignature | Reason::MalformedParameter | Reason::AmbiguousParameters | Reason::UnknownApp | Reason::HashNotAllowed
            ),
            "{:?}", reason
        );
        if name.starts_with("x_") && byte != b'&' {
            prop_assert_eq!(reason, Reason::BadSignature);
        }
    }

    #[test]
    fn no_form_makes_it_panic_or_passes_unsigned(params in prop::collection::btree_map(
        prop::sample::select(vec!["charset", "biz_content", "utc_timestamp", "app_id", "version", "sign_type", "notify_id", "msg_method", "sign", "encrypt_type", "service"]).prop_map(str::to_owned),
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..30),
            prop::sample::select(vec!["UTF-8", "{}", "1514210452731", APP_ID, "1.1", "RSA2", "a", "AAAA"]).prop_map(|text| text.as_bytes().to_vec()),
        ],
        0..12,
    )) {
        prop_assert!(judge(&params, &policy(AUTO)).is_err());
    }
}

#[test]
fn the_documented_order_of_trial_is_the_policys() {
    let v2 = sign(envelope(), &["sign"], true);
    assert_eq!(judge(&v2, &policy(&[SignedForm::V1])).unwrap_err(), Reason::BadSignature);
    assert_eq!(judge(&v2, &policy(&[SignedForm::V2])).unwrap().signed_form(), SignedForm::V2);
}

#[test]
fn an_app_that_is_not_ours_is_unknown_whether_its_signature_would_hold_or_not() {
    let mut params = envelope();
    params.insert("app_id".to_owned(), b"1".to_vec());
    assert_eq!(judge(&sign(params.clone(), &["sign"], true), &policy(AUTO)).unwrap_err(), Reason::UnknownApp);
    params.insert("sign".to_owned(), b"AAAA".to_vec());
    assert_eq!(judge(&params, &policy(AUTO)).unwrap_err(), Reason::UnknownApp);
}

#[test]
fn the_window_of_time_is_closed_at_both_ends() {
    let sent = |millis: u64| {
        let mut params = envelope();
        params.insert("utc_timestamp".to_owned(), millis.to_string().into_bytes());
        judge(&sign(params, &["sign"], true), &policy(AUTO)).map(|_| ())
    };
    assert_eq!(sent(NOW - 60_000), Ok(()));
    assert_eq!(sent(NOW - 60_001), Err(Reason::TooOld));
    assert_eq!(sent(NOW + 60_000), Ok(()));
    assert_eq!(sent(NOW + 60_001), Err(Reason::FromTheFuture));
}

#[test]
fn sha_1_holds_only_where_it_is_allowed() {
    use aws_lc_rs::digest;
    let mut params = envelope();
    params.insert("sign_type".to_owned(), b"RSA".to_vec());
    let text = oracle_text(&params, &["sign", "sign_type"], true);
    let sha1 = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &text);
    // DigestInfo of SHA-1, RFC 8017, 9.2, note 1.
    let info = [
        &[0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14],
        sha1.as_ref(),
    ]
    .concat();
    let signature = KEY.sign(Pkcs1v15Sign::new_unprefixed(), &info).unwrap();
    params.insert("sign".to_owned(), BASE64_STANDARD.encode(signature).into_bytes());
    assert_eq!(judge(&params, &policy(AUTO)).unwrap_err(), Reason::HashNotAllowed);

    let spki = KEY.to_public_key().to_public_key_der().unwrap();
    let key = Arc::new(PublicKey::parse_allowing_sha1(spki.as_bytes()).unwrap());
    let keyring: Keyring = [(APP_ID.to_owned(), vec![key])].into_iter().collect();
    let allowed = Policy { allow_sha1: true, ..policy(AUTO) };
    let judge = |params: &Params| {
        let mut form = form_urlencoded::Serializer::new(String::new());
        for (name, value) in params {
            form.append_pair(name, std::str::from_utf8(value).unwrap());
        }
        let form = Form::parse(form.finish().as_bytes(), 64).unwrap();
        let now = UNIX_EPOCH.checked_add(Duration::from_millis(NOW)).unwrap();
        verify(Received { form, bytes: 0 }, &keyring, &allowed, now).map_err(|rejection| rejection.reason())
    };
    assert_eq!(judge(&params).unwrap().signed_form(), SignedForm::V1);
    // Under V1 the sign_type is not signed: another one chooses another hash, which does not hold.
    params.insert("sign_type".to_owned(), b"RSA2".to_vec());
    assert_eq!(judge(&params).unwrap_err(), Reason::BadSignature);
}
