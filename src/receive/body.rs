//! A body that comes in pieces.
//!
//! What is half read lies in pieces of one size. A buffer that grows with each body leaves gaps of all sizes behind it,
//! which thousands of half-read bodies turn into several times what they hold.

use bytes::Bytes;

/// The size of a piece, in bytes.
pub(crate) const PIECE: usize = 16 * 1024;

/// What came of a body so far.
#[derive(Default)]
pub(super) struct Pieces {
    /// All of it, as long as it came at once: as a rule that is the whole body, and it is not copied.
    first: Bytes,
    copied: Vec<Vec<u8>>,
    length: usize,
}

impl Pieces {
    /// How many bytes came.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Adds what came next.
    pub(super) fn push(&mut self, piece: Bytes) {
        self.length = self.length.saturating_add(piece.len());
        if self.length == piece.len() {
            self.first = piece;
            return;
        }
        let first = std::mem::take(&mut self.first);
        self.copy(&first);
        self.copy(&piece);
    }

    fn copy(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = self.copied.last().map_or(0, |last| PIECE.saturating_sub(last.len()));
            if room == 0 {
                self.copied.push(Vec::with_capacity(PIECE));
                continue;
            }
            let (fits, rest) = bytes.split_at(room.min(bytes.len()));
            if let Some(last) = self.copied.last_mut() {
                last.extend_from_slice(fits);
            }
            bytes = rest;
        }
    }

    /// All that came, in one.
    pub(super) fn join(self) -> Bytes {
        if self.copied.is_empty() { self.first } else { self.copied.concat().into() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_came_at_once_is_not_copied() {
        let body = Bytes::from(vec![b'x'; 3 * PIECE]);
        let mut pieces = Pieces::default();
        pieces.push(Bytes::new());
        pieces.push(body.clone());
        assert_eq!((pieces.len(), pieces.join().as_ptr()), (body.len(), body.as_ptr()));
    }

    #[test]
    fn a_half_read_body_takes_up_little_more_than_what_came() {
        let mut pieces = Pieces::default();
        for came in 1..300 {
            pieces.push(Bytes::from(vec![b'x'; 1000]));
            let taken: usize = pieces.copied.iter().map(Vec::capacity).sum();
            assert!(taken < came * 1000 + PIECE, "{taken} for {came} kB");
        }
    }

    proptest! {
        #[test]
        fn it_is_what_came_in_its_order(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3 * PIECE), 0..6),
        ) {
            let mut pieces = Pieces::default();
            for part in &parts {
                pieces.push(part.clone().into());
            }
            prop_assert_eq!(pieces.len(), parts.concat().len());
            prop_assert_eq!(pieces.join(), parts.concat());
        }
    }
}
