//! Where something may change that changes what is read at a path.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// How many symbolic links are followed, as Linux does.
const MAX_LINKS: usize = 40;

/// The places that decide what is read at `path`: each symbolic link on the way, and the file at its end, or the first
/// that is missing. Each stands in a folder whose own path holds no link.
///
/// A mounted `ConfigMap` is `file → ..data/file` and `..data → ..2026_01_01`, and an update replaces `..data` alone.
pub(super) fn places(path: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let Ok(path) = std::path::absolute(path) else { return found };
    let mut here = PathBuf::from("/");
    let mut rest: VecDeque<OsString> = names(&path).collect();
    let mut links: usize = 0;
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            here.pop();
            continue;
        }
        let next = here.join(name);
        if let Ok(target) = next.read_link() {
            found.insert(next);
            links = links.saturating_add(1);
            if links > MAX_LINKS {
                break;
            }
            if target.is_absolute() {
                here = PathBuf::from("/");
            }
            for name in names(&target).collect::<Vec<_>>().into_iter().rev() {
                rest.push_front(name);
            }
        } else if rest.is_empty() || !next.exists() {
            found.insert(next);
            break;
        } else {
            here = next;
        }
    }
    found
}

/// The names that a path is made of.
fn names(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// The places of `path` below a new folder that `fill` fills, relative to it.
    fn below(fill: impl FnOnce(&Path), path: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fill(&root);
        let found = places(&root.join(path));
        found.iter().map(|place| place.strip_prefix(&root).unwrap().to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_file_is_its_own_place() {
        assert_eq!(below(|root| fs::write(root.join("a"), "").unwrap(), "./x/../a"), ["x"], "x is missing");
        assert_eq!(below(|root| fs::write(root.join("a"), "").unwrap(), "a"), ["a"]);
    }

    #[test]
    fn what_is_missing_is_awaited_where_it_would_be_first() {
        assert_eq!(below(|_| (), "keys/new/alipay.pem"), ["keys"]);
        assert_eq!(
            below(|root| fs::create_dir(root.join("keys")).unwrap(), "keys/alipay.pem"),
            ["keys/alipay.pem"]
        );
    }

    #[test]
    fn every_link_of_a_mounted_config_map_is_a_place() {
        let fill = |root: &Path| {
            fs::create_dir_all(root.join("..2026/keys")).unwrap();
            fs::write(root.join("..2026/keys/alipay.pem"), "").unwrap();
            symlink("..2026", root.join("..data")).unwrap();
            symlink("..data/keys", root.join("keys")).unwrap();
        };
        assert_eq!(below(fill, "keys/alipay.pem"), ["..2026/keys/alipay.pem", "..data", "keys"]);
    }

    #[test]
    fn links_in_a_circle_come_to_an_end() {
        let fill = |root: &Path| {
            symlink("b", root.join("a")).unwrap();
            symlink("a", root.join("b")).unwrap();
        };
        assert_eq!(below(fill, "a"), ["a", "b"]);
    }
}
