//! Values that were percent-decoded once too often, or decoded and encoded again.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use form_urlencoded::byte_serialize;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::{Visit, one, places};
use crate::diagnose::cause::Cause;
use crate::diagnose::parameters::{Parameters, Plus, decode};

/// Where several values may have been changed, of one with this many spaces each may have been a `+`.
const FEW_SPACES: usize = 4;
/// How many bytes these may have: all that each may have been is kept meanwhile.
const MAX_TOGETHER_BYTES: usize = 64 * 1024;
/// How many values are encoded again in one style: no notification has as many that this changes.
const MAX_ALIKE: usize = 30;
/// How many strings in one value are encoded again, each alone.
const MAX_STRINGS: usize = 64;

/// What the `encodeURIComponent` of JavaScript leaves as it is.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');
/// The same, and the space.
const COMPONENT_AND_SPACE: &AsciiSet = &COMPONENT.remove(b' ');
/// What the `rawurlencode` of PHP leaves as it is.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Encodes each value again, or the queries of addresses in it, and writes what is percent-encoded in another style.
pub(super) fn each(parameters: &Parameters, visit: Visit<'_>) -> ControlFlow<()> {
    decoded_twice(parameters, visit)?;
    encoded_again(parameters, visit)
}

/// Makes some spaces the `+` that they may have been, encodes each string alone, and does both in several values.
pub(super) fn every(parameters: &Parameters, extent: Extent, visit: Visit<'_>) -> ControlFlow<()> {
    let plus = |value: &[u8], most| -> Ways { Box::new(plus_ways(value.to_vec(), most)) };
    alone(parameters, Cause::PlusAsSpace, extent, visit, &plus)?;
    together(parameters, Cause::PlusAsSpace, extent, visit, &plus)?;
    each_string(parameters, visit)?;
    alike(parameters, extent, visit)?;
    ENCODERS.iter().try_for_each(|encode| {
        let decoded =
            |value: &[u8], most| -> Ways { Box::new(before_decoding(value.to_vec(), *encode, most)) };
        alone(parameters, Cause::DecodedTwice, extent, visit, &decoded)?;
        together(parameters, Cause::DecodedTwice, extent, visit, &decoded)
    })
}

/// Encodes several values again, all in one style, as one that decodes whatever is encoded would have changed them.
fn alike(parameters: &Parameters, extent: Extent, visit: Visit<'_>) -> ControlFlow<()> {
    for (encode, is_spaced) in ENCODERS.map(|encode| (encode, false)).into_iter().chain([(SPACED, true)]) {
        for style in [encode_whole, encode_queries, encode_strings] {
            let changed: Vec<(usize, Vec<u8>)> = encodable(parameters)
                .map(|(place, value)| (place, value, style(value, encode)))
                .filter(|(_, value, again)| value != again)
                .map(|(place, _, again)| (place, again))
                .take(MAX_ALIKE)
                .collect();
            // Each number says by its bits which of them were: most first.
            let all = ones(changed.len());
            let fewest = if changed.len() > extent.alike { all.max(1) } else { 1 };
            for number in (fewest..=all).rev().filter(|number| number.count_ones() > 1 || is_spaced) {
                let chosen = changed.iter().enumerate().filter(|(nth, _)| has_bit(number, *nth));
                let candidate = chosen.fold(parameters.clone(), |candidate, (_, (place, again))| {
                    candidate.with(*place, again.clone())
                });
                visit(Cause::DecodedTwice, candidate)?;
            }
        }
    }
    ControlFlow::Continue(())
}

/// How much is tried.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    /// Of a value with this many spaces, each may have been a `+`.
    spaces: usize,
    /// In how many ways several values may have been changed.
    ways: usize,
    /// Of no more values than these, any may have been changed, in one style; of more, all.
    alike: usize,
}

impl Extent {
    /// Where nothing else happened.
    pub(super) const ALONE: Self = Self { spaces: 10, ways: 512, alike: 7 };
    /// Where something else happened, too.
    pub(super) const BESIDE: Self = Self { spaces: FEW_SPACES, ways: 256, alike: 0 };
}

/// What a value may have been, one after the other.
type Ways = Box<dyn Iterator<Item = Vec<u8>>>;

/// Gives each value alone what it may have been by `ways`.
fn alone(
    parameters: &Parameters,
    cause: Cause,
    extent: Extent,
    visit: Visit<'_>,
    ways: &dyn Fn(&[u8], usize) -> Ways,
) -> ControlFlow<()> {
    encodable(parameters).try_for_each(|(place, value)| {
        let mut changed = ways(value, extent.spaces).filter(|way| way != value);
        changed.try_for_each(|way| visit(cause, parameters.with(place, way)))
    })
}

