//! The wire between the replicas and Redis, which can be cut.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio::task::spawn_local;

/// A wire, in the hands of whoever cuts it.
#[derive(Clone)]
pub(crate) struct Wire {
    pub(crate) address: SocketAddr,
    cuts: Arc<broadcast::Sender<()>>,
}

impl Wire {
    /// A wire to `port` of loopback.
    pub(crate) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let cuts = Arc::new(broadcast::Sender::new(1));
        let wire = Self { address, cuts: Arc::clone(&cuts) };
        spawn_local(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut cut = cuts.subscribe();
                spawn_local(async move {
                    let Ok(mut far) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else { return };
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = cut.recv() => {}
                    }
                });
            }
        });
        wire
    }

    /// Cuts all connections that there are. What is under way over them is lost.
    pub(crate) fn cut(&self) {
        drop(self.cuts.send(()));
    }
}
