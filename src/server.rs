//! The process at work: listeners, workers, and the way to its end.
//!
//! Each worker is a thread with a loop of its own: it accepts, serves and delivers without sharing anything but
//! counters. The main thread answers probes and waits for signals.

mod admin;
mod connection;
mod control;
mod crowd;
pub mod drain;
mod gate;
mod head;
mod stream;

use std::cell::RefCell;
use std::future::{Future, pending, poll_fn};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZero;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use socket2::SockRef;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tracing::{error, info, warn};

use self::control::Control;
use self::crowd::Crowd;
use self::drain::{Drain, Phase};
use crate::config::{self, Config};
use crate::deliver::Idle;
use crate::diagnose::queue::DiagnosisQueue;
use crate::gateway::{Gateway, Lasting, Shared};
use crate::ledger::Ledger;
use crate::rejection::Reason;
use crate::reload::{self, Origin, Reload};
use crate::telemetry::Telemetry;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::spans::{self, Exporter, Spans};

/// How many host names each worker resolves at once.
const RESOLVERS: usize = 4;
/// How much of a request is read at first, in bytes: as a rule all of it.
const SCRATCH: usize = 16 * 1024;
/// How many connections may wait to be accepted; the kernel has a limit of its own, often the same.
const BACKLOG: i32 = 4096;
/// How long accepting rests when the process is out of file descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(50);
/// How often the ledger is swept.
const SWEEP: Duration = Duration::from_mins(1);
/// How long the ledger may take to be told of what was cut off.
const RECORDING: Duration = Duration::from_secs(1);
/// How long what is answered `fail` at the very end may take to be written.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How long the collector may take for the last spans, once all else has ended.
const LAST_SPANS: Duration = Duration::from_secs(1);

/// The sidecar, bound to its addresses and not serving yet.
pub struct Server {
    latest: Arc<ArcSwap<Shared>>,
    public: TcpListener,
    admin: TcpListener,
    /// Where the workers' spans go, if they go anywhere; the collector is the same until the end.
    spans: Option<Spans>,
    exporter: Option<Exporter>,
    /// Where somebody on this machine asks for what was never accepted, if that is kept in a file.
    control: Option<Control>,
    workers: usize,
}

/// What one worker needs, beside its listener.
struct Worker {
    number: usize,
    /// How many workers there are.
    workers: usize,
    /// What is served by now, in all workers.
    latest: Arc<ArcSwap<Shared>>,
    /// What this worker made of it, when it last looked.
    present: RefCell<Present>,
    telemetry: Telemetry,
    drain: Rc<Drain>,
    connections: Arc<AtomicUsize>,
    /// Those that are in the middle of something.
    crowd: Rc<Crowd>,
    /// Where heads are read to, before it is known how much is to be kept of them.
    scratch: RefCell<Vec<u8>>,
}

/// One configuration, and the rooms that a worker has for it.
struct Present {
    shared: Arc<Shared>,
    gateway: Rc<Gateway>,
}

impl Worker {
    /// The rooms for what comes now. Whatever began with others ends with those.
    fn gateway(&self) -> Rc<Gateway> {
        let latest = self.latest.load();
        if !Arc::ptr_eq(&latest, &self.present.borrow().shared) {
            self.renew(Arc::clone(&latest));
        }
        Rc::clone(&self.present.borrow().gateway)
    }

    /// What connections that come now are served by.
    fn server(&self) -> Arc<Shared> {
        self.latest.load_full()
    }

    fn renew(&self, shared: Arc<Shared>) {
        match Gateway::new(Arc::clone(&shared), self.number, &self.telemetry) {
            Ok(gateway) => {
                self.crowd.resize(crowd::share(self.workers, shared.config.limits.max_body));
                self.present.replace(Present { shared, gateway: Rc::new(gateway) });
            }
            // It was tried before it was swapped in.
            Err(problem) => {
                error!(event = "reload_failed", %problem, "the last good configuration serves on");
            }
        }
    }

    /// Waits for `phase`, and tells when nothing is in flight any more, if that comes before it.
    async fn until(&self, phase: Phase, phases: &mut watch::Receiver<Phase>, tell: impl FnOnce()) {
        let emptied = async {
            self.drain.emptied().await;
            tell();
            pending::<()>().await;
        };
        tokio::select! {
            () = emptied => {}
            _ = phases.wait_for(|now| *now >= phase) => {}
        }
    }
}

