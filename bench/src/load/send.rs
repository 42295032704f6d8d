//! The senders: as many connections as Alipay may have open, each with one notification at a time.

use std::cell::{Cell, RefCell};
use std::io::{self, BufRead, Write};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use alipay_sidecar::verify::SignedForm;
use alipay_sidecar_bench::stage;
use aws_lc_rs::rsa::KeyPair;
use clap::{Args, ValueEnum};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::heard::Reader;

/// What a body has beside its content, in bytes, with a signature of 4,096 bits.
const ENVELOPE: usize = 1024;

#[derive(Debug, Args)]
pub struct Options {
    /// Where to
    #[arg(long)]
    to: SocketAddr,
    /// The path that is posted to
    #[arg(long, default_value = "/alipay/notify")]
    path: String,
    /// How many notifications, each with an id of its own
    #[arg(long)]
    count: usize,
    /// How many at once, each on a connection of its own
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// How many may wait for an answer at once, if not one on each connection
    #[arg(long)]
    at_once: Option<usize>,
    /// How many in a second; otherwise as fast as the answers come
    #[arg(long)]
    rate: Option<u32>,
    /// When to end though not all were sent, in seconds
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// The bits of the key that signs
    #[arg(long, default_value = "2048")]
    bits: Bits,
    /// How many apps they are for, in turn
    #[arg(long, default_value_t = 1)]
    apps: u64,
    /// What each body is filled up to, in bytes, with fields of a message that the catalogue does not know
    #[arg(long, default_value_t = 0)]
    body: usize,
    /// What is sent, and so what is to be heard
    #[arg(long, default_value = "genuine")]
    what: What,
    /// Keep the connections open until standard input ends
    #[arg(long)]
    hold: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Bits {
    #[value(name = "2048")]
    Small,
    #[value(name = "4096")]
    Large,
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Signed by the key: `success`
    Genuine,
    /// Genuine, while the app refuses: `fail`
    Failing,
    /// With another content than was signed: `fail`
    Altered,
    /// Under a signature that is nobody's: `fail`
    Forged,
    /// Without one: `fail`
    Unsigned,
    /// Signed by another key: `fail`
    Foreign,
}

impl What {
    fn answer(self) -> &'static [u8] {
        match self {
            Self::Genuine => b"success",
            Self::Failing | Self::Altered | Self::Forged | Self::Unsigned | Self::Foreign => b"fail",
        }
    }
}

/// What makes the requests.
struct Maker {
    options: Options,
    key: KeyPair,
    stamp: i64,
}

impl Maker {
    fn new(options: Options) -> Self {
        let is_foreign = options.what == What::Foreign;
        let key = match options.bits {
            Bits::Small if is_foreign => KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap(),
            Bits::Large if is_foreign => KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa4096).unwrap(),
            Bits::Small => stage::key(),
            Bits::Large => stage::key_4096(),
        };
        Self { key, stamp: jiff::Timestamp::now().as_microsecond(), options }
    }

    /// The request of this number.
    fn request(&self, number: usize) -> Vec<u8> {
        let parameters = self.parameters(number);
        let body = match self.options.what {
            What::Genuine | What::Failing | What::Foreign => {
                stage::signed_with(&self.key, parameters, SignedForm::V1)
            }
            What::Altered => {
                let body = stage::signed_with(&self.key, parameters, SignedForm::V1);
                String::from_utf8_lossy(&body).replacen("success", "failure", 1).into_bytes()
            }
            What::Forged => stage::with_sign(&parameters, &vec![0x5a; self.key.public_modulus_len()]),
            What::Unsigned => stage::encoded(&parameters),
        };
        let head = format!(
            "POST {} HTTP/1.1\r\nhost: {}\r\nuser-agent: Mozilla/4.0\r\n\
             content-type: application/x-www-form-urlencoded; text/html; charset=UTF-8\r\ncontent-length: {}\r\n\r\n",
            self.options.path,
            self.options.to,
            body.len()
        );
        [head.into_bytes(), body].concat()
    }

    fn parameters(&self, number: usize) -> stage::Parameters {
        let app = u64::try_from(number).unwrap() % self.options.apps;
        let now = jiff::Timestamp::now().as_millisecond();
        let mut parameters = stage::message(&format!("{:016x}{number:016x}", self.stamp));
        for (name, value) in &mut parameters {
            match name.as_str() {
                "app_id" => *value = stage::app_id(app),
                "utc_timestamp" => *value = now.to_string(),
                "biz_content" => stage::fill(value, self.options.body.saturating_sub(ENVELOPE)),
                "msg_method" if self.options.body > 0 => "example.filled".clone_into(value),
                _ => {}
            }
        }
        parameters
    }

    /// All requests, signed by as many threads as there are processors.
    fn all(&self) -> Vec<Vec<u8>> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let share = self.options.count.div_ceil(threads);
        std::thread::scope(|scope| {
            let part = |part: usize| {
                let numbers = (part * share)..((part + 1) * share).min(self.options.count);
                scope.spawn(move || numbers.map(|number| self.request(number)).collect::<Vec<_>>())
            };
            let parts: Vec<_> = (0..threads).map(part).collect();
            parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
        })
    }
}

