//! The command line: arguments in, exit code out. Exit codes are decided here and nowhere else.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use alipay_sidecar::config::{Config, ConfigErrors};
use alipay_sidecar::outside::{Machine, Outside};
use alipay_sidecar::reload::{Origin, Reload, tell_all};
use alipay_sidecar::replay::Ask;
use alipay_sidecar::server::Server;
use alipay_sidecar::telemetry::log;
use alipay_sidecar::tools;
use alipay_sidecar::tools::explain::{Problem, Question};
use alipay_sidecar::tools::pending::PendingError;
use alipay_sidecar::tools::simulate::SimulateError;
use alipay_sidecar::translate::catalogue::Catalogue;
use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use jiff::Timestamp;
use jiff::fmt::friendly::SpanParser;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tracing::{error, info};

/// Verifies what Alipay posts to your app, and hands it on as typed JSON.
#[derive(Debug, Parser)]
#[command(name = "alipay-sidecar", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the proxy until SIGTERM or SIGINT; a second signal ends it at once
    Run {
        /// The configuration
        #[arg(long, short, default_value = "sidecar.toml")]
        config: PathBuf,
    },
    /// Read configuration and keys as `run` would, and say what they are, or all that is wrong with them
    Check {
        /// The configuration
        #[arg(long, short, default_value = "sidecar.toml")]
        config: PathBuf,
        /// Your own app's public key: says whether it was configured in the place of Alipay's
        #[arg(long, value_name = "FILE")]
        app_public_key: Option<PathBuf>,
    },
    /// Say of each captured notification what `run` would do with it, and prove why a signature does not hold.
    /// Prints all that was captured, which may hold personal data
    Explain {
        /// A raw body, also in a line of a log, an HTTP request, a command of curl or PowerShell, a map of parameters as
        /// JSON or as Java, Python, PHP, Go or Node.js print it, or an HTTP archive; also in base64, or as a dump in
        /// hexadecimal; `-` or nothing is standard input
        file: Option<PathBuf>,
        /// The configuration
        #[arg(long, short, default_value = "sidecar.toml")]
        config: PathBuf,
        /// Alipay's public key, in the place of a configuration; may be given several times
        #[arg(long = "key", value_name = "FILE", conflicts_with = "config")]
        keys: Vec<PathBuf>,
        /// Your own app's public key: says whether it was configured in the place of Alipay's
        #[arg(long, value_name = "FILE")]
        app_public_key: Option<PathBuf>,
        /// Write JSON
        #[arg(long)]
        json: bool,
    },
    /// What the app never accepted, where `ledger.keep_failed` has it kept: list it, and send it again
    #[command(subcommand)]
    Pending(Pending),
    /// Write a throwaway key pair in every form that Alipay's console uses, and a content key
    Keygen {
        /// The folder to write to
        dir: PathBuf,
    },
    /// Print the JSON Schema of what your app gets for a message
    #[command(arg_required_else_help = true)]
    Schema {
        /// The message: its `msg_method`, or its `notify_type`
        #[arg(conflicts_with = "list")]
        name: Option<String>,
        /// List all messages, how much is known of each, and what they tell
        #[arg(long)]
        list: bool,
        /// A page for people; of all messages where none is named
        #[arg(long, default_value = "json", conflicts_with = "list")]
        format: SchemaFormat,
        /// The configuration whose `translate.messages` are added to the catalogue
        #[arg(long, short)]
        config: Option<PathBuf>,
    },
    /// Act as Alipay: sign notifications and deliver them until the answer is `success`, on Alipay's own schedule
    Simulate(#[command(flatten)] Box<tools::simulate::Options>),
    /// Show the whole way on loopback: throwaway keys, a simulated Alipay, the real proxy, a small backend
    Demo {
        /// End by itself after the show
        #[arg(long)]
        once: bool,
        /// Run the small backend alone on this address, in the place of an app, until SIGTERM
        #[arg(long, value_name = "ADDRESS", conflicts_with = "once")]
        backend: Option<SocketAddr>,
        /// How long the backend alone takes for each answer, such as "500ms"
        #[arg(long, value_name = "DURATION", requires = "backend", default_value = "0s", value_parser = duration)]
        delay: Duration,
    },
    /// Ask a running sidecar whether it is ready: exit code 0 if it is, for health checks without a shell
    Ready {
        /// Its `admin.listen`
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9090")]
        admin: SocketAddr,
    },
    /// Print what completes commands and options in a shell, for it to load
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write a man page for each command
    Man {
        /// The folder to write to
        dir: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum Pending {
    /// List what was never accepted: never its content
    List {
        /// The configuration; without it, sidecar.toml here, or else /etc/alipay-sidecar/sidecar.toml
        #[arg(long, short)]
        config: Option<PathBuf>,
        /// Write JSON, an object a line
        #[arg(long)]
        json: bool,
    },
    /// Send again what was never accepted, exactly as it was; exit code 0 if all of it is accepted now, 1 if not
    #[command(arg_required_else_help = true)]
    Replay {
        /// What to send again: a `notify_id`, or `APP_ID/NOTIFY_ID`
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        ids: Vec<String>,
        /// Send all that is kept, the oldest first
        #[arg(long)]
        all: bool,
        /// The configuration; without it, sidecar.toml here, or else /etc/alipay-sidecar/sidecar.toml
        #[arg(long, short)]
        config: Option<PathBuf>,
        /// Write JSON, an object a line
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SchemaFormat {
    /// JSON Schema of the draft 2020-12
    Json,
    /// Markdown, in Chinese and English
    Markdown,
}

/// The exit code for what the user can mend: configuration, keys, arguments.
const UNUSABLE: u8 = 2;
/// The exit code of `explain` for what is not genuine.
const NOT_VERIFIED: u8 = 1;
/// The exit code where nobody reads the output any more before the outcome is known: that of a command which SIGPIPE
/// ends, in a shell.
const READER_GONE: u8 = 141;
/// The exit code of `pending replay` where not all of it was accepted, and of `pending list` where something was unreadable.
const NOT_ACCEPTED: u8 = 1;
/// How long the end of the process waits for the reader of the log.
const LAST_LINES: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return told(&error),
    };
    match arguments.command {
        Command::Run { config } => run(&config),
        Command::Check { config, app_public_key } => check(&config, app_public_key.as_deref()),
        Command::Explain { file, config, keys, app_public_key, json } => explain(&Question {
            file: file.as_deref(),
            config: &config,
            keys: &keys,
            app_public_key: app_public_key.as_deref(),
            json,
        }),
        Command::Pending(Pending::List { config, json }) => pending(config, Ask::List, json),
        Command::Pending(Pending::Replay { ids, all, config, json }) => {
            pending(config, if all { Ask::ReplayAll } else { Ask::Replay(ids) }, json)
        }
        Command::Keygen { dir } => keygen(&dir),
        Command::Schema { name, list, format, config } => {
            schema(name.as_deref(), list, format, config.as_deref())
        }
        Command::Simulate(options) => simulate(&options),
        Command::Demo { once, backend: None, .. } => finish(tools::demo::demo(once, &mut io::stdout())),
        Command::Demo { backend: Some(address), delay, .. } => {
            finish(tools::backend::alone(address, delay, &mut io::stdout()))
        }
        Command::Ready { admin } => ready(admin),
        Command::Completions { shell } => completions(shell),
        Command::Man { dir } => man(&dir),
    }
}

/// Prints the help that was asked for, or what is wrong with the arguments.
fn told(error: &clap::Error) -> ExitCode {
    let outcome = error.print();
    if error.use_stderr() { ExitCode::from(UNUSABLE) } else { finish(outcome) }
}

fn run(path: &Path) -> ExitCode {
    let config = match Config::load(path, environment) {
        Ok(config) => config,
        Err(errors) => return unusable(&errors),
    };
    if let Err(problem) = log::start(config.log) {
        return complain(&problem, 1);
    }
    tell_all(config.warnings.iter().chain(&config.key_warnings(Timestamp::now())));
    let origin = Origin { path: path.to_owned(), env: environment, clock: Timestamp::now };
    let outcome = serve(config, origin);
    if let Err(problem) = &outcome {
        error!(event = "stopped", %problem, "the sidecar cannot go on");
    }
    log::flush(LAST_LINES);
    outcome.map_or_else(|problem| complain(&problem, 1), |()| ExitCode::SUCCESS)
}

/// Serves until the first SIGTERM or SIGINT, drains, and returns.
fn serve(config: Config, origin: Origin) -> io::Result<()> {
    let server = Server::bind(config)?;
    let (address, admin) = (server.address()?, server.admin_address()?);
    let reload = server.reload(origin);
    server.serve(async move {
        if let Err(problem) = first_signal(address, admin, reload).await {
            error!(event = "signals_failed", %problem, "signals cannot be heard: the process ends");
        }
    })
}

/// Waits for the first SIGTERM or SIGINT, and reloads until then. The second ends the process at once.
async fn first_signal(address: SocketAddr, admin: SocketAddr, reload: Reload) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let (ask, asked) = mpsc::channel(1);
    tokio::task::spawn_local(reload.run(asked));
    info!(event = "listening", %address, %admin, version = env!("CARGO_PKG_VERSION"), "ready for notifications");
    let first = loop {
        tokio::select! {
            _ = terminate.recv() => break "SIGTERM",
            _ = interrupt.recv() => break "SIGINT",
            _ = hangup.recv() => {
                info!(event = "signal", signal = "SIGHUP", "everything is read again");
                // Where one is waiting to be heard already, it is heard after this.
                ask.try_send(()).unwrap_or_default();
            }
        }
    };
    info!(event = "signal", signal = first, "the end begins; a second signal ends at once");
    tokio::task::spawn_local(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        error!(event = "signal", "a second signal: ending at once");
        log::flush(LAST_LINES);
        std::process::exit(1);
    });
    Ok(())
}

