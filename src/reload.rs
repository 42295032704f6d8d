//! Configuration, keys and certificates that change while the process runs.
//!
//! What a configuration means is one value, [`Shared`], which is swapped as a whole. Whoever began with the old one ends
//! with it. A configuration that is not sound changes nothing.

mod places;
mod watch;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at};
use tracing::{error, info, warn};

use self::watch::Watch;
use crate::config::{self, Config, ConfigErrors, Finding, LedgerStore, NamedFiles, UpstreamUrl};
use crate::deliver::{Idle, InFlight, Upstream};
use crate::gateway::{Lasting, Shared};
use crate::limits::raise_file_limit;
use crate::passthrough::Passthrough;
use crate::telemetry::log;
use crate::telemetry::metrics::Reloaded;
use crate::translate::Translator;

/// How often the dates of certificates are looked at.
const DAY: Duration = Duration::from_hours(24);

/// Where a configuration comes from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The configuration file.
    pub path: PathBuf,
    /// The environment.
    pub env: fn(&str) -> Option<String>,
    /// What time it is.
    pub clock: fn() -> Timestamp,
}

/// What reloads the configuration of a server.
pub struct Reload {
    origin: Origin,
    latest: Arc<ArcSwap<Shared>>,
    /// The addresses that were bound at start: those of `server.listen` and of `admin.listen`.
    bound: [SocketAddr; 2],
    /// Where spans go since the start.
    collector: Option<UpstreamUrl>,
    /// Where the ledger is kept since the start.
    store: LedgerStore,
    /// The files that were refused last, so that they are not complained about twice.
    refused: Option<NamedFiles>,
}

/// What came of reading everything again.
struct Loaded {
    config: Result<Config, Unusable>,
    files: NamedFiles,
}

/// Why what was read is not served by.
enum Unusable {
    /// The configuration file holds nothing. That is sound, but here it is a file that is being written.
    Empty,
    /// There are errors in it.
    Unsound(ConfigErrors),
}

/// That the last good configuration serves on, for the log.
struct Refused {
    errors: Option<usize>,
    cause: Option<String>,
}

const EMPTY: &str = "the configuration file is empty: it may be in the middle of being written";

impl Reload {
    /// What reloads `latest` from `origin`.
    pub(crate) fn new(origin: Origin, latest: Arc<ArcSwap<Shared>>) -> Self {
        let shared = latest.load();
        let bound = [shared.config.server.listen, shared.config.admin.listen];
        let collector = shared.config.telemetry.otlp_endpoint.clone();
        let store = shared.config.ledger.store.clone();
        Self { origin, latest, bound, collector, store, refused: None }
    }

    /// Reloads whenever a file changes or it is `asked` to, until nobody can ask any more. Once a day it tells of
    /// certificates that are about to expire.
    ///
    /// Files are read on a helper thread, so that whoever else runs on this one is not kept waiting.
    pub async fn run(mut self, mut asked: mpsc::Receiver<()>) {
        let files = self.latest.load().config.files().clone();
        let armed = tokio::task::spawn_blocking(move || Watch::over(&files, None));
        let Ok(mut watch) = armed.await else { return };
        let start = Instant::now();
        let mut days = interval_at(start.checked_add(DAY).unwrap_or(start), DAY);
        loop {
            let is_asked = tokio::select! {
                request = asked.recv() => {
                    if request.is_none() {
                        return;
                    }
                    true
                }
                () = watch.changed() => false,
                _ = days.tick() => {
                    tell_all(&self.latest.load().config.key_warnings((self.origin.clock)()));
                    continue;
                }
            };
            let origin = self.origin.clone();
            let read = tokio::task::spawn_blocking(move || {
                let loaded = Loaded::read(&origin);
                let watch = Watch::over(&loaded.files, Some(watch));
                (loaded, watch)
            });
            let Ok((loaded, renewed)) = read.await else { return };
            watch = renewed;
            if let Some(outcome) = self.take(loaded, is_asked) {
                self.latest.load().lasting.metrics.reloaded(outcome);
            }
        }
    }

    /// Serves what is new by what was `loaded`, if it is sound. Where nothing is new, and nobody asked, nothing is told.
    fn take(&mut self, loaded: Loaded, is_asked: bool) -> Option<Reloaded> {
        let before = self.latest.load_full();
        if loaded.files == *before.config.files() {
            self.refused = None;
            if is_asked {
                info!(event = "reload", result = Reloaded::Unchanged.label(), "all files are as they were");
            }
            return is_asked.then_some(Reloaded::Unchanged);
        }
        if !is_asked && self.refused.as_ref() == Some(&loaded.files) {
            return None;
        }
        match self.apply(loaded.config, &before) {
            Ok(()) => {
                self.refused = None;
                Some(Reloaded::Applied)
            }
            Err(refused) => {
                self.refused = Some(loaded.files);
                let Refused { errors, cause } = refused;
                error!(
                    event = "reload",
                    result = Reloaded::Refused.label(),
                    errors,
                    cause,
                    "the last good configuration serves on"
                );
                Some(Reloaded::Refused)
            }
        }
    }

