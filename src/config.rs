//! What the configuration means: parsed keys, addresses, durations, limits.
//!
//! [`Config::load`] reads `sidecar.toml` and the key files that it names. It reports everything that is wrong at
//! once, each with its place, its key and its remedy; a [`Config`] is sound as a whole.

mod apps;
mod expand;
mod files;
mod finding;
mod hmac;
mod known;
mod ledger;
mod messages;
mod reader;
mod redis;
mod routes;
mod rules;
mod secrets;
mod sections;
mod source;
mod telemetry;
mod tls;
mod upstream;
mod value;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use jiff::Timestamp;
use toml::de::DeTable;
use tracing::Level;

use crate::confirm::Answers;
use crate::ledger::Terms;
use crate::receive::Limits;
use crate::translate::catalogue::Catalogue;
use crate::translate::charset::Charset;
use crate::translate::cipher::ContentKeys;
use crate::translate::mini_apps::MiniApps;
pub use crate::translate::{OnMismatch, UnknownMethods};
use crate::verify::Policy;
use crate::verify::keyring::Keyring;

pub(crate) use apps::read_key_file;
pub use apps::{App, ConfiguredKey, KeySource};
use files::Folder;
pub use files::NamedFiles;
pub(crate) use finding::Printable;
pub use finding::{ConfigErrors, Finding, Place};
pub use known::{KEYS, LISTS};
pub use ledger::{Ledger, LedgerStore, OnStoreError};
use reader::Reader;
pub use redis::RedisUrl;
pub use routes::{Pattern, Route};
use source::Source;
pub use tls::Tls;
pub use upstream::{AcceptedStatuses, Format, Upstream, UpstreamUrl};

/// Everything that the proxy needs to know, checked and parsed.
#[derive(Debug)]
pub struct Config {
    /// `[server]`: the side that Alipay calls.
    pub server: Server,
    /// `[admin]`: the side that the platform calls.
    pub admin: Admin,
    /// `[upstream]`: the app.
    pub upstream: Upstream,
    /// `[[apps]]`: the apps as they were configured, with the source of each key.
    pub apps: Vec<App>,
    /// The keys of the same apps, for the verification.
    pub keyring: Keyring,
    /// The content keys of the same apps, for the translation.
    pub content_keys: ContentKeys,
    /// The answers of the same apps to a gateway check.
    pub answers: Answers,
    /// `[verify]`: what a signature may be.
    pub policy: Policy,
    /// The bounds of `[server]` within which a request is read.
    pub limits: Limits,
    /// `[translate]`: what becomes of messages that do not fit.
    pub translate: Translate,
    /// All messages that are known, those of `translate.messages` among them.
    pub catalogue: Catalogue,
    /// `[ledger]`: what is remembered of notifications.
    pub ledger: Ledger,
    /// `ack.failure_status`: the status of a `fail` that answers a genuine notification.
    pub failure_status: StatusCode,
    /// `passthrough.enabled`: whether what is no notification goes to the app as it came.
    pub passthrough: bool,
    /// `[log]`.
    pub log: Log,
    /// `[telemetry]`.
    pub telemetry: Telemetry,
    /// What is allowed but deserves a look, in the order of the lines.
    pub warnings: Vec<Finding>,
    file: Arc<str>,
    files: NamedFiles,
}

/// The side that Alipay calls. The bounds of one request are in [`Config::limits`].
#[derive(Debug, Clone)]
pub struct Server {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The paths that are served, at least one.
    pub paths: Vec<String>,
    /// How long the head of a request may take.
    pub header_timeout: Duration,
    /// How long a connection may be idle between two requests.
    pub keep_alive: Duration,
    /// How many connections may be open at once.
    pub max_connections: usize,
    /// How long the proxy still accepts after it was told to stop.
    pub shutdown_delay: Duration,
    /// How long what is under way may take when the proxy stops.
    pub drain_timeout: Duration,
    /// What it speaks TLS with, if it does.
    pub tls: Option<Tls>,
}

/// The side that the platform calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// The address to listen on.
    pub listen: SocketAddr,
}

/// What becomes of genuine notifications that do not fit the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Translate {
    /// Of one that breaks the schema of its message.
    pub on_mismatch: OnMismatch,
    /// Of one whose message is not in the catalogue.
    pub unknown_methods: UnknownMethods,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// The least level that is written.
    pub level: Level,
    /// The format of a line.
    pub format: LogFormat,
}

/// What is told of notifications beside the log and the metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telemetry {
    /// Where spans are posted to, if they are.
    pub otlp_endpoint: Option<UpstreamUrl>,
}

/// The format of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Text for people.
    Text,
}

/// The longest configuration file; ten thousand apps with their keys in it have a twelfth of that.
const MAX_FILE: u64 = 64 * 1024 * 1024;

