//! All messages, a line each.

use std::io::{self, Write};

use super::completeness;
use crate::translate::catalogue::Catalogue;

/// Writes a table of the messages of `catalogue`, whose last column is the only one that is not plain ASCII.
pub(super) fn write(catalogue: &Catalogue, out: &mut impl Write) -> io::Result<()> {
    let width = catalogue.methods().map(str::len).max().unwrap_or_default();
    for message in catalogue.messages() {
        let title = message.title.both();
        let line = format!("{:width$}  {:10}  {title}", message.name, completeness(message));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
