//! Where the file of the ledger lies, and whether it still does.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The place of an open file: its path, and by what the system knows the file itself.
#[derive(Debug, Clone)]
pub(super) struct Place {
    path: PathBuf,
    identity: (u64, u64),
}

impl Place {
    /// The place of `file`, which was opened at `path`.
    pub(super) fn of(path: &Path, file: &File) -> io::Result<Self> {
        let found = file.metadata()?;
        Ok(Self { path: path.to_owned(), identity: (found.dev(), found.ino()) })
    }

    /// Whether the file still lies there. That it was removed or replaced is an error.
    pub(super) fn check(&self) -> io::Result<()> {
        let gone =
            |what: &str| io::Error::new(io::ErrorKind::NotFound, format!("{}: {what}", self.path.display()));
        match fs::metadata(&self.path) {
            Ok(found) if (found.dev(), found.ino()) == self.identity => Ok(()),
            Ok(_) => Err(gone("there is another file in its place")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(gone("it was removed")),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_lies_where_it_was_opened_until_it_is_removed_or_replaced_and_again_when_it_is_put_back() {
        let folder = tempfile::tempdir().unwrap();
        let [path, aside] = ["ledger", "aside"].map(|name| folder.path().join(name));
        let place = Place::of(&path, &File::create_new(&path).unwrap()).unwrap();
        place.check().unwrap();
        fs::rename(&path, &aside).unwrap();
        assert!(place.check().unwrap_err().to_string().contains("removed"));
        fs::write(&path, "another").unwrap();
        assert!(place.check().unwrap_err().to_string().contains("another"));
        fs::rename(&aside, &path).unwrap();
        place.check().unwrap();
    }
}
