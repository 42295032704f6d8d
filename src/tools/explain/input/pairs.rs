//! A parameter in each line, as browsers and proxies list them, and as people copy them.

use super::Capture;
use crate::diagnose::Parameters;
use crate::diagnose::json::Node;
use crate::receive::form::is_name;

/// What stands between a name and its value.
const SEPARATORS: [&str; 5] = [" => ", "\t", ": ", " = ", "="];

/// Reads `text`, if each of its lines is a parameter, and one of them is the `sign`.
pub(super) fn read(text: &str) -> Option<Capture> {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let pairs = SEPARATORS.iter().find_map(|separator| {
        let pair = |line: &&str| {
            let (name, value) = line.split_once(separator)?;
            let name = unquoted(name);
            is_name(name.as_bytes()).then(|| (name, unquoted(value)))
        };
        lines.iter().map(pair).collect::<Option<Vec<_>>>()
    })?;
    let parameters: Parameters =
        pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    (parameters.get("sign").is_some() && parameters.len() > 2)
        .then(|| Capture::parsed("a list of parameters, one in each line", parameters))
}

/// Reads what is in the bracket that `text` begins with, as the dumper of Symfony and Laravel prints an array, and returns
/// what comes after it.
pub(super) fn in_brackets(text: &str) -> Option<(Capture, &str)> {
    let inner = text.strip_prefix('[')?.trim_start_matches(['▼', '\r']).strip_prefix('\n')?;
    if !inner.trim_start().starts_with(['"', '\'']) {
        return None;
    }
    let (inner, rest) = inner.split_at_checked(inner.find("\n]")?)?;
    Some((read(inner)?, rest))
}

/// Without the quotes around it, and what is escaped in them.
fn unquoted(text: &str) -> String {
    let text = text.trim();
    if let Some(Node::Text(text)) = Node::parse(text) {
        return text;
    }
    let within = |quote| text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
    within('"').or_else(|| within('\'')).unwrap_or(text).to_owned()
}
