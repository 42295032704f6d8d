//! The admin listener: probes and metrics. It shows no secret and no personal data.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;
use tracing::warn;

use super::drain::Phase;
use crate::gateway::Shared;
use crate::telemetry::metrics::Metrics;

/// Probes and scrapers come one at a time; more than these wait.
const MAX_CONNECTIONS: usize = 128;
const HEADER_TIMEOUT: Duration = Duration::from_secs(2);
/// The content type of Prometheus' text format.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers `/livez`, `/readyz`, `/startupz` and `/metrics` until the process ends.
///
/// `/readyz` is 200 while new notifications are welcome: there is an app to verify them for, and the
/// process is not about to end.
pub(super) async fn serve(
    listener: TcpListener,
    latest: Arc<ArcSwap<Shared>>,
    phases: watch::Receiver<Phase>,
) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!(event = "accept_failed", listener = "admin", %error);
                sleep(super::ACCEPT_REST).await;
                continue;
            }
        };
        let (latest, phases) = (Arc::clone(&latest), phases.clone());
        let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let shared = latest.load();
            let has_apps = !shared.config.keyring.is_empty();
            let is_ready = has_apps && *phases.borrow() == Phase::Serving;
            let response =
                answer(request.method(), request.uri().path(), is_ready, has_apps, &shared.lasting.metrics);
            async move { Ok::<_, Infallible>(response) }
        });
        tokio::task::spawn_local(async move {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service);
            drop(connection.await);
            drop(place);
        });
    }
}

fn answer(
    method: &Method,
    path: &str,
    is_ready: bool,
    has_apps: bool,
    metrics: &Metrics,
) -> Response<Full<Bytes>> {
    if *method != Method::GET && *method != Method::HEAD {
        return text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n".into());
    }
    match path {
        "/livez" | "/startupz" => text(StatusCode::OK, "ok\n".into()),
        "/readyz" if is_ready => text(StatusCode::OK, "ok\n".into()),
        "/readyz" if !has_apps => {
            text(StatusCode::SERVICE_UNAVAILABLE, "not ready: no [[apps]] are configured\n".into())
        }
        "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "not ready: shutting down\n".into()),
        "/metrics" => match metrics.text() {
            Ok(figures) => {
                let mut response = text(StatusCode::OK, figures);
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(TEXT_FORMAT));
                response
            }
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        },
        _ => text(StatusCode::NOT_FOUND, "not found: try /livez /readyz /startupz /metrics\n".into()),
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}
