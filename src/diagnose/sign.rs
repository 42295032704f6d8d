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
    /// What must have happened to it if this is the right way, in the order in which it is undone.
    pub(super) causes: Vec<Cause>,
    /// Whether it is base64 with all of its padding.
    pub(super) is_canonical: bool,
}

/// Whatever `sign` may have been before something happened to it, or two things one after the other.
pub(super) fn spellings(reading: &Reading) -> Vec<Signature> {
    let Some(sign) = reading.parameters.get("sign").filter(|sign| sign.len() <= MAX_SIGN) else {
        return Vec::new();
    };
    let mut texts = vec![(Vec::new(), sign.to_vec())];
    let mut latest = 0;
    for _ in 0..2 {
        let from = latest;
        latest = texts.len();
        for (causes, text) in texts.get(from..).unwrap_or_default().to_vec() {
            for (cause, text) in undone(&text) {
                if texts.iter().all(|(_, known)| *known != text) {
                    texts.push((causes.iter().copied().chain([cause]).collect(), text));
                }
            }
        }
    }
    let strict =
        texts.iter().filter_map(|(causes, text)| Some((causes.clone(), BASE64_STANDARD.decode(text).ok()?)));
    // What these explain is not called damaged, so no text is read leniently before all were read strictly.
    let lenient = texts.iter().filter_map(|(causes, text)| {
        let text = text.trim_ascii();
        let bytes = LENIENT.decode(text).or_else(|_error| LENIENT_URL_SAFE.decode(text)).ok()?;
        let damaged = || vec![Cause::SignDamaged];
        Some((if causes.is_empty() { damaged() } else { causes.clone() }, bytes))
    });
    let strict = strict.map(|(causes, bytes)| (causes, bytes, true));
    let lenient = lenient.map(|(causes, bytes)| (causes, bytes, false));
    let mut found: Vec<Signature> = Vec::new();
    for (mut causes, bytes, is_canonical) in strict.chain(lenient) {
        if !found.iter().any(|known| known.bytes == bytes) {
            causes.dedup();
            found.push(Signature { bytes, causes, is_canonical });
        }
    }
    found
}

/// `sign` with each thing undone that may have happened to it.
fn undone(sign: &[u8]) -> impl Iterator<Item = (Cause, Vec<u8>)> {
    [
        (Cause::ListValues, undo::item(sign)),
        (Cause::PlusAsSpace, undo::plus_for_spaces(sign)),
        (Cause::NotDecoded, Some(decode(sign, Plus::IsPlus))),
        (Cause::HtmlEscaped, undo::unescape_html(sign)),
        (Cause::BackslashEscaped, undo::unescape_json(sign)),
        (Cause::WhiteSpace, Some(undo::bare(sign))),
    ]
    .into_iter()
    .filter_map(|(cause, text)| Some((cause, text?)))
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
