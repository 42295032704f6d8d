//! Parameters as somebody has them, read without a rule: for a diagnosis, and for nothing that is acted upon.

use std::fmt;

use aws_lc_rs::digest;
use bytes::Bytes;

use crate::receive::form::Form;
use crate::verify::SignedForm;
use crate::verify::key::Hash;

/// Parameters in the order received. Nothing is known of them: names may be odd, and may occur twice.
///
/// `Debug` prints names, never values.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Parameters(Vec<(Bytes, Bytes)>);

/// What becomes of parameters whose value is empty when the text is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Empties {
    /// They are part of it.
    Kept,
    /// They are left out.
    LeftOut,
}

/// How the text under a signature is made of parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// With or without `sign_type`.
    pub form: SignedForm,
    /// With or without empty values.
    pub empties: Empties,
}

/// The most parameters that are looked at; a notification has some thirty.
pub(super) const MAX_PARAMETERS: usize = 256;

impl Parameters {
    /// The pairs of a body that is an encoded form. What is no valid escape stays as it is.
    pub fn decoded(body: &[u8]) -> Self {
        Self::pairs(body.split(|byte| *byte == b'&'), |text| decode(text, Plus::IsSpace))
    }

    /// As [`decoded`](Self::decoded), but a `+` stays what it is.
    pub fn decoded_but_plus(body: &[u8]) -> Self {
        Self::pairs(body.split(|byte| *byte == b'&'), |text| decode(text, Plus::IsPlus))
    }

    /// The pairs of a body that somebody has decoded already, so that values may hold `&` and `=`: a pair begins where
    /// `begins` holds for a name.
    pub fn literal(body: &[u8], begins: impl Fn(&[u8]) -> bool) -> Self {
        let starts = body.split(|byte| *byte == b'&').scan(0_usize, |at, piece| {
            let start = *at;
            *at = at.saturating_add(piece.len()).saturating_add(1);
            Some((start, piece))
        });
        let is_start =
            |piece: &[u8]| memchr::memchr(b'=', piece).and_then(|end| piece.get(..end)).is_some_and(&begins);
        let mut starts: Vec<usize> =
            starts.filter(|(start, piece)| *start == 0 || is_start(piece)).map(|(start, _)| start).collect();
        starts.push(body.len().saturating_add(1));
        let pieces = starts.windows(2).filter_map(|ends| match ends {
            [start, end] => body.get(*start..end.saturating_sub(1)),
            _ => None,
        });
        Self::pairs(pieces, <[u8]>::to_vec)
    }

