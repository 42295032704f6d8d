//! The way from a catalogue file to the message that it describes: what is written, and then what that means.

mod fields;
mod meaning;
mod shape;
mod table;
#[cfg(test)]
mod tests;

pub(super) use self::shape::{WrittenWords, told};
use super::{CatalogueError, Message, Naming};

/// The message that the TOML `text` describes and the line that names it, or all mistakes in it that can be told.
///
/// `clash` is asked once, with what names the message and whether it has fields. It says what is wrong if that name is
/// taken.
pub(super) fn parse(
    file: &str,
    text: &str,
    clash: impl FnOnce(Naming, &str, bool) -> Option<String>,
) -> Result<(Message, usize), Vec<CatalogueError>> {
    let mut mistakes = Mistakes { file, text, found: Vec::new() };
    let described = shape::read(text, &mut mistakes)
        .and_then(|written| meaning::message(written, clash, &mut mistakes))
        .filter(|_| mistakes.found.is_empty());
    match described {
        Some((message, at)) => Ok((message, mistakes.line(at))),
        None => Err(mistakes.in_order()),
    }
}

/// The mistakes that were found so far in one file.
struct Mistakes<'f> {
    file: &'f str,
    text: &'f str,
    found: Vec<CatalogueError>,
}

impl Mistakes<'_> {
    /// Adds a mistake that was made at the byte `at`.
    fn add(&mut self, at: usize, mistake: impl Into<String>) {
        let (file, line, mistake) = (self.file.to_owned(), self.line(at), mistake.into());
        self.found.push(CatalogueError { file, line, mistake });
    }

    /// The line of the byte `at`, counted from 1.
    fn line(&self, at: usize) -> usize {
        self.text.bytes().take(at).filter(|byte| *byte == b'\n').count().saturating_add(1)
    }

    /// All of them, from the top of the file to its end.
    fn in_order(mut self) -> Vec<CatalogueError> {
        self.found.sort_by_key(|mistake| mistake.line);
        self.found
    }
}
