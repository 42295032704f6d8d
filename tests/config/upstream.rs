//! Every message about where notifications go.

use super::*;

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
fn where_closing_the_paths_of_notifications_closes_all_nothing_can_pass_through() {
    assert_snapshot!(refused("passthrough.toml"), @r#"
    passthrough.toml:5:9  server.paths  leaves nothing to pass through: as servers read paths, every path may lead there
        give the notifications a path of their own, like /alipay/notify, or set passthrough.enabled = false
    passthrough.toml:8:7  upstream.url  leaves nothing to pass through: as servers read paths, every path may lead there
        give the notifications a path of their own, like /alipay/notify, or set passthrough.enabled = false
    passthrough.toml:12:7  upstream.routes[0].url  leaves nothing to pass through: as servers read paths, every path may lead there
        give the notifications a path of their own, like /alipay/notify, or set passthrough.enabled = false
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
