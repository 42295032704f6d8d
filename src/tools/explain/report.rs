//! The report as text: what, where and what to do first, all the rest after it.

use std::io::{self, Write};

use super::{KnownKey, Next, Report};
use crate::config::Printable;
use crate::diagnose::{Cause, Diagnosis, Difference, Empties, Parameters, Shape};
use crate::rejection::{Answer, Rejection};
use crate::translate::charset::Charset;
use crate::verify::key::{Hash, hex};

/// How much of a value is shown before and after its first difference.
const AROUND: (usize, usize) = (12, 36);
/// The longest value that is shown whole, in bytes.
const MAX_VALUE: usize = 4 * 1024;

impl Report<'_> {
    /// Writes the report for people, which may be one of several: under a line that says which one it is of how many.
    pub(super) fn write_text(&self, place: Option<(usize, usize)>, out: &mut impl Write) -> io::Result<()> {
        if let Some((place, all)) = place {
            let before = if place > 1 { "\n" } else { "" };
            let parameters = self.capture.parameters();
            let id = parameters.get("notify_id").map_or("without notify_id".to_owned(), whole);
            writeln!(out, "{before}=== Notification {place} of {all}: {id}, {} ===\n", self.capture.form)?;
        }
        match (&self.verified, &self.diagnosis) {
            (Some((app_id, form)), _) => {
                writeln!(out, "VERIFIED: genuine, for app {app_id}, signed in form {}", form.label())?;
            }
            (None, Some(diagnosis)) => self.write_diagnosis(diagnosis, out)?,
            (None, None) => writeln!(out, "NOT VERIFIED")?,
        }
        self.write_next(out)?;
        self.write_received(out)?;
        self.write_texts(out)?;
        self.write_keys(out)
    }

    fn write_diagnosis(&self, diagnosis: &Diagnosis, out: &mut impl Write) -> io::Result<()> {
        let labels: Vec<&str> = diagnosis.findings.iter().map(|finding| finding.cause.label()).collect();
        let certainty = if diagnosis.is_proven { "proven" } else { "not proven, but likely" };
        // That the content changed is certain then, and how is not.
        let how = if diagnosis.is_cut_short && diagnosis.is_proven {
            ", but not how: the search was cut short"
        } else {
            ""
        };
        writeln!(out, "NOT VERIFIED: {} ({certainty}{how})\n", labels.join(" and "))?;
        for finding in &diagnosis.findings {
            line(out, "what", finding.cause.meaning())?;
            if !finding.parameters.is_empty() {
                line(out, "in", &finding.parameters.join(", "))?;
            }
            line(out, "to do", finding.cause.remedy())?;
        }
        if let Some(difference) = &diagnosis.difference {
            write_difference(difference, out)?;
        }
        self.capture.notes.iter().try_for_each(|note| line(out, "note", note))?;
        self.write_proof(diagnosis, out)?;
        for doubt in self.doubts(diagnosis) {
            line(out, "maybe", &doubt.what)?;
            line(out, "", &doubt.find_out)?;
        }
        writeln!(out)
    }

    fn write_proof(&self, diagnosis: &Diagnosis, out: &mut impl Write) -> io::Result<()> {
        let Some((place, opened)) = &diagnosis.opened else {
            return match self.keys.len() {
                0 => Ok(()),
                _ if diagnosis.cause() == Cause::AppKey && diagnosis.is_proven => line(
                    out,
                    "proof",
                    "it has the fingerprint of your app's own key, and does not open the signature",
                ),
                1 => line(out, "proof", "the signature does not open with the key below"),
                keys => {
                    line(out, "proof", &format!("the signature opens with none of the {keys} keys below"))
                }
            };
        };
        let key = self.keys.get(*place).map(|known| named(known)).unwrap_or_default();
        line(out, "proof", &format!("the signature opens with {key}: that is the key which made it"))?;
        if let Some(known) = self.keys.get(*place).filter(|known| self.is_of_another_app(known)) {
            line(
                out,
                "",
                &format!(
                    "it is configured for app {}, and the notification says it is for another",
                    known.app_id
                ),
            )?;
        }
        line(out, "", &format!("it holds the {} {}", opened.hash, hex(&opened.digest)))?;
        let trials = diagnosis.trials;
        match &diagnosis.signed {
            Some((_, shape)) => line(
                out,
                "",
                &format!("which is that of the text in form {}, after {trials} trials", label(*shape)),
            ),
            None if diagnosis.is_cut_short => line(
                out,
                "",
                &format!("none of {trials} texts has it; the search ended at its bound of size or time"),
            ),
            None => line(out, "", &format!("none of {trials} texts has it")),
        }
    }

    fn write_next(&self, out: &mut impl Write) -> io::Result<()> {
        match &self.next {
            Next::Forward if self.bench.is_configured => {
                writeln!(out, "`run` forwards it to your app; Alipay hears success when the app accepts it.")
            }
            Next::Forward => writeln!(
                out,
                "`run` would forward it, as far as can be said without a configuration: path and content are not judged."
            ),
            Next::Confirm => writeln!(out, "`run` answers it as the gateway check that it is."),
            Next::Refuse(rejection) => {
                let rule = rejection.reason().rule();
                let cause = rejection.cause().map(|cause| format!(" ({})", Printable(&cause.to_string())));
                writeln!(
                    out,
                    "`run` answers {} for the reason {}{}: {}",
                    answer(rejection, self),
                    rule.label,
                    cause.unwrap_or_default(),
                    rule.meaning
                )
            }
        }
    }

    fn write_received(&self, out: &mut impl Write) -> io::Result<()> {
        let parameters = self.capture.parameters();
        writeln!(
            out,
            "\nReceived: {}, {} bytes, {} parameters",
            self.capture.form,
            self.capture.body.len(),
            parameters.len()
        )?;
        if let Some(head) = &self.capture.head {
            writeln!(out, "  {} {}", Printable(&head.method), Printable(&head.target))?;
        }
        if self.verified.is_some() {
            self.capture.notes.iter().try_for_each(|note| writeln!(out, "  ({note})"))?;
        }
        let names: Vec<String> = parameters.iter().map(|(name, _)| show(name)).collect();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or_default().min(24);
        for (name, (_, value)) in names.iter().zip(parameters.iter()) {
            writeln!(out, "  {name:<width$}  {}", whole(value))?;
        }
        Ok(())
    }

    fn write_texts(&self, out: &mut impl Write) -> io::Result<()> {
        let parameters = self.capture.parameters();
        for shape in parameters.shapes() {
            let is_signed = self.verified.as_ref().is_some_and(|(_, form)| *form == shape.form);
            let note = if is_signed { ", the one that was signed" } else { "" };
            write_text(&format!("Signed text, form {}{note}", label(shape)), &parameters, shape, out)?;
        }
        if let Some((signed, shape)) = self.diagnosis.as_ref().and_then(|diagnosis| diagnosis.signed.as_ref())
            && *signed != parameters
        {
            write_text(&format!("The text that was signed, form {}", label(*shape)), signed, *shape, out)?;
        }
        Ok(())
    }

    fn write_keys(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "\nKeys tried: {}", self.keys.len())?;
        for known in self.keys.iter().take(8) {
            let key = &known.key;
            writeln!(out, "  {}  app {}, {} bits, {}", named(known), known.app_id, key.bits(), key.form())?;
            writeln!(out, "    {}", key.fingerprint())?;
        }
        Ok(())
    }
}

