//! The commands beside `run`: a file each.

pub mod check;
pub mod keygen;
