//! What is said about a configuration: where, about which key, what is wrong, and what to do.

use std::error::Error;
use std::fmt::{self, Display, Formatter, Write as _};
use std::sync::Arc;

/// A position in the configuration file. Both numbers count from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// One error or warning about the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The configuration file, as it was named on the command line.
    pub file: Arc<str>,
    /// Where in the file; `None` if it is about the file as a whole.
    pub place: Option<Place>,
    /// The path of the key, such as `upstream.timeout` or `apps[1].app_id`; empty if it is about no key.
    pub key: String,
    /// What is wrong. It quotes the file, never a value that came from the environment, and never a key.
    pub what: String,
    /// What to do about it; empty if `what` says that too.
    pub remedy: String,
}

impl Display for Finding {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        escape(f, &self.file)?;
        if let Some(place) = self.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        f.write_str("  ")?;
        if !self.key.is_empty() {
            escape(f, &self.key)?;
            f.write_str("  ")?;
        }
        escape(f, &self.what)?;
        if self.remedy.is_empty() {
            return Ok(());
        }
        f.write_str("\n    ")?;
        escape(f, &self.remedy)
    }
}

/// Everything that is wrong with a configuration, in the order of its lines; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(Vec<Finding>);

impl ConfigErrors {
    pub(super) fn one(finding: Finding) -> Self {
        Self(vec![finding])
    }

    /// The errors if there are any.
    pub(super) fn among(mut findings: Vec<Finding>) -> Result<(), Self> {
        if findings.is_empty() {
            return Ok(());
        }
        in_order(&mut findings);
        Err(Self(findings))
    }

    /// The errors, in the order of the lines.
    pub fn findings(&self) -> &[Finding] {
        &self.0
    }
}

impl Display for ConfigErrors {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_char('\n')?;
            }
            write!(f, "{finding}")?;
        }
        Ok(())
    }
}

impl Error for ConfigErrors {}

/// Sorts findings as the file reads; those about the file as a whole come first.
pub(super) fn in_order(findings: &mut [Finding]) {
    findings.sort_by_key(|finding| finding.place);
}

/// Text for a terminal: what a file name or a subject may hold that acts there, or that nobody sees, is escaped.
pub(crate) struct Printable<'a>(pub(crate) &'a str);

impl Display for Printable<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        escape(f, self.0)
    }
}

fn escape(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    text.chars().try_for_each(|character| {
        if is_unseen(character) {
            write!(f, "{}", character.escape_default())
        } else {
            f.write_char(character)
        }
    })
}

/// Whether `character` is a control, breaks lines, or is one of Unicode's format characters: those order what stands
/// around them, join it, or show nothing at all.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{600}'..='\u{605}'
                | '\u{61c}'
                | '\u{6dd}'
                | '\u{70f}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_or_is_not_seen_is_escaped() {
        for (text, shown) in [
            ("a\u{1b}[31m\u{9b}", "a\\u{1b}[31m\\u{9b}"),
            ("a\u{202e}b\u{2066}c", "a\\u{202e}b\\u{2066}c"),
            ("a\u{2028}b\u{200b}\u{feff}", "a\\u{2028}b\\u{200b}\\u{feff}"),
            ("人脸 {\"a\":'b\\n'} é", "人脸 {\"a\":'b\\n'} é"),
        ] {
            assert_eq!(Printable(text).to_string(), shown);
        }
    }
}