fn line(out: &mut impl Write, head: &str, text: &str) -> io::Result<()> {
    writeln!(out, "  {head:<8}  {text}")
}

fn write_text(head: &str, parameters: &Parameters, shape: Shape, out: &mut impl Write) -> io::Result<()> {
    let text = parameters.signed_text(shape);
    let digest = parameters.digest(shape, Hash::Sha256);
    writeln!(out, "\n{head}: {} bytes, SHA-256 {}", text.len(), hex(digest.as_ref()))?;
    writeln!(out, "  {}", whole(&text))
}

fn write_difference(difference: &Difference, out: &mut impl Write) -> io::Result<()> {
    let place = format!("{}, byte {}", difference.name, difference.at);
    line(out, "where", &place)?;
    let values = [("received", &difference.received), ("signed", &difference.signed)];
    let is_text =
        |value: &Option<Vec<u8>>| value.as_deref().is_none_or(|value| std::str::from_utf8(value).is_ok());
    // In two charsets the same text has other bytes, and that is the difference.
    let in_bytes = !values.iter().all(|(_, value)| is_text(value));
    for (head, value) in values {
        match value {
            Some(value) => line(out, "", &format!("{head:<8}  {}", around(value, difference.at, in_bytes)))?,
            None => line(out, "", &format!("{head:<8}  (no such parameter)"))?,
        }
    }
    Ok(())
}

