//! A body that is shown in several lines, broken at a column or at each `&`.

use super::line::is_posted;

/// What is to know about one.
pub(super) const NOTE: &str =
    "the body is shown in several lines, which were joined: if it came so, in lines, run refuses it";
/// The columns at which lines are broken: shorter ones hold nothing of a body, and one that is longer may be all of it.
const COLUMNS: std::ops::RangeInclusive<usize> = 20..=256;

/// The body of which the lines of `bytes` are pieces, if they show by where they end that something broke it there.
pub(super) fn joined(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let (last, full) = lines.split_last()?;
    let width = full.first()?.len();
    let is_at_column =
        COLUMNS.contains(&width) && last.len() <= width && full.iter().all(|line| line.len() == width);
    let is_at_parameters = lines
        .iter()
        .zip(lines.iter().skip(1))
        .all(|(line, next)| line.ends_with('&') || next.starts_with('&'));
    let is_of_a_body = lines.iter().all(|line| is_posted(line));
    ((is_at_column || is_at_parameters) && is_of_a_body).then(|| lines.concat().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_broken_at_a_column_or_at_parameters_is_whole_again_and_all_else_is_not_touched() {
        let whole = Some(b"app_id=1&a=0123456789012345&sign=a%2Bb".to_vec());
        for broken in [
            "app_id=1&\na=0123456789012345&\nsign=a%2Bb\n",
            "app_id=1\r\n  &a=0123456789012345&\r\nsign=a%2Bb",
            "app_id=1&a=012345678\n9012345&sign=a%2Bb",
        ] {
            assert_eq!(joined(broken.as_bytes()), whole, "{broken:?}");
        }
        let of_line = format!("app_id=1&sign={}\nOK\n", "a".repeat(300));
        for other in
            ["app_id=1&sign=a%2Bb\n", "app_id=1&\nsign: a", "app_id=1&\nsign=\u{e9}", "a=1\nb=2", &of_line]
        {
            assert_eq!(joined(other.as_bytes()), None, "{other:?}");
        }
    }
}
