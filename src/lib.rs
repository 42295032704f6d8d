//! A reverse proxy that stands beside an app, verifies what Alipay posts to it, and hands it on as typed JSON.
//!
//! ```text
//! Alipay ──form, signed──► [ alipay-sidecar ] ──typed JSON──► the app (127.0.0.1, any language)
//!        ◄─success / fail──                   ◄──HTTP status──
//! Request ─receive─► Received ─verify─► Verified ─translate─► Event ─deliver─► Delivery ─ack─► Response
//! ```
//!
//! The modules stand in the order of the way. [`gateway`] is the page that shows all of it.

pub mod config;
pub mod limits;
pub mod server;
pub mod gateway;
pub mod receive;
pub mod verify;
pub mod confirm;
pub mod translate;
pub mod ledger;
pub mod deliver;
pub mod ack;
pub mod rejection;
pub mod passthrough;
pub mod diagnose;
pub mod schedule;
pub mod outside;
mod patience;
pub mod telemetry;
pub mod reload;
pub mod replay;
pub mod tools;
