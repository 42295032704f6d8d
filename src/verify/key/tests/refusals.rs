//! Whatever is not a key of Alipay's is refused, and told by its name.

use super::*;

/// What the refusal of each text says, a line for each.
fn refusals<'a>(texts: impl IntoIterator<Item = (&'a str, Vec<u8>)>) -> String {
    let line = |(name, text): (&str, Vec<u8>)| match PublicKey::parse(&text) {
        Ok(key) => panic!("{name} is accepted as {key:?}"),
        Err(error) => format!("{name}: {error}"),
    };
    texts.into_iter().map(line).collect::<Vec<_>>().join("\n")
}

fn base64(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap()
}

const EC: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeh1u3tQinA0VpT1E2srGBKOL6szeAEu7jOoeEHAWc5oa\
                  OIBK8X8YZj5Zgavp6pKZjkobsCJJJkpdeZ69Gbp8Ag==";
const SM2: &str = "MFkwEwYHKoZIzj0CAQYIKoEcz1UBgi0DQgAEVkyKG5jPKL/Rn/UeTGcgVd/lnDYQ4IbfTJkldgoZhobr\
                   8pV2mrsB89wsAluHdOJQbeSBMz96fuefmeMwoqtlcA==";
const ED25519: &str = "MCowBQYDK2VwAyEAzgqLgOEgmKoIRDzAoFcXgZ3lYPZ2XYPlNPXRixYNk2E=";
const X25519: &str = "MCowBQYDK2VuAyEAkhX4K1RAmzxr04zLMe2Vv7hvEM8/Dc/7BeTCr7mb4jo=";
const REQUEST: &str = "MIHHMHACAQAwDjEMMAoGA1UEAwwDYXBwMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEtlOEfXqHwzY1\
                       DvhvjaCfGB1rJfZzzHTNt+lguPIsNBI7UOWHlb2x47vtekQvh7wEXg7L6xW/CPHd97eEc/g/IaAAMAoG\
                       CCqGSM49BAMCA0cAMEQCIA/Ewfqb31PnpSJVUUxk2YT69p6m4O4712yca+BzDyJdAiB7Ds/lCMGmO836\
                       ux+PEiqRsaTCpbZxcjUZPONtE8io/Q==";
const PKCS7: &str = "MCMGCSqGSIb3DQEHAqAWMBQCAQExADALBgkqhkiG9w0BBwExAA==";

/// A sequence of these documents.
fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    AnyRef::new(der::Tag::Sequence, &parts.concat()).unwrap().to_der().unwrap()
}

#[test]
fn a_private_key_is_called_one() {
    let pkcs8 = &PAIR.private_pkcs8;
    let pkcs1 = pkcs8[26..].to_vec();
    let ec =
        aws_lc_rs::signature::EcdsaKeyPair::generate(&aws_lc_rs::signature::ECDSA_P256_SHA256_ASN1_SIGNING);
    let ec = ec.unwrap().to_pkcs8v1().unwrap();
    let encrypted = sequence(&[&sequence(&[]), &[4, 2, 1, 2]]);
    for text in [
        pkcs8.clone(),
        pkcs1.clone(),
        STANDARD.encode(pkcs8).into(),
        STANDARD.encode(&pkcs1).into(),
        STANDARD.encode(ec.as_ref()).into(),
        pem("PRIVATE KEY", pkcs8).into(),
        pem("RSA PRIVATE KEY", &pkcs1).into(),
        pem("PUBLIC KEY", pkcs8).into(),
        (pem("CERTIFICATE", &certificate("Ant")) + &pem("PRIVATE KEY", pkcs8)).into(),
        (pem("CERTIFICATE", &certificate("Ant")) + &pem("CERTIFICATE", pkcs8)).into(),
        b"-----BEGIN OPENSSH PRIVATE KEY-----".to_vec(),
    ] {
        assert_eq!(PublicKey::parse(&text).unwrap_err(), KeyError::PrivateKey);
    }
    for text in [
        encrypted.clone(),
        pem("ENCRYPTED PRIVATE KEY", &encrypted).into(),
        b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n".to_vec(),
    ] {
        assert_eq!(PublicKey::parse(&text).unwrap_err(), KeyError::EncryptedPrivateKey);
    }
    insta::assert_snapshot!(KeyError::PrivateKey, @"this is a private key: only its owner should have it, and it verifies nothing; configure Alipay's public key (支付宝公钥) here");
    insta::assert_snapshot!(KeyError::EncryptedPrivateKey, @"this is an encrypted private key: only its owner should have it, and it verifies nothing; configure Alipay's public key (支付宝公钥) here");
}

