//! No key opens the signature: what kind of key is that?

use super::cause::Cause;
use super::sign::Signature;
use super::{Candidate, Case, Diagnosis};
use crate::verify::key::KeyForm;

/// No key opens it: what kind of key is that?
pub(super) fn of_key(case: &Case<'_>, signatures: &[Signature]) -> Diagnosis {
    let has_sign = case
        .readings
        .iter()
        .any(|reading| reading.parameters.get("sign").is_some_and(|sign| !sign.is_empty()));
    if !has_sign {
        return Diagnosis::of(Cause::Unsigned, true);
    }
    // RSA keys have whole multiples of 1,024 bits, but for strange ones.
    let lengths: Vec<usize> = signatures.iter().map(|signature| signature.bytes.len()).collect();
    if !lengths.iter().any(|length| (128..=1024).contains(length) && length % 64 == 0) {
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
        return Diagnosis::of(Cause::KeyLength, true);
    }
    // From here on it is proven that the key is another one, but not which.
    own.iter()
        .find_map(|candidate| pasted(candidate))
        .map_or_else(|| Diagnosis::of(Cause::NoKeyOpens, true), |cause| Diagnosis::of(cause, false))
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
    // The console shows Alipay's key as a SubjectPublicKeyInfo; in PKCS#1 come the keys that one's own tools made.
    if is_of_app || matches!(candidate.key.form(), KeyForm::Pkcs1(_)) {
        return Some(Cause::AppKey);
    }
    None
}
