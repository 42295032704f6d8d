//! The world of the simulation: Alipay, one sidecar, its app, the net between them, the disk below, and what goes wrong.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::fs;
use std::future::{pending, poll_fn};
use std::io;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::task::{JoinSet, spawn_local};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use turmoil::net::{TcpListener, TcpStream};
use turmoil::{Builder, Sim};

use super::alipay::{APP_ID, Key, ask, hear, number_of};
use super::app::{Act, App};
use super::faults::Faults;
use super::judge::{Content, Event, History};
use crate::config::Config;
use crate::deliver::{Idle, Upstream};
use crate::diagnose::queue::DiagnosisQueue;
use crate::gateway::{Gateway, Lasting, Shared};
use crate::ledger::simulated::{Defect, Platter, kept, ledger};
use crate::outside::Outside;
use crate::replay::{Ask, Replayer, Reply};
use crate::schedule::DELIVERIES;
use crate::server::drain::Drain;
use crate::telemetry::Telemetry;
use crate::telemetry::metrics::Metrics;
use crate::translate::Translator;

/// When the simulation begins, in seconds since the epoch.
const EPOCH: u64 = 1_800_000_000;
/// How much faster than on the net time passes on the clock: the schedule of 1,462 minutes takes 6 s.
const SPEED: u32 = 14_620;
/// The step in which the world goes on.
const TICK: Duration = Duration::from_millis(2);
/// How long an app may take; on the net, as all that follows.
const TIMEOUT: Duration = Duration::from_millis(300);
/// How long Alipay waits for an answer.
const PATIENCE: Duration = Duration::from_millis(900);
/// Until when notifications come.
const BEGINNINGS: u64 = 1000;
/// Until when things go wrong.
const FAULTS: Duration = Duration::from_millis(2100);
/// How long after that all is well for certain.
const REST: Duration = Duration::from_millis(200);
/// How many notifications there are.
const NOTIFICATIONS: u32 = 5;

/// How a simulation ended.
pub(super) struct Ending {
    pub(super) history: Vec<Event>,
    /// What went wrong beside what a judge can see.
    pub(super) problem: Option<String>,
    pub(super) faults: Faults,
}

/// A made-up world.
struct Simulated;

impl Outside for Simulated {
    type Stream = TcpStream;

    fn now() -> SystemTime {
        let elapsed = turmoil::sim_elapsed().unwrap();
        SystemTime::UNIX_EPOCH + Duration::from_secs(EPOCH) + elapsed * SPEED
    }

    async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
        TcpStream::connect((host, port)).await
    }
}

/// What is the same in all simulations, since it takes long to make: keys, what was signed with them, configurations.
struct Props {
    genuine: Vec<String>,
    forged: Vec<String>,
    sound: Arc<Config>,
    success_on_error: Arc<Config>,
    trusts_another_key: Arc<Config>,
    diagnoses: Arc<DiagnosisQueue>,
}

