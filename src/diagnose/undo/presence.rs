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
    ("notify_type", &["trade_status_sync"]),
];

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
    hints.app_ids.iter().take(8).try_for_each(|app_id| guess("app_id", app_id))
}

/// The parameters that mean something in such a notification.
fn known<'h>(parameters: &'h Parameters, hints: Hints<'h>) -> impl Iterator<Item = &'h str> {
    hints.known.names(parameters.get("msg_method").is_some(), parameters.get("notify_type"))
}
