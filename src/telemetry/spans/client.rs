//! The way of spans to a collector: OTLP over HTTP/1.1, as protobuf, over one connection that is kept.
//!
//! <https://opentelemetry.io/docs/specs/otlp/#otlphttp>

use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::message::Response;
use crate::config::UpstreamUrl;

/// The longest head of an answer.
const MAX_HEAD: usize = 16 * 1024;
/// The longest answer that is read; a genuine one has some bytes.
const MAX_ANSWER: usize = 64 * 1024;
/// How long a collector may take, with connecting: the default of the specification.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest rest that a collector may ask for.
const MAX_REST: Duration = Duration::from_mins(1);

type Failure = Box<dyn Error + Send + Sync>;

/// What a collector says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It took all spans but this many.
    Taken(u64),
    /// Not now, but perhaps after this time, if it names one.
    Later(StatusCode, Option<Duration>),
    /// Never: sending the same again would be in vain.
    Refused(StatusCode),
}

/// The collector, and the connection to it.
pub(super) struct Client {
    url: UpstreamUrl,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    pub(super) fn new(url: UpstreamUrl) -> Self {
        Self { url, sender: None }
    }

    /// Posts `body`, an `ExportTraceServiceRequest`.
    pub(super) async fn post(&mut self, body: Bytes) -> Result<Answer, Failure> {
        let answer = match timeout(PATIENCE, self.send(body)).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err("no answer in time".into()),
        };
        if answer.is_err() {
            self.sender = None;
        }
        answer
    }

    /// Over the connection that was kept, if it still is one: the collector may have closed it at any time.
    async fn send(&mut self, body: Bytes) -> Result<Answer, Failure> {
        if let Some(sender) = self.sender.take()
            && let Ok(answer) = self.send_over(sender, body.clone()).await
        {
            return Ok(answer);
        }
        let sender = self.connect().await?;
        self.send_over(sender, body).await
    }

    async fn send_over(
        &mut self,
        mut sender: SendRequest<Full<Bytes>>,
        body: Bytes,
    ) -> Result<Answer, Failure> {
        sender.ready().await?;
        let mut request = Request::post(self.url.path_and_query.as_str()).body(Full::new(body.clone()))?;
        let headers = request.headers_mut();
        headers.insert(HOST, HeaderValue::from_str(&self.url.authority)?);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        let agent = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = read(body).await?;
        self.sender = Some(sender);
        Ok(match head.status {
            // An answer that is no protobuf speaks of no spans that were not taken.
            status if status.is_success() => Answer::Taken(rejected(&body)),
            status @ (StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT) => Answer::Later(status, rest(head.headers.get(RETRY_AFTER))),
            status => Answer::Refused(status),
        })
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, Failure> {
        let stream = TcpStream::connect((self.url.host.as_str(), self.url.port)).await?;
        stream.set_nodelay(true)?;
        let (sender, driver) = Builder::new().max_buf_size(MAX_HEAD).handshake(TokioIo::new(stream)).await?;
        // What ends the connection is told to whoever waits for an answer over it.
        tokio::task::spawn_local(async move { drop(driver.await) });
        Ok(sender)
    }
}

/// The answer's body, to its end, so that the connection is fit for the next request.
async fn read(mut body: Incoming) -> Result<Vec<u8>, Failure> {
    let mut read = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        if let Ok(data) = frame?.into_data() {
            read.extend_from_slice(&data);
        }
        if read.len() > MAX_ANSWER {
            return Err("the answer is too long".into());
        }
    }
    Ok(read)
}

/// How many spans the collector says that it did not take.
fn rejected(body: &[u8]) -> u64 {
    let partial = Response::decode(body).ok().and_then(|response| response.partial_success);
    partial.and_then(|partial| u64::try_from(partial.rejected_spans).ok()).unwrap_or(0)
}

/// The seconds of a `retry-after`. A date in it is not read: our own rest grows long enough.
fn rest(value: Option<&HeaderValue>) -> Option<Duration> {
    let seconds = value?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_REST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::spans::message::PartialSuccess;

    #[test]
    fn what_the_collector_did_not_take_is_read_from_its_answer() {
        let answer = |rejected_spans| {
            Response { partial_success: Some(PartialSuccess { rejected_spans }) }.encode_to_vec()
        };
        assert_eq!(rejected(&answer(3)), 3);
        assert_eq!(rejected(&answer(-1)), 0);
        assert_eq!(rejected(b""), 0);
        assert_eq!(rejected(b"{}"), 0);
    }

    #[test]
    fn a_rest_is_bounded_and_a_date_is_none() {
        let rest_of = |text| rest(Some(&HeaderValue::from_static(text)));
        assert_eq!(rest_of("7"), Some(Duration::from_secs(7)));
        assert_eq!(rest_of("86400"), Some(MAX_REST));
        assert_eq!(rest_of("Fri, 07 Nov 2026 23:59:59 GMT"), None);
        assert_eq!(rest(None), None);
    }
}
