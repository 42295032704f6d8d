//! `${NAME}` in the strings of the configuration.
//!
//! It happens after the TOML was parsed, and once: whatever a variable holds, it is the text of one string. It can
//! end neither the string nor its line, and a `${` inside it means nothing.

use std::borrow::Cow;

/// Why a string could not be filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ExpandError {
    /// A variable of a good name that is not set.
    Unset(String),
    /// A `${` without a `}`, or with something other than a name between them.
    Malformed,
}

/// `text` with each `${NAME}` replaced by what `env` says, and each `$${` by `${`. Any other `$` is itself.
pub(super) fn expand<'t>(
    text: &'t str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Cow<'t, str>, ExpandError> {
    if !text.contains("${") {
        return Ok(Cow::Borrowed(text));
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(literal) = before.strip_suffix('$') {
            out.push_str(literal);
            out.push_str("${");
            rest = after;
            continue;
        }
        let (name, after) = after.split_once('}').ok_or(ExpandError::Malformed)?;
        if !is_name(name) {
            return Err(ExpandError::Malformed);
        }
        out.push_str(before);
        out.push_str(&env(name).ok_or_else(|| ExpandError::Unset(name.to_owned()))?);
        rest = after;
    }
    out.push_str(rest);
    Ok(Cow::Owned(out))
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "A" => Some("one".to_owned()),
            "_B2" => Some("${A}".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    fn expanded(text: &str) -> Result<String, ExpandError> {
        expand(text, &env).map(Cow::into_owned)
    }

    #[test]
    fn variables_are_filled_in_wherever_they_stand() {
        assert_eq!(expanded("${A}"), Ok("one".to_owned()));
        assert_eq!(expanded("x${A}y${A}z"), Ok("xoneyonez".to_owned()));
        assert_eq!(expanded("${EMPTY}"), Ok(String::new()));
    }

    #[test]
    fn the_value_of_a_variable_is_not_expanded_again() {
        assert_eq!(expanded("${_B2}"), Ok("${A}".to_owned()));
    }

    #[test]
    fn two_dollars_before_a_brace_are_a_literal_dollar_and_brace() {
        assert_eq!(expanded("$${A}"), Ok("${A}".to_owned()));
        assert_eq!(expanded("$${A}${A}"), Ok("${A}one".to_owned()));
        assert_eq!(expanded("$$${A}"), Ok("$${A}".to_owned()));
        assert_eq!(expanded("$${"), Ok("${".to_owned()));
    }

    #[test]
    fn any_other_dollar_is_itself() {
        assert_eq!(expanded("$A $ $$ }"), Ok("$A $ $$ }".to_owned()));
    }

    #[test]
    fn an_unset_variable_is_named() {
        assert_eq!(expanded("${A}${NOPE}"), Err(ExpandError::Unset("NOPE".to_owned())));
    }

    #[test]
    fn anything_but_a_name_between_the_braces_is_refused() {
        for text in ["${", "${}", "${A", "${A:-x}", "${1A}", "${A B}", "${ A}", "${Ä}"] {
            assert_eq!(expanded(text), Err(ExpandError::Malformed), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_string_whose_braces_are_doubled_comes_back_as_it_was(text in "[^$]{0,5}(\\$\\{|x|[}]){0,5}") {
            prop_assert_eq!(expanded(&text.replace("${", "$${")), Ok(text));
        }
    }
}
