//! `Result<Outcome, Rejection> → Response`: what Alipay hears, and nothing to learn from beside it.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};

use crate::confirm::Confirmation;
use crate::deliver::Delivery;
use crate::ledger::Accepted;
use crate::rejection::{Answer, Reason, Rejection};

/// What a request came to that was not refused: the proof of it.
#[derive(Debug)]
pub enum Outcome {
    /// The upstream accepted the notification.
    Delivered(Delivery),
    /// The upstream accepted it earlier, or for a request that came before this one.
    Repeated(Accepted),
    /// The request was a gateway check, and can be answered as one.
    Confirmed(Confirmation),
}

/// The answer to a request. `success` needs a [`Delivery`], which only an accepting upstream gives, or the ledger's word that
/// there was one.
pub fn ack(outcome: &Result<Outcome, Rejection>, failure_status: StatusCode) -> Response<Full<Bytes>> {
    match outcome {
        Ok(Outcome::Delivered(_) | Outcome::Repeated(_)) => answer(StatusCode::OK, "success"),
        Ok(Outcome::Confirmed(confirmation)) => {
            respond(StatusCode::OK, confirmation.content_type().clone(), confirmation.body().clone())
        }
        Err(rejection) => refusal(rejection.reason(), failure_status),
    }
}

/// The answer to a request that was stopped by `reason`.
pub(crate) fn refusal(reason: Reason, failure_status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = match reason.rule().answer {
        Answer::Status(status) => answer(status, "fail"),
        Answer::Retry | Answer::Close => answer(failure_status, "fail"),
    };
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

fn answer(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    respond(
        status,
        HeaderValue::from_static("text/plain; charset=utf-8"),
        Bytes::from_static(body.as_bytes()),
    )
}

fn respond(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Response<Full<Bytes>> {
    let length = body.len();
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    response
}
