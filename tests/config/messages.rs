//! Every message about a file of `invalid/`, with its place, its key and its remedy.

use super::*;

/// Each file of the folder, with its snapshot below.
const SEEN: [&str; 15] = [
    "apps.toml",
    "crlf.toml",
    "keys.toml",
    "messages.toml",
    "policies.toml",
    "relations.toml",
    "routes.toml",
    "secrets.toml",
    "server.toml",
    "syntax.toml",
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
fn a_key_that_is_none_is_named_but_never_quoted() {
    let env = |name: &str| (name == "KEY_FILE").then(|| "keys/of-the-environment.pem".to_owned());
    let said = refused_with("keys.toml", env);
    assert!(!said.contains("of-the-environment") && !said.contains("MII"), "{said}");
    assert_snapshot!(said, @r#"
    keys.toml:4:3  apps[0].alipay_public_key_files[0]  "../keys/absent.pem" (../keys/absent.pem) cannot be read: No such file or directory (os error 2)
        relative paths start at the folder of the configuration file; check name and rights
    keys.toml:5:3  apps[0].alipay_public_key_files[1]  "../keys" (../keys) cannot be read: it is not a file
        relative paths start at the folder of the configuration file; check name and rights
    keys.toml:6:3  apps[0].alipay_public_key_files[2]  "../keys/page.html" (../keys/page.html) holds no key that can be used: this is a page of HTML or XML: copy Alipay's public key (支付宝公钥) from the console
    keys.toml:7:3  apps[0].alipay_public_key_files[3]  "../keys/test-private-key.pem" (../keys/test-private-key.pem) holds no key that can be used: this is a private key: only its owner should have it, and it verifies nothing; configure Alipay's public key (支付宝公钥) here
    keys.toml:8:3  apps[0].alipay_public_key_files[4]  "../keys/test-1024-bits.pem" (../keys/test-1024-bits.pem) holds no key that can be used: this RSA key has 1,024 bits, and 2,048 to 8,192 are allowed: it may be the one for RSA (SHA-1); copy the one for RSA2
    keys.toml:9:3  apps[0].alipay_public_key_files[5]  this is a key, not the name of a file
        write the name of its file here, or move the key itself to alipay_public_keys
    keys.toml:10:3  apps[0].alipay_public_key_files[6]  "${KEY_FILE}" (filled in) cannot be read: No such file or directory (os error 2)
        relative paths start at the folder of the configuration file; check name and rights
    keys.toml:13:3  apps[0].alipay_public_keys[0]  this is empty: copy Alipay's public key (支付宝公钥) from the console
    keys.toml:14:3  apps[0].alipay_public_keys[1]  this is a number, perhaps an app_id: copy Alipay's public key (支付宝公钥) from the console
    keys.toml:15:3  apps[0].alipay_public_keys[2]  this has 18 characters, and an RSA2 key has at least 360: a part is missing, or it is something else; copy Alipay's public key (支付宝公钥) from the console
    keys.toml:16:3  apps[0].alipay_public_keys[3]  this is a private key: only its owner should have it, and it verifies nothing; configure Alipay's public key (支付宝公钥) here
    "#);
}

#[test]
fn files_of_the_catalogue_are_read_with_the_configuration() {
    assert_snapshot!(refused("messages.toml"), @r#"
    messages.toml:2:37  translate.messages[1]  describes no message: ../messages/wrong.toml:4: the field "state" has the type enum, and no values: add that
        the format is documented at the top of messages/alipay.open.mini.icp.faceauth.completed.toml
    messages.toml:2:63  translate.messages[2]  describes no message: ../messages/clash.toml:1: alipay.open.mini.icp.faceauth.completed is described by another file already: remove one of them
        the format is documented at the top of messages/alipay.open.mini.icp.faceauth.completed.toml
    messages.toml:2:89  translate.messages[3]  "../messages/absent.toml" (../messages/absent.toml) cannot be read: No such file or directory (os error 2)
        relative paths start at the folder of the configuration file; check name and rights
    messages.toml:2:116  translate.messages[4]  describes no message: ../keys/page.html:1: key with no value, expected `=`
        the format is documented at the top of messages/alipay.open.mini.icp.faceauth.completed.toml
    messages.toml:7:16  apps[0].mini_app_ids  no mini program is allowed
        name those that are allowed, or remove the key to allow all
    messages.toml:12:17  apps[1].mini_app_ids[0]  "mini" is not an app_id
        write its 1 to 20 digits as the console shows them
    "#);
}

#[test]
fn a_secret_is_named_by_its_file_and_never_quoted() {
    let env = |name: &str| (name == "KEY_FILE").then(|| "keys/of-the-environment.pem".to_owned());
    let said = refused_with("secrets.toml", env);
    assert!(
        !said.contains("of-the-environment") && !said.contains("dGhl") && !said.contains("c2Vj"),
        "{said}"
    );
    assert_snapshot!(said, @r#"
    secrets.toml:4:20  apps[0].content_key_file  "../keys/absent.txt" (../keys/absent.txt) cannot be read: No such file or directory (os error 2)
        relative paths start at the folder of the configuration file; check name and rights
    secrets.toml:5:24  apps[0].app_private_key_file  "../keys/absent.pem" (../keys/absent.pem) cannot be read: No such file or directory (os error 2)
        relative paths start at the folder of the configuration file; check name and rights
    secrets.toml:10:20  apps[1].content_key_file  "../keys/test-private-key.pem" (../keys/test-private-key.pem) holds no content key: this is a private key, which decrypts nothing here (your app's own belongs into app_private_key_file): copy the AES key (接口内容加密方式) from the console, 24 characters that end in ==
    secrets.toml:11:24  apps[1].app_private_key_file  "../keys/content-key.txt" (../keys/content-key.txt) holds no private key that can be used: this is a symmetric key of 16 bytes, which may belong into content_key_file: name the file of your app's own private key (应用私钥), PKCS#8 or PKCS#1, as PEM or bare base64
    secrets.toml:16:20  apps[2].content_key_file  this is a key, not the name of a file
        write the name of its file here, a file that only its owner can read
    secrets.toml:17:24  apps[2].app_private_key_file  this is a key, not the name of a file
        write the name of its file here, a file that only its owner can read
    secrets.toml:22:20  apps[3].content_key_file  "../keys/page.html" (../keys/page.html) holds no content key: this is not base64: copy the AES key (接口内容加密方式) from the console, 24 characters that end in ==
    secrets.toml:23:24  apps[3].app_private_key_file  "../keys/test-b.crt" (../keys/test-b.crt) holds no private key that can be used: this is a public key or a certificate, which signs nothing: name the file of your app's own private key (应用私钥), PKCS#8 or PKCS#1, as PEM or bare base64
    secrets.toml:28:20  apps[4].content_key_file  a string is expected, and this is a list
        put it in quotes, with its unit if it has one
    secrets.toml:29:24  apps[4].app_private_key_file  this is a key, not the name of a file
        write the name of its file here, a file that only its owner can read
    secrets.toml:36:20  apps[5].content_key_file  "${KEY_FILE}" (filled in) cannot be read: No such file or directory (os error 2)
        relative paths start at the folder of the configuration file; check name and rights
    secrets.toml:37:24  apps[5].app_private_key_file  "${KEY_FILE}" (filled in) cannot be read: No such file or directory (os error 2)
        relative paths start at the folder of the configuration file; check name and rights
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
fn routes_are_complete_reachable_and_lead_elsewhere() {
    let said = refused("routes.toml");
    assert!(!said.contains("hunter2"), "{said}");
    assert_snapshot!(said, @r#"
    routes.toml:5:10  upstream.format  "CloudEvents" is not known here
        write "json" or "cloudevents" or "cloudevents-binary"
    routes.toml:6:17  upstream.hmac_key_file  "../keys/short.hmac" (../keys/short.hmac) holds no secret that can be used: it has 5 bytes once decoded, and 24 to 64 are allowed; make one with `openssl rand -base64 32`, and give it to the app too
    routes.toml:13:14  upstream.routes[1].msg_method  "alipay.open.mini.*.completed" is never reached: upstream.routes[0] comes first, and takes all that it would
        put it above that one, or remove it
    routes.toml:17:14  upstream.routes[2].msg_method  "alipay.**" has a * beside another
        write one of them: a * is any text, with its dots
    routes.toml:18:7  upstream.routes[2].url  "https://127.0.0.1:3000/mini" is an https address
        write http://; TLS to an app on the same machine is not supported
    routes.toml:21:14  upstream.routes[3].msg_method  "alipay/open" holds a character that no msg_method has
        use letters, digits, . and _, and * for any text
    routes.toml:24:1  upstream.routes[4].url  is missing
        add where its messages go, like url = "http://127.0.0.1:3000/mini"
    routes.toml:25:14  upstream.routes[4].msg_method  "" is empty
        write a msg_method, or "*" for all of them
    routes.toml:27:1  upstream.routes[5].msg_method  is missing
        add the messages that go there, like msg_method = "alipay.open.mini.*"
    routes.toml:28:7  upstream.routes[5].url  the address has a user name, a password or an @
        remove what stands before the @: the app needs no credentials from the proxy
    routes.toml:32:7  upstream.routes[6].url  leads back to the proxy: server.listen is the same address
        write the address of the app
    routes.toml:35:14  upstream.routes[7].msg_method  a string is expected, and this is a list
        put it in quotes, with its unit if it has one
    routes.toml:36:7  upstream.routes[7].url  a string is expected, and this is a whole number
        put it in quotes, with its unit if it has one
    "#);
}

#[test]
fn a_secret_that_is_none_is_named_but_never_quoted() {
    let of = |name: &str| {
        let text = format!("[upstream]\nhmac_key_file = \"{FIXTURES}/keys/{name}\"");
        errors(&text).replace(FIXTURES, "…").lines().next().unwrap().to_owned()
    };
    let files = ["absent.hmac", "", "two.hmac", "short.hmac", "page.html", "test-private-key.pem"];
    assert_snapshot!(files.map(of).join("\n"), @r#"
    2:17  upstream.hmac_key_file  "…/keys/absent.hmac" cannot be read: No such file or directory (os error 2)
    2:17  upstream.hmac_key_file  "…/keys/" cannot be read: it is not a file
    2:17  upstream.hmac_key_file  "…/keys/two.hmac" holds no secret that can be used: there is space or a line break in it, and one secret is one word; make one with `openssl rand -base64 32`, and give it to the app too
    2:17  upstream.hmac_key_file  "…/keys/short.hmac" holds no secret that can be used: it has 5 bytes once decoded, and 24 to 64 are allowed; make one with `openssl rand -base64 32`, and give it to the app too
    2:17  upstream.hmac_key_file  "…/keys/page.html" holds no secret that can be used: this is not base64 with the characters + and / and its padding; make one with `openssl rand -base64 32`, and give it to the app too
    2:17  upstream.hmac_key_file  "…/keys/test-private-key.pem" holds no secret that can be used: this is a key or a certificate in PEM, and a secret is random bytes in base64; make one with `openssl rand -base64 32`, and give it to the app too
    "#);
    let secret = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    for written in [secret, &format!("whsec_{secret}"), &format!("{secret}{secret}{secret}")] {
        let said = errors(&format!("[upstream]\nhmac_key_file = \"{written}\""));
        assert!(!said.contains("MfKQ"), "{said}");
    }
    assert_snapshot!(errors(&format!("[upstream]\nhmac_key_file = \"{secret}\"")), @r#"
    2:17  upstream.hmac_key_file  this is a secret, not the name of a file
        write the name of its file here, and give the app another secret: this one is known now
    "#);
}

#[test]
fn routes_are_tables() {
    assert_snapshot!(errors("[upstream]\nroutes = \"x\""), @r#"
    2:10  upstream.routes  is a string, not a list of tables
        write [[upstream.routes]], with two brackets, above each of them
    "#);
    assert_snapshot!(errors("[upstream.routes]\nurl = \"http://app\""), @r#"
    1:1  upstream.routes  is a table, not a list of tables
        write [[upstream.routes]], with two brackets, above each of them
    "#);
    assert_snapshot!(errors("[upstream]\nroutes = [{ url = \"http://app\", msg_method = \"a\" }, 1]"), @r#"
    2:53  upstream.routes[1]  is a whole number, not a table
        write [[upstream.routes]] above its keys
    "#);
    assert_snapshot!(errors("[[\"upstream.routes\"]]\nurl = \"http://app\""), @r#"
    1:3  upstream.routes  is not a section
        did you mean [upstream]?
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
        remove it; the sections are server, admin, upstream, apps, verify, translate, ledger, ack, log
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
    unknown.toml:12:1  server.tls  is not a key
        remove it; the keys of [server] are listen, paths, max_body, max_params, header_timeout, body_timeout, keep_alive, max_connections, shutdown_delay, drain_timeout
    unknown.toml:15:1  upstream.failure_status  is not a key
        remove it, or move it into [ack]
    unknown.toml:16:1  upstream.timout  is not a key
        did you mean timeout?
    unknown.toml:18:2  cluster  is not a section
        remove it; the sections are server, admin, upstream, apps, verify, translate, ledger, ack, log
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
fn the_upstream_is_plain_http_within_the_patience_of_alipay() {
    assert_snapshot!(refused("upstream.toml"), @r#"
    upstream.toml:2:7  upstream.url  "https://127.0.0.1:3000/alipay/notify" is an https address
        write http://; TLS to an app on the same machine is not supported
    upstream.toml:3:11  upstream.timeout  "16s" is out of range
        write a duration from 1ms to 15s: it must leave room in the 16 s that Alipay waits
    upstream.toml:4:19  upstream.connect_timeout  "10x" is not a duration
        write it like "10s" or "1m30s"
    upstream.toml:5:17  upstream.max_in_flight  -1 is out of range
        write a number from 1 to 100000
    upstream.toml:6:11  upstream.accept[0]  "2XX" is not a status
        write "2xx", or one status of 200 to 299 or 400 to 499, like "409"
    upstream.toml:6:18  upstream.accept[1]  "302" cannot mean success
        remove it: a redirect says that the notification belongs elsewhere, and none is followed
    upstream.toml:6:25  upstream.accept[2]  "3xx" cannot mean success
        remove it: a redirect says that the notification belongs elsewhere, and none is followed
    upstream.toml:6:32  upstream.accept[3]  "100" cannot mean success
        remove it: a 1xx only announces the answer
    upstream.toml:6:39  upstream.accept[4]  "1xx" cannot mean success
        remove it: a 1xx only announces the answer
    upstream.toml:6:46  upstream.accept[5]  "600" is not a status
        write "2xx", or one status of 200 to 299 or 400 to 499, like "409"
    upstream.toml:6:53  upstream.accept[6]  "20" is not a status
        write "2xx", or one status of 200 to 299 or 400 to 499, like "409"
    upstream.toml:6:59  upstream.accept[7]  "ok" is not a status
        write "2xx", or one status of 200 to 299 or 400 to 499, like "409"
    upstream.toml:6:65  upstream.accept[8]  "4xx" cannot mean success as a whole
        name the one that means that the app has it already, like "409": others, as 404 and 429, say that it is lost
    upstream.toml:6:72  upstream.accept[9]  "5xx" cannot mean success
        remove it: a 5xx says that the app failed, and Alipay does not deliver again after `success`
    upstream.toml:6:79  upstream.accept[10]  "503" cannot mean success
        remove it: a 5xx says that the app failed, and Alipay does not deliver again after `success`
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
        remove it; the sections are server, admin, upstream, apps, verify, translate, ledger, ack, log
    "#);
}
