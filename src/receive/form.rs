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
        if !body.iter().all(u8::is_ascii_graphic) {
            return Err(FormError::NotPrintable);
        }
        let mut text = Vec::with_capacity(body.len().saturating_add(1));
        let mut pairs = Vec::with_capacity(max_params.min(16));
        for pair in body.split(|byte| *byte == b'&') {
            if pairs.len() >= max_params {
                return Err(FormError::TooMany);
            }
            let equals = pair.iter().position(|byte| *byte == b'=').ok_or(FormError::NoEquals)?;
            let (name, value) = pair.split_at(equals);
            let start = text.len();
            text.push(b'&');
            let name = decode(name, &mut text)?;
            if !text.get(name.clone()).is_some_and(is_name) {
                return Err(FormError::BadName);
            }
            text.push(b'=');
            let value = decode(value.get(1..).unwrap_or_default(), &mut text)?;
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

/// Appends `encoded`, decoded, to `text`, and says where it stands.
fn decode(encoded: &[u8], text: &mut Vec<u8>) -> Result<Range<usize>, FormError> {
    let start = text.len();
    let mut rest = encoded;
    while let Some(special) = rest.iter().position(|byte| matches!(byte, b'%' | b'+')) {
        let (plain, from_special) = rest.split_at(special);
        text.extend_from_slice(plain);
        rest = match from_special {
            [b'%', high, low, after @ ..] => {
                text.push(nibble(*high)? << 4 | nibble(*low)?);
                after
            }
            [b'+', after @ ..] => {
                text.push(b' ');
                after
            }
            _ => return Err(FormError::BadEscape),
        };
    }
    text.extend_from_slice(rest);
    Ok(start..text.len())
}

fn nibble(digit: u8) -> Result<u8, FormError> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok()).ok_or(FormError::BadEscape)
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
