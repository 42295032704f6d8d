//! A key opens the signature: what became of the content?

use super::cause::Cause;
use super::opened::{Opened, SignedHash};
use super::parameters::Parameters;
use super::search::{Budget, Oracle, Purse, search};
use super::undo::Hints;
use super::verdict::{shown, told};
use super::{Case, Diagnosis, Finding, Shape};
use crate::receive::form::Form;
use crate::rejection::Reason;
use crate::verify::envelope::is_app_id;
use crate::verify::key::Hash;
use crate::verify::kind::{Kind, is_of_an_envelope};

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
    let hints = Hints { known: &case.policy.parameters, catalogue: case.catalogue, app_ids: &app_ids };
    let oracle = Oracle { hash, digest: &opened.digest };
    let mut purse = Purse::new(budget);
    let undone = search(case, spellings, oracle, hints, &mut purse);
    let mut diagnosis = match undone {
        Some((reading, undone)) => {
            let mut diagnosis = told(case, reading, &undone, spellings);
            let (signed, shape) = (undone.signed(reading), undone.shape);
            let more = if diagnosis.findings.is_empty() {
                vec![as_received(case, shape, hash, signed_for)]
            } else {
                let of_app = of_another_app(case, signed.app_id(), signed_for);
                of_app.map(Finding::of).into_iter().chain(of_hash(case, signed, hash)).collect()
            };
            diagnosis.findings.extend(more);
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
        findings.push(Finding::of(Cause::ContentChanged));
    }
    // Either the key of this app is that of another one, or the notification is of that one and changed with its
    // app_id. What was signed would tell.
    let is_of_another = signed_for.is_some() && signed_for != case.app_id() && case.has_keys_of_its_app();
    if is_of_another {
        findings.insert(0, Finding::of(Cause::KeyOfOtherApp));
    }
    // A capture that shows other bytes than it has proves no change.
    let is_exact = case.placeholder.is_none();
    Diagnosis { findings, ..Diagnosis::of(Cause::ContentChanged, is_proven && is_exact && !is_of_another) }
}

/// Parameters that every notification of this kind has, and this one has not.
fn missing(case: &Case<'_>) -> Option<Finding> {
    let form = case.form()?;
    let kind = Kind::of(&form).or_else(|| nameless(case, &form))?;
    let names = kind.required(&form).filter(|name| form.get(name).is_none());
    let parameters: Vec<String> = names.map(ToOwned::to_owned).collect();
    (!parameters.is_empty()).then_some(Finding { cause: Cause::MissingParameter, parameters })
}

/// The kind of what has lost its name, by what no other kind has.
fn nameless(case: &Case<'_>, form: &Form) -> Option<Kind> {
    let is_field = |name: &str| !is_of_an_envelope(name.as_bytes()) && form.get(name).is_some();
    if form.get("service").is_some() {
        None
    } else if form.get("utc_timestamp").is_some() {
        Some(Kind::Message)
    } else if case.policy.parameters.names(false, None).any(is_field) {
        Some(Kind::Flat)
    } else {
        form.get("biz_content").map(|_| Kind::Message)
    }
}

/// The signature holds over what was received; why is it refused all the same?
fn as_received(case: &Case<'_>, shape: Shape, hash: Hash, signed_for: Option<&[u8]>) -> Finding {
    let received = case.readings.first().map(|reading| &reading.parameters);
    // Where it names no app, it can be of none that is configured, and no key can be the wrong one.
    if !case.app_id().is_some_and(is_app_id) {
        return Finding::of(Cause::RefusedOtherwise);
    }
    if !case.has_keys_of_its_app() {
        return Finding::of(Cause::UnknownApp);
    }
    if signed_for.is_some() && signed_for != case.app_id() {
        return Finding::of(Cause::KeyOfOtherApp);
    }
    if hash == Hash::Sha1 && !case.policy.allow_sha1 {
        return Finding::of(Cause::Sha1);
    }
    match case.reason {
        Some(Reason::BadSignature) if !case.allows(shape.form) => Finding::of(Cause::FormNotAllowed),
        // There was nothing to decode, for somebody did it before.
        Some(Reason::BadEncoding) => Finding::of(Cause::DecodedTwice),
        Some(Reason::HashNotAllowed | Reason::BadSignature) => {
            let of_hash = received.and_then(|received| of_hash(case, received, hash));
            of_hash.unwrap_or(Finding::of(Cause::RefusedOtherwise))
        }
        Some(_) | None => Finding::of(Cause::RefusedOtherwise),
    }
}

/// What is wrong with the hash by which `signed` was signed: it is not allowed, or `sign_type`, which is no part of the
/// text in form v1, names another one.
fn of_hash(case: &Case<'_>, signed: &Parameters, hash: Hash) -> Option<Finding> {
    let named = signed.get("sign_type")?;
    let name: &[u8] = match hash {
        Hash::Sha256 => b"RSA2",
        Hash::Sha1 => b"RSA",
    };
    if hash == Hash::Sha1 && !case.policy.allow_sha1 {
        Some(Finding::of(Cause::Sha1))
    } else if named.eq_ignore_ascii_case(name) {
        None
    } else {
        Some(Finding { cause: Cause::ParameterChanged, parameters: vec!["sign_type".to_owned()] })
    }
}

/// Text that was replaced by what stands for no character, which nothing brings back.
fn lost(case: &Case<'_>) -> Option<Finding> {
    let received = &case.readings.first()?.parameters;
    let is_lost = |value: &[u8]| {
        let mut marks = MARKS.iter().map(|mark| mark.as_bytes()).chain(case.placeholder);
        marks.any(|mark| memchr::memmem::find(value, mark).is_some()) || has_question_marks(value)
    };
    let names: Vec<String> =
        received.iter().filter(|(_, value)| is_lost(value)).map(|(name, _)| shown(name)).collect();
    (!names.is_empty()).then_some(Finding { cause: Cause::TextLost, parameters: names })
}

/// What stands for a character that cannot be read, and what becomes of it where that is read in yet another charset:
/// as GBK, and as ISO-8859-1.
const MARKS: [&str; 3] = ["\u{fffd}", "锟斤拷", "ï¿½"];

/// Whether text was probably written in a charset that has none of its characters: a `?` for each, beside nothing that
/// is no ASCII. One alone ends a question, and a few at the end of a word are somebody's emphasis.
fn has_question_marks(value: &[u8]) -> bool {
    let mut pieces = value.split(|byte| *byte == b'"' || byte.is_ascii_whitespace());
    let has_lost = |piece: &[u8]| {
        let end = piece.iter().rposition(|byte| *byte != b'?').map_or(0, |last| last.saturating_add(1));
        let (before, marks) = piece.split_at_checked(end).unwrap_or((piece, &[]));
        let is_emphasis = marks.len() <= MAX_EMPHASIS && before.last().is_some_and(u8::is_ascii_alphabetic);
        memchr::memmem::find(if is_emphasis { before } else { piece }, b"??").is_some()
    };
    value.is_ascii() && (value == b"?" || pieces.any(has_lost))
}

/// How many question marks somebody may write after a word.
const MAX_EMPHASIS: usize = 3;
