//! An event as one line of JSON, written as it is visited: nothing is gathered in a map or a text first.

use std::fmt::{self, Write};

use jiff::Timestamp;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The format: the time in UTC with microseconds, the level, and the fields as they come.
pub(super) struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = event.metadata().level();
        write!(writer, r#"{{"timestamp":"{:.6}","level":"{level}""#, Timestamp::now())?;
        let mut fields = Fields { writer, outcome: Ok(()) };
        event.record(&mut fields);
        fields.outcome?;
        fields.writer.write_str("}\n")
    }
}

/// Writes fields after those that are there.
struct Fields<'w> {
    writer: Writer<'w>,
    outcome: fmt::Result,
}

impl Fields<'_> {
    /// Writes the field by `write`, once what was before it could be.
    fn field(&mut self, field: &Field, write: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        let writer = &mut self.writer;
        self.outcome = self
            .outcome
            .and_then(|()| writer.write_str(",\""))
            .and_then(|()| writer.write_str(field.name()))
            .and_then(|()| writer.write_str("\":"))
            .and_then(|()| write(writer));
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // What is no number in JSON either is `null`.
        let is_number = value.is_finite();
        self.field(
            field,
            |writer| if is_number { write!(writer, "{value:?}") } else { writer.write_str("null") },
        );
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field, |writer| write!(writer, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field, |writer| write!(writer, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field, |writer| writer.write_str(if value { "true" } else { "false" }));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field, |writer| quoted(writer, |text| text.write_str(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field, |writer| quoted(writer, |text| write!(text, "{value:?}")));
    }
}

/// Writes a string, whose text `write` writes.
fn quoted(writer: &mut Writer<'_>, write: impl FnOnce(&mut Text<'_, '_>) -> fmt::Result) -> fmt::Result {
    writer.write_char('"')?;
    write(&mut Text(writer))?;
    writer.write_char('"')
}

/// The inside of a string, in which quotes, backslashes and control characters are escaped.
struct Text<'a, 'w>(&'a mut Writer<'w>);

impl Write for Text<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.bytes().position(is_escaped) {
            let (plain, from) = rest.split_at_checked(at).unwrap_or_default();
            self.0.write_str(plain)?;
            let mut from = from.chars();
            match from.next() {
                Some(plain @ ('"' | '\\')) => write!(self.0, "\\{plain}")?,
                Some(control) => write!(self.0, "\\u{:04x}", u32::from(control))?,
                None => {}
            }
            rest = from.as_str();
        }
        self.0.write_str(rest)
    }
}

/// Whether the character of this one byte cannot stand in a string as it is: RFC 8259, 7.
fn is_escaped(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..=0x1f)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use proptest::prelude::*;
    use serde_json::Value;
    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl MakeWriter<'_> for Lines {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    impl io::Write for Lines {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written while `told` runs, which must be one line of JSON.
    fn line(told: impl FnOnce()) -> Value {
        let lines = Lines::default();
        let layer = tracing_subscriber::fmt::layer().event_format(Json).with_writer(lines.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), told);
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let (line, after) = text.split_once('\n').unwrap();
        assert_eq!(after, "", "a line has no line break in it");
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn a_line_holds_time_level_and_the_fields_that_are_there() {
        let nothing: Option<u16> = None;
        let mut line = line(|| tracing::warn!(event = "e", status = 200_u16, nothing, ok = true, "said"));
        let time = line["timestamp"].take();
        assert_eq!(time.as_str().map(str::len), Some("2026-01-01T00:00:00.000000Z".len()));
        assert!(time.as_str().unwrap().parse::<Timestamp>().is_ok());
        insta::assert_snapshot!(line, @r#"{"event":"e","level":"WARN","message":"said","ok":true,"status":200,"timestamp":null}"#);
    }

    proptest! {
        #[test]
        fn whatever_is_told_can_be_read_back(text in any::<String>(), number in any::<f64>(), signed in any::<i64>()) {
            let line = line(|| tracing::info!(text, shown = %text, debug = ?text, number, signed));
            prop_assert_eq!(line["text"].as_str(), Some(text.as_str()));
            prop_assert_eq!(line["shown"].as_str(), Some(text.as_str()));
            prop_assert_eq!(&line["debug"], &Value::from(format!("{text:?}")));
            prop_assert_eq!(line["number"].as_f64(), Some(number).filter(|number| number.is_finite()));
            prop_assert_eq!(line["signed"].as_i64(), Some(signed));
        }
    }
}
