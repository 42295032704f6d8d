//! What must hold between keys, and what is allowed but deserves a warning.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::finding::{Finding, Place};
use super::reader::{Problem, Reader};
use super::source::{Source, quote};
use super::{Config, LedgerStore, UpstreamUrl};
use crate::passthrough::closed::Closed;
use crate::verify::SignedForm;

/// When Alipay's last delivery comes is 24 h 22 min after the first; the next full hour is the least that is sound.
const ALL_DELIVERIES: Duration = Duration::from_hours(25);

/// The errors of the parser, one a line: what follows on the same line is mostly a consequence.
pub(super) fn syntax(source: &Source<'_>, errors: &[toml::de::Error]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    let mut line: Option<usize> = None;
    for error in errors {
        let place: Option<Place> = error.span().map(|span| source.place(span.start));
        if place.is_some() && place.map(|place| place.line) == line {
            continue;
        }
        line = place.map(|place| place.line);
        let key = error.span().map(|span| quote(source.raw(span))).unwrap_or_default();
        let (key, remedy) = match error.message() {
            "duplicate key" => (key, "keep one of them"),
            _ => {
                (String::new(), "correct this place; strings need quotes, and each key has a line of its own")
            }
        };
        let what = format!("the file is not TOML: {}", error.message());
        findings.push(Finding { file: source.file(), place, key, what, remedy: remedy.to_owned() });
    }
    findings
}

/// Notes the rules that are broken and the warnings. A rule whose keys are wrong already is not asked.
pub(super) fn check(reader: &mut Reader<'_>, config: &Config) {
    timeouts(reader, config);
    addresses(reader, config);
    passthrough(reader, config);
    if config.apps.is_empty() && reader.are_sound_below("apps") {
        let remedy = "add an [[apps]] with its app_id and Alipay's public key";
        let what = "no app is configured: every notification is refused, and /readyz stays 503";
        reader.warn(None, "apps", Problem::new(what, remedy));
    }
    if config.policy.forms == [SignedForm::V2] {
        let what = "refuses every trade: flat notifications are signed in form v1, all but a few kinds";
        let remedy = "write \"auto\", unless only messages come here";
        reader.warn(reader.place("verify", "form"), "verify.form", Problem::new(what, remedy));
    }
    if config.policy.allow_sha1 {
        let what = "SHA-1 and keys of 1,024 bits are allowed; many merchants share such a key";
        let remedy =
            "switch to RSA2 in the console, and this off; until then the app_id is what tells apps apart";
        reader.warn(reader.place("verify", "allow_sha1"), "verify.allow_sha1", Problem::new(what, remedy));
    }
    let place = reader.place("verify", "max_age");
    match config.policy.max_age {
        None => {
            let what =
                "notifications of any age are accepted, so that a leaked one can be sent again at any time";
            let problem =
                Problem::new(what, "write \"26h\" unless the clock of this machine cannot be trusted");
            reader.warn(place, "verify.max_age", problem);
        }
        Some(age) if age < ALL_DELIVERIES => {
            let what = "is short: Alipay's own last deliveries may be refused";
            let problem = Problem::new(what, "write at least \"25h\": Alipay delivers again for that long");
            reader.warn(place, "verify.max_age", problem);
        }
        Some(age) if config.ledger.store != LedgerStore::Off && age > config.ledger.retain => {
            let what = "is longer than ledger.retain: what was accepted and is forgotten can be sent again, and is delivered";
            let problem = Problem::new(what, "make it no longer than ledger.retain, or that as long as this");
            reader.warn(place.or(reader.place("ledger", "retain")), "verify.max_age", problem);
        }
        Some(_) => {}
    }
    if config.ledger.store != LedgerStore::Off && config.ledger.retain < ALL_DELIVERIES {
        let what =
            "is short: what became of a notification is forgotten while Alipay may still deliver it again";
        let problem = Problem::new(what, "write at least \"25h\": Alipay delivers again for that long");
        reader.warn(reader.place("ledger", "retain"), "ledger.retain", problem);
    }
}

