//! A form, decoded strictly, to bytes, once.
//!
//! Lenient decoders are where forgeries begin: what they mend, two readers mend differently. So nothing is mended
//! here. Rules R1, R2 and R9 of SECURITY.md hold for every [`Form`].

use std::fmt;
use std::ops::Range;

use crate::rejection::Reason;

/// The parameters of a notification as they were sent: each name once, in the order received.
///
/// Names are `[A-Za-z][A-Za-z0-9_]{0,63}`; values are bytes in whatever charset the sender chose.
/// `Debug` prints names, never values.
#[derive(Clone)]
pub struct Form {
    text: Vec<u8>,
    pairs: Vec<Pair>,
    by_name: Vec<u16>,
}

/// Where a pair stands in the text, which holds `&name=value` for each.
#[derive(Clone)]
struct Pair {
    start: usize,
    name: Range<usize>,
    value: Range<usize>,
}

/// The longest name of a parameter, in bytes.
const MAX_NAME: usize = 64;

impl Form {
    /// Decodes `body`, which holds at most `max_params` parameters.
    pub fn parse(body: &[u8], max_params: usize) -> Result<Self, FormError> {
        if !is_printable(body) {
            return Err(FormError::NotPrintable);
        }
        let mut text = Vec::with_capacity(body.len().saturating_add(1));
        let mut pairs = Vec::with_capacity(max_params.min(16));
        let mut rest = Some(body);
        while let Some(from) = rest {
            if pairs.len() >= max_params {
                return Err(FormError::TooMany);
            }
            let (pair, after) = split_at(b'&', from);
            rest = after;
            let (name, value) = split_at(b'=', pair);
            let value = value.ok_or(FormError::NoEquals)?;
            let start = text.len();
            text.push(b'&');
            let name = decode(name, &mut text)?;
            if !text.get(name.clone()).is_some_and(is_name) {
                return Err(FormError::BadName);
            }
            text.push(b'=');
            let value = decode(value, &mut text)?;
            pairs.push(Pair { start, name, value });
        }
        let mut form = Self { by_name: (0..).take(pairs.len()).collect(), text, pairs };
        let mut order = std::mem::take(&mut form.by_name);
        order.sort_unstable_by_key(|index| form.at(*index).0);
        if order.is_sorted_by(|one, next| form.at(*one).0 < form.at(*next).0) {
            form.by_name = order;
            Ok(form)
        } else {
            Err(FormError::Repeated)
        }
    }

    /// How many bytes names and values have, with what stands between them.
    pub(crate) fn bytes(&self) -> usize {
        self.text.len()
    }

    /// The value of the parameter `name`, which may be empty.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find_map(|(found, value)| (found == name.as_bytes()).then_some(value))
    }

    /// All parameters in the order received.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        self.pairs.iter().map(|pair| self.slices(pair))
    }

    /// All parameters sorted by the bytes of their names: name, value, and the two as `&name=value`.
    pub(crate) fn sorted(&self) -> impl Iterator<Item = (&[u8], &[u8], &[u8])> {
        self.by_name.iter().filter_map(|index| self.pairs.get(usize::from(*index))).map(|pair| {
            let (name, value) = self.slices(pair);
            (name, value, self.text.get(pair.start..pair.value.end).unwrap_or_default())
        })
    }

    /// Leaves out all parameters whose value is empty.
    pub(crate) fn without_empties(mut self) -> Self {
        let keep: Vec<bool> = self.pairs.iter().map(|pair| !pair.value.is_empty()).collect();
        let kept = |index: u16| keep.get(usize::from(index)).copied().unwrap_or_default();
        // Where a pair goes is the number of pairs kept before it.
        let place = |index: u16| (0..index).map(|before| u16::from(kept(before))).sum();
        self.by_name = self.by_name.iter().filter(|index| kept(**index)).map(|index| place(*index)).collect();
        self.pairs.retain(|pair| !pair.value.is_empty());
        self
    }

    fn at(&self, index: u16) -> (&[u8], &[u8]) {
        self.pairs.get(usize::from(index)).map(|pair| self.slices(pair)).unwrap_or_default()
    }

    fn slices(&self, pair: &Pair) -> (&[u8], &[u8]) {
        let slice = |range: &Range<usize>| self.text.get(range.clone()).unwrap_or_default();
        (slice(&pair.name), slice(&pair.value))
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name.escape_ascii().to_string())).finish()
    }
}

