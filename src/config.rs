//! What the configuration means: parsed keys, addresses, durations, limits.
//!
//! [`Config::load`] reads `sidecar.toml` and the key files that it names. It reports everything that is wrong at
//! once, each with its place, its key and its remedy; a [`Config`] is sound as a whole.

mod apps;
mod expand;
mod finding;
mod hmac;
mod known;
mod messages;
mod reader;
mod routes;
mod rules;
mod secrets;
mod sections;
mod source;
mod telemetry;
mod upstream;
mod value;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use jiff::Timestamp;
use toml::de::DeTable;
use tracing::Level;

use crate::confirm::Answers;
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
pub(crate) use finding::Printable;
pub use finding::{ConfigErrors, Finding, Place};
pub use known::{KEYS, LISTS};
use reader::Reader;
pub use routes::{Pattern, Route};
use source::Source;
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
}

/// The side that Alipay calls. The bounds of one request are in [`Config::limits`].
#[derive(Debug, Clone, PartialEq, Eq)]
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
        let bytes = apps::read_bounded(path, MAX_FILE).map_err(|error| {
            ConfigErrors::one(Finding {
                file: source::name(path),
                place: None,
                key: String::new(),
                what: format!("the file cannot be read: {error}"),
                remedy: "check its name and its rights".to_owned(),
            })
        })?;
        Self::parse(path, &bytes, env)
    }

    /// As [`Config::load`], for a file that was read already. Relative paths in it start at the folder of `path`.
    pub fn parse(
        path: &Path,
        bytes: &[u8],
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigErrors> {
        let source = Source::new(path, bytes).map_err(ConfigErrors::one)?;
        let (root, errors) = DeTable::parse_recoverable(source.text());
        ConfigErrors::among(rules::syntax(&source, &errors))?;
        let mut reader = Reader::new(&source, root.get_ref(), &env);
        let mut config = sections::read(&mut reader, path.parent().unwrap_or(Path::new("")), source.file());
        rules::check(&mut reader, &config);
        // What starts processes often sets a variable to nothing, and means that it is not set.
        if let Some(level) = env("SIDECAR_LOG").filter(|level| !level.is_empty()) {
            config.log.level = sections::override_level(&mut reader, &level).unwrap_or(config.log.level);
        }
        config.warnings = reader.finish()?;
        Ok(config)
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

    /// What is to be said about the keys at this time, above all about the dates of their certificates.
    pub fn key_warnings(&self, now: Timestamp) -> Vec<Finding> {
        let keys = self.apps.iter().flat_map(|app| &app.keys);
        keys.flat_map(|configured| {
            configured.key.warnings(now).into_iter().map(|what| Finding {
                file: Arc::clone(&self.file),
                place: Some(configured.place),
                key: configured.entry.clone(),
                what,
                remedy: String::new(),
            })
        })
        .collect()
    }
}
