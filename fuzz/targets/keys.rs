//! Any bytes as a key: whatever is accepted is one key, the same in every form in which it may come.
#![no_main]

use alipay_sidecar::verify::key::{KeyError, KeyForm, PublicKey, Wrapping};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let key = check(bytes);
    // The fuzzer is no master of base64, so it is helped.
    let encoded = BASE64_STANDARD.encode(bytes);
    let bare = check(encoded.as_bytes());
    if let Ok(key) = &key
        && let KeyForm::Spki(Wrapping::Der)
        | KeyForm::Pkcs1(Wrapping::Der)
        | KeyForm::Certificate(Wrapping::Der) = key.form()
    {
        assert_eq!(bare.expect("base64 of a key is that key").fingerprint(), key.fingerprint());
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{encoded}\n-----END PUBLIC KEY-----\n");
        assert_eq!(check(pem.as_bytes()).expect("PEM of a key is that key").fingerprint(), key.fingerprint());
    }
});

fn check(bytes: &[u8]) -> Result<PublicKey, KeyError> {
    let allowing_sha1 = PublicKey::parse_allowing_sha1(bytes);
    let key = PublicKey::parse(bytes);
    match (&key, &allowing_sha1) {
        (Ok(key), Ok(allowing_sha1)) => {
            assert!((2_048..=8_192).contains(&key.bits()));
            assert_eq!(key.fingerprint(), allowing_sha1.fingerprint());
            let again = PublicKey::parse(key.spki()).expect("the canonical document of a key is that key");
            assert_eq!((again.fingerprint(), again.spki()), (key.fingerprint(), key.spki()));
        }
        (Ok(_), Err(_)) => panic!("what is allowed depends on nothing but the hash"),
        (Err(_), Ok(weak)) => assert!((1_024..2_048).contains(&weak.bits())),
        (Err(error), Err(_)) => {
            let said = error.to_string();
            assert!(said.chars().all(|char| !char.is_control()), "a raw control character: {said:?}");
        }
    }
    key
}
