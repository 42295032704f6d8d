//! The sections of the file, each key with its default and its bounds.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use tracing::Level;

use super::files::{Folder, NamedFiles};
use super::reader::{Problem, Reader};
use super::upstream::{self, Format, Upstream, UpstreamUrl};
use super::{
    Admin, Config, Log, LogFormat, OnMismatch, Server, Telemetry, Translate, UnknownMethods, apps, hmac,
    messages, routes, telemetry, tls, value,
};
use crate::receive::Limits;
use crate::translate::catalogue::Catalogue;
use crate::verify::{Policy, SignedForm};

/// Takes every key out of the file. What it returns counts only if nothing was noted.
pub(super) fn read(reader: &mut Reader<'_>, folder: &Folder<'_>, file: Arc<str>) -> Config {
    let (server, limits) = read_server(reader, folder);
    let mut section = reader.section("admin");
    let admin = Admin { listen: section.text("listen", everywhere(9090), value::address) };
    let upstream = read_upstream(reader, folder);
    let (translate, catalogue) = read_translate(reader, folder);
    let policy = read_policy(reader, &catalogue);
    let apps = apps::read(reader, folder, policy.allow_sha1);
    let keyring = apps
        .iter()
        .map(|app| (app.app_id.clone(), app.keys.iter().map(|key| Arc::clone(&key.key)).collect()))
        .collect();
    let of_app = |app: &apps::App| app.app_id.clone();
    let content_keys = apps.iter().filter_map(|app| Some((of_app(app), app.content_key.clone()?))).collect();
    let answers = apps.iter().filter_map(|app| Some((of_app(app), app.answer.clone()?))).collect();
    let failure_status = read_failure_status(reader);
    let passthrough = reader.section("passthrough").boolean("enabled", false);
    let log = read_log(reader);
    let mut section = reader.section("telemetry");
    let telemetry = Telemetry { otlp_endpoint: section.optional("otlp_endpoint", telemetry::endpoint) };
    let warnings = Vec::new();
    Config {
        server,
        admin,
        upstream,
        apps,
        keyring,
        content_keys,
        answers,
        policy,
        limits,
        translate,
        catalogue,
        failure_status,
        passthrough,
        log,
        telemetry,
        warnings,
        file,
        files: NamedFiles::default(),
    }
}

fn read_server(reader: &mut Reader<'_>, folder: &Folder<'_>) -> (Server, Limits) {
    let mut section = reader.section("server");
    let mut seen = Vec::new();
    let paths = section.list("paths", vec!["/alipay/notify".to_owned()], |written| {
        let path = value::path(written)?;
        if seen.contains(&path) {
            return Err(written.problem("is there twice", "remove one of them"));
        }
        seen.push(path.clone());
        Ok(path)
    });
    if section.is_empty_list("paths") {
        let remedy = "name the path that Alipay calls, like [\"/alipay/notify\"]";
        section.refuse("paths", Problem::new("no path is served", remedy));
    }
    let limits = Limits {
        max_body: section.text("max_body", 256 * 1024, value::size(1024..=16 * 1024 * 1024)),
        max_params: section.number("max_params", 64, 1..=1000),
        body_timeout: section.text("body_timeout", seconds(10), value::duration(up_to(300))),
    };
    let server = Server {
        listen: section.text("listen", everywhere(8080), value::address),
        paths,
        header_timeout: section.text("header_timeout", seconds(10), value::duration(up_to(300))),
        keep_alive: section.text("keep_alive", seconds(75), value::duration(up_to(3600))),
        max_connections: section.number("max_connections", 10_000, 1..=1_000_000),
        shutdown_delay: section.text(
            "shutdown_delay",
            Duration::ZERO,
            value::duration(Duration::ZERO..=seconds(300)),
        ),
        drain_timeout: section.text("drain_timeout", seconds(20), value::duration(up_to(600))),
        tls: tls::read(&mut section, folder),
    };
    (server, limits)
}

fn read_upstream(reader: &mut Reader<'_>, folder: &Folder<'_>) -> Upstream {
    const FORMATS: &[(&str, Format)] = &[
        ("json", Format::Json),
        ("cloudevents", Format::CloudEvents),
        ("cloudevents-binary", Format::CloudEventsBinary),
    ];
    let mut section = reader.section("upstream");
    if section.is_empty_list("accept") {
        let remedy = "name the statuses that mean success, like [\"2xx\"]";
        section.refuse("accept", Problem::new("no answer would ever mean success", remedy));
    }
    let tables = section.tables("routes");
    let upstream = Upstream {
        url: section.text("url", UpstreamUrl::default(), upstream::url),
        routes: Vec::new(),
        format: section.text("format", Format::Json, value::word(FORMATS)),
        signer: section.optional("hmac_key_file", |written| hmac::from_file(written, folder)),
        timeout: section.text("timeout", seconds(10), |written| {
            value::duration(up_to(15))(written).map_err(|problem| Problem {
                remedy: format!("{}: it must leave room in the 16 s that Alipay waits", problem.remedy),
                ..problem
            })
        }),
        connect_timeout: section.text("connect_timeout", seconds(1), value::duration(up_to(15))),
        max_in_flight: section.number("max_in_flight", 512, 1..=100_000),
        accept: section.list("accept", vec![200..=299], upstream::statuses).into_iter().collect(),
    };
    Upstream { routes: routes::read(reader, tables), ..upstream }
}

