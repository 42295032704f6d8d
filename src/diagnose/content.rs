//! A key opens the signature: what became of the content?

use super::cause::Cause;
use super::opened::{Opened, SignedHash};
use super::search::{Budget, Oracle, Purse, search};
use super::undo::Hints;
use super::verdict::{shown, told};
use super::{Case, Diagnosis, Finding, Shape};
use crate::rejection::Reason;
use crate::verify::envelope::is_app_id;
use crate::verify::key::Hash;

/// A key opens it: what became of the content?
pub(super) fn of_content(
    case: &Case<'_>,
    spelling: Option<Cause>,
    place: usize,
    opened: Opened,
    budget: Budget,
) -> Diagnosis {
    let signed_for = case.keys.get(place).map(|candidate| candidate.app_id.as_bytes());
    let hash = match opened.hash {
        SignedHash::Known(hash) => hash,
        SignedHash::Other(_) => {
            return Diagnosis { opened: Some((place, opened)), ..Diagnosis::of(Cause::OtherHash, true) };
        }
    };
    let app_ids: Vec<&str> = case.keys.iter().map(|candidate| candidate.app_id).collect();
    let hints = Hints { known: &case.policy.parameters, app_ids: &app_ids };
    let oracle = Oracle { hash, digest: &opened.digest };
    let mut purse = Purse::new(budget);
    let undone = search(case, spelling, oracle, hints, &mut purse);
    let mut diagnosis = match undone {
        Some((reading, undone)) => {
            let mut diagnosis = told(case, reading, &undone, spelling);
            if diagnosis.findings.is_empty() {
                let why = as_received(case, undone.shape, hash, signed_for);
                diagnosis.findings.push(Finding { cause: why, parameters: Vec::new() });
            }
            diagnosis
        }
        // Either the key of this app is that of another one, or the notification is of that one and changed with its
        // app_id. What was signed would tell, but is not known.
        None if signed_for != case.app_id() && case.has_keys_of_its_app() => {
            Diagnosis::of(Cause::KeyOfOtherApp, false)
        }
        None => match lost(case) {
            Some(finding) => Diagnosis { findings: vec![finding], ..Diagnosis::of(Cause::TextLost, false) },
            None => Diagnosis::of(Cause::ContentChanged, true),
        },
    };
    diagnosis.opened = Some((place, opened));
    diagnosis.trials = purse.trials();
    diagnosis.is_cut_short = purse.is_empty();
    diagnosis
}

/// The signature holds over what was received; why is it refused all the same?
fn as_received(case: &Case<'_>, shape: Shape, hash: Hash, signed_for: Option<&[u8]>) -> Cause {
    if !case.app_id().is_some_and(is_app_id) {
        // Where it names no app, it can be of none that is configured, and no key can be the wrong one.
        Cause::RefusedOtherwise
    } else if !case.has_keys_of_its_app() {
        Cause::UnknownApp
    } else if signed_for != case.app_id() {
        Cause::KeyOfOtherApp
    } else if hash == Hash::Sha1 && !case.policy.allow_sha1 {
        Cause::Sha1
    } else if !case.allows(shape.form) && case.reason == Some(Reason::BadSignature) {
        Cause::FormNotAllowed
    } else if case.reason == Some(Reason::BadEncoding) {
        // There was nothing to decode, for somebody did it before.
        Cause::DecodedTwice
    } else if matches!(case.reason, Some(Reason::HashNotAllowed | Reason::BadSignature)) {
        // sign_type is no part of the text in form v1.
        Cause::ParameterChanged
    } else {
        Cause::RefusedOtherwise
    }
}

/// Text that was replaced by U+FFFD, which nothing brings back.
fn lost(case: &Case<'_>) -> Option<Finding> {
    let received = &case.readings.first()?.parameters;
    let is_lost = |value: &[u8]| memchr::memmem::find(value, "\u{fffd}".as_bytes()).is_some();
    let names: Vec<String> =
        received.iter().filter(|(_, value)| is_lost(value)).map(|(name, _)| shown(name)).collect();
    (!names.is_empty()).then_some(Finding { cause: Cause::TextLost, parameters: names })
}
