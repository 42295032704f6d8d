//! The request to the upstream, built from nothing.

use std::time::SystemTime;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request};

use super::format;
use super::route::Target;
use super::trace::TraceContext;
use crate::config;
use crate::ledger::Sighting;
use crate::rejection::{Reason, Rejection};
use crate::translate::Event;

const NOTIFY_ID: HeaderName = HeaderName::from_static("alipay-notify-id");
const MSG_METHOD: HeaderName = HeaderName::from_static("alipay-msg-method");
const APP_ID: HeaderName = HeaderName::from_static("alipay-app-id");
const ATTEMPT: HeaderName = HeaderName::from_static("alipay-attempt");
const FORM: HeaderName = HeaderName::from_static("alipay-form");
const SCHEMA: HeaderName = HeaderName::from_static("alipay-schema");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Room for all headers there may be, so that their map is allocated once.
const HEADERS: usize = 24;

/// The request that brings `event` to `target`, signed as of `now` where the configuration has a secret for it.
pub(super) fn build<O>(
    event: &Event,
    sighting: Option<Sighting>,
    trace: &TraceContext,
    target: &Target<O>,
    config: &config::Upstream,
    now: SystemTime,
) -> Result<Request<Full<Bytes>>, Rejection> {
    let mut headers = HeaderMap::with_capacity(HEADERS);
    headers.insert(HOST, target.host.clone());
    let body = format::write(event, config.format, &mut headers)?;
    headers.insert(NOTIFY_ID, value(event.notify_id())?);
    headers.insert(MSG_METHOD, value(event.msg_method())?);
    headers.insert(APP_ID, value(event.app_id())?);
    if let Some(sighting) = sighting {
        headers.insert(ATTEMPT, HeaderValue::from(u16::from(sighting.attempt())));
    }
    headers.insert(FORM, HeaderValue::from_static(event.signed_form().label()));
    headers.insert(SCHEMA, HeaderValue::from_static(event.schema().label()));
    headers.insert(IDEMPOTENCY_KEY, value(&format!("\"{}\"", event.notify_id()))?);
    headers.insert(TRACEPARENT, value(trace.parent())?);
    if let Some(state) = trace.state() {
        headers.insert(TRACESTATE, state.clone());
    }
    if let Some(signer) = &config.signer {
        let signed = signer.sign(event.notify_id(), now, &body, &mut headers);
        signed.map_err(|error| Reason::Internal.because(error))?;
    }
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = target.path_and_query.clone();
    *request.headers_mut() = headers;
    Ok(request)
}

/// A text of the envelope, whose grammar leaves nothing that a header cannot hold.
fn value(text: &str) -> Result<HeaderValue, Rejection> {
    HeaderValue::from_str(text).map_err(|error| Reason::Internal.because(error))
}
