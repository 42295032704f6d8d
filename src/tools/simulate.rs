//! `simulate`: acts as Alipay towards any address. It signs notifications and delivers them until the answer is `success`,
//! on Alipay's own schedule, faster if that is asked for; or it attacks, and says what was accepted.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::rsa::KeyPair;
use clap::Args;
use serde_json::{Map, Value};

use self::deliveries::Stopped;
use self::kinds::{Kind, Shape};
use self::show::Show;
use super::sender::Address;
use crate::confirm::answer::{PrivateKeyError, private_key};
use crate::receive::form::is_name;
use crate::translate::catalogue::Catalogue;
use crate::translate::cipher::ContentKey;
use crate::verify::SignedForm;

mod confirmed;
mod deliveries;
mod hostile;
mod kinds;
mod show;
mod tally;

pub use self::kinds::SentCharset;

/// What was asked for on the command line.
#[derive(Debug, Args)]
pub struct Options {
    /// Where Alipay would call: the sidecar, or an app that takes notifications by itself
    #[arg(long, value_name = "URL")]
    to: String,
    /// The private key to sign with, whose public half that address has: `keygen` makes such a pair
    #[arg(long, value_name = "FILE")]
    private_key: PathBuf,
    /// The app that the notifications are for
    #[arg(long, default_value = "2021000000000000", value_parser = app_id)]
    app_id: String,
    /// How many notifications; otherwise one of each kind
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100_000), conflicts_with = "hostile")]
    count: Option<u64>,
    /// How many of them may be on their way at once; otherwise 16, and of attacks 1, which servers with one thread need
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1000))]
    concurrency: Option<u16>,
    /// How often each delivery is posted, at the same moment
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=16))]
    #[arg(conflicts_with = "hostile")]
    duplicates: u16,
    /// How much faster than Alipay's time passes between deliveries: 1000 makes 24 hours 88 seconds
    #[arg(long, default_value_t = 1.0, value_parser = speed, conflicts_with = "hostile")]
    speed: f64,
    /// The kind: a `msg_method`, a `notify_type`, `alipay.service.check` for the check of the address, or `*` for any
    /// text in the names of the catalogue; several times for several
    #[arg(long, value_name = "NAME", default_value = "alipay.open.mini.icp.faceauth.completed")]
    #[arg(conflicts_with = "hostile")]
    msg_method: Vec<String>,
    /// The content, in place of the example of the catalogue; @FILE reads it from a file
    #[arg(long, value_name = "JSON", conflicts_with = "hostile")]
    biz_content: Option<String>,
    /// A parameter that is set or added before it is signed, such as `trade_status=TRADE_CLOSED`
    #[arg(long, value_name = "NAME=VALUE", value_parser = param)]
    param: Vec<(String, String)>,
    /// The charset
    #[arg(long, default_value = "UTF-8", ignore_case = true)]
    charset: SentCharset,
    /// The form of the signed text, without `sign_type` (v1) or with it (v2); otherwise that of the kind
    #[arg(long)]
    form: Option<SentForm>,
    /// The content key with which the content is encrypted
    #[arg(long, value_name = "FILE")]
    encrypt_key: Option<PathBuf>,
    /// Send every attack that is known, and expect that none passes; begins and ends with something genuine
    #[arg(long)]
    hostile: bool,
    /// Print the summary as one line of JSON
    #[arg(long)]
    json: bool,
}

/// The form of the signed text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum SentForm {
    V1,
    V2,
}

/// Why nothing was sent, or nothing more.
#[derive(Debug)]
pub enum SimulateError {
    /// For the user to mend; says what to do.
    Unusable(String),
    /// What is said reaches nobody, or there is no runtime.
    Io(io::Error),
}

impl From<io::Error> for SimulateError {
    fn from(problem: io::Error) -> Self {
        Self::Io(problem)
    }
}

impl From<Stopped> for SimulateError {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Unusable(what) => Self::Unusable(what),
            Stopped::Output(problem) => Self::Io(problem),
        }
    }
}

/// What is to be done, as everything that was asked for means it.
struct Plan {
    to: Address,
    key: KeyPair,
    kinds: Vec<Kind>,
    shape: Shape,
    count: u64,
    concurrency: usize,
    duplicates: u16,
    speed: f64,
}

impl Plan {
    /// How long a time of Alipay's lasts here.
    fn compressed(&self, time: Duration) -> Duration {
        time.div_f64(self.speed)
    }
}

