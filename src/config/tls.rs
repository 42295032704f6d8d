//! `[server.tls]`: the certificate with which the public listener speaks TLS, and its key.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::{InconsistentKeys, ServerConfig};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::apps::read_named;
use super::files::{Folder, hash};
use super::finding::Place;
use super::reader::{Problem, Section, Written};
use crate::verify::key::CertificateFacts;

/// What is spoken inside TLS, as ALPN calls it; nothing else is.
const HTTP_1_1: &[u8] = b"http/1.1";
/// What to do about a certificate before it expires.
const RENEW: &str = "renew it, and replace both files; they are read again when they change";

/// What the public listener needs to speak TLS.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    certificate: CertificateFacts,
    place: Place,
    /// The hashes of both files.
    pair: [[u8; 32]; 2],
}

impl Tls {
    /// TLS 1.2 and 1.3 with the configured certificate, whatever name the client asks for.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// What the certificate says, the first of the chain.
    pub fn certificate(&self) -> &CertificateFacts {
        &self.certificate
    }

    /// Where its file is named.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// What is to be said about the certificate at this time.
    pub(super) fn warnings(&self, now: Timestamp) -> Vec<String> {
        self.certificate.date_warnings(now, RENEW)
    }

    /// Whether both are of the same certificate and key, so that sessions that began with one can go on with the other.
    pub(crate) fn is_of_same_pair(&self, other: &Self) -> bool {
        self.pair == other.pair
    }
}

/// Prints nothing of the key.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// Half of the pair, with what messages call its file.
struct Half<T> {
    shown: String,
    place: Place,
    hash: [u8; 32],
    holds: T,
}

/// Reads both files. `None` if there is no such section, or something was wrong, and that was noted.
pub(super) fn read(server: &mut Section<'_, '_>, folder: &Folder<'_>) -> Option<Tls> {
    let mut section = server.section("server.tls", "tls")?;
    let lacks: Vec<&str> = ["certificate", "key"].into_iter().filter(|key| !section.has(key)).collect();
    let certificate = section.optional("certificate", |written| read_chain(written, folder));
    let key = section.optional("key", |written| read_key(written, folder));
    if let [first, ..] = lacks.as_slice() {
        let remedy = "name both: tls = { certificate = \"tls/tls.crt\", key = \"tls/tls.key\" }";
        server.refuse("tls", Problem::new(format!("has no {first}"), remedy));
        return None;
    }
    let (Some(certificate), Some(key)) = (certificate, key) else { return None };
    match pair(certificate, key) {
        Ok(tls) => Some(tls),
        Err((of, problem)) => {
            section.refuse(of, problem);
            None
        }
    }
}

fn read_chain(
    written: &Written<'_>,
    folder: &Folder<'_>,
) -> Result<Half<(Vec<CertificateDer<'static>>, CertificateFacts)>, Problem> {
    let (shown, bytes) = read_named(written, folder, OTHERWISE)?;
    let remedy = "it holds PEM: the certificate of this server, then those that issued it, each in its turn";
    let problem = |what: &str| Problem::new(format!("{shown} {what}"), remedy);
    let chain = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| problem(&format!("is no sound PEM: {}", fault(&error))))?;
    let leaf = chain.first().ok_or_else(|| problem("holds no certificate"))?;
    let facts =
        CertificateFacts::of(leaf).map_err(|_damaged| problem("holds a certificate that is damaged"))?;
    Ok(Half { shown, place: written.place, hash: hash(&bytes), holds: (chain, facts) })
}

fn read_key(written: &Written<'_>, folder: &Folder<'_>) -> Result<Half<PrivateKeyDer<'static>>, Problem> {
    let (shown, bytes) = read_named(written, folder, OTHERWISE)?;
    let key = PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| {
        if bytes.windows(ENCRYPTED.len()).any(|window| window == ENCRYPTED) {
            let remedy =
                "decrypt it, and protect the file by its rights: openssl pkey -in encrypted.key -out tls.key";
            return Problem::new(format!("{shown} is encrypted"), remedy);
        }
        let what = if matches!(error, pem::Error::NoItemsFound) {
            "holds no private key".to_owned()
        } else {
            format!("is no sound PEM: {}", fault(&error))
        };
        Problem::new(format!("{shown} {what}"), REMEDY_FOR_KEY)
    })?;
    Ok(Half { shown, place: written.place, hash: hash(&bytes), holds: key })
}

/// What only the PEM of an encrypted key says.
const ENCRYPTED: &[u8] = b"ENCRYPTED";
/// What else can be done with what stands in the place of the name of a file.
const OTHERWISE: &str = "a file that only its owner can read";
const REMEDY_FOR_KEY: &str =
    "it holds PEM: the private key of the certificate, RSA or EC, in PKCS#8, PKCS#1 or SEC1";

/// What is wrong with PEM, without a byte of it: it may be a key.
fn fault(error: &pem::Error) -> &'static str {
    if matches!(error, pem::Error::MissingSectionEnd { .. }) {
        "a block has no end"
    } else if matches!(error, pem::Error::Base64Decode(_)) {
        "a block holds something else than base64"
    } else {
        "a block cannot be read"
    }
}

/// Puts the halves together, or says which of them does not fit, and why.
fn pair(
    certificate: Half<(Vec<CertificateDer<'static>>, CertificateFacts)>,
    key: Half<PrivateKeyDer<'static>>,
) -> Result<Tls, (&'static str, Problem)> {
    let (chain, facts) = certificate.holds;
    let unusable = |error: rustls::Error| {
        if matches!(error, rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) {
            let what = format!("{} is not the key of the certificate in {}", key.shown, certificate.shown);
            let remedy = "take both from one issue: a certificate that was renewed may have a new key";
            return ("key", Problem::new(what, remedy));
        }
        if matches!(error, rustls::Error::InvalidCertificate(_)) {
            let what = format!("{} holds a certificate that TLS cannot use: {error}", certificate.shown);
            let remedy =
                "a certificate of X.509 version 3 is needed, as certification authorities issue them";
            return ("certificate", Problem::new(what, remedy));
        }
        ("key", Problem::new(format!("{} cannot be used for TLS: {error}", key.shown), REMEDY_FOR_KEY))
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key.holds))
        .map_err(unusable)?;
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    // A ticket holds its session itself, so that resuming takes no memory, however many clients there are.
    config.ticketer = Ticketer::new().map_err(unusable)?;
    Ok(Tls {
        config: Arc::new(config),
        certificate: facts,
        place: certificate.place,
        pair: [certificate.hash, key.hash],
    })
}
