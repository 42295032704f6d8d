//! The field: Alipay on one side, the app on the other, replicas in between, and somebody who breaks all of it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinSet, spawn_blocking, spawn_local};
use tokio::time::{sleep, sleep_until, timeout};

use super::alipay::{Key, ask, hear};
use super::app::{Act, App};
use super::judge::{Content, Event, History};
use super::operator::Operator;
use super::redis::Redis;
use super::replica::{Replica, TIMEOUT};
use super::wire::Wire;
use alipay_sidecar::schedule::DELIVERIES;

/// How long Alipay waits for an answer.
const PATIENCE: Duration = Duration::from_secs(16);
/// How long it takes until all is well again once nothing is broken any more, with a file and with Redis: a replica that was
/// killed keeps a notification from the others for as long as a delivery may take, and the store before it and after it; and
/// Redis has to be found again.
const RECOVERY: Duration = Duration::from_secs(1);
const RECOVERY_OF_REPLICAS: Duration = Duration::from_secs(13);
/// How often Alipay comes once more than its schedule says, a second later: nobody is to blame but a busy machine if an app
/// that accepts is too late for the last of the eight.
const EXTRA: usize = 10;
/// Of how many notifications Alipay gives one up, and after how many deliveries: what is then lost unless somebody replays it.
const GIVEN_UP: u32 = 6;
const PATIENT_FOR: usize = 2;

/// Where the replicas keep their ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    /// One replica, and its file.
    File,
    /// Two replicas, and a Redis.
    Redis,
}

/// How much of it there is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) notifications: u32,
    /// How long Alipay's schedule takes, which is 1,462 minutes.
    pub(crate) schedule: Duration,
}

impl Store {
    fn recovery(self) -> Duration {
        match self {
            Self::File => RECOVERY,
            Self::Redis => RECOVERY_OF_REPLICAS,
        }
    }
}

/// How often what was done, by its name.
pub(crate) type Faults = BTreeMap<&'static str, usize>;

/// What all that takes part has in common.
struct Field {
    seed: u64,
    size: Size,
    history: History,
    replicas: Arc<Vec<Replica>>,
    genuine: Vec<String>,
    forged: Vec<String>,
    posts: Arc<AtomicU32>,
    hang_ups: AtomicU32,
    extra: AtomicU32,
}

/// Lets `size` of it happen, as far as chance has a say as `seed` says. What was seen, what was done, and how often the app
/// did what.
pub(crate) async fn run(seed: u64, size: Size, store: Store) -> (Vec<Event>, Faults, Vec<(Act, usize)>) {
    let history = History::default();
    let app = Rc::new(App::new(seed, TIMEOUT, history.clone()));
    let key = Key::generate();
    let (genuine, forged) = forms(&key, size.notifications);
    let redis = (store == Store::Redis).then(|| {
        let folder = tempfile::tempdir().unwrap();
        Redis::with(folder, &["--appendonly", "yes", "--appendfsync", "always"])
    });
    let wire = match &redis {
        Some(redis) => Some(Wire::to(redis.port).await),
        None => None,
    };
    let ledger = match &wire {
        Some(wire) => format!("store = \"redis\"\nurl = \"redis://{}/0\"", wire.address),
        None => "store = \"file\"\npath = \"ledger.redb\"".to_owned(),
    };
    let count = if store == Store::Redis { 2 } else { 1 };
    let mut replicas = Vec::new();
    for number in 0..count {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        replicas.push(Replica::start(listener.local_addr().unwrap(), &key.public(), &ledger));
        spawn_local(serve(listener, Rc::clone(&app), number));
    }
    let replicas = Arc::new(replicas);
    let breaker = Breaker {
        random: fastrand::Rng::with_seed(seed),
        replicas: Arc::clone(&replicas),
        history: history.clone(),
        redis,
        wire,
        faults: Faults::new(),
    };
    let faults = Arc::new(Mutex::new(None));
    let over = Arc::new(AtomicBool::new(false));
    let breaking = {
        // So that the last delivery of each notification comes when all is well.
        let time = size.schedule.saturating_sub(store.recovery() + RECOVERY * 2);
        let faults = Arc::clone(&faults);
        thread::spawn(move || {
            let done = breaker.run(time);
            *faults.lock().unwrap() = Some(done);
        })
    };
    let posts = Arc::<AtomicU32>::default();
    let operating = {
        let operator = Operator::new(seed, &replicas, &history, &posts);
        let faults = Arc::clone(&faults);
        thread::spawn(move || operator.work(|| faults.lock().unwrap().is_some()))
    };
    let watching = {
        let (replicas, history, over) = (Arc::clone(&replicas), history.clone(), Arc::clone(&over));
        thread::spawn(move || watch(&replicas, &history, &over))
    };
    spawn_local({
        let (app, history, faults) = (Rc::clone(&app), history.clone(), Arc::clone(&faults));
        async move {
            while faults.lock().unwrap().is_none() {
                sleep(Duration::from_millis(20)).await;
            }
            app.heal();
            sleep(store.recovery()).await;
            history.note(Event::Healed);
        }
    });
    let field = Rc::new(Field {
        seed,
        size,
        history: history.clone(),
        replicas: Arc::clone(&replicas),
        genuine,
        forged,
        posts,
        hang_ups: AtomicU32::new(0),
        extra: AtomicU32::new(0),
    });
    let mut notifications = JoinSet::new();
    for number in 0..size.notifications {
        notifications.spawn_local(notification(Rc::clone(&field), number));
    }
    while let Some(ended) = notifications.join_next().await {
        ended.unwrap();
    }
    breaking.join().expect("who breaks things does not break");
    // Not on this thread, where the app lives.
    let replaying = spawn_blocking(move || operating.join().expect("who replays does not break").finish());
    let replays = replaying.await.unwrap();
    over.store(true, Ordering::Relaxed);
    watching.join().unwrap();
    for (replica, running) in replicas.iter().enumerate() {
        history.note(Event::Ended { replica, is_orderly: running.drain() });
    }
    // What held Redis for the breaker ends with it, after the replicas.
    let (mut faults, _redis) = faults.lock().unwrap().take().expect("the breaker has ended");
    let number = |count: &AtomicU32| usize::try_from(count.load(Ordering::Relaxed)).unwrap();
    faults.insert("senders hung up", number(&field.hang_ups));
    faults.insert("deliveries beyond the schedule", number(&field.extra));
    faults.insert("replays by hand", replays);
    (history.events(), faults, app.did())
}

