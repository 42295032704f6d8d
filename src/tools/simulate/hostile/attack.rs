//! An attack, and what attacks are made of.

use aws_lc_rs::rsa::{KeyPair, KeySize};
use bytes::Bytes;
use hyper::Request;
use hyper::header::CONTENT_TYPE;

use super::super::Plan;
use super::super::kinds::{Kind, SentCharset, Shape};
use crate::tools::sender::{self, Notification};
use crate::translate::catalogue::Catalogue;
use crate::verify::SignedForm;

/// The message that most attacks are made of.
pub(super) const MESSAGE: &str = "alipay.open.mini.icp.faceauth.completed";

/// Something that no receiver should answer with `success`, or only if it reads in it what was signed.
pub(super) struct Attack {
    /// Its name, for scripts.
    pub(super) name: &'static str,
    /// What it does, in a sentence.
    pub(super) does: &'static str,
    pub(super) meaning: Meaning,
    pub(super) sends: Sends,
}

/// What an acceptance means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Whatever the app reads in it, nobody signed that; or one request was read as two.
    Forged,
    /// There is a way to read it as what was signed.
    Lenient,
}

/// What goes over the wire.
pub(super) enum Sends {
    /// A request in sound HTTP.
    Request(Box<Request<Bytes>>),
    /// Bytes that are none, or not in one way only.
    Bytes(Vec<u8>),
}

impl Sends {
    /// A request of another method, target or content type, with these `headers` beside those that Alipay always sends.
    pub(super) fn request(
        method: &str,
        target: &str,
        content_type: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Self, String> {
        let mut request = Request::builder().method(method).uri(target).header(CONTENT_TYPE, content_type);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).map_err(|error| format!("no request: {error}"))?;
        Ok(Self::Request(Box::new(request)))
    }
}

/// Somebody who has genuine notifications, and here even the key to make them.
pub(super) struct Forger<'p> {
    pub(super) plan: &'p Plan,
    pub(super) form: SignedForm,
    catalogue: Catalogue,
    shape: Shape,
    foreign: KeyPair,
}

impl<'p> Forger<'p> {
    /// Whose genuine notifications are signed in `form`.
    pub(super) fn new(plan: &'p Plan, form: SignedForm) -> Result<Self, String> {
        let catalogue = Catalogue::builtin();
        let foreign = KeyPair::generate(KeySize::Rsa2048).map_err(|_unspecified| "no key could be made")?;
        let given = &plan.shape;
        let shape = Shape {
            app_id: given.app_id.clone(),
            charset: given.charset,
            form: None,
            content_key: None,
            content: None,
            params: given.params.clone(),
        };
        Ok(Self { plan, form, catalogue, shape, foreign })
    }

    /// A new notification of the kind of that name, unsigned.
    pub(super) fn unsigned(&self, kind: &str) -> Result<Notification, String> {
        let kinds = Kind::find(&self.catalogue, &[kind.to_owned()])?;
        kinds.first().ok_or("no such kind")?.unsigned(&self.shape)
    }

    /// A new genuine message.
    pub(super) fn genuine(&self) -> Result<Notification, String> {
        self.sign(self.unsigned(MESSAGE)?)
    }

    /// A new genuine message with this content, signed in `form`.
    pub(super) fn with_content(&self, content: &str, form: SignedForm) -> Result<Notification, String> {
        self.sign_in(self.unsigned(MESSAGE)?.set("biz_content", content), form)
    }

    /// Signed with the right key.
    pub(super) fn sign(&self, notification: Notification) -> Result<Notification, String> {
        self.sign_in(notification, self.form)
    }

    /// Signed with the right key, in that form.
    pub(super) fn sign_in(&self, of: Notification, form: SignedForm) -> Result<Notification, String> {
        of.signed(&self.plan.key, form).map_err(|problem| format!("the private key does not sign: {problem}"))
    }

    /// Signed with a key that the other side has never seen.
    pub(super) fn sign_as_a_stranger(&self, notification: Notification) -> Result<Notification, String> {
        notification.signed(&self.foreign, self.form).map_err(|problem| problem.to_string())
    }

    /// A new genuine message with encrypted content, where there is a key for it.
    pub(super) fn encrypted(&self) -> Result<Option<Notification>, String> {
        let Some(key) = &self.plan.shape.content_key else { return Ok(None) };
        let clear = self.unsigned(MESSAGE)?;
        let sealed = key.encrypt(clear.value("biz_content")).ok_or("the content cannot be encrypted")?;
        self.sign(clear.set("biz_content", sealed).set("encrypt_type", "AES")).map(Some)
    }

    /// Whether texts in the bytes of the charset are UTF-8.
    pub(super) fn is_utf8(&self) -> bool {
        self.plan.shape.charset == SentCharset::Utf8
    }

    /// The notification, posted as Alipay does.
    pub(super) fn posted(&self, notification: &Notification) -> Sends {
        self.body(notification.body())
    }

    /// A body, posted as Alipay does.
    pub(super) fn body(&self, body: impl Into<Bytes>) -> Sends {
        Sends::Request(Box::new(sender::request(&self.plan.to, body)))
    }

    /// The path and the query of the address, with `pairs` added to the query.
    pub(super) fn target_with(&self, pairs: &str) -> String {
        let target = self.plan.to.target();
        let separator = if target.contains('?') { '&' } else { '?' };
        format!("{target}{separator}{pairs}")
    }

    /// An attack that forges.
    pub(super) fn forged(&self, name: &'static str, does: &'static str, forgery: &Notification) -> Attack {
        Attack { name, does, meaning: Meaning::Forged, sends: self.posted(forgery) }
    }

    /// An attack that can be read as what was signed.
    pub(super) fn lenient(&self, name: &'static str, does: &'static str, body: impl Into<Bytes>) -> Attack {
        Attack { name, does, meaning: Meaning::Lenient, sends: self.body(body) }
    }
}