impl Server {
    /// Binds the listeners of `config`, with a worker for each processor that may be used.
    pub fn bind(config: Config) -> io::Result<Self> {
        let bind = |key: &str, address: SocketAddr| {
            let listener = TcpListener::bind(address)
                .map_err(|error| io::Error::new(error.kind(), format!("{key} = \"{address}\": {error}")))?;
            // Once more, for std lets no more than 128 wait, and who comes after them is heard a second later.
            SockRef::from(&listener).listen(BACKLOG)?;
            listener.set_nonblocking(true)?;
            Ok::<_, io::Error>(listener)
        };
        let metrics = Arc::new(
            Metrics::new(config.catalogue.methods(), config.ledger.store.label())
                .map_err(io::Error::other)?,
        );
        let workers = thread::available_parallelism().map_or(1, NonZero::get);
        let (server, admin) = (config.server.listen, config.admin.listen);
        let collector = config.telemetry.otlp_endpoint.clone();
        let diagnoses = Arc::new(DiagnosisQueue::start()?);
        let (spans, exporter) = collector.map(|url| spans::spans(url, &metrics)).unzip();
        let ledger = Arc::new(Ledger::open(&config.ledger, metrics.ledger())?);
        let control = Control::of(&config.ledger.store);
        let lasting = Lasting { idle: Idle::new(workers), ledger, metrics, diagnoses };
        let shared = reload::set_up(config, lasting)?;
        Ok(Self {
            public: bind("server.listen", server)?,
            admin: bind("admin.listen", admin)?,
            workers,
            spans,
            exporter,
            control,
            latest: Arc::new(ArcSwap::from_pointee(shared)),
        })
    }

    /// What reloads the configuration while the server serves, from where it came.
    pub fn reload(&self, origin: Origin) -> Reload {
        Reload::new(origin, Arc::clone(&self.latest))
    }

    /// The address of the public listener.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.public.local_addr()
    }

    /// The address of the admin listener.
    pub fn admin_address(&self) -> io::Result<SocketAddr> {
        self.admin.local_addr()
    }

    /// Serves until `shutdown` is ready, then drains: readiness goes first, `server.shutdown_delay` passes, nothing
    /// new is accepted, and what is in flight has `server.drain_timeout` to end.
    pub fn serve(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let (phase, phases) = watch::channel(Phase::Serving);
        run(async {
            let admin = tokio::net::TcpListener::from_std(self.admin)?;
            tokio::task::spawn_local(admin::serve(admin, Arc::clone(&self.latest), phases.clone()));
            tokio::task::spawn_local(sweep(Arc::clone(&self.latest)));
            let exporter =
                self.exporter.map(|exporter| tokio::task::spawn_local(exporter.run(phases.clone())));
            // Asked once before a connection is accepted, so that what it waits for is heard from the start.
            let mut shutdown = pin!(shutdown);
            if poll_fn(|context| Poll::Ready(shutdown.as_mut().poll(context).is_ready())).await {
                return Ok(());
            }
            // Less than the machine has processors where a cgroup or an affinity says so.
            info!(event = "workers", workers = self.workers, "one for each processor that may be used");
            let (ended, mut endings) = mpsc::channel(self.workers.saturating_add(1));
            let mut workers = Vec::new();
            for number in 0..self.workers {
                let (listener, latest, phases) =
                    (self.public.try_clone()?, Arc::clone(&self.latest), phases.clone());
                let spans = self.spans.clone();
                let thread = thread::Builder::new().name(format!("worker-{number}"));
                let ended = Ended::new(&ended);
                let among = self.workers;
                workers
                    .push(thread.spawn(move || work(listener, latest, number, among, spans, phases, ended))?);
            }
            // What is replayed is in flight as well.
            let replaying = usize::from(self.control.is_some());
            if let Some(control) = self.control {
                let ended = Ended::new(&ended);
                let latest = Arc::clone(&self.latest);
                tokio::task::spawn_local(control.serve(latest, phases.clone(), ended));
            }
            let left = self.workers.saturating_add(replaying);
            // From here on the workers alone can send spans, so that the last span is known to be the last.
            drop((self.public, ended, self.spans));
            let left = tokio::select! {
                () = &mut shutdown => left,
                _ = endings.recv() => {
                    error!(event = "worker_failed", "a worker ended: the process ends with it");
                    left.saturating_sub(1)
                }
            };
            let server = self.latest.load().config.server.clone();
            end(&server, &phase, endings, left).await;
            for worker in workers {
                worker.join().map_err(|_panic| io::Error::other("a worker panicked"))??;
            }
            if let Some(exporter) = exporter {
                drop(timeout(LAST_SPANS, exporter).await);
            }
            Ok(())
        })
    }
}

/// Sweeps the ledger at once, and again for as long as it is polled, by what is configured at the time.
async fn sweep(latest: Arc<ArcSwap<Shared>>) {
    loop {
        latest.load_full().sweep().await;
        sleep(SWEEP).await;
    }
}

