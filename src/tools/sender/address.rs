//! Where notifications are posted to.

use std::fmt;

use hyper::Uri;
use hyper::header::HeaderValue;
use hyper::http::uri::PathAndQuery;

/// An `http://` address, with everything that a request needs of it.
#[derive(Debug, Clone)]
pub(in crate::tools) struct Address {
    url: String,
    host: String,
    authority: HeaderValue,
    port: u16,
    target: PathAndQuery,
}

impl Address {
    /// Reads `url`, or says what is wrong with it.
    pub(in crate::tools) fn parse(url: &str) -> Result<Self, String> {
        let uri: Uri =
            url.parse().map_err(|problem| format!("{url:?} is not a URL ({problem}): {EXAMPLE}"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return Err(format!(
                    "{url:?} speaks TLS, which is not spoken here: name the address behind what terminates TLS, \
                     which has http://"
                ));
            }
            Some(_) | None => return Err(format!("{url:?} does not begin with http://: {EXAMPLE}")),
        }
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let authority = authority.ok_or_else(|| format!("{url:?} has a user name, or no host: {EXAMPLE}"))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        Ok(Self {
            url: url.to_owned(),
            host: host.to_owned(),
            authority: HeaderValue::from_str(authority.as_str())
                .map_err(|_error| format!("{url:?} has a host that no header holds: {EXAMPLE}"))?,
            port: authority.port_u16().unwrap_or(80),
            target: uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/")),
        })
    }

    /// The host to connect to: a name or an IP address, without brackets.
    pub(in crate::tools) fn host(&self) -> &str {
        &self.host
    }

    /// The port to connect to.
    pub(in crate::tools) fn port(&self) -> u16 {
        self.port
    }

    /// What the header `host` says.
    pub(in crate::tools) fn authority(&self) -> &HeaderValue {
        &self.authority
    }

    /// Path and query.
    pub(in crate::tools) fn target(&self) -> &str {
        self.target.as_str()
    }

    /// Path and query, as the target of a request.
    pub(in crate::tools) fn uri(&self) -> Uri {
        self.target.clone().into()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

const EXAMPLE: &str = "write it as http://127.0.0.1:8080/alipay/notify";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_port_and_target_are_taken_apart() {
        let parts = |url: &str| {
            let address = Address::parse(url).unwrap();
            let authority = address.authority.to_str().unwrap().to_owned();
            (address.host, address.port, authority, address.target.as_str().to_owned())
        };
        let is = |host: &str, port, authority: &str, target: &str| {
            (host.to_owned(), port, authority.to_owned(), target.to_owned())
        };
        assert_eq!(parts("http://127.0.0.1:8080/a?b"), is("127.0.0.1", 8080, "127.0.0.1:8080", "/a?b"));
        assert_eq!(parts("http://app"), is("app", 80, "app", "/"));
        assert_eq!(parts("http://[::1]:90/"), is("::1", 90, "[::1]:90", "/"));
    }

    #[test]
    fn what_cannot_be_posted_to_is_refused_with_a_remedy() {
        for (url, says) in [
            ("https://a/", "name the address behind what terminates TLS"),
            ("ftp://a/", "does not begin with http://"),
            ("127.0.0.1:80", "http://127.0.0.1:8080/alipay/notify"),
            ("/alipay/notify", "does not begin with http://"),
            ("http://u:p@a/", "user name"),
            ("", "not a URL"),
            ("http://a b/", "not a URL"),
        ] {
            let error = Address::parse(url).unwrap_err();
            assert!(error.contains(says), "{url}: {error}");
        }
    }
}
