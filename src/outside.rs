//! What the way takes from outside of the process: the time, and connections to the app.

use std::future::Future;
use std::io;
use std::time::SystemTime;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A world that the process can stand in. The tests have one more: a simulation, with a clock and a network of its own.
pub trait Outside: 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + 'static;

    /// The time.
    fn now() -> SystemTime;

    /// A connection to `port` of `host`, over which what is written goes out at once.
    fn connect(host: &str, port: u16) -> impl Future<Output = io::Result<Self::Stream>>;
}

/// The machine that the process runs on.
#[derive(Debug)]
pub struct Machine;

impl Outside for Machine {
    type Stream = TcpStream;

    #[expect(clippy::disallowed_methods, reason = "the one place where time enters")]
    fn now() -> SystemTime {
        SystemTime::now()
    }

    async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}
