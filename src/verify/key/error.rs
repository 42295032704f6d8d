//! Why a text is no key of Alipay's, said so that its owner knows what to do.

use std::error::Error;
use std::fmt;

/// Why a text is not a public key that can verify a notification.
///
/// `Display` says what the text holds instead and what to do; it never repeats the text. Whoever prints it says which
/// file or which key of the configuration it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyError {
    /// Nothing, or nothing but white space.
    Empty,
    /// More bytes than any key file has.
    TooLarge {
        /// The bytes of the text.
        bytes: usize,
    },
    /// UTF-16, as some editors save it.
    Utf16,
    /// A page of HTML, or XML.
    Page,
    /// JSON.
    Json,
    /// Digits only: an `app_id`, perhaps.
    Number,
    /// What an example has where the key belongs.
    Placeholder,
    /// Fewer characters than the smallest key has.
    TooShort {
        /// The characters of the text, without white space.
        characters: usize,
    },
    /// The key of a symmetric cipher.
    ContentKey {
        /// The bytes of that key.
        bytes: usize,
    },
    /// base64 of a text which is a key file itself.
    Nested,
    /// A backslash and an `n` in place of each line break.
    EscapedLineBreaks,
    /// A character that base64 does not have.
    BadCharacter {
        /// Its line, counted from 1.
        line: usize,
        /// The character.
        character: char,
    },
    /// base64 that goes on after its end, or ends in between.
    BadBase64,
    /// A PEM block without its end.
    OpenBlock {
        /// What the block says that it is.
        label: String,
    },
    /// A PEM block of something else.
    OtherBlock {
        /// What the block says that it is.
        label: String,
    },
    /// A PEM block, and beside it what may be another key.
    BesideBlock {
        /// Its line, counted from 1.
        line: usize,
    },
    /// More keys than one.
    Several,
    /// A private key.
    PrivateKey,
    /// A private key under a password.
    EncryptedPrivateKey,
    /// A request for a certificate.
    CertificateRequest,
    /// A container of keys and certificates.
    Container {
        /// Its name.
        name: &'static str,
    },
    /// A key in the form of SSH.
    SshKey,
    /// A key on an elliptic curve.
    EcKey,
    /// A key of SM2.
    Sm2Key,
    /// A key of Ed25519.
    Ed25519Key,
    /// A key of another algorithm.
    OtherAlgorithm {
        /// Its object identifier.
        oid: String,
    },
    /// The end is missing.
    Cut,
    /// Something follows the key.
    TrailingBytes {
        /// How much.
        bytes: usize,
    },
    /// Neither a text of a known form nor DER.
    Garbage,
    /// DER that is not what its outline promises.
    Malformed(der::Error),
    /// A key that is not written in the one way that DER allows.
    NotCanonical,
    /// An RSA key that is too short, or too long.
    Bits {
        /// The bits of its modulus.
        bits: usize,
        /// The fewest that are allowed.
        least: usize,
    },
    /// An RSA key with an exponent other than 65,537.
    Exponent,
    /// An RSA key with an even modulus.
    EvenModulus,
    /// An RSA key that the verifier does not take, whatever its form.
    Unusable,
}

