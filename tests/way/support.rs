//! What the tests stand on: a server on free ports, an upstream that does as it is told, a raw client, and Alipay.

pub(crate) mod alipay;
pub(crate) mod backend;
pub(crate) mod client;
pub(crate) mod process;
pub(crate) mod redis;
pub(crate) mod upstream;

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::thread;

use alipay_sidecar::config::Config;
use alipay_sidecar::server::Server;
use tokio::sync::oneshot;

use self::alipay::{APP_ID, Notification, OTHER_APP_ID};
use self::client::{Answer, Client};
use self::upstream::{Act, Upstream};

/// A running sidecar with its upstream.
pub(crate) struct Way {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) upstream: Upstream,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<std::io::Result<()>>>,
}

impl Way {
    /// A sidecar with the default configuration for [`APP_ID`] and [`OTHER_APP_ID`].
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// A sidecar with `settings`, as pairs of table and line. Those of `apps` belong to [`APP_ID`].
    pub(crate) fn with(settings: &[(&str, &str)]) -> Self {
        Self::before(Upstream::start(), settings)
    }

    /// A sidecar in front of `upstream`, with `settings`.
    pub(crate) fn before(upstream: Upstream, settings: &[(&str, &str)]) -> Self {
        let url = format!("http://{}/app", upstream.address);
        Self::launch(upstream, &url, settings)
    }

    /// A sidecar in front of `url`, with `settings`.
    pub(crate) fn to(url: &str, settings: &[(&str, &str)]) -> Self {
        Self::launch(Upstream::start(), url, settings)
    }

    fn launch(upstream: Upstream, url: &str, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sidecar.toml");
        fs::write(&file, config(url, settings)).unwrap();
        let config = Config::load(&file, |_| None).unwrap_or_else(|errors| panic!("{errors}"));
        let server = Server::bind(config).unwrap();
        let (address, admin) = (server.address().unwrap(), server.admin_address().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::spawn(move || server.serve(async move { drop(stopped.await) }));
        Self { address, admin, upstream, stop: Some(stop), thread: Some(thread) }
    }

    /// A new connection to the sidecar.
    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// Posts `notification` over a connection of its own.
    pub(crate) fn post(&self, notification: &Notification) -> Answer {
        self.post_body(&notification.body())
    }

    /// Posts `body` as a form over a connection of its own.
    pub(crate) fn post_body(&self, body: &str) -> Answer {
        self.connect().post(body)
    }

    /// Tells the upstream what to do with the next requests, in this order.
    pub(crate) fn upstream_does(&self, acts: impl IntoIterator<Item = Act>) -> &Self {
        self.upstream.does(acts);
        self
    }

    /// The text of `/metrics`.
    pub(crate) fn metrics(&self) -> String {
        Client::connect(self.admin).get("/metrics").body
    }

    /// How often a request ended with `reason`, which is empty for an accepted one.
    pub(crate) fn count(&self, reason: &str) -> u64 {
        let wanted = format!("reason=\"{reason}\"");
        let lines = self.metrics();
        let counts = lines
            .lines()
            .filter(|line| line.starts_with("alipay_sidecar_notifications_total{") && line.contains(&wanted))
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap());
        counts.sum()
    }

    /// Begins the end, as SIGTERM does.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits for the end.
    pub(crate) fn join(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap().unwrap();
        }
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.stop();
        self.upstream.release();
        if let Some(thread) = self.thread.take()
            && !thread::panicking()
        {
            thread.join().unwrap().unwrap();
        }
    }
}

pub(crate) fn config(url: &str, settings: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (table, given) in [
        ("server", "listen = \"127.0.0.1:0\""),
        ("admin", "listen = \"127.0.0.1:0\""),
        ("upstream", &format!("url = \"{url}\"")),
        ("verify", ""),
        ("translate", ""),
        ("ledger", ""),
        ("ack", ""),
        ("passthrough", ""),
        ("log", ""),
        ("telemetry", ""),
    ] {
        writeln!(text, "[{table}]\n{given}").unwrap();
        for line in lines(settings, table) {
            writeln!(text, "{line}").unwrap();
        }
    }
    let app = |app_id: &str, keys: &[String]| {
        format!("[[apps]]\napp_id = \"{app_id}\"\nalipay_public_keys = {keys:?}\n")
    };
    text.push_str(&app(APP_ID, &[alipay::other_key().public(), alipay::key().public()]));
    for line in lines(settings, "apps") {
        writeln!(text, "{line}").unwrap();
    }
    text.push_str(&app(OTHER_APP_ID, &[alipay::other_key().public()]));
    text
}

fn lines<'s>(settings: &'s [(&str, &'s str)], table: &str) -> impl Iterator<Item = &'s str> {
    settings.iter().filter(move |(of, _)| *of == table).map(|(_, line)| *line)
}
