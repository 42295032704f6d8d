//! When Alipay delivers a notification that was not accepted.

use std::time::Duration;

/// The deliveries of one notification, each as the time since the first. After the last one it is lost.
///
/// The platform documents the gaps between them: at once, then after 2 m, 10 m, 10 m, 1 h, 2 h, 6 h and 15 h. Older
/// documents on payments have 4 m for the first gap.
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
}
