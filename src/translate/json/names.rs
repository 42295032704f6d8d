//! The names of one object, so that none comes twice.

use std::borrow::Cow;
use std::collections::HashSet;

/// The names read so far, decoded: a list while they are few, a set when they are many.
///
/// Each insertion looks at a bounded number of names, so reading an object takes time linear in its length.
#[derive(Default)]
pub(super) struct Names<'a> {
    few: Vec<Cow<'a, str>>,
    many: HashSet<Cow<'a, str>>,
}

/// Up to this many, comparing is faster than hashing.
const FEW: usize = 16;

impl<'a> Names<'a> {
    /// Adds a name, and says whether it is new.
    pub(super) fn insert(&mut self, name: Cow<'a, str>) -> bool {
        if self.many.is_empty() {
            if self.few.contains(&name) {
                return false;
            }
            if self.few.len() < FEW {
                self.few.push(name);
                return true;
            }
            self.many.extend(self.few.drain(..));
        }
        self.many.insert(name)
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        if self.many.is_empty() {
            self.few.iter().any(|known| known == name)
        } else {
            self.many.contains(name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeat_is_seen_among_few_and_among_many() {
        for count in [1, FEW - 1, FEW, FEW + 1, 1000] {
            let mut names = Names::default();
            for index in 0..count {
                assert!(names.insert(index.to_string().into()), "{index} of {count}");
            }
            for index in 0..count {
                assert!(!names.insert(index.to_string().into()), "{index} of {count}");
                assert!(names.contains(&index.to_string()));
            }
            assert!(!names.contains("x"));
        }
    }
}