fn check(path: &Path, app_public_key: Option<&Path>) -> ExitCode {
    match tools::check::check(path, environment, app_public_key, Machine::now(), &mut io::stdout()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(UNUSABLE),
        Err(problem) => unwritten(&problem),
    }
}

fn explain(question: &Question<'_>) -> ExitCode {
    let out = &mut BufWriter::new(io::stdout().lock());
    match tools::explain::explain(question, environment, Machine::now(), &mut io::stdin().lock(), out) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(NOT_VERIFIED),
        Err(problem @ Problem::Unusable(_)) => complain(&problem, UNUSABLE),
        Err(problem @ Problem::Output(_)) => complain(&problem, 1),
    }
}

/// Where the images have their configuration, so that `kubectl exec` need not name it.
const IN_IMAGE: &str = "/etc/alipay-sidecar/sidecar.toml";

fn pending(config: Option<PathBuf>, ask: Ask, json: bool) -> ExitCode {
    let path = config.unwrap_or_else(|| {
        let here = PathBuf::from("sidecar.toml");
        if here.exists() || !Path::new(IN_IMAGE).exists() { here } else { PathBuf::from(IN_IMAGE) }
    });
    let config = match Config::load(&path, environment) {
        Ok(config) => config,
        Err(errors) => return unusable(&errors),
    };
    let is_list = ask == Ask::List;
    match tools::pending::pending(&config, ask, json, Machine::now, &mut io::stdout().lock()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(NOT_ACCEPTED),
        Err(PendingError::Unusable(what)) => complain(&what, UNUSABLE),
        Err(PendingError::Io(problem)) if is_list => finish(Err(problem)),
        Err(PendingError::Io(problem)) => unwritten(&problem),
    }
}

