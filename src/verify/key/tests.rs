//! The rules of keys, with keys and signatures made by others: `rsa`, `rcgen` and openssl.

mod nist;
mod refusals;
mod wycheproof;

use std::sync::LazyLock;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use der::pem::{LineEnding, encode_string};
use proptest::prelude::*;
use rcgen::{CertificateParams, DnType, Issuer, PKCS_RSA_SHA256, date_time_ymd};
use rsa::pkcs1::EncodeRsaPublicKey;
use rsa::pkcs8::{DecodePrivateKey, EncodePublicKey};
use rsa::{Pkcs1v15Sign, PrivateKey};
use sha2::{Digest as _, Sha256};

use super::*;

/// A key pair, and its public key in the documents in which it may come.
struct Pair {
    private_pkcs8: Vec<u8>,
    private: PrivateKey,
    spki: Vec<u8>,
    pkcs1: Vec<u8>,
}

static PAIR: LazyLock<Pair> = LazyLock::new(|| {
    let made = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let private_pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(&made).unwrap().as_ref().to_vec();
    let private = PrivateKey::from_pkcs8_der(&private_pkcs8).unwrap();
    let spki = private.to_public_key().to_public_key_der().unwrap().into_vec();
    let pkcs1 = private.to_public_key().to_pkcs1_der().unwrap().into_vec();
    Pair { private_pkcs8, private, spki, pkcs1 }
});

fn pem(label: &str, der: &[u8]) -> String {
    encode_string(label, LineEnding::LF, der).unwrap()
}

fn rcgen_key() -> rcgen::KeyPair {
    let key = PAIR.private_pkcs8.clone().into();
    rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_RSA_SHA256).unwrap()
}

/// A certificate of the pair's key by `issuer`, valid through the year 2030.
fn certificate(issuer: &str) -> Vec<u8> {
    let mut by = CertificateParams::default();
    by.distinguished_name.push(DnType::CommonName, issuer);
    let mut of = CertificateParams::default();
    of.distinguished_name.push(DnType::CommonName, "支付宝(中国)网络技术有限公司");
    of.serial_number = Some(vec![0x20, 0x21, 0x0a].into());
    (of.not_before, of.not_after) = (date_time_ymd(2030, 1, 1), date_time_ymd(2031, 1, 1));
    of.signed_by(&rcgen_key(), &Issuer::new(by, rcgen_key())).unwrap().der().to_vec()
}

fn chain() -> String {
    let of_another = rcgen::KeyPair::generate().unwrap();
    let root = CertificateParams::default().self_signed(&of_another).unwrap();
    pem("CERTIFICATE", &certificate("Ant")) + &pem("CERTIFICATE", root.der())
}

/// A canonical key with this modulus and this exponent.
fn key_of(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let (modulus, public_exponent) = (UintRef::new(modulus).unwrap(), UintRef::new(exponent).unwrap());
    RsaPublicKey { modulus, public_exponent }.to_der().unwrap()
}

/// An odd number of `bits` bits.
fn odd(bits: usize) -> Vec<u8> {
    let mut number = vec![0x5a; bits.div_ceil(8)];
    let unused = u32::try_from(number.len().saturating_mul(8).saturating_sub(bits)).unwrap();
    number[0] = (0xff >> unused) & 0xda;
    number[0] |= 0x80 >> unused;
    *number.last_mut().unwrap() |= 1;
    number
}

