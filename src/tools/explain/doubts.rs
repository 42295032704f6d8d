//! Where no key opens the signature: what the key or the signature may be in truth, and how to find out.

use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::{KnownKey, Question, Report};
use crate::config::Printable;
use crate::diagnose::{Cause, Diagnosis};

/// What may be, and how to find out.
pub(super) struct Doubt {
    pub(super) what: String,
    pub(super) find_out: String,
}

/// How much of a key is shown to compare it by.
const SHOWN: usize = 12;

impl Report<'_> {
    /// What the keys may be that do not open the signature, or the signature itself, as long as that is not known.
    pub(super) fn doubts(&self, diagnosis: &Diagnosis) -> Vec<Doubt> {
        let is_open = !diagnosis.is_proven || diagnosis.cause() == Cause::NoKeyOpens;
        if diagnosis.opened.is_some() || !is_open {
            return Vec::new();
        }
        let own: Vec<&KnownKey> =
            self.keys.iter().copied().filter(|known| !self.is_of_another_app(known)).collect();
        let mut doubts = Vec::new();
        if let Some(command) = &self.bench.ask_for_own_key {
            doubts.push(Doubt {
                what: "the key is your app's own public key (应用公钥)".to_owned(),
                find_out: format!(
                    "{command}  says so; OWN.pem is what you gave to Alipay, or: openssl pkey -in PRIVATE.pem -pubout -out OWN.pem"
                ),
            });
        }
        for known in own.iter().take(4) {
            let others: Vec<&str> = self
                .keys
                .iter()
                .filter(|other| other.app_id != known.app_id)
                .filter(|other| other.key.fingerprint() == known.key.fingerprint())
                .map(|other| other.app_id.as_str())
                .collect();
            if let Some(other) = others.first() {
                doubts.push(Doubt {
                    what: format!("the key is Alipay's for app {other}, for which it is configured, too"),
                    find_out: "each app that signs with RSA2 has a key of its own: copy both again"
                        .to_owned(),
                });
            }
        }
        let starts: Vec<String> = own.iter().take(4).map(|known| distinct(known)).collect();
        let keys = if starts.len() == 1 { "that holds" } else { "that hold" };
        if !starts.is_empty() {
            doubts.push(Doubt {
                what: "the key is Alipay's for another app or of the other environment (sandbox, production), or an older one"
                    .to_owned(),
                find_out: format!(
                    "look in the console at 查看支付宝公钥 of this very app for the text {keys} {}: if it is not there, copy the key anew",
                    starts.join(" or ")
                ),
            });
        }
        doubts.push(Doubt {
            what: "`sign` was changed where its length stays: a character, its case, or one taken for another".to_owned(),
            find_out: "compare `sign` with that of the raw body, character by character; or explain another notification with the same \
                       key: if that verifies, the key is right"
                .to_owned(),
        });
        doubts.push(Doubt {
            what: "the notification is not from Alipay".to_owned(),
            find_out:
                "if another one verifies with the same key, and `sign` is as it came, then this one is forged"
                    .to_owned(),
        });
        doubts
    }
}

/// A part of the key's base64, as the console shows it, that no other key has: what comes before it says its length.
fn distinct(known: &KnownKey) -> String {
    let text = BASE64_STANDARD.encode(known.key.spki());
    let certificate = known
        .key
        .certificate()
        .map(|certificate| format!(" (of the certificate for {})", Printable(&certificate.subject)));
    let common = text.find("CgKC").map_or(0, |at| at.saturating_add(8));
    let part = text.get(common..).and_then(|text| text.get(..SHOWN)).unwrap_or(&text);
    format!("{part}{}", certificate.unwrap_or_default())
}

/// The command that asks the same with the app's own key, where it was not given.
pub(super) fn command(question: &Question<'_>) -> Option<String> {
    if question.app_public_key.is_some() {
        return None;
    }
    let mut words = vec!["alipay-sidecar explain".to_owned()];
    if question.keys.is_empty() {
        words.extend(["--config".to_owned(), quoted(question.config)]);
    }
    for key in question.keys {
        words.extend(["--key".to_owned(), quoted(key)]);
    }
    words.push("--app-public-key OWN.pem".to_owned());
    words.push(question.file.map_or_else(|| "< CAPTURE".to_owned(), quoted));
    Some(words.join(" "))
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/+:@".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text;
    }
    format!("'{}'", Printable(&text.replace('\'', "'\\''")))
}
