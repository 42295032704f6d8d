//! An HTTP archive, as browsers and proxies save it.

use super::{Capture, Head, target};
use crate::diagnose::json::Node;

/// Whether `node` is a request of an HTTP archive that has a body.
pub(super) fn is_request(node: &Node) -> bool {
    node.get("postData").is_some()
}

/// Reads that request.
pub(super) fn read(request: &Node) -> Option<Capture> {
    let text = |node: &Node, name| node.get(name).and_then(Node::text).map(ToOwned::to_owned);
    let pairs = |node: Option<&Node>| -> Vec<(String, String)> {
        match node {
            Some(Node::List(items)) => {
                items.iter().filter_map(|item| Some((text(item, "name")?, text(item, "value")?))).collect()
            }
            _ => Vec::new(),
        }
    };
    let data = request.get("postData")?;
    let mut headers = pairs(request.get("headers"));
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        headers.extend(text(data, "mimeType").map(|media_type| ("content-type".to_owned(), media_type)));
    }
    let head = Head {
        method: text(request, "method").unwrap_or_else(|| "POST".to_owned()),
        target: target(&text(request, "url").unwrap_or_default()),
        headers,
    };
    if let Some(body) = text(data, "text").filter(|text| !text.is_empty()) {
        return Some(Capture::body(HAR, Some(head), body.as_bytes()));
    }
    let params = pairs(data.get("params"));
    let params = params.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    Some(Capture { head: Some(head), ..Capture::parsed(HAR, params) })
}

const HAR: &str = "an HTTP archive (HAR)";
