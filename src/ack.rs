//! `Result<Delivery, Rejection> → Response`: what Alipay hears, and nothing to learn from beside it.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};

use crate::deliver::Delivery;
use crate::rejection::{Answer, Reason, Rejection};

/// The answer to a notification. `success` needs a [`Delivery`], which only an accepting upstream gives.
pub fn ack(outcome: &Result<Delivery, Rejection>, failure_status: StatusCode) -> Response<Full<Bytes>> {
    match outcome {
        Ok(_) => answer(StatusCode::OK, "success"),
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
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    response
}
