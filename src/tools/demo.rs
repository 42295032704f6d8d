//! The whole way on loopback: throwaway keys, a simulated Alipay, the real proxy, and a small backend.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::Duration;

use aws_lc_rs::rsa::KeyPair;
use der::pem;
use hyper::StatusCode;
use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::backend::{Backend, Got};
use super::keygen::{PRIVATE_KEY, keygen};
use super::sender::{self, Address, Heard, Notification};
use crate::config::Config;
use crate::server::Server;
use crate::verify::SignedForm;

const APP_ID: &str = "2014060600164699";
const PATH: &str = "/alipay/notify";
/// How long the backend may take to get what it was sent.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs the demo and tells of it on `out`. It fails when something does not go as it should.
///
/// With `once` it ends after the show; otherwise it serves until Ctrl-C.
pub fn demo(once: bool, out: &mut impl Write) -> io::Result<()> {
    let folder = Folder::create()?;
    let stage = Stage::set(&folder.path)?;
    stage.introduce(out)?;
    genuine(&stage, out)?;
    retry(&stage, out)?;
    forged(&stage, out)?;
    writeln!(out, "That is all. Nothing forged got through, nothing genuine was lost.")?;
    if !once {
        serve_on(&stage, &folder.path, out)?;
    }
    stage.strike()
}

/// The proxy and the backend, running, and the key of the simulated Alipay.
struct Stage {
    key: KeyPair,
    backend: Backend,
    address: SocketAddr,
    admin: SocketAddr,
    stop: oneshot::Sender<()>,
    proxy: thread::JoinHandle<io::Result<()>>,
}

impl Stage {
    fn set(folder: &Path) -> io::Result<Self> {
        keygen(&folder.join("keys")).map_err(io::Error::other)?;
        let (_, key) =
            pem::decode_vec(&fs::read(folder.join("keys").join(PRIVATE_KEY))?).map_err(io::Error::other)?;
        let key = KeyPair::from_pkcs8(&key).map_err(io::Error::other)?;
        let backend = Backend::start()?;
        let config = folder.join("sidecar.toml");
        fs::write(
            &config,
            format!(
                "[server]\nlisten = \"127.0.0.1:0\"\npaths = [\"{PATH}\"]\n\n[admin]\nlisten = \"127.0.0.1:0\"\n\n\
                 [upstream]\nurl = \"http://127.0.0.1:{}{PATH}\"\n\n[[apps]]\napp_id = \"{APP_ID}\"\n\
                 alipay_public_key_files = [\"keys/alipay.pem\"]\n",
                backend.port
            ),
        )?;
        let config =
            Config::load(&config, |_| None).map_err(|errors| io::Error::other(errors.to_string()))?;
        let server = Server::bind(config)?;
        let (address, admin) = (server.address()?, server.admin_address()?);
        let (stop, stopped) = oneshot::channel();
        let proxy = thread::spawn(move || server.serve(async move { drop(stopped.await) }));
        Ok(Self { key, backend, address, admin, stop, proxy })
    }

    fn introduce(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "alipay-sidecar demo: throwaway keys, everything on this machine.\n")?;
        writeln!(
            out,
            "  Alipay (simulated)  ──►  the sidecar {}  ──►  your app (a small backend) 127.0.0.1:{}\n",
            self.address, self.backend.port
        )
    }

    /// A notification of the documented example, signed now.
    fn notification(&self, notify_id: &str, form: SignedForm) -> io::Result<Notification> {
        // Alipay stamps its notifications with its own clock.
        let now = Timestamp::now().as_millisecond();
        Notification::faceauth(APP_ID, notify_id, now).signed(&self.key, form)
    }

    /// Where Alipay calls.
    fn url(&self) -> String {
        format!("http://{}{PATH}", self.address)
    }

    /// Posts `notification` and expects to hear `status` and `body`.
    fn post(&self, notification: &Notification, status: u16, body: &str) -> io::Result<Heard> {
        let address = Address::parse(&self.url()).map_err(io::Error::other)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let heard = runtime.block_on(sender::post(&address, notification.body()));
        let heard = heard.map_err(|unheard| amiss(&format!("Alipay heard nothing: {unheard}")))?;
        if heard.status == status && heard.body == body.as_bytes() {
            Ok(heard)
        } else {
            Err(amiss(&format!("Alipay heard {heard} instead of {status} {body}")))
        }
    }

    /// What the backend got, which must be there.
    fn got(&self, status: StatusCode) -> io::Result<Got> {
        let got =
            self.backend.got.recv_timeout(PATIENCE).map_err(|_timeout| amiss("the backend got nothing"))?;
        if got.status == status { Ok(got) } else { Err(amiss("the backend answered otherwise")) }
    }

    fn strike(self) -> io::Result<()> {
        drop(self.stop);
        self.proxy.join().map_err(|_panic| amiss("the proxy panicked"))?
    }
}

fn genuine(stage: &Stage, out: &mut impl Write) -> io::Result<()> {
    let notification = stage.notification("5608cccc09ddb39d41c2e3c06e3d9fejh2", SignedForm::V1)?;
    let body = notification.body();
    writeln!(out, "1. A genuine notification: a mini program's face check is completed.")?;
    writeln!(out, "   Alipay posts a signed form of {} bytes:", body.len())?;
    writeln!(out, "     {}…", body.get(..100).unwrap_or(&body))?;
    let heard = stage.post(&notification, 200, "success")?;
    let got = stage.got(StatusCode::NO_CONTENT)?;
    writeln!(out, "   The signature holds, so your app gets clean, typed JSON:")?;
    show(&got, out)?;
    answered(&got, &heard, out)?;
    writeln!(out)
}

