//! What the search found, in the words of a diagnosis: what, in which parameters, and where the first difference is.

use super::cause::Cause;
use super::parameters::Parameters;
use super::reading::Reading;
use super::search::Undone;
use super::{Case, Diagnosis, Difference, Finding};

/// What was found, in the words of a diagnosis; without a finding where nothing had to be undone.
pub(super) fn told(case: &Case<'_>, reading: &Reading, undone: &Undone, spellings: &[Cause]) -> Diagnosis {
    let received = &case.readings.first().unwrap_or(reading).parameters;
    let signed = undone.signed(reading);
    let mut account = Account { net: differing(received, signed), findings: Vec::new() };
    if let Some(cause) = reading.cause {
        account.add(cause, differing(received, &reading.parameters));
    }
    let mut before = &reading.parameters;
    for (cause, after) in &undone.steps {
        account.add(*cause, differing(before, after));
        before = after;
    }
    let mut findings = account.findings;
    // Another reading reads `sign` in another way, too, but for a list that was one.
    if matches!(reading.cause, None | Some(Cause::ListValues)) {
        for cause in spellings.iter().filter(|cause| Some(**cause) != reading.cause) {
            put(&mut findings, *cause, "sign".to_owned());
        }
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

/// What is told of each parameter: no two things of which one takes back the other, and nothing that came to nothing.
struct Account {
    /// The parameters that differ between what was received and what was signed.
    net: Vec<String>,
    findings: Vec<Finding>,
}

impl Account {
    /// Adds what was undone in `names`.
    fn add(&mut self, cause: Cause, names: Vec<String>) {
        if cause == Cause::UnparsedBody || names.is_empty() {
            self.findings.push(Finding { cause, parameters: Vec::new() });
            return;
        }
        for name in names {
            let mut cause = cause;
            for finding in &mut self.findings {
                if let Some(one) = finding.cause.as_one_with(cause)
                    && let Some(place) = finding.parameters.iter().position(|known| *known == name)
                {
                    finding.parameters.remove(place);
                    cause = one;
                }
            }
            // What one step did and the next took back did not happen.
            if self.net.contains(&name) {
                put(&mut self.findings, cause, name);
            }
        }
        self.findings
            .retain(|finding| !finding.parameters.is_empty() || finding.cause == Cause::UnparsedBody);
    }
}

/// Adds a parameter to what is told of `cause`.
fn put(findings: &mut Vec<Finding>, cause: Cause, name: String) {
    match findings.iter_mut().find(|finding| finding.cause == cause) {
        Some(finding) => finding.parameters.push(name),
        None => findings.push(Finding { cause, parameters: vec![name] }),
    }
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
pub(super) fn shown(name: &[u8]) -> String {
    let short = name.get(..64).unwrap_or(name);
    let text = String::from_utf8_lossy(short).escape_debug().to_string();
    if short.len() < name.len() { format!("{text}…") } else { text }
}
