//! The ways to read what was captured: as `run` reads it, and as what somebody may have made of it.

use super::cause::Cause;
use super::parameters::Parameters;
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

/// The ways to read a body, that of `run` first.
pub fn readings(body: &[u8]) -> Vec<Reading> {
    let mut readings = vec![Reading { cause: None, parameters: Parameters::decoded(body) }];
    let mut add = |cause, parameters: Parameters| {
        if readings.iter().all(|known| known.parameters != parameters) {
            readings.push(Reading { cause: Some(cause), parameters });
        }
    };
    add(Cause::DecodedTwice, Parameters::literal(body, is_name));
    add(Cause::DecodedTwice, Parameters::literal(body, kind::is_of_an_envelope));
    add(Cause::PlusAsSpace, Parameters::decoded_but_plus(body));
    readings
}

/// The ways to read parameters that somebody has parsed: perhaps a body became one name.
pub fn readings_of_map(parameters: Parameters) -> Vec<Reading> {
    let mut found = Vec::new();
    if parameters.get("sign").is_none() {
        let whole: Vec<Vec<u8>> = parameters
            .iter()
            .map(|(name, value)| if value.is_empty() { name.to_vec() } else { [name, b"=", value].concat() })
            .collect();
        let of_whole = readings(&whole.join(&b'&')).into_iter();
        found.extend(of_whole.map(|reading| Reading { cause: Some(Cause::UnparsedBody), ..reading }));
    }
    found.insert(0, Reading { cause: None, parameters });
    found
}
