//! Test suites that are not ours, held against the reading and the verification of notifications as they run.
//!
//! The messages that the vectors sign are no notifications, so each vector is transplanted: its signature is opened
//! with its own key, the digest in it gives way to that of a notification, and the result, with whatever is wrong
//! with it, is sealed again with a key of ours. The vectors as they are have their tests beside the key itself.
#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "lengths and counts of a test do not overflow")]

#[path = "suites/forms.rs"]
mod forms;
#[path = "suites/graft.rs"]
mod graft;
#[path = "suites/key.rs"]
mod key;
#[path = "suites/nist.rs"]
mod nist;
#[path = "suites/receiver.rs"]
mod receiver;
#[path = "suites/rsp.rs"]
mod rsp;
#[path = "suites/wycheproof.rs"]
mod wycheproof;
