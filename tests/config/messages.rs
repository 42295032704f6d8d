//! Every message about a file of `invalid/`, with its place, its key and its remedy.

use super::*;

/// Each file of the folder, with its snapshot below.
const SEEN: [&str; 18] = [
    "apps.toml",
    "crlf.toml",
    "half-tls.toml",
    "keys.toml",
    "messages.toml",
    "passthrough.toml",
    "policies.toml",
    "relations.toml",
    "routes.toml",
    "secrets.toml",
    "server.toml",
    "syntax.toml",
    "tls.toml",
    "twice.toml",
    "types.toml",
    "unknown.toml",
    "upstream.toml",
    "variables.toml",
];

#[test]
fn every_invalid_file_has_a_snapshot_here() {
    let seen: BTreeSet<String> = SEEN.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(found_in("invalid"), seen);
}

#[test]
fn apps_are_complete_and_differ() {
    assert_snapshot!(refused("apps.toml"), @r#"
    apps.toml:2:10  apps[0].app_id  a string is expected, and this is a whole number
        put it in quotes, with its unit if it has one
    apps.toml:5:1  apps[1]  has no key
        add Alipay's public key, like alipay_public_key_files = ["keys/alipay.pem"]
    apps.toml:6:10  apps[1].app_id  "wx2021" is not an app_id
        write its 1 to 20 digits as the console shows them
    apps.toml:8:1  apps[2].app_id  is missing
        add the app's identity, like app_id = "2021000000000000"
    apps.toml:14:23  apps[3].alipay_public_keys[0]  is the same key as apps[3].alipay_public_key_files[0]
        remove one of them
    apps.toml:16:1  apps[4]  has no key
        add Alipay's public key, like alipay_public_key_files = ["keys/alipay.pem"]
    apps.toml:17:10  apps[4].app_id  is also the app_id of apps[3]
        keep one of them, with the keys of both in its lists
    "#);
}

#[test]
fn places_hold_with_crlf_and_wide_characters() {
    assert_snapshot!(refused("crlf.toml"), @r#"
    crlf.toml:3:10  server.listen  "支付" is not an address to listen on
        write an IP address and a port, like "0.0.0.0:8080" or "[::]:8080"
    crlf.toml:6:10  log.format  "文" is not known here
        write "json" or "text"
    "#);
}

#[test]
fn files_of_the_catalogue_are_read_with_the_configuration() {
    assert_snapshot!(refused("messages.toml"), @r#"
    messages.toml:2:37  translate.messages[1]  describes no message: ../messages/wrong.toml:4: the field "state" has the type enum, and no values: add that
        the format is documented at the top of messages/alipay.open.mini.icp.faceauth.completed.toml
    messages.toml:2:63  translate.messages[2]  describes no message: ../messages/clash.toml:1: alipay.open.mini.icp.faceauth.completed has its fields in messages/alipay.open.mini.icp.faceauth.completed.toml, built in, which stay as they are: remove this file
        the format is documented at the top of messages/alipay.open.mini.icp.faceauth.completed.toml
    messages.toml:2:89  translate.messages[3]  "../messages/absent.toml" (../messages/absent.toml) cannot be read: No such file or directory (os error 2)
        relative paths start at the folder of the configuration file; check name and rights
    messages.toml:2:116  translate.messages[4]  describes no message: ../keys/page.html:1: key with no value, expected `=`
        the format is documented at the top of messages/alipay.open.mini.icp.faceauth.completed.toml
    messages.toml:7:16  apps[0].mini_app_ids  no mini program is allowed
        name those that are allowed, or remove the key to allow all
    messages.toml:12:17  apps[1].mini_app_ids[0]  "mini" is not an app_id
        write its 1 to 20 digits as the console shows them
    messages.toml:13:11  apps[1].charset  "utf-16" is no charset of a notification
        write "UTF-8", "GBK", "GB2312" or "GB18030"
    "#);
}

#[test]
fn words_and_statuses_are_of_closed_lists() {
    assert_snapshot!(refused("policies.toml"), @r#"
    policies.toml:2:9  server.paths  no path is served
        name the path that Alipay calls, like ["/alipay/notify"]
    policies.toml:5:10  upstream.accept  no answer would ever mean success
        name the statuses that mean success, like ["2xx"]
    policies.toml:8:8  verify.form  "V1" is not known here
        write "auto" or "v1" or "v2"
    policies.toml:9:11  verify.max_age  "forever" is not a duration
        write it like "10s" or "1m30s"
    policies.toml:10:12  verify.max_skew  "2 days" is not a duration
        write it like "10s" or "1m30s"
    policies.toml:13:15  translate.on_mismatch  "drop" is not known here
        write "forward" or "fail"
    policies.toml:14:19  translate.unknown_methods  "ignore" is not known here
        write "forward" or "fail"
    policies.toml:17:18  ack.failure_status  302 cannot go with the body `fail`
        write 200, or a status of 400 to 599: others say that all is well, redirect, or have no body
    policies.toml:20:9  log.level  "verbose" is not known here
        write "error" or "warn" or "info" or "debug" or "trace"
    policies.toml:21:10  log.format  "xml" is not known here
        write "json" or "text"
    "#);
}

#[test]
fn keys_fit_together() {
    assert_snapshot!(refused("relations.toml"), @r#"
    relations.toml:5:10  admin.listen  is the address of server.listen
        give each a port of its own
    relations.toml:8:7  upstream.url  leads back to the proxy: server.listen is the same address
        write the address of the app
    relations.toml:8:7  upstream.url  leads back to the proxy: admin.listen is the same address
        write the address of the app
    relations.toml:9:11  upstream.connect_timeout  is longer than upstream.timeout
        make it shorter: connecting is a part of the delivery
    "#);
}

#[test]
fn paths_sizes_numbers_and_durations_have_bounds() {
    assert_snapshot!(refused("server.toml"), @r#"
    server.toml:2:10  server.listen  "localhost:8080" is not an address to listen on
        write an IP address and a port, like "0.0.0.0:8080" or "[::]:8080"
    server.toml:4:3  server.paths[0]  "alipay/notify" does not start with /
        write the path alone, like "/alipay/notify"
    server.toml:5:3  server.paths[1]  "/notify?x=1" has a query or a fragment
        write the path alone; a query is not compared
    server.toml:6:3  server.paths[2]  "/%61lipay" has a percent-escape
        paths are compared byte for byte: choose one without escapes
    server.toml:7:3  server.paths[3]  "/a/../b" has a dot segment
        write the path that it leads to: senders resolve . and .. before they call
    server.toml:8:3  server.paths[4]  "/支付宝" holds a character that cannot stand in a path
        use letters, digits, / and any of - . _ ~ ! $ & ' ( ) * + , ; = : @
    server.toml:10:3  server.paths[6]  "/good" is there twice
        remove one of them
    server.toml:12:12  server.max_body  "100B" is out of range
        write a size from 1.0 KiB to 16.0 MiB
    server.toml:13:14  server.max_params  0 is out of range
        write a number from 1 to 1000
    server.toml:14:18  server.header_timeout  "0s" is out of range
        write a duration from 1ms to 5m
    server.toml:15:16  server.body_timeout  "ten seconds" is not a duration
        write it like "10s" or "1m30s"
    server.toml:16:14  server.keep_alive  "-5s" is not a duration
        write it like "10s" or "1m30s"
    server.toml:17:19  server.max_connections  0x7fffffffffffffff is out of range
        write a number from 1 to 1000000
    server.toml:18:18  server.shutdown_delay  "1h" is out of range
        write a duration from 0s to 5m
    server.toml:19:17  server.drain_timeout  "3 months" is not a duration
        write it like "10s" or "1m30s"
    server.toml:22:10  admin.listen  ":9090" is not an address to listen on
        write an IP address and a port, like "0.0.0.0:8080" or "[::]:8080"
    "#);
}

#[test]
fn broken_toml_is_reported_at_each_line() {
    assert_snapshot!(refused("syntax.toml"), @r#"
    syntax.toml:2:13  the file is not TOML: invalid float, expected nothing
        correct this place; strings need quotes, and each key has a line of its own
    syntax.toml:5:10  the file is not TOML: unclosed table, expected `]`
        correct this place; strings need quotes, and each key has a line of its own
    syntax.toml:9:14  the file is not TOML: invalid basic string, expected `"`
        correct this place; strings need quotes, and each key has a line of its own
    "#);
}

#[test]
fn a_repeated_key_or_section_is_refused() {
    assert_snapshot!(refused("twice.toml"), @r#"
    twice.toml:4:1  level  the file is not TOML: duplicate key
        keep one of them
    twice.toml:6:2  log  the file is not TOML: duplicate key
        keep one of them
    "#);
}

#[test]
fn a_wrong_type_is_refused() {
    assert_snapshot!(refused("types.toml"), @r#"
    types.toml:1:9  admin  is a string, not a section
        write [admin] on a line of its own, and its keys below
    types.toml:4:10  server.listen  a string is expected, and this is a whole number
        put it in quotes, with its unit if it has one
    types.toml:5:9  server.paths  a list is expected, and this is a string
        put it in brackets: ["…"]
    types.toml:6:12  server.max_body  a string is expected, and this is a whole number
        put it in quotes, with its unit if it has one
    types.toml:7:14  server.max_params  a whole number is expected, and this is a string
        write it in digits, without quotes
    types.toml:8:19  server.max_connections  a whole number is expected, and this is a number with a point
        write it in digits, without quotes
    types.toml:11:11  upstream.accept[0]  a string is expected, and this is a whole number
        put it in quotes, with its unit if it has one
    types.toml:12:11  upstream.timeout  a string is expected, and this is a whole number
        put it in quotes, with its unit if it has one
    types.toml:14:1  apps  is a table, not a list of tables
        write [[apps]], with two brackets, above each of them
    types.toml:18:14  verify.allow_sha1  true or false is expected, and this is a string
        write true or false, without quotes
    types.toml:21:18  ack.failure_status  a whole number is expected, and this is a string
        write it in digits, without quotes
    "#);
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known_one() {
    assert_snapshot!(refused("unknown.toml"), @r#"
    unknown.toml:1:1  timeout  is not a section
        remove it, or move it into [upstream]
    unknown.toml:2:1  colour  is not a section
        remove it; the sections are server, admin, upstream, apps, verify, translate, ack, passthrough, log, telemetry
    unknown.toml:4:2  sever  is not a section
        did you mean [server]?
    unknown.toml:8:1  server.Listen  is not a key
        did you mean listen?
    unknown.toml:9:1  server.path  is not a key
        did you mean paths?
    unknown.toml:10:1  server.max-body  is not a key
        did you mean max_body?
    unknown.toml:11:1  server.allow_sha1  is not a key
        remove it, or move it into [verify]
    unknown.toml:12:1  server.http2  is not a key
        remove it; the keys of [server] are listen, paths, max_body, max_params, header_timeout, body_timeout, keep_alive, max_connections, shutdown_delay, drain_timeout, tls
    unknown.toml:15:1  upstream.failure_status  is not a key
        remove it, or move it into [ack]
    unknown.toml:16:1  upstream.timout  is not a key
        did you mean timeout?
    unknown.toml:18:2  ledger  is not a section
        remove it; the sections are server, admin, upstream, apps, verify, translate, ack, passthrough, log, telemetry
    unknown.toml:21:1  apps[0].app_id  is missing
        add the app's identity, like app_id = "2021000000000000"
    unknown.toml:21:1  apps[0]  has no key
        add Alipay's public key, like alipay_public_key_files = ["keys/alipay.pem"]
    unknown.toml:22:1  apps[0].appid  is not a key
        did you mean app_id?
    unknown.toml:24:1  upstream.routes[0].url  is missing
        add where its messages go, like url = "http://127.0.0.1:3000/mini"
    unknown.toml:26:1  upstream.routes[0].ulr  is not a key
        did you mean url?
    unknown.toml:27:1  upstream.routes[0].timeout  is not a key
        remove it, or move it into [upstream]
    "#);
}

#[test]
fn variables_are_set_and_well_written_and_their_values_stay_unsaid() {
    let env = |name: &str| match name {
        "SECRET_URL" => Some("http://app/hunter2 ".to_owned()),
        "INJECTION" => Some("info\"\nformat = \"text".to_owned()),
        "SECRET" | "SIDECAR_LOG" => Some("hunter2".to_owned()),
        _ => None,
    };
    let said = refused_with("variables.toml", env);
    assert!(!said.contains("hunter2"), "{said}");
    assert_snapshot!(said, @r#"
    variables.toml  SIDECAR_LOG  the environment variable holds no level
        set it to error, warn, info, debug or trace, or unset it
    variables.toml:2:10  server.listen  the environment variable NOT_SET is not set
        set it, or write $${ for a literal ${
    variables.toml:3:10  server.paths[0]  the environment variable NOT_SET is not set
        set it, or write $${ for a literal ${
    variables.toml:3:25  server.paths[1]  there is a ${ that is not followed by a name and a }
        write ${NAME}, or $${ for a literal ${; there are no defaults as in ${NAME:-x}
    variables.toml:3:36  server.paths[2]  there is a ${ that is not followed by a name and a }
        write ${NAME}, or $${ for a literal ${; there are no defaults as in ${NAME:-x}
    variables.toml:4:18  server.header_timeout  "${SECRET}" (filled in) is not a duration
        write it like "10s" or "1m30s"
    variables.toml:7:7  upstream.url  "${SECRET_URL}" (filled in) has a character that cannot stand in an address
        percent-encode it: what is written here is sent as it is
    variables.toml:10:9  log.level  "${INJECTION}" (filled in) is not known here
        write "error" or "warn" or "info" or "debug" or "trace"
    "#);
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_of_its_own() {
    assert_snapshot!(refused("absent.toml"), @r#"
    absent.toml  the file cannot be read: No such file or directory (os error 2)
        check its name and its rights
    "#);
    assert_snapshot!(refused(""), @r#"
    the file cannot be read: it is not a file
      check its name and its rights
    "#);
}

#[test]
fn a_file_that_is_not_utf8_is_refused() {
    let errors = Config::parse(Path::new("sidecar.toml"), b"[log]\n# \xb0\xa1", no_env).unwrap_err();
    assert_snapshot!(errors, @r#"
    sidecar.toml:2:3  the file is not UTF-8
        save it as UTF-8
    "#);
}

#[test]
fn control_characters_cannot_act_on_the_terminal() {
    let errors = Config::parse(Path::new("a\u{1b}[2J"), b"\"\\u001b[2J\" = 1", no_env).unwrap_err();
    assert_snapshot!(errors, @r#"
    a\u{1b}[2J:1:1  \u{1b}[2J  is not a section
        remove it; the sections are server, admin, upstream, apps, verify, translate, ack, passthrough, log, telemetry
    "#);
}

#[test]
fn a_certificate_has_a_key_and_each_its_own_file() {
    assert_snapshot!(refused("tls.toml"), @r#"
    tls.toml:2:23  server.tls.certificate  "../keys/test-server.key" (../keys/test-server.key) holds no certificate
        it holds PEM: the certificate of this server, then those that issued it, each in its turn
    tls.toml:2:56  server.tls.key  "../keys/test-server.crt" (../keys/test-server.crt) holds no private key
        it holds PEM: the private key of the certificate, RSA or EC, in PKCS#8, PKCS#1 or SEC1
    "#);
    assert_snapshot!(refused("half-tls.toml"), @r#"
    half-tls.toml:1:1  server.tls  has no key
        name both: tls = { certificate = "tls/tls.crt", key = "tls/tls.key" }
    half-tls.toml:2:15  server.tls.certificate  "../keys/absent.crt" (../keys/absent.crt) cannot be read: No such file or directory (os error 2)
        relative paths start at the folder of the configuration file; check name and rights
    "#);
}
