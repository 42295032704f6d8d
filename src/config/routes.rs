//! `[[upstream.routes]]`: messages that go to another address than `upstream.url`.

use toml::de::DeTable;

use super::finding::Place;
use super::reader::{Problem, Reader, Written};
use super::upstream::{self, UpstreamUrl};

/// The most routes; the list is gone through for every notification.
const MAX_ROUTES: usize = 100;

/// Where messages of some kinds go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The kinds.
    pub msg_method: Pattern,
    /// Where they go.
    pub url: UpstreamUrl,
    /// The path of the url in the configuration, such as `upstream.routes[0].url`.
    pub entry: String,
    /// Where that url stands.
    pub place: Place,
}

/// A `msg_method`, or, with `*` for any text or none, many of them.
///
/// ```
/// use alipay_sidecar::config::Pattern;
///
/// let pattern = Pattern::parse("alipay.open.mini.*").unwrap();
/// assert!(pattern.matches("alipay.open.mini.icp.faceauth.completed"));
/// assert!(!pattern.matches("alipay.open.app.changed"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// The pattern that `text` is; an error says what is wrong with it, and what to do.
    pub fn parse(text: &str) -> Result<Self, (&'static str, &'static str)> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'*');
        if text.is_empty() {
            Err(("is empty", "write a msg_method, or \"*\" for all of them"))
        } else if text.len() > 100 {
            Err(("is longer than any msg_method", "write at most 100 characters"))
        } else if !text.bytes().all(is_plain) {
            Err((
                "holds a character that no msg_method has",
                "use letters, digits, . and _, and * for any text",
            ))
        } else if text.contains("**") {
            Err(("has a * beside another", "write one of them: a * is any text, with its dots"))
        } else {
            Ok(Self(text.to_owned()))
        }
    }

    /// Whether `msg_method` is one of these.
    pub fn matches(&self, msg_method: &str) -> bool {
        let mut pieces = self.0.split('*');
        let Some(rest) = pieces.next().and_then(|first| msg_method.strip_prefix(first)) else { return false };
        let Some(last) = pieces.next_back() else { return rest.is_empty() };
        let Some(mut rest) = rest.strip_suffix(last) else { return false };
        // The leftmost place leaves most for the pieces that follow.
        pieces.all(|piece| {
            rest.split_once(piece).is_some_and(|(_, after)| {
                rest = after;
                true
            })
        })
    }

    /// Whether this pattern matches whatever `other` does.
    ///
    /// A `*` of the other stands for texts that no letter of this one is in, so only a `*` can take it in.
    fn covers(&self, other: &Self) -> bool {
        self.matches(&other.0)
    }
}

/// Reads all routes from their `tables`, in their order.
pub(super) fn read<'a>(reader: &mut Reader<'a>, tables: Vec<(Place, &'a DeTable<'a>)>) -> Vec<Route> {
    let mut seen: Vec<(usize, Pattern)> = Vec::new();
    let mut routes = Vec::new();
    for (index, (place, table)) in tables.into_iter().enumerate() {
        let path = format!("upstream.routes[{index}]");
        if index == MAX_ROUTES {
            let what = format!("is one route too many: there are at most {MAX_ROUTES}");
            reader.error(Some(place), &path, Problem::new(what, "let one with a * stand for several"));
            break;
        }
        let mut section = reader.open("upstream.routes", path.clone(), Some(table));
        let pattern = section.optional("msg_method", |written| {
            let pattern =
                Pattern::parse(&written.text).map_err(|(what, remedy)| written.problem(what, remedy))?;
            match seen.iter().find(|(_, earlier)| earlier.covers(&pattern)) {
                Some((earlier, _)) => Err(unreachable(written, *earlier)),
                None => Ok(pattern),
            }
        });
        let url = section.optional("url", |written| Ok((upstream::url(written)?, written.place)));
        let missing: Vec<_> = ["msg_method", "url"].into_iter().filter(|key| !section.has(key)).collect();
        for key in missing {
            let remedy = if key == "url" {
                "add where its messages go, like url = \"http://127.0.0.1:3000/mini\""
            } else {
                "add the messages that go there, like msg_method = \"alipay.open.mini.*\""
            };
            reader.error(Some(place), &format!("{path}.{key}"), Problem::new("is missing", remedy));
        }
        seen.extend(pattern.clone().map(|pattern| (index, pattern)));
        if let (Some(msg_method), Some((url, place))) = (pattern, url) {
            let entry = format!("{path}.url");
            routes.push(Route { msg_method, url, entry, place });
        }
    }
    routes
}

/// What is wrong with a route whose messages all go the way of an earlier one.
fn unreachable(written: &Written<'_>, earlier: usize) -> Problem {
    let what =
        format!("is never reached: upstream.routes[{earlier}] comes first, and takes all that it would");
    written.problem(&what, "put it above that one, or remove it")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
    }

    #[test]
    fn a_pattern_without_a_wildcard_is_one_message() {
        assert!(pattern("a.b").matches("a.b"));
        for other in ["", "a", "a.b.c", "x.a.b", "A.B", "a_b", "a.b*"] {
            assert!(!pattern("a.b").matches(other), "{other}");
        }
    }

    #[test]
    fn a_wildcard_is_any_text_at_any_place() {
        for (text, matched, others) in [
            ("a.*", vec!["a.", "a.b", "a.b.c"], vec!["a", "b.a."]),
            ("*.completed", vec![".completed", "a.b.completed"], vec!["a.completed.b", "completed"]),
            ("a.*.c", vec!["a..c", "a.b.c", "a.b.c.c"], vec!["a.c", "a.b.cc"]),
            ("*mini*", vec!["mini", "a.mini.b", "minimini"], vec!["min", "m.ini"]),
            ("a*b*c*b", vec!["abcb", "a.b.c.b", "abbccbb"], vec!["acb", "abc", "abb"]),
            ("*", vec!["", "a.b"], vec![]),
        ] {
            let pattern = pattern(text);
            assert!(matched.iter().all(|method| pattern.matches(method)), "{text}");
            assert!(!others.iter().any(|method| pattern.matches(method)), "{text}");
        }
    }

    #[test]
    fn the_texts_around_a_wildcard_do_not_overlap() {
        assert!(!pattern("aba*aba").matches("ababa"));
        assert!(pattern("aba*aba").matches("abaaba"));
    }

    proptest! {
        #[test]
        fn a_pattern_that_covers_another_matches_whatever_it_does(
            one in "[ab]{0,3}(\\*[ab]{1,2}){0,3}\\*?",
            other in "[ab]{0,3}(\\*[ab]{1,2}){0,3}\\*?",
            filling in prop::collection::vec("[abc]{0,3}", 5),
        ) {
            prop_assume!(!one.is_empty() && !other.is_empty());
            let (one, mut texts) = (pattern(&one), filling.iter());
            let filled: String = other
                .chars()
                .map(|char| if char == '*' { texts.next().unwrap().clone() } else { char.to_string() })
                .collect();
            prop_assert!(pattern(&other).matches(&filled));
            if one.covers(&pattern(&other)) {
                prop_assert!(one.matches(&filled), "{:?} {} {}", one, other, filled);
            } else {
                // A letter that is in no pattern shows that the cover is not too timid.
                prop_assert!(!one.matches(&other.replace('*', "z")), "{:?} {}", one, other);
            }
        }
    }
}
