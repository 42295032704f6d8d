//! What is allowed, what is not, and what is allowed with a warning.

use std::fmt::Display;

use super::*;

#[test]
fn each_url_that_cannot_be_called_is_refused() {
    for url in [
        "",
        "app",
        "127.0.0.1:3000",
        "/notify",
        "ftp://app/",
        "http://",
        "http:///notify",
        "http://:80/",
        "http://app:/",
        "http://app:0/",
        "http://app:+80/",
        "http://app:65536/",
        "http://app:x/",
        "http://[::1/",
        "http://[app]/",
        "http://::1/",
        "http://[::1]80/",
        "http://a b/",
        "http://%61pp/",
        "http://支付/",
        "http://app/支付",
        "http://app/a b",
        "http://app/#x",
        "http://app#x",
        "http://app\\\\x/",
        "unix:/run/app.sock",
    ] {
        assert!(parse(&format!("[upstream]\nurl = \"{url}\"")).is_err(), "{url}");
    }
}

#[test]
fn a_password_in_the_url_is_refused_and_not_repeated() {
    for url in ["http://me:hunter2@app/", "https://me:hunter2@app/", "hunter2@app", "http://app/#hunter2@"] {
        let said = errors(&format!("[upstream]\nurl = \"{url}\""));
        assert!(said.contains("user name") && !said.contains("hunter2"), "{said}");
    }
}

#[test]
fn a_url_keeps_what_was_written() {
    for (url, host, port, authority, path_and_query) in [
        ("http://127.0.0.1:3000/a/b?c=d", "127.0.0.1", 3000, "127.0.0.1:3000", "/a/b?c=d"),
        ("http://app", "app", 80, "app", "/"),
        ("HTTP://App:81?x", "App", 81, "App:81", "/?x"),
        ("http://[::1]:3000/%e6", "::1", 3000, "[::1]:3000", "/%e6"),
        ("http://[::1]/a/../b", "::1", 80, "[::1]", "/a/../b"),
    ] {
        let parsed = sound(&format!("[upstream]\nurl = \"{url}\"")).upstream.url;
        assert_eq!(
            (parsed.host.as_str(), parsed.port, parsed.authority.as_str(), parsed.path_and_query.as_str()),
            (host, port, authority, path_and_query)
        );
    }
}

#[test]
fn statuses_are_accepted_as_listed_and_no_others() {
    let accept = sound("[upstream]\naccept = [\"200\", \"409\", \"499\"]").upstream.accept;
    for status in 100..=999 {
        let listed = [200, 409, 499].contains(&status);
        assert_eq!(accept.contains(StatusCode::from_u16(status).unwrap()), listed, "{status}");
    }
}

#[test]
fn no_failure_of_the_app_can_be_made_a_success() {
    for status in (0..=1000).filter(|status| !matches!(status, 200..=299 | 400..=499)) {
        assert!(parse(&format!("[upstream]\naccept = [\"{status}\"]")).is_err(), "{status}");
    }
    for class in ["1xx", "3xx", "4xx", "5xx", "xxx", "4XX", "5XX", "2xx,5xx", "200-599", "*"] {
        assert!(parse(&format!("[upstream]\naccept = [\"2xx\", \"{class}\"]")).is_err(), "{class}");
    }
}

#[test]
fn a_failure_status_is_200_or_an_error() {
    for status in [200, 400, 403, 500, 503, 599] {
        let text = format!("[ack]\nfailure_status = {status}");
        assert_eq!(sound(&text).failure_status.as_u16(), status);
    }
    for status in [0, 100, 199, 201, 204, 301, 399, 600, 70_000] {
        assert!(parse(&format!("[ack]\nfailure_status = {status}")).is_err(), "{status}");
    }
}

#[test]
fn bounds_belong_to_what_is_allowed() {
    for text in [
        "[server]\nmax_body = \"1KiB\"",
        "[server]\nmax_body = \"16MiB\"",
        "[server]\nmax_params = 1\nmax_connections = 1_000_000",
        "[upstream]\ntimeout = \"15s\"\nconnect_timeout = \"15s\"",
        "[upstream]\ntimeout = \"1s\"\nconnect_timeout = \"1s\"",
        "[verify]\nmax_age = \"720h\"\nmax_skew = \"0s\"",
    ] {
        sound(text);
    }
    for text in [
        "[server]\nmax_body = \"1023B\"",
        "[server]\nmax_body = \"16.1MiB\"",
        "[server]\nmax_params = 1001",
        "[upstream]\ntimeout = \"15001ms\"",
        "[verify]\nmax_age = \"721h\"",
    ] {
        parse(text).unwrap_err();
    }
}

