//! Notifications to be signed, and ways to change them afterwards.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Map, Value, json};

/// The app to which all of them are addressed.
pub(crate) const APP_ID: &str = "2021000000000000";

/// Plain ASCII in every `biz_content`, so that it stands in a form as it is.
const MARK: &str = "interop-7";

const TEXTS: [&str; 2] = ["人脸核验时人脸被遮挡", r#"a + b = 100%  %2B \u0026 \u4e2d文 \/ \\ \"q\" ~*'()"#];
const NOT_IN_GBK: &str = "नमस्ते 😀";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charset {
    Utf8,
    Gbk,
}

impl Charset {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Gbk => "GBK",
        }
    }
}

/// The parameters of one notification, not yet signed.
pub(crate) struct Notification {
    pub(crate) params: Map<String, Value>,
    pub(crate) charset: Charset,
}

impl Notification {
    /// New notifications with all the texts that this charset can say.
    pub(crate) fn of(charset: Charset) -> Vec<Self> {
        let more = (charset == Charset::Utf8).then_some(NOT_IN_GBK);
        TEXTS.into_iter().chain(more).map(|text| Self::saying(text, charset)).collect()
    }

    /// What must arrive upstream under `biz_content`.
    pub(crate) fn biz_content(&self) -> Value {
        serde_json::from_str(self.params["biz_content"].as_str().unwrap()).unwrap()
    }

    /// The same, with `ciphertext` for its content.
    pub(crate) fn encrypted(&self, ciphertext: &str) -> Self {
        let mut params = self.params.clone();
        params.insert("biz_content".into(), ciphertext.into());
        params.insert("encrypt_type".into(), "AES".into());
        Self { params, charset: self.charset }
    }

    fn saying(text: &str, charset: Charset) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let biz_content = format!(
            r#"{{"mini_app_id": "2021098756789043","certify_result_status":"success","bundle_id":"{MARK}", "certify_result_desc":"{text}"}}"#
        );
        let params = json!({
            "charset": charset.name(),
            "biz_content": biz_content,
            "utc_timestamp": jiff::Timestamp::now().as_millisecond().to_string(),
            "app_id": APP_ID,
            "version": "1.1",
            "sign_type": "RSA2",
            "notify_id": format!("{number:034x}"),
            "msg_method": "alipay.open.mini.icp.faceauth.completed",
        });
        Self { params: params.as_object().unwrap().clone(), charset }
    }
}

/// Copies of a signed form, each with one character changed that the signature covers.
pub(crate) fn changed(body: &str) -> [String; 2] {
    [(MARK, "interop-8"), ("notify_id=0", "notify_id=1")].map(|(from, to)| {
        assert_eq!(body.matches(from).count(), 1, "{from} is not in {body}");
        body.replace(from, to)
    })
}