/// What Alipay signs, and what somebody else sends in its name: signed by himself, or by Alipay before he changed what it says.
fn forms(key: &Key, notifications: u32) -> (Vec<String>, Vec<String>) {
    let foreign = Key::generate();
    let millis = jiff::Timestamp::now().as_millisecond();
    let genuine: Vec<String> =
        (0..notifications).map(|number| key.form(Content::Genuine(number), millis)).collect();
    let forged = (0..notifications).zip(&genuine).map(|(number, genuine)| {
        if number % 2 == 0 {
            foreign.form(Content::Forged(number), millis)
        } else {
            let forged = genuine.replace("%22genuine-", "%22forged-");
            assert_ne!(forged, *genuine);
            forged
        }
    });
    let forged = forged.collect();
    (genuine, forged)
}

/// The app, as the replica of this number sees it.
async fn serve(listener: TcpListener, app: Rc<App>, by: usize) {
    while let Ok((stream, _)) = listener.accept().await {
        let app = Rc::clone(&app);
        spawn_local(async move { drop(app.serve(stream, by).await) });
    }
}

/// Looks at the memory of the replicas, now and then.
fn watch(replicas: &[Replica], history: &History, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        for (replica, running) in replicas.iter().enumerate() {
            if let Some(kib) = running.memory() {
                history.note(Event::Memory { replica, kib });
            }
        }
        thread::sleep(Duration::from_millis(500));
    }
}

/// One notification, on Alipay's schedule.
async fn notification(field: Rc<Field>, number: u32) {
    let mut random = fastrand::Rng::with_seed(field.seed ^ (u64::from(number) << 20));
    let schedule = field.size.schedule;
    let begin = schedule.mul_f64(random.f64() / 4.0);
    let start = tokio::time::Instant::now() + begin;
    let last = DELIVERIES[DELIVERIES.len() - 1];
    let due = DELIVERIES.map(|due| schedule.mul_f64(due.div_duration_f64(last)));
    let extra = (1..=EXTRA).map(|number| schedule + Duration::from_secs(1) * u32::try_from(number).unwrap());
    let deliveries = if number.is_multiple_of(GIVEN_UP) { PATIENT_FOR } else { due.len() + EXTRA };
    for due in due.into_iter().chain(extra).take(deliveries) {
        sleep_until(start + due).await;
        if due > schedule {
            field.extra.fetch_add(1, Ordering::Relaxed);
        }
        if random.u8(..6) == 0 {
            spawn_local(post(Rc::clone(&field), Content::Forged(number), random.fork()));
        }
        if deliver(&field, number, &mut random).await {
            // Somebody sends what he captured, or Alipay has lost what it heard.
            for _ in 0..2 {
                sleep(schedule.mul_f64(random.f64() / 8.0)).await;
                deliver(&field, number, &mut random).await;
            }
            return;
        }
    }
}