impl Config {
    /// Reads the configuration at `path` and the files that it names, with `${VARIABLES}` from `env`.
    pub fn load(path: &Path, env: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigErrors> {
        Self::load_with_files(path, env).0
    }

    /// As [`Config::load`], with the files that were read; also where something is wrong, since that may be in them.
    pub fn load_with_files(
        path: &Path,
        env: impl Fn(&str) -> Option<String>,
    ) -> (Result<Self, ConfigErrors>, NamedFiles) {
        let mut files = NamedFiles::default();
        match files.read(path, MAX_FILE) {
            Ok(bytes) => Self::read(path, &bytes, env, files),
            Err(error) => {
                let unreadable = ConfigErrors::one(Finding {
                    file: source::name(path),
                    place: None,
                    key: String::new(),
                    what: format!("the file cannot be read: {error}"),
                    remedy: "check its name and its rights".to_owned(),
                });
                (Err(unreadable), files)
            }
        }
    }

    /// As [`Config::load`], for a file that was read already. Relative paths in it start at the folder of `path`.
    pub fn parse(
        path: &Path,
        bytes: &[u8],
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigErrors> {
        Self::read(path, bytes, env, NamedFiles::default()).0
    }

    fn read(
        path: &Path,
        bytes: &[u8],
        env: impl Fn(&str) -> Option<String>,
        files: NamedFiles,
    ) -> (Result<Self, ConfigErrors>, NamedFiles) {
        let folder = Folder::new(path.parent().unwrap_or(Path::new("")), files);
        let config = Self::read_in(&folder, path, bytes, env);
        let files = folder.into_read();
        (config.map(|config| Self { files: files.clone(), ..config }), files)
    }

    fn read_in(
        folder: &Folder<'_>,
        path: &Path,
        bytes: &[u8],
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigErrors> {
        let source = Source::new(path, bytes).map_err(ConfigErrors::one)?;
        let (root, errors) = DeTable::parse_recoverable(source.text());
        ConfigErrors::among(rules::syntax(&source, &errors))?;
        let mut reader = Reader::new(&source, root.get_ref(), &env);
        let mut config = sections::read(&mut reader, folder, source.file());
        rules::check(&mut reader, &config);
        // What starts processes often sets a variable to nothing, and means that it is not set.
        if let Some(level) = env("SIDECAR_LOG").filter(|level| !level.is_empty()) {
            config.log.level = sections::override_level(&mut reader, &level).unwrap_or(config.log.level);
        }
        config.warnings = reader.finish()?;
        Ok(config)
    }

    /// What holds in the ledger for a notification that comes now.
    pub fn terms(&self) -> Terms {
        Terms {
            retain: self.ledger.retain,
            keep_failed: self.ledger.keep_failed,
            on_store_error: self.ledger.on_store_error,
            patience: self.upstream.timeout,
            store_patience: ledger::store_patience(self.upstream.timeout),
            max_waiting: self.upstream.max_in_flight,
        }
    }

    /// The files that it was made of.
    pub fn files(&self) -> &NamedFiles {
        &self.files
    }

    /// The mini programs that the apps allow, for the translation.
    pub fn mini_apps(&self) -> MiniApps {
        self.apps.iter().map(|app| (app.app_id.clone(), app.mini_app_ids.clone())).collect()
    }

    /// The charsets of the apps' notifications that name none, for the translation.
    pub fn charsets(&self) -> HashMap<String, Charset> {
        self.apps.iter().filter_map(|app| Some((app.app_id.clone(), app.charset?))).collect()
    }

    /// The paths that nothing unverified may reach: those of the notifications, here and at the app.
    ///
    /// What is passed through goes to the origin of `upstream.url`; a route on another port is out of its reach.
    pub fn closed_paths(&self) -> impl Iterator<Item = &str> {
        let url = &self.upstream.url;
        let routes = self.upstream.routes.iter().map(|route| &route.url);
        let urls = std::iter::once(url).chain(routes.filter(|route| route.port == url.port));
        let served = self.server.paths.iter().map(String::as_str);
        served.chain(urls.map(|url| url.path_and_query.as_str()))
    }

    /// What is to be said about keys and certificates at this time, above all about dates.
    pub fn key_warnings(&self, now: Timestamp) -> Vec<Finding> {
        let finding = |place: Place, key: &str, what: String| Finding {
            file: Arc::clone(&self.file),
            place: Some(place),
            key: key.to_owned(),
            what,
            remedy: String::new(),
        };
        let of_server = self.server.tls.iter().flat_map(|tls| {
            let warnings = tls.warnings(now).into_iter();
            warnings.map(|what| finding(tls.place(), "server.tls.certificate", what))
        });
        let keys = self.apps.iter().flat_map(|app| &app.keys);
        let of_apps = keys.flat_map(|configured| {
            let warnings = configured.key.warnings(now).into_iter();
            warnings.map(|what| finding(configured.place, &configured.entry, what))
        });
        of_server.chain(of_apps).collect()
    }

    /// When each certificate expires, by the name under which the metrics tell: `server.tls`, or the `app_id`. Of the
    /// certificates of one app it is the last to expire, because one of them is enough.
    pub fn expiries(&self) -> BTreeMap<String, Timestamp> {
        let of_server = self.server.tls.iter().map(|tls| ("server.tls", tls.certificate().not_after));
        let of_apps = self.apps.iter().filter_map(|app| {
            let certificates = app.keys.iter().filter_map(|configured| configured.key.certificate());
            Some((app.app_id.as_str(), certificates.map(|certificate| certificate.not_after).max()?))
        });
        of_server.chain(of_apps).map(|(name, expiry)| (name.to_owned(), expiry)).collect()
    }
}
