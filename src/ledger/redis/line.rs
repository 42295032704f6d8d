//! The connection to Redis: one for each event loop, over which all calls go at once, and which is made anew when it is lost.
//!
//! A task of the same event loop keeps it. Who calls while there is none waits for it for a while, so that a restart of Redis
//! that takes a moment fails nobody; once it is away for longer, every call fails at once, with the reason.

use std::collections::HashMap;
use std::error::Error;
use std::fmt::{self, Debug, Formatter};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ErrorKind, RedisConnectionInfo, RedisError, ServerErrorKind, Value, cmd};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::script::Script;
use super::tls;
use crate::config::RedisUrl;

/// How long a new connection may take, until Redis has answered over it.
const CONNECT_TIME: Duration = Duration::from_secs(2);
/// The first pause between two tries to connect, and the longest; each is twice the one before. About half of it is left to
/// chance, so that replicas do not come all at once.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How long a connection has to last for the pauses to begin anew, unless something was answered over it.
const LASTING: Duration = Duration::from_secs(5);
/// How long a connection is idle until the kernel asks whether the other side is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How many calls may wait to be written before the next one waits to wait.
const QUEUE: usize = 1024;

/// Why Redis did not do what it was asked to.
pub(super) type Problem = Box<dyn Error + Send + Sync>;

/// What reads answers and writes calls, for as long as it is polled. It ends when the connection does.
type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The lines to one Redis, of all event loops.
#[derive(Debug)]
pub(super) struct Lines {
    url: Arc<RedisUrl>,
    begun: Mutex<HashMap<ThreadId, Line>>,
    /// Changes when one of them has a connection again.
    revived: watch::Sender<()>,
}

impl Lines {
    pub(super) fn new(url: RedisUrl) -> Self {
        Self { url: Arc::new(url), begun: Mutex::default(), revived: watch::Sender::default() }
    }

    /// The line of this thread's event loop. The first time, it is begun.
    pub(super) fn here(&self) -> Line {
        let mut lines = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let line = lines.entry(thread::current().id()).or_insert_with(|| self.begin());
        if line.state.has_changed().is_err() {
            // The event loop that kept it has ended, and another one runs on this thread.
            *line = self.begin();
        }
        line.clone()
    }

    fn begin(&self) -> Line {
        let down = State::Down { since: Instant::now(), why: "there is no connection yet".into() };
        let (sender, state) = watch::channel(down);
        let (url, revived) = (Arc::clone(&self.url), self.revived.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = keep(&url, &sender, &revived) => {}
                // Nobody is left to call.
                () = sender.closed() => {}
            }
        });
        Line { state, url: Arc::clone(&self.url) }
    }
}

/// The line of one event loop.
#[derive(Debug, Clone)]
pub(super) struct Line {
    state: watch::Receiver<State>,
    url: Arc<RedisUrl>,
}

/// Whether there is a connection.
#[derive(Debug)]
enum State {
    /// There is none since then, for this reason.
    Down { since: Instant, why: Arc<str> },
    /// This one.
    Up(Up),
}

/// A connection.
#[derive(Clone)]
struct Up {
    connection: MultiplexedConnection,
    /// Which one it is of its line.
    number: u64,
    pulse: Arc<Pulse>,
}

/// Whether a connection lives.
#[derive(Debug, Default)]
struct Pulse {
    /// How many answers came over it.
    answers: AtomicU64,
    /// Told when it is to be given up.
    given_up: Notify,
}

