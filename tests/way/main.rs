//! The whole way on real sockets: the real server, a real upstream, real signatures made by an independent oracle.
#![cfg(test)]
#![expect(
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    reason = "lengths and counts of a test do not overflow"
)]

mod support;

mod answers;
mod confirm;
mod diagnosis;
mod drain;
mod encrypted;
mod forged;
mod genuine;
mod http;
mod kinds;
mod ledger;
mod lifecycle;
mod limits;
mod passthrough;
mod pending;
mod process;
mod ready;
mod redis;
mod reload;
mod shapes;
mod spans;
mod tls;
mod upstream;
