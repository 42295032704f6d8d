//! Why a signature does not hold: proven with the key where that is possible, and told with what to do.
//!
//! A diagnosis decides nothing. It is for people: `explain` prints it, and the proxy logs its label. So it reads
//! leniently what `receive` refuses, and none of what it reads goes anywhere else.

mod cause;
pub(crate) mod json;
mod opened;
mod parameters;
mod search;
#[cfg(test)]
mod tests;
mod undo;
pub mod watch;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::BASE64_STANDARD;

pub use self::cause::Cause;
pub use self::opened::{Opened, SignedHash};
pub use self::parameters::{Empties, Parameters, Shape};
pub use self::search::Budget;

use self::opened::open;
use self::parameters::{Plus, decode};
use self::search::{Oracle, Purse, Undone};
use self::undo::Hints;
use crate::receive::form::{Form, is_name};
use crate::rejection::Reason;
use crate::verify::envelope::is_app_id;
use crate::verify::key::{Fingerprint, Hash, KeyForm, PublicKey};
use crate::verify::kind::Kind;
use crate::verify::{Policy, SignedForm, kind};

/// One way to read what was captured.
#[derive(Debug, Clone)]
pub struct Reading {
    /// What must have happened if this reading is the right one; nothing for the first.
    pub cause: Option<Cause>,
    /// What it reads.
    pub parameters: Parameters,
}

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
    /// The public keys of the user's own apps, where they are known.
    pub own_keys: Vec<Fingerprint>,
    /// Why `run` refuses it.
    pub reason: Option<Reason>,
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

impl Diagnosis {
    fn of(cause: Cause, is_proven: bool) -> Self {
        Self {
            findings: vec![Finding { cause, parameters: Vec::new() }],
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
    let mut signatures = Vec::new();
    for reading in &case.readings {
        signatures.extend(spellings(reading));
    }
    let opened = signatures.iter().find_map(|signature| {
        let opens = |candidate: &Candidate<'_>| open(candidate.key, &signature.bytes);
        let mut keys = case.keys.iter().enumerate();
        keys.find_map(|(place, candidate)| Some((signature.cause, place, opens(candidate)?)))
    });
    match opened {
        Some((spelling, place, opened)) => of_content(case, spelling, place, opened, budget),
        None => of_key(case, &signatures),
    }
}

/// A way to read `sign`.
struct Signature {
    bytes: Vec<u8>,
    cause: Option<Cause>,
}

/// Whatever `sign` may have been before something happened to it.
fn spellings(reading: &Reading) -> Vec<Signature> {
    let Some(sign) = reading.parameters.get("sign").filter(|sign| sign.len() <= MAX_SIGN) else {
        return Vec::new();
    };
    let mut texts = vec![(None, sign.to_vec())];
    let mut add = |cause, text: Option<Vec<u8>>| texts.extend(text.map(|text| (Some(cause), text)));
    add(Cause::ListValues, undo::item(sign));
    add(Cause::PlusAsSpace, undo::plus_for_spaces(sign));
    add(Cause::NotDecoded, Some(decode(sign, Plus::IsPlus)));
    add(Cause::HtmlEscaped, undo::unescape_html(sign));
    add(Cause::WhiteSpace, Some(undo::without(sign, b" \t\r\n\"'")));
    let strict = texts.iter().filter_map(|(cause, text)| Some((*cause, BASE64_STANDARD.decode(text).ok()?)));
    // What one change explains is not called damaged, so no text is read leniently before all were read strictly.
    let lenient = texts.iter().filter_map(|(cause, text)| {
        let text = text.trim_ascii();
        let bytes = LENIENT.decode(text).or_else(|_error| LENIENT_URL_SAFE.decode(text)).ok()?;
        Some((cause.or(Some(Cause::SignDamaged)), bytes))
    });
    let mut found: Vec<Signature> = Vec::new();
    for (cause, bytes) in strict.chain(lenient) {
        if !found.iter().any(|known| known.bytes == bytes) {
            found.push(Signature { bytes, cause });
        }
    }
    found
}

/// The longest `sign` that is looked at: thrice that of a key of 8,192 bits.
const MAX_SIGN: usize = 4096;

const FORGIVING: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
/// Standard base64 whose padding was lost.
const LENIENT: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, FORGIVING);
/// The other alphabet.
const LENIENT_URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, FORGIVING);

