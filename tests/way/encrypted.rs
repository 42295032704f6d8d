//! Encrypted content: the signature is over the ciphertext, and the app gets the clear text or nothing.

use std::fs;

use aes::Aes128;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeEncrypt, KeyIvInit};
use tempfile::TempDir;

use crate::support::Way;
use crate::support::alipay::{APP_ID, CONTENT, Form, Notification, flat, key};

const KEY: [u8; 16] = *b"the key of tests";

/// A sidecar whose app has the content key `key`, and the folder of its file.
fn with_key(key: [u8; 16]) -> (Way, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("content_key.txt");
    fs::write(&file, format!("{}\n", BASE64_STANDARD.encode(key))).unwrap();
    let line = format!("content_key_file = {:?}", file.to_str().unwrap());
    (Way::with(&[("apps", &line)]), folder)
}

/// `notification` with its content encrypted, for `AES` and `AES_V2` alike.
fn encrypted(notification: Notification, algorithm: &str, iv: [u8; 16]) -> Notification {
    let content = notification.value("biz_content");
    let mut bytes =
        cbc::Encryptor::<Aes128>::new(&KEY.into(), &iv.into()).encrypt_padded_vec::<Pkcs7>(content);
    if algorithm.eq_ignore_ascii_case("AES_V2") {
        bytes = [iv.as_slice(), &bytes].concat();
    }
    notification.set("biz_content", BASE64_STANDARD.encode(bytes)).set("encrypt_type", algorithm)
}

#[test]
fn the_app_gets_the_clear_text_in_each_form_cipher_and_charset() {
    let (way, _folder) = with_key(KEY);
    for form in [Form::V1, Form::V2] {
        for (algorithm, iv) in [("AES", [0; 16]), ("aes", [0; 16]), ("AES_V2", [7; 16])] {
            for notification in [Notification::unsigned(), Notification::unsigned().in_gbk()] {
                way.post(&encrypted(notification, algorithm, iv).signed(form, key())).is(200, "success");
                let got = way.upstream.got();
                assert!(got.text().ends_with(&format!("\"biz_content\":{CONTENT}}}")), "{}", got.text());
                assert_eq!(got.header("alipay-schema"), Some("typed"));
                assert!(!got.text().contains("encrypt_type"));
            }
        }
    }
}

#[test]
fn sm4_reaches_the_app_as_well() {
    let (way, _folder) = with_key(core::array::from_fn(|at| u8::try_from(at).unwrap()));
    // Made by OpenSSL of {"status":"人脸核验"}.
    let content = "EBESExQVFhcYGRobHB0eH5Bctrq5b5P7wsPTM3L5F23ZbfsAaP3FtPsTyRIBAgPVoO+GWlPAl65P";
    let notification = Notification::unsigned().set("msg_method", "a.b").set("encrypt_type", "SM4");
    way.post(&notification.set("biz_content", content).signed(Form::V1, key())).is(200, "success");
    assert!(way.upstream.got().text().ends_with(r#""biz_content":{"status":"人脸核验"}}"#));
}

#[test]
fn the_key_is_that_of_the_app_for_which_it_was_verified() {
    let (way, _folder) = with_key(KEY);
    let content = encrypted(Notification::unsigned(), "AES", [0; 16]);
    let flat = |encrypt_type| {
        let params = [("auth_app_id", APP_ID), ("encrypt_type", encrypt_type)];
        let notification = flat("open_app_auth_notify", &params).without("app_id");
        notification.set("biz_content", content.value("biz_content")).signed(Form::V1, key())
    };
    way.post(&flat("AES")).is(200, "success");
    assert!(way.upstream.got().text().contains(CONTENT));
    way.post(&flat("XOR")).is(400, "fail");
    assert_eq!(way.count("malformed_parameter"), 1);
}

#[test]
fn what_is_decrypted_was_verified_first() {
    let (way, _folder) = with_key(KEY);
    let genuine = encrypted(Notification::unsigned(), "AES", [0; 16]).signed(Form::V2, key());
    let other = encrypted(Notification::unsigned().set("biz_content", "{}"), "AES", [0; 16]);
    let forged = genuine.clone().set("biz_content", other.value("biz_content"));
    way.post(&forged).is(403, "fail");
    way.post(&genuine.without("encrypt_type")).is(403, "fail");
    assert_eq!(way.count("bad_signature"), 2);
    assert_eq!(way.count("encrypted_content"), 0);
}

#[test]
fn a_missing_key_a_wrong_one_and_whatever_is_no_json_have_one_answer() {
    let (fits, _folder) = with_key(KEY);
    let (other, _folder_of_other) = with_key([9; 16]);
    let none = Way::start();
    let signed = |notification: Notification| notification.signed(Form::V1, key());
    let content = |text: &[u8]| encrypted(Notification::unsigned().set("biz_content", text), "AES", [0; 16]);
    let cut = Notification::unsigned().set("encrypt_type", "AES").set("biz_content", "AAAA");
    let genuine = encrypted(Notification::unsigned(), "AES", [0; 16]);
    let answers = [
        none.post(&signed(genuine.clone())),
        other.post(&signed(genuine.clone())),
        fits.post(&signed(genuine.set("encrypt_type", "AES_V2"))),
        fits.post(&signed(content(b"[]"))),
        fits.post(&signed(content(b"\xff"))),
        fits.post(&signed(content(b""))),
        fits.post(&signed(cut)),
    ];
    for answer in &answers {
        answer.is(200, "fail");
        assert_eq!(answer, &answers[0]);
    }
    assert_eq!([&none, &other, &fits].map(|way| way.count("encrypted_content")), [1, 1, 5]);
}