/// Whether `name` is a plain parameter name: `[A-Za-z][A-Za-z0-9_]{0,63}`.
pub(crate) fn is_name(name: &[u8]) -> bool {
    name.len() <= MAX_NAME
        && name.first().is_some_and(u8::is_ascii_alphabetic)
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// Whether all of `body` is ASCII that prints. Block by block, without a way out of each, which compilers make quick.
fn is_printable(body: &[u8]) -> bool {
    const BLOCK: usize = 64;
    body.chunks(BLOCK).all(|block| block.iter().fold(true, |all, byte| all & byte.is_ascii_graphic()))
}

/// What stands before the first `separator`, and what after it, where there is one.
fn split_at(separator: u8, text: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(separator, text).and_then(|at| text.split_at_checked(at)) {
        Some((before, from)) => (before, from.get(1..)),
        None => (text, None),
    }
}

/// Appends `encoded`, decoded, to `text`, and says where it stands.
///
/// Plain text is copied as far as it goes. Escapes come in rows, in which nothing is searched for.
fn decode(encoded: &[u8], text: &mut Vec<u8>) -> Result<Range<usize>, FormError> {
    let start = text.len();
    let mut rest = encoded;
    while !rest.is_empty() {
        rest = match rest {
            [b'%', high, low, after @ ..] => {
                text.push(nibble(*high)? << 4 | nibble(*low)?);
                after
            }
            [b'%', ..] => return Err(FormError::BadEscape),
            [b'+', after @ ..] => {
                text.push(b' ');
                after
            }
            plain => {
                let end = memchr::memchr2(b'%', b'+', plain).unwrap_or(plain.len());
                let (plain, after) = plain.split_at_checked(end).unwrap_or_default();
                text.extend_from_slice(plain);
                after
            }
        };
    }
    Ok(start..text.len())
}

/// The value of a hexadecimal digit.
fn nibble(digit: u8) -> Result<u8, FormError> {
    match digit {
        b'0'..=b'9' => Ok(digit.wrapping_sub(b'0')),
        b'a'..=b'f' => Ok(digit.wrapping_sub(b'a').wrapping_add(10)),
        b'A'..=b'F' => Ok(digit.wrapping_sub(b'A').wrapping_add(10)),
        _ => Err(FormError::BadEscape),
    }
}

/// Why a body is not a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormError {
    /// A byte outside printable ASCII: every sender percent-encodes.
    NotPrintable,
    /// A `%` without two hexadecimal digits after it.
    BadEscape,
    /// An empty pair, or one without `=`.
    NoEquals,
    /// A name outside `[A-Za-z][A-Za-z0-9_]{0,63}`.
    BadName,
    /// A name that occurs twice after decoding.
    Repeated,
    /// More pairs than allowed.
    TooMany,
}

impl FormError {
    /// The reason under which the notification is refused.
    pub fn reason(self) -> Reason {
        match self {
            Self::NotPrintable | Self::BadEscape => Reason::BadEncoding,
            Self::NoEquals | Self::BadName => Reason::MalformedForm,
            Self::Repeated => Reason::RepeatedParameter,
            Self::TooMany => Reason::TooManyParameters,
        }
    }
}

impl fmt::Display for FormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotPrintable => "a byte outside printable ASCII",
            Self::BadEscape => "a % without two hexadecimal digits",
            Self::NoEquals => "an empty pair, or one without =",
            Self::BadName => "a name that is not a plain parameter name",
            Self::Repeated => "a name occurs twice",
            Self::TooMany => "too many parameters",
        })
    }
}

impl std::error::Error for FormError {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn pairs(form: &Form) -> Vec<(&[u8], &[u8])> {
        form.iter().collect()
    }

    /// Encodes with as many or as few escapes as `style` says, byte by byte.
    fn encode(bytes: &[u8], style: u8) -> String {
        let mut text = String::new();
        for byte in bytes {
            match byte {
                b' ' if style & 1 == 0 => text.push('+'),
                b'a'..=b'z' | b'0'..=b'9' | b'_' if style & 2 == 0 => text.push(char::from(*byte)),
                _ if style & 4 == 0 => write!(text, "%{byte:02X}").unwrap(),
                _ => write!(text, "%{byte:02x}").unwrap(),
            }
        }
        text
    }

    #[test]
    fn a_form_is_decoded_once_to_bytes_in_the_order_received() {
        let form = Form::parse(b"b=%E4%BA%BA+%2B%2525&a=&c=x=y%26", 3).unwrap();
        assert_eq!(pairs(&form), [(&b"b"[..], "人 +%25".as_bytes()), (b"a", b""), (b"c", b"x=y&")]);
        assert_eq!(form.get("c"), Some(&b"x=y&"[..]));
        assert_eq!(form.get("a"), Some(&b""[..]));
        assert_eq!(form.get("d"), None);
        let sorted: Vec<_> = form.sorted().map(|(_, _, pair)| pair).collect();
        assert_eq!(sorted, [&b"&a="[..], "&b=人 +%25".as_bytes(), b"&c=x=y&"]);
    }

