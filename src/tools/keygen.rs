//! `keygen`: a throwaway key pair, in every form in which Alipay's console and the tools around it have keys, and a
//! content key.

use std::error::Error;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use der::Decode;
use der::asn1::{AnyRef, OctetStringRef};
use der::pem::{self, LineEnding};

use crate::verify::key::{Hash, PublicKey};

use self::certificate::self_signed;

mod certificate;
#[cfg(test)]
mod tests;

/// A file that [`keygen`] wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenFile {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it is private: only its owner may read it.
    pub private: bool,
    /// What it holds and whom it is for, in a line.
    pub description: &'static str,
}

/// Makes a key pair of 2,048 bits and a content key, and writes them to `dir`, which is made if it does not exist.
///
/// No file is overwritten: if one of them exists, none is written.
pub fn keygen(dir: &Path) -> Result<Vec<WrittenFile>, KeygenError> {
    for (name, ..) in FILES {
        let path = dir.join(name);
        // Not `exists`, which follows links and takes a dangling one for nothing.
        if path.symlink_metadata().is_ok() {
            return Err(KeygenError::Exists { path });
        }
    }

    let keys = Keys::generate()?;
    let contents = FILES
        .iter()
        .map(|(name, content, description)| {
            Ok((dir.join(name), *content, *description, keys.encode(*content)?))
        })
        .collect::<Result<Vec<_>, KeygenError>>()?;

    fs::create_dir_all(dir).map_err(|source| KeygenError::Write { path: dir.to_owned(), source })?;
    let mut written: Vec<WrittenFile> = Vec::new();
    for (path, content, description, text) in contents {
        let private = content.is_private();
        if let Err(error) = create(&path, private, &text) {
            remove(&written);
            return Err(error);
        }
        written.push(WrittenFile { path, private, description });
    }
    Ok(written)
}

/// Why [`keygen`] wrote nothing.
#[derive(Debug)]
pub enum KeygenError {
    /// A file of that name exists.
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A file or the directory could not be written.
    Write {
        /// The file or the directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The key pair could not be made, or not be read again.
    Generate,
}

impl fmt::Display for WrittenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<40}  {}", self.path.display().to_string(), self.description)
    }
}

impl fmt::Display for KeygenError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists { path } => write!(
                out,
                "{} exists, and keygen overwrites nothing: move it away, or name another directory",
                path.display()
            ),
            Self::Write { path, source } => {
                write!(out, "{} cannot be written ({source}): name a directory of yours", path.display())
            }
            Self::Generate => write!(out, "the cryptographic library could not make a key pair: try again"),
        }
    }
}

impl Error for KeygenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Write { source, .. } => Some(source),
            Self::Exists { .. } | Self::Generate => None,
        }
    }
}

/// What is in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    PublicSpkiPem,
    PublicSpkiBase64,
    PublicPkcs1Pem,
    Certificate,
    PrivatePkcs8Pem,
    PrivatePkcs1Pem,
    PrivatePkcs8Base64,
    PrivatePkcs1Base64,
    Symmetric,
}

impl Content {
    fn is_private(self) -> bool {
        match self {
            Self::PublicSpkiPem | Self::PublicSpkiBase64 | Self::PublicPkcs1Pem | Self::Certificate => false,
            Self::PrivatePkcs8Pem
            | Self::PrivatePkcs1Pem
            | Self::PrivatePkcs8Base64
            | Self::PrivatePkcs1Base64
            | Self::Symmetric => true,
        }
    }
}

/// The name of the private key in PKCS#8, the one that `demo` signs with.
pub(super) const PRIVATE_KEY: &str = "alipay_private_key.pem";

/// `alipay.pem` is the one that the default `sidecar.toml` reads.
const FILES: [(&str, Content, &str); 9] = [
    ("alipay.pem", Content::PublicSpkiPem, "public key, PEM: for alipay_public_key_files in sidecar.toml"),
    ("alipay_public_key.txt", Content::PublicSpkiBase64, "public key, bare base64: as the console shows it"),
    ("alipay_public_key_pkcs1.pem", Content::PublicPkcs1Pem, "public key, PKCS#1 PEM: for older tools"),
    (
        "alipayCertPublicKey_RSA2.crt",
        Content::Certificate,
        "public key, self-signed X.509 certificate: as the console's certificate mode has it",
    ),
    (PRIVATE_KEY, Content::PrivatePkcs8Pem, "PRIVATE key, PKCS#8 PEM: what openssl signs with"),
    ("alipay_private_key_pkcs1.pem", Content::PrivatePkcs1Pem, "PRIVATE key, PKCS#1 PEM: for older tools"),
    (
        "alipay_private_key_pkcs8.txt",
        Content::PrivatePkcs8Base64,
        "PRIVATE key, bare base64 of PKCS#8: what the SDK for Java takes",
    ),
    (
        "alipay_private_key_pkcs1.txt",
        Content::PrivatePkcs1Base64,
        "PRIVATE key, bare base64 of PKCS#1: what the SDKs for other languages take",
    ),
    (
        "content_key.txt",
        Content::Symmetric,
        "CONTENT key, base64 of 16 bytes: for content_key_file in sidecar.toml",
    ),
];

