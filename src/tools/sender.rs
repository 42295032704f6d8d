//! Alipay's side of the wire: a notification is signed and posted, and what is answered is heard.

mod address;
mod answer;

use std::io;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use form_urlencoded::byte_serialize;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

pub(super) use self::address::Address;
pub(super) use self::answer::{Heard, Unheard, answers};
use crate::verify::SignedForm;

/// How long Alipay waits for an answer, the connection included.
pub(super) const PATIENCE: Duration = Duration::from_secs(16);
/// The content type that Alipay sends, as it was observed.
pub(super) const FORM_TYPE: &str = "application/x-www-form-urlencoded; text/html; charset=UTF-8";
/// The name that Alipay's sender gives itself.
pub(super) const AGENT: &str = "Mozilla/4.0";

/// The parameters of a notification, as names and values in the bytes of its charset.
#[derive(Debug, Clone)]
pub(super) struct Notification {
    params: Vec<(String, Vec<u8>)>,
}

impl Notification {
    /// A notification of these parameters, unsigned.
    pub(super) fn new<'p>(params: impl IntoIterator<Item = (&'p str, &'p str)>) -> Self {
        let params = params.into_iter();
        Self { params: params.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).collect() }
    }

    /// The documented example of a completed face check, sent at `utc_timestamp` (milliseconds since the epoch).
    pub(super) fn faceauth(app_id: &str, notify_id: &str, utc_timestamp: i64) -> Self {
        let content = r#"{"mini_app_id":"2021098756789043","certify_result_status":"success","bundle_id":"com.alipay.alipaywallet","certify_result_desc":"人脸核验时人脸被遮挡"}"#;
        Self::new([
            ("charset", "UTF-8"),
            ("biz_content", content),
            ("utc_timestamp", &utc_timestamp.to_string()),
            ("app_id", app_id),
            ("version", "1.1"),
            ("sign_type", "RSA2"),
            ("notify_id", notify_id),
            ("msg_method", "alipay.open.mini.icp.faceauth.completed"),
        ])
    }

    /// The value of `name`; empty where there is no such parameter.
    pub(super) fn value(&self, name: &str) -> &[u8] {
        let found = self.params.iter().find(|(found, _)| found == name);
        found.map_or(&[], |(_, value)| value.as_slice())
    }

    /// The value of `name` as text, for those that are ASCII.
    pub(super) fn text(&self, name: &str) -> String {
        String::from_utf8_lossy(self.value(name)).into_owned()
    }

    /// With `name` set to `value`; a parameter that is not there is added at the end.
    pub(super) fn set(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref().to_vec();
        match self.params.iter_mut().find(|(found, _)| found == name) {
            Some((_, old)) => *old = value,
            None => self.params.push((name.to_owned(), value)),
        }
        self
    }

    /// With another parameter `name` at the end, whether there is one or not.
    pub(super) fn and(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.params.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Without the parameter `name`.
    pub(super) fn without(mut self, name: &str) -> Self {
        self.params.retain(|(found, _)| found != name);
        self
    }

    /// With the parameters in the opposite order.
    pub(super) fn reversed(mut self) -> Self {
        self.params.reverse();
        self
    }

    /// Gives each value to `change`, which may refuse.
    pub(super) fn try_map<E>(
        mut self,
        change: impl Fn(&str, &[u8]) -> Result<Vec<u8>, E>,
    ) -> Result<Self, E> {
        for (name, value) in &mut self.params {
            *value = change(name, value)?;
        }
        Ok(self)
    }

    /// Signs all parameters in `form` with `key`, over the text that the documents describe.
    pub(super) fn signed(self, key: &KeyPair, form: SignedForm) -> io::Result<Self> {
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), &self.signed_text(form), &mut signature)
            .map_err(io::Error::other)?;
        Ok(self.set("sign", BASE64_STANDARD.encode(signature)))
    }

    /// The text that is signed: the parameters sorted by name, with nothing escaped.
    pub(super) fn signed_text(&self, form: SignedForm) -> Vec<u8> {
        let mut signed: Vec<&(String, Vec<u8>)> = self
            .params
            .iter()
            .filter(|(name, _)| name != "sign" && (form == SignedForm::V2 || name != "sign_type"))
            .collect();
        signed.sort_by(|one, other| one.0.cmp(&other.0));
        let pairs = signed.iter().map(|(name, value)| [name.as_bytes(), b"=", value].concat());
        pairs.collect::<Vec<_>>().join(&b'&')
    }

    /// Replaces `from` by `to` in the value of `name`, as a forger would: the signature stays what it was.
    pub(super) fn tampered(self, name: &str, from: &str, to: &str) -> Self {
        let value = String::from_utf8_lossy(self.value(name)).replace(from, to);
        self.set(name, value)
    }

    /// The notification as the body of a request, with `+` for a space.
    pub(super) fn body(&self) -> String {
        let pair = |(name, value): &(String, Vec<u8>)| {
            let mut pair: String = byte_serialize(name.as_bytes()).collect();
            pair.push('=');
            pair.extend(byte_serialize(value));
            pair
        };
        self.params.iter().map(pair).collect::<Vec<_>>().join("&")
    }
}

/// Posts `body` to `address`, as Alipay does, and returns what is answered. No redirect is followed.
pub(super) async fn post(address: &Address, body: impl Into<Bytes>) -> Result<Heard, Unheard> {
    exchange(address, request(address, body)).await
}

/// The request by which `body` is posted to `address`.
pub(super) fn request(address: &Address, body: impl Into<Bytes>) -> Request<Bytes> {
    let mut request = Request::new(body.into());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = address.uri();
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(FORM_TYPE));
    request
}

/// Sends `request` over a connection of its own, with the headers that Alipay always sends.
pub(super) async fn exchange(address: &Address, mut request: Request<Bytes>) -> Result<Heard, Unheard> {
    request.headers_mut().insert(HOST, address.authority().clone());
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT));
    request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    let exchange = async {
        let stream = connect(address).await?;
        let (mut sender, connection) = http1::Builder::new()
            .title_case_headers(true)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|_error| Unheard::Broken)?;
        // The connection ends with this set, whether the answer came or not.
        let mut connections = JoinSet::new();
        connections.spawn(connection);
        let response = sender.send_request(request.map(Full::new)).await.map_err(|_error| Unheard::Broken)?;
        Heard::read(response).await
    };
    timeout(PATIENCE, exchange).await.unwrap_or(Err(Unheard::Late))
}

/// A new connection to `address`.
pub(super) async fn connect(address: &Address) -> Result<TcpStream, Unheard> {
    let stream = TcpStream::connect((address.host(), address.port())).await.map_err(|problem| {
        if problem.kind() == io::ErrorKind::ConnectionRefused {
            Unheard::Refused
        } else {
            Unheard::Unreachable
        }
    })?;
    // Where this is not known, a request may take a moment longer.
    drop(stream.set_nodelay(true));
    Ok(stream)
}
