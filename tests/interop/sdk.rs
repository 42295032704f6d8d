//! The SDKs with which notifications are signed and checked.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::{
    driver::{Driver, interop, python},
    keys::{KeyForm, Keys},
    notification::{Charset, Notification},
};

/// How a notification is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignForm {
    /// Without `sign_type`.
    V1,
    /// With `sign_type`.
    V2,
    /// As the SDK signs its own requests: V2 with two more parameters.
    Request,
}

/// Which SDK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// npm's `alipay-sdk`.
    Node,
    /// `PyPI`'s `python-alipay-sdk`.
    PythonAlipaySdk,
    /// `PyPI`'s `alipay-sdk-python`.
    AlipaySdkPython,
}

impl Which {
    pub(crate) const ALL: &[Self] = &[Self::Node, Self::PythonAlipaySdk, Self::AlipaySdkPython];

    /// Everyone with everyone.
    pub(crate) fn pairs() -> impl Iterator<Item = (Self, Self)> {
        Self::ALL.iter().flat_map(|signer| Self::ALL.iter().map(|checker| (*signer, *checker)))
    }

    pub(crate) fn signs(self) -> &'static [SignForm] {
        match self {
            Self::Node => &[SignForm::V1, SignForm::V2, SignForm::Request],
            Self::PythonAlipaySdk | Self::AlipaySdkPython => &[SignForm::V1, SignForm::V2],
        }
    }

    /// `python-alipay-sdk` takes `sign_type` out before it checks, whatever was signed.
    pub(crate) fn checks(self, form: SignForm) -> bool {
        self != Self::PythonAlipaySdk || form == SignForm::V1
    }

    pub(crate) fn private_forms(self) -> &'static [KeyForm] {
        match self {
            Self::Node => &[
                KeyForm::PrivatePkcs8Pem,
                KeyForm::PrivatePkcs8Bare,
                KeyForm::PrivatePkcs1Pem,
                KeyForm::PrivatePkcs1Bare,
            ],
            Self::PythonAlipaySdk => &[KeyForm::PrivatePkcs8Pem, KeyForm::PrivatePkcs1Pem],
            Self::AlipaySdkPython => &[KeyForm::PrivatePkcs1Pem, KeyForm::PrivatePkcs1Bare],
        }
    }

    pub(crate) fn public_forms(self) -> &'static [KeyForm] {
        match self {
            Self::Node => &[KeyForm::PublicSpkiPem, KeyForm::PublicSpkiBare, KeyForm::Certificate],
            Self::PythonAlipaySdk => &[KeyForm::PublicSpkiPem, KeyForm::PublicPkcs1Pem, KeyForm::Certificate],
            Self::AlipaySdkPython => &[KeyForm::PublicSpkiPem, KeyForm::PublicSpkiBare],
        }
    }

    /// The interpreter, the script, and the file that shows that the SDK is installed.
    fn command(self) -> (PathBuf, PathBuf, PathBuf) {
        match self {
            Self::Node => {
                let home = interop("alipay-sdk");
                let package = home.join("node_modules/alipay-sdk/package.json");
                ("node".into(), home.join("driver.mjs"), package)
            }
            Self::PythonAlipaySdk => python("python-alipay-sdk"),
            Self::AlipaySdkPython => python("alipay-sdk-python"),
        }
    }
}

/// A running SDK.
pub(crate) struct Sdk(Driver);

impl Sdk {
    pub(crate) fn start(which: Which) -> Self {
        let (interpreter, script, installed) = which.command();
        Self(Driver::start(&format!("{which:?}"), &interpreter, &script, &installed))
    }

    /// The notification as a signed form body.
    pub(crate) fn sign(
        &mut self,
        form: SignForm,
        notification: &Notification,
        keys: &Keys,
        private: KeyForm,
    ) -> String {
        let pkcs8 = matches!(private, KeyForm::PrivatePkcs8Pem | KeyForm::PrivatePkcs8Bare);
        let answer = self.0.ask(&json!({
            "do": "sign",
            "form": name(form),
            "charset": notification.charset.name(),
            "params": notification.params,
            "private_key_file": keys.file(private),
            "key_type": if pkcs8 { "PKCS8" } else { "PKCS1" },
        }));
        answer["body"].as_str().unwrap_or_else(|| panic!("no body: {answer}")).to_owned()
    }

    /// What the SDK makes of a text that it encrypts.
    pub(crate) fn encrypt(&mut self, text: &str, keys: &Keys) -> String {
        let answer = self.0.ask(&json!({
            "do": "encrypt",
            "charset": Charset::Utf8.name(),
            "text": text,
            "content_key_file": keys.content_key(),
        }));
        answer["text"].as_str().unwrap_or_else(|| panic!("no text: {answer}")).to_owned()
    }

    /// Whether the SDK's own check accepts a form body.
    pub(crate) fn accepts(
        &mut self,
        form: SignForm,
        charset: Charset,
        body: &str,
        public_key: &Path,
    ) -> bool {
        // A receiver sees form V2; only the sender knows that it came out of the request signing.
        let form = if form == SignForm::Request { SignForm::V2 } else { form };
        let answer = self.0.ask(&json!({
            "do": "verify",
            "form": name(form),
            "charset": charset.name(),
            "body": body,
            "public_key_file": public_key,
        }));
        answer["accepted"].as_bool().unwrap_or_else(|| panic!("no verdict: {answer}"))
    }
}

fn name(form: SignForm) -> &'static str {
    match form {
        SignForm::V1 => "v1",
        SignForm::V2 => "v2",
        SignForm::Request => "request",
    }
}
