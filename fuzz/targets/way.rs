//! Any bytes on a connection to a running sidecar: one answer a request, and only what was signed reaches the upstream.
//!
//! Bytes from 0xf8 on stand for what the fuzzer would not find by itself, such as a whole genuine request; all others
//! are sent as they are. A panic anywhere in the process is a finding, though the sidecar would survive it.
#![no_main]

use std::io;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use alipay_sidecar::receive::form::Form;
use alipay_sidecar::verify::SignedForm;
use alipay_sidecar_fuzz::wire::{Answer, Wire};
use alipay_sidecar_fuzz::{EXAMPLE_CONTENT, MAX_PARAMS, Pairs, body, example, signature, signed};
use libfuzzer_sys::fuzz_target;

/// The most bytes that are sent over one connection: no more than fits into a socket's buffers.
const MAX_SENT: usize = 48 * 1024;

static WIRE: LazyLock<Wire> = LazyLock::new(|| {
    tracing_subscriber::fmt().json().with_writer(|| CheckedLog).init();
    Wire::start()
});

static ANSWERED: AtomicU64 = AtomicU64::new(0);
static CONNECTIONS: AtomicU64 = AtomicU64::new(0);

/// The two genuine notifications, one in each form.
static GENUINE: LazyLock<[Genuine; 2]> =
    LazyLock::new(|| [Genuine::new("one", SignedForm::V1), Genuine::new("two", SignedForm::V2)]);

struct Genuine {
    body: String,
    signed: Pairs,
    signed_form: SignedForm,
    /// What the upstream is to get.
    json: String,
}

impl Genuine {
    fn new(notify_id: &'static str, signed_form: SignedForm) -> Self {
        let mut pairs = example(notify_id);
        let signature = signature(&pairs, signed_form);
        pairs.push((b"sign", signature.as_bytes()));
        let body = body(pairs);
        let signed = signed(&Form::parse(body.as_bytes(), MAX_PARAMS).unwrap(), signed_form);
        let json = format!(
            concat!(
                r#"{{"notify_id":"{}","msg_method":"alipay.open.mini.icp.faceauth.completed","app_id":"2014060600164699","#,
                r#""version":"1.1","utc_timestamp":1514210452731,"sent_at":"2017-12-25T14:00:52.731Z","biz_content":{}}}"#
            ),
            notify_id, EXAMPLE_CONTENT
        );
        Self { body, signed, signed_form, json }
    }

    /// Whether `body` is this notification, however it is encoded.
    fn is(&self, body: &[u8]) -> bool {
        Form::parse(body, MAX_PARAMS).is_ok_and(|form| signed(&form, self.signed_form) == self.signed)
    }
}

fuzz_target!(|bytes: &[u8]| {
    let pieces = pieces(bytes);
    let answers = WIRE.talk(pieces.iter().map(Vec::as_slice));
    let sent = pieces.concat();
    check(&sent, &answers);
    let got = WIRE.take_got();
    assert_eq!(got.len(), answers.iter().filter(|answer| answer.is_success).count());
    for body in got {
        let is_genuine = GENUINE.iter().any(|genuine| genuine.json.as_bytes() == body);
        assert!(is_genuine, "the upstream got {}", body.escape_ascii());
    }
    let answered = u64::try_from(answers.len()).unwrap();
    let answered = ANSWERED.fetch_add(answered, Ordering::Relaxed) + answered;
    if CONNECTIONS.fetch_add(1, Ordering::Relaxed).is_multiple_of(256) {
        assert_eq!(WIRE.counted(), answered, "requests counted and answers given differ");
    }
});

