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

/// Text for a terminal: control characters, which a file name or a subject may hold, cannot act there.
pub(crate) struct Printable<'a>(pub(crate) &'a str);

impl Display for Printable<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        escape(f, self.0)
    }
}

fn escape(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    text.chars().try_for_each(|character| {
        if character.is_control() {
            write!(f, "{}", character.escape_default())
        } else {
            f.write_char(character)
        }
    })
}
