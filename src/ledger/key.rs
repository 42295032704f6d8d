//! What a notification is called in the ledger.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};

/// A notification of an app, at a fixed length: the first half of SHA-256 over `app_id` and `notify_id`.
///
/// To find two with one key takes 2^64 tries, and a genuine signature for each; so they may stand for their notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key([u8; 16]);

impl Key {
    /// The key of a notification.
    pub(crate) fn of(app_id: &str, notify_id: &str) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(app_id.as_bytes());
        // Neither can hold it, so no other pair gives the same text.
        context.update(b"\n");
        context.update(notify_id.as_bytes());
        let digest = context.finish();
        let half = digest.as_ref().first_chunk().copied();
        Self(half.unwrap_or_default())
    }

    /// The key of these bytes, which were a key's.
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// A part of it that is as good as random.
    pub(super) fn hash(&self) -> u64 {
        u64::from_le_bytes(self.0.first_chunk().copied().unwrap_or_default())
    }

    /// Another part of it, below 256.
    pub(super) fn shard(&self) -> usize {
        usize::from(self.0.last().copied().unwrap_or_default())
    }
}

/// As people write it, and as it stands in a Redis.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_half_a_sha_256_of_both_names() {
        let wanted = <sha2::Sha256 as sha2::Digest>::digest(b"2014060600164699\n5608cccc");
        assert_eq!(Key::of("2014060600164699", "5608cccc").bytes()[..], wanted[..16]);
    }

    #[test]
    fn no_two_pairs_of_names_share_a_key() {
        assert_ne!(Key::of("1", "23"), Key::of("12", "3"));
        assert_ne!(Key::of("1", "2"), Key::of("2", "1"));
        assert_ne!(Key::of("1", "a"), Key::of("1", "A"));
    }
}
