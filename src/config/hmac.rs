//! `upstream.hmac_key_file`: the secret by which the app knows that a request is the sidecar's.

use std::sync::Arc;

use super::apps::{MAX_KEY_FILE, REMEDY_FOR_FILE, shown};
use super::files::Folder;
use super::reader::{Problem, Written};
use crate::deliver::webhook::{SecretError, Signer};

/// The signer with the secret in the file that is named. Relative paths start at `folder`.
pub(super) fn from_file(written: &Written<'_>, folder: &Folder<'_>) -> Result<Arc<Signer>, Problem> {
    let name = written.text.as_ref();
    if is_secret(name, folder) {
        let remedy =
            "write the name of its file here, and give the app another secret: this one is known now";
        return Err(Problem::new("this is a secret, not the name of a file", remedy));
    }
    let path = folder.join(name);
    let shown = shown(written, &path);
    let bytes = folder
        .read(&path, MAX_KEY_FILE)
        .map_err(|error| Problem::new(format!("{shown} cannot be read: {error}"), REMEDY_FOR_FILE))?;
    let signer = Signer::parse(&bytes)
        .map_err(|error| Problem::new(format!("{shown} holds no secret that can be used: {error}"), ""))?;
    Ok(Arc::new(signer))
}

/// Whether this is a secret itself, so that no message may quote it. Bare base64 may be a name too, if there is such
/// a file.
fn is_secret(name: &str, folder: &Folder<'_>) -> bool {
    let is_marked = ["whsec_", "whsk_", "-----"].iter().any(|mark| name.contains(mark));
    let is_file = || folder.join(name).exists();
    is_marked && !is_file()
        || name.contains('\n')
        || name.len() > 255
        || (matches!(Signer::parse(name.as_bytes()), Ok(_) | Err(SecretError::Length(16..))) && !is_file())
}
