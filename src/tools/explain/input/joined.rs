//! A body that is shown in several lines, broken at a column or at each `&`.

use std::ops::RangeInclusive;

use super::line::is_posted;

/// What is to know about one.
pub(super) const NOTE: &str =
    "the body is shown in several lines, which were joined: if it came so, in lines, run refuses it";
/// How long a line is that was broken at a column: no notification is as short, with its `sign`.
const COLUMNS: RangeInclusive<usize> = 20..=256;

/// The body of which the lines of `bytes` are pieces, also in the quotes of a mail or before the backslashes of a shell; and
/// what it is if the last of them is something else, such as the answer.
pub(super) fn joined(bytes: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    let piece = |line: &str| {
        line.trim_start_matches(['>', ' ', '\t']).trim_end().trim_end_matches('\\').trim_end().to_owned()
    };
    let pieces: Vec<String> = text.lines().map(piece).collect();
    // The last one may be between the end of the body and what stands below it.
    let certain = pieces.len().saturating_sub(2).max(1);
    let mut breaks = pieces.iter().zip(pieces.iter().skip(1)).take(certain);
    let goes_on = |(piece, next): (&String, &String)| {
        COLUMNS.contains(&piece.len()) || piece.ends_with('&') || next.starts_with('&')
    };
    let whole = pieces.concat();
    // With a parameter in each line, as programs list them, none has one after the other.
    let is_one = whole.contains('&') && whole.matches("sign=").count() == 1;
    let is_broken = pieces.len() > 1 && is_posted(&whole) && breaks.all(goes_on);
    let but_last = pieces.split_last().map(|(_, pieces)| pieces.concat()).unwrap_or_default();
    (is_one && is_broken).then(|| (whole.into_bytes(), but_last.into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_broken_anywhere_is_whole_again_and_all_else_is_not_touched() {
        let whole = Some(b"app_id=1&a=0123456789012345&sign=a%2Bb".to_vec());
        for broken in [
            "app_id=1&\na=0123456789012345&\nsign=a%2Bb\n",
            "app_id=1\r\n  &a=0123456789012345&\r\nsign=a%2Bb",
            "app_id=1&a=012345678\n9012345&sign=a%2Bb",
            "> app_id=1&a=0123456789\n> 012345&sign=a%2Bb\n",
            "app_id=1&\\\na=0123456789012345&\\\nsign=a%2Bb",
        ] {
            assert_eq!(joined(broken.as_bytes()).map(|(whole, _)| whole), whole, "{broken:?}");
            let (_, but_last) = joined(format!("{}\nOK\n", broken.trim_end()).as_bytes()).unwrap();
            assert_eq!(Some(but_last), whole, "{broken:?}");
        }
        let of_line = format!("app_id=1&sign={}\nOK\n", "a".repeat(300));
        for other in
            ["app_id=1&sign=a%2Bb\n", "app_id=1&\nsign: a", "app_id=1&\nsign=\u{e9}", "a=1\nb=2", &of_line]
        {
            assert_eq!(joined(other.as_bytes()), None, "{other:?}");
        }
    }
}
