//! Where a Redis is, and who one is to it.

use std::borrow::Cow;
use std::fmt::{self, Debug, Formatter};

use percent_encoding::percent_decode_str;

use super::reader::{Problem, Written};
use super::upstream::host_and_port;

/// The parts of `ledger.url`. It holds a password, so it shows itself as its address alone.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    /// The host to connect to: a name, or an IP address without brackets.
    pub host: String,
    /// The port to connect to.
    pub port: u16,
    /// Whether TLS is spoken: `rediss://`.
    pub has_tls: bool,
    /// The user of its access control list; without one, a password is the default user's.
    pub user: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// The number of the database.
    pub database: u32,
}

impl RedisUrl {
    /// What messages call it: host and port.
    pub fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl Debug for RedisUrl {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({})", self.address())
    }
}

/// The port of a Redis, with TLS or without.
const PORT: u16 = 6379;
const EXAMPLE: &str =
    "write it like \"redis://127.0.0.1:6379/0\" or \"rediss://user:${PASSWORD}@host:6379/0\"";

/// The address of a Redis. No message quotes any of it: a password may stand anywhere in it, also by mistake.
pub(super) fn url(written: &Written<'_>) -> Result<RedisUrl, Problem> {
    let problem = |what: &str, remedy: &str| Err(Problem::new(what, remedy));
    let Some((scheme, rest)) = written.text.split_once("://") else {
        return problem("is no address of a Redis", EXAMPLE);
    };
    let has_tls = scheme.eq_ignore_ascii_case("rediss");
    if !has_tls && !scheme.eq_ignore_ascii_case("redis") {
        return problem("does not begin with redis:// or rediss://", EXAMPLE);
    }
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    if database.contains('@') || (rest.contains(['?', '#']) && rest.contains('@')) {
        let remedy =
            "percent-encode the password: write %2F for /, %3F for ?, %23 for #, %40 for @ and %25 for %";
        return problem("has a user name or a password with a character that ends it", remedy);
    }
    if rest.contains(['?', '#']) {
        return problem("has a query or a fragment", "remove it: it ends with the number of the database");
    }
    let (credentials, authority) = match authority.rsplit_once('@') {
        Some((credentials, authority)) => (Some(credentials), authority),
        None => (None, authority),
    };
    let Some((host, port)) = host_and_port(authority, PORT) else {
        return problem("has no host, or one that cannot be connected to, or a wrong port", EXAMPLE);
    };
    let database = if database.is_empty() { Some(0) } else { number(database) };
    let Some(database) = database else {
        return problem("ends with something other than the number of a database", EXAMPLE);
    };
    let (user, password) = credentials.map(decoded).transpose()?.unwrap_or_default();
    Ok(RedisUrl { host: host.to_owned(), port, has_tls, user, password, database })
}

fn number(digits: &str) -> Option<u32> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// The user, if one is named, and the password.
fn decoded(credentials: &str) -> Result<(Option<String>, Option<String>), Problem> {
    let Some((user, password)) = credentials.split_once(':').filter(|(_, password)| !password.is_empty())
    else {
        let remedy = "write :${PASSWORD}@ or user:${PASSWORD}@ before the host, or nothing at all";
        return Err(Problem::new("has no password before the @, or an empty one", remedy));
    };
    let decode = |text: &str| {
        let escapes = text.split('%').skip(1);
        let is_sound = escapes
            .map(str::as_bytes)
            .all(|after| after.get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)));
        let decoded = percent_decode_str(text).decode_utf8().ok().filter(|_| is_sound);
        decoded.map(Cow::into_owned).ok_or_else(|| {
            let what = "has a % in its user name or password that is not followed by two digits of UTF-8";
            Problem::new(what, "write %25 for a %")
        })
    };
    let user = if user.is_empty() { None } else { Some(decode(user)?) };
    Ok((user, Some(decode(password)?)))
}
