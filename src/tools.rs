//! The commands beside `run`: a file each.

pub mod keygen;
