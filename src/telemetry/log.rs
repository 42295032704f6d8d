//! The log: one JSON line a notification, and a line for each event in the life of the process.

mod writer;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::StatusCode;
use tracing::{debug, error, info, warn};

use self::writer::Queue;
pub(crate) use self::writer::dropped;
pub use self::writer::flush;
use super::{Line, Verdict, milliseconds};
use crate::ack::Outcome;
use crate::config::{self, LogFormat};
use crate::passthrough::Ending;
use crate::rejection::{Rejection, Severity};
use crate::verify::SignedForm;

/// Starts the log of the process on standard output. [`flush`] it before the process ends.
///
/// Nothing waits for the reader of the log: where it is too slow, lines are dropped and counted.
/// A panic is logged with its place only: its message might hold what came from outside.
pub fn start(log: config::Log) -> io::Result<()> {
    let builder =
        tracing_subscriber::fmt().with_max_level(log.level).with_target(false).with_writer(Queue::start()?);
    match log.format {
        LogFormat::Json => {
            builder.json().flatten_event(true).with_current_span(false).with_span_list(false).init();
        }
        LogFormat::Text => builder.with_ansi(false).init(),
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        error!(event = "panic", place, "a defect: please report this line");
    }));
    Ok(())
}

/// Writes the line of one notification.
pub(super) fn notification(line: &Line, outcome: &Result<Outcome, Rejection>, handling: Duration) {
    let verdict = Verdict::of(outcome);
    let cause = outcome.as_ref().err().and_then(Rejection::cause);
    macro_rules! write_line {
        ($level:ident) => {{
            $level!(
                event = "notification",
                outcome = verdict.outcome(),
                reason = verdict.reason(),
                cause = cause.map(|cause| cause.to_string()),
                app_id = line.app_id,
                notify_id = line.notify_id,
                msg_method = line.msg_method,
                form = line.form.map(SignedForm::label),
                schema = line.schema,
                violations = line.violations,
                upstream_status = line.exchange.status.map(|status| status.as_u16()),
                upstream_ms = (!line.exchange.time.is_zero()).then(|| milliseconds(line.exchange.time)),
                resent = line.exchange.resent.then_some(true),
                handling_ms = milliseconds(handling),
                bytes = line.bytes,
                peer = %line.peer,
                trace_id = line.trace.as_ref().map(|trace| trace.id()),
            )
        }};
    }
    match verdict.severity() {
        Severity::Sender => write_line!(info),
        Severity::Upstream => write_line!(warn),
        Severity::Operator => write_line!(error),
    }
}

/// Writes the line of one request that was passed through. Nobody verified it, and its path and its headers are its own
/// affair, so the line is for those who look for something: at `debug`, and without either.
pub(crate) fn passed(ending: Ending, status: Option<StatusCode>, took: Duration, peer: SocketAddr) {
    let status = status.map(|status| status.as_u16());
    debug!(event = "passthrough", result = ending.label(), status, took_ms = milliseconds(took), %peer);
}
