//! How a record is written in Redis: a line that people can read, and that begins with the version of its form.
//!
//! ```text
//! 1 accepted 3 1514210452 1514211892
//! ```
//!
//! That is what became of the notification, the attempt, and when it was first and last seen, in seconds since the epoch. The
//! scripts look at the first two words.

use crate::ledger::record::{Moment, Record};

/// The beginning of the record of what was accepted.
pub(super) const ACCEPTED: &str = "1 accepted ";
/// The beginning of the record of what failed.
const FAILED: &str = "1 failed ";

/// The text of `record`.
pub(super) fn encoded(record: &Record) -> String {
    let Record { is_accepted, attempt, first_seen, last_seen } = record;
    let beginning = if *is_accepted { ACCEPTED } else { FAILED };
    format!("{beginning}{attempt} {} {}", first_seen.0, last_seen.0)
}

/// The record that `text` is, unless it is something else.
pub(super) fn decoded(text: &[u8]) -> Option<Record> {
    let text = std::str::from_utf8(text).ok()?;
    let (is_accepted, rest) = match text.strip_prefix(ACCEPTED) {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix(FAILED)?),
    };
    let mut words = rest.split(' ');
    let attempt = words.next()?.parse().ok()?;
    let mut moment = || words.next()?.parse().ok().map(Moment);
    let (first_seen, last_seen) = (moment()?, moment()?);
    words.next().is_none().then_some(Record { is_accepted, attempt, first_seen, last_seen })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_record_is_a_line_that_people_can_read() {
        let record = |is_accepted| Record {
            is_accepted,
            attempt: 3,
            first_seen: Moment(1_514_210_452),
            last_seen: Moment(1_514_211_892),
        };
        assert_eq!(encoded(&record(true)), "1 accepted 3 1514210452 1514211892");
        assert_eq!(encoded(&record(false)), "1 failed 3 1514210452 1514211892");
    }

    #[test]
    fn what_is_no_record_of_this_version_is_none() {
        for text in [
            "",
            "1",
            "1 accepted",
            "1 accepted 3",
            "1 accepted 3 5",
            "1 accepted 3 5 6 7",
            "1 accepted 256 5 6",
            "1 accepted -1 5 6",
            "1 accepted 3 5 4294967296",
            "1 refused 3 5 6",
            "2 accepted 3 5 6",
            "1  accepted 3 5 6",
            "1 failed 3 5 6 ",
        ] {
            assert_eq!(decoded(text.as_bytes()), None, "{text}");
        }
        assert_eq!(decoded(b"1 accepted 3 5 \xff"), None);
    }

    proptest! {
        #[test]
        fn any_record_is_read_as_it_was_written(
            is_accepted: bool, attempt: u8, first_seen: u32, last_seen: u32
        ) {
            let (first_seen, last_seen) = (Moment(first_seen), Moment(last_seen));
            let record = Record { is_accepted, attempt, first_seen, last_seen };
            prop_assert_eq!(decoded(encoded(&record).as_bytes()), Some(record));
        }

        #[test]
        fn no_text_is_too_odd_to_be_read(text in prop::collection::vec(any::<u8>(), 0..60)) {
            decoded(&text);
        }
    }
}