/// What the sender hears.
pub(super) fn answer(rejection: &Rejection, report: &Report<'_>) -> String {
    match rejection.reason().rule().answer {
        Answer::Status(status) => format!("{} fail", status.as_u16()),
        Answer::Retry => format!("{} fail", report.bench.config.failure_status.as_u16()),
        Answer::Close => "nothing".to_owned(),
    }
}

/// The key by the name that its user gave it.
fn named(known: &KnownKey) -> String {
    match &known.file {
        Some(file) => format!("{} ({})", Printable(file), known.entry),
        None => known.entry.clone(),
    }
}

/// The shape of a signed text, as it is called.
pub(super) fn label(shape: Shape) -> String {
    match shape.empties {
        Empties::Kept => shape.form.label().to_owned(),
        Empties::LeftOut => format!("{} without empty values", shape.form.label()),
    }
}

/// Bytes as text on one line: UTF-8 or GBK, and else escaped. What is no ASCII and no UTF-8 is said to be GBK.
pub(super) fn show(bytes: &[u8]) -> String {
    let gbk = || {
        let text = Charset::named(b"gb18030")?.decode(bytes)?;
        Some(format!("{} [GBK]", Printable(&text)))
    };
    match std::str::from_utf8(bytes) {
        Ok(text) => Printable(text).to_string(),
        Err(_) => gbk().unwrap_or_else(|| bytes.escape_ascii().to_string()),
    }
}

/// As [`show`], but the end of what is very long is left out.
fn whole(value: &[u8]) -> String {
    if value.len() <= MAX_VALUE {
        return show(value);
    }
    let start = String::from_utf8_lossy(value.get(..MAX_VALUE).unwrap_or_default());
    format!("{}… ({} bytes; --json shows all)", Printable(&start), value.len())
}

/// Bytes with all that is not printable ASCII as `\xc8`.
fn bytewise(bytes: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    let shown = bytes.iter().map(|byte| match byte {
        byte if plain(byte) => char::from(*byte).to_string(),
        byte => format!("\\x{byte:02x}"),
    });
    shown.collect()
}

/// What stands around a place in a value.
fn around(value: &[u8], at: usize, in_bytes: bool) -> String {
    let (before, after) = AROUND;
    let mut start = at.saturating_sub(before);
    let mut end = at.saturating_add(after).min(value.len());
    // Not in the middle of a character.
    while start > 0 && value.get(start).is_some_and(|byte| byte & 0xc0 == 0x80) {
        start = start.saturating_sub(1);
    }
    while end < value.len() && value.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
        end = end.saturating_add(1);
    }
    let shown = value.get(start..end).unwrap_or_default();
    let text = if in_bytes { bytewise(shown) } else { show(shown) };
    format!("{}{text}{}", if start > 0 { "…" } else { "" }, if end < value.len() { "…" } else { "" })
}
