//! `translate.messages`: the user's own files of the catalogue.

use super::apps::shown;
use super::files::Folder;
use super::reader::{Problem, Written};
use crate::translate::catalogue::Catalogue;

/// The longest catalogue file; the longest of ours has a twentieth of that.
const MAX_FILE: u64 = 256 * 1024;

/// Adds the message that one file describes to `catalogue`. Relative paths start at `folder`.
///
/// Each mistake in the file is told with its line. A message is described once: a file cannot replace one whose fields
/// are compiled in, but it can complete one of which only the name is.
pub(super) fn add(
    written: &Written<'_>,
    folder: &Folder<'_>,
    catalogue: &mut Catalogue,
) -> Result<(), Problem> {
    let path = folder.join(written.text.as_ref());
    let shown = shown(written, &path);
    let bytes = folder.read(&path, MAX_FILE).map_err(|error| {
        let remedy = "relative paths start at the folder of the configuration file; check name and rights";
        Problem::new(format!("{shown} cannot be read: {error}"), remedy)
    })?;
    let text = str::from_utf8(&bytes).map_err(|error| {
        let what = format!("{shown} is not UTF-8 from byte {} on", error.valid_up_to());
        Problem::new(what, "save it as UTF-8")
    })?;
    let name = if written.is_expanded() { written.quoted() } else { written.text.clone().into_owned() };
    catalogue.add(&name, text).map_err(|mistakes| {
        let mistakes: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        let remedy =
            "the format is documented at the top of messages/alipay.open.mini.icp.faceauth.completed.toml";
        Problem::new(format!("describes no message: {}", mistakes.join("; ")), remedy)
    })
}
