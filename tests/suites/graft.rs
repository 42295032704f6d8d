//! Putting a notification into the encoded message of somebody else's signature, whose faults stay.

use aws_lc_rs::digest;
use sha2::{Digest, Sha224, Sha256, Sha512_224};

/// What of a foreign encoded message gave way to ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Graft {
    /// Its SHA-256, or all but one byte of it: the vector changed or cut off that byte.
    Sha256,
    /// Another hash of its message.
    OtherHash,
    /// The message itself, which was not hashed.
    Message,
    /// Nothing: it holds no hash that we know.
    Nothing,
}

/// The message `encoded` with what it says of `theirs` said of `ours`.
pub(crate) fn graft(encoded: &[u8], theirs: &[u8], ours: &[u8]) -> (Vec<u8>, Graft) {
    let mut grafted = encoded.to_vec();
    for (their_hash, our_hash) in hashes(theirs).into_iter().zip(hashes(ours)) {
        let whole = their_hash.len();
        for part in [0..whole, 1..whole, 0..whole - 1] {
            if replace(&mut grafted, &their_hash[part.clone()], &our_hash[part]) {
                let is_sha256 = their_hash == Sha256::digest(theirs).as_slice();
                return (grafted, if is_sha256 { Graft::Sha256 } else { Graft::OtherHash });
            }
        }
    }
    // Of ours as much as there is room for; enough of theirs that it cannot stand there by chance.
    let is_there = theirs.len() >= 6 && replace(&mut grafted, theirs, &ours[..theirs.len()]);
    (grafted, if is_there { Graft::Message } else { Graft::Nothing })
}

/// The one encoding that RFC 8017 allows, EMSA-PKCS1-v1_5 with SHA-256, in so many bytes.
pub(crate) fn canonical(text: &[u8], length: usize) -> Vec<u8> {
    const DIGEST_INFO: &[u8] =
        b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20";
    let info = [DIGEST_INFO, &Sha256::digest(text)].concat();
    [&[0, 1], vec![0xff; length - info.len() - 3].as_slice(), &[0], &info].concat()
}

/// The hashes with which vectors sign; SHA-256 comes first. MD5 and SHA3-224 are not among them.
fn hashes(text: &[u8]) -> [Vec<u8>; 10] {
    let hash = |algorithm| digest::digest(algorithm, text).as_ref().to_vec();
    [
        Sha256::digest(text).to_vec(),
        Sha224::digest(text).to_vec(),
        Sha512_224::digest(text).to_vec(),
        hash(&digest::SHA1_FOR_LEGACY_USE_ONLY),
        hash(&digest::SHA384),
        hash(&digest::SHA512),
        hash(&digest::SHA512_256),
        hash(&digest::SHA3_256),
        hash(&digest::SHA3_384),
        hash(&digest::SHA3_512),
    ]
}

fn replace(text: &mut [u8], old: &[u8], new: &[u8]) -> bool {
    let place = text.windows(old.len()).position(|window| window == old);
    if let Some(place) = place {
        text[place..place + old.len()].copy_from_slice(new);
    }
    place.is_some()
}
