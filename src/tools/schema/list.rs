//! All messages, a line each.

use std::io::{self, Write};

use super::completeness;
use crate::translate::catalogue::Message;

/// Writes a table of `messages`, whose last column is the only one that is not plain ASCII.
pub(super) fn write(messages: &[Message], out: &mut impl Write) -> io::Result<()> {
    let width = messages.iter().map(|message| message.name.len()).max().unwrap_or_default();
    for message in messages {
        let title = message.title.both();
        let line = format!("{:width$}  {:10}  {title}", message.name, completeness(message));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
