//! Alipay's side of the wire: a notification signed and posted.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::verify::SignedForm;

/// How long Alipay waits for an answer.
const PATIENCE: Duration = Duration::from_secs(16);

/// The parameters of a notification, as names and values.
pub(super) struct Notification {
    params: Vec<(&'static str, String)>,
}

/// An answer, as Alipay sees it.
pub(super) struct Heard {
    pub(super) status: u16,
    pub(super) body: String,
}

impl Notification {
    /// The documented example of a completed face check, sent at `utc_timestamp` (milliseconds since the epoch).
    pub(super) fn faceauth(app_id: &str, notify_id: &str, utc_timestamp: u128) -> Self {
        let content = r#"{"mini_app_id":"2021098756789043","certify_result_status":"success","bundle_id":"com.alipay.alipaywallet","certify_result_desc":"人脸核验时人脸被遮挡"}"#;
        let params = [
            ("charset", "UTF-8"),
            ("biz_content", content),
            ("utc_timestamp", &utc_timestamp.to_string()),
            ("app_id", app_id),
            ("version", "1.1"),
            ("sign_type", "RSA2"),
            ("notify_id", notify_id),
            ("msg_method", "alipay.open.mini.icp.faceauth.completed"),
        ];
        Self { params: params.map(|(name, value)| (name, value.to_owned())).into() }
    }

    /// Signs all parameters in `form` with `key`, over the text that the documents describe.
    pub(super) fn sign(&mut self, key: &KeyPair, form: SignedForm) -> io::Result<()> {
        let mut signed: Vec<String> = self
            .params
            .iter()
            .filter(|(name, _)| *name != "sign" && (form == SignedForm::V2 || *name != "sign_type"))
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        signed.sort_unstable();
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.join("&").as_bytes(), &mut signature)
            .map_err(io::Error::other)?;
        self.params.push(("sign", BASE64_STANDARD.encode(signature)));
        Ok(())
    }

    /// Replaces `from` by `to` in the value of `name`, as a forger would: the signature stays what it was.
    pub(super) fn tamper(&mut self, name: &str, from: &str, to: &str) {
        for (_, value) in self.params.iter_mut().filter(|(found, _)| *found == name) {
            *value = value.replace(from, to);
        }
    }

    /// The notification as the body of a request.
    pub(super) fn body(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.params).finish()
    }

    /// Posts the notification to `address`, as Alipay does, and returns what is answered.
    pub(super) fn post(&self, address: SocketAddr, path: &str) -> io::Result<Heard> {
        let body = self.body();
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: Mozilla/4.0\r\nContent-Type: \
             application/x-www-form-urlencoded; text/html; charset=UTF-8\r\nContent-Length: {}\r\nConnection: \
             close\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) =
            answer.split_once("\r\n\r\n").ok_or_else(|| io::Error::other("no answer in HTTP"))?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| io::Error::other("an answer without a status"))?;
        Ok(Heard { status, body: body.to_owned() })
    }
}
