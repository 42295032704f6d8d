//! The commands beside `run`: a file each.

pub mod backend;
pub mod check;
pub mod demo;
pub mod explain;
pub mod keygen;
pub mod pending;
pub mod ready;
pub mod schema;
mod sender;
pub mod simulate;
