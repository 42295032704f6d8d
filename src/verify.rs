//! `Received → Verified`: the only room that can say that a notification is Alipay's.

pub mod key;
pub mod keyring;

use std::time::Duration;

use crate::receive::form::Form;

/// The forms of the signed text. Both occur for message-service notifications, even with one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignedForm {
    /// Without `sign` and `sign_type`.
    V1,
    /// Without `sign` only.
    V2,
}

/// What the configuration allows a signature to be.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The forms that are tried, in this order; `verify.form`.
    pub forms: &'static [SignedForm],
    /// Whether `sign_type=RSA`, which is SHA-1, is allowed; `verify.allow_sha1`.
    pub allow_sha1: bool,
    /// The greatest age of `utc_timestamp`; `verify.max_age`. `None` switches the check off.
    pub max_age: Option<Duration>,
    /// How far in the future `utc_timestamp` may lie; `verify.max_skew`.
    pub max_skew: Duration,
}

/// A notification that is Alipay's: each of its parameters was signed with a key of its app.
#[derive(Debug)]
pub struct Verified {
    form: Form,
    signed_form: SignedForm,
}

impl Verified {
    /// All parameters that were signed, and `sign` and `sign_type`, in the order received.
    pub fn form(&self) -> &Form {
        &self.form
    }

    /// The form in which the signature holds.
    pub fn signed_form(&self) -> SignedForm {
        self.signed_form
    }

    #[cfg(test)]
    pub(crate) fn for_tests(form: Form, signed_form: SignedForm) -> Self {
        Self { form, signed_form }
    }
}
