//! `Verified → Confirmation`: the answer to the check that Alipay makes when the address is set up.
//!
//! Alipay wants to hear from the owner of the app's private key. What it hears never differs, so it was signed when the
//! configuration was read, and the key was forgotten: asking again, by whomever, costs no operation with it.

pub mod answer;
mod xml;

use std::collections::HashMap;

use bytes::Bytes;
use hyper::header::HeaderValue;

use self::answer::SignedAnswer;
use crate::rejection::{Reason, Rejection};
use crate::translate::charset::Charset;
use crate::verify::Verified;
use crate::verify::kind::Kind;

/// That a genuine gateway check was made of one of our apps, and what it is answered with. Only [`confirm`] makes one.
///
/// ```compile_fail,E0451
/// # use alipay_sidecar::confirm::Confirmation;
/// # fn forged(confirmation: Confirmation) -> Confirmation {
/// Confirmation { body: bytes::Bytes::new(), ..confirmation }
/// # }
/// ```
#[derive(Debug)]
pub struct Confirmation {
    body: Bytes,
    content_type: HeaderValue,
}

impl Confirmation {
    /// The signed XML, in the charset of the check.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The type of the body.
    pub fn content_type(&self) -> &HeaderValue {
        &self.content_type
    }
}

/// The finished answers of the apps that have one.
#[derive(Debug, Clone, Default)]
pub struct Answers(HashMap<String, SignedAnswer>);

/// Of two answers of one app the last counts. The configuration has no such pair.
impl FromIterator<(String, SignedAnswer)> for Answers {
    fn from_iter<I: IntoIterator<Item = (String, SignedAnswer)>>(answers: I) -> Self {
        Self(answers.into_iter().collect())
    }
}

/// Answers a gateway check of an app that has its answer among `answers`.
#[expect(clippy::needless_pass_by_value, reason = "no check has two answers")]
pub fn confirm(verified: Verified, answers: &Answers) -> Result<Confirmation, Rejection> {
    match verified.kind() {
        Kind::GatewayCheck => {}
        Kind::Message | Kind::Flat => return Err(Reason::Internal.because("this is no gateway check")),
    }
    let value = |name| verified.form().get(name).ok_or_else(|| Reason::MissingParameter.because(name));
    let charset = Charset::named(value("charset")?)
        .ok_or_else(|| Reason::MalformedParameter.because("charset: not a charset of the list"))?;
    let text = charset
        .decode(value("biz_content")?)
        .ok_or_else(|| Reason::MalformedText.because("biz_content: not text in its charset"))?;
    let app_id = xml::app_id(&text).map_err(|malformed| Reason::MalformedContent.because(malformed))?;
    // The keys were found by what looked like the AppId before anything was verified, and here it was read.
    if app_id != verified.app_id() {
        return Err(Reason::MalformedContent.because("AppId is not the app whose key verified the signature"));
    }
    let answer = answers.0.get(&app_id).ok_or(Reason::UnansweredCheck)?;
    let (body, content_type) = match charset {
        Charset::Utf8 => (&answer.utf8, "text/xml; charset=UTF-8"),
        Charset::Chinese(_) => (&answer.gbk, "text/xml; charset=GBK"),
    };
    Ok(Confirmation { body: body.clone(), content_type: HeaderValue::from_static(content_type) })
}
