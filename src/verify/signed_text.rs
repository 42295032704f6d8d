//! The text under a signature: `name=value` of the parameters, sorted by name, joined by `&`, nothing escaped.
//!
//! It is fed to the digest piece by piece, in the bytes that were received, and never built.

use aws_lc_rs::digest::{self, Digest};

use super::SignedForm;
use super::key::Hash;
use crate::receive::form::Form;

/// What a signer did with parameters whose value is empty; the platform's own libraries disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Empties {
    Kept,
    LeftOut,
}

/// The digest of the signed text of `form`.
pub(super) fn digest(form: &Form, signed_form: SignedForm, empties: Empties, hash: Hash) -> Digest {
    let mut context = digest::Context::new(match hash {
        Hash::Sha256 => &digest::SHA256,
        Hash::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
    });
    let signed = form.sorted().filter(|(name, value, _)| {
        *name != b"sign"
            && (signed_form == SignedForm::V2 || *name != b"sign_type")
            && (empties == Empties::Kept || !value.is_empty())
    });
    for (nth, (_, _, pair)) in signed.enumerate() {
        // Only the first pair has no `&` before it.
        context.update(if nth == 0 { pair.strip_prefix(b"&").unwrap_or(pair) } else { pair });
    }
    context.finish()
}