/// One key pair, as the DER documents that the files are made of.
struct Keys {
    spki: Vec<u8>,
    pkcs1: Vec<u8>,
    certificate: Vec<u8>,
    private_pkcs8: Pkcs8V1Der<'static>,
    content: [u8; 16],
}

impl Keys {
    fn generate() -> Result<Self, KeygenError> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_unspecified| KeygenError::Generate)?;
        let public = pair.public_key();
        let spki: PublicKeyX509Der<'_> = public.as_der().map_err(|_unspecified| KeygenError::Generate)?;
        let spki = spki.as_ref().to_vec();
        Self::check(&pair, &spki)?;
        let mut content = [0; 16];
        rand::fill(&mut content).map_err(|_unspecified| KeygenError::Generate)?;
        Ok(Self {
            certificate: self_signed(&spki, |text| sign(&pair, text)).ok_or(KeygenError::Generate)?,
            pkcs1: public.as_ref().to_vec(),
            spki,
            content,
            private_pkcs8: pair.as_der().map_err(|_unspecified| KeygenError::Generate)?,
        })
    }

    /// A pair is good when `run` will take its public key, and what its private key signs.
    fn check(pair: &KeyPair, spki: &[u8]) -> Result<(), KeygenError> {
        let text = b"keygen";
        let key = PublicKey::parse(spki).map_err(|_error| KeygenError::Generate)?;
        let signature = sign(pair, text).ok_or(KeygenError::Generate)?;
        if key.verifies(&digest::digest(&digest::SHA256, text), Hash::Sha256, &signature) {
            Ok(())
        } else {
            Err(KeygenError::Generate)
        }
    }

    fn encode(&self, content: Content) -> Result<String, KeygenError> {
        let pem = |label, der| {
            pem::encode_string(label, LineEnding::LF, der).map_err(|_error| KeygenError::Generate)
        };
        // Without a line break at the end: some tools decode the file as it is.
        let base64 = |der: &[u8]| Ok(STANDARD.encode(der));
        match content {
            Content::PublicSpkiPem => pem("PUBLIC KEY", &self.spki),
            Content::PublicSpkiBase64 => base64(&self.spki),
            Content::PublicPkcs1Pem => pem("RSA PUBLIC KEY", &self.pkcs1),
            Content::Certificate => pem("CERTIFICATE", &self.certificate),
            Content::PrivatePkcs8Pem => pem("PRIVATE KEY", self.private_pkcs8.as_ref()),
            Content::PrivatePkcs1Pem => pem("RSA PRIVATE KEY", self.private_pkcs1()?),
            Content::PrivatePkcs8Base64 => base64(self.private_pkcs8.as_ref()),
            Content::PrivatePkcs1Base64 => base64(self.private_pkcs1()?),
            Content::Symmetric => base64(&self.content),
        }
    }

    /// PKCS#8 is a version, an algorithm, and PKCS#1 in an octet string.
    fn private_pkcs1(&self) -> Result<&[u8], KeygenError> {
        let document = AnyRef::from_der(self.private_pkcs8.as_ref());
        let key = document.and_then(|document| {
            document.sequence(|reader| {
                u8::decode(reader)?;
                AnyRef::decode(reader)?;
                <&OctetStringRef>::decode(reader)
            })
        });
        key.map(OctetStringRef::as_bytes).map_err(|_error| KeygenError::Generate)
    }
}

/// The signature of `text`, as Alipay makes them.
fn sign(pair: &KeyPair, text: &[u8]) -> Option<Vec<u8>> {
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature).ok()?;
    Some(signature)
}

fn create(path: &Path, private: bool, text: &str) -> Result<(), KeygenError> {
    let failed = |source: io::Error| {
        if source.kind() == io::ErrorKind::AlreadyExists {
            KeygenError::Exists { path: path.to_owned() }
        } else {
            KeygenError::Write { path: path.to_owned(), source }
        }
    };
    let mut file = open_new(path, private).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(|source| {
        // The error that matters is the one of writing.
        fs::remove_file(path).unwrap_or_default();
        KeygenError::Write { path: path.to_owned(), source }
    })
}

/// Opens a file that did not exist; nobody but its owner can read a private one, at no time.
fn open_new(path: &Path, private: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(if private { 0o600 } else { 0o644 });
    }
    options.open(path)
}

/// Takes back what was written before something failed. What cannot be removed stays, and the failure is reported.
fn remove(written: &[WrittenFile]) {
    for file in written {
        fs::remove_file(&file.path).unwrap_or_default();
    }
}
