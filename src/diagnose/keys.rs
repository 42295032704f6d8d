//! No key opens the signature: what kind of key is that?

use super::cause::Cause;
use super::sign::Signature;
use super::{Candidate, Case, Diagnosis};
use crate::verify::key::KeyForm;

/// How long the signatures of the keys are that are in use: 1,024, 2,048, 3,072 and 4,096 bits.
const PLAUSIBLE_LENGTHS: [usize; 4] = [128, 256, 384, 512];

/// No key opens it: what kind of key is that?
pub(super) fn of_key(case: &Case<'_>, signatures: &[Signature]) -> Diagnosis {
    let has_sign = case
        .readings
        .iter()
        .any(|reading| reading.parameters.get("sign").is_some_and(|sign| !sign.is_empty()));
    if !has_sign {
        return Diagnosis::of(Cause::Unsigned, true);
    }
    let lengths: Vec<usize> = signatures.iter().map(|signature| signature.bytes.len()).collect();
    let is_of_a_key = |length: &usize| case.keys.iter().any(|known| known.key.modulus_len() == *length);
    // What was cut has its length by chance, and mostly no end of base64.
    let is_whole_of_another = signatures
        .iter()
        .any(|signature| signature.is_canonical && PLAUSIBLE_LENGTHS.contains(&signature.bytes.len()));
    if !is_whole_of_another && !lengths.iter().any(is_of_a_key) {
        return Diagnosis::of(Cause::SignDamaged, true);
    }
    let app_id = case.app_id();
    let own: Vec<&Candidate<'_>> =
        case.keys.iter().filter(|candidate| Some(candidate.app_id.as_bytes()) == app_id).collect();
    if own.is_empty() {
        return Diagnosis::of(Cause::UnknownApp, true);
    }
    if own.iter().any(|candidate| case.own_keys.contains(&candidate.key.fingerprint())) {
        return Diagnosis::of(Cause::AppKey, true);
    }
    if !own.iter().any(|candidate| lengths.contains(&candidate.key.modulus_len())) {
        if !is_whole_of_another {
            return Diagnosis::of(Cause::SignDamaged, true);
        }
        // What needs no padding may as well be the beginning of something longer.
        let may_be_cut = |length: &usize| {
            length.is_multiple_of(3) && own.iter().any(|candidate| candidate.key.modulus_len() > *length)
        };
        return if lengths.iter().all(may_be_cut) {
            Diagnosis::of(Cause::SignDamaged, false)
        } else {
            Diagnosis::of(Cause::KeyLength, true)
        };
    }
    if case.readings.iter().any(|reading| reading.parameters.get("sign").is_some_and(is_of_one_case)) {
        return Diagnosis::of(Cause::SignDamaged, true);
    }
    // From here on it is proven that the key is another one, but not which.
    own.iter()
        .find_map(|candidate| pasted(candidate).or_else(|| made_by_own_tools(candidate, case)))
        .map_or_else(|| Diagnosis::of(Cause::NoKeyOpens, true), |cause| Diagnosis::of(cause, false))
}

/// Whether a sign has lost its capitals or its small letters: among so many letters there are some of both.
fn is_of_one_case(sign: &[u8]) -> bool {
    let of = |is_of_case: fn(&u8) -> bool| sign.iter().filter(|byte| is_of_case(byte)).count();
    let (upper, lower) = (of(u8::is_ascii_uppercase), of(u8::is_ascii_lowercase));
    upper.min(lower) == 0 && upper.max(lower) >= 64
}

/// Which key was probably pasted, by what is known of where it came from.
pub(super) fn pasted(candidate: &Candidate<'_>) -> Option<Cause> {
    if let Some(certificate) = candidate.key.certificate() {
        let subject = certificate.subject.to_lowercase();
        if subject.contains("certification authority") {
            return Some(Cause::AuthorityKey);
        }
        // The certificate of an app names the app.
        if subject.contains(candidate.app_id) {
            return Some(Cause::AppKey);
        }
        if certificate.is_of_a_sandbox() {
            return Some(Cause::SandboxKey);
        }
    }
    let file = candidate.file.unwrap_or_default().rsplit('/').next().unwrap_or_default().to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| file.contains(word));
    if says(&["sandbox", "沙箱"]) {
        return Some(Cause::SandboxKey);
    }
    let is_of_app = says(&["appcert", "app_public", "app-public", "apppublic", "应用公钥"]);
    if is_of_app {
        return Some(Cause::AppKey);
    }
    None
}

/// The console shows Alipay's key as a `SubjectPublicKeyInfo`; in PKCS#1 come the keys that one's own tools made. Of a key
/// that is configured, and so may have worked for long, its form says nothing.
fn made_by_own_tools(candidate: &Candidate<'_>, case: &Case<'_>) -> Option<Cause> {
    (!case.is_configured && matches!(candidate.key.form(), KeyForm::Pkcs1(_))).then_some(Cause::AppKey)
}