impl Debug for Up {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Up").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Line {
    /// What Redis answers to `script`, which it may be asked twice if the connection is lost meanwhile.
    ///
    /// Who drops the future before there is an answer has waited for too long. If nobody else had one meanwhile, the connection is
    /// given up with it: whatever was asked later would have to wait behind the same answer. While there is no connection, it is
    /// waited for, at most for half of `patience`.
    pub(super) async fn ask(
        mut self,
        script: &Script,
        keys: &[&str],
        arguments: &[&str],
        patience: Duration,
    ) -> Result<Value, Problem> {
        let grace = patience.checked_div(2).unwrap_or_default();
        let Up { mut connection, number, pulse } = self.up(None, grace).await?;
        let listening = Listening::to(pulse);
        let error = match script.call(&mut connection, keys, arguments).await {
            Err(error) if is_of_connection(&error) => error,
            outcome => {
                listening.heard();
                return outcome.map_err(|error| self.told(&error));
            }
        };
        listening.give_up();
        let Ok(Up { mut connection, pulse, .. }) = self.up(Some(number), grace).await else {
            return Err(self.told(&error));
        };
        let listening = Listening::to(pulse);
        let outcome = script.call(&mut connection, keys, arguments).await;
        if outcome.as_ref().is_err_and(is_of_connection) {
            listening.give_up();
        } else {
            listening.heard();
        }
        outcome.map_err(|error| self.told(&error))
    }

    /// The connection, once there is one, but not the one of the number `lost`.
    async fn up(&mut self, lost: Option<u64>, grace: Duration) -> Result<Up, Problem> {
        let now = Instant::now();
        let since = match &*self.state.borrow() {
            State::Down { since, .. } => *since,
            State::Up(_) => now,
        };
        let is_there = |state: &State| matches!(state, State::Up(up) if Some(up.number) != lost);
        let deadline = since.checked_add(grace).unwrap_or(now);
        let found = match timeout_at(deadline, self.state.wait_for(is_there)).await {
            Ok(Ok(state)) => match &*state {
                State::Up(up) => Some(up.clone()),
                State::Down { .. } => None,
            },
            Ok(Err(_)) | Err(_) => None,
        };
        found.ok_or_else(|| match &*self.state.borrow() {
            State::Down { why, .. } => format!("{}: {why}", self.url.address()).into(),
            State::Up(_) => format!("{}: the connection was lost", self.url.address()).into(),
        })
    }

    fn told(&self, error: &RedisError) -> Problem {
        format!("{}: {}", self.url.address(), explained(error)).into()
    }
}

/// One who waits for an answer. When it is dropped without one, and nobody had one meanwhile, the connection is given up.
struct Listening {
    pulse: Arc<Pulse>,
    answers_before: u64,
    is_waiting: bool,
}

impl Listening {
    fn to(pulse: Arc<Pulse>) -> Self {
        Self { answers_before: pulse.answers.load(Ordering::Relaxed), pulse, is_waiting: true }
    }

    fn heard(mut self) {
        self.is_waiting = false;
        self.pulse.answers.fetch_add(1, Ordering::Relaxed);
    }

    fn give_up(mut self) {
        self.is_waiting = false;
        self.pulse.given_up.notify_one();
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if self.is_waiting && self.pulse.answers.load(Ordering::Relaxed) == self.answers_before {
            self.pulse.given_up.notify_one();
        }
    }
}

/// Keeps a connection for as long as it is polled.
async fn keep(url: &RedisUrl, state: &watch::Sender<State>, revived: &watch::Sender<()>) {
    let (first_pause, _) = PAUSES;
    let mut others = revived.subscribe();
    let mut pause = first_pause;
    let mut number: u64 = 0;
    loop {
        others.mark_unchanged();
        let reason = match timeout(CONNECT_TIME, connect(url)).await {
            Ok(Ok((connection, driver))) => {
                let begun = Instant::now();
                let pulse = Arc::<Pulse>::default();
                number = number.wrapping_add(1);
                state.send_replace(State::Up(Up { connection, number, pulse: Arc::clone(&pulse) }));
                revived.send_replace(());
                let why = tokio::select! {
                    () = driver => "it closed the connection",
                    () = pulse.given_up.notified() => "it did not answer in time",
                };
                state.send_replace(State::Down { since: Instant::now(), why: why.into() });
                if begun.elapsed() > LASTING || pulse.answers.load(Ordering::Relaxed) > 0 {
                    pause = first_pause;
                }
                sleep(rest(&mut pause)).await;
                continue;
            }
            Ok(Err(problem)) => problem.to_string(),
            Err(_elapsed) => "it did not answer in time".to_owned(),
        };
        still_down(state, |_, why| *why = reason.into());
        // Where another line has come so far, this one need not wait, and who calls may wait for it anew.
        if timeout(rest(&mut pause), others.changed()).await.is_ok() {
            pause = first_pause;
            still_down(state, |since, _| *since = Instant::now());
        }
    }
}

