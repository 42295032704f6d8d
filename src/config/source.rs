//! The text of the configuration file, and the way from an offset in it to a line and a column.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::finding::{Finding, Place};

/// The longest piece of the file that a message quotes, in characters.
const QUOTED: usize = 60;

/// A configuration file that is UTF-8.
pub(super) struct Source<'a> {
    file: Arc<str>,
    text: &'a str,
    /// The offset of the first byte of each line, ascending.
    lines: Vec<usize>,
}

impl<'a> Source<'a> {
    /// The text of `bytes`, without a byte-order mark.
    pub(super) fn new(path: &Path, bytes: &'a [u8]) -> Result<Self, Finding> {
        let file = name(path);
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let source = |text| Self { file: Arc::clone(&file), text, lines: line_starts(text) };
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(source(text)),
            Err(error) => {
                let sound = bytes.get(..error.valid_up_to()).unwrap_or_default();
                let place = source(std::str::from_utf8(sound).unwrap_or_default()).place(error.valid_up_to());
                Err(Finding {
                    file: Arc::clone(&file),
                    place: Some(place),
                    key: String::new(),
                    what: "the file is not UTF-8".to_owned(),
                    remedy: "save it as UTF-8".to_owned(),
                })
            }
        }
    }

    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    pub(super) fn file(&self) -> Arc<str> {
        Arc::clone(&self.file)
    }

    /// Where the byte at `offset` stands.
    pub(super) fn place(&self, offset: usize) -> Place {
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = line.checked_sub(1).and_then(|index| self.lines.get(index)).copied().unwrap_or_default();
        let before = self.text.get(start..offset).unwrap_or_default();
        Place { line, column: before.chars().count().saturating_add(1) }
    }

    /// The text as it is written in the file.
    pub(super) fn raw(&self, span: Range<usize>) -> &'a str {
        self.text.get(span).unwrap_or_default()
    }
}

/// The name of a file in messages: as it was given.
pub(super) fn name(path: &Path) -> Arc<str> {
    path.to_string_lossy().into()
}

/// A piece of the file for a message; a long one is cut.
pub(super) fn quote(raw: &str) -> String {
    let mut quoted: String = raw.chars().take(QUOTED).collect();
    if quoted.len() < raw.len() {
        quoted.push('…');
    }
    quoted
}

fn line_starts(text: &str) -> Vec<usize> {
    let after_breaks = text.match_indices('\n').map(|(offset, _)| offset.saturating_add(1));
    std::iter::once(0).chain(after_breaks).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place(text: &str, needle: &str) -> (usize, usize) {
        let source = Source::new(Path::new("x"), text.as_bytes()).unwrap();
        let place = source.place(source.text().find(needle).unwrap());
        (place.line, place.column)
    }

    #[test]
    fn lines_count_from_one_and_columns_in_characters() {
        assert_eq!(place("a", "a"), (1, 1));
        assert_eq!(place("a\nbc", "c"), (2, 2));
        assert_eq!(place("a\r\nbc", "c"), (2, 2));
        assert_eq!(place("# 支付宝\n\n支付 x", "x"), (3, 4));
    }

    #[test]
    fn a_byte_order_mark_takes_no_column() {
        assert_eq!(place("\u{feff}ab", "b"), (1, 2));
    }

    #[test]
    fn a_file_that_is_not_utf8_is_refused_at_its_first_such_byte() {
        let finding = Source::new(Path::new("x"), b"a\nb\xb0\xa1").err().unwrap();
        assert_eq!(finding.place, Some(Place { line: 2, column: 2 }));
    }

    proptest! {
        #[test]
        fn a_place_is_found_for_any_offset(text in ".{0,40}\n.{0,40}", offset in 0_usize..200) {
            let source = Source::new(Path::new("x"), text.as_bytes()).unwrap();
            let place = source.place(offset);
            prop_assert!(place.line >= 1 && place.column >= 1);
        }
    }
}