fn keygen(dir: &Path) -> ExitCode {
    match tools::keygen::keygen(dir) {
        Ok(files) => finish(files.iter().try_for_each(|file| writeln!(io::stdout(), "{file}"))),
        Err(problem) => complain(&problem, UNUSABLE),
    }
}

fn schema(name: Option<&str>, list: bool, format: SchemaFormat, config: Option<&Path>) -> ExitCode {
    let catalogue = match config.map(|path| Config::load(path, environment)) {
        Some(Ok(config)) => config.catalogue,
        Some(Err(errors)) => return unusable(&errors),
        None => Catalogue::builtin(),
    };
    let out = &mut BufWriter::new(io::stdout().lock());
    let outcome = match (name, format) {
        _ if list => tools::schema::list(&catalogue, out),
        (None, SchemaFormat::Markdown) => tools::schema::page(&catalogue, out),
        (None, SchemaFormat::Json) => {
            return complain(&"name a message, or ask for --list: alipay-sidecar schema NAME", UNUSABLE);
        }
        (Some(name), format) => match (tools::schema::find(&catalogue, name), format) {
            (Ok(message), SchemaFormat::Json) => tools::schema::json(message, out),
            (Ok(message), SchemaFormat::Markdown) => tools::schema::section(message, out),
            (Err(unknown), _) => return complain(&unknown, UNUSABLE),
        },
    };
    finish(outcome.and_then(|()| out.flush()))
}

