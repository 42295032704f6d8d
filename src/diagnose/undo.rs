//! What may have happened to a notification on its way, undone in every way that is known.
//!
//! A candidate costs a hash, and only the right one gives the hash that was signed; so trying many accuses nobody
//! falsely. What damage of a kind did is undone in all parameters at once, and then in each alone.

mod charset;
mod json;
mod presence;
mod text;

use std::ops::ControlFlow;

pub(super) use self::text::{item, plus_for_spaces, unescape_html, without};

use super::cause::Cause;
use super::parameters::Parameters;
use crate::verify::kind;

/// What gets each candidate, and says when there are enough.
pub(super) type Visit<'v> = &'v mut dyn FnMut(Cause, Parameters) -> ControlFlow<()>;

/// What is known beside the parameters themselves.
#[derive(Clone, Copy)]
pub(super) struct Hints<'h> {
    /// The parameters that mean something.
    pub(super) known: &'h kind::KnownParameters,
    /// The apps that are configured, those in question first.
    pub(super) app_ids: &'h [&'h str],
}

/// How much is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// What takes a few hundred candidates, of which pairs can be tried.
    Shallow,
    /// Each space and each string in a value alone, and all orders of names in JSON, too.
    Deep,
}

/// Undoes everything that may have been done to `parameters`, each alone.
pub(super) fn each(
    parameters: &Parameters,
    hints: Hints<'_>,
    depth: Depth,
    visit: Visit<'_>,
) -> ControlFlow<()> {
    text::each(parameters, depth, visit)?;
    charset::each(parameters, visit)?;
    presence::each(parameters, hints, visit)?;
    json::each(parameters, depth, visit)
}

/// Undoes what `undo` undoes in all values at once, and then in each alone.
fn values(
    parameters: &Parameters,
    cause: Cause,
    visit: Visit<'_>,
    undo: &dyn Fn(&[u8]) -> Option<Vec<u8>>,
) -> ControlFlow<()> {
    let Some(all) = parameters.changed(undo) else { return ControlFlow::Continue(()) };
    let differing: Vec<usize> = parameters
        .iter()
        .zip(all.iter())
        .enumerate()
        .filter(|(_, (one, other))| one != other)
        .map(|(place, _)| place)
        .collect();
    visit(cause, all)?;
    if differing.len() > 1 {
        for place in differing {
            one(parameters, place, cause, visit, undo)?;
        }
    }
    ControlFlow::Continue(())
}

/// Undoes what `undo` undoes in the value at `place`.
fn one(
    parameters: &Parameters,
    place: usize,
    cause: Cause,
    visit: Visit<'_>,
    undo: &dyn Fn(&[u8]) -> Option<Vec<u8>>,
) -> ControlFlow<()> {
    match parameters.iter().nth(place).and_then(|(_, value)| Some((value, undo(value)?))) {
        Some((old, new)) if old != new => visit(cause, parameters.with(place, new)),
        Some(_) | None => ControlFlow::Continue(()),
    }
}

/// The places of all parameters but `sign`, which is no content.
fn places(parameters: &Parameters) -> Vec<usize> {
    let all = parameters.iter().enumerate();
    all.filter(|(_, (name, _))| *name != b"sign").map(|(place, _)| place).collect()
}
