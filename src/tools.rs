//! The commands beside `run`: a file each.

mod backend;
pub mod check;
pub mod demo;
pub mod explain;
pub mod keygen;
pub mod schema;
mod sender;
pub mod simulate;