fn retry(stage: &Stage, out: &mut impl Write) -> io::Result<()> {
    let notification = stage.notification("6a19f05be7ce4fd0a0c2b7d8f3a6b1kjh2", SignedForm::V2)?;
    writeln!(out, "2. Another one comes while your app has a bad moment.")?;
    stage.backend.refuse(true);
    let heard = stage.post(&notification, 200, "fail")?;
    let got = stage.got(StatusCode::INTERNAL_SERVER_ERROR)?;
    answered(&got, &heard, out)?;
    writeln!(
        out,
        "   Alipay delivers it again: up to 7 more times within 25 hours. Your app is well again:"
    )?;
    stage.backend.refuse(false);
    let heard = stage.post(&notification, 200, "success")?;
    let got = stage.got(StatusCode::NO_CONTENT)?;
    answered(&got, &heard, out)?;
    writeln!(out)
}

fn forged(stage: &Stage, out: &mut impl Write) -> io::Result<()> {
    let notification = stage.notification("7b2a016cf8df5ae1b1d3c8e9a4b7c2lkj3", SignedForm::V1)?;
    let notification = notification.tampered("biz_content", "\"success\"", "\"fail\"");
    writeln!(
        out,
        "3. A forgery: somebody turns \"success\" into \"fail\" and leaves the signature as it was."
    )?;
    let heard = stage.post(&notification, 403, "fail")?;
    match stage.backend.got.try_recv() {
        Err(TryRecvError::Empty) => {}
        Ok(_) | Err(TryRecvError::Disconnected) => return Err(amiss("the backend got what was forged")),
    }
    writeln!(out, "   The signature does not hold: the sender hears {heard}, your app hears nothing.\n")
}

fn answered(got: &Got, heard: &Heard, out: &mut impl Write) -> io::Result<()> {
    let status = got.status.as_u16();
    writeln!(out, "   Your app answers {status}, so Alipay hears: {heard}")
}

/// Prints the headers that are ours, and the JSON.
fn show(got: &Got, out: &mut impl Write) -> io::Result<()> {
    for name in ["content-type", "alipay-notify-id", "alipay-form", "alipay-schema", "idempotency-key"] {
        let value = got.headers.get(name).and_then(|value| value.to_str().ok()).ok_or_else(|| amiss(name))?;
        writeln!(out, "     {name}: {value}")?;
    }
    // The map of serde_json sorts its names; what the backend got is printed as it came, broken into lines.
    for line in got.body.replace(",\"", ",\n  \"").lines() {
        writeln!(out, "     {line}")?;
    }
    Ok(())
}

/// Serves until Ctrl-C, and tells of what the backend gets.
fn serve_on(stage: &Stage, folder: &Path, out: &mut impl Write) -> io::Result<()> {
    let file = folder.join("notification.form");
    fs::write(&file, stage.notification("8c3b127da9ea6bf2c2e4d9f0b5c8d3mlk4", SignedForm::V1)?.body())?;
    writeln!(out, "\nStill serving; Ctrl-C ends it. Try a genuine notification of your own:\n")?;
    writeln!(out, "  curl -i --data-binary @{} http://{}{PATH}\n", file.display(), stage.address)?;
    let own = std::env::current_exe().map_or("alipay-sidecar".to_owned(), |path| path.display().to_string());
    writeln!(out, "or act as Alipay, with every kind of the catalogue:\n")?;
    writeln!(
        out,
        "  {own} simulate --to {} --app-id {APP_ID} --msg-method '*' --private-key {}\n",
        stage.url(),
        folder.join("keys").join(PRIVATE_KEY).display()
    )?;
    writeln!(
        out,
        "then change a character of that file, or add --hostile without --msg-method, and see the figures: curl http://{}/metrics\n",
        stage.admin
    )?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ends = runtime.block_on(async {
        Ok::<_, io::Error>((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))
    })?;
    let (stopped, stop) = std::sync::mpsc::channel::<()>();
    thread::spawn(move || {
        let (mut interrupt, mut terminate) = ends;
        runtime.block_on(async {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        });
        drop(stopped);
    });
    while matches!(stop.try_recv(), Err(TryRecvError::Empty)) {
        match stage.backend.got.recv_timeout(Duration::from_millis(100)) {
            Ok(got) => {
                writeln!(out, "   Your app gets:")?;
                show(&got, out)?;
                writeln!(out, "   and answers {}.\n", got.status.as_u16())?;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(amiss("the backend ended")),
        }
    }
    Ok(())
}

fn amiss(what: &str) -> io::Error {
    io::Error::other(format!("the demo did not go as it should: {what}"))
}

/// A folder for the throwaway keys, removed at the end.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn create() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("alipay-sidecar-demo-{:016x}", fastrand::u64(..)));
        fs::create_dir(&path)?;
        Ok(Self { path })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed holds throwaway keys only.
        drop(fs::remove_dir_all(&self.path));
    }
}
