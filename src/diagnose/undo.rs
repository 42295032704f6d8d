//! What may have happened to a notification on its way, undone in every way that is known.
//!
//! A candidate costs a hash, and only the right one gives the hash that was signed; so trying many accuses nobody
//! falsely. What damage of a kind did is undone in all parameters at once, and then in each alone.

mod charset;
mod decoded;
mod json;
mod presence;
mod space;
mod text;

use std::ops::ControlFlow;

pub(super) use self::space::bare;
pub(super) use self::text::{item, plus_for_spaces, unescape_html, unescape_json};

use self::decoded::Extent;
use super::cause::Cause;
use super::parameters::Parameters;
use crate::translate::catalogue::Catalogue;
use crate::verify::kind;

/// What gets each candidate, and says when there are enough.
pub(super) type Visit<'v> = &'v mut dyn FnMut(Cause, Parameters) -> ControlFlow<()>;

/// What is known beside the parameters themselves.
#[derive(Clone, Copy)]
pub(super) struct Hints<'h> {
    /// The parameters that mean something.
    pub(super) known: &'h kind::KnownParameters,
    /// The kinds of notification, by their names.
    pub(super) catalogue: &'h Catalogue,
    /// The apps that are configured, those in question first.
    pub(super) app_ids: &'h [&'h str],
}

/// Undoes everything of which there are a few hundred candidates, each alone, so that pairs of them can be tried.
pub(super) fn each(parameters: &Parameters, hints: Hints<'_>, visit: Visit<'_>) -> ControlFlow<()> {
    text::each(parameters, visit)?;
    space::each(parameters, visit)?;
    decoded::each(parameters, visit)?;
    charset::each(parameters, visit)?;
    presence::each(parameters, hints, visit)?;
    json::each(parameters, visit)
}

/// Undoes that of which there are thousands: what several parameters lack, each space and each string in a value alone,
/// what was decoded in several values, and all orders of names in JSON.
pub(super) fn every(parameters: &Parameters, hints: Hints<'_>, visit: Visit<'_>) -> ControlFlow<()> {
    presence::every(parameters, hints, visit)?;
    space::every(parameters, visit)?;
    decoded::every(parameters, Extent::ALONE, visit)?;
    json::every(parameters, MAX_WAYS, visit)
}

/// In so many ways are orders and styles of JSON combined.
const MAX_WAYS: usize = 20_000;
/// In so many beside something else.
const MAX_WAYS_BESIDE: usize = 150;

/// Encodes again what was decoded in one value or in several, as far as something else may have happened, too.
pub(super) fn decodings(parameters: &Parameters, visit: Visit<'_>) -> ControlFlow<()> {
    decoded::every(parameters, Extent::BESIDE, visit)
}

/// Puts the names of JSON in every order, in the likeliest styles.
pub(super) fn orders(parameters: &Parameters, visit: Visit<'_>) -> ControlFlow<()> {
    json::every(parameters, MAX_WAYS_BESIDE, visit)
}

/// Undoes what `undo` undoes in all values at once, then in each alone, and then in all but one, which came so.
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
    visit(cause, all.clone())?;
    if differing.len() > 1 {
        differing.iter().try_for_each(|place| one(parameters, *place, cause, visit, undo))?;
    }
    if differing.len() > 2 {
        for place in differing {
            let Some((_, value)) = parameters.iter().nth(place) else { continue };
            visit(cause, all.with(place, value.to_vec()))?;
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
