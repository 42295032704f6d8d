//! A command of PowerShell, as browsers and people write it: `Invoke-WebRequest`, `Invoke-RestMethod`.

use super::{Capture, Head, Unreadable, target};

/// The commands that send a request.
const COMMANDS: [&str; 4] = ["invoke-webrequest", "invoke-restmethod", "iwr", "irm"];

/// Reads the commands in `text` that send a body; `None` if there is none of them.
pub(super) fn read(text: &str) -> Result<Option<Vec<Capture>>, Unreadable> {
    let is_there = |line: &str| {
        let first = line.split_ascii_whitespace().next().unwrap_or_default().to_ascii_lowercase();
        COMMANDS.contains(&first.as_str())
    };
    if !text.lines().any(is_there) {
        return Ok(None);
    }
    let mut words = words(text)?.into_iter().peekable();
    let mut captures = Vec::new();
    while let Some(word) = words.next() {
        if !COMMANDS.contains(&word.to_ascii_lowercase().as_str()) {
            continue;
        }
        let mut head = Head { method: "POST".to_owned(), target: "/".to_owned(), headers: Vec::new() };
        let mut body = None;
        while let Some(word) = words.next_if(|word| !COMMANDS.contains(&word.to_ascii_lowercase().as_str())) {
            match word.to_ascii_lowercase().as_str() {
                "-uri" => head.target = target(&words.next().unwrap_or_default()),
                "-method" => head.method = words.next().unwrap_or_default().to_ascii_uppercase(),
                "-contenttype" => {
                    head.headers.push(("content-type".to_owned(), words.next().unwrap_or_default()));
                }
                // Where a call makes bytes of it, its name stands before it.
                "-body" => body = words.find(|word| !word.starts_with('[')),
                _ => {}
            }
        }
        if let Some(body) = body {
            captures.push(Capture::body("a command of PowerShell", Some(head), body.as_bytes()));
        }
    }
    if captures.is_empty() { Err(Unreadable::NoBody) } else { Ok(Some(captures)) }
}

/// The words of `text`. In double quotes a backtick takes the meaning from a character, or gives it one; in single
/// quotes two of them are one; outside, one at the end of a line joins the next.
fn words(text: &str) -> Result<Vec<String>, Unreadable> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            ' ' | '\t' | '\n' | '\r' | ';' | '(' | ')' => words.extend(word.take()),
            '`' => drop(rest.next()),
            '\'' => quoted(&mut rest, '\'', word.get_or_insert_default())?,
            '"' => quoted(&mut rest, '"', word.get_or_insert_default())?,
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

/// The rest of what is in these quotes.
fn quoted(
    rest: &mut std::iter::Peekable<std::str::Chars<'_>>,
    quote: char,
    word: &mut String,
) -> Result<(), Unreadable> {
    loop {
        match rest.next().ok_or(Unreadable::OpenQuote)? {
            end if end == quote => {
                if rest.next_if_eq(&quote).is_none() {
                    return Ok(());
                }
                word.push(quote);
            }
            '`' if quote == '"' => word.push(match rest.next().ok_or(Unreadable::OpenQuote)? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                other => other,
            }),
            other => word.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_powershell_does() {
        let text = "iwr -Uri \"http://a/n\" `\r\n-Body \"a=`\"b`\"&c=`$d\"\"e\"; echo 'it''s'";
        let split = words(text).unwrap();
        assert_eq!(split, ["iwr", "-Uri", "http://a/n", "-Body", "a=\"b\"&c=$d\"e", "echo", "it's"]);
        assert_eq!(words("iwr \"a"), Err(Unreadable::OpenQuote));
    }
}
