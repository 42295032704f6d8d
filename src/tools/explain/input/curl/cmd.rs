//! The words of a command, as `cmd` of Windows and then the program itself split them: browsers write that, too.

use super::end_of_line;
use crate::tools::explain::input::Unreadable;

/// Whether `command` is written for `cmd`: only there is `^` what takes the meaning from a character.
pub(super) fn is_of_it(command: &str) -> bool {
    let has = |marks: &[&str]| marks.iter().any(|mark| command.contains(mark));
    has(&["^\n", "^\r\n", "^\"", "^&", "^%"]) && !has(&[" '", " $'"])
}

/// The words of `command`.
pub(super) fn words(command: &str) -> Result<Vec<String>, Unreadable> {
    split(&without_carets(command))
}

/// What `cmd` hands on: a `^` outside quotes keeps the character after it, and one at the end of a line joins the next.
fn without_carets(command: &str) -> String {
    let mut out = String::with_capacity(command.len());
    let mut is_quoted = false;
    let mut rest = command.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '^' if !is_quoted => {
                rest.next_if_eq(&'\r');
                // A line that is empty after it stands for the break itself.
                if rest.next_if_eq(&'\n').is_some() {
                    rest.next_if_eq(&'\r');
                }
                out.extend(rest.next());
            }
            '"' => {
                is_quoted = !is_quoted;
                out.push('"');
            }
            other => out.push(other),
        }
    }
    out
}

/// What the program reads: backslashes mean something before a quote alone, and two quotes within quotes are one.
fn split(command: &str) -> Result<Vec<String>, Unreadable> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut is_quoted = false;
    let mut backslashes = 0_usize;
    let mut rest = command.chars().peekable();
    while let Some(character) = rest.next() {
        if character == '\\' {
            backslashes = backslashes.saturating_add(1);
            continue;
        }
        let is_escaped = character == '"' && backslashes % 2 == 1;
        let kept = if character == '"' { backslashes / 2 } else { backslashes };
        if kept > 0 || is_escaped {
            word.get_or_insert_default().extend(std::iter::repeat_n('\\', kept));
        }
        backslashes = 0;
        match character {
            '"' if is_escaped => word.get_or_insert_default().push('"'),
            '"' if is_quoted && rest.next_if_eq(&'"').is_some() => word.get_or_insert_default().push('"'),
            '"' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            ' ' | '\t' | '\r' if !is_quoted => words.extend(word.take()),
            '\n' if !is_quoted => {
                words.extend(word.take());
                words.extend(end_of_line(rest.peek()));
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    if is_quoted {
        return Err(Unreadable::OpenQuote);
    }
    word.get_or_insert_default().extend(std::iter::repeat_n('\\', backslashes));
    words.extend(word.filter(|word| !word.is_empty()));
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_browsers_write_for_cmd_is_split_as_windows_does() {
        let chrome = "curl ^\"http://a/n^\" ^\r\n  -H ^\"X: a^%^20b^\" ^\n  --data-raw ^\"a=^%^7B^\\^\"x^\\^\"&b=c d^\n\ne^\\^\\^\"";
        assert!(is_of_it(chrome));
        let split = words(chrome).unwrap();
        assert_eq!(split, ["curl", "http://a/n", "-H", "X: a%20b", "--data-raw", "a=%7B\"x\"&b=c d\ne\\"]);
        let plain = words("curl \"http://a/n\" ^\n -d \"a=\"\"b\"\" ^&c=C:\\x\"").unwrap();
        assert_eq!(plain, ["curl", "http://a/n", "-d", "a=\"b\" ^&c=C:\\x"]);
        assert_eq!(words("curl \"a"), Err(Unreadable::OpenQuote));
    }

    #[test]
    fn what_is_written_for_another_shell_is_not_taken_for_it() {
        for command in ["curl -d 'a=^&b'", "curl -d \"a=b\"", "curl -d $'^\"'"] {
            assert!(!is_of_it(command), "{command}");
        }
    }
}