    fn pairs<'b>(pieces: impl Iterator<Item = &'b [u8]>, read: impl Fn(&[u8]) -> Vec<u8>) -> Self {
        let pair = |piece: &'b [u8]| {
            let (name, value) = match memchr::memchr(b'=', piece).and_then(|at| piece.split_at_checked(at)) {
                Some((name, value)) => (name, value.get(1..).unwrap_or_default()),
                None => (piece, &[][..]),
            };
            (Bytes::from(read(name)), Bytes::from(read(value)))
        };
        Self(pieces.filter(|piece| !piece.is_empty()).take(MAX_PARAMETERS).map(pair).collect())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// How many bytes names and values have.
    pub fn bytes(&self) -> usize {
        self.0.iter().fold(0, |sum, (name, value)| sum.saturating_add(name.len()).saturating_add(value.len()))
    }

    /// All of them, in the order received.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        self.0.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }

    /// The first value of the parameter `name`.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find_map(|(found, value)| (found == name.as_bytes()).then_some(value))
    }

    /// The app that the notification says it is for; that of a gateway check stands in its XML.
    pub fn app_id(&self) -> Option<&[u8]> {
        ["app_id", "auth_app_id", "seller_id"].iter().find_map(|name| self.get(name)).or_else(|| {
            let (_, after) = split(self.get("biz_content")?, b"<AppId><![CDATA[")?;
            split(after, b"]]></AppId>").map(|(app_id, _)| app_id)
        })
    }

    /// With the value at `place` replaced.
    pub(super) fn with(&self, place: usize, value: impl Into<Bytes>) -> Self {
        let mut changed = self.clone();
        if let Some((_, old)) = changed.0.get_mut(place) {
            *old = value.into();
        }
        changed
    }

    /// With the value of each parameter replaced for which `change` has another one; `None` if that is none. `sign`
    /// is no content.
    pub(super) fn changed(&self, change: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Option<Self> {
        let mut changed = self.clone();
        let mut any = false;
        for (_, value) in changed.0.iter_mut().filter(|(name, _)| name != "sign") {
            if let Some(new) = change(value).filter(|new| new != value) {
                *value = new.into();
                any = true;
            }
        }
        any.then_some(changed)
    }

    /// With each value replaced, if `change` has another one for every one of them.
    pub(super) fn map(&self, change: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Option<Self> {
        let pairs = self.0.iter().map(|(name, value)| Some((name.clone(), change(value)?.into())));
        pairs.collect::<Option<_>>().map(Self)
    }

    /// Without the parameter at `place`.
    pub(super) fn without(&self, place: usize) -> Self {
        let mut changed = self.clone();
        if place < changed.0.len() {
            changed.0.remove(place);
        }
        changed
    }

    /// Those for which `keep` holds.
    pub(super) fn only(&self, keep: impl Fn(&[u8]) -> bool) -> Self {
        Self(self.0.iter().filter(|(name, _)| keep(name)).cloned().collect())
    }

    /// With one more.
    pub(super) fn and(&self, name: &str, value: &[u8]) -> Self {
        let mut changed = self.clone();
        changed.0.push((Bytes::copy_from_slice(name.as_bytes()), Bytes::copy_from_slice(value)));
        changed
    }

    /// The pieces of the text of this shape, in their order.
    fn pieces(&self, shape: Shape) -> impl Iterator<Item = [&[u8]; 4]> {
        let mut signed: Vec<&(Bytes, Bytes)> = self
            .0
            .iter()
            .filter(|(name, value)| {
                name != "sign"
                    && (shape.form == SignedForm::V2 || name != "sign_type")
                    && (shape.empties == Empties::Kept || !value.is_empty())
            })
            .collect();
        signed.sort_by(|one, other| one.0.cmp(&other.0));
        signed.into_iter().enumerate().map(|(nth, (name, value))| {
            [if nth == 0 { &b""[..] } else { b"&" }, name.as_ref(), b"=", value.as_ref()]
        })
    }

    /// The text that is signed in this shape.
    pub fn signed_text(&self, shape: Shape) -> Vec<u8> {
        self.pieces(shape).flatten().flatten().copied().collect()
    }

    /// The hash of that text.
    pub fn digest(&self, shape: Shape, hash: Hash) -> digest::Digest {
        let mut context = digest::Context::new(match hash {
            Hash::Sha256 => &digest::SHA256,
            Hash::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        });
        self.pieces(shape).flatten().for_each(|piece| context.update(piece));
        context.finish()
    }

    /// The shapes in which the texts of these parameters differ from each other.
    pub fn shapes(&self) -> impl Iterator<Item = Shape> + use<> {
        let forms = if self.get("sign_type").is_some() {
            &[SignedForm::V1, SignedForm::V2][..]
        } else {
            &[SignedForm::V1]
        };
        let has_empties = self.iter().any(|(_, value)| value.is_empty());
        let empties = if has_empties { &[Empties::Kept, Empties::LeftOut][..] } else { &[Empties::Kept] };
        empties
            .iter()
            .flat_map(move |empties| forms.iter().map(|form| Shape { form: *form, empties: *empties }))
    }

    /// The form in which these parameters are posted.
    pub fn encoded(&self) -> String {
        let mut body = String::new();
        for (nth, (name, value)) in self.iter().enumerate() {
            body.push_str(if nth == 0 { "" } else { "&" });
            body.extend(form_urlencoded::byte_serialize(name));
            body.push('=');
            body.extend(form_urlencoded::byte_serialize(value));
        }
        body
    }
}

impl From<&Form> for Parameters {
    fn from(form: &Form) -> Self {
        form.iter().collect()
    }
}

impl<'p> FromIterator<(&'p [u8], &'p [u8])> for Parameters {
    fn from_iter<I: IntoIterator<Item = (&'p [u8], &'p [u8])>>(pairs: I) -> Self {
        let copied =
            |(name, value): (&[u8], &[u8])| (Bytes::copy_from_slice(name), Bytes::copy_from_slice(value));
        Self(pairs.into_iter().take(MAX_PARAMETERS).map(copied).collect())
    }
}

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name.escape_ascii().to_string())).finish()
    }
}

