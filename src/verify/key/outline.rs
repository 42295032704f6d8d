//! What a DER document is, told by its tags alone.
//!
//! So a private key is recognized without anybody reading it.

use der::asn1::AnyRef;
use der::{Decode, ErrorKind, Reader, SliceReader, Tag};

use super::error::KeyError;

/// The documents in which an RSA public key comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Document {
    /// `SubjectPublicKeyInfo`, RFC 5280.
    Spki,
    /// `RSAPublicKey`, RFC 8017.
    Pkcs1,
    /// `Certificate`, RFC 5280.
    Certificate,
}

/// What the one document in `der` is.
pub(super) fn document(der: &[u8]) -> Result<Document, KeyError> {
    use Tag::{BitString, ContextSpecific, Integer, ObjectIdentifier, OctetString, Sequence};

    let parts = children(one_sequence(der)?).map_err(KeyError::Malformed)?;
    let tags: Vec<Tag> = parts.iter().map(der::Tagged::tag).collect();
    match tags.as_slice() {
        [Sequence, BitString] => Ok(Document::Spki),
        [Integer, Integer] => Ok(Document::Pkcs1),
        [Sequence, Sequence, BitString] => signed(&parts),
        // RSAPrivateKey, DSA's, ECPrivateKey and PrivateKeyInfo.
        [Integer, Integer, Integer, ..]
        | [Integer, OctetString, ..]
        | [Integer, Sequence, OctetString, ..] => Err(KeyError::PrivateKey),
        [Sequence, OctetString] => Err(KeyError::EncryptedPrivateKey),
        [Integer, Sequence] | [Integer, Sequence, Sequence] => Err(KeyError::Container { name: "PKCS#12" }),
        [ObjectIdentifier, ContextSpecific { .. }] => Err(KeyError::Container { name: "PKCS#7" }),
        _ => Err(KeyError::Garbage),
    }
}

/// A certificate or a request for one, both of which are signed.
fn signed(parts: &[AnyRef<'_>]) -> Result<Document, KeyError> {
    use Tag::{ContextSpecific, Integer, Sequence};

    let inner = parts.first().map(|part| part.value()).unwrap_or_default();
    let tags: Vec<Tag> = children(inner).map_err(KeyError::Malformed)?.iter().map(der::Tagged::tag).collect();
    match tags.as_slice() {
        [Integer, Sequence, Sequence] | [Integer, Sequence, Sequence, ContextSpecific { .. }] => {
            Err(KeyError::CertificateRequest)
        }
        [ContextSpecific { .. }, Integer, Sequence, Sequence, Sequence, Sequence, Sequence, ..]
        | [Integer, Sequence, Sequence, Sequence, Sequence, Sequence, ..] => Ok(Document::Certificate),
        _ => Err(KeyError::Garbage),
    }
}

/// What is in the sequence that `der` is, and is nothing but.
fn one_sequence(der: &[u8]) -> Result<&[u8], KeyError> {
    if der.first() != Some(&SEQUENCE) {
        return Err(KeyError::Garbage);
    }
    let mut reader = SliceReader::new(der).map_err(KeyError::Malformed)?;
    let outer = AnyRef::decode(&mut reader).map_err(|error| {
        if matches!(error.kind(), ErrorKind::Incomplete { .. }) {
            KeyError::Cut
        } else {
            KeyError::Malformed(error)
        }
    })?;
    let used = usize::try_from(reader.position()).map_err(KeyError::Malformed)?;
    match der.get(used..).unwrap_or_default() {
        [] => Ok(outer.value()),
        rest if rest.first() == Some(&SEQUENCE) && AnyRef::decode(&mut reader).is_ok() => {
            Err(KeyError::Several)
        }
        rest => Err(KeyError::TrailingBytes { bytes: rest.len() }),
    }
}

/// The first parts of a sequence: as many as tell one document from another.
fn children(sequence: &[u8]) -> der::Result<Vec<AnyRef<'_>>> {
    let mut reader = SliceReader::new(sequence)?;
    let mut parts = Vec::new();
    while !reader.is_finished() && parts.len() < 8 {
        parts.push(AnyRef::decode(&mut reader)?);
    }
    Ok(parts)
}

/// The first byte of each document in question.
const SEQUENCE: u8 = 0x30;