/// What is sent, in the pieces in which it is written.
fn pieces(script: &[u8]) -> Vec<Vec<u8>> {
    let [one, two] = &*GENUINE;
    let (mut pieces, mut piece, mut sent) = (Vec::new(), Vec::new(), 0);
    for (at, byte) in script.iter().enumerate() {
        let before = piece.len();
        match byte {
            0xf8 => pieces.push(std::mem::take(&mut piece)),
            0xf9 => piece.extend_from_slice(&request(&one.body)),
            0xfa => piece.extend_from_slice(&request(&two.body)),
            0xfb => piece.extend_from_slice(two.body.as_bytes()),
            0xfc => piece.extend_from_slice(&[HEAD, two.body.len().to_string().as_bytes(), b"\r\n"].concat()),
            0xfd => piece.extend_from_slice(format!("{:x}\r\n{}\r\n", one.body.len(), one.body).as_bytes()),
            0xfe => piece.extend_from_slice(HEAD),
            0xff => {
                // The head of a request whose body is the script up to the next such byte.
                let body = script[at + 1..].split(|byte| *byte >= 0xf8).next().unwrap_or_default();
                piece.extend_from_slice(&[HEAD, body.len().to_string().as_bytes(), b"\r\n\r\n"].concat());
            }
            literal => piece.push(*literal),
        }
        sent += piece.len().saturating_sub(before);
        if sent > MAX_SENT {
            break;
        }
    }
    pieces.push(piece);
    pieces
}

const HEAD: &[u8] =
    b"POST /alipay/notify HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n\
    Content-Length: ";

fn request(body: &str) -> Vec<u8> {
    [HEAD, body.len().to_string().as_bytes(), b"\r\n\r\n", body.as_bytes()].concat()
}

/// Goes through what was sent and what was answered, side by side.
///
/// How a request is framed is read anew, and only where there is but one reading; where there is none, the answer must
/// be the last one.
fn check(sent: &[u8], answers: &[Answer]) {
    let mut rest = sent;
    for (nth, answer) in answers.iter().enumerate() {
        // One empty line before a request is no part of it: RFC 9112, 2.2.
        rest = rest.strip_prefix(b"\r\n").unwrap_or(rest);
        assert!(!rest.is_empty(), "answer {nth} answers nothing");
        let framed = frame(rest);
        if answer.is_success
            && let Some((body, _)) = framed
        {
            assert!(
                GENUINE.iter().any(|genuine| genuine.is(body)),
                "answer {nth}: success for what was not signed"
            );
        }
        match framed {
            Some((_, after)) => rest = after,
            None => {
                assert!(nth + 1 == answers.len(), "more answers after one to a request without a clear end")
            }
        }
        if answer.is_last {
            assert_eq!(nth + 1, answers.len(), "an answer after the last one");
            return;
        }
        if framed.is_none() {
            // Its body never came whole.
            return;
        }
    }
    rest = rest.strip_prefix(b"\r\n").unwrap_or(rest);
    // What is refused by its head alone may be the end of its connection: its body is nobody's to wait for.
    let is_refused_early = answers.last().is_some_and(|answer| !matches!(answer.status, 200 | 403));
    assert!(
        is_refused_early || frame(rest).is_none(),
        "a whole request without an answer: {}",
        rest.escape_ascii()
    );
}

/// The body of the request at the start of `bytes`, and what comes after it, if it is whole and plainly framed.
fn frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let mut length = 0;
    for line in head.split("\r\n").skip(1) {
        if line.starts_with("transfer-encoding:") {
            return None;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim_matches([' ', '\t']).parse().ok()?;
        }
    }
    bytes[end..].split_at_checked(length)
}

/// A log that takes nothing but whole lines of JSON, without a raw control character.
struct CheckedLog;

impl io::Write for CheckedLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = bytes.strip_suffix(b"\n").expect("a whole line");
        let text = str::from_utf8(line).expect("a line of text");
        assert!(!text.chars().any(char::is_control), "a raw control character in the log: {text:?}");
        let value: serde_json::Value = serde_json::from_str(text).expect("a line of JSON");
        assert_ne!(value["level"], "ERROR", "{text}");
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
