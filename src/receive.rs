//! `Request → Received`: what was sent, read within bounds and decoded strictly; nothing is believed yet.

pub mod form;

use std::time::Duration;

/// The bounds within which a request is read.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The longest body, in bytes.
    pub max_body: usize,
    /// The largest number of parameters.
    pub max_params: usize,
    /// How long the whole body may take.
    pub body_timeout: Duration,
}
