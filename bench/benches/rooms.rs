//! How many instructions each room takes for one notification, counted by valgrind.
//!
//! A count is the same each time, on whatever is beside it, so a rise is a fact: `make bench-gate` refuses more than 3%. What
//! is measured was done once before, so that nothing is counted that happens once in a process.

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use alipay_sidecar::ack::{Outcome, ack};
use alipay_sidecar::config::{Config, Log, LogFormat};
use alipay_sidecar::deliver::trace::TraceContext;
use alipay_sidecar::deliver::{Delivery, Exchange, Idle, InFlight, Upstream};
use alipay_sidecar::ledger::Ledger;
use alipay_sidecar::ledger::figures::Figures;
use alipay_sidecar::receive::{Received, receive};
use alipay_sidecar::rejection::{Reason, Rejection};
use alipay_sidecar::telemetry::metrics::Metrics;
use alipay_sidecar::telemetry::{Line, Telemetry, log};
use alipay_sidecar::translate::{Event, Translator};
use alipay_sidecar::verify::key::PublicKey;
use alipay_sidecar::verify::{SignedForm, Verified, verify};
use alipay_sidecar_bench::stage::{self, MAX_PARAMS, forged, message, received, runtime, signed, trade};
use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256};
use bytes::Bytes;
use gungraun::prelude::*;
use gungraun::{Callgrind, main};
use http_body_util::Full;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use hyper::{HeaderMap, Request, Response, StatusCode};
use tempfile::TempDir;
use tokio::runtime::LocalRuntime;

const ID: &str = "5608cccc09ddb39d41c2e3c06e3d9fejh2";
const FIRST: &str = "5608cccc09ddb39d41c2e3c06e3d9fejh1";

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(24 * 365 * 50)
}

fn v1(notify_id: &str) -> Vec<u8> {
    signed(message(notify_id), SignedForm::V1)
}

// receive

#[library_benchmark]
#[bench::message(setup = parse_twice, args = (v1(ID)))]
#[bench::trade(setup = parse_twice, args = (signed(trade(ID), SignedForm::V1)))]
fn form(body: Vec<u8>) -> (Vec<u8>, Received) {
    let received = Received::parse(black_box(&body), MAX_PARAMS).unwrap();
    (body, received)
}

fn parse_twice(body: Vec<u8>) -> Vec<u8> {
    received(&body);
    body
}

type Post = Request<Full<Bytes>>;

#[library_benchmark]
#[bench::message(setup = posted, args = (v1(ID)))]
fn room(given: (LocalRuntime, Post, Config)) -> (LocalRuntime, Received, Config) {
    let (runtime, request, config) = given;
    let received = runtime.block_on(receive(request, &config.server.paths, &config.limits)).unwrap();
    (runtime, black_box(received), config)
}

fn posted(body: Vec<u8>) -> (LocalRuntime, Post, Config) {
    let request = |body: &[u8]| {
        Request::post("/alipay/notify")
            .header(HOST, "127.0.0.1:8080")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded; text/html; charset=UTF-8")
            .header(CONTENT_LENGTH, body.len())
            .body(Full::from(body.to_vec()))
            .unwrap()
    };
    let (runtime, config) = (runtime(), stage::config(1, ""));
    runtime.block_on(receive(request(&body), &config.server.paths, &config.limits)).unwrap();
    (runtime, request(&body), config)
}

// verify

#[library_benchmark]
#[bench::v1(setup = to_verify, args = (v1(ID)))]
#[bench::v2(setup = to_verify, args = (signed(message(ID), SignedForm::V2)))]
#[bench::forged(setup = to_verify, args = (forged(&message(ID))))]
#[bench::unsigned(setup = to_verify, args = (b"charset=UTF-8&app_id=2014060600164699".to_vec()))]
#[bench::unknown_app(setup = to_verify, args = (forged(&of_another_app())))]
fn verification(given: (Received, Config)) -> (Result<Verified, Rejection>, Config) {
    let (received, config) = given;
    let outcome = verify(received, &config.keyring, &config.policy, now());
    (black_box(outcome), config)
}

fn of_another_app() -> stage::Parameters {
    let mut parameters = message(ID);
    parameters.iter_mut().filter(|(name, _)| name == "app_id").for_each(|(_, value)| *value = "1".to_owned());
    parameters
}

fn to_verify(body: Vec<u8>) -> (Received, Config) {
    let config = stage::config(1, "");
    drop(verify(received(&body), &config.keyring, &config.policy, now()));
    (received(&body), config)
}

