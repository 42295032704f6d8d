//! JSON that holds what was captured as the text of one member: the event of a cloud function, the log of a container.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::Capture;
use crate::diagnose::json::Node;

/// The body of a request as a gateway hands it to a function, in base64 where it says so.
pub(super) fn read(event: &Node) -> Option<Capture> {
    let body = event.get("body").and_then(Node::text)?;
    let is_encoded = event.get("isBase64Encoded") == Some(&Node::Token("true".to_owned()));
    let body = if is_encoded { BASE64_STANDARD.decode(body.trim()).ok()? } else { body.as_bytes().to_vec() };
    let capture = Capture::body("the body of an event in JSON", None, &body);
    capture.is_signed().then_some(capture)
}

/// What a container wrote, where `text` is the log that Docker keeps of it: a line of JSON for each line, or for each
/// piece of a long one.
pub(super) fn logged(text: &str) -> Option<String> {
    let mut logged = String::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let line = Node::parse(line)?;
        logged.push_str(line.get("log").and_then(Node::text)?);
    }
    (!logged.is_empty()).then_some(logged)
}
