//! An independent Alipay: it signs with `rsa` and `sha2`, straight from the platform's description of the scheme.

use std::sync::LazyLock;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, LineEnding};
use rsa::{Pkcs1v15Sign, PrivateKey};
use sha2::{Digest, Sha256};

pub(crate) const APP_ID: &str = "2014060600164699";
pub(crate) const OTHER_APP_ID: &str = "2021000000000000";

/// A key pair made for this run of the tests.
pub(crate) struct Key(PrivateKey);

impl Key {
    fn generate() -> Self {
        use aws_lc_rs::encoding::AsDer;
        let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
        let der = pair.as_der().unwrap();
        Self(PrivateKey::from_pkcs8_der(der.as_ref()).unwrap())
    }

    /// The public key as the console shows it.
    pub(crate) fn public(&self) -> String {
        BASE64_STANDARD.encode(self.0.to_public_key().to_public_key_der().unwrap())
    }

    /// The private key, as PEM.
    pub(crate) fn private(&self) -> String {
        self.0.to_pkcs8_pem(LineEnding::LF).unwrap().to_string()
    }

    /// Whether `sign` is this key's over `text`.
    pub(crate) fn verifies(&self, text: &[u8], sign: &str) -> bool {
        let signature = BASE64_STANDARD.decode(sign).unwrap();
        self.0
            .to_public_key()
            .verify(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(text), &signature)
            .is_ok()
    }

    pub(crate) fn sign(&self, text: &[u8]) -> String {
        self.seal(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(text))
    }

    /// The signature over `digest`, padded as `scheme` says.
    pub(crate) fn seal(&self, scheme: Pkcs1v15Sign, digest: &[u8]) -> String {
        BASE64_STANDARD.encode(self.0.sign(scheme, digest).unwrap())
    }
}

/// Alipay's key for [`APP_ID`].
pub(crate) fn key() -> &'static Key {
    static KEY: LazyLock<Key> = LazyLock::new(Key::generate);
    &KEY
}

/// Alipay's key for [`OTHER_APP_ID`], and the older of the two keys of [`APP_ID`].
pub(crate) fn other_key() -> &'static Key {
    static KEY: LazyLock<Key> = LazyLock::new(Key::generate);
    &KEY
}

/// A key that is configured nowhere.
pub(crate) fn foreign_key() -> &'static Key {
    static KEY: LazyLock<Key> = LazyLock::new(Key::generate);
    &KEY
}

/// A key that is configured where a test says so.
pub(crate) fn third_key() -> &'static Key {
    static KEY: LazyLock<Key> = LazyLock::new(Key::generate);
    &KEY
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    V1,
    V2,
}

pub(crate) const CONTENT: &str = r#"{"mini_app_id":"2021098756789043","certify_result_status":"success","bundle_id":"com.alipay.alipaywallet","certify_result_desc":"人脸核验时人脸被遮挡"}"#;

/// A notification, in the bytes of its charset.
#[derive(Debug, Clone)]
pub(crate) struct Notification {
    pub(crate) params: Vec<(String, Vec<u8>)>,
}

/// A flat notification of this type, sent now and unsigned, with the parameters of an envelope and these.
pub(crate) fn flat(notify_type: &str, params: &[(&str, &str)]) -> Notification {
    let beijing = jiff::tz::offset(8).to_datetime(jiff::Timestamp::now());
    let time = beijing.strftime("%Y-%m-%d %H:%M:%S").to_string();
    let envelope = [
        ("charset", "UTF-8"),
        ("version", "1.0"),
        ("sign_type", "RSA2"),
        ("notify_type", notify_type),
        ("notify_id", "2024031500222103145084711405842378"),
        ("notify_time", &time),
        ("app_id", APP_ID),
    ];
    let params = envelope.iter().chain(params);
    Notification {
        params: params.map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect(),
    }
}

impl Notification {
    /// The documented example, sent now, unsigned, in the order observed.
    pub(crate) fn unsigned() -> Self {
        let now = jiff::Timestamp::now().as_millisecond().to_string();
        let params = [
            ("charset", "UTF-8"),
            ("biz_content", CONTENT),
            ("utc_timestamp", &now),
            ("app_id", APP_ID),
            ("version", "1.1"),
            ("sign_type", "RSA2"),
            ("notify_id", "5608cccc09ddb39d41c2e3c06e3d9fejh2"),
            ("msg_method", "alipay.open.mini.icp.faceauth.completed"),
        ];
        Self { params: params.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).into() }
    }

    /// The documented example, signed in `form` by the key of its app.
    pub(crate) fn genuine(form: Form) -> Self {
        Self::unsigned().signed(form, key())
    }

    /// With `name` set to `value`.
    pub(crate) fn set(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref().to_vec();
        match self.params.iter_mut().find(|(found, _)| found == name) {
            Some((_, old)) => *old = value,
            None => self.params.push((name.to_owned(), value)),
        }
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.params.retain(|(found, _)| found != name);
        self
    }

    pub(crate) fn value(&self, name: &str) -> &[u8] {
        &self.params.iter().find(|(found, _)| found == name).unwrap().1
    }

    /// All values converted from UTF-8 to GBK, and the charset named so.
    pub(crate) fn in_gbk(mut self) -> Self {
        for (_, value) in &mut self.params {
            let text = std::str::from_utf8(value).unwrap();
            let (bytes, _, unmappable) = encoding_rs::GBK.encode(text);
            assert!(!unmappable);
            *value = bytes.into_owned();
        }
        self.set("charset", "GBK")
    }

    pub(crate) fn signed(self, form: Form, key: &Key) -> Self {
        let sign = key.sign(&self.signed_text(form));
        self.set("sign", sign)
    }

    /// The text that is signed.
    pub(crate) fn signed_text(&self, form: Form) -> Vec<u8> {
        let mut pairs: Vec<_> = self
            .params
            .iter()
            .filter(|(name, _)| name != "sign" && (form == Form::V2 || name != "sign_type"))
            .collect();
        pairs.sort_by(|one, other| one.0.as_bytes().cmp(other.0.as_bytes()));
        let pairs: Vec<_> =
            pairs.iter().map(|(name, value)| [name.as_bytes(), b"=", value].concat()).collect();
        pairs.join(&b'&')
    }

    /// The form as it is posted, with `+` for a space.
    pub(crate) fn body(&self) -> String {
        let pairs: Vec<String> = self
            .params
            .iter()
            .map(|(name, value)| {
                let encode = |bytes| form_urlencoded::byte_serialize(bytes).collect::<String>();
                format!("{}={}", encode(name.as_bytes()), encode(value))
            })
            .collect();
        pairs.join("&")
    }
}
