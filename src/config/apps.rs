//! `[[apps]]`: the apps that Alipay notifies, and Alipay's public keys for each of them.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::files::{Folder, read_bounded};
use super::finding::Place;
use super::reader::{Problem, Reader, Section, Written};
use super::{secrets, value};
use crate::confirm::answer::SignedAnswer;
use crate::translate::charset::Charset;
use crate::translate::cipher::ContentKey;
use crate::verify::key::{Fingerprint, KeyError, PublicKey};

/// The longest key file. A certificate bundle has a few KiB.
pub(super) const MAX_KEY_FILE: u64 = 64 * 1024;

/// The most keys of one app. Several are there only while one is rotated, and each costs RSA operations for every
/// forged notification.
const MAX_KEYS: usize = 4;

/// One app, as it was configured.
#[derive(Debug, Clone)]
pub struct App {
    /// Its identity: digits only.
    pub app_id: String,
    /// Alipay's keys for it, at least one: those in files first.
    pub keys: Vec<ConfiguredKey>,
    /// The key with which its content is encrypted, if it has one.
    pub content_key: Option<ContentKey>,
    /// Its answer to a gateway check, if it has a private key to sign one with.
    pub answer: Option<SignedAnswer>,
    /// The mini programs of which it accepts notifications; empty for all.
    pub mini_app_ids: Vec<String>,
    /// The charset of its notifications that name none, if it is not UTF-8.
    pub charset: Option<Charset>,
}

/// One of Alipay's public keys, and where it came from.
#[derive(Debug, Clone)]
pub struct ConfiguredKey {
    /// The key.
    pub key: Arc<PublicKey>,
    /// Where it came from.
    pub source: KeySource,
    /// The path of the entry in the configuration, such as `apps[0].alipay_public_keys[1]`.
    pub entry: String,
    /// Where that entry stands.
    pub place: Place,
}

/// Where a key came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file, as the configuration names it.
    File(String),
    /// The configuration itself.
    Inline,
}

/// Reads all apps. Relative paths of key files start at `folder`.
pub(super) fn read(reader: &mut Reader<'_>, folder: &Folder<'_>, allow_sha1: bool) -> Vec<App> {
    let mut apps: Vec<App> = Vec::new();
    let mut first_of: HashMap<String, usize> = HashMap::new();
    let mut own = Vec::new();
    for (index, (place, table)) in reader.tables("apps").into_iter().enumerate() {
        let path = format!("apps[{index}]");
        let mut section = reader.open("apps", path.clone(), Some(table));
        let app_id = section.optional("app_id", value::app_id);
        let is_missing = !section.has("app_id");
        if let Some(app_id) = &app_id
            && let Some(first) = first_of.get(app_id)
        {
            let remedy = "keep one of them, with the keys of both in its lists";
            section.refuse("app_id", Problem::new(format!("is also the app_id of apps[{first}]"), remedy));
        } else if let Some(app_id) = &app_id {
            first_of.insert(app_id.clone(), index);
        }
        let keys = read_keys(&mut section, folder, allow_sha1);
        let content_key =
            section.optional("content_key_file", |written| secrets::content_key(written, folder));
        let mini_app_ids = section.list("mini_app_ids", Vec::new(), value::app_id);
        if section.is_empty_list("mini_app_ids") {
            let remedy = "name those that are allowed, or remove the key to allow all";
            section.refuse("mini_app_ids", Problem::new("no mini program is allowed", remedy));
        }
        let charset = section.optional("charset", value::charset);
        let answer = section.optional("app_private_key_file", |written| {
            let answer = secrets::answer(written, folder)?;
            own.push((answer.fingerprint(), written.place, written.key.clone()));
            Ok(answer)
        });
        if is_missing {
            let problem =
                Problem::new("is missing", "add the app's identity, like app_id = \"2021000000000000\"");
            reader.error(Some(place), &format!("{path}.app_id"), problem);
        }
        if let Some(keys) = &keys
            && keys.is_empty()
        {
            let remedy = "add Alipay's public key, like alipay_public_key_files = [\"keys/alipay.pem\"]";
            reader.error(Some(place), &path, Problem::new("has no key", remedy));
        }
        if let (Some(app_id), Some(keys)) = (app_id, keys) {
            apps.push(App { app_id, keys, content_key, answer, mini_app_ids, charset });
        }
    }
    warn_of_shared_keys(reader, &apps);
    warn_of_own_keys(reader, &apps, &own);
    apps
}

