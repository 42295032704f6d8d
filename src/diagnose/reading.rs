//! The ways to read what was captured: as `run` reads it, and as what somebody may have made of it.

use super::cause::Cause;
use super::parameters::Parameters;
use super::undo::item;
use crate::receive::form::is_name;
use crate::verify::kind;

/// One way to read what was captured.
#[derive(Debug, Clone)]
pub struct Reading {
    /// What must have happened if this reading is the right one; nothing for the first.
    pub cause: Option<Cause>,
    /// What it reads.
    pub parameters: Parameters,
}

/// The ways to read a body, that of `run` first: and where that one finds no `sign`, a body within it.
pub fn readings(body: &[u8]) -> Vec<Reading> {
    let mut found = of_body(body);
    if let Some(within) = found.first().map(|reading| within(&reading.parameters)) {
        found.extend(within);
    }
    found
}

/// The ways to read parameters that somebody has parsed: perhaps a body became one name, or each value a list.
pub fn readings_of_map(parameters: Parameters) -> Vec<Reading> {
    let of_lists =
        parameters.map(item).map(|parameters| Reading { cause: Some(Cause::ListValues), parameters });
    let within = within(&parameters);
    let mut found = vec![Reading { cause: None, parameters }];
    found.extend(of_lists);
    found.extend(within);
    found
}

/// The ways to read a body that is a form.
fn of_body(body: &[u8]) -> Vec<Reading> {
    let mut readings = vec![Reading { cause: None, parameters: Parameters::decoded(body) }];
    let mut add = |cause, parameters: Parameters| {
        if readings.iter().all(|known| known.parameters != parameters) {
            readings.push(Reading { cause: Some(cause), parameters });
        }
    };
    add(Cause::DecodedTwice, Parameters::literal(body, is_name));
    add(Cause::DecodedTwice, Parameters::literal(body, kind::is_of_an_envelope));
    add(Cause::PlusAsSpace, Parameters::decoded_but_plus(body));
    // Where somebody broke it into lines, within an escape or a name, too.
    if memchr::memchr(b'\n', body.trim_ascii_end()).is_some() {
        let whole: Vec<u8> = body.iter().copied().filter(|byte| !b"\r\n".contains(byte)).collect();
        add(Cause::WhiteSpace, Parameters::decoded(&whole));
    }
    readings
}

/// Where there is no `sign`: the ways to read a body that became one name or one value, or was cut at its first `=`.
fn within(parameters: &Parameters) -> Vec<Reading> {
    if parameters.get("sign").is_some() {
        return Vec::new();
    }
    let holds_sign = |text: &[u8]| memchr::memmem::find(text, b"sign=").is_some();
    let texts = parameters.iter().flat_map(|(name, value)| [name, value]);
    let mut bodies: Vec<Vec<u8>> = texts.filter(|text| holds_sign(text)).map(<[u8]>::to_vec).collect();
    let pieces: Vec<Vec<u8>> = parameters
        .iter()
        .map(|(name, value)| if value.is_empty() { name.to_vec() } else { [name, b"=", value].concat() })
        .collect();
    let whole = pieces.join(&b'&');
    if holds_sign(&whole) && !bodies.contains(&whole) {
        bodies.push(whole);
    }
    let mut found: Vec<Reading> = Vec::new();
    for body in bodies.iter().take(MAX_BODIES) {
        for Reading { parameters, .. } in of_body(body) {
            if parameters.get("sign").is_some() && found.iter().all(|known| known.parameters != parameters) {
                found.push(Reading { cause: Some(Cause::UnparsedBody), parameters });
            }
        }
    }
    found
}

/// How many names and values are read as a body.
const MAX_BODIES: usize = 4;
