//! The small app of the demo: it tells of what it gets, and refuses when it is told to.
//!
//! It also stands alone, where somebody wants to see what a sidecar does before there is an app for it.

use std::convert::Infallible;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::runtime::{Builder, LocalOptions};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// More than the sidecar ever sends for one notification.
const MAX_BODY: usize = 1024 * 1024;

/// How long what is being answered may take to end, once the backend alone was told to.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

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

/// Runs the backend alone on `address`, until SIGTERM or SIGINT: each request is answered after `delay`, a `POST` with
/// 204 and all else with a page, and is one line of JSON on `out` once it is there. What is being answered at the end
/// still is.
pub fn alone(address: SocketAddr, delay: Duration, out: &mut impl Write) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(async {
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let listener = TcpListener::bind(address)
            .map_err(|error| io::Error::new(error.kind(), format!("--backend {address}: {error}")))?;
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        say(out, &json!({"event": "listening", "address": listener.local_addr()?.to_string()}))?;
        let (sender, mut got) = tokio::sync::mpsc::channel(1024);
        let (end, ending) = tokio::sync::watch::channel(false);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let (stream, _) = accepted?;
                    let connection = serve(stream, delay, sender.clone(), ending.clone());
                    connections.spawn_local(connection);
                }
                Some(line) = got.recv() => say(out, &line)?,
                Some(_) = connections.join_next(), if !connections.is_empty() => {}
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
            }
        }
        drop((listener, sender));
        end.send_replace(true);
        let rest = async { while connections.join_next().await.is_some() {} };
        let is_over = timeout(LAST_ANSWERS, rest).await.is_ok();
        while let Ok(line) = got.try_recv() {
            say(out, &line)?;
        }
        say(out, &json!({"event": "stopped", "all_answered": is_over}))
    })
}

/// One connection of the backend alone, to its end or to the end of what is being answered on it.
async fn serve(
    stream: tokio::net::TcpStream,
    delay: Duration,
    sender: tokio::sync::mpsc::Sender<serde_json::Value>,
    mut ending: tokio::sync::watch::Receiver<bool>,
) {
    let service = service_fn(move |request| page(request, delay, sender.clone()));
    let mut connection =
        std::pin::pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        // A connection that breaks ends here; the next one is another.
        ended = &mut connection => return drop(ended),
        _ = ending.wait_for(|ending| *ending) => {}
    }
    connection.as_mut().graceful_shutdown();
    drop(connection.await);
}

async fn page(
    request: Request<Incoming>,
    delay: Duration,
    sender: tokio::sync::mpsc::Sender<serde_json::Value>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    #[expect(clippy::disallowed_methods, reason = "`Limited` bounds it")]
    let body = Limited::new(body, MAX_BODY).collect().await;
    let bytes = body.map(|body| body.to_bytes().len()).ok();
    let header =
        |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
    let is_notification = head.method == Method::POST;
    let line = json!({
        "event": if is_notification { "got" } else { "page" },
        "path": head.uri.path(),
        "notify_id": header("alipay-notify-id"),
        "msg_method": header("alipay-msg-method"),
        "attempt": header("alipay-attempt"),
        "bytes": bytes,
    });
    // Where nobody listens any more, the backend is over.
    drop(sender.send(line).await);
    sleep(delay).await;
    let mut response = Response::new(if is_notification { Full::default() } else { "the app\n".into() });
    if is_notification {
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    Ok(response)
}

fn say(out: &mut impl Write, line: &serde_json::Value) -> io::Result<()> {
    writeln!(out, "{line}")?;
    out.flush()
}