/// Gives several values what they may have been by `ways`.
fn together(
    parameters: &Parameters,
    cause: Cause,
    extent: Extent,
    visit: Visit<'_>,
    ways: &dyn Fn(&[u8], usize) -> Ways,
) -> ControlFlow<()> {
    if parameters.bytes() > MAX_TOGETHER_BYTES {
        return ControlFlow::Continue(());
    }
    let mut choices: Vec<(usize, BTreeSet<Vec<u8>>)> = encodable(parameters)
        .map(|(place, value)| (place, ways(value, FEW_SPACES).filter(|way| way != value).collect()))
        .filter(|(_, ways): &(_, BTreeSet<_>)| !ways.is_empty())
        .collect();
    if choices.len() < 2 {
        return ControlFlow::Continue(());
    }
    choices.sort_by_key(|(_, ways)| ways.len());
    // Each number says by its digits which way each value takes; 0 leaves it as it is.
    for number in 1..extent.ways {
        let (mut rest, mut changed) = (number, parameters.clone());
        for (place, ways) in &choices {
            let base = ways.len().saturating_add(1);
            let digit = rest.checked_rem(base).unwrap_or_default();
            rest = rest.checked_div(base).unwrap_or_default();
            if let Some(way) = digit.checked_sub(1).and_then(|nth| ways.iter().nth(nth)) {
                changed = changed.with(*place, way.clone());
            }
        }
        if rest > 0 {
            break;
        }
        visit(cause, changed)?;
    }
    ControlFlow::Continue(())
}

/// The values that somebody may have encoded in themselves, with their places: no time and no number is.
fn encodable(parameters: &Parameters) -> impl Iterator<Item = (usize, &[u8])> {
    let is_plain = |value: &[u8]| value.iter().all(|byte| byte.is_ascii_digit() || b" :.-".contains(byte));
    let all = parameters.iter().enumerate();
    all.filter(move |(_, (name, value))| *name != b"sign" && !is_plain(value))
        .map(|(place, (_, value))| (place, value))
}

/// The value with some or all of its spaces as the `+` that they may have been; with all, where they are more than `most`.
fn plus_ways(value: Vec<u8>, most: usize) -> impl Iterator<Item = Vec<u8>> {
    let spaces: Vec<usize> = memchr::memchr_iter(b' ', &value).collect();
    // Each number says by its bits which of the spaces was a `+`.
    let all = ones(spaces.len().min(most));
    let numbers = if spaces.len() > most { all..=all } else { 1..=all };
    numbers.map(move |number| {
        let mut restored = value.clone();
        for (nth, at) in spaces.iter().enumerate() {
            let is_plus = has_bit(number, nth.min(most.saturating_sub(1)));
            if let Some(byte) = restored.get_mut(*at).filter(|_| is_plus) {
                *byte = b'+';
            }
        }
        restored
    })
}

/// The number that has so many bits.
fn ones(count: usize) -> u64 {
    u32::try_from(count)
        .ok()
        .and_then(|count| 1_u64.checked_shl(count))
        .map_or(0, |next| next.saturating_sub(1))
}

/// Whether `number` has the bit of this place.
fn has_bit(number: u64, nth: usize) -> bool {
    u32::try_from(nth).ok().and_then(|nth| number.checked_shr(nth)).is_some_and(|bits| bits & 1 == 1)
}

/// What a value may have been before it was decoded once more: all of it encoded, or what stands in the queries of
/// addresses or in the strings of JSON, with a `+` for any of its spaces.
fn before_decoding(value: Vec<u8>, encode: Encoder, most: usize) -> impl Iterator<Item = Vec<u8>> {
    let whole = encode(&value);
    let spaced = std::iter::once(value.clone()).chain(plus_ways(value, most));
    let parts = spaced
        .flat_map(move |spaced| [encode_queries(&spaced, encode), encode_strings(&spaced, encode), spaced]);
    std::iter::once(whole).chain(parts)
}

/// Encodes again: each value, and the queries of addresses in it.
fn decoded_twice(parameters: &Parameters, visit: Visit<'_>) -> ControlFlow<()> {
    for place in places(parameters) {
        for encode in ENCODERS {
            one(parameters, place, Cause::DecodedTwice, visit, &|value| Some(encode(value)))?;
        }
        let Some((_, value)) = parameters.iter().nth(place) else { continue };
        for encode in ENCODERS {
            // What stands in the query of an address.
            let encoded = encode_queries(value, encode);
            if encoded != value {
                visit(Cause::DecodedTwice, parameters.with(place, encoded))?;
            }
        }
    }
    ControlFlow::Continue(())
}

/// Decodes what is percent-encoded in a value, and encodes it in each style.
fn encoded_again(parameters: &Parameters, visit: Visit<'_>) -> ControlFlow<()> {
    for place in places(parameters) {
        let Some((_, value)) = parameters.iter().nth(place) else { continue };
        let decoded = decode(value, Plus::IsSpace);
        if memchr::memchr(b'%', value).is_none() || decoded == value {
            continue;
        }
        for encode in ENCODERS {
            for again in [encode(&decoded), encode_queries(&decoded, encode), recode_queries(value, encode)] {
                if again != value {
                    visit(Cause::EncodingRewritten, parameters.with(place, again))?;
                }
            }
        }
    }
    ControlFlow::Continue(())
}

