//! What the configuration means: parsed keys, addresses, durations, limits.