#[test]
fn each_form_of_a_key_is_the_same_key() {
    let Pair { spki, pkcs1, .. } = &*PAIR;
    let bare = STANDARD.encode(spki);
    let oracle = hex(&Sha256::digest(spki));
    let forms: [(&str, Vec<u8>); 16] = [
        ("public key, bare base64", bare.clone().into()),
        ("public key, bare base64", format!("\u{feff}\r\n\t {bare} \r\n\n").into()),
        ("public key, bare base64", bare.replace('A', "A\r\n").into()),
        ("PKCS#1 public key, bare base64", STANDARD.encode(pkcs1).into()),
        ("X.509 certificate, bare base64", STANDARD.encode(certificate("Ant")).into()),
        ("public key, PEM", pem("PUBLIC KEY", spki).into()),
        ("public key, PEM", pem("PUBLIC KEY", spki).replace('\n', "\r\n").into()),
        ("public key, PEM", format!("-----BEGIN PUBLIC KEY-----\n{bare}\n-----END PUBLIC KEY-----").into()),
        ("public key, PEM", pem("RSA PUBLIC KEY", spki).into()),
        ("PKCS#1 public key, PEM", pem("RSA PUBLIC KEY", pkcs1).into()),
        ("X.509 certificate, PEM", pem("CERTIFICATE", &certificate("Ant")).into()),
        ("X.509 certificate, PEM", chain().into()),
        ("X.509 certificate, PEM", [b"\xd6\xa7\xb8\xb6\xb1\xa6: Bag\n", chain().as_bytes()].concat()),
        ("public key, DER", spki.clone()),
        ("PKCS#1 public key, DER", pkcs1.clone()),
        ("X.509 certificate, DER", certificate("Ant")),
    ];
    for (form, text) in forms {
        let key = PublicKey::parse(&text).unwrap_or_else(|error| panic!("{form}: {error}"));
        assert_eq!(key.form().to_string(), form);
        assert_eq!(key.fingerprint().to_string(), format!("SHA256:{oracle}"), "{form}");
        assert_eq!((key.spki(), key.bits(), key.modulus_len()), (spki.as_slice(), 2_048, 256), "{form}");
        assert_eq!(key.certificate().is_some(), form.starts_with("X.509"));
    }
}

#[test]
fn debug_says_which_key_it_is_in_a_line() {
    let key = PublicKey::parse(&PAIR.spki).unwrap();
    let text = format!("{key:?}");
    assert!(text.contains(&key.fingerprint().to_string()) && text.len() < 200, "{text}");
}

#[test]
fn what_the_private_key_signs_verifies_and_nothing_else() {
    let key = PublicKey::parse(&PAIR.spki).unwrap();
    let text = b"a=1&b=2";
    let signature = PAIR.private.sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(text)).unwrap();
    let sha256 = digest::digest(&digest::SHA256, text);
    assert!(key.verifies(&sha256, Hash::Sha256, &signature));

    let other_text = digest::digest(&digest::SHA256, b"a=1&b=3");
    assert!(!key.verifies(&other_text, Hash::Sha256, &signature));
    let other_hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text);
    assert!(!key.verifies(&other_hash, Hash::Sha256, &signature));
    let longer = [signature.as_slice(), &[0]].concat();
    for wrong in [&[], &signature[1..], &signature[..255], &longer] {
        assert!(!key.verifies(&sha256, Hash::Sha256, wrong));
    }
    let unprefixed = PAIR.private.sign(Pkcs1v15Sign::new_unprefixed(), &Sha256::digest(text)).unwrap();
    assert!(!key.verifies(&sha256, Hash::Sha256, &unprefixed));
}

#[test]
fn sha1_verifies_only_where_it_was_allowed() {
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, b"a=1&b=2");
    let prefix = b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14";
    let scheme = Pkcs1v15Sign { hash_len: Some(20), prefix: (*prefix).into() };
    let signature = PAIR.private.sign(scheme, digest.as_ref()).unwrap();

    let allowing = PublicKey::parse_allowing_sha1(&PAIR.spki).unwrap();
    assert!(allowing.verifies(&digest, Hash::Sha1, &signature));
    assert!(!allowing.verifies(&digest, Hash::Sha256, &signature));
    let usual = PublicKey::parse(&PAIR.spki).unwrap();
    assert!(!usual.verifies(&digest, Hash::Sha1, &signature));
}