/// Encodes each string in a value that is JSON.
fn each_string(parameters: &Parameters, visit: Visit<'_>) -> ControlFlow<()> {
    for place in places(parameters) {
        let Some((_, value)) = parameters.iter().nth(place) else { continue };
        for (before, string, after) in strings(value) {
            for encode in ENCODERS {
                let encoded = encode(string);
                if encoded != string {
                    visit(Cause::DecodedTwice, parameters.with(place, [before, &encoded, after].concat()))?;
                }
            }
        }
    }
    ControlFlow::Continue(())
}

/// Writes a text percent-encoded.
type Encoder = fn(&[u8]) -> Vec<u8>;

/// The ways in which senders percent-encode.
const ENCODERS: [Encoder; 5] = [
    |value| byte_serialize(value).collect::<String>().into_bytes(),
    |value| percent_encode(value, COMPONENT).to_string().into_bytes(),
    |value| percent_encode(value, UNRESERVED).to_string().into_bytes(),
    |value| lower(&percent_encode(value, COMPONENT).to_string()),
    |value| lower(&byte_serialize(value).collect::<String>()),
];

/// As one does who encodes what would be taken for something else, and leaves spaces.
const SPACED: Encoder = |value| percent_encode(value, COMPONENT_AND_SPACE).to_string().into_bytes();

fn encode_whole(value: &[u8], encode: Encoder) -> Vec<u8> {
    encode(value)
}

/// With everything encoded that stands after a `=` and before a `&`, a quote or the end.
fn encode_queries(value: &[u8], encode: Encoder) -> Vec<u8> {
    map_queries(value, encode)
}

/// With the same decoded first.
fn recode_queries(value: &[u8], encode: Encoder) -> Vec<u8> {
    map_queries(value, |inner| encode(&decode(inner, Plus::IsSpace)))
}

fn map_queries(value: &[u8], change: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) =
        memchr::memchr(b'=', rest).and_then(|at| rest.split_at_checked(at.checked_add(1)?))
    {
        out.extend_from_slice(before);
        let end = after.iter().position(|byte| matches!(byte, b'&' | b'"' | b'\\')).unwrap_or(after.len());
        let (inner, after) = after.split_at_checked(end).unwrap_or((after, &[]));
        out.extend(change(inner));
        rest = after;
    }
    out.extend_from_slice(rest);
    out
}

/// With each string of a JSON text encoded that is no plain word.
fn encode_strings(value: &[u8], encode: Encoder) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    for (before, string, after) in strings(value) {
        let done = value.len().saturating_sub(rest.len());
        out.extend_from_slice(before.get(done..).unwrap_or_default());
        out.extend(encode(string));
        rest = after;
    }
    out.extend_from_slice(rest);
    out
}

/// The same with the digits of its escapes in lower case.
fn lower(encoded: &str) -> Vec<u8> {
    let mut digits = 0_u8;
    let lowered = encoded.bytes().map(|byte| {
        if byte == b'%' {
            digits = 2;
            return byte;
        }
        let is_digit = digits > 0;
        digits = digits.saturating_sub(1);
        if is_digit { byte.to_ascii_lowercase() } else { byte }
    });
    lowered.collect()
}

/// The strings of a JSON text that are not plain words, each with what stands before and after it.
fn strings(value: &[u8]) -> impl Iterator<Item = (&[u8], &[u8], &[u8])> {
    let quotes = value.iter().enumerate().filter(|(_, byte)| **byte == b'"').map(|(at, _)| at);
    let is_json = value.first() == Some(&b'{');
    let quotes: Vec<usize> = quotes.take(if is_json { MAX_STRINGS.saturating_mul(2) } else { 0 }).collect();
    let strings = quotes.chunks_exact(2).filter_map(move |ends| match ends {
        [start, end] => {
            let start = start.checked_add(1)?;
            Some((value.get(..start)?, value.get(start..*end)?, value.get(*end..)?))
        }
        _ => None,
    });
    let found: Vec<_> =
        strings.filter(|(_, string, _)| !string.iter().all(u8::is_ascii_alphanumeric)).collect();
    found.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_lowered_and_nothing_else() {
        assert_eq!(lower("AB%2FAB%E4"), b"AB%2fAB%e4");
    }

    #[test]
    fn each_space_may_have_been_a_plus() {
        let ways = |value: &[u8]| plus_ways(value.to_vec(), 3).collect::<Vec<_>>();
        assert_eq!(ways(b"a b c"), [b"a+b c", b"a b+c", b"a+b+c"]);
        assert_eq!(ways(b"   ").len(), 7);
        assert!(ways(b"ab").is_empty());
        assert_eq!(ways(&b" ".repeat(30)), [b"+".repeat(30)]);
    }

    #[test]
    fn what_was_decoded_is_encoded_where_it_may_have_been() {
        let ways: Vec<_> = before_decoding(br#"{"a":"b c","d":"/?e=/"}"#.to_vec(), ENCODERS[0], 10).collect();
        for way in [
            r#"{"a":"b+c","d":"/?e=/"}"#,
            r#"{"a":"b+c","d":"/?e=%2F"}"#,
            r#"{"a":"b+c","d":"%2F%3Fe%3D%2F"}"#,
        ] {
            assert!(ways.contains(&way.as_bytes().to_vec()), "{way}");
        }
    }
}
