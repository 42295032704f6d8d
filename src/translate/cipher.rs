//! The content of an encrypted notification, in clear.
//!
//! It is decrypted only after the signature over it held. Whatever does not decrypt to what it should be is one
//! error, which says nothing of the way on which it failed.

use std::borrow::Cow;
use std::collections::HashMap;
use std::error::Error;
use std::fmt;

use aes_gcm::aead::consts::U16;
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, AesGcm, KeyInit, Nonce, Tag};
use aws_lc_rs::cipher::{
    AES_128, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey, PaddedBlockEncryptingKey,
    UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sm4::Sm4;

use super::charset::Charset;
use crate::receive::form::Form;
use crate::rejection::{Reason, Rejection};
use crate::verify::key::{KeyError, PublicKey};

/// The bytes of a key, of a block, of an initialization vector and of a tag: all the same, in AES-128 as in SM4.
const BLOCK: usize = 16;

/// SM4 in Galois/Counter mode, with the vector of 16 bytes that Alipay uses.
type Sm4Gcm = AesGcm<Sm4, U16>;

/// The key with which Alipay encrypts the content of what it sends to an app (接口内容加密方式).
///
/// `Debug` prints nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct ContentKey([u8; BLOCK]);

/// A cipher of the closed list, as `encrypt_type` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    /// AES-128 in CBC mode with PKCS#7, and a vector of zeros.
    Aes,
    /// The same, but the vector stands before the ciphertext.
    AesV2,
    /// SM4 in GCM mode: vector, ciphertext, tag.
    Sm4,
}

/// A ciphertext that is not one of this key, or not whole; nobody learns which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DoesNotFit;

impl ContentKey {
    /// Reads the key in `text`: the base64 of 16 bytes, as the console shows it. White space around it is allowed.
    pub fn parse(text: &[u8]) -> Result<Self, ContentKeyError> {
        let trimmed = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text).trim_ascii();
        if trimmed.is_empty() {
            return Err(ContentKeyError::Empty);
        }
        match BASE64_STANDARD.decode(trimmed) {
            Ok(bytes) => match <[u8; BLOCK]>::try_from(bytes.as_slice()) {
                Ok(key) => Ok(Self(key)),
                Err(_) => {
                    Err(of_another_kind(text).unwrap_or(ContentKeyError::Length { bytes: bytes.len() }))
                }
            },
            Err(_) => Err(of_another_kind(text).unwrap_or(ContentKeyError::NotBase64)),
        }
    }

    /// Decrypts `base64`, which was encrypted as `algorithm`, a value of `encrypt_type`, says.
    pub fn decrypt(&self, algorithm: &[u8], base64: &[u8]) -> Result<Vec<u8>, DoesNotFit> {
        let algorithm = Algorithm::named(algorithm).ok_or(DoesNotFit)?;
        let mut bytes = BASE64_STANDARD.decode(base64).map_err(|_error| DoesNotFit)?;
        match algorithm {
            Algorithm::Aes => self.cbc([0; BLOCK], bytes),
            Algorithm::AesV2 => {
                let iv = take_block(&mut bytes)?;
                self.cbc(iv, bytes)
            }
            Algorithm::Sm4 => {
                let iv = take_block(&mut bytes)?;
                self.gcm(&iv.into(), bytes)
            }
        }
    }

    /// Encrypts `text` as `AES` says, for what acts as Alipay: the base64 of it.
    pub(crate) fn encrypt(&self, text: &[u8]) -> Option<String> {
        let mut bytes = text.to_vec();
        let iv = EncryptionContext::Iv128(FixedLength::from([0; BLOCK]));
        UnboundCipherKey::new(&AES_128, &self.0)
            .and_then(PaddedBlockEncryptingKey::cbc_pkcs7)
            .and_then(|key| key.less_safe_encrypt(&mut bytes, iv))
            .ok()?;
        Some(BASE64_STANDARD.encode(bytes))
    }

    fn cbc(&self, iv: [u8; BLOCK], mut bytes: Vec<u8>) -> Result<Vec<u8>, DoesNotFit> {
        if bytes.is_empty() || !bytes.len().is_multiple_of(BLOCK) {
            return Err(DoesNotFit);
        }
        let length = UnboundCipherKey::new(&AES_128, &self.0)
            .and_then(PaddedBlockDecryptingKey::cbc_pkcs7)
            .and_then(|key| {
                key.decrypt(&mut bytes, DecryptionContext::Iv128(FixedLength::from(iv)))
                    .map(|text| text.len())
            })
            .map_err(|_unspecified| DoesNotFit)?;
        bytes.truncate(length);
        Ok(bytes)
    }

    fn gcm(&self, iv: &Nonce<U16>, mut bytes: Vec<u8>) -> Result<Vec<u8>, DoesNotFit> {
        let length = bytes.len().checked_sub(BLOCK).ok_or(DoesNotFit)?;
        let tag = bytes.get(length..).and_then(|tag| <[u8; BLOCK]>::try_from(tag).ok()).ok_or(DoesNotFit)?;
        bytes.truncate(length);
        Sm4Gcm::new(&self.0.into())
            .decrypt_inout_detached(iv, &[], InOutBuf::from(bytes.as_mut_slice()), &Tag::from(tag))
            .map_err(|_error| DoesNotFit)?;
        Ok(bytes)
    }
}

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContentKey").finish_non_exhaustive()
    }
}