    fn apply(&self, config: Result<Config, Unusable>, before: &Shared) -> Result<(), Refused> {
        let mut config = config.map_err(|unusable| match unusable {
            Unusable::Empty => Refused { errors: None, cause: Some(EMPTY.to_owned()) },
            Unusable::Unsound(errors) => {
                for Finding { file, place, key, what, remedy } in errors.findings() {
                    let place = place.map(|place| format!("{file}:{}:{}", place.line, place.column));
                    error!(event = "config_error", place, key, remedy, "{what}");
                }
                Refused { errors: Some(errors.findings().len()), cause: None }
            }
        })?;
        // Sessions that were begun with the same certificate can be resumed.
        if let (Some(old), Some(new)) = (&before.config.server.tls, &config.server.tls)
            && old.is_of_same_pair(new)
        {
            config.server.tls = Some(old.clone());
        }
        let needs_restart = self.needs_restart(&config);
        let log = config.log;
        let shared = set_up(config, before.lasting.clone())
            .map_err(|problem| Refused { errors: None, cause: Some(problem.to_string()) })?;
        let shared = Arc::new(shared);
        self.latest.store(Arc::clone(&shared));
        // What comes of it is told at the level that shows more.
        let is_quieter = log.level < before.config.log.level;
        if !is_quieter {
            log::change(log);
        }
        tell_all(shared.config.warnings.iter().chain(&shared.config.key_warnings((self.origin.clock)())));
        let result = Reloaded::Applied.label();
        match needs_restart {
            None => info!(event = "reload", result, "what comes from now on is served by it"),
            Some(keys) => warn!(
                event = "reload",
                result,
                needs_restart = keys,
                "what comes from now on is served by it, but for the keys that need a restart"
            ),
        }
        if is_quieter {
            log::change(log);
        }
        Ok(())
    }

    /// The keys that `config` changes and that only a restart can.
    fn needs_restart(&self, config: &Config) -> Option<String> {
        let [server, admin] = self.bound;
        let listeners =
            [("server.listen", server, config.server.listen), ("admin.listen", admin, config.admin.listen)];
        let changed = listeners.iter().filter(|(_, bound, now)| bound != now).map(|(key, ..)| *key);
        let collector =
            (self.collector != config.telemetry.otlp_endpoint).then_some("telemetry.otlp_endpoint");
        let store = self.store.changed(&config.ledger.store);
        let keys = changed.chain(store).chain(collector).collect::<Vec<_>>().join(", ");
        (!keys.is_empty()).then_some(keys)
    }
}

impl Loaded {
    /// Reads everything at `origin`.
    fn read(origin: &Origin) -> Self {
        let is_empty = origin.path.metadata().is_ok_and(|file| file.len() == 0);
        let (config, files) = Config::load_with_files(&origin.path, origin.env);
        let config = match config {
            Ok(_) if is_empty => Err(Unusable::Empty),
            config => config.map_err(Unusable::Unsound),
        };
        Self { config, files }
    }
}

/// What `config` means to the workers, who go on with what lasts.
pub(crate) fn set_up(config: Config, lasting: Lasting) -> io::Result<Shared> {
    let Lasting { idle, metrics, .. } = &lasting;
    // What each worker will make of it is tried here, where an error can be told.
    drop(
        <Upstream>::new(config.upstream.clone(), 0, &Idle::new(1), InFlight::default())
            .map_err(io::Error::other)?,
    );
    drop(Passthrough::new(&config, idle, metrics).map_err(io::Error::other)?);
    let passing = if config.passthrough { config.upstream.max_in_flight } else { 0 };
    let to_upstream = config.upstream.max_connections().saturating_add(passing);
    let files = raise_file_limit(config.server.max_connections, to_upstream)?;
    if let Some(warning) = files.warning() {
        warn!(event = "file_limit", "{warning}");
    }
    let config::Translate { on_mismatch, unknown_methods } = config.translate;
    let translator = Translator::new(config.catalogue.clone(), on_mismatch, unknown_methods)
        .with_content_keys(config.content_keys.clone())
        .with_mini_apps(config.mini_apps())
        .with_charsets(config.charsets());
    metrics.certificates(&config.expiries());
    Ok(Shared {
        translator: Arc::new(translator),
        methods: metrics.methods_of(config.catalogue.methods()),
        max_connections: files.connections(),
        config: Arc::new(config),
        lasting,
    })
}

/// Logs warnings about the configuration, a line each.
pub fn tell_all<'a>(warnings: impl IntoIterator<Item = &'a Finding>) {
    for Finding { file, place, key, what, remedy } in warnings {
        let place = place.map(|place| format!("{file}:{}:{}", place.line, place.column));
        warn!(event = "config_warning", place, key, remedy, "{what}");
    }
}
