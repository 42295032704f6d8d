//! The keys of an app that are not Alipay's: named by their files, and never written into the configuration itself.

use super::apps::read_named;
use super::files::Folder;
use super::reader::{Problem, Written};
use crate::confirm::answer::SignedAnswer;
use crate::translate::cipher::ContentKey;

/// The content key in the file that `written` names, which is relative to `folder`.
pub(super) fn content_key(written: &Written<'_>, folder: &Folder<'_>) -> Result<ContentKey, Problem> {
    let (shown, bytes) = read(written, folder)?;
    ContentKey::parse(&bytes)
        .map_err(|error| Problem::new(format!("{shown} holds no content key: {error}"), ""))
}

/// The answer to a gateway check, signed with the private key in the file that `written` names, which is relative to
/// `folder`.
pub(super) fn answer(written: &Written<'_>, folder: &Folder<'_>) -> Result<SignedAnswer, Problem> {
    let (shown, bytes) = read(written, folder)?;
    SignedAnswer::sign(&bytes)
        .map_err(|error| Problem::new(format!("{shown} holds no private key that can be used: {error}"), ""))
}

fn read(written: &Written<'_>, folder: &Folder<'_>) -> Result<(String, Vec<u8>), Problem> {
    const OTHERWISE: &str = "a file that only its owner can read";
    // A content key is as short as a name. It is not opened as a file, and so not shown in a message.
    if ContentKey::parse(written.text.as_bytes()).is_ok() {
        let remedy = format!("write the name of its file here, {OTHERWISE}");
        return Err(Problem::new("this is a key, not the name of a file", remedy));
    }
    read_named(written, folder, OTHERWISE)
}
