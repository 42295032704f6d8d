//! The log: one JSON line a notification, and a line for each event in the life of the process.

mod json;
mod writer;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::StatusCode;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber, debug, error, info, warn};
use tracing_subscriber::Registry;
use tracing_subscriber::fmt::format::{Format, Full, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use self::json::Json;
use self::writer::Queue;
pub(crate) use self::writer::dropped;
pub use self::writer::flush;
use super::{Line, Verdict, milliseconds};
use crate::ack::Outcome;
use crate::config::{self, LogFormat};
use crate::ledger::Sighting;
use crate::passthrough::Ending;
use crate::rejection::{Rejection, Severity};
use crate::verify::SignedForm;

/// Starts the log of the process on standard output. [`flush`] it before the process ends.
///
/// Nothing waits for the reader of the log: where it is too slow, lines are dropped and counted.
/// A panic is logged with its place only: its message might hold what came from outside.
pub fn start(log: config::Log) -> io::Result<()> {
    let (level, handle) = reload::Layer::new(LevelFilter::from_level(log.level));
    let lines = tracing_subscriber::fmt::layer().event_format(Either::new()).with_writer(Queue::start()?);
    tracing_subscriber::registry().with(level).with(lines).init();
    LEVEL.get_or_init(|| handle);
    change(log);
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        error!(event = "panic", place, "a defect: please report this line");
    }));
    Ok(())
}

/// Writes the log in this level and format from now on, once it was started.
pub(crate) fn change(log: config::Log) {
    IS_TEXT.store(log.format == LogFormat::Text, Ordering::Relaxed);
    if let Some(Err(error)) = LEVEL.get().map(|level| level.reload(LevelFilter::from_level(log.level))) {
        error!(event = "log_level_failed", %error, "the log keeps its level");
    }
}

/// The least level that is written.
static LEVEL: OnceLock<reload::Handle<LevelFilter, Registry>> = OnceLock::new();
/// Whether lines are text for people, and not JSON.
static IS_TEXT: AtomicBool = AtomicBool::new(false);

/// The format of a line, which may change between two of them.
struct Either {
    text: Format<Full>,
}

impl Either {
    fn new() -> Self {
        let format = tracing_subscriber::fmt::format().with_target(false).with_ansi(false);
        Self { text: format }
    }
}

impl<S, N> FormatEvent<S, N> for Either
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if IS_TEXT.load(Ordering::Relaxed) {
            self.text.format_event(context, writer, event)
        } else {
            Json.format_event(context, writer, event)
        }
    }
}

/// Writes the line of one notification.
pub(super) fn notification(line: &Line, outcome: &Result<Outcome, Rejection>, handling: Duration) {
    let verdict = Verdict::of(outcome);
    let cause = outcome.as_ref().err().and_then(Rejection::cause);
    let next = line.sighting.filter(|_| outcome.is_err()).and_then(Sighting::next);
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
                attempt = line.sighting.map(Sighting::attempt),
                next_attempt_at = next.map(|next| next.to_string()),
                last_attempt = line.is_loss().then_some(true),
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
    let severity = if line.is_loss() { Severity::Operator } else { verdict.severity() };
    match severity {
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
