//! The charset that the notification names, and nothing else, decides how its bytes are read.
//!
//! The second byte of a GBK character can be `\` or `|`, so nothing is searched in a value before it is decoded.

use std::borrow::Cow;

use encoding_rs::{Encoding, GB18030, GBK};

/// A charset of the closed list: `encoding_rs` knows many more, which no notification may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// UTF-8.
    Utf8,
    /// GBK, of which GB2312 is a part, or GB18030.
    Chinese(&'static Encoding),
}

impl Charset {
    /// The charset of that name, which is compared without case.
    pub(crate) fn named(name: &[u8]) -> Option<Self> {
        let is = |known: &&str| name.eq_ignore_ascii_case(known.as_bytes());
        if ["utf-8", "utf8"].iter().any(is) {
            Some(Self::Utf8)
        } else if ["gbk", "gb2312"].iter().any(is) {
            Some(Self::Chinese(GBK))
        } else {
            ["gb18030"].iter().any(is).then_some(Self::Chinese(GB18030))
        }
    }

    /// The text that `bytes` hold, or nothing if any of them is malformed: no replacement character is ever made.
    ///
    /// Borrows for UTF-8, and for ASCII in any charset.
    pub(crate) fn decode(self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        match self {
            Self::Utf8 => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            // The short name, `decode`, would let a byte-order mark in the value choose another charset.
            Self::Chinese(encoding) => encoding.decode_without_bom_handling_and_without_replacement(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Charset {
        Charset::named(name.as_bytes()).unwrap()
    }

    #[test]
    fn names_are_compared_without_case() {
        assert!(matches!(named("UTF-8"), Charset::Utf8));
        assert!(matches!(named("Utf8"), Charset::Utf8));
        for name in ["GBK", "gbk", "GB2312", "gb18030", "GB18030"] {
            assert_eq!(named(name).decode(b"\xc8\xcb").unwrap(), "人", "{name}");
        }
    }

    #[test]
    fn the_list_is_closed() {
        for name in ["utf-16", "utf-16le", "iso-8859-1", "big5", "utf-7", "replacement", "x-gbk", " gbk", ""]
        {
            assert!(Charset::named(name.as_bytes()).is_none(), "{name}");
        }
    }

    #[test]
    fn malformed_bytes_are_never_replaced() {
        for bytes in [b"\xff".as_slice(), b"a\xe4\xba", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80"] {
            assert!(named("utf-8").decode(bytes).is_none(), "{bytes:x?}");
        }
        for bytes in [b"\xff".as_slice(), b"a\xc8", b"\x81\x20", b"\x81\x30\x81"] {
            assert!(named("gbk").decode(bytes).is_none(), "{bytes:x?}");
            assert!(named("gb18030").decode(bytes).is_none(), "{bytes:x?}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_text_or_malformed_but_never_a_choice() {
        assert_eq!(named("utf-8").decode(b"\xef\xbb\xbf{}").unwrap(), "\u{feff}{}");
        assert!(named("gbk").decode(b"\xff\xfe{\0}\0").is_none());
        assert_eq!(named("gbk").decode(b"\xef\xbb\xbf\xa1").unwrap().chars().count(), 2);
    }

    #[test]
    fn a_backslash_inside_a_character_is_not_a_backslash() {
        let decoded = named("gbk").decode(b"\x81\x5c").unwrap();
        assert_eq!(decoded.chars().count(), 1);
        assert!(!decoded.contains('\\'));
    }

    #[test]
    fn ascii_is_borrowed_in_every_charset() {
        for name in ["utf-8", "gbk", "gb18030"] {
            assert!(matches!(named(name).decode(b"{\"a\":1}"), Some(Cow::Borrowed(_))), "{name}");
        }
    }
}
