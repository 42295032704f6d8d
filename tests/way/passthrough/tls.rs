//! What passes over TLS.

use super::ON;
use crate::support::backend::Backend;
use crate::support::client::Client;
use crate::support::process::Running;
use crate::tls::{TLS, issue};

#[test]
fn over_tls_the_app_hears_https_and_what_breaks_off_has_no_orderly_end() {
    let folder = tempfile::tempdir().unwrap();
    let trust = issue(folder.path());
    let backend = Backend::start();
    let url = format!("http://{}/alipay/notify", backend.address);
    let running = Running::to_in(folder, &url, &[TLS, ON]);
    let connect = || Client::connect_tls(running.address.parse().unwrap(), &trust);

    // The next request is there while the first one is under way, and so is what TLS holds of it.
    let mut client = connect();
    client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    for path in ["/1", "/2"] {
        let mut call = backend.call();
        assert_eq!(call.line(), format!("GET {path} HTTP/1.1"));
        assert_eq!(call.header("x-forwarded-proto"), Some("https"));
        call.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
        assert_eq!(client.answer().body, "hi");
    }
    // Whoever hangs up gives the request up.
    client.send("GET /3 HTTP/1.1\r\nHost: a\r\n\r\n");
    let call = backend.call();
    drop(client);
    call.given_up();

    // A sender of HTTP/1.0 is told the end of an answer by the end of the connection alone.
    let chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
    for (end, is_whole) in [("0\r\n\r\n", true), ("", false)] {
        let mut client = connect();
        client.send("GET /old HTTP/1.0\r\n\r\n");
        let mut call = backend.call();
        call.say(format!("{chunk}{end}"));
        drop(call);
        let (answer, is_orderly) = client.rest();
        assert_eq!(is_orderly, is_whole, "{answer}");
        assert!(!is_whole || answer.ends_with("abc"), "{answer}");
    }
}
