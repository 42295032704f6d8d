//! Which headers pass, and which are ours to write: RFC 9110, 7.6.1, and what the app may trust.

use std::net::IpAddr;

use hyper::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING,
    UPGRADE,
};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What belongs to one connection whether or not `connection` names it.
const HOP_BY_HOP: [HeaderName; 7] = [
    CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("http2-settings"),
];
/// What a message cannot do without, so that no `connection` takes it away.
const NEEDED: [HeaderName; 2] = [HOST, CONTENT_LENGTH];
/// How the names begin by which the app knows that a request is the sidecar's.
const OURS: [&str; 3] = ["alipay-", "webhook-", "ce-"];
/// Whole names that are kept from the app: another of that kind, and those that lead to another path than that of the
/// request.
const KEPT: [&str; 4] = ["idempotency-key", "x-original-url", "x-rewrite-url", "x-original-uri"];

/// Turns the headers of a request that came from `peer` over `scheme` into those that go to the app.
pub(super) fn of_request(headers: &mut HeaderMap, peer: IpAddr, scheme: &'static str) {
    let is_chunked = headers.contains_key(TRANSFER_ENCODING);
    let takes_trailers = tokens(headers, &TE).any(|token| {
        token.split(';').next().is_some_and(|coding| coding.trim().eq_ignore_ascii_case("trailers"))
    });
    remove_hop_by_hop(headers);
    remove_ours(headers);
    // It is answered here, when the app's connection is there to take the body.
    if headers.get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        headers.remove(EXPECT);
    }
    if is_chunked {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if takes_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    let connection = if takes_trailers { "close, te" } else { "close" };
    headers.insert(CONNECTION, HeaderValue::from_static(connection));
    append(headers, FORWARDED_FOR, &peer.to_canonical().to_string());
    append(headers, FORWARDED_PROTO, scheme);
}

/// Turns the headers of the app's answer into those that go to the sender.
pub(super) fn of_answer(headers: &mut HeaderMap) {
    remove_hop_by_hop(headers);
}

/// Takes out of the trailers of a request what is not the sender's to say.
pub(super) fn of_trailers(trailers: &mut HeaderMap) {
    remove_hop_by_hop(trailers);
    remove_ours(trailers);
    for name in [FORWARDED_FOR, FORWARDED_PROTO, HOST, CONTENT_LENGTH] {
        trailers.remove(name);
    }
}

