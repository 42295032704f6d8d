//! What the benches stand on: one app with a fixed key, notifications that are signed with it, and an upstream.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;

use alipay_sidecar::config::Config;
use alipay_sidecar::receive::Received;
use alipay_sidecar::translate::catalogue::{Catalogue, Naming};
use alipay_sidecar::verify::SignedForm;
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use form_urlencoded::byte_serialize;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

/// The app that a notification is for, if there are no others.
pub const APP_ID: &str = "2014060600164699";
/// A message of the message service, with a content of five fields.
pub const MESSAGE: &str = "alipay.open.mini.icp.faceauth.completed";
/// A flat notification, whose parameters are its content.
pub const TRADE: &str = "trade_status_sync";
/// The default of `server.max_params`.
pub const MAX_PARAMS: usize = 64;

/// The key of Alipay's in the benches, of 2,048 bits. It is published with the sources: it protects nothing.
pub fn key() -> KeyPair {
    read(include_bytes!("../../tests/fixtures/keys/test_key_2048.pem"))
}

/// Such a key of 4,096 bits.
pub fn key_4096() -> KeyPair {
    read(include_bytes!("../../tests/fixtures/keys/test_key_4096.pem"))
}

fn read(pem: &[u8]) -> KeyPair {
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem).unwrap();
    KeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap()
}

/// Its public half, as DER.
pub fn public(key: &KeyPair) -> Vec<u8> {
    let spki: aws_lc_rs::encoding::PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
    spki.as_ref().to_vec()
}

/// The configuration of a sidecar in front of `port`, with these lines in its ledger's table.
pub fn config(port: u16, ledger: &str) -> Config {
    let text = format!(
        "[upstream]\nurl = \"http://127.0.0.1:{port}/app\"\n[verify]\nmax_age = \"0s\"\n[ledger]\n{ledger}\n\
         [[apps]]\napp_id = \"{APP_ID}\"\nalipay_public_keys = [\"{}\"]\n",
        BASE64_STANDARD.encode(public(&key()))
    );
    Config::parse(Path::new("sidecar.toml"), text.as_bytes(), |_| None).unwrap()
}

/// The parameters of a notification, in the order in which they are sent.
pub type Parameters = Vec<(String, String)>;

/// The example of the catalogue for [`MESSAGE`].
pub fn message(notify_id: &str) -> Parameters {
    let catalogue = Catalogue::builtin();
    let (_, message) = catalogue.find(Naming::MsgMethod, MESSAGE).unwrap();
    owned(&[
        ("charset", "UTF-8"),
        ("biz_content", message.example.as_deref().unwrap()),
        ("utc_timestamp", "1514210452731"),
        ("app_id", APP_ID),
        ("version", "1.1"),
        ("sign_type", "RSA2"),
        ("notify_id", notify_id),
        ("msg_method", MESSAGE),
    ])
}

/// The example of the catalogue for [`TRADE`].
pub fn trade(notify_id: &str) -> Parameters {
    let catalogue = Catalogue::builtin();
    let (_, message) = catalogue.find(Naming::NotifyType, TRADE).unwrap();
    let example: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(message.example.as_deref().unwrap()).unwrap();
    let mut parameters = owned(&[
        ("charset", "UTF-8"),
        ("version", "1.0"),
        ("sign_type", "RSA2"),
        ("notify_type", TRADE),
        ("notify_id", notify_id),
        ("notify_time", "2017-12-25 22:00:52"),
        ("app_id", APP_ID),
    ]);
    for (name, value) in example {
        if parameters.iter().all(|(known, _)| *known != name) {
            parameters.push((name, value.as_str().unwrap().to_owned()));
        }
    }
    parameters
}

fn owned(parameters: &[(&str, &str)]) -> Parameters {
    parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The app of this number among many; the first is [`APP_ID`].
pub fn app_id(number: u64) -> String {
    (APP_ID.parse::<u64>().unwrap() + number).to_string()
}

/// Adds fields to the JSON object `content`, until it takes up to `length` bytes of a body.
pub fn fill(content: &mut String, length: usize) {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).map(str::len).sum::<usize>();
    let mut taken = encoded(content);
    for number in 0.. {
        let field = format!(",\"field_{number}\":\"text of one of many fields\"");
        taken += encoded(&field);
        if taken > length {
            return;
        }
        content.insert_str(content.len() - 1, &field);
    }
}

/// The body of `parameters`, signed in `form`.
pub fn signed(parameters: Parameters, form: SignedForm) -> Vec<u8> {
    signed_with(&key(), parameters, form)
}

/// The body of `parameters`, signed in `form` with `key`.
pub fn signed_with(key: &KeyPair, parameters: Parameters, form: SignedForm) -> Vec<u8> {
    let mut sorted: Vec<_> =
        parameters.iter().filter(|(name, _)| form == SignedForm::V2 || name != "sign_type").collect();
    sorted.sort();
    let text: Vec<String> = sorted.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.join("&").as_bytes(), &mut signature).unwrap();
    with_sign(&parameters, &signature)
}

/// The body of `parameters`, under a signature of the right length that is nobody's.
pub fn forged(parameters: &Parameters) -> Vec<u8> {
    // Below any modulus, so that it takes the whole way of a signature.
    with_sign(parameters, &[0x5a; 256])
}

/// The body of `parameters`, under `signature`.
pub fn with_sign(parameters: &Parameters, signature: &[u8]) -> Vec<u8> {
    let sign = form_urlencoded::Serializer::new(String::new())
        .append_pair("sign", &BASE64_STANDARD.encode(signature))
        .finish();
    [&encoded(parameters), &b"&"[..], sign.as_bytes()].concat()
}

/// The body of `parameters`, unsigned.
pub fn encoded(parameters: &Parameters) -> Vec<u8> {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish().into_bytes()
}

/// `body` after the first room.
pub fn received(body: &[u8]) -> Received {
    Received::parse(body, MAX_PARAMS).unwrap()
}

/// The runtime of a worker.
pub fn runtime() -> LocalRuntime {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap()
}

/// Starts an app that accepts everything, on a thread of its own, and gives its port.
pub fn upstream() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            accept_all(stream.unwrap());
        }
    });
    port
}

/// Answers each request on `stream`. What the sidecar sends comes in one write, and ends with the `}` of its JSON.
fn accept_all(mut stream: TcpStream) {
    stream.set_nodelay(true).unwrap();
    let mut buffer = vec![0; 64 * 1024];
    let mut end = 0;
    loop {
        let Ok(read @ 1..) = stream.read(&mut buffer[end..]) else { return };
        end += read;
        if buffer[..end].ends_with(b"}") {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
            end = 0;
        }
    }
}
