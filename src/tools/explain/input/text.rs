//! A capture as text, whatever charset it is written in, so that it can be read, and its bytes be had again.

use std::borrow::Cow;

use encoding_rs::{GB18030, UTF_16BE, UTF_16LE};

/// A capture as text.
#[derive(Debug)]
pub(super) struct Text<'t> {
    raw: Cow<'t, [u8]>,
    decoded: Option<String>,
    charset: Charset,
}

/// How the bytes of a capture became its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Charset {
    /// They are the text.
    Utf8,
    /// They are GB18030, of which GBK is a part, and come back as they were.
    Gb18030,
    /// They are nothing that is known here: each byte is a character, which keeps them.
    Bytes,
}

impl<'t> Text<'t> {
    /// Reads `bytes`. What is in UTF-16, as PowerShell writes files, becomes UTF-8, and marks of byte order are left out.
    pub(super) fn of(bytes: &'t [u8]) -> Self {
        for (mark, encoding) in [(b"\xff\xfe", UTF_16LE), (b"\xfe\xff", UTF_16BE)] {
            if let Some(wide) = bytes.strip_prefix(mark) {
                let text = encoding.decode_without_bom_handling(wide).0.into_owned();
                return Self { raw: Cow::Owned(text.into_bytes()), decoded: None, charset: Charset::Utf8 };
            }
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let raw = Cow::Borrowed(bytes);
        if std::str::from_utf8(bytes).is_ok() {
            return Self { raw, decoded: None, charset: Charset::Utf8 };
        }
        let decoded = GB18030.decode_without_bom_handling_and_without_replacement(bytes);
        let is_gbk = |text: &Cow<'_, str>| !is_mostly_utf8(bytes) && GB18030.encode(text).0 == bytes;
        if let Some(text) = decoded.filter(is_gbk) {
            return Self { raw, decoded: Some(text.into_owned()), charset: Charset::Gb18030 };
        }
        let text = bytes.iter().map(|byte| char::from(*byte)).collect();
        Self { raw, decoded: Some(text), charset: Charset::Bytes }
    }

    /// The bytes as they are, without a mark of byte order.
    pub(super) fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The text.
    pub(super) fn as_str(&self) -> &str {
        match &self.decoded {
            Some(text) => text,
            None => std::str::from_utf8(&self.raw).unwrap_or_default(),
        }
    }

    /// Whether the text has the bytes of the capture.
    pub(super) fn is_utf8(&self) -> bool {
        self.charset == Charset::Utf8
    }

    /// The bytes that `part`, which was read in the text, has in the capture.
    pub(super) fn bytes(&self, part: &str) -> Vec<u8> {
        match self.charset {
            Charset::Utf8 => part.as_bytes().to_vec(),
            Charset::Gb18030 => GB18030.encode(part).0.into_owned(),
            Charset::Bytes => {
                let mut bytes = Vec::with_capacity(part.len());
                for character in part.chars() {
                    match u8::try_from(u32::from(character)) {
                        Ok(byte) => bytes.push(byte),
                        // An escape that was read.
                        Err(_) => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
                    }
                }
                bytes
            }
        }
    }

    /// The same of a part in UTF-8. What is none was written with escapes.
    pub(super) fn of_bytes(&self, part: &[u8]) -> Vec<u8> {
        std::str::from_utf8(part).map_or_else(|_error| part.to_vec(), |part| self.bytes(part))
    }
}

/// Whether more characters beyond ASCII are good UTF-8 than not: something cut or mixed it.
fn is_mostly_utf8(bytes: &[u8]) -> bool {
    let (mut good, mut bad) = (0_usize, 0_usize);
    for chunk in bytes.utf8_chunks() {
        good = good.saturating_add(chunk.valid().chars().filter(|character| !character.is_ascii()).count());
        bad = bad.saturating_add(chunk.invalid().len());
    }
    good > bad
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_in_gbk_is_read_and_comes_back_in_its_bytes() {
        let bytes = b"a=\xc8\xcb\xc1\xb3}\x95\x5c";
        let text = Text::of(bytes);
        assert_eq!(text.as_str(), "a=人脸}昞");
        assert_eq!(text.bytes(text.as_str()), bytes);
    }

    #[test]
    fn utf_8_that_was_cut_is_not_taken_for_gbk() {
        let bytes = "人脸核验".as_bytes();
        let bytes = bytes.get(..bytes.len() - 1).unwrap();
        let text = Text::of(bytes);
        assert_eq!(text.charset, Charset::Bytes);
        assert_eq!(text.bytes(text.as_str()), bytes);
    }

    #[test]
    fn files_of_powershell_are_read() {
        assert_eq!(Text::of(b"\xff\xfea\0=\0\xba\x4e").as_str(), "a=人");
    }

    proptest! {
        #[test]
        fn whatever_the_bytes_they_come_back(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let text = Text::of(&bytes);
            prop_assert_eq!(text.bytes(text.as_str()), text.raw());
        }
    }
}