/// Leads the workers to their end, together: one may still use a connection whose event loop is another's.
async fn end(
    config: &config::Server,
    phase: &watch::Sender<Phase>,
    mut endings: mpsc::Receiver<()>,
    workers: usize,
) {
    phase.send_replace(Phase::Leaving);
    info!(event = "leaving", "not ready any more");
    sleep(config.shutdown_delay).await;
    phase.send_replace(Phase::Draining);
    info!(event = "draining", "nothing new is accepted");
    let ended = async {
        for _ in 0..workers {
            endings.recv().await;
        }
    };
    if timeout(config.drain_timeout, ended).await.is_err() {
        warn!(event = "drain_timeout", "what is still in flight is answered fail");
    } else {
        info!(event = "drained", "nothing is in flight any more");
    }
    phase.send_replace(Phase::Over);
    let recorded = async { while endings.recv().await.is_some() {} };
    drop(timeout(RECORDING, recorded).await);
    phase.send_replace(Phase::Ended);
}

/// The life of a worker's thread.
fn work(
    listener: TcpListener,
    latest: Arc<ArcSwap<Shared>>,
    number: usize,
    workers: usize,
    spans: Option<Spans>,
    mut phases: watch::Receiver<Phase>,
    mut ended: Ended,
) -> io::Result<()> {
    run(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let shared = latest.load_full();
        let telemetry = Telemetry::new(Arc::clone(&shared.lasting.metrics)).with_spans(spans);
        let gateway = Gateway::new(Arc::clone(&shared), number, &telemetry).map_err(io::Error::other)?;
        let worker = Rc::new(Worker {
            drain: Rc::<Drain>::default(),
            connections: shared.lasting.metrics.connections(),
            crowd: Crowd::new(crowd::share(workers, shared.config.limits.max_body)),
            scratch: RefCell::new(vec![0; SCRATCH]),
            present: RefCell::new(Present { shared, gateway: Rc::new(gateway) }),
            number,
            workers,
            latest,
            telemetry,
        });
        tokio::select! {
            () = accept(&listener, &worker) => {}
            _ = phases.wait_for(|phase| *phase >= Phase::Draining) => {}
        }
        drop(listener);
        // Other workers may still deliver over connections that this one opened, so all go from phase to phase together.
        worker.drain.advance(Phase::Draining);
        worker.until(Phase::Over, &mut phases, || ended.tell()).await;
        worker.drain.advance(Phase::Over);
        worker.until(Phase::Ended, &mut phases, || drop(ended)).await;
        worker.drain.advance(Phase::Ended);
        drop(timeout(LAST_WORDS, worker.drain.emptied()).await);
        Ok(())
    })
}

/// Accepts connections, for as long as it is polled. One too many is closed at once, never left waiting.
async fn accept(listener: &tokio::net::TcpListener, worker: &Rc<Worker>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => match Place::take(&worker.connections, worker.server().max_connections) {
                Some(place) => {
                    let worker = Rc::clone(worker);
                    tokio::task::spawn_local(async move {
                        if stream.set_nodelay(true).is_ok() {
                            connection::serve(stream, peer, worker).await;
                        }
                        drop(place);
                    });
                }
                None => {
                    worker.gateway().stopped(Reason::TooManyConnections, peer);
                }
            },
            Err(error) => {
                warn!(event = "accept_failed", %error, "is the limit of open files below server.max_connections?");
                sleep(ACCEPT_REST).await;
            }
        }
    }
}

/// The place of one connection among `server.max_connections`, given back when dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(connections: &Arc<AtomicUsize>, max: usize) -> Option<Self> {
        let place = Self(Arc::clone(connections));
        (connections.fetch_add(1, Ordering::Relaxed) < max).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Tells once that a worker has nothing in flight any more, at the latest when it ends, also by a panic. What was cut
/// off is recorded when it is dropped.
struct Ended {
    channel: mpsc::Sender<()>,
    is_told: bool,
}

impl Ended {
    fn new(channel: &mpsc::Sender<()>) -> Self {
        Self { channel: channel.clone(), is_told: false }
    }

    fn tell(&mut self) {
        if !std::mem::replace(&mut self.is_told, true) {
            // The channel has room for all workers.
            self.channel.try_send(()).unwrap_or_default();
        }
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.tell();
    }
}

/// Runs `future` on an event loop of this thread.
///
/// The loop does not wait for what it left on helper threads, which is the resolution of host names: where a name
/// server hangs, that takes longer than any drain.
fn run<T>(future: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let mut builder = Builder::new_current_thread();
    let runtime = builder.enable_all().max_blocking_threads(RESOLVERS).build_local(LocalOptions::default())?;
    let outcome = runtime.block_on(future);
    runtime.shutdown_background();
    outcome
}
