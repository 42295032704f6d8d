//! Every cipher against an encryptor that shares no code with it, and everything that does not fit.

use aes::Aes128;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeEncrypt, KeyIvInit};
use proptest::prelude::*;

use super::*;

/// What Alipay does with `text`.
fn encrypt(algorithm: &str, key: [u8; 16], iv: [u8; 16], text: &[u8]) -> Vec<u8> {
    let cbc = |iv: [u8; 16]| {
        cbc::Encryptor::<Aes128>::new(&key.into(), &iv.into()).encrypt_padded_vec::<Pkcs7>(text)
    };
    match algorithm {
        "AES" => cbc([0; 16]),
        "AES_V2" => [iv.to_vec(), cbc(iv)].concat(),
        _ => {
            let mut bytes = text.to_vec();
            let tag = Sm4Gcm::new(&key.into())
                .encrypt_inout_detached(&iv.into(), &[], InOutBuf::from(bytes.as_mut_slice()))
                .unwrap();
            [iv.to_vec(), bytes, tag.to_vec()].concat()
        }
    }
}

fn key(bytes: [u8; 16]) -> ContentKey {
    ContentKey::parse(BASE64_STANDARD.encode(bytes).as_bytes()).unwrap()
}

fn decrypt(algorithm: &str, bytes: [u8; 16], ciphertext: &[u8]) -> Result<Vec<u8>, DoesNotFit> {
    key(bytes).decrypt(algorithm.as_bytes(), BASE64_STANDARD.encode(ciphertext).as_bytes())
}

fn algorithm() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["AES", "AES_V2", "SM4"])
}

proptest! {
    #[test]
    fn what_was_encrypted_comes_back(
        algorithm in algorithm(), bytes in any::<[u8; 16]>(), iv in any::<[u8; 16]>(),
        text in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let ciphertext = encrypt(algorithm, bytes, iv, &text);
        prop_assert_eq!(decrypt(algorithm, bytes, &ciphertext), Ok(text.clone()));
        prop_assert_eq!(decrypt(&algorithm.to_lowercase(), bytes, &ciphertext), Ok(text));
    }

    #[test]
    fn another_key_gives_another_text_or_none(
        algorithm in algorithm(), bytes in any::<[u8; 16]>(), other in any::<[u8; 16]>(), iv in any::<[u8; 16]>(),
        text in prop::collection::vec(any::<u8>(), 1..100),
    ) {
        prop_assume!(bytes != other);
        let got = decrypt(algorithm, other, &encrypt(algorithm, bytes, iv, &text));
        prop_assert!(algorithm != "SM4" || got.is_err());
        prop_assert_ne!(got, Ok(text));
    }

    #[test]
    fn a_changed_byte_gives_another_text_or_none(
        algorithm in algorithm(), bytes in any::<[u8; 16]>(), iv in any::<[u8; 16]>(),
        text in prop::collection::vec(any::<u8>(), 1..100), place in any::<prop::sample::Index>(), flip in 1_u8..,
    ) {
        let mut ciphertext = encrypt(algorithm, bytes, iv, &text);
        let place = place.index(ciphertext.len());
        ciphertext[place] ^= flip;
        let got = decrypt(algorithm, bytes, &ciphertext);
        prop_assert!(algorithm != "SM4" || got.is_err());
        prop_assert_ne!(got, Ok(text));
    }

    #[test]
    fn no_bytes_make_it_panic(
        algorithm in "AES|AES_V2|SM4|DES||aes", base64 in prop::collection::vec(any::<u8>(), 0..80),
        ciphertext in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        drop(key([7; 16]).decrypt(algorithm.as_bytes(), &base64));
        drop(decrypt(&algorithm, [7; 16], &ciphertext));
    }

    #[test]
    fn any_text_is_a_key_of_16_bytes_or_refused(text in prop::collection::vec(any::<u8>(), 0..64)) {
        drop(ContentKey::parse(&text));
    }
}

#[test]
fn sm4_is_what_openssl_makes_of_it() {
    let ciphertext = "EBESExQVFhcYGRobHB0eH5Bctrq5b5P7wsPTM3L5F23ZbfsAaP3FtPsTyRIBAgPVoO+GWlPAl65P";
    let got = key(core::array::from_fn(|at| u8::try_from(at).unwrap()))
        .decrypt(b"SM4", ciphertext.as_bytes())
        .unwrap();
    assert_eq!(got, r#"{"status":"人脸核验"}"#.as_bytes());
}

#[test]
fn what_is_cut_off_does_not_fit() {
    for algorithm in ["AES", "AES_V2", "SM4"] {
        let ciphertext = encrypt(algorithm, [1; 16], [2; 16], b"sixteen bytes ..and more");
        for length in 0..ciphertext.len() {
            let got = decrypt(algorithm, [1; 16], &ciphertext[..length]);
            assert_eq!(got, Err(DoesNotFit), "{algorithm} {length}");
        }
    }
    assert_eq!(key([1; 16]).decrypt(b"AES", b"not base64"), Err(DoesNotFit));
    assert_eq!(decrypt("DES", [1; 16], &[0; 16]), Err(DoesNotFit));
}

#[test]
fn a_padding_that_is_not_pkcs7_does_not_fit() {
    for padding in [[0; 16], [17; 16], [255; 16], core::array::from_fn(|at| if at == 14 { 1 } else { 2 })] {
        // A whole block is encrypted without looking at it, and the block of true padding after it is left out.
        let ciphertext = encrypt("AES", [1; 16], [0; 16], &padding);
        assert_eq!(decrypt("AES", [1; 16], &ciphertext[..16]), Err(DoesNotFit), "{padding:?}");
    }
}

#[test]
fn a_key_may_have_white_space_around_it() {
    for text in
        ["AQEBAQEBAQEBAQEBAQEBAQ==", " AQEBAQEBAQEBAQEBAQEBAQ==\r\n", "\u{feff}AQEBAQEBAQEBAQEBAQEBAQ==\n"]
    {
        assert_eq!(ContentKey::parse(text.as_bytes()), Ok(ContentKey([1; 16])), "{text:?}");
    }
}

#[test]
fn what_is_no_content_key_is_told_what_it_is() {
    const EXPECTED: &str = "\
        this is empty: …
        this is an RSA public key or a certificate, which decrypts nothing: …
        this is an RSA public key or a certificate, which decrypts nothing: …
        this is a private key, which decrypts nothing here (your app's own belongs into app_private_key_file): …
        this is not base64: …
        this is not base64: …
        this is the base64 of 24 bytes, and a content key has 16: …";
    let file = |name: &str| std::fs::read(format!("tests/fixtures/config/keys/{name}")).unwrap();
    let said = |text: &[u8]| ContentKey::parse(text).unwrap_err().to_string().replace(COPY, "…");
    let refused = [
        b" \n".to_vec(),
        file("test-a.pem"),
        file("test-b.crt"),
        file("test-private-key.pem"),
        b"AQEBAQEBAQEBAQEBAQEBAQ".to_vec(),
        b"AQEB AQEBAQEBAQEBAQEBAQ==".to_vec(),
        b"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB".to_vec(),
    ];
    let expected: Vec<_> = EXPECTED.lines().map(str::trim).collect();
    assert_eq!(refused.map(|text| said(&text)).as_slice(), expected);
}

#[test]
fn debug_prints_nothing_of_a_key() {
    let keys: ContentKeys = [("1".to_owned(), key([49; 16]))].into_iter().collect();
    assert_eq!(format!("{:?}", key([49; 16])), "ContentKey { .. }");
    assert!(!format!("{keys:?}").contains("MTEx"));
}