/// Whether the sender wants the connection to become a WebSocket.
pub(super) fn is_websocket(headers: &HeaderMap) -> bool {
    tokens(headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"))
        && tokens(headers, &UPGRADE).any(|token| token.eq_ignore_ascii_case("websocket"))
}

/// The comma-separated words of all headers called `name`; what is no ASCII is none.
fn tokens<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = tokens(headers, &CONNECTION)
        .filter_map(|token| token.parse().ok())
        .filter(|name| !NEEDED.contains(name))
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

fn remove_ours(headers: &mut HeaderMap) {
    let ours: Vec<HeaderName> = headers.keys().filter(|name| is_kept(name.as_str())).cloned().collect();
    for name in ours {
        headers.remove(name);
    }
}

/// Whether a header of this name is kept from the app. CGI, WSGI and their kin know a name by its letters and digits alone,
/// so `alipay_notify_id` counts as `alipay-notify-id`; and what they would take for the headers that are added here goes.
fn is_kept(name: &str) -> bool {
    let plain: String =
        name.chars().map(|char| if char.is_ascii_alphanumeric() { char } else { '-' }).collect();
    let is_added = |added: &HeaderName| plain == added.as_str() && name != plain;
    OURS.iter().any(|prefix| plain.starts_with(prefix))
        || KEPT.contains(&plain.as_str())
        || is_added(&FORWARDED_FOR)
        || is_added(&FORWARDED_PROTO)
}

/// Adds `word` behind the words of all headers called `name`, as one header.
fn append(headers: &mut HeaderMap, name: HeaderName, word: &str) {
    let mut words: Vec<&[u8]> = headers.get_all(&name).into_iter().map(HeaderValue::as_bytes).collect();
    words.push(word.as_bytes());
    // Values and a word of plain ASCII make a value again.
    if let Ok(value) = HeaderValue::from_bytes(&words.join(&b", "[..])) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
            .collect()
    }

    fn passed(pairs: &[(&str, &str)]) -> Vec<String> {
        let mut headers = headers(pairs);
        of_request(&mut headers, "192.0.2.7".parse().unwrap(), "http");
        let mut lines: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        lines
    }

    const ADDED: [&str; 3] = ["connection: close", "x-forwarded-for: 192.0.2.7", "x-forwarded-proto: http"];

    #[test]
    fn what_belongs_to_one_connection_does_not_pass() {
        let got = passed(&[
            ("host", "example.com"),
            ("connection", "keep-alive, X-Private"),
            ("connection", "close, host, content-length"),
            ("content-length", "3"),
            ("x-private", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABkAAQAAP__"),
            ("te", "gzip"),
            ("x-public", "2"),
        ]);
        assert_eq!(
            got,
            [
                "connection: close",
                "content-length: 3",
                "host: example.com",
                "x-forwarded-for: 192.0.2.7",
                "x-forwarded-proto: http",
                "x-public: 2"
            ]
        );
        let mut answer = headers(&[
            ("connection", "x-private"),
            ("x-private", "1"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("set-cookie", "a=b"),
            ("set-cookie", "c=d"),
        ]);
        of_answer(&mut answer);
        assert_eq!(answer, headers(&[("set-cookie", "a=b"), ("set-cookie", "c=d")]));
    }

    #[test]
    fn chunks_and_trailers_are_asked_for_anew() {
        let got =
            passed(&[("transfer-encoding", "chunked"), ("te", "gzip;q=1, trailers"), ("connection", "te")]);
        assert_eq!(
            got,
            [
                "connection: close, te",
                "te: trailers",
                "transfer-encoding: chunked",
                "x-forwarded-for: 192.0.2.7",
                "x-forwarded-proto: http"
            ]
        );
    }

    #[test]
    fn what_would_pose_as_the_sidecars_is_kept_from_the_app() {
        for name in [
            "alipay-notify-id",
            "Alipay-Anything",
            "alipay_notify_id",
            "alipay.notify.id",
            "idempotency-key",
            "idempotency_key",
            "webhook-signature",
            "Webhook_Id",
            "ce-id",
            "ce_specversion",
            "x-original-url",
            "X-Rewrite-URL",
            "x_forwarded_for",
            "x-forwarded_proto",
        ] {
            assert_eq!(passed(&[(name, "1")]), ADDED, "{name}");
        }
        for name in ["x-alipay-client", "alipay", "webhooks", "cent", "x-idempotency-key", "my_header"] {
            assert_eq!(passed(&[(name, "1")]).len(), ADDED.len() + 1, "{name}");
        }
    }

    #[test]
    fn the_sender_is_added_behind_those_before() {
        let got = passed(&[
            ("x-forwarded-for", "198.51.100.1"),
            ("x-forwarded-for", "10.0.0.1, 10.0.0.2"),
            ("x-forwarded-proto", "https"),
        ]);
        assert!(
            got.contains(&"x-forwarded-for: 198.51.100.1, 10.0.0.1, 10.0.0.2, 192.0.2.7".to_owned()),
            "{got:?}"
        );
        assert!(got.contains(&"x-forwarded-proto: https, http".to_owned()), "{got:?}");
        let mut mapped = HeaderMap::new();
        of_request(&mut mapped, "::ffff:192.0.2.7".parse().unwrap(), "https");
        assert_eq!(
            (&mapped["x-forwarded-for"], &mapped["x-forwarded-proto"]),
            (&"192.0.2.7".parse().unwrap(), &"https".parse().unwrap())
        );
    }

    #[test]
    fn an_expectation_that_is_met_here_does_not_pass() {
        assert_eq!(passed(&[("expect", "100-Continue")]), ADDED);
        assert!(passed(&[("expect", "a-miracle")]).contains(&"expect: a-miracle".to_owned()));
    }

    #[test]
    fn trailers_say_nothing_that_headers_may_not() {
        let mut trailers = headers(&[
            ("alipay-notify-id", "1"),
            ("x-forwarded-for", "1"),
            ("content-length", "1"),
            ("transfer-encoding", "chunked"),
            ("digest", "1"),
        ]);
        of_trailers(&mut trailers);
        assert_eq!(trailers, headers(&[("digest", "1")]));
    }

    proptest! {
        #[test]
        fn whatever_comes_the_last_sender_is_the_peer(
            values in prop::collection::vec(prop::collection::vec(32_u8..=255, 0..20), 0..4),
        ) {
            let mut headers = HeaderMap::new();
            for value in values.iter().filter_map(|value| HeaderValue::from_bytes(value).ok()) {
                headers.append("x-forwarded-for", value.clone());
                headers.append("connection", value);
            }
            of_request(&mut headers, "192.0.2.7".parse().unwrap(), "http");
            let mut all = headers.get_all("x-forwarded-for").iter();
            prop_assert!(all.next().unwrap().as_bytes().ends_with(b"192.0.2.7"));
            prop_assert!(all.next().is_none());
            prop_assert_eq!(headers.get_all("connection").iter().count(), 1);
        }
    }
}
