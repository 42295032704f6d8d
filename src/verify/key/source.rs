//! From the bytes of a file, or of a value in the configuration, to the one document in them.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::error::KeyError;
use super::outline::{Document, document};

/// What the document of a key was wrapped in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrapping {
    /// base64 and nothing else, as the console shows it.
    Base64,
    /// PEM.
    Pem,
    /// Nothing: the bytes themselves.
    Der,
}

impl fmt::Display for Wrapping {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Base64 => "bare base64",
            Self::Pem => "PEM",
            Self::Der => "DER",
        })
    }
}

/// A document, and how it came.
pub(super) struct Source {
    pub(super) der: Vec<u8>,
    pub(super) document: Document,
    pub(super) wrapping: Wrapping,
}

/// More than a certificate with its whole chain; less than what would take long to read.
pub(super) const MAX_BYTES: usize = 64 * 1_024;

/// The document in `bytes`.
pub(super) fn read(bytes: &[u8]) -> Result<Source, KeyError> {
    if bytes.len() > MAX_BYTES {
        return Err(KeyError::TooLarge { bytes: bytes.len() });
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(KeyError::Utf16);
    }
    // Editors on Windows write a byte-order mark, which says nothing about the key.
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // Lossy, because a remark beside a PEM block may be in any charset; base64 is ASCII, or refused.
    let text = String::from_utf8_lossy(text);
    if text.chars().any(|character| character.is_control() && !is_blank(character)) {
        // All DER documents of keys have control characters; no text has.
        source(bytes.to_vec(), Wrapping::Der)
    } else if text.contains(BEGIN) {
        read_pem(&text)
    } else {
        read_bare(&text)
    }
}

fn source(der: Vec<u8>, wrapping: Wrapping) -> Result<Source, KeyError> {
    Ok(Source { document: document(&der)?, der, wrapping })
}

/// The key in a text of PEM blocks. Their labels are hints (many a guide gets them wrong): what they hold counts.
fn read_pem(text: &str) -> Result<Source, KeyError> {
    // Before all else, lest a private key be called a key too many.
    if text.contains("PRIVATE KEY-----") {
        let encrypted = text.contains("ENCRYPTED");
        return Err(if encrypted { KeyError::EncryptedPrivateKey } else { KeyError::PrivateKey });
    }
    let mut found = None;
    let mut rest = text;
    let mut line = 1_usize;
    while let Some((before, block)) = rest.split_once(BEGIN) {
        refuse_key_beside(before, line)?;
        let (label, body) =
            block.split_once("-----").filter(|(label, _)| is_label(label)).ok_or(KeyError::Garbage)?;
        let (body, after) = body
            .split_once(&format!("-----END {label}-----"))
            .filter(|(body, _)| !body.contains(BEGIN))
            .ok_or_else(|| KeyError::OpenBlock { label: label.to_owned() })?;
        refuse_other_block(label)?;
        line = line.saturating_add(line_breaks(before));
        let der = decode(body, line);
        let der = der.map_err(|error| if is_placeholder(body) { KeyError::Placeholder } else { error })?;
        let next = source(der, Wrapping::Pem)?;
        found = match found {
            None => Some(next),
            // In a bundle the first certificate is the leaf; the others issued it.
            Some(first @ Source { document: Document::Certificate, .. })
                if next.document == Document::Certificate =>
            {
                Some(first)
            }
            Some(_) => return Err(KeyError::Several),
        };
        line = line.saturating_add(line_breaks(body));
        rest = after;
    }
    refuse_key_beside(rest, line)?;
    found.ok_or(KeyError::Garbage)
}

fn is_label(label: &str) -> bool {
    (1..=40).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' ')
}

fn refuse_other_block(label: &str) -> Result<(), KeyError> {
    match label {
        "PUBLIC KEY" | "RSA PUBLIC KEY" | "CERTIFICATE" | "X509 CERTIFICATE" => Ok(()),
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => Err(KeyError::CertificateRequest),
        "PKCS7" => Err(KeyError::Container { name: "PKCS#7" }),
        other => Err(KeyError::OtherBlock { label: other.to_owned() }),
    }
}