#[test]
fn a_key_of_1024_bits_verifies_sha1_only() {
    // Made by openssl, which also signed `a=1&b=2` with it.
    let key = b"\
        MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCoOEK1I0hV3bNHvnTeWQ/XwL2kbIMACVy0Eu5a\
        UfUk+c9EkS1F7ixy6bYTVuITgE80p1PMD91FWQYNEK1e3YEjSWufsJOVMgEdHFBB9b8EGJsb2JbZ\
        HxVBXdOPQ/b0NCa1F9jPhFdz+lBvNhYw2seEzltTNFk1RN2fweU7E3uqiQIDAQAB";
    let signature = "\
        ck6y5+JI/AQetIqElpbaeU/ExW9VpmEk/4ocFHsQH4drWlqtKPH5lnMdH9uGAdW948R9oEU1KWJW\
        bXEsmdgxH2wu76MWQLS3qEIOPuzYWIWvo+QAV4nqs3RWNasO4ucfRPUl4LI2QGTymEacMpZN47oQ\
        bFqnytH9QovP5IS0BJE=";
    assert_eq!(PublicKey::parse(key).unwrap_err(), KeyError::Bits { bits: 1_024, least: 2_048 });

    let key = PublicKey::parse_allowing_sha1(key).unwrap();
    let signature = STANDARD.decode(signature).unwrap();
    let sha1 = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, b"a=1&b=2");
    assert_eq!((key.bits(), key.modulus_len()), (1_024, 128));
    assert!(key.verifies(&sha1, Hash::Sha1, &signature));
    assert!(!key.verifies(&digest::digest(&digest::SHA256, b"a=1&b=2"), Hash::Sha256, &signature));
}

#[test]
fn keys_of_2048_to_8192_bits_are_allowed() {
    for (bits, for_rsa2, for_sha1) in [
        (1_023, false, false),
        (1_024, false, true),
        (2_047, false, true),
        (2_048, true, true),
        (2_049, true, true),
        (8_192, true, true),
        (8_193, false, false),
    ] {
        let key = key_of(&odd(bits), &[1, 0, 1]);
        assert_eq!(PublicKey::parse(&key).map(|key| key.bits()).ok(), for_rsa2.then_some(bits), "{bits}");
        let allowing = PublicKey::parse_allowing_sha1(&key);
        assert_eq!(allowing.map(|key| key.bits()).ok(), for_sha1.then_some(bits), "{bits}");
    }
}

#[test]
fn a_certificate_says_whose_it_is_and_how_long_it_holds() {
    let key = PublicKey::parse(&certificate("Ant\nCA")).unwrap();
    let facts = key.certificate().unwrap();
    insta::assert_snapshot!(facts.subject, @"CN=支付宝(中国)网络技术有限公司");
    insta::assert_snapshot!(facts.issuer, @r"CN=Ant\0aCA");
    insta::assert_snapshot!(facts.serial, @"20210a");
    insta::assert_snapshot!(facts.not_before, @"2030-01-01T00:00:00Z");
    insta::assert_snapshot!(facts.not_after, @"2031-01-01T00:00:00Z");
}

#[test]
fn a_certificate_warns_of_its_dates_and_of_who_issued_it() {
    let warnings = |issuer: &str, now: &str| {
        PublicKey::parse(&certificate(issuer)).unwrap().warnings(now.parse().unwrap()).join("\n")
    };
    let production = "Ant Financial Certification Authority Class 2 R1";
    assert_eq!(warnings(production, "2030-01-01T00:00:00Z"), "");
    assert_eq!(warnings("Contested Attestations", "2030-12-01T23:59:59Z"), "");
    insta::assert_snapshot!(warnings(production, "2029-12-31T23:59:59Z"), @"the certificate is not valid before 2030-01-01T00:00:00Z: look whether this clock is right");
    insta::assert_snapshot!(warnings(production, "2030-12-02T00:00:01Z"), @"the certificate expires on 2031-01-01T00:00:00Z: download alipayCertPublicKey_RSA2.crt from the console again");
    insta::assert_snapshot!(warnings(production, "2031-01-01T00:00:01Z"), @"the certificate expired on 2031-01-01T00:00:00Z: download alipayCertPublicKey_RSA2.crt from the console again");
    let sandbox = "Ant Financial Certification Authority Class 1 R1 Test";
    insta::assert_snapshot!(warnings(sandbox, "2030-06-01T00:00:00Z"), @"the certificate comes from a sandbox or a test (CN=Ant Financial Certification Authority Class 1 R1 Test): real notifications need the one of production");
    assert!(warnings("Alipay Sandbox CA", "2030-06-01T00:00:00Z").contains("sandbox"));

    let of_itself = CertificateParams::default().self_signed(&rcgen_key()).unwrap();
    let key = PublicKey::parse(of_itself.der()).unwrap();
    insta::assert_snapshot!(key.warnings("2030-06-01T00:00:00Z".parse().unwrap()).join("\n"), @"the certificate is issued by its own key, so it is not Alipay's: in a bundle, Alipay's comes first");
    assert_eq!(PublicKey::parse(&PAIR.spki).unwrap().warnings(Timestamp::MAX), Vec::<String>::new());
}

