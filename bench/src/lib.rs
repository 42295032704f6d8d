//! What measures the sidecar: counted benches in `benches/`, and the load of the side-by-side comparison.

pub mod stage;
