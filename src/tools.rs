//! The commands beside `run`: a file each.

mod backend;
pub mod check;
pub mod demo;
pub mod keygen;
mod sender;
