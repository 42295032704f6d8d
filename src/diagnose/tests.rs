use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;
use rcgen::{CertificateParams, DnType};

use super::keys::pasted;
use super::*;

const APP_ID: &str = "2014060600164699";

fn pair() -> &'static KeyPair {
    static PAIR: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate(KeySize::Rsa2048).unwrap());
    &PAIR
}

fn key() -> &'static PublicKey {
    static KEY: LazyLock<PublicKey> = LazyLock::new(|| {
        let der: aws_lc_rs::encoding::PublicKeyX509Der<'_> = pair().public_key().as_der().unwrap();
        PublicKey::parse(der.as_ref()).unwrap()
    });
    &KEY
}

fn policy(catalogue: &Catalogue) -> Policy {
    Policy {
        forms: &[SignedForm::V1, SignedForm::V2],
        allow_sha1: false,
        max_age: None,
        max_skew: Duration::MAX,
        parameters: Arc::new(catalogue.parameters()),
    }
}

/// Parameters with this content, and their signature.
fn genuine(content: &str) -> Parameters {
    let parameters: Parameters = [
        ("app_id", APP_ID),
        ("biz_content", content),
        ("charset", "UTF-8"),
        ("msg_method", "a.b"),
        ("sign_type", "RSA2"),
    ]
    .iter()
    .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
    .collect();
    let text = parameters.signed_text(Shape { form: SignedForm::V1, empties: Empties::Kept });
    let mut signature = vec![0; pair().public_modulus_len()];
    pair().sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), &text, &mut signature).unwrap();
    parameters.and("sign", BASE64_STANDARD.encode(signature).as_bytes())
}

fn budget(bytes: u64) -> Budget {
    Budget { bytes, deadline: Instant::now().checked_add(Duration::from_mins(10)).unwrap() }
}

fn explained(readings: Vec<Reading>, budget: Budget) -> Diagnosis {
    let catalogue = Catalogue::builtin();
    let policy = policy(&catalogue);
    let keys = vec![Candidate { app_id: APP_ID, key: key(), file: None }];
    let reason = Some(Reason::BadSignature);
    let case = Case {
        readings,
        keys,
        policy: &policy,
        catalogue: &catalogue,
        own_keys: Vec::new(),
        reason,
        is_configured: true,
        placeholder: None,
    };
    diagnose(&case, budget)
}

#[test]
fn what_a_diagnosis_takes_is_bounded_by_bytes_and_by_time() {
    // Spaces, entities, escapes and names in great number: all that makes candidates.
    let content = format!("{{{}\"z\":1}}", "\"a b%20c&quot;+/\":\"d e\",".repeat(5_000));
    let changed = genuine("{}").with(1, content);
    let cut = explained(readings_of_map(changed.clone()), budget(3_000_000));
    assert!(cut.is_cut_short && cut.trials < 40, "{} trials", cut.trials);
    assert!(!cut.is_proven && cut.signed.is_none());
    let over = explained(readings_of_map(changed), Budget { bytes: u64::MAX, deadline: Instant::now() });
    assert!(over.is_cut_short && over.trials == 0, "what is long is not begun: {} trials", over.trials);
    // What is looked at first is within any budget.
    let escaped = genuine(r#"{"a":1}"#).with(1, "{&quot;a&quot;:1}");
    assert_eq!(explained(readings_of_map(escaped), budget(10_000)).cause(), Cause::HtmlEscaped);
}

#[test]
fn of_more_parameters_than_are_looked_at_nothing_is_proven() {
    let is_proven = |count: usize| {
        let names: Vec<String> = (0..count).map(|number| format!("x{number}")).collect();
        let more = names.iter().map(|name| (name.as_bytes(), &b"y"[..]));
        let changed = genuine("{}").with(1, "{ }");
        explained(readings_of_map(changed.iter().chain(more).collect()), budget(1_000_000)).is_proven
    };
    assert!(is_proven(0) && !is_proven(300));
}

/// A certificate of the key with this subject.
fn certificate(subject: &str) -> PublicKey {
    let der = AsDer::<Pkcs8V1Der<'_>>::as_der(pair()).unwrap().as_ref().to_vec().into();
    let signer = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_RSA_SHA256).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, subject);
    PublicKey::parse(params.self_signed(&signer).unwrap().der()).unwrap()
}

#[test]
fn what_was_pasted_is_told_by_the_subject_of_its_certificate() {
    let told = |subject: &str| pasted(&Candidate { app_id: APP_ID, key: &certificate(subject), file: None });
    assert_eq!(told("Ant Financial Certification Authority R1"), Some(Cause::AuthorityKey));
    assert_eq!(told("2088000000000000-2014060600164699"), Some(Cause::AppKey));
    assert_eq!(told("Alipay sandbox"), Some(Cause::SandboxKey));
    assert_eq!(told("Alipay"), None);
}

#[test]
fn what_was_pasted_is_told_by_the_name_of_its_file() {
    let told = |file| pasted(&Candidate { app_id: APP_ID, key: key(), file: Some(file) });
    for file in ["keys/app_public_key.pem", "appCertPublicKey_2021.crt", "应用公钥2048.txt"] {
        assert_eq!(told(file), Some(Cause::AppKey), "{file}");
    }
    assert_eq!(told("sandbox/alipay.pem"), None, "a folder is no name");
    assert_eq!(told("alipay-sandbox.pem"), Some(Cause::SandboxKey));
    assert_eq!(told("alipay.pem"), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_became_of_the_content_the_key_is_not_blamed(
        content in "[{}\\[\\]\":,a1 +%&;='\\\\\u{4eba}\u{fffd}\r\n]{0,40}",
        garbage in "[{}\\[\\]\":,a1 +%&;='\\\\\u{4eba}\u{fffd}\r\n]{0,40}",
        place in 0_usize..5,
    ) {
        let genuine = genuine(&content);
        let diagnosis = explained(readings_of_map(genuine.with(place, garbage.clone())), budget(300_000));
        prop_assert!(diagnosis.opened.is_some());
        if let Some((signed, shape)) = &diagnosis.signed {
            // What is shown as signed has the text that was signed.
            let text = genuine.signed_text(Shape { form: SignedForm::V1, empties: Empties::Kept });
            prop_assert_eq!(signed.signed_text(*shape), text);
        } else if place != 0 {
            prop_assert!(diagnosis.cause().is_of_content(), "{:?}", diagnosis.cause());
        }
    }

    #[test]
    fn no_body_makes_it_panic(
        body in prop::collection::vec(any::<u8>(), 0..120),
        sign in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let readings_of = |body: &[u8]| explained(readings(body), budget(50_000));
        prop_assert!(readings_of(&body).opened.is_none());
        let sign = form_urlencoded::byte_serialize(BASE64_STANDARD.encode(&sign).as_bytes()).collect::<String>();
        let with_sign = [&body[..], b"&app_id=2014060600164699&sign=", sign.as_bytes()].concat();
        prop_assert!(!readings_of(&with_sign).findings.is_empty());
    }
}