/// An app's keys; `None` if an entry was wrong, and that was noted.
fn read_keys(
    section: &mut Section<'_, '_>,
    folder: &Folder<'_>,
    allow_sha1: bool,
) -> Option<Vec<ConfiguredKey>> {
    let mut seen: HashMap<_, String> = HashMap::new();
    let faults = section.faults();
    let mut add = |written: &Written<'_>, parsed: Result<(PublicKey, KeySource), Problem>| {
        let (key, source) = parsed?;
        let entry = written.key.clone();
        if let Some(first) = seen.insert(key.fingerprint(), entry.clone()) {
            return Err(Problem::new(format!("is the same key as {first}"), "remove one of them"));
        }
        if seen.len() > MAX_KEYS {
            let what = format!("is one key too many: an app has at most {MAX_KEYS}");
            let remedy =
                "remove those that Alipay no longer signs with: each makes forged notifications dearer";
            return Err(Problem::new(what, remedy));
        }
        Ok(ConfiguredKey { key: Arc::new(key), source, entry, place: written.place })
    };
    let mut keys = section.list("alipay_public_key_files", Vec::new(), |written| {
        add(written, from_file(written, folder, allow_sha1))
    });
    keys.extend(
        section
            .list("alipay_public_keys", Vec::new(), |written| add(written, from_text(written, allow_sha1))),
    );
    (section.faults() == faults).then_some(keys)
}

fn from_file(
    written: &Written<'_>,
    folder: &Folder<'_>,
    allow_sha1: bool,
) -> Result<(PublicKey, KeySource), Problem> {
    let (shown, bytes) = read_named(written, folder, "or move the key itself to alipay_public_keys")?;
    let key = parse(&bytes, allow_sha1)
        .map_err(|error| Problem::new(format!("{shown} holds no key that can be used: {error}"), ""))?;
    let shown = if written.is_expanded() { written.quoted() } else { written.text.clone().into_owned() };
    Ok((key, KeySource::File(shown)))
}

/// How messages call the key file that `written` names, and its bytes; `otherwise` is what else can be done with a key
/// that stands in the place of the name.
pub(super) fn read_named(
    written: &Written<'_>,
    folder: &Folder<'_>,
    otherwise: &str,
) -> Result<(String, Vec<u8>), Problem> {
    let name = written.text.as_ref();
    if name.contains("-----") || name.contains('\n') || name.len() > 255 {
        let remedy = format!("write the name of its file here, {otherwise}");
        return Err(Problem::new("this is a key, not the name of a file", remedy));
    }
    let path = folder.join(name);
    let shown = shown(written, &path);
    let bytes = folder
        .read(&path, MAX_KEY_FILE)
        .map_err(|error| Problem::new(format!("{shown} cannot be read: {error}"), REMEDY_FOR_FILE))?;
    Ok((shown, bytes))
}

/// A key in the file itself. No message quotes it: it may be a private one by mistake.
fn from_text(written: &Written<'_>, allow_sha1: bool) -> Result<(PublicKey, KeySource), Problem> {
    let key =
        parse(written.text.as_bytes(), allow_sha1).map_err(|error| Problem::new(error.to_string(), ""))?;
    Ok((key, KeySource::Inline))
}

/// What to do about a key file that cannot be read.
pub(super) const REMEDY_FOR_FILE: &str =
    "relative paths start at the folder of the configuration file; check name and rights";

fn parse(bytes: &[u8], allow_sha1: bool) -> Result<PublicKey, KeyError> {
    if allow_sha1 { PublicKey::parse_allowing_sha1(bytes) } else { PublicKey::parse(bytes) }
}

/// A file in messages: as written, and where that is unless the environment took part.
pub(super) fn shown(written: &Written<'_>, path: &Path) -> String {
    if written.is_expanded() || path == Path::new(written.text.as_ref()) {
        return written.quoted();
    }
    format!("{} ({})", written.quoted(), path.display())
}

/// The bytes of a file that may hold a key.
pub(crate) fn read_key_file(path: &Path) -> io::Result<Vec<u8>> {
    read_bounded(path, MAX_KEY_FILE)
}

/// Whoever holds the private key of a shared one can notify all apps that share it. One warning for each such key,
/// however many apps have it.
fn warn_of_shared_keys(reader: &mut Reader<'_>, apps: &[App]) {
    let mut users: BTreeMap<_, Vec<&ConfiguredKey>> = BTreeMap::new();
    for configured in apps.iter().flat_map(|app| &app.keys) {
        users.entry(configured.key.fingerprint()).or_default().push(configured);
    }
    for entries in users.values() {
        if let [first, second, rest @ ..] = entries.as_slice() {
            let others = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
            let what = format!("is the same key as {}{others}", first.entry);
            let remedy =
                "Alipay has a key of its own for each app that signs with RSA2: check that none was copied";
            reader.warn(Some(second.place), &second.entry, Problem::new(what, remedy));
        }
    }
}

/// A key pair of which both halves are here was mixed up: of Alipay's keys nobody else has the private half, and with an
/// app's own key not a single notification verifies.
fn warn_of_own_keys(reader: &mut Reader<'_>, apps: &[App], own: &[(Fingerprint, Place, String)]) {
    let keys = || apps.iter().flat_map(|app| &app.keys);
    for (fingerprint, place, entry) in own {
        if let Some(same) = keys().find(|configured| configured.key.fingerprint() == *fingerprint) {
            let remedy = "one of the two is in the wrong place: here belongs your app's own private key (应用私钥), \
                          there Alipay's public key (支付宝公钥)";
            reader.warn(
                Some(*place),
                entry,
                Problem::new(format!("is the private half of {}", same.entry), remedy),
            );
        }
    }
}
