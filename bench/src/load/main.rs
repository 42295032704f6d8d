//! Senders and an app: what puts a load on a target of the comparison, and what stands behind it.

mod heard;
mod send;
mod upstream;

use std::net::SocketAddr;

use clap::Parser;
use tokio::runtime::{Builder, LocalOptions};

/// A load, and the app behind it
#[derive(Debug, Parser)]
enum Command {
    /// The app: it answers 200, and says how much it got under `/count`, and what under `/last`
    Upstream {
        /// Its address
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// Notifications: they are signed first, and sent after a line on standard input
    Send(send::Options),
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    match Command::parse() {
        Command::Upstream { listen } => runtime.block_on(upstream::serve(listen))?,
        Command::Send(options) => runtime.block_on(send::send(options))?,
    }
    Ok(())
}
