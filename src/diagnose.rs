//! Why a signature does not hold: proven with the key where that is possible, and told with what to do.
//!
//! A diagnosis decides nothing. It is for people: `explain` prints it, and the proxy logs its label. So it reads
//! leniently what `receive` refuses, and none of what it reads goes anywhere else.
mod cause;
mod content;
pub(crate) mod json;
mod keys;
mod opened;
mod parameters;
pub(crate) mod python;
pub mod queue;
mod reading;
mod refused;
mod search;
mod share;
mod sign;
#[cfg(test)]
mod tests;
mod undo;
mod verdict;

pub use self::cause::Cause;
pub use self::opened::{Opened, SignedHash};
use self::parameters::MAX_PARAMETERS;
pub use self::parameters::{Empties, Parameters, Shape};
pub use self::reading::{Reading, readings, readings_of_map};
pub use self::search::Budget;

use self::content::of_content;
use self::keys::of_key;
use self::opened::open;
use self::sign::{Signature, spellings};
use crate::receive::form::Form;
use crate::rejection::Reason;
use crate::translate::catalogue::Catalogue;
use crate::verify::envelope::is_app_id;
use crate::verify::key::{Fingerprint, PublicKey};
use crate::verify::kind::Kind;
use crate::verify::{Policy, SignedForm};

/// A key that may have made the signature.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'c> {
    /// The app that it is configured for.
    pub app_id: &'c str,
    /// The key.
    pub key: &'c PublicKey,
    /// The file that it came from, if any.
    pub file: Option<&'c str>,
}

/// What is to be diagnosed.
#[derive(Debug)]
pub struct Case<'c> {
    /// The ways to read what was captured, that of `run` first.
    pub readings: Vec<Reading>,
    /// The keys, those of the app in question first.
    pub keys: Vec<Candidate<'c>>,
    /// What the configuration allows.
    pub policy: &'c Policy,
    /// The kinds of notification that are known.
    pub catalogue: &'c Catalogue,
    /// The public keys of the user's own apps, where they are known.
    pub own_keys: Vec<Fingerprint>,
    /// Why `run` refuses it.
    pub reason: Option<Reason>,
    /// Whether each key is for its app alone, as a configuration says it.
    pub is_configured: bool,
    /// What the capture shows where it could not show a byte, beside U+FFFD.
    pub placeholder: Option<&'static [u8]>,
}

/// Why a signature does not hold.
#[derive(Debug)]
pub struct Diagnosis {
    /// What happened, in the order in which it is undone; at least one.
    pub findings: Vec<Finding>,
    /// Whether it is proven. If not, it is the likeliest.
    pub is_proven: bool,
    /// What the signature holds, and the place of the key that opens it among those of the case.
    pub opened: Option<(usize, Opened)>,
    /// The parameters as they were signed, and how.
    pub signed: Option<(Parameters, Shape)>,
    /// Where the first difference is between what was received and what was signed.
    pub difference: Option<Difference>,
    /// How many texts were compared with the signed hash.
    pub trials: u64,
    /// Whether time or bytes ran out before all was tried.
    pub is_cut_short: bool,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub cause: Cause,
    /// To which parameters, by their names.
    pub parameters: Vec<String>,
}

/// The first difference between what was received and what was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The parameter.
    pub name: String,
    /// The first byte of its value that differs, counted from 0.
    pub at: usize,
    /// Its value as received, if it was.
    pub received: Option<Vec<u8>>,
    /// Its value as signed, if it was.
    pub signed: Option<Vec<u8>>,
}

impl Finding {
    /// One that is in no parameter, or nobody knows in which.
    fn of(cause: Cause) -> Self {
        Self { cause, parameters: Vec::new() }
    }
}

impl Diagnosis {
    fn of(cause: Cause, is_proven: bool) -> Self {
        Self {
            findings: vec![Finding::of(cause)],
            is_proven,
            opened: None,
            signed: None,
            difference: None,
            trials: 0,
            is_cut_short: false,
        }
    }

    /// The first cause, by which it is called.
    pub fn cause(&self) -> Cause {
        self.findings.first().map_or(Cause::ContentChanged, |finding| finding.cause)
    }
}

/// Says why the signature of `case` does not hold, within `budget`.
pub fn diagnose(case: &Case<'_>, budget: Budget) -> Diagnosis {
    let signatures = signatures(case);
    let diagnosis = match opening(case, &signatures) {
        Some((signature, place, opened)) => of_content(case, &signature.causes, place, opened, budget),
        None => of_key(case, &signatures),
    };
    // Of what is not looked at nothing can be known.
    let is_whole = case.readings.iter().all(|reading| reading.parameters.len() < MAX_PARAMETERS);
    Diagnosis { is_proven: diagnosis.is_proven && is_whole, ..diagnosis }
}

/// What the signature of `case` holds, if one of its keys opens it, however `sign` is read.
fn opens(case: &Case<'_>) -> Option<Opened> {
    opening(case, &signatures(case)).map(|(_, _, opened)| opened)
}

/// All ways to read `sign` in all readings.
fn signatures(case: &Case<'_>) -> Vec<Signature> {
    let mut found: Vec<Signature> = Vec::new();
    for signature in case.readings.iter().flat_map(spellings) {
        if found.iter().all(|known| known.bytes != signature.bytes) {
            found.push(signature);
        }
    }
    found
}

/// The first of `signatures` that a key opens, with the place of that key and what is in it.
fn opening<'s>(case: &Case<'_>, signatures: &'s [Signature]) -> Option<(&'s Signature, usize, Opened)> {
    signatures.iter().find_map(|signature| {
        let mut keys = case.keys.iter().enumerate();
        keys.find_map(|(place, candidate)| Some((signature, place, open(candidate.key, &signature.bytes)?)))
    })
}

impl Case<'_> {
    /// The app that the notification claims to be for, by the first reading that has one.
    pub fn app_id(&self) -> Option<&[u8]> {
        self.readings.iter().find_map(|reading| reading.parameters.app_id())
    }

    /// Whether `verify` looks at this form of the signed text, for a notification of the kind that was received.
    fn allows(&self, form: SignedForm) -> bool {
        let of_kind = self.form().and_then(|received| Some(Kind::of(&received)?.forms(&received)));
        self.policy.forms.contains(&form) && of_kind.is_none_or(|forms| forms.contains(&form))
    }

    /// What was received, if `receive` can read it.
    fn form(&self) -> Option<Form> {
        let body = self.readings.first().map(|reading| reading.parameters.encoded())?;
        Form::parse(body.as_bytes(), usize::MAX).ok()
    }

    /// Whether it claims to be for an app, by an id that can be one, for which there are keys.
    fn has_keys_of_its_app(&self) -> bool {
        self.app_id()
            .filter(|app_id| is_app_id(app_id))
            .is_some_and(|app_id| self.keys.iter().any(|candidate| candidate.app_id.as_bytes() == app_id))
    }
}