/// How long to rest now, which is a half of `pause` at least; the next one is longer.
fn rest(pause: &mut Duration) -> Duration {
    let (_, longest_pause) = PAUSES;
    let rest = pause.mul_f64(fastrand::f64().midpoint(1.0));
    *pause = pause.saturating_mul(2).min(longest_pause);
    rest
}

fn still_down(state: &watch::Sender<State>, change: impl FnOnce(&mut Instant, &mut Arc<str>)) {
    state.send_modify(|state| {
        if let State::Down { since, why } = state {
            change(since, why);
        }
    });
}

/// A new connection, over which Redis has answered.
async fn connect(url: &RedisUrl) -> Result<(MultiplexedConnection, Driver), Problem> {
    let stream = TcpStream::connect((url.host.as_str(), url.port)).await?;
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE))?;
    let (mut connection, mut driver) = if url.has_tls {
        greet(url, tls::connect(&url.host, stream).await?).await?
    } else {
        greet(url, stream).await?
    };
    // Where there is neither a password nor a database to name, nothing was asked yet.
    let ping = cmd("PING");
    tokio::select! {
        biased;
        answer = ping.query_async::<Value>(&mut connection) => {
            answer.map_err(|error| explained(&error))?;
        }
        () = &mut driver => return Err("it closed the connection".into()),
    }
    Ok((connection, driver))
}

/// Says who one is, where that was configured, and names the database.
async fn greet<S>(url: &RedisUrl, stream: S) -> Result<(MultiplexedConnection, Driver), Problem>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // One command less to be allowed.
    let mut info = RedisConnectionInfo::default().set_db(url.database.into()).set_skip_set_lib_name();
    if let Some(user) = &url.user {
        info = info.set_username(user);
    }
    if let Some(password) = &url.password {
        info = info.set_password(password);
    }
    // Whoever asks has a deadline of its own.
    let config = AsyncConnectionConfig::new()
        .set_response_timeout(None)
        .set_connection_timeout(None)
        .set_pipeline_buffer_size(QUEUE);
    let made = MultiplexedConnection::new_with_config(&info, stream, config).await;
    let (connection, driver) = made.map_err(|error| explained(&error))?;
    Ok((connection, Box::pin(driver)))
}

/// Whether another connection may lead to another answer: this one is lost, or what it leads to may not write any more, as after
/// a failover.
fn is_of_connection(error: &RedisError) -> bool {
    let kind = error.kind();
    matches!(kind, ErrorKind::Io | ErrorKind::Parse)
        || kind == ErrorKind::Server(ServerErrorKind::ReadOnly)
        || kind == ErrorKind::Server(ServerErrorKind::MasterDown)
}

/// What is wrong, and what to do where that is clear.
fn explained(error: &RedisError) -> String {
    if error.kind() == ErrorKind::AuthenticationFailed {
        return "it refuses the user name or the password of ledger.url".to_owned();
    }
    let Some(code) = error.code() else { return error.to_string() };
    // Redis 7.0 says so of a command within a script without the code for it.
    let lacks_right = error.detail().is_some_and(|detail| detail.contains("can't run this command"));
    let remedy = match code {
        _ if lacks_right => {
            "; the README lists the commands that its user needs, some of them for ledger.keep_failed"
        }
        "MOVED" | "ASK" | "CROSSSLOT" | "CLUSTERDOWN" => {
            "; it is part of a cluster, which is not supported: name a Redis that stands alone"
        }
        "NOPERM" => "; the README lists the commands that its user needs",
        "NOAUTH" => "; write its password into ledger.url",
        _ => "",
    };
    format!("{code} {}{remedy}", error.detail().unwrap_or_default())
}
