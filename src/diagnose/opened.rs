//! Opening a signature: raising it to the public exponent, to see what was signed.
//!
//! Whoever does not have the private key cannot make a number that opens to this padding, so that padding proves that
//! the key is the right one, whatever the content looks like; and the hash inside tells right content from wrong.

use std::fmt;

use rsa::BoxedUint;
use rsa::hazmat::rsa_encrypt;
use rsa::pkcs8::DecodePublicKey;
use rsa::traits::PublicKeyParts;

use crate::verify::key::{Hash, PublicKey};

/// What a signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The hash by which the content was signed.
    pub hash: SignedHash,
    /// The hash of what was signed.
    pub digest: Vec<u8>,
}

/// The hash that a signature names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedHash {
    /// One that Alipay uses.
    Known(Hash),
    /// Another one, by its name.
    Other(&'static str),
}

impl fmt::Display for SignedHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Known(Hash::Sha256) => "SHA-256",
            Self::Known(Hash::Sha1) => "SHA-1",
            Self::Other(name) => name,
        })
    }
}

/// The start of `DigestInfo` for each hash, RFC 8017, section 9.2, and the length of the hash in bytes.
const HASHES: [(SignedHash, usize, &[u8]); 6] = [
    (
        SignedHash::Known(Hash::Sha256),
        32,
        b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
    ),
    (SignedHash::Known(Hash::Sha1), 20, b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14"),
    (
        SignedHash::Other("MD5"),
        16,
        b"\x30\x20\x30\x0c\x06\x08\x2a\x86\x48\x86\xf7\x0d\x02\x05\x05\x00\x04\x10",
    ),
    (
        SignedHash::Other("SHA-224"),
        28,
        b"\x30\x2d\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x04\x05\x00\x04\x1c",
    ),
    (
        SignedHash::Other("SHA-384"),
        48,
        b"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30",
    ),
    (
        SignedHash::Other("SHA-512"),
        64,
        b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
    ),
];

/// What `signature` holds, if `key` is the one whose private half made it.
pub(super) fn open(key: &PublicKey, signature: &[u8]) -> Option<Opened> {
    if signature.len() != key.modulus_len() {
        return None;
    }
    let key = rsa::PublicKey::from_public_key_der(key.spki()).ok()?;
    let modulus: &BoxedUint = key.n();
    let number = BoxedUint::from_be_slice(signature, modulus.bits_precision()).ok()?;
    if number >= *modulus {
        return None;
    }
    let padded = rsa_encrypt(&key, &number).ok()?.to_be_bytes();
    // The number may lie in more bytes than the signature has.
    let padded = padded.get(padded.len().checked_sub(signature.len())?..)?;
    read(padded)
}

/// What stands in the padding of PKCS#1 v1.5.
fn read(padded: &[u8]) -> Option<Opened> {
    let filled = padded.strip_prefix(&[0, 1])?;
    let fill = filled.iter().take_while(|byte| **byte == 0xff).count();
    let info = filled.get(fill..)?.strip_prefix(&[0])?;
    // The standard asks for eight; and as few as that could come about by chance.
    if fill < 8 {
        return None;
    }
    HASHES
        .iter()
        .find_map(|(hash, length, start)| {
            let digest = info.strip_prefix(*start).filter(|digest| digest.len() == *length)?;
            Some(Opened { hash: *hash, digest: digest.to_vec() })
        })
        .or_else(|| Some(Opened { hash: SignedHash::Other("an unknown hash"), digest: info.to_vec() }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn padded(fill: usize, info: &[u8]) -> Vec<u8> {
        [&[0, 1][..], &vec![0xff; fill], &[0], info].concat()
    }

    #[test]
    fn each_hash_is_known_by_its_name() {
        for (hash, length, start) in HASHES {
            let opened = read(&padded(100, &[start, &vec![7; length]].concat())).unwrap();
            assert_eq!((opened.hash, opened.digest), (hash, vec![7; length]));
            let opened = read(&padded(100, &[start, &vec![7; length + 1]].concat())).unwrap();
            assert_eq!(opened.hash, SignedHash::Other("an unknown hash"));
        }
    }

    #[test]
    fn what_is_not_padded_as_a_signature_is_none() {
        assert!(read(&padded(8, b"x")).is_some());
        for bytes in [padded(7, b"x"), padded(100, b"x")[1..].to_vec(), vec![0, 1], vec![], vec![0xff; 256]] {
            assert_eq!(read(&bytes), None);
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            read(&bytes);
        }
    }
}
