//! A curl command, as browsers, proxies and people write it.

use super::{Capture, Head, Unreadable, target};

/// Reads `command`, which begins with `curl`.
pub(super) fn read(command: &str) -> Result<Capture, Unreadable> {
    let mut words = words(command)?.into_iter().skip(1);
    let mut head = Head { target: "/".to_owned(), ..Head::default() };
    let mut data: Option<String> = None;
    while let Some(word) = words.next() {
        let (option, attached) = split(&word);
        let mut value = || attached.clone().or_else(|| words.next()).unwrap_or_default();
        match option.as_str() {
            "-d" | "--data" | "--data-raw" | "--data-binary" | "--data-ascii" => {
                let value = value();
                if let Some(file) = value.strip_prefix('@').filter(|_| option != "--data-raw") {
                    return Err(Unreadable::NamesFile(file.to_owned()));
                }
                // curl itself drops the ends of lines, but for --data-binary and --data-raw.
                let value = if matches!(option.as_str(), "-d" | "--data" | "--data-ascii") {
                    value.replace(['\r', '\n'], "")
                } else {
                    value
                };
                add(&mut data, &value);
            }
            "--data-urlencode" => {
                let value = value();
                let (name, content) = value.split_once('=').unwrap_or(("", &value));
                let content: String = form_urlencoded::byte_serialize(content.as_bytes()).collect();
                add(&mut data, &if name.is_empty() { content } else { format!("{name}={content}") });
            }
            "-H" | "--header" => {
                if let Some((name, value)) = value().split_once(':') {
                    head.headers.push((name.trim().to_owned(), value.trim().to_owned()));
                }
            }
            "-X" | "--request" => head.method = value(),
            "--url" => head.target = target(&value()),
            // Options with a value that says nothing of the request.
            "-o" | "--output" | "-m" | "--max-time" | "-A" | "--user-agent" | "-b" | "--cookie" | "-u"
            | "--user" | "-e" | "--referer" | "--connect-timeout" | "--resolve" | "-w" | "--write-out"
            | "--cacert" => {
                drop(value());
            }
            option if option.starts_with('-') => {}
            url => head.target = target(url),
        }
    }
    let data = data.filter(|data| !data.is_empty()).ok_or(Unreadable::NoBody)?;
    if head.method.is_empty() {
        "POST".clone_into(&mut head.method);
    }
    let has =
        |head: &Head, name: &str| head.headers.iter().any(|(found, _)| found.eq_ignore_ascii_case(name));
    if !has(&head, "content-type") {
        head.headers.push(("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()));
    }
    Ok(Capture::body("a curl command", Some(head), data.as_bytes()))
}

/// Data of several options is joined as curl does.
fn add(data: &mut Option<String>, value: &str) {
    match data {
        Some(data) => {
            data.push('&');
            data.push_str(value);
        }
        None => *data = Some(value.to_owned()),
    }
}

/// An option and the value that is attached to it, as in `--data=x` and `-dx`.
fn split(word: &str) -> (String, Option<String>) {
    if word.starts_with("--") {
        return match word.split_once('=') {
            Some((option, value)) => (option.to_owned(), Some(value.to_owned())),
            None => (word.to_owned(), None),
        };
    }
    let short = word
        .strip_prefix('-')
        .and_then(|letters| letters.find(['d', 'H', 'X', 'o', 'm', 'A', 'b', 'u', 'e', 'w']));
    match short.and_then(|at| word.split_at_checked(at.checked_add(2)?)) {
        Some((letters, value)) if word.starts_with('-') => {
            let letter: String = letters.chars().rev().take(1).collect();
            (format!("-{letter}"), (!value.is_empty()).then(|| value.to_owned()))
        }
        Some(_) | None => (word.to_owned(), None),
    }
}

/// The words of a command, as a POSIX shell splits them; `$'…'` as bash does, for browsers write it.
fn words(command: &str) -> Result<Vec<String>, Unreadable> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = command.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            ' ' | '\t' | '\n' | '\r' => words.extend(word.take()),
            '\\' => match rest.next() {
                Some('\n') | None => {}
                Some('\r') => drop(rest.next_if_eq(&'\n')),
                Some(other) => word.get_or_insert_default().push(other),
            },
            '$' if rest.next_if_eq(&'\'').is_some() => ansi(&mut rest, word.get_or_insert_default())?,
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next().ok_or(Unreadable::OpenQuote)? {
                        '\'' => break,
                        other => word.push(other),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next().ok_or(Unreadable::OpenQuote)? {
                        '"' => break,
                        '\\' => match rest.next().ok_or(Unreadable::OpenQuote)? {
                            escaped @ ('"' | '\\' | '$' | '`') => word.push(escaped),
                            '\n' => {}
                            other => word.extend(['\\', other]),
                        },
                        other => word.push(other),
                    }
                }
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

/// The rest of a `$'…'`, with its escapes.
fn ansi(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, word: &mut String) -> Result<(), Unreadable> {
    loop {
        match rest.next().ok_or(Unreadable::OpenQuote)? {
            '\'' => return Ok(()),
            '\\' => match rest.next().ok_or(Unreadable::OpenQuote)? {
                'n' => word.push('\n'),
                'r' => word.push('\r'),
                't' => word.push('\t'),
                'u' => word.push(code(rest, 4)),
                'x' => word.push(code(rest, 2)),
                other => word.push(other),
            },
            other => word.push(other),
        }
    }
}

/// The character of up to so many hexadecimal digits.
fn code(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, digits: usize) -> char {
    let mut value = 0_u32;
    for _ in 0..digits {
        let Some(digit) = rest.peek().and_then(|character| character.to_digit(16)) else { break };
        value = value.wrapping_shl(4) | digit;
        rest.next();
    }
    char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER)
}
