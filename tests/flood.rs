//! The built binary under floods: genuine notifications get through, and its memory stays bounded.
//!
//! `make flood` runs all of it at full size against the release binary. By default it is a twentieth of that.
#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, clippy::string_slice, reason = "counts of a test do not overflow")]

#[path = "way/support/alipay.rs"]
#[expect(dead_code, reason = "the whole way needs more of it")]
mod alipay;
#[path = "flood/field.rs"]
mod field;
#[path = "flood/scenarios.rs"]
mod scenarios;
#[path = "flood/sidecar.rs"]
mod sidecar;
#[path = "flood/upstream.rs"]
mod upstream;

use std::io::Write;
use std::net::Ipv4Addr;
use std::time::Duration;
use std::{env, io};

use tokio::runtime::{Builder, LocalOptions};
use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::field::{Alipay, Field, Tally};
use crate::scenarios::{GENUINE, SURPLUS_CAP};
use crate::sidecar::Sidecar;
use crate::upstream::Upstream;

/// What the process may take at its peak, whatever comes.
const MAX_PEAK_KIB: u64 = 64 * 1024;
/// No flood lasts longer than this.
const TIME_LIMIT: Duration = Duration::from_mins(3);

/// The size of the floods, in percent of the full one.
fn percent() -> usize {
    env::var("FLOOD_PERCENT").map_or(5, |percent| percent.parse().expect("FLOOD_PERCENT is a number"))
}

#[test]
fn genuine_notifications_get_through_every_flood_and_memory_stays_bounded() {
    tell("| flood | connections | requests | genuine | slowest | peak MiB | KiB a connection | CPU s |");
    tell("|---|--:|--:|--:|--:|--:|--:|--:|");
    let only = env::var("FLOOD_ONLY").unwrap_or_default();
    let mut peaks = Vec::new();
    let mut number: u8 = 0;
    macro_rules! flood {
        ($name:literal, $scenario:ident, $settings:expr) => {
            number += 1;
            if $name.contains(&only) {
                peaks.push(($name, run($name, number, $settings, scenarios::$scenario)));
            }
        };
    }
    flood!("idle connections", idle, "");
    flood!("answered once, kept open", kept_alive, "");
    flood!("half a head", half_heads, "");
    flood!("16 KB of a head", long_half_heads, "");
    flood!("bodies stalled at 8 KiB", stalled_bodies, "");
    flood!("bodies dribbled to 240 KiB", dribbled_bodies, "");
    flood!("forged, 256 KiB each", large_forged, "");
    flood!("forged, 256 KiB each, in pieces", pushed_in_pieces, "");
    flood!("genuine, 250 kB, replayed, a slow app", replayed, "");
    flood!("forged, 1 KB each", small_forged, "");
    flood!("resets and half-closed", vanishing, "");
    flood!("pipelines, answers never read", deaf_pipelines, "");
    flood!("10,000 parameters, deep JSON, 700 headers", odd_shapes, "");
    flood!(
        "more connections than the cap",
        surplus,
        &format!("max_connections = {}", (SURPLUS_CAP * percent() / 100).max(4))
    );
    let over: Vec<_> = peaks.into_iter().filter(|(_, peak)| *peak > MAX_PEAK_KIB).collect();
    assert!(over.is_empty(), "over {MAX_PEAK_KIB} KiB: {over:?}");
}

/// Runs one flood against a sidecar of its own, prints its row, and returns the peak of its memory in KiB.
fn run<F: Future<Output = Tally> + 'static>(
    name: &str,
    number: u8,
    settings: &str,
    flood: impl FnOnce(Field) -> F,
) -> u64 {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
    runtime.block_on(async {
        let upstream = Upstream::start().await;
        let mut sidecar = Sidecar::start(upstream.address, settings);
        let mut alipay = Alipay::new();
        // What the first request sets up belongs to no connection.
        alipay.send(sidecar.address).await;
        let before = sidecar.usage();
        let field = Field {
            sidecar: sidecar.address,
            hostile: Ipv4Addr::new(127, 0, 1, number),
            percent: percent(),
            answered: alipay.answered.subscribe(),
            app: upstream.clone(),
        };
        let flood = spawn_local(flood(field));
        let pressed = async {
            while !flood.is_finished() {
                alipay.send(sidecar.address).await;
            }
        };
        timeout(TIME_LIMIT, pressed).await.expect("the flood ends within its time");
        let tally = flood.await.unwrap();
        let after = sidecar.usage();
        assert!(alipay.sent() > GENUINE, "{} genuine notifications during the flood", alipay.sent());
        let accepted = upstream.received();
        assert!(accepted >= alipay.sent(), "{accepted} of {} arrived", alipay.sent());
        tell(&format!(
            "| {name} | {} | {} | {} | {} ms | {} | {} | {} |",
            tally.connections,
            tally.requests,
            alipay.sent(),
            alipay.slowest.as_millis(),
            decimal(after.peak_kib, 1024_u64),
            decimal(after.peak_kib - before.resident_kib, tally.connections),
            decimal(after.cpu_ticks - before.cpu_ticks, 100_u64),
        ));
        after.peak_kib
    })
}

/// A quotient with one decimal.
fn decimal(dividend: u64, divisor: impl TryInto<u64, Error: std::fmt::Debug>) -> String {
    let tenths = dividend * 10 / divisor.try_into().unwrap();
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// Prints a line past the test's capture: the table is the result.
fn tell(line: &str) {
    writeln!(io::stdout(), "{line}").unwrap();
}
