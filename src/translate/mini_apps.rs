//! The mini programs of which an app accepts notifications; `apps.mini_app_ids`.
//!
//! A third-party platform is notified of all the mini programs that it serves, and an instance of the app may be there
//! for some of them.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;

use crate::rejection::{Reason, Rejection};

/// For each app that does not accept all, the mini programs that it accepts.
#[derive(Debug, Default, Clone)]
pub struct MiniApps(HashMap<String, HashSet<String>>);

/// The one field of the content that matters here.
#[derive(Deserialize)]
struct OfContent {
    mini_app_id: Option<serde_json::Value>,
}

impl MiniApps {
    /// Refuses a notification to `app` whose `content` names a mini program that the app does not accept.
    ///
    /// What names none is accepted: a trade, for instance.
    pub(super) fn check(&self, app: &str, content: &[u8]) -> Result<(), Rejection> {
        let Some(allowed) = self.0.get(app) else { return Ok(()) };
        let content: OfContent =
            serde_json::from_slice(content).map_err(|error| Reason::Internal.because(error))?;
        match content.mini_app_id {
            None => Ok(()),
            Some(serde_json::Value::String(id)) if allowed.contains(&id) => Ok(()),
            Some(_) => Err(Reason::MiniAppNotAllowed.into()),
        }
    }
}

/// An app with an empty list accepts all.
impl FromIterator<(String, Vec<String>)> for MiniApps {
    fn from_iter<I: IntoIterator<Item = (String, Vec<String>)>>(apps: I) -> Self {
        let listed = apps.into_iter().filter(|(_, ids)| !ids.is_empty());
        Self(listed.map(|(app_id, ids)| (app_id, ids.into_iter().collect())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_listed_ones_of_an_app_with_a_list_are_accepted() {
        let lists = [("1".to_owned(), vec!["20".to_owned(), "21".to_owned()]), ("2".to_owned(), Vec::new())];
        let mini_apps: MiniApps = lists.into_iter().collect();
        let is_accepted = |app, content: &str| mini_apps.check(app, content.as_bytes()).is_ok();
        assert!(is_accepted("1", r#"{"mini_app_id":"20"}"#));
        assert!(is_accepted("1", r#"{"a":{"mini_app_id":"9"},"mini_app_id":"21"}"#));
        assert!(is_accepted("1", r#"{"trade_no":"9"}"#));
        for other in ["\"9\"", "20", "null", "[\"20\"]", "\"\"", "\" 20\""] {
            // A null says as much as nothing at all.
            assert_eq!(
                is_accepted("1", &format!(r#"{{"mini_app_id":{other}}}"#)),
                other == "null",
                "{other}"
            );
        }
        for app in ["2", "3"] {
            assert!(is_accepted(app, r#"{"mini_app_id":"9"}"#));
        }
    }
}
