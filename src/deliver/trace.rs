//! The trace context (W3C Trace Context): passed on when the sender has one, created when not.

use std::fmt::Write as _;

use hyper::header::{HeaderMap, HeaderValue};

/// The longest `tracestate` that is passed on; the specification asks for at least 512 characters.
const MAX_STATE: usize = 512;

/// The trace that a delivery belongs to.
#[derive(Debug, Clone)]
pub struct TraceContext {
    parent: String,
    state: Option<HeaderValue>,
}

impl TraceContext {
    /// The trace context of `headers`, or a new one where there is none of plain form.
    ///
    /// It is not signed, so it is the one thing of the sender's that is passed on unproven: its form is checked, and
    /// nothing is decided by it.
    pub fn of(headers: &HeaderMap) -> Self {
        let only = |name| {
            let mut values = headers.get_all(name).iter();
            values.next().filter(|_| values.next().is_none())
        };
        match only("traceparent").and_then(|value| value.to_str().ok()).filter(|value| is_parent(value)) {
            Some(parent) => Self {
                parent: parent.to_owned(),
                state: only("tracestate").filter(|value| is_state(value.as_bytes())).cloned(),
            },
            None => Self::create(),
        }
    }

    /// A new trace, not sampled.
    fn create() -> Self {
        let mut parent = String::with_capacity(55);
        // A trace id or span id of zeroes is invalid, hence at least 1. Writing to a String does not fail.
        let (trace, span) = (fastrand::u128(1..), fastrand::u64(1..));
        if write!(parent, "00-{trace:032x}-{span:016x}-00").is_err() {
            parent.clear();
        }
        Self { parent, state: None }
    }

    /// The value of `traceparent`.
    pub fn parent(&self) -> &str {
        &self.parent
    }

    /// The value of `tracestate`, when the sender gave one.
    pub fn state(&self) -> Option<&HeaderValue> {
        self.state.as_ref()
    }

    /// The trace id: 32 hexadecimal digits.
    pub fn id(&self) -> &str {
        self.parent.get(3..35).unwrap_or_default()
    }
}

/// Whether `value` is a `traceparent` of version 00: <https://www.w3.org/TR/trace-context/#traceparent-header>.
fn is_parent(value: &str) -> bool {
    let mut parts = value.split('-');
    let mut hex = |digits: usize| {
        parts.next().filter(|part| {
            part.len() == digits
                && part.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
        })
    };
    let not_zero = |part: &str| part.bytes().any(|byte| byte != b'0');
    hex(2) == Some("00")
        && hex(32).is_some_and(not_zero)
        && hex(16).is_some_and(not_zero)
        && hex(2).is_some()
        && parts.next().is_none()
}

fn is_state(value: &[u8]) -> bool {
    (1..=MAX_STATE).contains(&value.len()) && value.iter().all(|byte| (b' '..=b'~').contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_trace_context_is_passed_on() {
        let trace = TraceContext::of(&headers(&[("traceparent", PARENT), ("tracestate", "a=1")]));
        assert_eq!(trace.parent(), PARENT);
        assert_eq!(trace.id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(trace.state().unwrap(), "a=1");
    }

    #[test]
    fn a_missing_repeated_or_malformed_trace_context_is_replaced_by_a_new_one() {
        for bad in [
            headers(&[]),
            headers(&[("tracestate", "a=1")]),
            headers(&[("traceparent", PARENT), ("traceparent", PARENT)]),
            headers(&[("traceparent", "00-00000000000000000000000000000000-00f067aa0ba902b7-01")]),
            headers(&[("traceparent", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01")]),
            headers(&[("traceparent", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")]),
            headers(&[("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x")]),
        ] {
            let trace = TraceContext::of(&bad);
            assert!(is_parent(trace.parent()), "{}", trace.parent());
            assert_ne!(trace.parent(), PARENT);
            assert_eq!(trace.state(), None);
        }
    }
}
