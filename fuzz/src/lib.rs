//! What the fuzz targets have in common: Alipay's side, with a test key, and our side, which knows that key.

pub mod wire;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alipay_sidecar::receive::Received;
use alipay_sidecar::receive::form::Form;
use alipay_sidecar::rejection::Rejection;
use alipay_sidecar::translate::catalogue::Catalogue;
use alipay_sidecar::translate::{OnMismatch, Translator, UnknownMethods};
use alipay_sidecar::verify::key::PublicKey;
use alipay_sidecar::verify::keyring::Keyring;
use alipay_sidecar::verify::{Policy, SignedForm, Verified, verify};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// The app that every target is for.
pub const APP_ID: &str = "2014060600164699";
/// The most parameters of a notification, as by default.
pub const MAX_PARAMS: usize = 64;

/// Names and values, sorted by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairs(BTreeMap<Vec<u8>, Vec<u8>>);

impl FromIterator<(Vec<u8>, Vec<u8>)> for Pairs {
    fn from_iter<I: IntoIterator<Item = (Vec<u8>, Vec<u8>)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

/// A private key that is public, and so stands for Alipay's in tests alone.
static TEST_KEY: LazyLock<KeyPair> = LazyLock::new(|| {
    let pem = include_str!("../../tests/fixtures/config/keys/test-private-key.pem");
    let base64: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    KeyPair::from_pkcs8(&BASE64_STANDARD.decode(base64).unwrap()).unwrap()
});

static KEYRING: LazyLock<Keyring> = LazyLock::new(|| {
    let key = Arc::new(PublicKey::parse(&test_spki()).unwrap());
    [(APP_ID.to_owned(), vec![key])].into_iter().collect()
});

static POLICY: LazyLock<Policy> = LazyLock::new(|| Policy {
    forms: &[SignedForm::V1, SignedForm::V2],
    allow_sha1: false,
    max_age: Some(Duration::from_hours(26)),
    max_skew: Duration::from_mins(5),
    parameters: Arc::new(TRANSLATOR.catalogue().parameters()),
});

/// The moment at which every notification is judged: that of the documented example.
static NOW: LazyLock<SystemTime> =
    LazyLock::new(|| UNIX_EPOCH.checked_add(Duration::from_millis(1_514_210_452_731)).unwrap());

/// The translator of the default configuration.
pub static TRANSLATOR: LazyLock<Translator> =
    LazyLock::new(|| Translator::new(Catalogue::builtin(), OnMismatch::Forward, UnknownMethods::Forward));

/// The public test key, as a `SubjectPublicKeyInfo` in DER.
pub fn test_spki() -> Vec<u8> {
    AsDer::<PublicKeyX509Der<'_>>::as_der(TEST_KEY.public_key()).unwrap().as_ref().to_vec()
}

/// Signs `text` as Alipay does.
pub fn sign(text: &[u8]) -> String {
    let mut signature = vec![0; TEST_KEY.public_modulus_len()];
    TEST_KEY.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature).unwrap();
    BASE64_STANDARD.encode(signature)
}

/// The form that holds `pairs`, in their order.
pub fn body<'a>(pairs: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> String {
    let encode = |bytes| form_urlencoded::byte_serialize(bytes).collect::<String>();
    let pairs = pairs.into_iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// What the room `verify` says of `body`.
pub fn judge(body: &[u8]) -> Result<Verified, Rejection> {
    verify(Received::parse(body, MAX_PARAMS)?, &KEYRING, &POLICY, *NOW)
}

/// What of `form` is signed in `signed_form`.
pub fn signed(form: &Form, signed_form: SignedForm) -> Pairs {
    form.iter()
        .filter(|(name, _)| *name != b"sign" && (signed_form == SignedForm::V2 || *name != b"sign_type"))
        .map(|(name, value)| (name.to_vec(), value.to_vec()))
        .collect()
}

/// The signed text of `pairs`, as the platform describes it.
pub fn text(pairs: &Pairs) -> Vec<u8> {
    let pairs: Vec<_> = pairs.0.iter().map(|(name, value)| [name, &b"="[..], value].concat()).collect();
    pairs.join(&b'&')
}

/// The documented example, with this `notify_id`, as pairs in the order observed; unsigned.
pub fn example(notify_id: &'static str) -> Vec<(&'static [u8], &'static [u8])> {
    [
        ("charset", "UTF-8"),
        ("biz_content", EXAMPLE_CONTENT),
        ("utc_timestamp", "1514210452731"),
        ("app_id", APP_ID),
        ("version", "1.1"),
        ("sign_type", "RSA2"),
        ("notify_id", notify_id),
        ("msg_method", "alipay.open.mini.icp.faceauth.completed"),
    ]
    .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
    .to_vec()
}

/// The content of the documented example.
pub const EXAMPLE_CONTENT: &str = r#"{"mini_app_id":"2021098756789043","certify_result_status":"success","bundle_id":"com.alipay.alipaywallet","certify_result_desc":"人脸核验时人脸被遮挡"}"#;

/// The signature of `pairs` in `signed_form`.
pub fn signature(pairs: &[(&[u8], &[u8])], signed_form: SignedForm) -> String {
    let left_out = |name: &[u8]| signed_form == SignedForm::V1 && name == b"sign_type";
    let pairs = pairs.iter().filter(|(name, _)| !left_out(name));
    sign(&text(&pairs.map(|(name, value)| (name.to_vec(), value.to_vec())).collect()))
}