proptest! {
    #[test]
    fn no_bytes_make_parsing_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        prop_assert!(PublicKey::parse(&bytes).is_err());
        let shaped = [&[0x30, 0x82][..], &bytes].concat();
        prop_assert!(PublicKey::parse(&shaped).is_err());
        prop_assert!(PublicKey::parse(STANDARD.encode(&shaped).as_bytes()).is_err());
    }

    #[test]
    fn no_damaged_certificate_makes_parsing_panic(places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        static CERTIFICATE: LazyLock<Vec<u8>> = LazyLock::new(|| certificate("Ant"));
        let mut der = CERTIFICATE.clone();
        for (place, byte) in places {
            *place.get_mut(&mut der) = byte;
        }
        if let Ok(key) = PublicKey::parse(&der) {
            prop_assert!(key.certificate().is_some());
        }
    }

    #[test]
    fn a_changed_byte_is_refused_or_another_key(place in any::<prop::sample::Index>(), change in 1_u8.., pkcs1: bool) {
        let mut der = if pkcs1 { PAIR.pkcs1.clone() } else { PAIR.spki.clone() };
        *place.get_mut(&mut der) ^= change;
        if let Ok(key) = PublicKey::parse_allowing_sha1(&der) {
            prop_assert_ne!(key.fingerprint(), Fingerprint::of(&PAIR.spki));
        }
    }

    #[test]
    fn line_breaks_anywhere_change_nothing(
        breaks in prop::collection::vec((any::<prop::sample::Index>(), "[ \t\r\n]{1,4}"), 0..40),
    ) {
        let mut text = STANDARD.encode(&PAIR.spki);
        for (place, white) in breaks {
            text.insert_str(place.index(text.len()), &white);
        }
        let key = PublicKey::parse(text.as_bytes()).unwrap();
        prop_assert_eq!(key.fingerprint(), Fingerprint::of(&PAIR.spki));
        let key = PublicKey::parse(format!("-----BEGIN PUBLIC KEY-----{text}-----END PUBLIC KEY-----").as_bytes());
        prop_assert_eq!(key.unwrap().fingerprint(), Fingerprint::of(&PAIR.spki));
    }

    #[test]
    fn a_flipped_bit_of_the_signature_does_not_verify(bit in 0_usize..2_048) {
        static SIGNED: LazyLock<(PublicKey, Digest, Vec<u8>)> = LazyLock::new(|| {
            let scheme = Pkcs1v15Sign::new::<Sha256>();
            let signature = PAIR.private.sign(scheme, &Sha256::digest(b"a=1")).unwrap();
            (PublicKey::parse(&PAIR.spki).unwrap(), digest::digest(&digest::SHA256, b"a=1"), signature)
        });
        let (key, digest, signature) = &*SIGNED;
        let mut flipped = signature.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(key.verifies(digest, Hash::Sha256, signature));
        prop_assert!(!key.verifies(digest, Hash::Sha256, &flipped));
    }

    #[test]
    fn the_bits_are_those_of_the_modulus(bits in 512_usize..9_000) {
        let key = PublicKey::parse_allowing_sha1(&key_of(&odd(bits), &[1, 0, 1]));
        match key {
            Ok(key) => {
                prop_assert!((1_024..=8_192).contains(&bits));
                prop_assert_eq!((key.bits(), key.modulus_len()), (bits, bits.div_ceil(8)));
            }
            Err(error) => {
                prop_assert!(!(1_024..=8_192).contains(&bits));
                prop_assert_eq!(error, KeyError::Bits { bits, least: 1_024 });
            }
        }
    }
}