fn timeouts(reader: &mut Reader<'_>, config: &Config) {
    let upstream = &config.upstream;
    if !reader.are_sound(&["upstream.timeout", "upstream.connect_timeout", "server.drain_timeout"]) {
        return;
    }
    if upstream.connect_timeout > upstream.timeout {
        let what = "is longer than upstream.timeout";
        let place = reader.place("upstream", "connect_timeout").or(reader.place("upstream", "timeout"));
        let problem = Problem::new(what, "make it shorter: connecting is a part of the delivery");
        reader.error(place, "upstream.connect_timeout", problem);
    }
    if config.server.drain_timeout < upstream.timeout {
        let what = "is shorter than upstream.timeout";
        let place = reader.place("server", "drain_timeout").or(reader.place("upstream", "timeout"));
        let problem = Problem::new(what, "make it longer, or a shutdown cuts deliveries off");
        reader.warn(place, "server.drain_timeout", problem);
    }
}

/// Some paths cannot be closed without closing all.
fn passthrough(reader: &mut Reader<'_>, config: &Config) {
    if !config.passthrough || !reader.are_sound(&["server.paths", "upstream.url"]) {
        return;
    }
    let what = "leaves nothing to pass through: as servers read paths, every path may lead there";
    let remedy =
        "give the notifications a path of their own, like /alipay/notify, or set passthrough.enabled = false";
    if config.server.paths.iter().any(|path| Closed::is_everything(path)) {
        reader.error(reader.place("server", "paths"), "server.paths", Problem::new(what, remedy));
    }
    let url = &config.upstream.url;
    if Closed::is_everything(&url.path_and_query) {
        reader.error(reader.place("upstream", "url"), "upstream.url", Problem::new(what, remedy));
    }
    let routes = config.upstream.routes.iter().filter(|route| route.url.port == url.port);
    for route in routes.filter(|route| Closed::is_everything(&route.url.path_and_query)) {
        reader.error(Some(route.place), &route.entry, Problem::new(what, remedy));
    }
}

fn addresses(reader: &mut Reader<'_>, config: &Config) {
    if !reader.are_sound(&["server.listen", "admin.listen"]) {
        return;
    }
    let (server, admin) = (config.server.listen, config.admin.listen);
    if overlap(server, admin) {
        let place = reader.place("admin", "listen").or(reader.place("server", "listen"));
        let problem = Problem::new("is the address of server.listen", "give each a port of its own");
        reader.error(place, "admin.listen", problem);
    }
    let is_url_sound = reader.are_sound(&["upstream.url"]);
    for (key, listen) in [("server.listen", server), ("admin.listen", admin)] {
        let what = || format!("leads back to the proxy: {key} is the same address");
        if is_url_sound && leads_back(&config.upstream.url, listen) {
            let place = reader.place("upstream", "url").or(reader.place("server", "listen"));
            reader.error(place, "upstream.url", Problem::new(what(), REMEDY_FOR_LOOP));
        }
        if let Some(url) = &config.telemetry.otlp_endpoint
            && leads_back(url, listen)
        {
            let remedy = "write the address of the collector";
            let place = reader.place("telemetry", "otlp_endpoint");
            reader.error(place, "telemetry.otlp_endpoint", Problem::new(what(), remedy));
        }
        for route in config.upstream.routes.iter().filter(|route| leads_back(&route.url, listen)) {
            reader.error(Some(route.place), &route.entry, Problem::new(what(), REMEDY_FOR_LOOP));
        }
    }
}

const REMEDY_FOR_LOOP: &str = "write the address of the app";

/// Whether two listeners cannot both be bound. Port 0 is any free one.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let same_ip = one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && same_ip
}

/// Whether a connection to this address of the same machine arrives at `listen`.
fn leads_back(url: &UpstreamUrl, listen: SocketAddr) -> bool {
    let ip = url.host.parse::<IpAddr>().ok();
    let is_here =
        ip.map_or(url.host.eq_ignore_ascii_case("localhost"), |ip| ip.is_loopback() || ip.is_unspecified());
    let is_same = ip == Some(listen.ip()) || (is_here && (listen.ip().is_unspecified() || ip.is_none()));
    url.port == listen.port() && is_same
}
