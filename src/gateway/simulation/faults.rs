//! What is done to the world of the simulation, counted.

use std::fmt;

/// How often what was done to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Faults {
    pub(super) kills: usize,
    pub(super) power_cuts: usize,
    pub(super) cuts_in_commits: usize,
    pub(super) partitions: usize,
    pub(super) holds: usize,
    pub(super) full_disks: usize,
    pub(super) lies: usize,
    /// How many failed events were still kept when the sidecar started again.
    pub(super) kept: usize,
    /// How often somebody had a failed event delivered once more.
    pub(super) replays: usize,
}

impl Faults {
    pub(super) fn add(&mut self, others: &Self) {
        self.kills += others.kills;
        self.power_cuts += others.power_cuts;
        self.cuts_in_commits += others.cuts_in_commits;
        self.partitions += others.partitions;
        self.holds += others.holds;
        self.full_disks += others.full_disks;
        self.lies += others.lies;
        self.kept += others.kept;
        self.replays += others.replays;
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} kills, {} power cuts, {} of them in the middle of a commit, {} partitions, {} times all messages held back, {} \
             full disks, {} requests that the app did not simply accept, {} failed events kept over a restart, {} replayed by hand",
            self.kills,
            self.power_cuts + self.cuts_in_commits,
            self.cuts_in_commits,
            self.partitions,
            self.holds,
            self.full_disks,
            self.lies,
            self.kept,
            self.replays
        )
    }
}
