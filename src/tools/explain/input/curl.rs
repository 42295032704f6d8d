//! A curl command, as browsers, proxies and people write it.

mod cmd;
mod posix;

use super::{Capture, Head, Unreadable, target};

/// The commands in `text`, without the prompt before them.
pub(super) fn find(text: &str) -> Option<&str> {
    let text = text.trim();
    let line = text.lines().next().unwrap_or_default();
    let at = ["curl ", "curl.exe "].iter().filter_map(|name| line.find(name)).min()?;
    let prompt = line.get(..at)?.trim_end();
    let is_prompt = prompt.is_empty() || prompt.ends_with(['$', '#', '%', '>', '❯']);
    text.get(at..).filter(|_| is_prompt)
}

/// Reads `commands`, which begin with `curl`: each that sends a body.
pub(super) fn read(commands: &str) -> Result<Vec<Capture>, Unreadable> {
    let words = if cmd::is_of_it(commands) { cmd::words(commands)? } else { posix::words(commands)? };
    let mut words = words.into_iter();
    let mut captures = Vec::new();
    let mut other_type = None;
    while words.by_ref().any(|word| is_name(&word)) {
        match command(&mut words) {
            Err(Unreadable::OtherType(media_type)) => other_type = Some(media_type),
            outcome => captures.extend(outcome?),
        }
    }
    match (captures.is_empty(), other_type) {
        (false, _) => Ok(captures),
        (true, Some(media_type)) => Err(Unreadable::OtherType(media_type)),
        (true, None) => Err(Unreadable::NoBody),
    }
}

/// The names of the program.
const NAMES: [&str; 2] = ["curl", "curl.exe"];
/// Whether `word` is the name of the program, after the prompt of Windows too, which has no space at its end.
fn is_name(word: &str) -> bool {
    NAMES.contains(&word.rsplit('>').next().unwrap_or_default())
}

/// The word that stands for the end of a command.
const END: &str = ";";
/// What ends a command and begins another, which need not be one of curl.
const ENDS: [&str; 6] = [END, "&", "&&", "|", "||", ">"];

/// The end of a command, where its line ends and `next` begins another. An option in the next line belongs to it all the same, whose
/// mark for that was lost on the way here.
fn end_of_line(next: Option<&char>) -> Option<String> {
    next.filter(|next| !next.is_whitespace() && **next != '-').map(|_| END.to_owned())
}

/// The command of which `words` are what comes after its name, up to its end.
fn command(words: &mut std::vec::IntoIter<String>) -> Result<Option<Capture>, Unreadable> {
    let mut head = Head { target: "/".to_owned(), ..Head::default() };
    let mut data: Option<String> = None;
    let mut other_type = None;
    while let Some(word) = words.next() {
        if ENDS.contains(&word.as_str()) {
            break;
        }
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
            "-F" | "--form" | "--form-string" => {
                drop(value());
                other_type = Some("multipart/form-data");
            }
            "--json" => {
                drop(value());
                other_type = Some("application/json");
            }
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
    if let Some(media_type) = other_type {
        return Err(Unreadable::OtherType(media_type.to_owned()));
    }
    let Some(data) = data.filter(|data| !data.is_empty()) else { return Ok(None) };
    if head.method.is_empty() {
        "POST".clone_into(&mut head.method);
    }
    let has =
        |head: &Head, name: &str| head.headers.iter().any(|(found, _)| found.eq_ignore_ascii_case(name));
    if !has(&head, "content-type") {
        head.headers.push(("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()));
    }
    Ok(Some(Capture::body("a curl command", Some(head), data.as_bytes())))
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
        .and_then(|letters| letters.find(['d', 'F', 'H', 'X', 'o', 'm', 'A', 'b', 'u', 'e', 'w']));
    match short.and_then(|at| word.split_at_checked(at.checked_add(2)?)) {
        Some((letters, value)) if word.starts_with('-') => {
            let letter: String = letters.chars().rev().take(1).collect();
            (format!("-{letter}"), (!value.is_empty()).then(|| value.to_owned()))
        }
        Some(_) | None => (word.to_owned(), None),
    }
}