fn ready(admin: SocketAddr) -> ExitCode {
    match tools::ready::ready(admin) {
        Ok((true, answer)) => finish(writeln!(io::stdout(), "{answer}")),
        Ok((false, answer)) => complain(&answer, 1),
        Err(problem) => complain(&format!("no answer from {admin}: {problem}; is it admin.listen?"), 1),
    }
}

fn duration(written: &str) -> Result<Duration, &'static str> {
    SpanParser::new()
        .parse_unsigned_duration(written.as_bytes())
        .map_err(|_problem| "write it like \"10s\" or \"500ms\"")
}

fn simulate(options: &tools::simulate::Options) -> ExitCode {
    let told_to_end = async {
        // Where signals cannot be heard, it ends by itself.
        if told_to_end().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    match tools::simulate::simulate(options, told_to_end, &mut io::stdout()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(SimulateError::Unusable(what)) => complain(&what, UNUSABLE),
        Err(SimulateError::Io(problem)) => unwritten(&problem),
    }
}

/// Waits for SIGTERM or SIGINT.
async fn told_to_end() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

fn completions(shell: Shell) -> ExitCode {
    // It panics where it cannot write, so it writes to memory first.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "alipay-sidecar", &mut script);
    let mut script = String::from_utf8_lossy(&script).into_owned();
    if shell == Shell::Bash {
        // What chooses the case of a command writes the hyphen in our name as `__`, and the label of the case as this,
        // so that no case would ever be chosen.
        script = script.replace("alipay__subcmd__sidecar", "alipay__sidecar");
    }
    finish(io::stdout().write_all(script.as_bytes()))
}

fn man(dir: &Path) -> ExitCode {
    let outcome = fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(Arguments::command(), dir));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => complain(
            &format!("{} cannot be written ({problem}): name a directory of yours", dir.display()),
            UNUSABLE,
        ),
    }
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn unusable(errors: &ConfigErrors) -> ExitCode {
    complain(errors, UNUSABLE)
}

fn finish(outcome: io::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read what we print has read enough.
        Err(problem) if problem.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(problem) => complain(&problem, 1),
    }
}

/// The end of a command that could not write all it has to say, so that the outcome is not known.
fn unwritten(problem: &io::Error) -> ExitCode {
    // Whoever read what it prints has read enough. It ends as what is ended by that: neither well nor ill.
    if problem.kind() == io::ErrorKind::BrokenPipe {
        return ExitCode::from(READER_GONE);
    }
    complain(problem, 1)
}

fn complain(problem: &dyn std::fmt::Display, code: u8) -> ExitCode {
    // Where standard error is closed, the exit code has to do.
    drop(writeln!(io::stderr(), "{problem}"));
    ExitCode::from(code)
}