/// One delivery, in one or more copies; whether one of them was answered `success`.
async fn deliver(field: &Rc<Field>, number: u32, random: &mut fastrand::Rng) -> bool {
    let mut copies = JoinSet::new();
    for _ in 0..[1, 1, 1, 2, 3][random.usize(..5)] {
        copies.spawn_local(post(Rc::clone(field), Content::Genuine(number), random.fork()));
    }
    let mut is_accepted = false;
    while let Some(copy) = copies.join_next().await {
        is_accepted |= copy.unwrap();
    }
    is_accepted
}

/// One request to one of the replicas; whether it was answered `success`.
async fn post(field: Rc<Field>, content: Content, mut random: fastrand::Rng) -> bool {
    let post = field.posts.fetch_add(1, Ordering::Relaxed);
    let via = random.usize(..field.replicas.len());
    let replica = &field.replicas[via];
    let (Content::Genuine(number) | Content::Forged(number)) = content;
    let forms = if matches!(content, Content::Genuine(_)) { &field.genuine } else { &field.forged };
    let form = &forms[usize::try_from(number).unwrap()];
    let hangs_up = (random.u8(..20) == 0).then(|| Duration::from_millis(random.u64(..100)));
    let kills = replica.kills();
    field.history.note(Event::Sent { post, content, via });
    let exchange = async {
        let mut stream = TcpStream::connect(replica.address).await?;
        stream.set_nodelay(true)?;
        ask(&mut stream, form).await?;
        match hangs_up {
            None => hear(&mut stream).await,
            Some(after) => {
                if let Ok(heard) = timeout(after, hear(&mut stream)).await {
                    return heard;
                }
                // A reset.
                SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
                field.hang_ups.fetch_add(1, Ordering::Relaxed);
                Err(io::ErrorKind::Interrupted.into())
            }
        }
    };
    let heard = timeout(PATIENCE, exchange).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let was_killed = replica.kills() != kills || kills % 2 == 1;
    field.history.note(match &heard {
        Ok(is_success) => Event::Answered { post, is_success: *is_success },
        Err(error) => {
            // The sender hung up, or waited for as long as Alipay does.
            let gave_up = matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::TimedOut);
            Event::Unanswered { post, is_excused: was_killed || gave_up }
        }
    });
    heard.unwrap_or_default()
}

/// Who breaks things.
struct Breaker {
    random: fastrand::Rng,
    replicas: Arc<Vec<Replica>>,
    history: History,
    redis: Option<Redis>,
    wire: Option<Wire>,
    faults: Faults,
}

impl Breaker {
    /// Breaks things for as long as `time`, mends them all, and says what was done; with the Redis, which lives on.
    fn run(mut self, time: Duration) -> (Faults, Option<Redis>) {
        let start = Instant::now();
        while start.elapsed() < time {
            self.rests(50..500);
            let replica = self.random.usize(..self.replicas.len());
            let kinds = if self.redis.is_some() { 9 } else { 5 };
            match self.random.u8(..kinds) {
                0..3 => {
                    self.replicas[replica].kill();
                    self.did("kill -9 of a sidecar");
                    self.rests(0..300);
                    self.replicas[replica].run();
                }
                3 | 4 => {
                    let is_orderly = self.replicas[replica].drain();
                    self.history.note(Event::Ended { replica, is_orderly });
                    self.did("SIGTERM of a sidecar");
                    self.replicas[replica].run();
                }
                5 => {
                    self.redis().signal("STOP");
                    self.did("SIGSTOP of Redis");
                    self.rests(50..2000);
                    self.redis().signal("CONT");
                }
                6 => {
                    self.redis().kill();
                    self.did("kill -9 of Redis");
                    self.rests(0..1000);
                    self.redis().restart();
                }
                7 => {
                    self.redis().kill();
                    self.did("failover to an empty Redis");
                    fs::remove_dir_all(self.redis().folder().join("appendonlydir")).unwrap();
                    // Whatever it knew was heard by now.
                    self.rests(700..1000);
                    self.history.note(Event::StoreLost);
                    self.redis().restart();
                }
                _ => {
                    if let Some(wire) = &self.wire {
                        wire.cut();
                    }
                    self.did("connections to Redis cut");
                }
            }
        }
        (self.faults, self.redis)
    }

    fn did(&mut self, what: &'static str) {
        *self.faults.entry(what).or_default() += 1;
    }

    fn rests(&mut self, millis: std::ops::Range<u64>) {
        thread::sleep(Duration::from_millis(self.random.u64(millis)));
    }

    fn redis(&mut self) -> &mut Redis {
        self.redis.as_mut().expect("there is a Redis")
    }
}
