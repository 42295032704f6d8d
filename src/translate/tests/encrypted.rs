//! Encrypted content: it becomes what it would be in clear, or it is one refusal.

use aes::Aes128;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeEncrypt, KeyIvInit};
use proptest::prelude::*;

use super::*;
use crate::translate::cipher::ContentKey;

const KEY: [u8; 16] = *b"the key of tests";
const DOES_NOT_FIT: &str =
    "the key in content_key_file does not fit, or what it decrypts is not a JSON object in its charset";

fn encrypt(text: &[u8]) -> Vec<u8> {
    cbc::Encryptor::<Aes128>::new(&KEY.into(), &[0; 16].into()).encrypt_padded_vec::<Pkcs7>(text)
}

fn with_key(key: [u8; 16]) -> Translator {
    let key = ContentKey::parse(BASE64_STANDARD.encode(key).as_bytes()).unwrap();
    lenient().with_content_keys([("2014060600164699".to_owned(), key)].into_iter().collect())
}

/// The example with `ciphertext` for its content.
fn encrypted(ciphertext: &[u8], changes: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    let mut changes = changes.to_vec();
    let content = BASE64_STANDARD.encode(ciphertext);
    changes.extend([("biz_content", content.as_str()), ("encrypt_type", "AES")]);
    example(&changes)
}

#[test]
fn encrypted_content_becomes_what_it_is_in_clear() {
    let got = with_key(KEY).translate(verified(&encrypted(&encrypt(CONTENT.as_bytes()), &[]))).unwrap();
    assert_eq!(json(&got), json(&event(&[])));
    assert_eq!(got.schema(), Schema::Typed);
}

#[test]
fn decrypted_content_is_text_in_the_charset_that_was_signed() {
    let (gbk, ..) = encoding_rs::GBK.encode(CONTENT);
    let changes = [("charset", "GBK")];
    let got = with_key(KEY).translate(verified(&encrypted(&encrypt(&gbk), &changes))).unwrap();
    assert_eq!(json(&got), json(&event(&[])));
}

#[test]
fn a_key_that_is_not_needed_changes_nothing() {
    let got = with_key(KEY).translate(verified(&example(&[]))).unwrap();
    assert_eq!(json(&got), json(&event(&[])));
}

#[test]
fn without_a_key_of_its_app_encrypted_content_is_refused() {
    let refused = |translator: &Translator, changes: &[(&str, &str)]| {
        why(&translator.translate(verified(&encrypted(&encrypt(b"{}"), changes))).unwrap_err())
    };
    let expected = (Reason::EncryptedContent, "the app has no content_key_file".to_owned());
    assert_eq!(refused(&lenient(), &[]), expected);
    assert_eq!(refused(&with_key(KEY), &[("app_id", "2014060600164698")]), expected);
}

#[test]
fn whatever_does_not_decrypt_to_an_object_is_the_same_refusal() {
    let whole = encrypt(b"{}");
    let cases = [
        encrypt(b"\xff\xff"),
        encrypt(b"[]"),
        encrypt(b"{}{}"),
        encrypt(b""),
        whole[..15].to_vec(),
        [whole.as_slice(), &[0; 16]].concat(),
        Vec::new(),
    ];
    for ciphertext in cases {
        let rejection = with_key(KEY).translate(verified(&encrypted(&ciphertext, &[]))).unwrap_err();
        assert_eq!(why(&rejection), (Reason::EncryptedContent, DOES_NOT_FIT.to_owned()), "{ciphertext:?}");
    }
}

proptest! {
    #[test]
    fn any_wrong_key_is_the_same_refusal(key in any::<[u8; 16]>()) {
        prop_assume!(key != KEY);
        let params = encrypted(&encrypt(CONTENT.as_bytes()), &[]);
        let rejection = with_key(key).translate(verified(&params)).unwrap_err();
        prop_assert_eq!(why(&rejection), (Reason::EncryptedContent, DOES_NOT_FIT.to_owned()));
    }

    #[test]
    fn a_flipped_byte_is_the_same_refusal_or_another_object(
        place in any::<prop::sample::Index>(), flip in 1_u8..,
    ) {
        let mut ciphertext = encrypt(CONTENT.as_bytes());
        let place = place.index(ciphertext.len());
        ciphertext[place] ^= flip;
        let clear = event(&[]);
        match with_key(KEY).translate(verified(&encrypted(&ciphertext, &[]))) {
            Ok(other) => prop_assert_ne!(json(&other), json(&clear)),
            Err(rejection) => {
                prop_assert_eq!(why(&rejection), (Reason::EncryptedContent, DOES_NOT_FIT.to_owned()));
            }
        }
    }
}
