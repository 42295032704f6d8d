//! The commands beside `run`: a file each.