    #[test]
    fn what_is_not_a_strict_form_is_refused() {
        for (bad, error) in [
            ("", FormError::NoEquals),
            ("a", FormError::NoEquals),
            ("&a=b", FormError::NoEquals),
            ("a=b&", FormError::NoEquals),
            ("a=b&&c=d", FormError::NoEquals),
            ("=b", FormError::BadName),
            ("%=b", FormError::BadEscape),
            ("a=%", FormError::BadEscape),
            ("a=%4", FormError::BadEscape),
            ("a=%4g", FormError::BadEscape),
            ("a=%+4", FormError::BadEscape),
            ("a=b c", FormError::NotPrintable),
            ("a=b\r\n", FormError::NotPrintable),
            ("a=\u{4eba}", FormError::NotPrintable),
            ("a=\0", FormError::NotPrintable),
            ("_a=b", FormError::BadName),
            ("1=b", FormError::BadName),
            ("a.b=c", FormError::BadName),
            ("a[]=c", FormError::BadName),
            ("a+b=c", FormError::BadName),
            ("%61%00=c", FormError::BadName),
            ("a=b&a=b", FormError::Repeated),
            ("a=b&%61=c", FormError::Repeated),
            ("a=1&b=2&c=3&d=4&e=5", FormError::TooMany),
        ] {
            assert_eq!(Form::parse(bad.as_bytes(), 4).unwrap_err(), error, "{bad:?}");
        }
        assert!(Form::parse("a=1&b=2&c=3&d=4".as_bytes(), 4).is_ok());
        assert!(Form::parse(format!("{}=1", "a".repeat(64)).as_bytes(), 4).is_ok());
        assert_eq!(
            Form::parse(format!("{}=1", "a".repeat(65)).as_bytes(), 4).unwrap_err(),
            FormError::BadName
        );
    }

    #[test]
    fn debug_prints_names_and_never_values() {
        let form = Form::parse(b"name=secret", 1).unwrap();
        assert_eq!(format!("{form:?}"), "[\"name\"]");
    }

    fn any_pairs() -> impl Strategy<Value = BTreeMap<String, Vec<u8>>> {
        prop::collection::btree_map(
            "[A-Za-z][A-Za-z0-9_]{0,8}",
            prop::collection::vec(any::<u8>(), 0..20),
            1..20,
        )
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding_whatever_its_style(pairs in any_pairs(), style in any::<u8>()) {
            let body: Vec<String> = pairs
                .iter()
                .map(|(name, value)| format!("{}={}", encode(name.as_bytes(), style), encode(value, style)))
                .collect();
            let form = Form::parse(body.join("&").as_bytes(), 64).unwrap();
            let decoded: BTreeMap<String, Vec<u8>> = form
                .iter()
                .map(|(name, value)| (String::from_utf8(name.to_vec()).unwrap(), value.to_vec()))
                .collect();
            prop_assert_eq!(&decoded, &pairs);
            // Sorted by bytes, as a map of strings is.
            let sorted: Vec<&[u8]> = form.sorted().map(|(name, ..)| name).collect();
            prop_assert_eq!(sorted, pairs.keys().map(String::as_bytes).collect::<Vec<_>>());
        }

        #[test]
        fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..200), max in 0_usize..70) {
            if let Ok(form) = Form::parse(&body, max) {
                prop_assert!(form.iter().count() <= max);
            }
        }

        #[test]
        fn no_text_of_a_form_makes_it_panic(body in "[a-z%=&+0-9A-F]{0,80}") {
            if let Ok(form) = Form::parse(body.as_bytes(), 64) {
                for (name, value) in form.iter() {
                    prop_assert!(is_name(name));
                    prop_assert!(value.len() <= body.len());
                }
            }
        }

        #[test]
        fn leaving_empties_out_keeps_all_else_in_order(pairs in any_pairs()) {
            let body: Vec<String> =
                pairs.iter().rev().map(|(name, value)| format!("{name}={}", encode(value, 2))).collect();
            let form = Form::parse(body.join("&").as_bytes(), 64).unwrap();
            let kept: Vec<(Vec<u8>, Vec<u8>)> = form
                .iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|(name, value)| (name.to_vec(), value.to_vec()))
                .collect();
            let form = form.without_empties();
            prop_assert_eq!(pairs_owned(&form), kept.clone());
            let mut sorted = kept;
            sorted.sort();
            let found: Vec<_> = form.sorted().map(|(name, value, _)| (name.to_vec(), value.to_vec())).collect();
            prop_assert_eq!(found, sorted);
        }
    }

    fn pairs_owned(form: &Form) -> Vec<(Vec<u8>, Vec<u8>)> {
        form.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
    }
}
