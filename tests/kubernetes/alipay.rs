//! Alipay: a key, and notifications signed with it as the platform describes.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rsa::pkcs8::{DecodePrivateKey, EncodePublicKey, LineEnding};
use rsa::{Pkcs1v15Sign, PrivateKey};
use sha2::{Digest, Sha256};

pub(crate) struct Key(PrivateKey);

impl Key {
    pub(crate) fn generate() -> Self {
        use aws_lc_rs::encoding::AsDer;
        let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
        let der = pair.as_der().unwrap();
        Self(PrivateKey::from_pkcs8_der(der.as_ref()).unwrap())
    }

    /// The public key, as PEM.
    pub(crate) fn public(&self) -> String {
        self.0.to_public_key().to_public_key_pem(LineEnding::LF).unwrap()
    }

    /// The body of a notification, sent now and signed with this key.
    pub(crate) fn notification(&self, notify_id: &str) -> String {
        let now = jiff::Timestamp::now().as_millisecond().to_string();
        let mut params = vec![
            ("app_id", "2021000000000000".to_owned()),
            ("biz_content", r#"{"certify_result_status":"success"}"#.to_owned()),
            ("charset", "UTF-8".to_owned()),
            ("msg_method", "alipay.open.mini.icp.faceauth.completed".to_owned()),
            ("notify_id", notify_id.to_owned()),
            ("utc_timestamp", now),
            ("version", "1.1".to_owned()),
        ];
        let text: Vec<String> = params.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let digest = Sha256::digest(text.join("&").as_bytes());
        let signature = self.0.sign(Pkcs1v15Sign::new::<Sha256>(), &digest).unwrap();
        params.push(("sign_type", "RSA2".to_owned()));
        params.push(("sign", BASE64_STANDARD.encode(signature)));
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&params).finish()
    }
}
