//! The span of one notification, made of its log line.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::message::{ERROR, HAS_IS_REMOTE, IS_REMOTE, KIND_SERVER, KeyValue, Span, Status, Value};
use crate::rejection::Severity;
use crate::telemetry::{Line, Verdict, milliseconds};
use crate::verify::SignedForm;

/// The span of `line`, which took `time` and ended at `end`; none where its trace is not recorded. Attributes are
/// called as in the log, and `method` is a name of the catalogue or `other`.
pub(super) fn of(
    line: &Line,
    verdict: Verdict,
    method: &str,
    time: Duration,
    end: SystemTime,
) -> Option<Span> {
    let trace = line.trace.as_ref()?;
    let recorded = trace.record()?;
    let mut attributes = Vec::with_capacity(12);
    let mut add = |key: &str, value: Option<Value>| {
        attributes.extend(value.map(|value| KeyValue::new(key, value)));
    };
    add("outcome", Some(verdict.outcome().into()));
    add("reason", verdict.reason().map(Value::from));
    add("app_id", line.app_id.as_deref().map(Value::from));
    add("notify_id", line.notify_id.as_deref().map(Value::from));
    add("msg_method", line.msg_method.as_deref().map(Value::from));
    add("form", line.form.map(|form| SignedForm::label(form).into()));
    add("schema", line.schema.map(Value::from));
    add("upstream_status", line.exchange.status.map(|status| status.as_u16().into()));
    let upstream = line.exchange.time;
    add("upstream_ms", (!upstream.is_zero()).then(|| milliseconds(upstream).into()));
    add("resent", line.exchange.resent.then(|| true.into()));
    add("bytes", Some(line.bytes.into()));
    // What the sender got wrong is no error of this server's: it did its work.
    let status = match verdict.severity() {
        Severity::Sender => None,
        Severity::Upstream | Severity::Operator => {
            Some(Status { message: verdict.reason().unwrap_or_default().to_owned(), code: ERROR })
        }
    };
    let parent = recorded.parent.map_or_else(Vec::new, |id| id.to_be_bytes().into());
    let is_remote = if parent.is_empty() { 0 } else { IS_REMOTE };
    let nanos = |time: SystemTime| {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    };
    let end = nanos(end);
    let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    Some(Span {
        trace_id: recorded.trace.to_be_bytes().into(),
        span_id: recorded.span.to_be_bytes().into(),
        trace_state: trace.state().and_then(|state| state.to_str().ok()).unwrap_or_default().to_owned(),
        parent_span_id: parent,
        name: if line.form.is_some() { format!("notification {method}") } else { "notification".to_owned() },
        kind: KIND_SERVER,
        start_time_unix_nano: end.saturating_sub(time),
        end_time_unix_nano: end,
        attributes,
        status,
        flags: u32::from(recorded.flags) | HAS_IS_REMOTE | is_remote,
    })
}