#[test]
fn connecting_may_not_take_longer_than_the_delivery() {
    assert_snapshot!(errors("[upstream]\nconnect_timeout = \"11s\""), @r#"
    2:19  upstream.connect_timeout  is longer than upstream.timeout
        make it shorter: connecting is a part of the delivery
    "#);
}

#[test]
fn a_rule_between_keys_waits_until_each_is_right() {
    let said = errors("[upstream]\ntimeout = \"x\"\nconnect_timeout = \"11s\"");
    assert!(!said.contains("connect_timeout"), "{said}");
}

#[test]
fn two_listeners_need_two_addresses() {
    for (server, admin) in [
        ("127.0.0.1:80", "127.0.0.1:80"),
        ("0.0.0.0:80", "127.0.0.1:80"),
        ("[::1]:80", "[::]:80"),
        ("0.0.0.0:9090", "0.0.0.0:9090"),
    ] {
        let text = format!("[server]\nlisten = \"{server}\"\n[admin]\nlisten = \"{admin}\"");
        assert!(parse(&text).is_err(), "{text}");
    }
    for (server, admin) in
        [("127.0.0.1:80", "127.0.0.2:80"), ("127.0.0.1:0", "127.0.0.1:0"), ("127.0.0.1:80", "127.0.0.1:81")]
    {
        sound(&format!("[server]\nlisten = \"{server}\"\n[admin]\nlisten = \"{admin}\""));
    }
}

#[test]
fn an_upstream_that_leads_back_to_the_proxy_is_refused() {
    for url in
        ["http://127.0.0.1:8080/", "http://localhost:8080/", "http://[::1]:9090/", "http://0.0.0.0:8080"]
    {
        assert!(parse(&format!("[upstream]\nurl = \"{url}\"")).is_err(), "{url}");
    }
    for url in ["http://127.0.0.1/", "http://app:8080/", "http://10.0.0.1:8080/"] {
        sound(&format!("[upstream]\nurl = \"{url}\""));
    }
}

#[test]
fn a_route_that_leads_back_to_the_proxy_is_refused() {
    let route = |url: &str| format!("[[upstream.routes]]\nmsg_method = \"a.*\"\nurl = \"{url}\"");
    for url in ["http://127.0.0.1:8080/", "http://LOCALHOST:9090/", "http://[::1]:9090/"] {
        let said = errors(&route(url));
        assert!(said.contains("3:7  upstream.routes[0].url  leads back to the proxy"), "{said}");
    }
    sound(&route("http://app:8080/"));
}

/// A route for each pattern.
fn routes(patterns: &[impl Display]) -> String {
    let route = |pattern| format!("[[upstream.routes]]\nmsg_method = \"{pattern}\"\nurl = \"http://app/\"\n");
    patterns.iter().map(route).collect::<Vec<_>>().concat()
}

#[test]
fn a_route_is_refused_if_an_earlier_one_takes_all_of_it() {
    for sound_ones in [
        vec!["a.b", "a.*", "*"],
        vec!["a.*", "*.b"],
        vec!["a.*.c", "a.b"],
        vec!["a.*.c", "a.*"],
        vec!["a.b", "A.b"],
    ] {
        sound(&routes(&sound_ones));
    }
    for (shadowed, earlier) in [
        (vec!["a.b", "a.b"], 0),
        (vec!["*", "a"], 0),
        (vec!["x", "a.*", "a.b.*"], 1),
        (vec!["a.*", "y", "a.b"], 0),
        (vec!["*.b.*", "a.b.*.b.c"], 0),
    ] {
        let said = errors(&routes(&shadowed));
        assert!(
            said.contains(&format!("is never reached: upstream.routes[{earlier}] comes first")),
            "{said}"
        );
        assert!(said.contains(&format!("upstream.routes[{}].msg_method", shadowed.len() - 1)), "{said}");
    }
}

#[test]
fn there_are_at_most_a_hundred_routes() {
    let patterns: Vec<usize> = (0..102).collect();
    assert_eq!(sound(&routes(&patterns[..100])).upstream.routes.len(), 100);
    assert_snapshot!(errors(&routes(&patterns)), @r#"
    301:1  upstream.routes[100]  is one route too many: there are at most 100
        let one with a * stand for several
    "#);
}

#[test]
fn what_deserves_a_look_is_a_warning() {
    assert_eq!(warnings(&app("1", "test-a")), Vec::<String>::new());
    let text = format!(
        "[server]\ndrain_timeout = \"5s\"\n[verify]\nallow_sha1 = true\nmax_age = \"24h\"\n{}{}",
        app("1", "test-a"),
        app("2", "test-a"),
    );
    assert_snapshot!(warnings(&text).join("\n"), @r#"
    server.drain_timeout is shorter than upstream.timeout
    verify.allow_sha1 SHA-1 and keys of 1,024 bits are allowed; many merchants share such a key
    verify.max_age is short: Alipay's own last deliveries may be refused
    apps[1].alipay_public_keys[0] is the same key as apps[0].alipay_public_keys[0]
    "#);
    assert_snapshot!(warnings("[verify]\nmax_age = \"0s\"").join("\n"), @r#"
    apps no app is configured: every notification is refused, and /readyz stays 503
    verify.max_age notifications of any age are accepted, so that a leaked one can be sent again at any time
    "#);
    assert_eq!(
        warnings(&format!("[verify]\nmax_age = \"25h\"\n{}", app("1", "test-a"))),
        Vec::<String>::new()
    );
}

#[test]
fn a_shared_key_gives_one_warning_however_many_share_it() {
    let text: String = (1..=5).map(|id| app(&id.to_string(), "test-a")).collect();
    let warnings = warnings(&text);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
}

#[test]
fn an_app_has_at_most_four_keys() {
    // Other letters in the middle of the modulus make other keys.
    let key = inline_key("test-a");
    let (head, rest) = key.split_at(100);
    let (_, tail) = rest.split_at(2);
    let other = |letter: char| format!("\"{head}{letter}{letter}{tail}\"");
    let keys: Vec<String> = "ABCDEF".chars().map(other).collect();
    let text = |keys: &[String]| {
        format!("[[apps]]\napp_id = \"1\"\nalipay_public_keys = [\n{}\n]", keys.join(",\n"))
    };
    assert_eq!(sound(&text(&keys[..4])).keyring.keys(b"1").map(<[_]>::len), Some(4));
    assert_snapshot!(errors(&text(&keys)), @r#"
    8:1  apps[0].alipay_public_keys[4]  is one key too many: an app has at most 4
        remove those that Alipay no longer signs with: each makes forged notifications dearer
    9:1  apps[0].alipay_public_keys[5]  is one key too many: an app has at most 4
        remove those that Alipay no longer signs with: each makes forged notifications dearer
    "#);
    let with_files =
        format!("{}\nalipay_public_key_files = [\"{FIXTURES}/keys/test-b.pem\"]", text(&keys[..4]));
    let said = errors(&with_files);
    assert!(said.contains("alipay_public_keys[3]  is one key too many"), "{said}");
}

#[test]
fn short_keys_need_sha1() {
    let text = app("1", "test-1024-bits");
    parse(&text).unwrap_err();
    sound(&format!("[verify]\nallow_sha1 = true\n{text}"));
}

#[test]
fn the_log_level_of_the_environment_counts_more() {
    for level in ["trace", "TRACE", "Trace"] {
        let env = |name: &str| (name == "SIDECAR_LOG").then(|| level.to_owned());
        let config = Config::parse(Path::new("x"), b"[log]\nlevel = \"error\"", env).unwrap();
        assert_eq!(config.log.level.to_string(), "TRACE", "{level}");
    }
}

#[test]
fn ten_thousand_apps_are_found_by_their_identity() {
    let text: String = (0..10_000).map(|id| app(&id.to_string(), "test-a")).collect();
    let config = sound(&text);
    assert_eq!(config.keyring.len(), 10_000);
    assert_eq!(config.keyring.keys(b"9999").map(<[_]>::len), Some(1));
    assert!(config.keyring.keys(b"10000").is_none());
    assert!(config.keyring.keys(b"").is_none());
    assert_eq!(config.keyring.iter().map(|(app_id, _)| app_id).nth(7_654), Some("7654"));
}

#[test]
fn a_ledger_that_forgets_before_alipay_gives_up_is_a_warning() {
    let of_ledger = |text: &str| {
        warnings(text).into_iter().filter(|warning| warning.starts_with("ledger")).collect::<Vec<_>>()
    };
    assert_snapshot!(of_ledger("[ledger]\nretain = \"24h\"").join("\n"), @"ledger.retain is short: what became of a notification is forgotten while Alipay may still deliver it again");
    for text in ["", "[ledger]\nretain = \"25h\"", "[ledger]\nstore = \"off\"\nretain = \"1h\""] {
        assert!(of_ledger(text).is_empty(), "{text}");
    }
}

#[test]
fn an_age_that_is_allowed_for_longer_than_the_ledger_remembers_is_a_warning() {
    let of_age = |age: &str, ledger: &str| {
        let warnings = warnings(&format!("[verify]\nmax_age = \"{age}\"\n[ledger]\n{ledger}"));
        warnings.into_iter().filter(|warning| warning.starts_with("verify.max_age")).collect::<Vec<_>>()
    };
    assert_snapshot!(of_age("72h", "retain = \"26h\"").join("\n"), @"verify.max_age is longer than ledger.retain: what was accepted and is forgotten can be sent again, and is delivered");
    assert_eq!(of_age("26h", "retain = \"25h\"").len(), 1);
    for (age, ledger) in
        [("72h", "retain = \"72h\""), ("25h", "retain = \"26h\""), ("72h", "store = \"off\"")]
    {
        assert!(of_age(age, ledger).is_empty(), "{age} {ledger}");
    }
}

#[test]
fn what_failed_is_kept_in_a_file_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    let file = format!("[ledger]\nstore = \"file\"\npath = {path:?}\n");
    assert!(!sound(&file).ledger.keep_failed);
    assert!(sound(&format!("{file}keep_failed = true")).terms().keep_failed);
    for store in ["", "store = \"memory\"", "store = \"off\""] {
        let said = errors(&format!("[ledger]\n{store}\nkeep_failed = true\n"));
        assert!(said.contains("ledger.keep_failed  needs a store"), "{said}");
        sound(&format!("[ledger]\n{store}\nkeep_failed = false\n"));
    }
}

#[test]
fn a_ledger_in_a_file_needs_a_file_in_a_folder_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let text = |path: &str| format!("[ledger]\nstore = \"file\"\npath = {path:?}\n");
    let path = folder.path().join("ledger.redb");
    let config = sound(&text(path.to_str().unwrap()));
    assert_eq!(config.ledger.store, LedgerStore::File(path));
    let absent = folder.path().join("absent").join("ledger.redb");
    assert!(errors(&text(absent.to_str().unwrap())).contains("lies in a folder that is not there"));
    for no_file in ["", folder.path().to_str().unwrap()] {
        assert!(errors(&text(no_file)).contains("is no file"), "{no_file}");
    }
    let said = errors("[ledger]\nstore = \"file\"\n");
    assert!(said.contains("2:9  ledger.store  is \"file\", and ledger.path is missing"), "{said}");
}

/// The Redis of a configuration.
fn redis_of(config: Config) -> RedisUrl {
    if let LedgerStore::Redis(url) = config.ledger.store { url } else { panic!("it is no Redis") }
}

/// The Redis of a configuration with this `ledger.url`.
fn redis(url: &str) -> RedisUrl {
    redis_of(sound(&format!("[ledger]\nstore = \"redis\"\nurl = \"{url}\"")))
}

#[test]
fn the_url_of_a_redis_says_where_it_is_and_who_one_is_to_it() {
    for (url, address, has_tls, user, password, database) in [
        ("redis://127.0.0.1", "127.0.0.1:6379", false, None, None, 0),
        ("redis://127.0.0.1:6380/", "127.0.0.1:6380", false, None, None, 0),
        ("REDISS://Redis.example/15", "Redis.example:6379", true, None, None, 15),
        ("rediss://[::1]:7000/2", "[::1]:7000", true, None, None, 2),
        ("redis://:swordfish@redis", "redis:6379", false, None, Some("swordfish"), 0),
        ("redis://me:sword:fish@redis/1", "redis:6379", false, Some("me"), Some("sword:fish"), 1),
        (
            "redis://m%40e:a@b%2Fc%23%3f%25%e6%94%af@redis",
            "redis:6379",
            false,
            Some("m@e"),
            Some("a@b/c#?%支"),
            0,
        ),
    ] {
        let parsed = redis(url);
        let credentials = (parsed.user.as_deref(), parsed.password.as_deref());
        assert_eq!(
            (parsed.address().as_str(), parsed.has_tls, parsed.database),
            (address, has_tls, database)
        );
        assert_eq!(credentials, (user, password));
        let shown = format!("{parsed:?}");
        assert!(shown.contains(address) && !shown.contains("sword") && !shown.contains("me"), "{shown}");
    }
}

#[test]
fn a_url_that_leads_to_no_redis_is_refused_and_not_repeated() {
    for (url, what) in [
        ("", "is no address of a Redis"),
        ("hunter2", "is no address of a Redis"),
        ("hunter2@redis:6379", "is no address of a Redis"),
        ("http://:hunter2@redis", "does not begin with redis://"),
        ("unix:///run/hunter2.sock", "does not begin with redis://"),
        ("redis-sentinel://hunter2", "does not begin with redis://"),
        ("redis://", "has no host"),
        ("redis:///0", "has no host"),
        ("redis://:hunter2@", "has no host"),
        ("redis://:hunter2@:6379", "has no host"),
        ("redis://:hunter2@redis:0", "has no host"),
        ("redis://:hunter2@redis:x", "has no host"),
        ("redis://:hunter2@re dis", "has no host"),
        ("redis://hunter2@redis", "has no password before the @"),
        ("redis://hunter2:@redis", "has no password before the @"),
        ("redis://@redis", "has no password before the @"),
        ("redis://:hunter/2@redis:6379/0", "a character that ends it"),
        ("redis://:hunter?2@redis", "a character that ends it"),
        ("redis://:hunter#2@redis", "a character that ends it"),
        ("redis://:hunter%2@redis", "has a % in its user name or password"),
        ("redis://:hunter2%@redis", "has a % in its user name or password"),
        ("redis://:hunter2%ff@redis", "has a % in its user name or password"),
        ("redis://redis/hunter2", "ends with something other than the number"),
        ("redis://redis/+1", "ends with something other than the number"),
        ("redis://redis/0/1", "ends with something other than the number"),
        ("redis://redis/4294967296", "ends with something other than the number"),
        ("redis://redis/0?protocol=hunter2", "has a query or a fragment"),
        ("rediss://redis/#insecure", "has a query or a fragment"),
    ] {
        let said = errors(&format!("[ledger]\nstore = \"redis\"\nurl = \"{url}\""));
        assert!(said.contains("3:7  ledger.url  ") && said.contains(what), "{url}: {said}");
        assert!(!said.contains("hunter"), "{said}");
    }
}

#[test]
fn a_ledger_in_a_redis_needs_its_url_with_the_password_from_the_environment() {
    let said = errors("[ledger]\nstore = \"redis\"\n");
    assert!(said.contains("2:9  ledger.store  is \"redis\", and ledger.url is missing"), "{said}");
    // All errors at once: this one beside another.
    let said = errors("[ledger]\nstore = \"redis\"\nurl = \"redis://\"\nretain = \"x\"\n");
    assert!(said.contains("ledger.url") && said.contains("ledger.retain"), "{said}");
    let text = "[ledger]\nstore = \"redis\"\nurl = \"redis://me:${PASSWORD}@redis\"\n";
    let load = |password: &str| {
        let env = |name: &str| (name == "PASSWORD").then(|| password.to_owned());
        Config::parse(Path::new("sidecar.toml"), text.as_bytes(), env)
    };
    assert_eq!(redis_of(load("swordfish").unwrap()).password.as_deref(), Some("swordfish"));
    let said = load("sword/fish").unwrap_err().to_string();
    assert!(said.contains("percent-encode the password") && !said.contains("fish"), "{said}");
}

#[test]
fn the_store_has_time_that_the_delivery_leaves_of_the_senders_patience() {
    let terms = |timeout: &str| sound(&format!("[upstream]\ntimeout = \"{timeout}\"")).terms();
    for timeout in ["1s", "10s", "15s"] {
        let terms = terms(timeout);
        assert!(!terms.store_patience.is_zero());
        assert!(terms.patience + 2 * terms.store_patience < Duration::from_secs(16), "{timeout}");
    }
}

#[test]
fn every_known_key_is_read() {
    for (section, keys) in KEYS {
        for key in *keys {
            let is_list = LISTS.contains(section);
            let header = if is_list { format!("[[{section}]]") } else { format!("[{section}]") };
            let path = if is_list { format!("{section}[0]") } else { (*section).to_owned() };
            let said = errors(&format!("{header}\n{key} = 1979-05-27"));
            assert!(said.contains(&format!("2:{}  {path}.{key}  ", key.len() + 4)), "{said}");
        }
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        drop(parse(&text));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>()) {
        drop(Config::parse(Path::new("x"), &bytes, no_env));
    }

    #[test]
    fn no_value_of_a_known_key_makes_it_panic(
        (section, key) in prop::sample::select(KEYS).prop_flat_map(|(section, keys)| (Just(section), prop::sample::select(keys))),
        value in prop_oneof!["[-0-9a-z:./${}\\[\\]\"', =#]{0,24}", "\"[ -~支付宝]{0,24}\"", "\\[(\"[ -~]{0,9}\", ){0,4}\\]"],
    ) {
        if let Err(errors) = parse(&format!("[{section}]\n{key} = {value}")) {
            prop_assert!(errors.findings().iter().all(|finding| !finding.what.is_empty()));
        }
    }

    #[test]
    fn the_value_of_a_variable_is_never_more_than_one_string(value in "[\"'\\n\\\\\\]=a-z$\\{\\} ]{0,20}") {
        let env = |_: &str| Some(value.clone());
        let text = b"[server]\npaths = [\"/${X}\"]\n[verify]\nallow_sha1 = false";
        if let Ok(config) = Config::parse(Path::new("x"), text, |name| (name == "X").then(|| env(name)).flatten()) {
            prop_assert_eq!(config.server.paths, vec![format!("/{}", value)]);
            prop_assert!(!config.policy.allow_sha1);
        }
    }
}

#[test]
fn a_key_pair_of_which_both_halves_are_configured_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    alipay_sidecar::tools::keygen::keygen(folder.path()).unwrap();
    let text = |own: &str| {
        format!(
            "[[apps]]\napp_id = \"1\"\nalipay_public_key_files = [\"alipay.pem\"]\n{}app_private_key_file = \"{own}\"\n",
            app("2", "test-a")
        )
    };
    let warnings = |own: &str| {
        let config =
            Config::parse(&folder.path().join("sidecar.toml"), text(own).as_bytes(), no_env).unwrap();
        config.warnings.iter().map(|warning| format!("{} {}", warning.key, warning.what)).collect::<Vec<_>>()
    };
    assert_eq!(
        warnings("alipay_private_key_pkcs1.txt"),
        ["apps[1].app_private_key_file is the private half of apps[0].alipay_public_key_files[0]"]
    );
    let other = fs::canonicalize(format!("{FIXTURES}/keys/test-private-key.pem")).unwrap();
    assert!(warnings(other.to_str().unwrap()).is_empty());
}

#[test]
fn spans_go_to_the_path_that_the_protocol_names_below_the_address_of_the_collector() {
    let endpoint =
        |url: &str| sound(&format!("[telemetry]\notlp_endpoint = \"{url}\"")).telemetry.otlp_endpoint;
    for (url, posted_to) in [
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
        ("http://collector/", "http://collector/v1/traces"),
        ("http://[::1]:4318/a/b/", "http://[::1]:4318/a/b/v1/traces"),
        ("http://collector:4318/v1/traces", "http://collector:4318/v1/traces"),
    ] {
        assert_eq!(endpoint(url).unwrap().to_string(), posted_to);
    }
    assert!(sound("").telemetry.otlp_endpoint.is_none());
}

#[test]
fn an_address_that_no_collector_can_have_is_refused_with_its_remedy() {
    let said = |url: &str| errors(&format!("[telemetry]\notlp_endpoint = \"{url}\""));
    for (url, part) in [
        ("https://collector:4318", "to a collector on this machine or in this cluster"),
        ("http://me:hunter2@collector:4318", "remove what stands before the @"),
        ("https://me:hunter2@collector:4318", "remove what stands before the @"),
        ("http://collector:4318?a=b", "has a query or a fragment"),
        ("http://collector:4318#b", "has a query or a fragment"),
        ("collector:4318", "write it like \"http://127.0.0.1:4318\""),
        ("grpc://collector:4317", "write it like \"http://127.0.0.1:4318\""),
        ("http://collector:x", "write it like \"http://127.0.0.1:4318\""),
        ("", "write it like \"http://127.0.0.1:4318\""),
        ("http://127.0.0.1:8080", "leads back to the proxy: server.listen is the same address"),
        ("http://localhost:9090", "leads back to the proxy: admin.listen is the same address"),
    ] {
        let said = said(url);
        assert!(said.contains(part) && !said.contains("hunter2"), "{url}: {said}");
        assert!(said.contains("2:17  telemetry.otlp_endpoint"), "{said}");
    }
}
