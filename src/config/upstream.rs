//! Where the notifications go, and which of its answers mean that they arrived.

use std::collections::BTreeSet;
use std::fmt::{self, Debug, Display, Formatter};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use hyper::{StatusCode, Uri};

use super::reader::{Problem, Written};
use super::routes::Route;
use crate::deliver::webhook::Signer;

/// The app behind the proxy.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// Where it listens, for all messages that no route is for.
    pub url: UpstreamUrl,
    /// Where it listens for some messages: the first that matches counts.
    pub routes: Vec<Route>,
    /// The shape of what it gets.
    pub format: Format,
    /// What signs the requests to it, if they are signed.
    pub signer: Option<Arc<Signer>>,
    /// How long a whole delivery may take.
    pub timeout: Duration,
    /// How long connecting may take, as a part of `timeout`.
    pub connect_timeout: Duration,
    /// How many deliveries may run at once.
    pub max_in_flight: usize,
    /// The statuses that mean success.
    pub accept: AcceptedStatuses,
}

impl Upstream {
    /// How many connections there may be at once: one for each delivery, and as many are kept for each host and port.
    pub(crate) fn max_connections(&self) -> usize {
        let urls = std::iter::once(&self.url).chain(self.routes.iter().map(|route| &route.url));
        let addresses = urls.map(UpstreamUrl::address).collect::<BTreeSet<_>>().len();
        self.max_in_flight.saturating_mul(addresses)
    }
}

/// The shape of what the app gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The project's own JSON.
    Json,
    /// CloudEvents 1.0 in structured mode.
    CloudEvents,
    /// CloudEvents 1.0 in binary mode.
    CloudEventsBinary,
}

/// The parts of `upstream.url` or of a route's, ready for connecting and for the head of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamUrl {
    /// The host to connect to: a name, or an IP address without brackets.
    pub host: String,
    /// The port to connect to.
    pub port: u16,
    /// The `host` header: host and port as they were written.
    pub authority: String,
    /// The target of the request: the path and the query as they were written.
    pub path_and_query: String,
}

impl UpstreamUrl {
    /// What connections are made to: the host, whose case means nothing, and the port.
    pub(crate) fn address(&self) -> (String, u16) {
        (self.host.to_ascii_lowercase(), self.port)
    }
}

impl Default for UpstreamUrl {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 3000,
            authority: "127.0.0.1:3000".to_owned(),
            path_and_query: "/alipay/notify".to_owned(),
        }
    }
}

impl Display for UpstreamUrl {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path_and_query)
    }
}

/// The statuses that mean success.
#[derive(Clone, PartialEq, Eq)]
pub struct AcceptedStatuses([bool; 600]);

impl AcceptedStatuses {
    /// Whether this status means success.
    pub fn contains(&self, status: StatusCode) -> bool {
        self.0.get(usize::from(status.as_u16())).copied().unwrap_or(false)
    }
}

impl Default for AcceptedStatuses {
    fn default() -> Self {
        std::iter::once(200..=299).collect()
    }
}

impl FromIterator<RangeInclusive<usize>> for AcceptedStatuses {
    fn from_iter<I: IntoIterator<Item = RangeInclusive<usize>>>(ranges: I) -> Self {
        let mut accepted = Self([false; 600]);
        for range in ranges {
            accepted.0.get_mut(range).unwrap_or_default().fill(true);
        }
        accepted
    }
}

impl Debug for AcceptedStatuses {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let accepted = self.0.iter().enumerate().filter(|(_, accepted)| **accepted);
        f.debug_set().entries(accepted.map(|(status, _)| status)).finish()
    }
}

/// An entry of `upstream.accept`: the statuses that it stands for.
pub(super) fn statuses(written: &Written<'_>) -> Result<RangeInclusive<usize>, Problem> {
    let text = written.text.as_ref();
    let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    if text == "2xx" {
        return Ok(200..=299);
    }
    if let (true, Ok(status @ (200..=299 | 400..=499))) = (digits, text.parse()) {
        return Ok(status..=status);
    }
    if text.starts_with('1') && (digits || text == "1xx") {
        let remedy = "remove it: a 1xx only announces the answer";
        return Err(written.problem("cannot mean success", remedy));
    }
    if text.starts_with('3') && (digits || text == "3xx") {
        let remedy =
            "remove it: a redirect says that the notification belongs elsewhere, and none is followed";
        return Err(written.problem("cannot mean success", remedy));
    }
    // Every failure of the app would otherwise be a `success`, after which Alipay never comes again.
    if text == "4xx" {
        let remedy = "name the one that means that the app has it already, like \"409\": others, as 404 and 429, say that it is lost";
        return Err(written.problem("cannot mean success as a whole", remedy));
    }
    if text.starts_with('5') && (digits || text == "5xx") {
        let remedy =
            "remove it: a 5xx says that the app failed, and Alipay does not deliver again after `success`";
        return Err(written.problem("cannot mean success", remedy));
    }
    let remedy = "write \"2xx\", or one status of 200 to 299 or 400 to 499, like \"409\"";
    Err(written.problem("is not a status", remedy))
}

/// The address of the app.
pub(super) fn url(written: &Written<'_>) -> Result<UpstreamUrl, Problem> {
    let text = written.text.as_ref();
    // A password may stand before the @, so no message may quote such an address.
    if text.contains('@') {
        return Err(Problem::new(
            "the address has a user name, a password or an @",
            "remove what stands before the @: the app needs no credentials from the proxy",
        ));
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(written.problem("is not an address", EXAMPLE));
    };
    if scheme.eq_ignore_ascii_case("https") {
        let remedy = "write http://; TLS to an app on the same machine is not supported";
        return Err(written.problem("is an https address", remedy));
    }
    if !scheme.eq_ignore_ascii_case("http") {
        return Err(written.problem("is not an http address", EXAMPLE));
    }
    if rest.contains('#') {
        return Err(written.problem("has a fragment", "remove the # and what follows: it is never sent"));
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let (host, port) = host_and_port(authority, 80).ok_or_else(|| {
        written.problem("has no host, or one that cannot be connected to, or a wrong port", EXAMPLE)
    })?;
    // An absent path is the root; RFC 9112, 3.2.1.
    let slash = if target.starts_with('/') { "" } else { "/" };
    let path_and_query = format!("{slash}{target}");
    if !target.bytes().all(|byte| byte.is_ascii_graphic()) || path_and_query.parse::<Uri>().is_err() {
        let remedy = "percent-encode it: what is written here is sent as it is";
        return Err(written.problem("has a character that cannot stand in an address", remedy));
    }
    Ok(UpstreamUrl { host: host.to_owned(), port, authority: authority.to_owned(), path_and_query })
}

const EXAMPLE: &str = "write it like \"http://127.0.0.1:3000/alipay/notify\"";

/// The host and the port, which is `default` where none is written.
pub(super) fn host_and_port(authority: &str, default: u16) -> Option<(&str, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(bracketed) => {
            let (host, after) = bracketed.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let sound = authority.starts_with('[') || (!host.is_empty() && host.bytes().all(plain));
    let port = port.map_or(Some(default), |port| {
        port.parse::<u16>().ok().filter(|number| *number != 0 && port.bytes().all(|b| b.is_ascii_digit()))
    })?;
    sound.then_some((host, port))
}
