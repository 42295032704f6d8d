//! The trace context (W3C Trace Context): passed on when the sender has one, created when not.

use std::fmt::Write as _;

use hyper::header::{HeaderMap, HeaderValue};

/// The longest `tracestate` that is passed on; the specification asks for at least 512 characters.
const MAX_STATE: usize = 512;
/// The flag that says that the sender records the trace.
const SAMPLED: u8 = 1;

/// The trace that a delivery belongs to.
#[derive(Debug, Clone)]
pub struct TraceContext {
    parent: String,
    state: Option<HeaderValue>,
    is_new: bool,
    /// Whether a span of ours is recorded in the trace; `parent` names it then.
    is_recorded: bool,
    /// The span of the sender that ours belongs to.
    caller: Option<u64>,
}

/// A span of ours that is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// The trace.
    pub trace: u128,
    /// The span itself.
    pub span: u64,
    /// The span of the sender that it belongs to.
    pub parent: Option<u64>,
    /// The flags of the trace.
    pub flags: u8,
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
                is_new: false,
                is_recorded: false,
                caller: None,
            },
            None => Self::create(),
        }
    }

    /// A new trace, not sampled.
    fn create() -> Self {
        // A trace id or span id of zeroes is invalid, hence at least 1.
        let parent = written(fastrand::u128(1..), fastrand::u64(1..), 0);
        Self { parent, state: None, is_new: true, is_recorded: false, caller: None }
    }

    /// The context of a span of ours in this trace, for whoever records spans. The flag of the sender decides whether
    /// the trace is sampled; one that begins here is. A trace that is not sampled stays as it is.
    #[must_use]
    pub fn recorded(self) -> Self {
        let (trace, caller, flags) = self.parts();
        if !self.is_new && flags & SAMPLED == 0 {
            return self;
        }
        let parent = written(trace, fastrand::u64(1..), flags | SAMPLED);
        Self { parent, is_recorded: true, caller: (!self.is_new).then_some(caller), ..self }
    }

    /// The span of ours in this trace, if it is recorded.
    pub fn record(&self) -> Option<Recorded> {
        let (trace, span, flags) = self.parts();
        self.is_recorded.then_some(Recorded { trace, span, parent: self.caller, flags })
    }

    /// Trace, span and flags of `traceparent`, whose form was checked or is our own.
    fn parts(&self) -> (u128, u64, u8) {
        let part = |range| self.parent.get(range).unwrap_or_default();
        (
            u128::from_str_radix(part(3..35), 16).unwrap_or_default(),
            u64::from_str_radix(part(36..52), 16).unwrap_or_default(),
            u8::from_str_radix(part(53..55), 16).unwrap_or_default(),
        )
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

/// A `traceparent` of version 00.
fn written(trace: u128, span: u64, flags: u8) -> String {
    let mut parent = String::with_capacity(55);
    // Writing to a String does not fail.
    if write!(parent, "00-{trace:032x}-{span:016x}-{flags:02x}").is_err() {
        parent.clear();
    }
    parent
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

    #[test]
    fn a_sampled_trace_goes_on_with_a_span_of_ours() {
        let trace = TraceContext::of(&headers(&[("traceparent", PARENT), ("tracestate", "a=1")]));
        assert_eq!(trace.record(), None);
        let trace = trace.recorded();
        let recorded = trace.record().unwrap();
        assert_eq!(recorded.trace, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!((recorded.parent, recorded.flags), (Some(0x00f0_67aa_0ba9_02b7), 1));
        assert_eq!(trace.parent(), format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{:016x}-01", recorded.span));
        assert_ne!(Some(recorded.span), recorded.parent);
        assert_eq!(trace.state().unwrap(), "a=1");
    }

    #[test]
    fn a_trace_that_is_not_sampled_stays_as_it_is() {
        let unsampled = PARENT.replace("-01", "-02");
        let mut given = HeaderMap::new();
        given.insert("traceparent", HeaderValue::from_str(&unsampled).unwrap());
        let trace = TraceContext::of(&given).recorded();
        assert_eq!((trace.parent(), trace.record()), (unsampled.as_str(), None));
    }

    #[test]
    fn a_trace_that_begins_here_is_sampled_where_spans_are_recorded() {
        let trace = TraceContext::of(&headers(&[]));
        assert!(trace.parent().ends_with("-00"));
        let trace = trace.recorded();
        let recorded = trace.record().unwrap();
        assert_eq!((recorded.parent, recorded.flags), (None, 1));
        assert!(is_parent(trace.parent()) && trace.parent().ends_with("-01"));
    }
}