/// What all connections have in common.
struct Load {
    maker: Maker,
    /// Empty where each is signed when it is due.
    requests: Vec<Vec<u8>>,
    next: Cell<usize>,
    start: Instant,
    room: Semaphore,
    latencies: RefCell<Vec<u32>>,
    wrong: Cell<usize>,
    broken: Cell<usize>,
}

/// Sends, and prints what was heard as a line of JSON.
pub async fn send(options: Options) -> io::Result<()> {
    let maker = Maker::new(options);
    let requests = if maker.options.rate.is_none() { maker.all() } else { Vec::new() };
    say("ready")?;
    io::stdin().lock().read_line(&mut String::new())?;
    let (connections, hold) = (maker.options.connections, maker.options.hold);
    let at_once = maker.options.at_once.unwrap_or(connections);
    let load = Rc::new(Load {
        maker,
        requests,
        next: Cell::new(0),
        start: Instant::now(),
        room: Semaphore::new(at_once),
        latencies: RefCell::default(),
        wrong: Cell::new(0),
        broken: Cell::new(0),
    });
    let mut senders = JoinSet::new();
    for _ in 0..connections {
        senders.spawn_local(Rc::clone(&load).connection());
    }
    let mut held = Vec::new();
    while let Some(ended) = senders.join_next().await {
        held.extend(ended?);
    }
    say(&load.result().to_string())?;
    if hold {
        io::stdin().lock().read_line(&mut String::new())?;
    }
    Ok(())
}

fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")?;
    io::stdout().flush()
}

impl Load {
    /// One connection after another, until everything was sent; the last one.
    async fn connection(self: Rc<Self>) -> Option<TcpStream> {
        let mut held = None;
        let end = self.start + Duration::from_secs(self.maker.options.seconds);
        while let Some(request) = self.take().await {
            let from = Instant::now();
            match timeout_at(end, self.exchange(&mut held, &request)).await {
                Ok(Ok(is_right)) => {
                    let micros = from.elapsed().as_micros();
                    self.latencies.borrow_mut().push(u32::try_from(micros).unwrap_or(u32::MAX));
                    if !is_right {
                        self.wrong.set(self.wrong.get() + 1);
                    }
                }
                Ok(Err(_)) => {
                    held = None;
                    self.broken.set(self.broken.get() + 1);
                }
                Err(_) => return None,
            }
        }
        held.map(|(stream, _)| stream)
    }

    /// The next request, once it is due.
    async fn take(&self) -> Option<Vec<u8>> {
        let number = self.next.get();
        let options = &self.maker.options;
        if number >= options.count || self.start.elapsed().as_secs() >= options.seconds {
            return None;
        }
        self.next.set(number + 1);
        if let Some(rate) = options.rate {
            let nanos = u64::try_from(number).unwrap() * 1_000_000_000 / u64::from(rate);
            sleep_until(self.start + Duration::from_nanos(nanos)).await;
            return Some(self.maker.request(number));
        }
        self.requests.get(number).cloned()
    }

    /// Sends `request`, over the connection that is `held` if there is one; whether the answer is the right one.
    async fn exchange(&self, held: &mut Option<(TcpStream, Reader)>, request: &[u8]) -> io::Result<bool> {
        let (mut stream, mut reader) = match held.take() {
            Some(held) => held,
            None => {
                let stream = TcpStream::connect(self.maker.options.to).await?;
                stream.set_nodelay(true)?;
                (stream, Reader::default())
            }
        };
        let place = self.room.acquire().await;
        stream.write_all(request).await?;
        let heard = reader.next(&mut stream).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        drop(place);
        let is_right = heard.body == self.maker.options.what.answer();
        if !heard.head.contains("connection: close") {
            *held = Some((stream, reader));
        }
        Ok(is_right)
    }

    fn result(&self) -> serde_json::Value {
        let seconds = self.start.elapsed().as_secs_f64();
        let mut latencies = self.latencies.take();
        latencies.sort_unstable();
        let at = |percent: usize| latencies.get(latencies.len() * percent / 100).copied().unwrap_or_default();
        json!({
            "answers": latencies.len(),
            "wrong": self.wrong.get(),
            "broken": self.broken.get(),
            "seconds": seconds,
            "p50_us": at(50),
            "p99_us": at(99),
        })
    }
}