impl Algorithm {
    /// The cipher of that name, which is compared without case.
    fn named(name: &[u8]) -> Option<Self> {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is("AES") {
            Some(Self::Aes)
        } else if is("AES_V2") {
            Some(Self::AesV2)
        } else {
            is("SM4").then_some(Self::Sm4)
        }
    }
}

/// Takes the first block out of `bytes`.
fn take_block(bytes: &mut Vec<u8>) -> Result<[u8; BLOCK], DoesNotFit> {
    let block = *bytes.first_chunk().ok_or(DoesNotFit)?;
    bytes.drain(..BLOCK);
    Ok(block)
}

/// Says what `text`, which is no content key, is, if it is a key of another kind.
fn of_another_kind(text: &[u8]) -> Option<ContentKeyError> {
    match PublicKey::parse_allowing_sha1(text) {
        Ok(_) => Some(ContentKeyError::PublicKey),
        Err(KeyError::PrivateKey | KeyError::EncryptedPrivateKey) => Some(ContentKeyError::PrivateKey),
        Err(_) => None,
    }
}

/// Why a text is no content key. `Display` says what to do, and repeats nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentKeyError {
    /// Nothing, or nothing but white space.
    Empty,
    /// An RSA public key or a certificate.
    PublicKey,
    /// An RSA private key.
    PrivateKey,
    /// Not standard base64.
    NotBase64,
    /// base64 of more or fewer bytes.
    Length {
        /// How many.
        bytes: usize,
    },
}

impl fmt::Display for ContentKeyError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(out, "this is empty: {COPY}"),
            Self::PublicKey => {
                write!(out, "this is an RSA public key or a certificate, which decrypts nothing: {COPY}")
            }
            Self::PrivateKey => write!(
                out,
                "this is a private key, which decrypts nothing here (your app's own belongs into app_private_key_file): {COPY}"
            ),
            Self::NotBase64 => write!(out, "this is not base64: {COPY}"),
            Self::Length { bytes } => {
                write!(out, "this is the base64 of {bytes} bytes, and a content key has 16: {COPY}")
            }
        }
    }
}

impl Error for ContentKeyError {}

const COPY: &str = "copy the AES key (接口内容加密方式) from the console, 24 characters that end in ==";

/// The content keys of the apps that have one.
#[derive(Debug, Clone, Default)]
pub struct ContentKeys(HashMap<Box<[u8]>, ContentKey>);

impl ContentKeys {
    /// The content of `form`, which is for `app`, in clear and in its charset, if it is encrypted; nothing if it is not.
    pub(super) fn open(&self, app: &str, form: &Form, charset: Charset) -> Result<Option<String>, Rejection> {
        let value = |name| form.get(name).unwrap_or_default();
        let algorithm = value("encrypt_type");
        if algorithm.is_empty() {
            return Ok(None);
        }
        if Algorithm::named(algorithm).is_none() {
            return Err(Reason::MalformedParameter.because("encrypt_type: no cipher of the list"));
        }
        let key = self
            .0
            .get(app.as_bytes())
            .ok_or_else(|| Reason::EncryptedContent.because("the app has no content_key_file"))?;
        let bytes = key.decrypt(algorithm, value("biz_content")).map_err(|_error| does_not_fit())?;
        let text = charset.decode(&bytes).map(Cow::into_owned);
        text.map(Some).ok_or_else(does_not_fit)
    }
}

/// Of two keys of one app the last counts. The configuration has no such pair.
impl FromIterator<(String, ContentKey)> for ContentKeys {
    fn from_iter<I: IntoIterator<Item = (String, ContentKey)>>(keys: I) -> Self {
        Self(keys.into_iter().map(|(app_id, key)| (app_id.into_bytes().into(), key)).collect())
    }
}

/// The one refusal of what cannot be decrypted, or is no JSON object once it was: which of them is told to nobody, lest
/// it tell somebody of the key.
pub(super) fn does_not_fit() -> Rejection {
    Reason::EncryptedContent.because(
        "the key in content_key_file does not fit, or what it decrypts is not a JSON object in its charset",
    )
}

#[cfg(test)]
mod tests;