// What the library takes for one signature: what of `verification` is not ours.
#[library_benchmark]
#[bench::rsa_2048(setup = signature)]
fn library(given: (ParsedPublicKey, Digest, Vec<u8>)) -> (ParsedPublicKey, Digest, Vec<u8>) {
    let (key, digest, signature) = given;
    key.verify_digest_sig(black_box(&digest), black_box(&signature)).unwrap();
    (key, digest, signature)
}

fn signature() -> (ParsedPublicKey, Digest, Vec<u8>) {
    let pair = stage::key();
    let text = vec![b'x'; 500];
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), &text, &mut signature).unwrap();
    let key = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &stage::public(&pair)).unwrap();
    let digest = digest::digest(&digest::SHA256, &text);
    key.verify_digest_sig(&digest, &signature).unwrap();
    (key, digest, signature)
}

#[library_benchmark]
#[bench::spki(setup = key_file)]
fn key_parsing(spki: Vec<u8>) -> (Vec<u8>, PublicKey) {
    let key = PublicKey::parse(black_box(&spki)).unwrap();
    (spki, key)
}

fn key_file() -> Vec<u8> {
    let spki = stage::public(&stage::key());
    PublicKey::parse(&spki).unwrap();
    spki
}

// translate

#[library_benchmark]
#[bench::message(setup = to_translate, args = (v1(ID)))]
#[bench::trade(setup = to_translate, args = (signed(trade(ID), SignedForm::V1)))]
fn translation(given: (Translator, Verified)) -> (Translator, Event) {
    let (translator, verified) = given;
    let event = translator.translate(verified).unwrap();
    (translator, black_box(event))
}

fn verified(body: &[u8], config: &Config) -> Verified {
    verify(received(body), &config.keyring, &config.policy, now()).unwrap()
}

fn translator(config: &Config) -> Translator {
    Translator::new(config.catalogue.clone(), config.translate.on_mismatch, config.translate.unknown_methods)
}

fn event(notify_id: &str, config: &Config) -> Event {
    translator(config).translate(verified(&v1(notify_id), config)).unwrap()
}

fn to_translate(body: Vec<u8>) -> (Translator, Verified) {
    let config = stage::config(1, "");
    let translator = translator(&config);
    translator.translate(verified(&body, &config)).unwrap();
    let verified = verified(&body, &config);
    (translator, verified)
}

// ledger and deliver

/// A worker that has delivered once.
struct Worker {
    runtime: LocalRuntime,
    config: Config,
    ledger: Ledger,
    upstream: Upstream,
    trace: TraceContext,
    _folder: TempDir,
}

impl Worker {
    fn with(store: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = store.replace("FOLDER", folder.path().to_str().unwrap());
        let config = stage::config(stage::upstream(), &store);
        let ledger = Ledger::open(&config.ledger, Figures::default()).unwrap();
        let upstream = Upstream::new(config.upstream.clone(), 0, &Idle::new(1), InFlight::default()).unwrap();
        let trace = TraceContext::of(&HeaderMap::new());
        let worker = Self { runtime: runtime(), config, ledger, upstream, trace, _folder: folder };
        worker.once(event(FIRST, &worker.config), worker.delivery());
        worker
    }

    /// Has `event` delivered to the app.
    fn deliver(&self, event: &Event) -> Delivery {
        let mut exchange = Exchange::default();
        let delivery = self.upstream.deliver(event, None, &self.trace, now(), &mut exchange);
        self.runtime.block_on(delivery).unwrap()
    }

    /// The proof that something was delivered.
    fn delivery(&self) -> Delivery {
        self.deliver(&event(FIRST, &self.config))
    }

    /// Leads `event` through the ledger, with `delivery` in the place of one.
    fn once(&self, event: Event, delivery: Delivery) -> Outcome {
        let mut sighting = None;
        let deliver = async |_: &Event, _| Ok(delivery);
        let outcome = self.ledger.once(event, self.config.terms(), now(), &mut sighting, deliver);
        self.runtime.block_on(outcome).unwrap()
    }
}

const MEMORY: &str = "store = \"memory\"";
const FILE: &str = "store = \"file\"\npath = \"FOLDER/ledger.redb\"";
const OFF: &str = "store = \"off\"";

#[library_benchmark]
#[bench::off(setup = new_to_ledger, args = (OFF))]
#[bench::memory(setup = new_to_ledger, args = (MEMORY))]
#[bench::file(setup = new_to_ledger, args = (FILE))]
fn accepted(given: (Worker, Event, Delivery)) -> (Worker, Outcome) {
    let (worker, event, delivery) = given;
    let outcome = worker.once(event, delivery);
    (worker, black_box(outcome))
}

