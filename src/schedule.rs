//! When Alipay delivers a notification that was not accepted.

use std::time::Duration;

/// The deliveries of one notification, each as the time since the first. After the last one it is lost.
///
/// The platform documents the gaps between them: at once, then after 2 m, 10 m, 10 m, 1 h, 2 h, 6 h and 15 h. Older
/// documents on payments have 4 m for the first gap, which comes to the same numbers in [`number`].
pub const DELIVERIES: [Duration; 8] = [
    Duration::ZERO,
    Duration::from_mins(2),
    Duration::from_mins(12),
    Duration::from_mins(22),
    Duration::from_mins(82),
    Duration::from_mins(202),
    Duration::from_mins(562),
    Duration::from_mins(1462),
];

/// Which delivery it is, from 1 on, that comes `elapsed` after the first sight of its notification: the one that is due
/// nearest to it.
///
/// So a delivery that is late counts as itself, and so do most where the first sight was not the first delivery.
pub fn number(elapsed: Duration) -> usize {
    let gaps = DELIVERIES.iter().zip(DELIVERIES.iter().skip(1));
    // Past the middle between two, the later one is nearer.
    let twice = elapsed.saturating_add(elapsed);
    gaps.take_while(|(one, next)| twice >= one.saturating_add(**next)).count().saturating_add(1)
}

/// How long after the first delivery the next one is due that follows delivery `number`, if there is one.
pub fn after(number: usize) -> Option<Duration> {
    DELIVERIES.get(number).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gaps_are_those_that_are_documented() {
        let minutes = DELIVERIES.map(|since| since.as_secs() / 60);
        let gaps: Vec<u64> = minutes.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(minutes[0], 0);
        assert_eq!(gaps, [2, 10, 10, 60, 2 * 60, 6 * 60, 15 * 60]);
    }

    #[test]
    fn each_delivery_has_its_number_though_it_is_late_or_the_first_gap_is_longer() {
        for (index, due) in DELIVERIES.into_iter().enumerate() {
            assert_eq!(number(due), index + 1);
            assert_eq!(number(due.saturating_add(Duration::from_secs(50))), index + 1);
        }
        // 4 m for the first gap: 0, 4, 14, 24, 84, 204, 564, 1,464 minutes.
        for (index, minutes) in [0, 4, 14, 24, 84, 204, 564, 1464].into_iter().enumerate() {
            assert_eq!(number(Duration::from_mins(minutes)), index + 1);
        }
        assert_eq!(number(Duration::MAX), 8);
    }

    #[test]
    fn a_first_sight_that_was_the_third_delivery_still_tells_the_last_ones() {
        let numbers: Vec<usize> =
            DELIVERIES[2..].iter().map(|due| number(due.saturating_sub(DELIVERIES[2]))).collect();
        assert_eq!(numbers, [1, 3, 5, 6, 7, 8]);
    }

    #[test]
    fn the_next_delivery_is_the_next_of_the_schedule_and_there_is_none_after_the_last() {
        assert_eq!(after(1), Some(Duration::from_mins(2)));
        assert_eq!(after(7), Some(Duration::from_mins(1462)));
        assert_eq!(after(8), None);
    }
}
