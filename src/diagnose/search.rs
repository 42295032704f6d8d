//! The search for what happened: candidates against the hash that was signed, within bounds.

use std::ops::ControlFlow;
use std::time::Instant;

use super::Case;
use super::cause::Cause;
use super::parameters::{Parameters, Shape};
use super::reading::Reading;
use super::undo::{self, Hints, Visit};
use crate::verify::key::Hash;

/// How much a diagnosis may take.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// How many bytes may be hashed.
    pub bytes: u64,
    /// When it has to be over.
    pub deadline: Instant,
}

/// A text of so many bytes takes its time to be made and hashed.
const LONG: usize = 16 * 1024;

/// What is left of a budget, and how much was tried.
#[derive(Debug)]
pub(super) struct Purse {
    left: u64,
    deadline: Instant,
    trials: u64,
    is_empty: bool,
}

impl Purse {
    pub(super) fn new(budget: Budget) -> Self {
        Self { left: budget.bytes, deadline: budget.deadline, trials: 0, is_empty: false }
    }

    /// How many texts were hashed.
    pub(super) fn trials(&self) -> u64 {
        self.trials
    }

    /// Whether it ended before everything was tried.
    pub(super) fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Pays for a text of this many bytes, or breaks off.
    fn pay(&mut self, bytes: usize) -> ControlFlow<()> {
        // Making a candidate costs more than hashing a short one.
        let price = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_add(256);
        // The clock is not free, and a few short texts take no time.
        let is_to_be_looked_at = self.trials % 64 == 63 || bytes >= LONG;
        match self.left.checked_sub(price) {
            Some(left) if !is_to_be_looked_at || Instant::now() < self.deadline => {
                self.left = left;
                self.trials = self.trials.saturating_add(1);
                ControlFlow::Continue(())
            }
            Some(_) | None => {
                self.is_empty = true;
                ControlFlow::Break(())
            }
        }
    }
}

/// The hash that was signed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Oracle<'o> {
    pub(super) hash: Hash,
    pub(super) digest: &'o [u8],
}

/// What has to be undone, and what the parameters are then.
#[derive(Debug)]
pub(super) struct Undone {
    /// Each step, with the parameters after it.
    pub(super) steps: Vec<(Cause, Parameters)>,
    pub(super) shape: Shape,
}

impl Undone {
    /// The parameters that were signed, of which `reading` is what became.
    pub(super) fn signed<'u>(&'u self, reading: &'u Reading) -> &'u Parameters {
        self.steps.last().map_or(&reading.parameters, |(_, parameters)| parameters)
    }
}

/// Tries all readings as they are, then with one thing undone, then with two.
pub(super) fn search<'c>(
    case: &'c Case<'_>,
    spellings: &[Cause],
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
        .filter(|reading| spellings == [Cause::PlusAsSpace] && reading.cause == Some(Cause::DecodedTwice))
        .find_map(|reading| as_it_is(reading, purse));
    let one = |is_apart, purse: &mut Purse| {
        readings.iter().find_map(|reading| Some((reading, oracle.one(reading, is_apart, hints, purse)?)))
    };
    // Where all values are lists, nothing else leads anywhere as long as they are.
    let are_lists = readings.iter().any(|reading| reading.cause == Some(Cause::ListValues));
    let mut of_pairs =
        readings.iter().filter(|reading| !are_lists || reading.cause == Some(Cause::ListValues));
    of_decoded
        .or_else(|| readings.iter().find_map(|reading| as_it_is(reading, purse)))
        .or_else(|| one(true, purse))
        .or_else(|| {
            of_pairs.find_map(|reading| Some((reading, oracle.two(&reading.parameters, hints, purse)?)))
        })
        .or_else(|| one(false, purse))
}

impl Oracle<'_> {
    /// The shape in which the text of `parameters` is the one that was signed.
    pub(super) fn fits(self, parameters: &Parameters, purse: &mut Purse) -> Option<Shape> {
        let bytes = parameters.bytes();
        parameters.shapes().find(|shape| {
            purse.pay(bytes).is_continue() && parameters.digest(*shape, self.hash).as_ref() == self.digest
        })
    }

    /// The one thing that has to be undone in `reading`: what is one thing with that which the reading undoes already is
    /// left out, or, unless it `is_apart`, is all that is tried.
    pub(super) fn one(
        self,
        reading: &Reading,
        is_apart: bool,
        hints: Hints<'_>,
        purse: &mut Purse,
    ) -> Option<Undone> {
        let mut found = None;
        let mut visit = |cause, candidate| {
            let is_one = reading.cause.is_some_and(|of_reading| of_reading.is_akin_to(cause));
            if is_one == is_apart {
                return ControlFlow::Continue(());
            }
            self.last(&[], cause, candidate, purse, &mut found)
        };
        let parameters = &reading.parameters;
        undo::each(parameters, hints, &mut visit)
            .is_continue()
            .then(|| undo::every(parameters, hints, &mut visit));
        found
    }

    /// The two things that have to be undone, one after the other: of all that there are a few hundred of, and then one
    /// of these and what was decoded, or the order of names in JSON.
    pub(super) fn two(self, parameters: &Parameters, hints: Hints<'_>, purse: &mut Purse) -> Option<Undone> {
        // What is there, and what its value is, can be undone in either order, so these are tried once.
        let are_tried = |first: Cause, second: Cause| {
            !(first.is_of_presence() && !second.is_of_presence() && second != Cause::JsonRewritten
                || first == Cause::JsonRewritten && second.is_of_presence())
        };
        let are_two = |first: Cause, second: Cause| !first.is_akin_to(second);
        let of_each = |between: &Parameters, visit: Visit<'_>| undo::each(between, hints, visit);
        self.pair(parameters, hints, purse, &of_each, &are_tried)
            .or_else(|| self.pair(parameters, hints, purse, &undo::decodings, &are_two))
            .or_else(|| self.pair(parameters, hints, purse, &undo::orders, &are_two))
    }

    /// One of the things that there are a few hundred of, and then one of those that `second` undoes, where the two
    /// are to be tried.
    fn pair(
        self,
        parameters: &Parameters,
        hints: Hints<'_>,
        purse: &mut Purse,
        second: &dyn Fn(&Parameters, Visit<'_>) -> ControlFlow<()>,
        are_tried: &dyn Fn(Cause, Cause) -> bool,
    ) -> Option<Undone> {
        let mut found = None;
        let end = undo::each(parameters, hints, &mut |first, between| {
            let before = [(first, between.clone())];
            second(&between, &mut |cause, candidate| {
                if are_tried(first, cause) {
                    self.last(&before, cause, candidate, purse, &mut found)
                } else {
                    ControlFlow::Continue(())
                }
            })
        });
        end.is_break().then_some(found).flatten()
    }

    /// Looks whether the last of the steps leads to what was signed, and whether to go on.
    fn last(
        self,
        before: &[(Cause, Parameters)],
        cause: Cause,
        candidate: Parameters,
        purse: &mut Purse,
        found: &mut Option<Undone>,
    ) -> ControlFlow<()> {
        if let Some(shape) = self.fits(&candidate, purse) {
            let steps = before.iter().cloned().chain([(cause, candidate)]).collect();
            *found = Some(Undone { steps, shape });
        }
        if found.is_some() || purse.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
