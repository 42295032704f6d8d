//! The built binary refuses alike what it refuses with 403, and how long it takes to.
//!
//! `make timing` measures the release binary, many times over. Time is printed and never asserted.
#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "counts of a test do not overflow")]

#[path = "way/support/alipay.rs"]
#[expect(dead_code, reason = "the whole way needs more of it")]
mod alipay;
#[path = "flood/sidecar.rs"]
#[expect(dead_code, reason = "floods need more of it")]
mod sidecar;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Instant;
use std::{env, io, iter};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::{Timestamp, ToSpan};

use crate::alipay::{APP_ID, Form, Notification, OTHER_APP_ID, key, other_key};
use crate::sidecar::Sidecar;

/// How often each request is sent.
fn rounds() -> usize {
    env::var("TIMING_ROUNDS").map_or(100, |rounds| rounds.parse().expect("TIMING_ROUNDS is a number"))
}

/// What is refused with 403, under names for people. The first is what the others are compared with.
fn requests() -> Vec<(String, Vec<u8>)> {
    // A signature that is, as a number, below every modulus: others are refused by some keys at sight.
    let sign = BASE64_STANDARD.encode([0x11; 256]);
    let forged = |app_id: &str| Notification::unsigned().set("app_id", app_id).set("sign", &sign);
    let sent_at = |time: Timestamp, form| {
        let millis = time.as_millisecond().to_string();
        Notification::unsigned().set("utc_timestamp", millis).signed(form, key())
    };
    let old = Timestamp::now() - 48.hours();
    let future = Timestamp::now() + 48.hours();
    let mut requests = vec![
        ("forged, an app with one key".to_owned(), forged(APP_ID)),
        ("the same again".to_owned(), forged(APP_ID)),
        ("forged, an app with two keys".to_owned(), forged(OTHER_APP_ID)),
    ];
    for number in 0..6 {
        let app_id = format!("202100000000{number}{number}{number}{number}");
        requests.push((format!("forged, unknown app {}", number + 1), forged(&app_id)));
    }
    requests.extend([
        ("too old, form v1".to_owned(), sent_at(old, Form::V1)),
        ("too old, form v2".to_owned(), sent_at(old, Form::V2)),
        ("from the future, form v1".to_owned(), sent_at(future, Form::V1)),
        ("hash not allowed".to_owned(), forged(APP_ID).set("sign_type", "RSA")),
        ("unsigned".to_owned(), Notification::unsigned()),
    ]);
    requests.into_iter().map(|(name, notification)| (name, post(&notification.body()))).collect()
}

fn post(body: &str) -> Vec<u8> {
    format!(
        "POST /alipay/notify HTTP/1.1\r\nHost: example.com\r\nContent-Type: \
         application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[test]
fn all_403_of_the_built_binary_are_alike() {
    let app = TcpListener::bind("127.0.0.1:0").unwrap();
    let more = format!(
        "[[apps]]\napp_id = \"{OTHER_APP_ID}\"\nalipay_public_keys = [\"{}\", \"{}\"]",
        key().public(),
        other_key().public()
    );
    let sidecar = Sidecar::start(app.local_addr().unwrap(), &more);
    let requests = requests();
    let mut stream = connect(sidecar.address);
    let answer = ask(&mut stream, &requests[0].1);
    assert!(answer.starts_with(b"HTTP/1.1 403 ") && answer.ends_with(b"\r\n\r\nfail"));
    // One connection, and so one worker; each round in an order of its own.
    let mut times = vec![Vec::new(); requests.len()];
    let mut order: Vec<usize> = (0..requests.len()).collect();
    for _ in 0..rounds() {
        fastrand::shuffle(&mut order);
        for index in &order {
            let (name, request) = &requests[*index];
            let start = Instant::now();
            let again = ask(&mut stream, request);
            times[*index].push(u64::try_from(start.elapsed().as_nanos()).unwrap());
            assert!(again == answer, "{name} is answered in other bytes");
        }
    }
    tell("| refused | median µs | quartiles µs | more than the first, µs (95 %) |");
    tell("|---|--:|--:|--:|");
    for ((name, _), times_of_it) in iter::zip(&requests, &times) {
        let more = iter::zip(times_of_it, &times[0])
            .map(|(time, first)| i64::try_from(*time).unwrap() - i64::try_from(*first).unwrap());
        let more = sorted(more);
        let (low, high) = median_lies_between(more.len());
        let of_it = sorted(times_of_it.iter().map(|time| i64::try_from(*time).unwrap()));
        let quantile = |quarters: usize| micros(of_it[(of_it.len() - 1) * quarters / 4]);
        tell(&format!(
            "| {name} | {} | {} to {} | {} ({} to {}) |",
            quantile(2),
            quantile(1),
            quantile(3),
            micros(more[more.len() / 2]),
            micros(more[low]),
            micros(more[high])
        ));
    }
}

fn connect(sidecar: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(sidecar).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Sends `request`, and reads one answer, whose body is `fail`.
fn ask(stream: &mut TcpStream, request: &[u8]) -> Vec<u8> {
    stream.write_all(request).unwrap();
    let mut answer = Vec::with_capacity(512);
    let mut buffer = [0; 512];
    while !answer.ends_with(b"\r\n\r\nfail") {
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "the connection was closed");
        answer.extend_from_slice(&buffer[..read]);
    }
    answer
}

fn sorted(numbers: impl Iterator<Item = i64>) -> Vec<i64> {
    let mut numbers: Vec<i64> = numbers.collect();
    numbers.sort_unstable();
    numbers
}

/// The places, of `count` numbers in their order, between which the true median lies in 95 of 100 cases.
fn median_lies_between(count: usize) -> (usize, usize) {
    // 1.96 standard deviations of a binomial distribution with p = 1/2.
    let reach = count.isqrt() * 98 / 100;
    ((count / 2).saturating_sub(reach), (count / 2 + reach).min(count - 1))
}

/// Nanoseconds as microseconds with two decimals.
fn micros(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let hundredths = nanos.unsigned_abs() / 10;
    format!("{sign}{}.{:02}", hundredths / 100, hundredths % 100)
}

/// Prints a line past the test's capture: the table is the result.
fn tell(line: &str) {
    writeln!(io::stdout(), "{line}").unwrap();
}
