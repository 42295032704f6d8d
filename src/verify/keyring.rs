//! The public keys of every app, parsed once, when the configuration is read.