#[test]
fn a_key_of_another_algorithm_is_called_by_its_name() {
    insta::assert_snapshot!(refusals([
        ("EC", EC.into()),
        ("EC, PEM", pem("PUBLIC KEY", &base64(EC)).into()),
        ("SM2", SM2.into()),
        ("Ed25519", ED25519.into()),
        ("X25519", X25519.into()),
        ("SSH", b"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAB me@example.org".to_vec()),
    ]), @r"
    EC: this is a key on an elliptic curve, and RSA2 needs an RSA key: copy Alipay's public key (支付宝公钥) for RSA2 from the console
    EC, PEM: this is a key on an elliptic curve, and RSA2 needs an RSA key: copy Alipay's public key (支付宝公钥) for RSA2 from the console
    SM2: this is an SM2 key, and RSA2 needs an RSA key: copy Alipay's public key (支付宝公钥) for RSA2 from the console
    Ed25519: this is an Ed25519 key, and RSA2 needs an RSA key: copy Alipay's public key (支付宝公钥) for RSA2 from the console
    X25519: this is a key of the algorithm 1.3.101.110, and RSA2 needs an RSA key: copy Alipay's public key (支付宝公钥) for RSA2 from the console
    SSH: this is a key of SSH: copy Alipay's public key (支付宝公钥) from the console
    ");
}

#[test]
fn what_is_made_of_keys_is_called_by_its_name() {
    let pkcs12 = sequence(&[&[2, 1, 3], &sequence(&[]), &sequence(&[])]);
    insta::assert_snapshot!(refusals([
        ("request", REQUEST.into()),
        ("request, PEM", pem("CERTIFICATE REQUEST", &base64(REQUEST)).into()),
        ("PKCS#7", PKCS7.into()),
        ("PKCS#12", pkcs12),
        ("other PEM", pem("EC PARAMETERS", b"123").into()),
    ]), @r"
    request: this is a certificate request, which your own app key made: copy Alipay's public key (支付宝公钥) from the console
    request, PEM: this is a certificate request, which your own app key made: copy Alipay's public key (支付宝公钥) from the console
    PKCS#7: this is a PKCS#7 container: take Alipay's certificate out of it, as PEM (alipayCertPublicKey_RSA2.crt)
    PKCS#12: this is a PKCS#12 container: take Alipay's certificate out of it, as PEM (alipayCertPublicKey_RSA2.crt)
    other PEM: this is a PEM block `EC PARAMETERS`, not a public key: copy Alipay's public key (支付宝公钥) from the console
    ");
}

#[test]
fn what_is_no_key_is_called_by_its_name() {
    insta::assert_snapshot!(refusals([
        ("nothing", b" \r\n".to_vec()),
        ("too much", vec![b'A'; 64 * 1_024 + 1]),
        ("UTF-16", b"\xff\xfeM\0I\0".to_vec()),
        ("a page", b"\n<!DOCTYPE html><html><body>Login".to_vec()),
        ("XML", b"<?xml version=\"1.0\"?><RSAKeyValue/>".to_vec()),
        ("JSON", br#"{"kty":"RSA","e":"AQAB"}"#.to_vec()),
        ("app_id", b"2021000000000000\n".to_vec()),
        ("AES key", b"AAECAwQFBgcICQoLDA0ODw==".to_vec()),
        ("placeholder", b"<your alipay public key>".to_vec()),
        ("placeholder of a variable", b"${ALIPAY_PUBLIC_KEY}".to_vec()),
        ("placeholder that begins well", "MIIBIjANBgkqhkiG9w0BAQEF…".into()),
        ("placeholder in PEM", b"-----BEGIN PUBLIC KEY-----\n...\n-----END PUBLIC KEY-----".to_vec()),
        ("placeholder of a word", b"YOUR_ALIPAY_PUBLIC_KEY".to_vec()),
        ("a word", b"RSA2key".to_vec()),
        ("base64 of PEM", STANDARD.encode(pem("PUBLIC KEY", &PAIR.spki)).into()),
        ("base64 of base64", STANDARD.encode(STANDARD.encode(&PAIR.spki)).into()),
        ("garbage", vec![7; 300]),
        ("base64 of garbage", STANDARD.encode([7; 300]).into()),
    ]), @r"
    nothing: this is empty: copy Alipay's public key (支付宝公钥) from the console
    too much: this has 65,537 bytes, which no key has: look whether it is the right file
    UTF-16: this is UTF-16: save it as UTF-8
    a page: this is a page of HTML or XML: copy Alipay's public key (支付宝公钥) from the console
    XML: this is a page of HTML or XML: copy Alipay's public key (支付宝公钥) from the console
    JSON: this is JSON: copy Alipay's public key (支付宝公钥) from the console
    app_id: this is a number, perhaps an app_id: copy Alipay's public key (支付宝公钥) from the console
    AES key: this is a symmetric key of 16 bytes, for AES perhaps, not a public key: copy Alipay's public key (支付宝公钥) from the console
    placeholder: this is the placeholder of an example: copy Alipay's public key (支付宝公钥) from the console
    placeholder of a variable: this is the placeholder of an example: copy Alipay's public key (支付宝公钥) from the console
    placeholder that begins well: this is the placeholder of an example: copy Alipay's public key (支付宝公钥) from the console
    placeholder in PEM: this is the placeholder of an example: copy Alipay's public key (支付宝公钥) from the console
    placeholder of a word: this is the placeholder of an example: copy Alipay's public key (支付宝公钥) from the console
    a word: this has 7 characters, and an RSA2 key has at least 360: a part is missing, or it is something else; copy Alipay's public key (支付宝公钥) from the console
    base64 of PEM: this is the base64 of a key file: decode it once
    base64 of base64: this is the base64 of a key file: decode it once
    garbage: this is no key of any form that is known here: copy Alipay's public key (支付宝公钥) from the console
    base64 of garbage: this is no key of any form that is known here: copy Alipay's public key (支付宝公钥) from the console
    ");
}

#[test]
fn a_damaged_key_is_said_to_be_damaged() {
    let spki = &PAIR.spki;
    let bare = STANDARD.encode(spki);
    let text = pem("PUBLIC KEY", spki);
    let modulus = odd(2_048);
    let mut even = modulus.clone();
    *even.last_mut().unwrap() &= 0xfe;
    let without_null = sequence(&[&sequence(&[&spki[6..17]]), &spki[19..]]);
    insta::assert_snapshot!(refusals([
        ("cut", bare.as_bytes()[..200].into()),
        ("cut DER", spki[..100].to_vec()),
        ("cut base64", bare.as_bytes()[..201].into()),
        ("cut PEM", text.as_bytes()[..100].into()),
        ("a stray character", text.replacen("MIIB", "MIIB\n-", 1).into()),
        ("a zero-width space", format!("{bare}\n\u{200b}").into()),
        ("quotation marks", format!("\"{bare}\"").into()),
        ("escaped line breaks", text.replace('\n', "\\n").into()),
        ("escaped line breaks, bare", bare.replacen('A', "A\\n", 1).into()),
        ("trailing bytes", [spki.as_slice(), b"\n\n"].concat()),
        ("not canonical", without_null),
        ("1,024 bits", key_of(&odd(1_024), &[1, 0, 1])),
        ("512 bits", key_of(&odd(512), &[1, 0, 1])),
        ("16,384 bits", key_of(&odd(16_384), &[1, 0, 1])),
        ("exponent of 3", key_of(&modulus, &[3])),
        ("even modulus", key_of(&even, &[1, 0, 1])),
        ("negative modulus", sequence(&[&[2, 1, 0xff], &[2, 1, 3]])),
    ]), @r"
    cut: the end of the key is missing: copy it again, with its last line
    cut DER: the end of the key is missing: copy it again, with its last line
    cut base64: the base64 does not end where the text does: a part is missing, or more than one key is there; copy it again
    cut PEM: the PEM block `PUBLIC KEY` has no end: copy it again, from -----BEGIN to the last -----
    a stray character: line 3 has the character U+002D, which base64 does not have: remove what does not belong to the key, or copy it again
    a zero-width space: line 2 has the character U+200B, which base64 does not have: remove what does not belong to the key, or copy it again
    quotation marks: line 1 has the character U+0022, which base64 does not have: remove what does not belong to the key, or copy it again
    escaped line breaks: this has a backslash and an n where lines should end: put real line breaks there
    escaped line breaks, bare: this has a backslash and an n where lines should end: put real line breaks there
    trailing bytes: 2 bytes follow the key: copy it again, and nothing but the key
    not canonical: this key is not written as DER prescribes, so it may be damaged: copy it again, or write it anew with `openssl pkey -pubin`
    1,024 bits: this RSA key has 1,024 bits, and 2,048 to 8,192 are allowed: it may be the one for RSA (SHA-1); copy the one for RSA2
    512 bits: this RSA key has 512 bits, and 2,048 to 8,192 are allowed: copy Alipay's public key (支付宝公钥) from the console
    16,384 bits: this RSA key has 16,384 bits, and 2,048 to 8,192 are allowed: copy Alipay's public key (支付宝公钥) from the console
    exponent of 3: this RSA key has an exponent other than 65,537, which Alipay's have not: copy it again
    even modulus: this RSA key has an even modulus, so it is damaged: copy it again
    negative modulus: this key is damaged (malformed ASN.1 DER value for INTEGER at DER byte 5): copy it again
    ");
}

#[test]
fn two_keys_in_a_file_are_refused() {
    let Pair { spki, pkcs1, .. } = &*PAIR;
    let key = pem("PUBLIC KEY", spki);
    let leaf = pem("CERTIFICATE", &certificate("Ant"));
    for text in [
        [key.as_str(), &key].concat().into(),
        [key.as_str(), &leaf].concat().into(),
        [leaf.as_str(), &key].concat().into(),
        [spki.as_slice(), spki].concat(),
        [spki.as_slice(), pkcs1, spki].concat(),
        STANDARD.encode([spki.as_slice(), pkcs1].concat()).into(),
    ] {
        assert_eq!(PublicKey::parse(&text).unwrap_err(), KeyError::Several);
    }
    let beside = format!("{key}\n\n{}", STANDARD.encode(pkcs1));
    insta::assert_snapshot!(refusals([
        ("two", [key.as_str(), &key].concat().into()),
        ("one beside", beside.into()),
    ]), @r"
    two: this holds more than one key: keep one a file, and list the files while a key is rotated
    one beside: line 12, outside the PEM block, has what may be another key: keep one key a file
    ");
}

#[test]
fn many_small_documents_cost_no_more_than_one() {
    assert_eq!(PublicKey::parse(&[0x30, 0].repeat(32 * 1_024)).unwrap_err(), KeyError::Several);
}
