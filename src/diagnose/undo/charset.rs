//! Text in a wrong charset.

use std::ops::ControlFlow;

use encoding_rs::{Encoding, GB18030, GBK, WINDOWS_1252};

use super::{Visit, values};
use crate::diagnose::cause::Cause;
use crate::diagnose::parameters::Parameters;

/// How notifications write their charset.
pub(super) const NAMES: [&str; 8] =
    ["UTF-8", "utf-8", "GBK", "gbk", "GB2312", "gb2312", "GB18030", "gb18030"];

pub(super) fn each(parameters: &Parameters, visit: Visit<'_>) -> ControlFlow<()> {
    values(parameters, Cause::ReadAsLatin1, visit, &latin1)?;
    values(parameters, Cause::ReadAsLatin1, visit, &|value| written_in(WINDOWS_1252, value))?;
    let is_chinese = parameters
        .get("charset")
        .is_some_and(|name| name.get(..2).is_some_and(|name| name.eq_ignore_ascii_case(b"gb")));
    for encoding in [GBK, GB18030] {
        let converted = &|value: &[u8]| written_in(encoding, value);
        // What is good UTF-8 once it is back in the bytes of GBK was UTF-8 before.
        let is_utf8 = parameters
            .changed(converted)
            .is_some_and(|changed| changed.iter().all(|(_, value)| std::str::from_utf8(value).is_ok()));
        let cause = if is_utf8 && !is_chinese { Cause::ReadAsGbk } else { Cause::Transcoded };
        values(parameters, cause, visit, converted)?;
        let read = &|value: &[u8]| {
            let text = encoding.decode_without_bom_handling_and_without_replacement(value)?;
            Some(text.into_owned().into_bytes())
        };
        values(parameters, Cause::Transcoded, visit, read)?;
        // Whoever converts the text as a rule says so in the parameter.
        for converted in [parameters.changed(converted), parameters.changed(read)].into_iter().flatten() {
            let place = converted.iter().position(|(name, _)| name == b"charset");
            for name in NAMES {
                match place {
                    Some(place) => visit(Cause::Transcoded, converted.with(place, name))?,
                    None => visit(Cause::Transcoded, converted.and("charset", name.as_bytes()))?,
                }
            }
        }
    }
    ControlFlow::Continue(())
}

/// The bytes that were read as ISO-8859-1.
fn latin1(value: &[u8]) -> Option<Vec<u8>> {
    std::str::from_utf8(value)
        .ok()?
        .chars()
        .map(|character| u8::try_from(u32::from(character)).ok())
        .collect()
}

/// The text that `value` is in UTF-8, in this encoding.
fn written_in(encoding: &'static Encoding, value: &[u8]) -> Option<Vec<u8>> {
    let (bytes, _, is_lossy) = encoding.encode(std::str::from_utf8(value).ok()?);
    (!is_lossy).then(|| bytes.into_owned())
}
