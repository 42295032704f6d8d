//! RSA without padding: opening the signatures of others, and sealing what was found in them with keys of our own.

use std::sync::LazyLock;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::RSA_PSS_SHA256;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rsa::hazmat::{rsa_decrypt, rsa_encrypt};
use rsa::pkcs8::{DecodePrivateKey, EncodePublicKey};
use rsa::rand_core::CryptoRng;
use rsa::traits::PublicKeyParts;
use rsa::{BoxedUint, PrivateKey, PublicKey};

/// A key pair made for this run of the tests.
pub(crate) struct Key {
    pair: KeyPair,
    private: PrivateKey,
}

impl Key {
    /// The key of so many bits: 2,048, 3,072 or 4,096.
    pub(crate) fn of(bits: usize) -> &'static Self {
        static KEYS: LazyLock<[Key; 3]> =
            LazyLock::new(|| [KeySize::Rsa2048, KeySize::Rsa3072, KeySize::Rsa4096].map(Key::generate));
        KEYS.iter().find(|key| key.modulus().len() * 8 == bits).unwrap()
    }

    /// A key whose modulus leaves room above itself, where signatures that are not reduced must fit.
    fn generate(size: KeySize) -> Self {
        loop {
            let pair = KeyPair::generate(size).unwrap();
            let private = PrivateKey::from_pkcs8_der(pair.as_der().unwrap().as_ref()).unwrap();
            let key = Self { pair, private };
            if key.modulus()[0] < 0xc0 {
                return key;
            }
        }
    }

    /// The public key as the console shows it.
    pub(crate) fn public(&self) -> String {
        BASE64_STANDARD.encode(self.private.to_public_key().to_public_key_der().unwrap())
    }

    pub(crate) fn modulus(&self) -> Box<[u8]> {
        self.private.n_bytes()
    }

    /// The signature in which `encoded`, of the modulus' length, is found when it is opened.
    pub(crate) fn seal(&self, encoded: &[u8]) -> Vec<u8> {
        let number = BoxedUint::from_be_slice(encoded, self.private.n().bits_precision()).unwrap();
        let sealed = rsa_decrypt(None::<&mut dyn CryptoRng>, &self.private, &number).unwrap();
        assert_eq!(rsa_encrypt(&self.private, &sealed).unwrap(), number);
        bytes(&sealed, encoded.len())
    }

    /// A signature by RSASSA-PSS with SHA-256.
    pub(crate) fn sign_pss(&self, text: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(&RSA_PSS_SHA256, &SystemRandom::new(), text, &mut signature).unwrap();
        signature
    }
}

/// What stands in `signature`, as long as the modulus, which may have zeros before it.
pub(crate) fn open(modulus: &[u8], exponent: &[u8], signature: &[u8]) -> Vec<u8> {
    let modulus = &modulus[modulus.iter().take_while(|byte| **byte == 0).count()..];
    let number = BoxedUint::from_be_slice_vartime;
    let key = PublicKey::new_unchecked(number(modulus), number(exponent));
    let signature = BoxedUint::from_be_slice(signature, key.n().bits_precision()).unwrap();
    bytes(&rsa_encrypt(&key, &signature).unwrap(), modulus.len())
}

/// A number in exactly so many bytes.
fn bytes(number: &BoxedUint, length: usize) -> Vec<u8> {
    let trimmed = number.to_be_bytes_trimmed_vartime();
    let mut bytes = vec![0; length - trimmed.len()];
    bytes.extend_from_slice(&trimmed);
    bytes
}