/// What a `+` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plus {
    IsSpace,
    IsPlus,
}

/// `text`, percent-decoded once; what is no valid escape stays as it is.
pub(super) fn decode(text: &[u8], plus: Plus) -> Vec<u8> {
    let spaced: Vec<u8> = match plus {
        Plus::IsSpace => text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect(),
        Plus::IsPlus => text.to_vec(),
    };
    percent_encoding::percent_decode(&spaced).collect()
}

/// What stands before and after the first `mark` in `text`.
pub(super) fn split<'t>(text: &'t [u8], mark: &[u8]) -> Option<(&'t [u8], &'t [u8])> {
    let (before, rest) = text.split_at_checked(memchr::memmem::find(text, mark)?)?;
    Some((before, rest.get(mark.len()..)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::receive::form::is_name;

    fn pairs(parameters: &Parameters) -> Vec<(&str, &str)> {
        let text = |bytes| std::str::from_utf8(bytes).unwrap();
        parameters.iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    #[test]
    fn a_body_can_be_read_in_three_ways() {
        let body = b"a=1%2B+2&b={\"x\":\"%26y\"}";
        assert_eq!(pairs(&Parameters::decoded(body)), [("a", "1+ 2"), ("b", "{\"x\":\"&y\"}")]);
        assert_eq!(pairs(&Parameters::decoded_but_plus(body)), [("a", "1++2"), ("b", "{\"x\":\"&y\"}")]);
        assert_eq!(pairs(&Parameters::literal(body, is_name)), [("a", "1%2B+2"), ("b", "{\"x\":\"%26y\"}")]);
    }

    #[test]
    fn what_was_decoded_already_is_split_only_where_a_name_begins() {
        let body = b"a={&quot;x&quot;:1}&b=2&c d=3&=4&e=";
        assert_eq!(
            pairs(&Parameters::literal(body, is_name)),
            [("a", "{&quot;x&quot;:1}"), ("b", "2&c d=3&=4"), ("e", "")]
        );
    }

    #[test]
    fn the_signed_text_is_that_of_the_form() {
        let body = b"b=2&sign=x&a=&sign_type=RSA2";
        let parameters = Parameters::decoded(body);
        let texts: Vec<String> = parameters
            .shapes()
            .map(|shape| String::from_utf8(parameters.signed_text(shape)).unwrap())
            .collect();
        assert_eq!(texts, ["a=&b=2", "a=&b=2&sign_type=RSA2", "b=2", "b=2&sign_type=RSA2"]);
        assert_eq!(Parameters::decoded(b"b=2").shapes().count(), 1);
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic_and_encoding_is_undone_by_decoding(body in prop::collection::vec(any::<u8>(), 0..200)) {
            for parameters in [Parameters::decoded(&body), Parameters::literal(&body, is_name), Parameters::decoded_but_plus(&body)] {
                let again = Parameters::decoded(parameters.encoded().as_bytes());
                prop_assert_eq!(again.iter().collect::<Vec<_>>(), parameters.iter().collect::<Vec<_>>());
                parameters.shapes().for_each(|shape| {
                    let text = parameters.signed_text(shape);
                    let digest = digest::digest(&digest::SHA256, &text);
                    assert_eq!(parameters.digest(shape, Hash::Sha256).as_ref(), digest.as_ref());
                });
            }
        }
    }
}
