//! Attacks below the form, in bytes: one request that two readers take for two.
//!
//! What forges here holds a whole genuine request inside of what another reader takes for the body of a refused one. It
//! has passed where `success` is heard: then somebody can put requests of his own into the connections of others.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::attack::{Attack, Forger, Meaning, Sends};
use crate::tools::sender::{self, AGENT, Address, FORM_TYPE, Heard, PATIENCE, Unheard, answers};

/// How long a first answer is waited for: whoever has not answered by then waits for bytes that never come.
const FIRST: Duration = Duration::from_secs(5);
/// How long after an answer another one is waited for, on a connection that stays open.
const QUIET: Duration = Duration::from_secs(1);
/// The most that is read from one connection.
const MAX_READ: usize = 256 * 1024;

/// All of them.
pub(super) fn attacks(forger: &Forger<'_>) -> Result<Vec<Attack>, String> {
    let mut attacks = smuggled(forger)?;
    attacks.extend(odd(forger)?);
    Ok(attacks)
}

fn smuggled(forger: &Forger<'_>) -> Result<Vec<Attack>, String> {
    let address = &forger.plan.to;
    let genuine = || {
        let body = forger.genuine()?.body();
        let length = format!("Content-Length: {}\r\nConnection: close\r\n", body.len());
        Ok::<_, String>(request(address, "POST", address.target(), &length, &body))
    };
    let posted = |lengths: &str, body: &str| request(address, "POST", address.target(), lengths, body);
    let smuggles = |name, does, bytes: String| Attack {
        name,
        does,
        meaning: Meaning::Forged,
        sends: Sends::Bytes(bytes.into_bytes()),
    };
    let behind_chunks = |length: &dyn Fn(usize) -> String| {
        let body = format!("0\r\n\r\n{}", genuine()?);
        Ok::<_, String>(posted(&length(body.len()), &body))
    };
    let holding = |length: &dyn Fn(usize) -> String| {
        let body = genuine()?;
        Ok::<_, String>(posted(&length(body.len()), &body))
    };
    let in_a_chunk = {
        let inner = genuine()?;
        let size = format!("{:x}\r\n", inner.len());
        let lengths = format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", size.len());
        posted(&lengths, &format!("{size}{inner}\r\n0\r\n\r\n"))
    };
    let elsewhere = |method: &str, target: &str, more: &str| {
        let inner = genuine()?;
        let lengths = format!("Content-Length: {}\r\n{more}", inner.len());
        Ok::<_, String>(request(address, method, target, &lengths, &inner))
    };
    Ok(vec![
        smuggles(
            "length_and_chunks",
            "a length beside chunks, a request behind the chunks",
            behind_chunks(&|length| format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"))?,
        ),
        smuggles("chunks_and_length", "chunks beside a short length, a request inside a chunk", in_a_chunk),
        smuggles(
            "blank_before_colon",
            "a length, and chunks in a header with a blank before its colon",
            behind_chunks(&|length| format!("Content-Length: {length}\r\nTransfer-Encoding : chunked\r\n"))?,
        ),
        smuggles(
            "unknown_chunks",
            "a length, and a transfer encoding that is none",
            behind_chunks(&|length| format!("Content-Length: {length}\r\nTransfer-Encoding: xchunked\r\n"))?,
        ),
        smuggles(
            "chunks_twice",
            "a length, and two transfer encodings",
            behind_chunks(&|length| {
                format!(
                    "Content-Length: {length}\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"
                )
            })?,
        ),
        smuggles(
            "two_lengths",
            "two lengths, first none and then that of a request",
            holding(&|length| format!("Content-Length: 0\r\nContent-Length: {length}\r\n"))?,
        ),
        smuggles(
            "two_lengths_reversed",
            "two lengths, first that of a request and then none",
            holding(&|length| format!("Content-Length: {length}\r\nContent-Length: 0\r\n"))?,
        ),
        smuggles(
            "listed_lengths",
            "two lengths in one header",
            holding(&|length| format!("Content-Length: 0, {length}\r\n"))?,
        ),
        smuggles(
            "bare_line_feed",
            "a second length behind a bare line feed",
            holding(&|length| format!("X: a\nContent-Length: 0\r\nContent-Length: {length}\r\n"))?,
        ),
        smuggles(
            "folded_header",
            "chunks in a folded header, a request behind them",
            behind_chunks(&|length| {
                format!("Content-Length: {length}\r\nTransfer-Encoding:\r\n chunked\r\n")
            })?,
        ),
        smuggles(
            "unread_body",
            "a request as the body of one for another path",
            elsewhere("POST", "/nowhere/at/all", "")?,
        ),
        smuggles("unread_get", "a request as the body of a GET", elsewhere("GET", address.target(), "")?),
        smuggles(
            "unmet_expectation",
            "a request as the body of one whose expectation cannot be met",
            elsewhere("POST", address.target(), "Expect: the-unexpected\r\n")?,
        ),
    ])
}

/// Genuine ones in frames that are odd, but hold one request.
fn odd(forger: &Forger<'_>) -> Result<Vec<Attack>, String> {
    let address = &forger.plan.to;
    let lenient = |name, does, bytes: String| Attack {
        name,
        does,
        meaning: Meaning::Lenient,
        sends: Sends::Bytes(bytes.into_bytes()),
    };
    let posted = |more: &str| {
        let body = forger.genuine()?.body();
        let lengths = format!("Content-Length: {}\r\n{more}Connection: close\r\n", body.len());
        Ok::<_, String>(request(address, "POST", address.target(), &lengths, &body))
    };
    let host = format!("Host: {}\r\n", host(address));
    let body = forger.genuine()?.body();
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let chunked = request(
        address,
        "POST",
        address.target(),
        "Transfer-Encoding: chunked\r\nConnection: close\r\n",
        &chunked,
    );
    let other = posted("")?.replacen(address.target(), &format!("http://example.com{}", address.target()), 1);
    Ok(vec![
        lenient("chunked", "in chunks: fine if they are put together", chunked),
        lenient(
            "no_host",
            "without a host: fine only if nothing is decided by it",
            posted("")?.replacen(&host, "", 1),
        ),
        lenient(
            "two_hosts",
            "with two hosts: fine only if nothing is decided by them",
            posted("Host: example.com\r\n")?,
        ),
        lenient(
            "other_authority",
            "for another host in the request line: fine only if nothing is decided by it",
            other,
        ),
        lenient(
            "upgrade",
            "asking for HTTP/2: fine if that is not granted",
            posted("Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n")?,
        ),
    ])
}

/// A request with the headers of Alipay's, and these `lengths`.
fn request(address: &Address, method: &str, target: &str, lengths: &str, body: &str) -> String {
    format!(
        "{method} {target} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {AGENT}\r\nContent-Type: {FORM_TYPE}\r\n{lengths}\r\n{body}",
        host(address)
    )
}

fn host(address: &Address) -> &str {
    // It was made of text.
    address.authority().to_str().unwrap_or_default()
}

/// Sends `bytes` over a connection of their own, and returns all whole answers; there is at least one.
pub(super) async fn exchange(address: &Address, bytes: &[u8]) -> Result<Vec<Heard>, Unheard> {
    let mut read = Vec::new();
    let whole = async {
        let mut stream = sender::connect(address).await?;
        // Who closes before it has read everything may have answered all the same.
        drop(stream.write_all(bytes).await);
        loop {
            let mut part = [0; 4096];
            let patience = if answers(&read).is_empty() { FIRST } else { QUIET };
            let Ok(Ok(length)) = timeout(patience, stream.read(&mut part)).await else { break };
            let Some(part) = part.get(..length).filter(|part| !part.is_empty()) else { break };
            read.extend_from_slice(part);
            if read.len() > MAX_READ {
                break;
            }
        }
        Ok(())
    };
    timeout(PATIENCE, whole).await.unwrap_or(Ok(()))?;
    let heard = answers(&read);
    if heard.is_empty() { Err(Unheard::Broken) } else { Ok(heard) }
}
