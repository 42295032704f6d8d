//! The ways to read `sign`: whatever it may have been before something happened to it.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::BASE64_STANDARD;

use super::cause::Cause;
use super::parameters::{Plus, decode};
use super::reading::Reading;
use super::undo;

/// A way to read `sign`.
pub(super) struct Signature {
    pub(super) bytes: Vec<u8>,
    pub(super) cause: Option<Cause>,
}

/// Whatever `sign` may have been before something happened to it.
pub(super) fn spellings(reading: &Reading) -> Vec<Signature> {
    let Some(sign) = reading.parameters.get("sign").filter(|sign| sign.len() <= MAX_SIGN) else {
        return Vec::new();
    };
    let mut texts = vec![(None, sign.to_vec())];
    let mut add = |cause, text: Option<Vec<u8>>| texts.extend(text.map(|text| (Some(cause), text)));
    add(Cause::ListValues, undo::item(sign));
    add(Cause::PlusAsSpace, undo::plus_for_spaces(sign));
    add(Cause::NotDecoded, Some(decode(sign, Plus::IsPlus)));
    add(Cause::HtmlEscaped, undo::unescape_html(sign));
    add(Cause::WhiteSpace, Some(undo::without(sign, b" \t\r\n\"'")));
    let strict = texts.iter().filter_map(|(cause, text)| Some((*cause, BASE64_STANDARD.decode(text).ok()?)));
    // What one change explains is not called damaged, so no text is read leniently before all were read strictly.
    let lenient = texts.iter().filter_map(|(cause, text)| {
        let text = text.trim_ascii();
        let bytes = LENIENT.decode(text).or_else(|_error| LENIENT_URL_SAFE.decode(text)).ok()?;
        Some((cause.or(Some(Cause::SignDamaged)), bytes))
    });
    let mut found: Vec<Signature> = Vec::new();
    for (cause, bytes) in strict.chain(lenient) {
        if !found.iter().any(|known| known.bytes == bytes) {
            found.push(Signature { bytes, cause });
        }
    }
    found
}

/// The longest `sign` that is looked at: thrice that of a key of 8,192 bits.
const MAX_SIGN: usize = 4096;

const FORGIVING: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);

/// Standard base64 whose padding was lost.
const LENIENT: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, FORGIVING);

/// The other alphabet.
const LENIENT_URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, FORGIVING);
