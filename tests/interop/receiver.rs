//! Libraries that read what the sidecar delivers: the official SDK of `CloudEvents` for Python, and the reference
//! library of Standard Webhooks.

use serde_json::{Map, Value, json};

use crate::{
    driver::{Driver, python},
    upstream::Got,
};

/// The running libraries.
pub(crate) struct Receiver(Driver);

impl Receiver {
    pub(crate) fn start() -> Self {
        let (interpreter, script, installed) = python("receivers");
        Self(Driver::start("receivers", &interpreter, &script, &installed))
    }

    /// The attributes and the data of the event that `got` is, as its SDK reads them.
    pub(crate) fn event(&mut self, got: &Got) -> (Map<String, Value>, Value) {
        let mut answer = self.0.ask(&json!({ "do": "event", "headers": got.headers(), "body": got.text() }));
        let attributes = answer["attributes"].as_object().unwrap_or_else(|| panic!("no event: {answer}"));
        (attributes.clone(), answer["data"].take())
    }

    /// Whether `got` is signed with `secret`, by a receiver of Standard Webhooks.
    pub(crate) fn accepts(&mut self, got: &Got, secret: &str) -> bool {
        let request =
            json!({ "do": "webhook", "headers": got.headers(), "body": got.text(), "secret": secret });
        let answer = self.0.ask(&request);
        answer["accepted"].as_bool().unwrap_or_else(|| panic!("no verdict: {answer}"))
    }
}
