//! The shape of what the upstream gets: the project's own JSON, or CloudEvents 1.0 in one of the two modes of its HTTP
//! binding.
//!
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md>

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;

use crate::config::Format;
use crate::rejection::{Reason, Rejection};
use crate::translate::Event;

/// Writes `event` in `format`: its headers into `headers`, its body as what is returned.
pub(super) fn write(event: &Event, format: Format, headers: &mut HeaderMap) -> Result<Bytes, Rejection> {
    match format {
        Format::Json => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
            Ok(event.body().clone())
        }
        Format::CloudEvents => {
            let structured = HeaderValue::from_static("application/cloudevents+json; charset=utf-8");
            headers.insert(CONTENT_TYPE, structured);
            let content = event.content();
            Attributes::of(event).around(&content).map_err(|error| Reason::Internal.because(error))
        }
        Format::CloudEventsBinary => {
            let attributes = Attributes::of(event);
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(attributes.datacontenttype));
            attributes.write_to(headers).map_err(|error| Reason::Internal.because(error))?;
            Ok(event.content())
        }
    }
}

/// How many bytes a delivery of `event` in `format` holds: its body, and a second one where the format does not share it.
pub(super) fn held(event: &Event, format: Format) -> usize {
    let body = event.body().len();
    match format {
        Format::Json | Format::CloudEventsBinary => body,
        Format::CloudEvents => body.saturating_mul(2),
    }
}

/// The context attributes of an event, under their names in CloudEvents.
#[derive(Serialize)]
struct Attributes<'e> {
    specversion: &'static str,
    id: &'e str,
    source: String,
    #[serde(rename = "type")]
    kind: &'e str,
    time: String,
    datacontenttype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dataschema: Option<String>,
}

impl<'e> Attributes<'e> {
    fn of(event: &'e Event) -> Self {
        let kind = event.msg_method();
        Self {
            specversion: "1.0",
            id: event.notify_id(),
            source: format!("urn:alipay:app:{}", event.app_id()),
            kind,
            // RFC 3339 in UTC, with milliseconds even where they are 0.
            time: format!("{:.3}", event.sent_at()),
            datacontenttype: "application/json",
            dataschema: event.is_known().then(|| format!("urn:alipay:schema:{kind}#/properties/biz_content")),
        }
    }

    /// The event of these attributes as one JSON object, with `data` as its data.
    fn around(&self, data: &[u8]) -> serde_json::Result<Bytes> {
        let mut body = Vec::with_capacity(data.len().saturating_add(ATTRIBUTES_ROOM));
        serde_json::to_writer(&mut body, self)?;
        // The brace that closes the attributes comes after the data.
        body.pop();
        body.extend_from_slice(br#","data":"#);
        body.extend_from_slice(data);
        body.push(b'}');
        Ok(body.into())
    }

    /// Writes these attributes as headers, but for the type of the data, which is the `content-type`.
    fn write_to(&self, headers: &mut HeaderMap) -> Result<(), InvalidHeaderValue> {
        let attributes = [
            ("ce-specversion", self.specversion),
            ("ce-id", self.id),
            ("ce-source", &self.source),
            ("ce-type", self.kind),
            ("ce-time", &self.time),
        ];
        let schema = self.dataschema.as_deref().map(|schema| ("ce-dataschema", schema));
        for (name, value) in attributes.into_iter().chain(schema) {
            headers.insert(HeaderName::from_static(name), encoded(value)?);
        }
        Ok(())
    }
}

/// Room for the attributes as they usually are, so that the body is allocated once.
const ATTRIBUTES_ROOM: usize = 512;

/// What an attribute may not have in it as the value of a header, beside all that is not ASCII: 3.1.3.2 of the binding.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

/// An attribute as the value of a header.
fn encoded(attribute: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    HeaderValue::from_str(&utf8_percent_encode(attribute, ENCODED).to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_attribute_in_a_header_is_encoded_as_in_the_binding() {
        assert_eq!(encoded("urn:alipay:app:1").unwrap(), "urn:alipay:app:1");
        // The example of the specification.
        assert_eq!(encoded("Euro € 😀").unwrap(), "Euro%20%E2%82%AC%20%F0%9F%98%80");
        assert_eq!(encoded("\"100%\"\r\n\u{7f}").unwrap(), "%22100%25%22%0D%0A%7F");
    }

    proptest! {
        #[test]
        fn any_attribute_can_stand_in_a_header_and_comes_back(text in any::<String>()) {
            let value = encoded(&text).unwrap();
            prop_assert!(value.as_bytes().iter().all(u8::is_ascii_graphic));
            let back = percent_encoding::percent_decode(value.as_bytes()).decode_utf8().unwrap();
            prop_assert_eq!(back, text);
        }
    }
}
