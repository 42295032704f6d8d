//! The files that load: what they mean, and the documented one.

use alipay_sidecar::translate::catalogue::Naming;

use super::*;

fn env(name: &str) -> Option<String> {
    let value = match name {
        "HOST" => "127.0.0.1".to_owned(),
        "PORT" => "8080".to_owned(),
        "PORT_OF_APP" => "3000".to_owned(),
        "APP_ID" => "2021000000000000".to_owned(),
        "ALIPAY_KEY" => inline_key("test-a"),
        _ => return None,
    };
    Some(value)
}

fn load(name: &str) -> Config {
    Config::load(&Path::new(FIXTURES).join("valid").join(name), env)
        .unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn every_valid_file_loads() {
    for name in found_in("valid") {
        load(&name);
    }
}

#[test]
fn every_key_has_its_meaning() {
    let config = load("everything.toml");
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:18080");
    assert_eq!(config.server.paths, ["/pay", "/mini/notify"]);
    assert_eq!((config.limits.max_body, config.limits.max_params), (1024 * 1024, 100));
    assert_eq!(config.server.header_timeout, Duration::from_secs(5));
    assert_eq!(config.limits.body_timeout, Duration::from_mins(1));
    assert_eq!(config.server.keep_alive, Duration::from_secs(30));
    assert_eq!(config.server.max_connections, 20);
    assert_eq!(config.server.shutdown_delay, Duration::from_secs(5));
    assert_eq!(config.server.drain_timeout, Duration::from_secs(30));
    let certificate = config.server.tls.as_ref().unwrap().certificate();
    assert_eq!(certificate.subject, "CN=Test of alipay-sidecar");
    assert_eq!(config.expiries().into_keys().collect::<Vec<_>>(), ["2021000000000002", "server.tls"]);
    assert_eq!(config.admin.listen.to_string(), "[::1]:19090");
    assert_eq!(config.upstream.url.to_string(), "http://[::1]:3000/notify?from=alipay");
    assert_eq!(config.upstream.timeout, Duration::from_secs(12));
    assert_eq!(config.upstream.connect_timeout, Duration::from_millis(500));
    assert_eq!(config.upstream.max_in_flight, 8);
    assert!(config.upstream.accept.contains(StatusCode::NO_CONTENT));
    assert!(!config.upstream.accept.contains(StatusCode::OK));
    assert_eq!(config.upstream.format, Format::CloudEventsBinary);
    assert!(config.upstream.signer.is_some());
    let routes = config.upstream.routes.iter().map(|route| route.url.to_string());
    assert_eq!(routes.collect::<Vec<_>>(), ["http://[::1]:3000/faces", "http://127.0.0.1:3001/"]);
    assert!(config.upstream.routes[1].msg_method.matches("alipay.fund.trans.completed"));
    assert_eq!(config.policy.forms, [SignedForm::V2]);
    assert!(config.policy.allow_sha1);
    assert_eq!(config.policy.max_age, None);
    assert_eq!(config.policy.max_skew, Duration::from_secs(90));
    assert_eq!(config.translate.on_mismatch, OnMismatch::Fail);
    assert_eq!(config.translate.unknown_methods, UnknownMethods::Fail);
    assert!(config.catalogue.find(Naming::MsgMethod, "my.own.message").is_some());
    let (_, completed) = config.catalogue.find(Naming::MsgMethod, "alipay.trade.settle.fail").unwrap();
    assert!(completed.fields.is_some());
    assert_eq!(config.apps[0].mini_app_ids, ["2021000000000003", "2021000000000004"]);
    assert_eq!(config.charsets().len(), 1);
    assert_eq!(config.failure_status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(config.passthrough);
    assert_eq!((config.log.level.to_string().as_str(), config.log.format), ("DEBUG", LogFormat::Text));
    let collector = config.telemetry.otlp_endpoint.as_ref().unwrap();
    assert_eq!(collector.to_string(), "http://collector:4318/v1/traces");
    assert_eq!(config.keyring.keys(b"2021000000000001").map(<[_]>::len), Some(2));
    let [_, second] = config.apps.as_slice() else { panic!("two apps") };
    assert_eq!(second.keys[0].source, KeySource::File("../keys/test-b.crt".to_owned()));
    assert!(second.content_key.is_some() && second.answer.is_some());
    assert_eq!((second.keys[1].source.clone(), second.keys[1].place.line), (KeySource::Inline, 32));
}

#[test]
fn one_key_is_the_same_in_a_file_in_the_text_and_in_a_variable() {
    let of = |name: &str| load(name).apps[0].keys[0].key.fingerprint();
    assert_eq!(of("variables.toml"), of("dotted.toml"));
    assert_eq!(of("variables.toml"), of("everything.toml"));
}

#[test]
fn the_documented_file_shows_every_key_with_its_default() {
    let text = fs::read_to_string("sidecar.toml").unwrap();
    let documented =
        Config::load(Path::new("sidecar.toml"), no_env).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(format!("{documented:#?}"), format!("{:#?}", sound("")));
    assert_eq!(documented.warnings.len(), 1, "no apps, and nothing else");
    let mut section = "";
    let mut shown = BTreeSet::new();
    for line in text.lines().map(|line| line.trim_start_matches(['#', ' '])) {
        if let Some((name, _)) =
            line.trim_start_matches('[').split_once(']').filter(|_| line.starts_with('['))
        {
            section = name;
        } else if let Some((key, _)) = line.split_once(" = ") {
            shown.insert(format!("{section}.{key}"));
        }
    }
    let known =
        KEYS.iter().flat_map(|(section, keys)| keys.iter().map(move |key| format!("{section}.{key}")));
    assert_eq!(shown, known.collect());
}

#[test]
fn what_the_documented_file_has_in_comments_is_right_too() {
    let text = fs::read_to_string("sidecar.toml").unwrap();
    // All that is live, and of the comments what reads as a header or a key.
    let is_toml = |line: &str| line.starts_with('[') || line.contains(" = ");
    let uncommented: String = text
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|comment| is_toml(comment)).unwrap_or(line))
        .flat_map(|line| [line, "\n"])
        .collect();
    let text = uncommented
        .replace("keys/alipay.pem", "tests/fixtures/config/keys/test-b.pem")
        .replace("keys/upstream.hmac", "tests/fixtures/config/keys/upstream.hmac")
        .replace("keys/aes.txt", "tests/fixtures/config/keys/content-key.txt")
        .replace("tls/tls.", "tests/fixtures/config/keys/test-server.")
        .replace("keys/app.pem", "tests/fixtures/config/keys/test-private-key.pem");
    let config = sound(&text.replace("MIIB…", &inline_key("test-a")));
    assert_eq!(config.keyring.keys(b"2021000000000000").map(<[_]>::len), Some(2));
    assert!(config.upstream.signer.is_some());
    assert_eq!(config.upstream.routes.len(), 1);
    assert!(config.server.tls.is_some());
}
