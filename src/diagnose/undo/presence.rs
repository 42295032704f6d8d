//! Parameters that are too many, too few, or have another of their few values.

use std::ops::ControlFlow;

use super::{Hints, Visit, charset, places};
use crate::diagnose::cause::Cause;
use crate::diagnose::parameters::Parameters;

/// Parameters with few values, so that one that is missing or was changed can be guessed.
const VALUES: [(&str, &[&str]); 6] = [
    ("sign_type", &["RSA2", "rsa2", "RSA", "rsa"]),
    ("charset", &charset::NAMES),
    ("version", &["1.1", "1.0"]),
    ("encrypt_type", &["AES"]),
    ("service", &["alipay.service.check"]),
    ("point_amount", &["0.00"]),
];

/// Those of them that are in almost every notification.
const ALWAYS: [&str; 3] = ["sign_type", "charset", "version"];

/// Parameters that often have the value of another one.
const COPIES: [(&str, &str); 6] = [
    ("auth_app_id", "app_id"),
    ("app_id", "auth_app_id"),
    ("buyer_pay_amount", "total_amount"),
    ("invoice_amount", "total_amount"),
    ("receipt_amount", "total_amount"),
    ("total_amount", "receipt_amount"),
];

/// The most kinds that are tried as the one whose name was dropped.
const MAX_KINDS: usize = 200;
/// The most names that are tried as dropped empty ones.
const MAX_NAMES: usize = 200;

pub(super) fn each(parameters: &Parameters, hints: Hints<'_>, visit: Visit<'_>) -> ControlFlow<()> {
    extra(parameters, hints, visit)?;
    guessed(parameters, hints, visit)?;
    let names = known(parameters, hints).take(MAX_NAMES);
    for name in names.filter(|name| *name != "sign" && parameters.get(name).is_none()) {
        visit(Cause::EmptyDropped, parameters.and(name, b""))?;
    }
    ControlFlow::Continue(())
}

/// Leaves out each parameter, and all that mean nothing.
fn extra(parameters: &Parameters, hints: Hints<'_>, visit: Visit<'_>) -> ControlFlow<()> {
    for place in places(parameters) {
        visit(Cause::ExtraParameter, parameters.without(place))?;
    }
    let is_known = |name: &[u8]| known(parameters, hints).any(|known| known.as_bytes() == name);
    let known = parameters.only(is_known);
    if known.len().saturating_add(1) < parameters.len() {
        visit(Cause::ExtraParameter, known)?;
    }
    ControlFlow::Continue(())
}

/// Adds or replaces what has few values.
fn guessed(parameters: &Parameters, hints: Hints<'_>, visit: Visit<'_>) -> ControlFlow<()> {
    let mut guess =
        |name: &str, value: &str| match parameters.iter().position(|(found, _)| found == name.as_bytes()) {
            Some(place) if parameters.get(name) != Some(value.as_bytes()) => {
                visit(Cause::ParameterChanged, parameters.with(place, value.to_owned()))
            }
            Some(_) => ControlFlow::Continue(()),
            None => visit(Cause::MissingParameter, parameters.and(name, value.as_bytes())),
        };
    for (name, values) in VALUES {
        values.iter().try_for_each(|value| guess(name, value))?;
    }
    hints.app_ids.iter().take(8).try_for_each(|app_id| guess("app_id", app_id))?;
    for (name, other) in COPIES {
        if let Some(value) = parameters.get(other) {
            guess(name, &String::from_utf8_lossy(value))?;
        }
    }
    if is_named(parameters) {
        return ControlFlow::Continue(());
    }
    kinds(hints).try_for_each(|(name, value)| guess(name, value))
}

/// Adds several of those with few values that are not there, in all ways: what a fixed list of fields drops at once.
pub(super) fn every(parameters: &Parameters, hints: Hints<'_>, visit: Visit<'_>) -> ControlFlow<()> {
    let kinds: Vec<(&str, &str)> = if is_named(parameters) { Vec::new() } else { kinds(hints).collect() };
    let dropped = VALUES.iter().filter(|(name, _)| ALWAYS.contains(name) && parameters.get(name).is_none());
    let mut ways = vec![parameters.clone()];
    for (name, values) in dropped {
        let more: Vec<Parameters> = ways
            .iter()
            .flat_map(|known| values.iter().map(|value| known.and(name, value.as_bytes())))
            .collect();
        ways.extend(more);
    }
    for way in ways {
        visit(Cause::MissingParameter, way.clone())?;
        kinds
            .iter()
            .try_for_each(|(name, value)| visit(Cause::MissingParameter, way.and(name, value.as_bytes())))?;
    }
    ControlFlow::Continue(())
}

/// Whether something names the kind.
fn is_named(parameters: &Parameters) -> bool {
    ["msg_method", "notify_type", "service"].iter().any(|name| parameters.get(name).is_some())
}

/// What names each kind that is known, and its name.
fn kinds(hints: Hints<'_>) -> impl Iterator<Item = (&'static str, &str)> {
    hints.catalogue.kinds().take(MAX_KINDS).map(|(naming, name)| (naming.parameter(), name))
}

/// The parameters that mean something in such a notification.
fn known<'h>(parameters: &'h Parameters, hints: Hints<'h>) -> impl Iterator<Item = &'h str> {
    hints.known.names(parameters.get("msg_method").is_some(), parameters.get("notify_type"))
}
