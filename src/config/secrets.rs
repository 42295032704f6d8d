//! The keys of an app that are not Alipay's: named by their files, and never written into the configuration itself.

use std::path::Path;

use super::apps::read_named;
use super::reader::{Problem, Written};
use crate::translate::cipher::ContentKey;

/// The content key in the file that `written` names, which is relative to `folder`.
pub(super) fn content_key(written: &Written<'_>, folder: &Path) -> Result<ContentKey, Problem> {
    // A name of 24 characters that is a content key is not opened as a file, and not shown in a message.
    if ContentKey::parse(written.text.as_bytes()).is_ok() {
        return Err(Problem::new("this is a key, not the name of a file", OTHERWISE));
    }
    let (shown, bytes) = read_named(written, folder, "a file that only its owner can read")?;
    ContentKey::parse(&bytes)
        .map_err(|error| Problem::new(format!("{shown} holds no content key: {error}"), ""))
}

const OTHERWISE: &str = "write the name of its file here, a file that only its owner can read";