static PROPS: LazyLock<Props> = LazyLock::new(|| {
    let [alipay, other] = [Key::generate(), Key::generate()];
    let millis = i64::try_from(EPOCH * 1000).unwrap();
    let config = |keys: &[&Key], accept: &str| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sidecar.toml");
        let keys: Vec<String> = keys.iter().map(|key| key.public()).collect();
        let text = format!(
            "[ledger]\nstore = \"file\"\npath = \"ledger.redb\"\nkeep_failed = true\n\
             [upstream]\nurl = \"http://app:3000/app\"\ntimeout = \"{}ms\"\nconnect_timeout = \"100ms\"\naccept = {accept}\n\
             [[apps]]\napp_id = \"{APP_ID}\"\nalipay_public_keys = {keys:?}\n",
            TIMEOUT.as_millis()
        );
        fs::write(&file, text).unwrap();
        Arc::new(Config::load(&file, |_| None).unwrap_or_else(|errors| panic!("{errors}")))
    };
    Props {
        genuine: (0..NOTIFICATIONS).map(|number| alipay.form(Content::Genuine(number), millis)).collect(),
        forged: (0..NOTIFICATIONS).map(|number| other.form(Content::Forged(number), millis)).collect(),
        sound: config(&[&alipay], r#"["2xx"]"#),
        success_on_error: config(&[&alipay], r#"["2xx", "409"]"#),
        trusts_another_key: config(&[&alipay, &other], r#"["2xx"]"#),
        diagnoses: Arc::new(DiagnosisQueue::start().unwrap()),
    }
});

/// What a simulation is about, in the hands of all that take part.
#[derive(Clone)]
struct Stage {
    seed: u64,
    defect: Option<Defect>,
    history: History,
    platter: Platter,
    app: Rc<App>,
    /// How many requests there were.
    posts: Rc<Cell<u32>>,
    /// How often the sidecar has started.
    starts: Rc<Cell<u64>>,
    is_healed: Rc<Cell<bool>>,
    faults: Rc<RefCell<Faults>>,
}

impl Stage {
    /// The number of one more request.
    fn next_post(&self) -> u32 {
        let post = self.posts.get();
        self.posts.set(post + 1);
        post
    }
}

/// Runs the simulation that follows from `seed`, with a sidecar that has this defect.
pub(super) fn run(seed: u64, defect: Option<Defect>) -> Ending {
    let history = History::default();
    let stage = Stage {
        seed,
        defect,
        platter: Platter::default(),
        app: Rc::new(App::new(seed, TIMEOUT, history.clone())),
        history,
        posts: Rc::default(),
        starts: Rc::default(),
        is_healed: Rc::default(),
        faults: Rc::default(),
    };
    let mut sim = Builder::new()
        .rng_seed(seed)
        .enable_random_order()
        .tick_duration(TICK)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(12))
        .simulation_duration(Duration::from_mins(2))
        .build();
    {
        let stage = stage.clone();
        sim.host("app", move || app(stage.clone()));
    }
    {
        let stage = stage.clone();
        sim.host("sidecar", move || sidecar(stage.clone()));
    }
    sim.client("alipay", alipay(stage.clone()));
    let mut fate = Fate::new(seed, stage.clone());
    let problem = loop {
        fate.strike(&mut sim);
        match sim.step() {
            Ok(false) => {}
            Ok(true) => break None,
            Err(problem) => break Some(format!("SIMULATION_SEED={seed}: {problem}")),
        }
    };
    let problem = problem.or_else(|| match kept(&stage.platter) {
        Ok(names) => {
            let kept = names.iter().map(|name| Event::Kept { content: content(name) });
            kept.for_each(|event| stage.history.note(event));
            None
        }
        Err(error) => Some(format!("SIMULATION_SEED={seed}: the ledger does not open: {error}")),
    });
    let mut faults = *stage.faults.borrow();
    faults.lies = stage.app.did().iter().filter(|(act, _)| *act != Act::Accept).map(|(_, times)| times).sum();
    Ending { history: stage.history.events(), problem, faults }
}

/// What goes wrong, and when.
struct Fate {
    random: fastrand::Rng,
    stage: Stage,
    /// When the sidecar is started again, if it is down.
    up_at: Option<Duration>,
    /// Until when the net is cut, and between whom.
    cut: Option<(Duration, [&'static str; 2])>,
    /// Until when messages are held back, and between whom.
    held: Option<(Duration, [&'static str; 2])>,
    full_until: Option<Duration>,
    power_is_going: bool,
}

impl Fate {
    fn new(seed: u64, stage: Stage) -> Self {
        let random = fastrand::Rng::with_seed(seed ^ 0xfa7e);
        Self { random, stage, up_at: None, cut: None, held: None, full_until: None, power_is_going: false }
    }

    /// Does what is due before the next step.
    fn strike(&mut self, sim: &mut Sim<'_>) {
        let now = sim.elapsed();
        let is_over = now >= FAULTS;
        if self.power_is_going && self.stage.platter.is_off() {
            self.stage.faults.borrow_mut().cuts_in_commits += 1;
            self.goes_down(sim, true);
        }
        if self.up_at.is_some_and(|at| now >= at || is_over) {
            self.up_at = None;
            sim.bounce("sidecar");
        }
        if let Some((until, [one, other])) = self.cut
            && (now >= until || is_over)
        {
            self.cut = None;
            sim.repair(one, other);
        }
        if let Some((until, [one, other])) = self.held
            && (now >= until || is_over)
        {
            self.held = None;
            sim.release(one, other);
        }
        if self.full_until.is_some_and(|until| now >= until || is_over) {
            self.full_until = None;
            self.stage.platter.fill(false);
        }
        if is_over {
            self.stage.platter.power_stays();
            self.stage.app.heal();
            if now >= FAULTS + REST && !self.stage.is_healed.replace(true) {
                self.stage.history.note(Event::Healed);
            }
        } else if self.random.u8(..100) == 0 {
            self.fault(sim, now);
        }
    }

    /// One more thing goes wrong.
    fn fault(&mut self, sim: &mut Sim<'_>, now: Duration) {
        let until = now + Duration::from_millis(self.random.u64(10..400));
        let links = [["alipay", "sidecar"], ["sidecar", "app"]];
        let link = links[self.random.usize(..2)];
        match self.random.u8(..8) {
            0 if self.up_at.is_none() => {
                self.stage.faults.borrow_mut().kills += 1;
                self.goes_down(sim, false);
            }
            1 if self.up_at.is_none() => {
                self.stage.faults.borrow_mut().power_cuts += 1;
                self.goes_down(sim, true);
            }
            2 | 3 if self.up_at.is_none() && !self.power_is_going => {
                self.power_is_going = true;
                self.stage.platter.power_goes_after(self.random.u32(1..12));
            }
            4 if self.cut.is_none() && self.held.is_none() => {
                self.stage.faults.borrow_mut().partitions += 1;
                self.cut = Some((until, link));
                sim.partition(link[0], link[1]);
            }
            5 | 6 if self.cut.is_none() && self.held.is_none() => {
                self.stage.faults.borrow_mut().holds += 1;
                self.held = Some((until, link));
                sim.hold(link[0], link[1]);
            }
            7 if self.full_until.is_none() => {
                self.stage.faults.borrow_mut().full_disks += 1;
                self.full_until = Some(until);
                self.stage.platter.fill(true);
            }
            // It goes wrong already.
            _ => {}
        }
    }

    fn goes_down(&mut self, sim: &mut Sim<'_>, is_power: bool) {
        self.power_is_going = false;
        if is_power {
            self.stage.platter.power_goes(&mut self.random);
        } else {
            self.stage.platter.process_ends();
        }
        sim.crash("sidecar");
        self.up_at = Some(sim.elapsed() + Duration::from_millis(self.random.u64(2..200)));
    }
}

/// The life of the app.
async fn app(stage: Stage) -> turmoil::Result {
    let listener = TcpListener::bind(("0.0.0.0", 3000)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let app = Rc::clone(&stage.app);
        spawn_local(async move { drop(app.serve(stream, 0).await) });
    }
}

/// One life of the sidecar.
async fn sidecar(stage: Stage) -> turmoil::Result {
    let starts = stage.starts.get();
    stage.starts.set(starts + 1);
    let config = match stage.defect {
        Some(Defect::SuccessOnError) => &PROPS.success_on_error,
        Some(Defect::TrustsAnotherKey) => &PROPS.trusts_another_key,
        _ => &PROPS.sound,
    };
    if starts > 0 && stage.defect == Some(Defect::NoSync) {
        stage.platter.ignores_syncs();
    }
    let metrics = Arc::new(Metrics::new(config.catalogue.methods(), config.ledger.store.label())?);
    let random = fastrand::Rng::with_seed(stage.seed ^ (starts << 32));
    // A disk that is full is an error at start; whoever has it started does so again until it is not.
    let (ledger, writing) = loop {
        match ledger(&stage.platter, stage.defect, metrics.ledger(), random.clone()) {
            Ok(opened) => break opened,
            Err(_) if stage.platter.is_off() => pending().await,
            Err(_) if stage.platter.has_no_room() => sleep(Duration::from_millis(20)).await,
            Err(error) => return Err(format!("the ledger does not open: {error}").into()),
        }
    };
    stage.faults.borrow_mut().kept += metrics.ledger().kept();
    spawn_local(writing);
    let translator = Translator::new(
        config.catalogue.clone(),
        config.translate.on_mismatch,
        config.translate.unknown_methods,
    );
    let shared = Arc::new(Shared {
        config: Arc::clone(config),
        translator: Arc::new(translator),
        methods: metrics.methods(),
        max_connections: 1000,
        lasting: Lasting {
            idle: Idle::new(1),
            ledger: Arc::new(ledger),
            metrics: Arc::clone(&metrics),
            diagnoses: Arc::clone(&PROPS.diagnoses),
        },
    });
    spawn_local(by_hand(
        stage.clone(),
        Arc::clone(&shared),
        fastrand::Rng::with_seed(stage.seed ^ (starts << 16)),
    ));
    let gateway = Rc::new(Gateway::<Simulated>::new(shared, 0, &Telemetry::new(metrics))?);
    let drain = Rc::<Drain>::default();
    let listener = TcpListener::bind(("0.0.0.0", 8080)).await?;
    loop {
        let (stream, peer) = listener.accept().await?;
        let (gateway, drain) = (Rc::clone(&gateway), Rc::clone(&drain));
        spawn_local(async move {
            let _ticket = poll_fn(|context| Poll::Ready(drain.enter(context))).await;
            let service =
                service_fn(async |request| Ok::<_, Infallible>(gateway.answer(request, peer, &drain).await));
            let mut builder = http1::Builder::new();
            builder.half_close(true).header_read_timeout(None).auto_date_header(false);
            drop(builder.serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

/// Somebody who lists what is kept now and then, and has one of it delivered once more, until all is well.
async fn by_hand(stage: Stage, shared: Arc<Shared>, mut random: fastrand::Rng) -> turmoil::Result {
    let Shared { config, lasting: Lasting { ledger, metrics, .. }, .. } = &*shared;
    let upstream =
        Upstream::<Simulated>::new(config.upstream.clone(), 0, &Idle::new(1), metrics.in_flight())?;
    let replayer = Replayer { ledger, config, upstream: &upstream, clock: Simulated::now };
    loop {
        sleep(Duration::from_millis(random.u64(20..500))).await;
        let mut names = Vec::new();
        let list = async |reply| {
            if let Reply::Entry(entry) = reply {
                names.push(entry.notify_id);
            }
            Ok(())
        };
        replayer.answer(Ask::List, || false, list).await?;
        if stage.is_healed.get() {
            return Ok(());
        }
        let Some(name) = random.choice(names) else { continue };
        let post = stage.next_post();
        stage.history.note(Event::Sent { post, content: content(&name), via: 0 });
        stage.faults.borrow_mut().replays += 1;
        let mut is_accepted = false;
        let heard = async |reply| {
            if let Reply::Replayed(replayed) = reply {
                is_accepted = replayed.result.is_accepted();
            }
            Ok(())
        };
        replayer.answer(Ask::Replay(vec![name]), || false, heard).await?;
        stage.history.note(Event::Answered { post, is_success: is_accepted });
    }
}

/// What the notification with this name says.
fn content(name: &str) -> Content {
    Content::Genuine(number_of(name).expect("what is kept is what Alipay sent"))
}

/// The life of Alipay, which ends when each notification was accepted, or had its last delivery.
async fn alipay(stage: Stage) -> turmoil::Result {
    let mut notifications = JoinSet::new();
    for number in 0..NOTIFICATIONS {
        notifications.spawn_local(notification(stage.clone(), number));
    }
    while let Some(ended) = notifications.join_next().await {
        ended?;
    }
    Ok(())
}

/// One notification, from its first delivery on; and what a forger does meanwhile.
async fn notification(stage: Stage, number: u32) {
    let mut random = fastrand::Rng::with_seed(stage.seed.wrapping_mul(31) ^ (u64::from(number) << 40));
    let start = Instant::now() + Duration::from_millis(random.u64(..BEGINNINGS));
    for due in DELIVERIES {
        sleep_until(start + due / SPEED).await;
        if random.u8(..4) == 0 {
            spawn_local(post(stage.clone(), Content::Forged(number), Duration::ZERO));
        }
        if deliver(&stage, number, &mut random).await {
            // Alipay has heard it, and comes again all the same: it has lost what it heard, or somebody sends what he captured.
            for _ in 0..3 {
                sleep(Duration::from_millis(random.u64(..700))).await;
                deliver(&stage, number, &mut random).await;
            }
            return;
        }
    }
}

/// One delivery, in one or more copies; whether one of them was answered `success`.
async fn deliver(stage: &Stage, number: u32, random: &mut fastrand::Rng) -> bool {
    let mut copies = JoinSet::new();
    for _ in 0..[1, 1, 2, 3][random.usize(..4)] {
        let later = Duration::from_millis(random.u64(..20));
        copies.spawn_local(post(stage.clone(), Content::Genuine(number), later));
    }
    let mut is_accepted = false;
    while let Some(copy) = copies.join_next().await {
        is_accepted |= copy.unwrap_or_default();
    }
    is_accepted
}

/// One request, after a while; whether it was answered `success`.
async fn post(stage: Stage, content: Content, later: Duration) -> bool {
    sleep(later).await;
    let post = stage.next_post();
    let (Content::Genuine(number) | Content::Forged(number)) = content;
    let forms = if matches!(content, Content::Genuine(_)) { &PROPS.genuine } else { &PROPS.forged };
    let form = &forms[usize::try_from(number).unwrap()];
    let was_healed = stage.is_healed.get();
    stage.history.note(Event::Sent { post, content, via: 0 });
    let answer = timeout(PATIENCE, async {
        let mut stream = TcpStream::connect(("sidecar", 8080)).await?;
        ask(&mut stream, form).await?;
        hear(&mut stream).await
    });
    let is_success = answer.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    stage.history.note(match is_success {
        Ok(is_success) => Event::Answered { post, is_success },
        Err(_) => Event::Unanswered { post, is_excused: !was_healed },
    });
    is_success.unwrap_or_default()
}
