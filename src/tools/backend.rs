//! The small app of the demo: it tells of what it gets, and refuses when it is told to.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::runtime::{Builder, LocalOptions};

/// More than the sidecar ever sends for one notification.
const MAX_BODY: usize = 1024 * 1024;

/// The backend, seen from the outside.
pub(super) struct Backend {
    pub(super) port: u16,
    pub(super) got: Receiver<Got>,
    refuses: Arc<AtomicBool>,
}

/// A request that the backend got.
pub(super) struct Got {
    pub(super) headers: HeaderMap,
    pub(super) body: String,
    pub(super) status: StatusCode,
}

impl Backend {
    /// Starts the backend on a free port of loopback.
    pub(super) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let runtime = || Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
        let (sender, got) = sync_channel(1024);
        let refuses = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&refuses);
        thread::spawn(move || runtime()?.block_on(accept(listener, sender, told)));
        Ok(Self { port, got, refuses })
    }

    /// From now on, accept or refuse.
    pub(super) fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::Relaxed);
    }
}

async fn accept(listener: TcpListener, sender: SyncSender<Got>, refuses: Arc<AtomicBool>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let (sender, refuses) = (sender.clone(), Arc::clone(&refuses));
        let service =
            service_fn(move |request| answer(request, sender.clone(), refuses.load(Ordering::Relaxed)));
        tokio::task::spawn_local(async move {
            // A connection that breaks ends here; the next one is another.
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    sender: SyncSender<Got>,
    refuses: bool,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let status = if refuses { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::NO_CONTENT };
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    #[expect(clippy::disallowed_methods, reason = "`Limited` bounds it")]
    let body = Limited::new(body, MAX_BODY).collect().await;
    let body = body.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned()).unwrap_or_default();
    // Where nobody listens any more, the demo is over.
    drop(sender.try_send(Got { headers: head.headers, body, status }));
    Ok(response)
}
