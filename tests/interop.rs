//! Notifications that other people's SDKs sign and check, against the built binary and its `keygen`.
//!
//! The SDKs are the platform's own for Node (`alipay-sdk`) and Python (`alipay-sdk-python`), and the one that most
//! Python projects use (`python-alipay-sdk`). `make test` installs them; where one is missing these tests fail.
#![cfg(test)]

#[path = "interop/keys.rs"]
mod keys;
#[path = "interop/notification.rs"]
mod notification;
#[path = "interop/sdk.rs"]
mod sdk;
#[path = "interop/sidecar.rs"]
mod sidecar;
#[path = "interop/upstream.rs"]
mod upstream;

use crate::{
    keys::{KeyForm, Keys},
    notification::{Charset, Notification},
    sdk::{Sdk, SignForm, Which},
    sidecar::{Answer, Sidecar},
    upstream::Upstream,
};

#[test]
fn what_the_node_sdk_signs_arrives_and_a_changed_copy_does_not() {
    genuine_arrives_and_changed_does_not(Which::Node, Charset::Utf8);
}

#[test]
fn what_python_alipay_sdk_signs_arrives_and_a_changed_copy_does_not() {
    genuine_arrives_and_changed_does_not(Which::PythonAlipaySdk, Charset::Utf8);
}

#[test]
fn what_alipay_sdk_python_signs_arrives_and_a_changed_copy_does_not() {
    genuine_arrives_and_changed_does_not(Which::AlipaySdkPython, Charset::Utf8);
}

#[test]
fn gbk_that_an_sdk_signs_arrives_as_utf_8_and_a_changed_copy_does_not() {
    genuine_arrives_and_changed_does_not(Which::AlipaySdkPython, Charset::Gbk);
}

#[test]
fn every_public_form_of_keygen_serves_as_the_configured_key() {
    let keys = Keys::generate("every_public_form");
    let mut sdk = Sdk::start(Which::Node);
    for form in KeyForm::PUBLIC {
        let upstream = Upstream::start();
        let sidecar = Sidecar::start(&keys.file(*form), &upstream);
        let genuine = Notification::of(Charset::Utf8).remove(0);
        let body = sdk.sign(SignForm::V1, &genuine, &keys, KeyForm::PrivatePkcs8Pem);

        assert_eq!(sidecar.post(&body), Answer::success(), "configured with {form:?}");
        assert_eq!(upstream.received(), [genuine.biz_content()], "configured with {form:?}");
    }
}

#[test]
fn what_the_node_sdk_encrypts_with_keygens_content_key_arrives_in_clear() {
    let (keys, others) = (Keys::generate("encrypted"), Keys::generate("encrypted_with_another"));
    let upstream = Upstream::start();
    let sidecar = Sidecar::start(&keys.file(KeyForm::PublicSpkiPem), &upstream);
    let mut sdk = Sdk::start(Which::Node);
    for notification in Notification::of(Charset::Utf8) {
        let clear = notification.params["biz_content"].as_str().unwrap();
        for (content_key, answer) in [(&others, Answer::failed()), (&keys, Answer::success())] {
            let encrypted = notification.encrypted(&sdk.encrypt(clear, content_key));
            let body = sdk.sign(SignForm::V1, &encrypted, &keys, KeyForm::PrivatePkcs8Pem);
            assert_eq!(sidecar.post(&body), answer);
        }
        assert_eq!(upstream.received(), [notification.biz_content()]);
    }
}

#[test]
fn a_notification_signed_with_another_key_is_refused() {
    let (keys, others) = (Keys::generate("the_key"), Keys::generate("another_key"));
    let upstream = Upstream::start();
    let sidecar = Sidecar::start(&keys.file(KeyForm::PublicSpkiPem), &upstream);
    for which in Which::ALL {
        let mut sdk = Sdk::start(*which);
        let genuine = Notification::of(Charset::Utf8).remove(0);
        let body = sdk.sign(SignForm::V1, &genuine, &others, KeyForm::PrivatePkcs1Pem);

        assert_eq!(sidecar.post(&body), Answer::refused(), "signed by {which:?}");
        assert!(upstream.received().is_empty(), "signed by {which:?}");
    }
}

#[test]
fn every_sdk_accepts_what_every_sdk_signs_with_keygens_files_and_refuses_a_changed_copy() {
    let keys = Keys::generate("every_sdk");
    for (signer, checker) in Which::pairs() {
        let (mut signing, mut checking) = (Sdk::start(signer), Sdk::start(checker));
        let forms = signer.signs().iter().filter(|form| checker.checks(**form));
        for (form, private) in
            forms.flat_map(|form| signer.private_forms().iter().map(move |key| (*form, *key)))
        {
            for notification in Notification::of(Charset::Utf8) {
                let body = signing.sign(form, &notification, &keys, private);
                for public in checker.public_forms() {
                    let case = format!("{signer:?} {form:?} {private:?}, checked by {checker:?} {public:?}");
                    let mut accepts =
                        |body: &str| checking.accepts(form, Charset::Utf8, body, &keys.file(*public));
                    assert!(accepts(&body), "refused: {case}");
                    for changed in notification::changed(&body) {
                        assert!(!accepts(&changed), "accepted, though changed: {case}");
                    }
                }
            }
        }
    }
}

#[test]
fn gbk_checks_in_the_sdk_that_knows_it() {
    let keys = Keys::generate("gbk_in_the_sdk");
    let mut sdk = Sdk::start(Which::AlipaySdkPython);
    for notification in Notification::of(Charset::Gbk) {
        let body = sdk.sign(SignForm::V1, &notification, &keys, KeyForm::PrivatePkcs1Bare);
        let public = &keys.file(KeyForm::PublicSpkiBare);
        assert!(sdk.accepts(SignForm::V1, Charset::Gbk, &body, public));
        for changed in notification::changed(&body) {
            assert!(!sdk.accepts(SignForm::V1, Charset::Gbk, &changed, public));
        }
    }
}

/// Every form and every private key file that the SDK takes, each notification first changed, then as it was signed.
fn genuine_arrives_and_changed_does_not(which: Which, charset: Charset) {
    let keys = Keys::generate(&format!("{which:?}_{charset:?}_arrives"));
    let upstream = Upstream::start();
    let sidecar = Sidecar::start(&keys.file(KeyForm::PublicSpkiPem), &upstream);
    let mut sdk = Sdk::start(which);
    for form in which.signs() {
        for private in which.private_forms() {
            for notification in Notification::of(charset) {
                let body = sdk.sign(*form, &notification, &keys, *private);
                for changed in notification::changed(&body) {
                    assert_eq!(sidecar.post(&changed), Answer::refused(), "{form:?} {private:?}: {changed}");
                }
                assert_eq!(sidecar.post(&body), Answer::success(), "{form:?} {private:?}: {body}");
                assert_eq!(upstream.received(), [notification.biz_content()], "{form:?} {private:?}");
            }
        }
    }
}