impl fmt::Display for KeyError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(out, "this is empty: {COPY}"),
            Self::TooLarge { bytes } => {
                write!(
                    out,
                    "this has {} bytes, which no key has: look whether it is the right file",
                    thousands(*bytes)
                )
            }
            Self::Utf16 => write!(out, "this is UTF-16: save it as UTF-8"),
            Self::Page => write!(out, "this is a page of HTML or XML: {COPY}"),
            Self::Json => write!(out, "this is JSON: {COPY}"),
            Self::Number => write!(out, "this is a number, perhaps an app_id: {COPY}"),
            Self::Placeholder => write!(out, "this is the placeholder of an example: {COPY}"),
            Self::TooShort { characters } => write!(
                out,
                "this has {characters} characters, and an RSA2 key has at least 360: a part is missing, or it is \
                 something else; {COPY}"
            ),
            Self::ContentKey { bytes } => write!(
                out,
                "this is a symmetric key of {bytes} bytes, for AES perhaps, not a public key: {COPY}"
            ),
            Self::Nested => write!(out, "this is the base64 of a key file: decode it once"),
            Self::EscapedLineBreaks => {
                write!(
                    out,
                    "this has a backslash and an n where lines should end: put real line breaks there"
                )
            }
            Self::BadCharacter { line, character } => write!(
                out,
                "line {line} has the character U+{:04X}, which base64 does not have: remove what does not belong to \
                 the key, or copy it again",
                u32::from(*character)
            ),
            Self::BadBase64 => write!(
                out,
                "the base64 does not end where the text does: a part is missing, or more than one key is there; copy \
                 it again"
            ),
            Self::OpenBlock { label } => write!(
                out,
                "the PEM block `{label}` has no end: copy it again, from -----BEGIN to the last -----"
            ),
            Self::OtherBlock { label } => {
                write!(out, "this is a PEM block `{label}`, not a public key: {COPY}")
            }
            Self::BesideBlock { line } => write!(
                out,
                "line {line}, outside the PEM block, has what may be another key: keep one key a file"
            ),
            Self::Several => write!(
                out,
                "this holds more than one key: keep one a file, and list the files while a key is rotated"
            ),
            Self::PrivateKey => write!(out, "this is a private key: {PRIVATE}"),
            Self::EncryptedPrivateKey => write!(out, "this is an encrypted private key: {PRIVATE}"),
            Self::CertificateRequest => {
                write!(out, "this is a certificate request, which your own app key made: {COPY}")
            }
            Self::Container { name } => write!(
                out,
                "this is a {name} container: take Alipay's certificate out of it, as PEM (alipayCertPublicKey_RSA2.crt)"
            ),
            Self::SshKey => write!(out, "this is a key of SSH: {COPY}"),
            Self::EcKey => write!(out, "this is a key on an elliptic curve, {NOT_RSA}"),
            Self::Sm2Key => write!(out, "this is an SM2 key, {NOT_RSA}"),
            Self::Ed25519Key => write!(out, "this is an Ed25519 key, {NOT_RSA}"),
            Self::OtherAlgorithm { oid } => write!(out, "this is a key of the algorithm {oid}, {NOT_RSA}"),
            Self::Cut => write!(out, "the end of the key is missing: copy it again, with its last line"),
            Self::TrailingBytes { bytes } => {
                write!(out, "{bytes} bytes follow the key: copy it again, and nothing but the key")
            }
            Self::Garbage => write!(out, "this is no key of any form that is known here: {COPY}"),
            Self::Malformed(error) => write!(out, "this key is damaged ({error}): copy it again"),
            Self::NotCanonical => write!(
                out,
                "this key is not written as DER prescribes, so it may be damaged: copy it again, or write it anew with \
                 `openssl pkey -pubin`"
            ),
            Self::Bits { bits, least } => fmt_bits(out, *bits, *least),
            Self::Exponent => write!(
                out,
                "this RSA key has an exponent other than 65,537, which Alipay's have not: copy it again"
            ),
            Self::EvenModulus => {
                write!(out, "this RSA key has an even modulus, so it is damaged: copy it again")
            }
            Self::Unusable => write!(out, "this RSA key cannot be used, so it may be damaged: copy it again"),
        }
    }
}

impl Error for KeyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        if let Self::Malformed(error) = self { Some(error) } else { None }
    }
}

const COPY: &str = "copy Alipay's public key (支付宝公钥) from the console";
const PRIVATE: &str = "only its owner should have it, and it verifies nothing; configure Alipay's public key \
                       (支付宝公钥) here";
const NOT_RSA: &str =
    "and RSA2 needs an RSA key: copy Alipay's public key (支付宝公钥) for RSA2 from the console";

fn fmt_bits(out: &mut fmt::Formatter<'_>, bits: usize, least: usize) -> fmt::Result {
    write!(
        out,
        "this RSA key has {} bits, and {} to 8,192 are allowed: ",
        thousands(bits),
        thousands(least)
    )?;
    if (1_024..2_048).contains(&bits) {
        write!(out, "it may be the one for RSA (SHA-1); copy the one for RSA2")
    } else {
        out.write_str(COPY)
    }
}

/// `number` with commas.
fn thousands(number: usize) -> String {
    let (thousands, rest) = (number / 1_000, number % 1_000);
    if thousands == 0 { rest.to_string() } else { format!("{thousands},{rest:03}") }
}