fn read_policy(reader: &mut Reader<'_>, catalogue: &Catalogue) -> Policy {
    const FORMS: &[(&str, &[SignedForm])] =
        &[("auto", &[SignedForm::V1, SignedForm::V2]), ("v1", &[SignedForm::V1]), ("v2", &[SignedForm::V2])];
    let mut section = reader.section("verify");
    let month = Duration::ZERO..=seconds(30 * 24 * 3600);
    let max_age = section.text("max_age", seconds(26 * 3600), value::duration(month));
    Policy {
        forms: section.text("form", &[SignedForm::V1, SignedForm::V2], value::word(FORMS)),
        allow_sha1: section.boolean("allow_sha1", false),
        max_age: (!max_age.is_zero()).then_some(max_age),
        max_skew: section.text(
            "max_skew",
            seconds(300),
            value::duration(Duration::ZERO..=seconds(24 * 3600)),
        ),
        parameters: Arc::new(catalogue.parameters()),
    }
}

/// What becomes of messages that do not fit, and all messages that are known: those that are compiled in, and those
/// of the user's files.
fn read_translate(reader: &mut Reader<'_>, folder: &Folder<'_>) -> (Translate, Catalogue) {
    const ON_MISMATCH: &[(&str, OnMismatch)] =
        &[("forward", OnMismatch::Forward), ("fail", OnMismatch::Fail)];
    const UNKNOWN_METHODS: &[(&str, UnknownMethods)] =
        &[("forward", UnknownMethods::Forward), ("fail", UnknownMethods::Fail)];
    let mut catalogue = Catalogue::builtin();
    let mut section = reader.section("translate");
    section.list("messages", Vec::new(), |written| messages::add(written, folder, &mut catalogue));
    let translate = Translate {
        on_mismatch: section.text("on_mismatch", OnMismatch::Forward, value::word(ON_MISMATCH)),
        unknown_methods: section.text(
            "unknown_methods",
            UnknownMethods::Forward,
            value::word(UNKNOWN_METHODS),
        ),
    };
    (translate, catalogue)
}

fn read_failure_status(reader: &mut Reader<'_>) -> StatusCode {
    let mut section = reader.section("ack");
    let number = section.number("failure_status", 200, 200..=599);
    let status = u16::try_from(number).ok().filter(|status| matches!(status, 200 | 400..=599));
    status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or_else(|| {
        let what = format!("{number} cannot go with the body `fail`");
        let remedy =
            "write 200, or a status of 400 to 599: others say that all is well, redirect, or have no body";
        section.refuse("failure_status", Problem::new(what, remedy));
        StatusCode::OK
    })
}

const LEVELS: &[(&str, Level)] = &[
    ("error", Level::ERROR),
    ("warn", Level::WARN),
    ("info", Level::INFO),
    ("debug", Level::DEBUG),
    ("trace", Level::TRACE),
];

fn read_log(reader: &mut Reader<'_>) -> Log {
    const FORMATS: &[(&str, LogFormat)] = &[("json", LogFormat::Json), ("text", LogFormat::Text)];
    let mut section = reader.section("log");
    Log {
        level: section.text("level", Level::INFO, value::word(LEVELS)),
        format: section.text("format", LogFormat::Json, value::word(FORMATS)),
    }
}

/// The level that the environment asks for, which counts more than `log.level`.
pub(super) fn override_level(reader: &mut Reader<'_>, level: &str) -> Option<Level> {
    let found = LEVELS.iter().find(|(word, _)| word.eq_ignore_ascii_case(level)).map(|(_, level)| *level);
    if found.is_none() {
        let problem = Problem::new(
            "the environment variable holds no level",
            "set it to error, warn, info, debug or trace, or unset it",
        );
        reader.error(None, "SIDECAR_LOG", problem);
    }
    found
}

fn everywhere(port: u16) -> SocketAddr {
    (Ipv4Addr::UNSPECIFIED, port).into()
}

const fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

/// More than nothing, and at most this many seconds.
const fn up_to(number: u64) -> RangeInclusive<Duration> {
    Duration::from_millis(1)..=seconds(number)
}
