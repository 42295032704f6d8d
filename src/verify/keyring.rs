//! The public keys of every app, parsed once, when the configuration is read.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use super::key::PublicKey;

/// The apps, each with the keys with which Alipay may sign what it sends to it.
///
/// Looking an app up takes the same time whether there is one or ten thousand, and allocates nothing. The hash is
/// seeded at random, so that nobody can choose colliding ones.
#[derive(Debug, Default)]
pub struct Keyring {
    apps: Vec<App>,
    places: HashMap<Box<[u8]>, usize>,
}

#[derive(Debug)]
struct App {
    app_id: String,
    keys: Vec<Arc<PublicKey>>,
}

impl Keyring {
    /// The keys of the app with this `app_id`, as the sender claims it; `None` if it is not ours.
    pub fn keys(&self, app_id: &[u8]) -> Option<&[Arc<PublicKey>]> {
        let place = self.places.get(app_id)?;
        self.apps.get(*place).map(|app| app.keys.as_slice())
    }

    /// The keys that are tried for an app that is not ours: those of one that is, chosen by the `app_id` and by
    /// chance, so that time does not tell which apps are configured.
    pub(super) fn decoy(&self, app_id: &[u8]) -> &[Arc<PublicKey>] {
        let hash = usize::try_from(self.places.hasher().hash_one(app_id)).unwrap_or_default();
        let place = hash.checked_rem(self.apps.len()).unwrap_or_default();
        self.apps.get(place).map(|app| app.keys.as_slice()).unwrap_or_default()
    }

    /// Every app with its keys, in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[Arc<PublicKey>])> {
        self.apps.iter().map(|app| (app.app_id.as_str(), app.keys.as_slice()))
    }

    /// The number of apps.
    pub fn len(&self) -> usize {
        self.apps.len()
    }

    /// Whether there is no app, so that every notification is refused.
    pub fn is_empty(&self) -> bool {
        self.apps.is_empty()
    }
}

/// Of two entries with one `app_id` the first counts. The configuration refuses such a pair before it comes here.
impl FromIterator<(String, Vec<Arc<PublicKey>>)> for Keyring {
    fn from_iter<I: IntoIterator<Item = (String, Vec<Arc<PublicKey>>)>>(apps: I) -> Self {
        let mut keyring = Self::default();
        for (app_id, keys) in apps {
            let place = keyring.apps.len();
            keyring.places.entry(app_id.as_bytes().into()).or_insert_with(|| {
                keyring.apps.push(App { app_id, keys });
                place
            });
        }
        keyring
    }
}
