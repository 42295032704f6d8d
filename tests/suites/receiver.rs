//! Notifications for signatures of any kind, and the way they take: read, verified, and judged.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use alipay_sidecar::config::Config;
use alipay_sidecar::receive::receive;
use alipay_sidecar::rejection::{Reason, Rejection};
use alipay_sidecar::verify::{Verified, verify};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use form_urlencoded::Serializer;
use http_body_util::Full;
use hyper::Request;
use tokio::runtime::{Builder, Runtime};

use crate::key::Key;

/// When all of them are sent and received.
const NOW: u64 = 1_514_210_452_731;

/// The shortest notification, for the app whose key has so many bits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Notification {
    pub(crate) bits: usize,
    /// The `notify_id`, so that there are as many texts to sign as a test needs.
    pub(crate) number: u32,
}

impl Notification {
    fn params(self) -> [(&'static str, String); 7] {
        [
            ("app_id", self.bits.to_string()),
            ("biz_content", "{}".to_owned()),
            ("charset", "utf8".to_owned()),
            ("msg_method", "a".to_owned()),
            ("notify_id", self.number.to_string()),
            ("utc_timestamp", NOW.to_string()),
            ("version", "1.0".to_owned()),
        ]
    }

    /// The text that is signed: the parameters, which are sorted, as the platform describes V1.
    pub(crate) fn text(self) -> Vec<u8> {
        self.params().map(|(name, value)| format!("{name}={value}")).join("&").into_bytes()
    }

    fn body(self, signature: &[u8]) -> String {
        let mut form = Serializer::new(String::new());
        form.extend_pairs(self.params());
        form.append_pair("sign_type", "RSA2").append_pair("sign", &BASE64_STANDARD.encode(signature));
        form.finish()
    }
}

/// The rooms of the proxy up to the verification, with one app for each of our keys, named by its bits.
pub(crate) struct Receiver {
    config: Config,
    runtime: Runtime,
}

impl Receiver {
    pub(crate) fn new() -> Self {
        let apps = [2_048, 3_072, 4_096].map(|bits| {
            format!("[[apps]]\napp_id = \"{bits}\"\nalipay_public_keys = [\"{}\"]\n", Key::of(bits).public())
        });
        let config = Config::parse(Path::new("sidecar.toml"), apps.concat().as_bytes(), |_| None);
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        Self { config: config.unwrap_or_else(|errors| panic!("{errors}")), runtime }
    }

    /// What becomes of a notification with this signature.
    pub(crate) fn judge(&self, notification: Notification, signature: &[u8]) -> Result<Verified, Reason> {
        self.receive(notification.body(signature)).map_err(|rejection| rejection.reason())
    }

    fn receive(&self, body: String) -> Result<Verified, Rejection> {
        let Config { server, keyring, policy, limits, .. } = &self.config;
        let request = Request::post(&server.paths[0])
            .header("content-type", "application/x-www-form-urlencoded")
            .header("content-length", body.len())
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        let received = self.runtime.block_on(receive(request, &server.paths, limits))?;
        verify(received, keyring, policy, UNIX_EPOCH + Duration::from_millis(NOW))
    }
}
