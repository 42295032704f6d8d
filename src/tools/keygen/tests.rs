//! What `keygen` writes is read by `rsa`, which shares no code with it.

use std::collections::BTreeSet;

use aws_lc_rs::digest::SHA256;
use der::pem::decode_vec;
use jiff::Timestamp;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::DecodePrivateKey;
use rsa::{Pkcs1v15Sign, PrivateKey};
use sha2::{Digest, Sha256};

use super::*;
use crate::translate::cipher::ContentKey;

fn names(dir: &Path) -> BTreeSet<String> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The private key in a file.
fn private(file: &WrittenFile) -> PrivateKey {
    let text = fs::read_to_string(&file.path).unwrap();
    let (label, der) = match decode_vec(text.as_bytes()) {
        Ok((label, der)) => (label.to_owned(), der),
        Err(_) => (file.path.display().to_string(), STANDARD.decode(text).unwrap()),
    };
    if label == "PRIVATE KEY" || label.ends_with("pkcs8.txt") {
        PrivateKey::from_pkcs8_der(&der).unwrap()
    } else {
        PrivateKey::from_pkcs1_der(&der).unwrap()
    }
}

#[test]
fn every_file_is_a_form_of_one_pair() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("not/yet/there");
    let files = keygen(&dir).unwrap();
    assert_eq!(files.len(), names(&dir).len());

    let (private_files, public_files): (Vec<_>, Vec<_>) = files.iter().partition(|file| file.private);
    assert_eq!((private_files.len(), public_files.len()), (5, 4));
    let (content, private_files): (Vec<_>, Vec<_>) =
        private_files.into_iter().partition(|file| file.path.ends_with("content_key.txt"));
    assert!(ContentKey::parse(&fs::read(&content[0].path).unwrap()).is_ok());
    let text = b"a=1&b=2";
    for file in public_files {
        let key = PublicKey::parse(&fs::read(&file.path).unwrap()).unwrap();
        for private_file in &private_files {
            let private = private(private_file);
            let signature = private.sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(text)).unwrap();
            let digest = digest::digest(&SHA256, text);
            assert!(key.verifies(&digest, Hash::Sha256, &signature), "{file:?} {private_file:?}");
        }
    }
}

#[test]
fn the_files_are_named_for_what_they_hold() {
    let dir = tempfile::tempdir().unwrap();
    let files = keygen(dir.path()).unwrap();
    let line = |file: &WrittenFile| {
        format!("{}: {}", file.path.file_name().unwrap().to_str().unwrap(), file.description)
    };
    insta::assert_snapshot!(files.iter().map(line).collect::<Vec<_>>().join("\n"), @r"
    alipay.pem: public key, PEM: for alipay_public_key_files in sidecar.toml
    alipay_public_key.txt: public key, bare base64: as the console shows it
    alipay_public_key_pkcs1.pem: public key, PKCS#1 PEM: for older tools
    alipayCertPublicKey_RSA2.crt: public key, self-signed X.509 certificate: as the console's certificate mode has it
    alipay_private_key.pem: PRIVATE key, PKCS#8 PEM: what openssl signs with
    alipay_private_key_pkcs1.pem: PRIVATE key, PKCS#1 PEM: for older tools
    alipay_private_key_pkcs8.txt: PRIVATE key, bare base64 of PKCS#8: what the SDK for Java takes
    alipay_private_key_pkcs1.txt: PRIVATE key, bare base64 of PKCS#1: what the SDKs for other languages take
    content_key.txt: CONTENT key, base64 of 16 bytes: for content_key_file in sidecar.toml
    ");
}

#[test]
fn the_certificate_is_one_that_others_read() {
    let keys = Keys::generate().unwrap();
    let text = keys.encode(Content::Certificate).unwrap();
    let key = PublicKey::parse(text.as_bytes()).unwrap();
    let facts = key.certificate().unwrap();
    assert_eq!(facts.subject, "CN=throwaway key of alipay-sidecar keygen");
    assert_eq!(facts.subject, facts.issuer);
    let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    insta::assert_snapshot!(key.warnings(now).join("\n"), @"the certificate is issued by its own key, so it is not Alipay's: in a bundle, Alipay's comes first");

    // The certificate holds its own signature, over its first part.
    let der = decode_vec(text.as_bytes()).unwrap().1;
    let certificate: x509_cert::Certificate = Decode::from_der(&der).unwrap();
    let signed = der::Encode::to_der(certificate.tbs_certificate()).unwrap();
    let signature = certificate.signature().as_bytes().unwrap();
    assert!(key.verifies(&digest::digest(&SHA256, &signed), Hash::Sha256, signature));
}

#[test]
fn two_pairs_differ() {
    let pair = || PublicKey::parse(&Keys::generate().unwrap().certificate).unwrap();
    let (one, other) = (pair(), pair());
    assert_ne!(one.fingerprint(), other.fingerprint());
    assert_ne!(one.certificate().unwrap().serial, other.certificate().unwrap().serial);
}

#[cfg(unix)]
#[test]
fn only_the_owner_reads_private_files() {
    use std::os::unix::fs::PermissionsExt;

    let dir = tempfile::tempdir().unwrap();
    for file in keygen(dir.path()).unwrap() {
        let mode = file.path.metadata().unwrap().permissions().mode();
        assert_eq!(mode.trailing_zeros() >= 6, file.private, "{file:?}");
        let readable = PublicKey::parse(&fs::read(&file.path).unwrap());
        assert_eq!(readable.is_err(), file.private, "{file:?}");
    }
}

#[test]
fn nothing_is_overwritten_and_nothing_half_written() {
    for (name, ..) in FILES {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(name), "mine").unwrap();
        let error = keygen(dir.path()).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("overwrites nothing"), "{error}");
        assert_eq!(names(dir.path()), BTreeSet::from([name.to_owned()]));
        assert_eq!(fs::read_to_string(dir.path().join(name)).unwrap(), "mine");
    }
}

#[cfg(unix)]
#[test]
fn a_dangling_link_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("elsewhere");
    std::os::unix::fs::symlink(&target, dir.path().join("alipay_private_key.pem")).unwrap();
    assert!(matches!(keygen(dir.path()), Err(KeygenError::Exists { .. })));
    assert!(!target.exists());
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = keygen(&file.join("keys")).unwrap_err().to_string();
    assert!(error.contains("file/keys cannot be written"), "{error}");
}