fn new_to_ledger(store: &str) -> (Worker, Event, Delivery) {
    let worker = Worker::with(store);
    let (event, delivery) = (event(ID, &worker.config), worker.delivery());
    (worker, event, delivery)
}

#[library_benchmark]
#[bench::memory(setup = known_to_ledger, args = (MEMORY))]
#[bench::file(setup = known_to_ledger, args = (FILE))]
fn repeated(given: (Worker, Event, Delivery)) -> (Worker, Outcome) {
    let (worker, event, delivery) = given;
    let outcome = worker.once(event, delivery);
    (worker, black_box(outcome))
}

fn known_to_ledger(store: &str) -> (Worker, Event, Delivery) {
    let worker = Worker::with(store);
    assert!(matches!(worker.once(event(FIRST, &worker.config), worker.delivery()), Outcome::Repeated(_)));
    let (event, delivery) = (event(FIRST, &worker.config), worker.delivery());
    (worker, event, delivery)
}

// One delivery over a connection that was kept. What the app does is not counted.
#[library_benchmark]
#[bench::kept_connection(setup = new_to_ledger, args = (OFF))]
fn delivery(given: (Worker, Event, Delivery)) -> (Worker, Event, Delivery) {
    let (worker, event, _) = given;
    let delivery = worker.deliver(&event);
    (worker, event, black_box(delivery))
}

// ack and telemetry

#[library_benchmark]
#[bench::success(setup = outcome)]
#[bench::fail(setup = refusal)]
fn answer(outcome: Result<Outcome, Rejection>) -> (Response<Full<Bytes>>, Result<Outcome, Rejection>) {
    (ack(black_box(&outcome), StatusCode::SERVICE_UNAVAILABLE), outcome)
}

fn outcome() -> Result<Outcome, Rejection> {
    let outcome = Ok(Outcome::Delivered(Worker::with(OFF).delivery()));
    drop(ack(&outcome, StatusCode::SERVICE_UNAVAILABLE));
    outcome
}

fn refusal() -> Result<Outcome, Rejection> {
    let outcome = Err(Reason::BadSignature.into());
    drop(ack(&outcome, StatusCode::SERVICE_UNAVAILABLE));
    outcome
}

// The log line and the counters of a notification.
#[library_benchmark]
#[bench::accepted(setup = to_tell)]
fn record(
    given: (Telemetry, Line, Result<Outcome, Rejection>),
) -> (Telemetry, Line, Result<Outcome, Rejection>) {
    let (telemetry, line, outcome) = given;
    telemetry.record(black_box(&line), &outcome);
    (telemetry, line, outcome)
}

fn to_tell() -> (Telemetry, Line, Result<Outcome, Rejection>) {
    log::start(Log { level: tracing::Level::INFO, format: LogFormat::Json }).unwrap();
    let config = stage::config(1, "");
    let telemetry = Telemetry::new(Arc::new(Metrics::new(config.catalogue.methods(), "memory").unwrap()));
    let mut line = Line::new(Instant::now(), SocketAddr::from(([127, 0, 0, 1], 40_000)));
    line.traced(&TraceContext::of(&HeaderMap::new()));
    line.received(&received(&v1(ID)));
    line.verified(&verified(&v1(ID), &config));
    line.translated(&event(ID, &config));
    line.exchange.status = Some(StatusCode::OK);
    line.exchange.time = Duration::from_micros(1234);
    let outcome = outcome();
    // The thread that writes has two buffers. Once both were used and are empty, a line always takes the same: it wakes that
    // thread, and finds room.
    for _ in 0..2 {
        telemetry.record(&line, &outcome);
        log::flush(Duration::from_secs(1));
    }
    (telemetry, line, outcome)
}

library_benchmark_group!(name = receiving, benchmarks = [form, room]);
library_benchmark_group!(name = verifying, benchmarks = [verification, library, key_parsing]);
library_benchmark_group!(name = translating, benchmarks = translation);
library_benchmark_group!(name = remembering, benchmarks = [accepted, repeated]);
library_benchmark_group!(name = delivering, benchmarks = delivery);
library_benchmark_group!(name = telling, benchmarks = [answer, record]);

main!(
    // What is counted are instructions: what the caches of some processor would do is not of interest.
    config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args(["--cache-sim=no"])),
    library_benchmark_groups = [receiving, verifying, translating, remembering, delivering, telling]
);
