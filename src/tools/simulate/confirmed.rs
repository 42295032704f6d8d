//! The answer to a gateway check, as Alipay reads it.

use aws_lc_rs::digest;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::tools::sender::Heard;
use crate::verify::key::{Hash, PublicKey};

/// Whether the answer confirms the address: no redirect, but a `true`, and the public key that its signature was made with.
///
/// Alipay also compares that key with the one that the app uploaded, which is not known here.
pub(super) fn is_confirmed(heard: &Heard) -> bool {
    !heard.is_redirect() && is_signed(&heard.text()).unwrap_or_default()
}

fn is_signed(text: &str) -> Option<bool> {
    let response = between(text, "<response>", "</response>")?;
    let key = PublicKey::parse(between(response, "<biz_content>", "</biz_content>")?.as_bytes()).ok()?;
    let signature = BASE64_STANDARD.decode(between(text, "<sign>", "</sign>")?).ok()?;
    let digest = digest::digest(&digest::SHA256, response.as_bytes());
    let is_true = response.contains("<success>true</success>");
    Some(is_true && key.verifies(&digest, Hash::Sha256, &signature))
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    text.split_once(before)?.1.split_once(after).map(|(found, _)| found)
}