/// Does what `options` ask for and tells of it on `out`, until all is over or `stop` is. Whether all was accepted, or,
/// of attacks, none.
pub fn simulate(
    options: &Options,
    stop: impl Future<Output = ()>,
    out: &mut impl Write,
) -> Result<bool, SimulateError> {
    let plan = plan(options).map_err(SimulateError::Unusable)?;
    // Where standard error is closed, nobody wants to know.
    for oddity in oddities(options) {
        drop(writeln!(io::stderr(), "{oddity}"));
    }
    let mut show = Show::new(out, options.json);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if options.hostile {
        return Ok(runtime.block_on(hostile::attack(&plan, stop, &mut show))?);
    }
    let summary = runtime.block_on(deliveries::deliver(&plan, stop, &mut show))?;
    show.summarise(&summary)?;
    Ok(summary.accepted == summary.notifications)
}

fn plan(options: &Options) -> Result<Plan, String> {
    let catalogue = Catalogue::builtin();
    let kinds = Kind::find(&catalogue, &options.msg_method)?;
    let content = options.biz_content.as_deref().map(content).transpose()?;
    let content_key = options.encrypt_key.as_deref().map(content_key).transpose()?;
    let form = options.form.map(|form| match form {
        SentForm::V1 => SignedForm::V1,
        SentForm::V2 => SignedForm::V2,
    });
    let plan = Plan {
        to: Address::parse(&options.to).map_err(|problem| format!("--to {problem}"))?,
        key: key(&options.private_key)?,
        shape: Shape {
            app_id: options.app_id.clone(),
            charset: options.charset,
            form,
            content_key,
            content,
            params: options.param.clone(),
        },
        count: options.count.or(u64::try_from(kinds.len()).ok()).unwrap_or(1),
        kinds,
        concurrency: options.concurrency.unwrap_or(if options.hostile { 1 } else { 16 }).into(),
        duplicates: options.duplicates,
        speed: options.speed,
    };
    // What cannot be made is said before anything is sent.
    for kind in &plan.kinds {
        kind.notification(&plan.shape, &plan.key)?;
    }
    Ok(plan)
}

/// What is sent as it was asked for, though Alipay sends nothing like it.
fn oddities(options: &Options) -> Vec<String> {
    let catalogue = Catalogue::builtin();
    let is_unknown = |name: &&String| !name.contains('*') && !Kind::is_known(&catalogue, name);
    let unknown = options.msg_method.iter().filter(is_unknown).map(|name| {
        format!(
            "--msg-method {name:?} is not in the built-in catalogue, and is sent as a message: `alipay-sidecar schema \
             --list` shows what is"
        )
    });
    let content = options.biz_content.as_deref().and_then(|written| content(written).ok());
    let is_object = |content: &String| serde_json::from_str::<Map<String, Value>>(content).is_ok();
    let broken = content.filter(|content| !is_object(content)).map(|_| {
        "--biz-content is no object in JSON, as which Alipay sends it, and is sent as it is".to_owned()
    });
    unknown.chain(broken).collect()
}

fn key(path: &Path) -> Result<KeyPair, String> {
    private_key(&read("--private-key", path)?).map_err(|error| {
        let what = match error {
            PrivateKeyError::Empty => "is empty",
            PrivateKeyError::PublicKey => "is a public key or a certificate, which signs nothing",
            PrivateKeyError::Encrypted => "is under a password: take it off with `openssl pkey`",
            PrivateKeyError::ContentKey { .. } => "is a content key: it belongs to --encrypt-key",
            PrivateKeyError::Unusable => "cannot sign with RSA2, which takes 2,048 to 8,192 bits",
            PrivateKeyError::NoKey => "is no private key of a form that is known here",
        };
        format!(
            "--private-key {} {what}: `alipay-sidecar keygen keys` makes a pair to try with, keys/alipay_private_key.pem \
             for here and keys/alipay.pem for over there",
            path.display()
        )
    })
}

fn content_key(path: &Path) -> Result<ContentKey, String> {
    ContentKey::parse(&read("--encrypt-key", path)?)
        .map_err(|error| format!("--encrypt-key {} holds no content key: {error}", path.display()))
}

fn content(written: &str) -> Result<String, String> {
    let Some(file) = written.strip_prefix('@') else { return Ok(written.to_owned()) };
    let bytes = read("--biz-content", Path::new(file))?;
    String::from_utf8(bytes).map_err(|_error| format!("--biz-content {file} is not UTF-8"))
}

fn read(option: &str, path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|problem| format!("{option} {} cannot be read: {problem}", path.display()))
}

fn app_id(text: &str) -> Result<String, &'static str> {
    let is_digits = (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_digits { Ok(text.to_owned()) } else { Err("an app_id is 1 to 20 digits") }
}

fn speed(text: &str) -> Result<f64, &'static str> {
    let speed = text.parse().ok().filter(|speed| (1.0..=1_000_000.0).contains(speed));
    speed.ok_or("it is a number from 1, which is Alipay's own pace, to 1000000")
}

fn param(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    if name == "sign" || !is_name(name.as_bytes()) {
        return Err("a name has 1 to 64 letters, digits and _, begins with a letter, and is not sign");
    }
    Ok((name.to_owned(), value.to_owned()))
}
