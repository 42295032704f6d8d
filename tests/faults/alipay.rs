//! Alipay: what it signs, what somebody signs in its name, and how it posts both.

use std::io;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::judge::Content;

/// The app of all notifications.
pub(crate) const APP_ID: &str = "2014060600164699";

/// How each `notify_id` begins; its number follows.
const IDS: &str = "5608cccc09ddb39d41c2e3c06e";

/// A pair of keys.
pub(crate) struct Key(KeyPair);

impl Key {
    pub(crate) fn generate() -> Self {
        Self(KeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    /// The public half, as the console shows it.
    pub(crate) fn public(&self) -> String {
        let spki: PublicKeyX509Der<'_> = self.0.public_key().as_der().unwrap();
        BASE64_STANDARD.encode(spki.as_ref())
    }

    /// The form that says `content`, at this time in milliseconds, signed with this key.
    ///
    /// A forgery has the name of the genuine one of its number, and says something else.
    pub(crate) fn form(&self, content: Content, millis: i64) -> String {
        let (word, number) = match content {
            Content::Genuine(number) => ("genuine", number),
            Content::Forged(number) => ("forged", number),
        };
        let millis = millis.to_string();
        let notify_id = format!("{IDS}{number:08}");
        let biz_content = format!(
            r#"{{"mini_app_id":"2021098756789043","certify_result_status":"success","bundle_id":"{word}-{number}"}}"#
        );
        // In the order in which they are signed.
        let signed = [
            ("app_id", APP_ID),
            ("biz_content", &biz_content),
            ("charset", "UTF-8"),
            ("msg_method", "alipay.open.mini.icp.faceauth.completed"),
            ("notify_id", &notify_id),
            ("utc_timestamp", &millis),
            ("version", "1.1"),
        ];
        let text = signed.map(|(name, value)| format!("{name}={value}")).join("&");
        let mut sign = vec![0; self.0.public_modulus_len()];
        self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut sign).unwrap();
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(signed);
        form.extend_pairs([("sign_type", "RSA2"), ("sign", &BASE64_STANDARD.encode(sign))]);
        form.finish()
    }
}

/// What the JSON says that the app got, if it is what Alipay or a forger said.
pub(crate) fn content_of(json: &[u8]) -> Option<Content> {
    let event: serde_json::Value = serde_json::from_slice(json).ok()?;
    let (word, number) = event["biz_content"]["bundle_id"].as_str()?.split_once('-')?;
    let number = number.parse().ok()?;
    match word {
        "genuine" => Some(Content::Genuine(number)),
        "forged" => Some(Content::Forged(number)),
        _ => None,
    }
}

/// The number of the notification with this name.
pub(crate) fn number_of(notify_id: &str) -> Option<u32> {
    notify_id.strip_prefix(IDS)?.parse().ok()
}

/// Writes the request with this form.
pub(crate) async fn ask<S: AsyncWrite + Unpin>(stream: &mut S, form: &str) -> io::Result<()> {
    let head = format!(
        "POST /alipay/notify HTTP/1.1\r\nHost: example.com\r\nContent-Type: application/x-www-form-urlencoded; text/html; \
         charset=UTF-8\r\nContent-Length: {}\r\n\r\n",
        form.len()
    );
    stream.write_all(format!("{head}{form}").as_bytes()).await
}

/// Waits for the answer: whether it is `success`, which Alipay takes for an acceptance whatever the status is.
pub(crate) async fn hear<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<bool> {
    let mut read = Vec::new();
    let mut piece = [0; 1024];
    loop {
        let length = stream.read(&mut piece).await?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        read.extend_from_slice(&piece[..length]);
        if let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.and_then(|length| length.parse().ok()).unwrap();
            let body = &read[end + 4..];
            if body.len() >= length {
                return Ok(body.eq_ignore_ascii_case(b"success"));
            }
        }
    }
}