/// People may explain in plain words what a block is; but a second key must not hide there.
fn refuse_key_beside(text: &str, first_line: usize) -> Result<(), KeyError> {
    let suspect = |line: &str| {
        line.split_ascii_whitespace().any(|word| word.len() >= 64 && word.bytes().all(is_base64))
    };
    match text.lines().zip(first_line..).find(|(line, _)| suspect(line)) {
        Some((_, line)) => Err(KeyError::BesideBlock { line }),
        None => Ok(()),
    }
}

/// The key in a text without PEM blocks.
fn read_bare(text: &str) -> Result<Source, KeyError> {
    let trimmed = text.trim_ascii();
    let characters = trimmed.chars().filter(|character| !is_blank(*character)).count();
    let short = characters < SHORTEST;
    refuse_other_text(trimmed)?;
    let der = match decode(text, 1) {
        Ok(_) | Err(_) if short && is_placeholder(trimmed) => return Err(KeyError::Placeholder),
        Ok(der) => der,
        Err(KeyError::EscapedLineBreaks) => return Err(KeyError::EscapedLineBreaks),
        Err(_) if is_placeholder(trimmed) => return Err(KeyError::Placeholder),
        Err(_) if short => return Err(KeyError::TooShort { characters }),
        Err(error) => return Err(error),
    };
    if matches!(der.len(), 16 | 24 | 32) {
        return Err(KeyError::ContentKey { bytes: der.len() });
    }
    if der.starts_with(BEGIN.as_bytes()) || (der.len() >= SHORTEST && der.iter().all(|byte| is_base64(*byte)))
    {
        return Err(KeyError::Nested);
    }
    source(der, Wrapping::Base64).map_err(|error| {
        if short && error == KeyError::Garbage { KeyError::TooShort { characters } } else { error }
    })
}

/// Refuses what is told from a key by how it begins, or by what it is made of.
fn refuse_other_text(trimmed: &str) -> Result<(), KeyError> {
    let start: String = trimmed.chars().take(16).collect::<String>().to_ascii_lowercase();
    let starts_as = |known: &[&str]| known.iter().any(|known| start.starts_with(known));
    Err(if trimmed.is_empty() {
        KeyError::Empty
    } else if starts_as(&["<!doctype", "<!--", "<html", "<head", "<body", "<?xml"]) {
        KeyError::Page
    } else if trimmed.starts_with('{') && trimmed.contains('"') {
        KeyError::Json
    } else if starts_as(&["ssh-", "ecdsa-sha2-", "---- begin ssh2"]) {
        KeyError::SshKey
    } else if trimmed.bytes().all(|byte| byte.is_ascii_digit()) {
        KeyError::Number
    } else {
        return Ok(());
    })
}

/// Whether `text`, which is no key, is what an example has in its place.
fn is_placeholder(text: &str) -> bool {
    let signs = ["...", "…", "<", "${", "{{", "公钥"];
    // In a long text the words may be base64 by chance, so there they prove nothing.
    let words = ["your", "todo", "xxx", "changeme", "change_me", "placeholder"];
    let has = |hints: &[&str], text: &str| hints.iter().any(|hint| text.contains(hint));
    has(&signs, text) || text.len() < SHORTEST && has(&words, &text.to_ascii_lowercase())
}

/// Decodes base64 that may be broken into lines anywhere; `first_line` is the line on which `text` begins.
fn decode(text: &str, first_line: usize) -> Result<Vec<u8>, KeyError> {
    if text.contains("\\n") {
        return Err(KeyError::EscapedLineBreaks);
    }
    let mut compact = Vec::with_capacity(text.len());
    let mut line = first_line;
    for character in text.chars() {
        match u8::try_from(character) {
            Ok(byte) if is_base64(byte) => compact.push(byte),
            Ok(b'\n') => line = line.saturating_add(1),
            _ if is_blank(character) => {}
            _ => return Err(KeyError::BadCharacter { line, character }),
        }
    }
    STANDARD.decode(compact).map_err(|_error| KeyError::BadBase64)
}

/// White space of ASCII, which here includes the vertical tab.
fn is_blank(character: char) -> bool {
    character.is_ascii_whitespace() || character == '\x0b'
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

fn line_breaks(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

const BEGIN: &str = "-----BEGIN ";

/// Fewer characters than this are no RSA key of 1,024 bits: that has 188 in PKCS#1.
const SHORTEST: usize = 180;