/// No key opens it: what kind of key is that?
fn of_key(case: &Case<'_>, signatures: &[Signature]) -> Diagnosis {
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
fn pasted(candidate: &Candidate<'_>) -> Option<Cause> {
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

/// A key opens it: what became of the content?
fn of_content(
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

/// Tries all readings as they are, then with one thing undone, then with two.
fn search<'c>(
    case: &'c Case<'_>,
    spelling: Option<Cause>,
    oracle: Oracle<'_>,
    hints: Hints<'_>,
    purse: &mut Purse,
) -> Option<(&'c Reading, Undone)> {
    let readings = &case.readings;
    let as_it_is = |reading: &'c Reading, purse: &mut Purse| {
        let shape = oracle.fits(&reading.parameters, purse)?;
        Some((reading, Undone { steps: Vec::new(), shape }))
    };
    // Where `sign` has spaces and the body need not be decoded at all, one cause explains both.
    let of_decoded = readings
        .iter()
        .filter(|reading| spelling == Some(Cause::PlusAsSpace) && reading.cause == Some(Cause::DecodedTwice))
        .find_map(|reading| as_it_is(reading, purse));
    of_decoded
        .or_else(|| readings.iter().find_map(|reading| as_it_is(reading, purse)))
        .or_else(|| {
            readings
                .iter()
                .find_map(|reading| Some((reading, oracle.one(&reading.parameters, hints, purse)?)))
        })
        .or_else(|| {
            readings
                .iter()
                .find_map(|reading| Some((reading, oracle.two(&reading.parameters, hints, purse)?)))
        })
}

/// What was found, in the words of a diagnosis; without a finding where nothing had to be undone.
fn told(case: &Case<'_>, reading: &Reading, undone: &Undone, spelling: Option<Cause>) -> Diagnosis {
    let received = &case.readings.first().unwrap_or(reading).parameters;
    let signed = undone.steps.last().map_or(&reading.parameters, |(_, parameters)| parameters);
    let mut findings: Vec<Finding> = Vec::new();
    let mut add = |cause, names: Vec<String>| match findings.iter_mut().find(|finding| finding.cause == cause)
    {
        Some(finding) => finding.parameters.extend(names),
        None => findings.push(Finding { cause, parameters: names }),
    };
    if let Some(cause) = reading.cause {
        add(cause, differing(received, &reading.parameters));
    }
    let mut before = &reading.parameters;
    for (cause, after) in &undone.steps {
        add(*cause, differing(before, after));
        before = after;
    }
    if let Some(cause) = spelling
        && reading.cause.is_none()
    {
        add(cause, vec!["sign".to_owned()]);
    }
    Diagnosis {
        findings,
        is_proven: true,
        opened: None,
        difference: difference(received, signed),
        signed: Some((signed.clone(), undone.shape)),
        trials: 0,
        is_cut_short: false,
    }
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

/// The names of the parameters in which the two differ.
fn differing(one: &Parameters, other: &Parameters) -> Vec<String> {
    let beyond = |one: &Parameters, other: &Parameters| -> Vec<String> {
        let mut others: Vec<_> = other.iter().collect();
        one.iter()
            .filter(|pair| match others.iter().position(|other| other == pair) {
                Some(place) => {
                    others.swap_remove(place);
                    false
                }
                None => true,
            })
            .map(|(name, _)| shown(name))
            .collect()
    };
    let mut names = beyond(one, other);
    for name in beyond(other, one) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The first difference, in the order of the signed text; `sign` is no content.
fn difference(received: &Parameters, signed: &Parameters) -> Option<Difference> {
    let mut names = differing(received, signed);
    names.sort();
    let name = names.into_iter().find(|name| name != "sign")?;
    let of = |parameters: &Parameters| {
        let mut values = parameters.iter().filter(|(found, _)| shown(found) == name);
        values.next().map(|(_, value)| value.to_vec())
    };
    let (received, signed) = (of(received), of(signed));
    let at = match (&received, &signed) {
        (Some(received), Some(signed)) => {
            received.iter().zip(signed).take_while(|(one, other)| one == other).count()
        }
        (None, _) | (_, None) => 0,
    };
    Some(Difference { name, at, received, signed })
}

/// The name of a parameter, which may be anything, for people.
fn shown(name: &[u8]) -> String {
    let short = name.get(..64).unwrap_or(name);
    let text = String::from_utf8_lossy(short).escape_debug().to_string();
    if short.len() < name.len() { format!("{text}…") } else { text }
}

impl Case<'_> {
    /// The app that the notification claims to be for, by the first reading that has one.
    pub fn app_id(&self) -> Option<&[u8]> {
        self.readings.iter().find_map(|reading| reading.parameters.app_id())
    }

    /// Whether `verify` looks at this form of the signed text, for a notification of the kind that was received.
    fn allows(&self, form: SignedForm) -> bool {
        let body = self.readings.first().map(|reading| reading.parameters.encoded());
        let received = body.and_then(|body| Form::parse(body.as_bytes(), usize::MAX).ok());
        let of_kind = received.and_then(|received| Some(Kind::of(&received)?.forms(&received)));
        self.policy.forms.contains(&form) && of_kind.is_none_or(|forms| forms.contains(&form))
    }

    /// Whether it claims to be for an app, by an id that can be one, for which there are keys.
    fn has_keys_of_its_app(&self) -> bool {
        self.app_id()
            .filter(|app_id| is_app_id(app_id))
            .is_some_and(|app_id| self.keys.iter().any(|candidate| candidate.app_id.as_bytes() == app_id))
    }
}

/// The ways to read a body, that of `run` first.
pub fn readings(body: &[u8]) -> Vec<Reading> {
    let mut readings = vec![Reading { cause: None, parameters: Parameters::decoded(body) }];
    let mut add = |cause, parameters: Parameters| {
        if readings.iter().all(|known| known.parameters != parameters) {
            readings.push(Reading { cause: Some(cause), parameters });
        }
    };
    add(Cause::DecodedTwice, Parameters::literal(body, is_name));
    add(Cause::DecodedTwice, Parameters::literal(body, kind::is_of_an_envelope));
    add(Cause::PlusAsSpace, Parameters::decoded_but_plus(body));
    readings
}

/// The ways to read parameters that somebody has parsed: perhaps a body became one name.
pub fn readings_of_map(parameters: Parameters) -> Vec<Reading> {
    let mut found = Vec::new();
    if parameters.get("sign").is_none() {
        let whole: Vec<Vec<u8>> = parameters
            .iter()
            .map(|(name, value)| if value.is_empty() { name.to_vec() } else { [name, b"=", value].concat() })
            .collect();
        let of_whole = readings(&whole.join(&b'&')).into_iter();
        found.extend(of_whole.map(|reading| Reading { cause: Some(Cause::UnparsedBody), ..reading }));
    }
    found.insert(0, Reading { cause: None, parameters });
    found
}
