//! The answer in every form of the key, and everything that is no key.

use rsa::pkcs8::DecodePublicKey;
use rsa::{Pkcs1v15Sign, PublicKey as Oracle};
use sha2::{Digest, Sha256};

use super::*;
use crate::tools::keygen::keygen;

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("tests/fixtures/config/keys/{name}")).unwrap()
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    text.split_once(before).unwrap().1.split_once(after).unwrap().0
}

#[test]
fn the_answer_is_the_documented_xml_under_a_signature_that_holds() {
    let answer = SignedAnswer::sign(&fixture("test-private-key.pem")).unwrap();
    for (body, encoding) in [(&answer.gbk, "GBK"), (&answer.utf8, "UTF-8")] {
        let text = str::from_utf8(body).unwrap();
        let response = between(text, "<response>", "</response>");
        let public = between(response, "<success>true</success><biz_content>", "</biz_content>");
        let sign = between(text, "<sign>", "</sign>");
        assert_eq!(
            text,
            format!(
                "<?xml version=\"1.0\" encoding=\"{encoding}\"?><alipay><response><success>true</success><biz_content>{public}\
                 </biz_content></response><sign>{sign}</sign><sign_type>RSA2</sign_type></alipay>"
            )
        );
        let key = Oracle::from_public_key_der(&BASE64_STANDARD.decode(public).unwrap()).unwrap();
        let signature = BASE64_STANDARD.decode(sign).unwrap();
        key.verify(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(response), &signature).unwrap();
    }
}

#[test]
fn every_form_of_one_private_key_gives_the_same_answer() {
    let folder = tempfile::tempdir().unwrap();
    keygen(folder.path()).unwrap();
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    let public = PublicKey::parse(&read("alipay.pem")).unwrap();
    let first = SignedAnswer::sign(&read("alipay_private_key.pem")).unwrap();
    assert_eq!(first.fingerprint(), public.fingerprint());
    for name in
        ["alipay_private_key_pkcs1.pem", "alipay_private_key_pkcs8.txt", "alipay_private_key_pkcs1.txt"]
    {
        let text = read(name);
        let crlf = String::from_utf8(text.clone()).unwrap().replace('\n', "\r\n");
        for text in [text, crlf.into_bytes()] {
            let answer = SignedAnswer::sign(&text).unwrap();
            assert_eq!((answer.gbk, answer.utf8), (first.gbk.clone(), first.utf8.clone()), "{name}");
        }
    }
}

#[test]
fn what_is_no_private_key_is_told_what_it_is() {
    let key = String::from_utf8(fixture("test-private-key.pem")).unwrap();
    let cases = [
        (b" \n".to_vec(), PrivateKeyError::Empty),
        (fixture("test-a.pem"), PrivateKeyError::PublicKey),
        (fixture("test-b.crt"), PrivateKeyError::PublicKey),
        (fixture("page.html"), PrivateKeyError::NoKey),
        (b"AQEBAQEBAQEBAQEBAQEBAQ==".to_vec(), PrivateKeyError::ContentKey { bytes: 16 }),
        (key.replace("PRIVATE", "ENCRYPTED PRIVATE").into_bytes()[..40].to_vec(), PrivateKeyError::Encrypted),
        (format!("{key}{key}").into_bytes(), PrivateKeyError::Unusable),
        (key.as_bytes()[..key.len() / 2].to_vec(), PrivateKeyError::Unusable),
    ];
    for (text, expected) in cases {
        let error = SignedAnswer::sign(&text).unwrap_err();
        assert_eq!(error, expected, "{}", String::from_utf8_lossy(&text));
        assert!(error.to_string().starts_with("this "));
    }
}

#[test]
fn debug_prints_nothing_of_a_private_key() {
    let key = String::from_utf8(fixture("test-private-key.pem")).unwrap();
    let printed = format!("{:?}", SignedAnswer::sign(key.as_bytes()).unwrap());
    assert!(key.lines().filter(|line| !line.starts_with('-')).all(|line| !printed.contains(line)));
}
