//! `Received → Verified`: the only room that can say that a notification is Alipay's.
//!
//! ```compile_fail,E0451
//! use alipay_sidecar::{receive::form::Form, verify::{SignedForm, Verified, kind::Kind}};
//! fn forge(form: Form) -> Verified {
//!     let app_id = String::new();
//!     Verified { form, kind: Kind::Message, app_id, signed_form: SignedForm::V1 } // nobody but `verify` makes one
//! }
//! ```

pub(crate) mod envelope;
pub mod key;
pub mod keyring;
pub mod kind;
mod signed_text;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use self::envelope::Claims;
use self::key::{Hash, PublicKey};
use self::keyring::Keyring;
use self::kind::{Kind, KnownParameters};
use self::signed_text::{Empties, digest};
use crate::receive::Received;
use crate::receive::form::Form;
use crate::rejection::{Evidence, Reason, Rejection};

/// The forms of the signed text. Both occur for message-service notifications, even with one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignedForm {
    /// Without `sign` and `sign_type`.
    V1,
    /// Without `sign` only.
    V2,
}

impl SignedForm {
    /// The name of the form in headers, log and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }
}

/// What the configuration allows a signature to be. The sender chooses none of it.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The forms that are allowed; `verify.form`.
    pub forms: &'static [SignedForm],
    /// Whether `sign_type=RSA`, which is SHA-1, is allowed; `verify.allow_sha1`.
    pub allow_sha1: bool,
    /// The greatest age of `utc_timestamp`; `verify.max_age`. `None` switches the check off.
    pub max_age: Option<Duration>,
    /// How far in the future `utc_timestamp` may lie; `verify.max_skew`.
    pub max_skew: Duration,
    /// The parameters that mean something, so that no free text may be read as one of them.
    pub parameters: Arc<KnownParameters>,
}

/// A notification that is Alipay's: each of its parameters was signed with a key of its app.
///
/// Parameters with an empty value are there only if they were signed. `sign_type` was signed only under
/// [`SignedForm::V2`], so nothing may be decided by it.
#[derive(Debug)]
pub struct Verified {
    form: Form,
    kind: Kind,
    app_id: String,
    signed_form: SignedForm,
}

impl Verified {
    /// The kind of the notification.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The app whose key verified it.
    pub fn app_id(&self) -> &str {
        &self.app_id
    }

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
        let kind = Kind::of(&form).unwrap_or(Kind::Message);
        let app_id = String::from_utf8_lossy(kind.app(&form).unwrap_or_default()).into_owned();
        Self { form, kind, app_id, signed_form }
    }
}

/// Decides whether `received` is a notification that Alipay signed for one of our apps, not too long ago at `now`.
///
/// The cheap checks come first. The `app_id` that the sender claims chooses the keys and nothing else; an unknown
/// one costs as much as a known one, so that time does not tell which apps are configured.
pub fn verify(
    received: Received,
    keyring: &Keyring,
    policy: &Policy,
    now: SystemTime,
) -> Result<Verified, Rejection> {
    let form = received.form;
    match examine(&form, keyring, policy, now) {
        Ok((kind, app_id, signed_form, empties)) => {
            let form = if empties == Empties::LeftOut { form.without_empties() } else { form };
            Ok(Verified { form, kind, app_id, signed_form })
        }
        Err(rejection) => Err(rejection.with(Evidence::Form(form))),
    }
}

/// What is proven of `form`.
fn examine(
    form: &Form,
    keyring: &Keyring,
    policy: &Policy,
    now: SystemTime,
) -> Result<(Kind, String, SignedForm, Empties), Rejection> {
    let claims = Claims::read(form, &policy.parameters)?;
    if claims.hash == Hash::Sha1 && !policy.allow_sha1 {
        return Err(Reason::HashNotAllowed.because("sign_type is RSA (SHA-1) and verify.allow_sha1 is false"));
    }
    let (signed_form, empties) = prove(form, &claims, keyring, policy, now)?;
    Ok((claims.kind, String::from_utf8_lossy(claims.app_id).into_owned(), signed_form, empties))
}

/// Finds the form in which the signature holds with a key of the app, for a notification that is in time.
fn prove(
    form: &Form,
    claims: &Claims<'_>,
    keyring: &Keyring,
    policy: &Policy,
    now: SystemTime,
) -> Result<(SignedForm, Empties), Rejection> {
    let keys = keyring.keys(claims.app_id);
    let mut trials = trials(form, claims, keys.unwrap_or_else(|| keyring.decoy(claims.app_id)), policy);
    let proof = trials.find_map(|proof| proof);
    if keys.is_none() {
        return Err(Reason::UnknownApp.into());
    }
    let proof = proof.ok_or(Reason::BadSignature)?;
    if let Some(sent) = claims.sent {
        // What comes too late costs as much as a forgery, so that time does not tell that its signature still holds.
        in_time(sent, policy, now).inspect_err(|_| trials.for_each(drop))?;
    }
    Ok(proof)
}

/// Tries `keys` on each form of the signed text, at the price of one RSA operation a trial; an item is the form in
/// which the signature holds, if it does.
///
/// Leaving empty values out is tried last, and only where there are any.
fn trials(
    form: &Form,
    claims: &Claims<'_>,
    keys: &[Arc<PublicKey>],
    policy: &Policy,
) -> impl Iterator<Item = Option<(SignedForm, Empties)>> {
    let has_empties = form.iter().any(|(_, value)| value.is_empty());
    let empties: &[Empties] = if has_empties { &[Empties::Kept, Empties::LeftOut] } else { &[Empties::Kept] };
    let forms = claims.kind.forms(form).iter().filter(|form| policy.forms.contains(form));
    empties.iter().flat_map(move |empties| {
        forms.clone().flat_map(move |signed_form| {
            let digest = digest(form, *signed_form, *empties, claims.hash);
            keys.iter().map(move |key| {
                let holds = key.verifies(&digest, claims.hash, &claims.signature);
                holds.then_some((*signed_form, *empties))
            })
        })
    })
}

fn in_time(sent: u64, policy: &Policy, now: SystemTime) -> Result<(), Rejection> {
    let sent = UNIX_EPOCH.checked_add(Duration::from_millis(sent)).ok_or(Reason::FromTheFuture)?;
    match now.duration_since(sent) {
        Ok(age) if policy.max_age.is_some_and(|max_age| age > max_age) => {
            Err(Reason::TooOld.because(format!("it was sent {} s ago", age.as_secs())))
        }
        Err(ahead) if ahead.duration() > policy.max_skew => {
            Err(Reason::FromTheFuture.because(format!("it will be sent in {} s", ahead.duration().as_secs())))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
