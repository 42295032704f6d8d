//! `Request → Received`: what was sent, read within bounds and decoded strictly; nothing is believed yet.

pub(crate) mod body;
pub mod form;

use std::error::Error;
use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Body;
use hyper::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderMap, HeaderName, HeaderValue,
    TRANSFER_ENCODING,
};
use hyper::{Method, Request, Uri};

use self::body::Pieces;
use self::form::Form;
use crate::patience;
use crate::rejection::{Evidence, Reason, Rejection};

/// The bounds within which a request is read.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The longest body, in bytes.
    pub max_body: usize,
    /// The largest number of parameters.
    pub max_params: usize,
    /// How long the whole body may take.
    pub body_timeout: Duration,
}

/// The parameters of a request. They are claims: good for choosing a key, and for nothing else.
#[derive(Debug)]
pub struct Received {
    pub(crate) form: Form,
    /// The length of the body, in bytes.
    pub(crate) bytes: usize,
}

impl Received {
    /// Reads `body`, which holds at most `max_params` parameters.
    pub fn parse(body: &[u8], max_params: usize) -> Result<Self, Rejection> {
        let form = Form::parse(body, max_params).map_err(|error| error.reason().because(error))?;
        Ok(Self { form, bytes: body.len() })
    }
}

/// Reads `request` as the form that Alipay posts to one of `paths`.
///
/// What the head alone decides is decided before the body is asked for.
pub async fn receive<B>(request: Request<B>, paths: &[String], limits: &Limits) -> Result<Received, Rejection>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (head, body) = request.into_parts();
    if !is_served(&head.uri, paths) {
        return Err(Reason::UnknownPath.into());
    }
    if head.method != Method::POST {
        return Err(Reason::MethodNotAllowed.into());
    }
    if head.uri.query().is_some() {
        return Err(Reason::QueryString.into());
    }
    headers(&head.headers)?;
    length(&head.headers, &body, limits)?;
    let body = patience::within(limits.body_timeout, read(body, limits.max_body))
        .await
        .unwrap_or(Err(Reason::SlowBody.into()))?;
    Received::parse(&body, limits.max_params).map_err(|rejection| rejection.with(Evidence::Body(body)))
}

/// Whether `target` is one of `paths`, byte for byte. Whatever is not in origin form (a scheme, `*`, an authority) is none.
pub(crate) fn is_served(target: &Uri, paths: &[String]) -> bool {
    target.scheme().is_none() && paths.iter().any(|path| path == target.path())
}

fn headers(headers: &HeaderMap) -> Result<(), Rejection> {
    if values(headers, EXPECT).any(|value| !value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return Err(Reason::UnmetExpectation.into());
    }
    let mut types = values(headers, CONTENT_TYPE);
    if !types.next().is_some_and(|value| is_form(value.as_bytes())) || types.next().is_some() {
        return Err(Reason::UnsupportedMediaType.into());
    }
    if values(headers, CONTENT_ENCODING).any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Reason::UnsupportedEncoding.into());
    }
    Ok(())
}

/// Whether the media type is the form's. What follows it is ignored, also where it is malformed: a genuine sender
/// writes `application/x-www-form-urlencoded; text/html; charset=UTF-8`.
pub(crate) fn is_form(value: &[u8]) -> bool {
    const FORM: &[u8] = b"application/x-www-form-urlencoded";
    value.get(..FORM.len()).is_some_and(|start| start.eq_ignore_ascii_case(FORM))
        && matches!(value.get(FORM.len()), None | Some(b';' | b' ' | b'\t'))
}

fn values(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &HeaderValue> {
    headers.get_all(name).into_iter()
}

/// The length that is declared: none is refused, too great a one is refused before a byte is read.
fn length<B: Body>(headers: &HeaderMap, body: &B, limits: &Limits) -> Result<(), Rejection> {
    if !headers.contains_key(CONTENT_LENGTH) && !headers.contains_key(TRANSFER_ENCODING) {
        return Err(Reason::LengthRequired.into());
    }
    if body.size_hint().lower() > u64::try_from(limits.max_body).unwrap_or(u64::MAX) {
        return Err(Reason::BodyTooLarge.into());
    }
    Ok(())
}

/// Reads all of `body`, up to `max` bytes. A body that came in one piece is not copied. Trailers are dropped unread.
async fn read<B>(body: B, max: usize) -> Result<Bytes, Rejection>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut body = pin!(body);
    let mut pieces = Pieces::default();
    while let Some(frame) = poll_fn(|context| body.as_mut().poll_frame(context)).await {
        let frame = frame.map_err(|error| Reason::BrokenBody.because(error))?;
        let Ok(piece) = frame.into_data() else { continue };
        if pieces.len().saturating_add(piece.len()) > max {
            return Err(Reason::BodyTooLarge.into());
        }
        pieces.push(piece);
    }
    Ok(pieces.join())
}
