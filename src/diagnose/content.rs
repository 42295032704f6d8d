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
use crate::verify::kind::Kind;

/// A key opens it: what became of the content?
pub(super) fn of_content(
    case: &Case<'_>,
    spellings: &[Cause],
    place: usize,
    opened: Opened,
    budget: Budget,
) -> Diagnosis {
    let candidate = case.keys.get(place).filter(|_| case.is_configured);
    let signed_for = candidate.map(|candidate| candidate.app_id.as_bytes());
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
    let undone = search(case, spellings, oracle, hints, &mut purse);
    let mut diagnosis = match undone {
        Some((reading, undone)) => {
            let mut diagnosis = told(case, reading, &undone, spellings);
            let signed = diagnosis.signed.as_ref().and_then(|(signed, _)| signed.app_id());
            let more = if diagnosis.findings.is_empty() {
                Some(as_received(case, undone.shape, hash, signed_for))
            } else {
                of_another_app(case, signed, signed_for)
            };
            diagnosis.findings.extend(more.map(|cause| Finding {
                cause,
                parameters: if cause == Cause::ParameterChanged && names_another_hash(case, hash) {
                    vec!["sign_type".to_owned()]
                } else {
                    Vec::new()
                },
            }));
            diagnosis
        }
        None => of_what_is_not_undone(case, signed_for),
    };
    diagnosis.opened = Some((place, opened));
    diagnosis.trials = purse.trials();
    diagnosis.is_cut_short = purse.is_empty();
    diagnosis
}

/// Whether the key that made the signature is configured for another app than the one that the signed text names.
fn of_another_app(case: &Case<'_>, signed: Option<&[u8]>, signed_for: Option<&[u8]>) -> Option<Cause> {
    let (signed, signed_for) = (signed.filter(|app_id| is_app_id(app_id))?, signed_for?);
    let is_known = case.keys.iter().any(|candidate| candidate.app_id.as_bytes() == signed);
    (signed != signed_for).then_some(if is_known { Cause::KeyOfOtherApp } else { Cause::UnknownApp })
}

/// The content changed, and what was signed is not known: what is likely?
fn of_what_is_not_undone(case: &Case<'_>, signed_for: Option<&[u8]>) -> Diagnosis {
    let mut findings: Vec<Finding> = missing(case).into_iter().chain(lost(case)).collect();
    let is_proven = findings.is_empty();
    if is_proven {
        findings.push(Finding { cause: Cause::ContentChanged, parameters: Vec::new() });
    }
    // Either the key of this app is that of another one, or the notification is of that one and changed with its
    // app_id. What was signed would tell.
    let is_of_another = signed_for.is_some() && signed_for != case.app_id() && case.has_keys_of_its_app();
    if is_of_another {
        findings.insert(0, Finding { cause: Cause::KeyOfOtherApp, parameters: Vec::new() });
    }
    // A capture that shows other bytes than it has proves no change.
    let is_exact = case.placeholder.is_none();
    Diagnosis { findings, ..Diagnosis::of(Cause::ContentChanged, is_proven && is_exact && !is_of_another) }
}

/// Parameters that every notification of this kind has, and this one has not.
fn missing(case: &Case<'_>) -> Option<Finding> {
    let form = case.form()?;
    // Without its name, a message still has what nothing else has.
    let is_message = || form.get("biz_content").is_some() && form.get("utc_timestamp").is_some();
    let kind = Kind::of(&form).or_else(|| is_message().then_some(Kind::Message))?;
    let names = kind.required(&form).filter(|name| form.get(name).is_none());
    let parameters: Vec<String> = names.map(ToOwned::to_owned).collect();
    (!parameters.is_empty()).then_some(Finding { cause: Cause::MissingParameter, parameters })
}

/// The signature holds over what was received; why is it refused all the same?
fn as_received(case: &Case<'_>, shape: Shape, hash: Hash, signed_for: Option<&[u8]>) -> Cause {
    if !case.app_id().is_some_and(is_app_id) {
        // Where it names no app, it can be of none that is configured, and no key can be the wrong one.
        Cause::RefusedOtherwise
    } else if !case.has_keys_of_its_app() {
        Cause::UnknownApp
    } else if signed_for.is_some() && signed_for != case.app_id() {
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

/// Whether `sign_type`, as it was received, names another hash than the one that was signed.
fn names_another_hash(case: &Case<'_>, hash: Hash) -> bool {
    let named = case.readings.first().and_then(|reading| reading.parameters.get("sign_type"));
    match hash {
        Hash::Sha256 => named.is_some_and(|named| named != b"RSA2"),
        Hash::Sha1 => named.is_some_and(|named| named != b"RSA"),
    }
}

/// Text that was replaced by U+FFFD or by what the capture shows in its place, which nothing brings back.
fn lost(case: &Case<'_>) -> Option<Finding> {
    let received = &case.readings.first()?.parameters;
    let holds = |value: &[u8], mark: &[u8]| memchr::memmem::find(value, mark).is_some();
    let is_lost = |value: &[u8]| {
        holds(value, "\u{fffd}".as_bytes()) || case.placeholder.is_some_and(|mark| holds(value, mark))
    };
    let names: Vec<String> =
        received.iter().filter(|(_, value)| is_lost(value)).map(|(name, _)| shown(name)).collect();
    (!names.is_empty()).then_some(Finding { cause: Cause::TextLost, parameters: names })
}
