//! The search for what happened: candidates against the hash that was signed, within bounds.

use std::ops::ControlFlow;
use std::time::Instant;

use super::Case;
use super::cause::Cause;
use super::parameters::{Parameters, Shape};
use super::reading::Reading;
use super::undo::{self, Depth, Hints};
use crate::verify::key::Hash;

/// How much a diagnosis may take.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// How many bytes may be hashed.
    pub bytes: u64,
    /// When it has to be over.
    pub deadline: Instant,
}

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
        match self.left.checked_sub(price) {
            // The clock is not free, and a few texts take no time.
            Some(left) if self.trials % 64 != 63 || Instant::now() < self.deadline => {
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

impl Oracle<'_> {
    /// The shape in which the text of `parameters` is the one that was signed.
    pub(super) fn fits(self, parameters: &Parameters, purse: &mut Purse) -> Option<Shape> {
        let bytes = parameters.bytes();
        parameters.shapes().find(|shape| {
            purse.pay(bytes).is_continue() && parameters.digest(*shape, self.hash).as_ref() == self.digest
        })
    }

    /// The one thing that has to be undone.
    pub(super) fn one(self, parameters: &Parameters, hints: Hints<'_>, purse: &mut Purse) -> Option<Undone> {
        let mut found = None;
        let end = undo::each(parameters, hints, Depth::Deep, &mut |cause, candidate| {
            if let Some(shape) = self.fits(&candidate, purse) {
                found = Some(Undone { steps: vec![(cause, candidate)], shape });
            }
            if found.is_some() || purse.is_empty() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        end.is_break().then_some(found).flatten()
    }

    /// The two things that have to be undone, one after the other.
    pub(super) fn two(self, parameters: &Parameters, hints: Hints<'_>, purse: &mut Purse) -> Option<Undone> {
        let mut found = None;
        let end = undo::each(parameters, hints, Depth::Shallow, &mut |first, between| {
            undo::each(&between, hints, Depth::Shallow, &mut |second, candidate| {
                if let Some(shape) = self.fits(&candidate, purse) {
                    found =
                        Some(Undone { steps: vec![(first, between.clone()), (second, candidate)], shape });
                }
                if found.is_some() || purse.is_empty() {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })
        });
        end.is_break().then_some(found).flatten()
    }
}
