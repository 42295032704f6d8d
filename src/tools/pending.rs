//! `pending`: what was never accepted, and sending it again.
//!
//! Where a process has the ledger open, it is asked over its socket. Else this opens the ledger itself.
//!
//! The answer is taken on a thread of its own, so that who reads slowly what is printed keeps neither the process nor the ledger
//! waiting.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tokio::runtime::{Builder, LocalOptions};

use crate::config::{Config, LedgerStore};
use crate::deliver::{Idle, InFlight, Upstream};
use crate::ledger::Ledger;
use crate::ledger::figures::Figures;
use crate::replay::{Ask, Entry, ReplayResult, Replayed, Replayer, Reply, socket};

/// How long a part of the answer may take to come: longer than any delivery and any wait for one.
const PATIENCE: Duration = Duration::from_mins(2);
/// How long the ledger may be in the hands of another command, or of a process that is about to serve.
const BUSY: Duration = Duration::from_secs(10);
/// How often it is tried again meanwhile.
const AGAIN: Duration = Duration::from_millis(50);

/// Why there is no answer, or not all of it.
#[derive(Debug)]
pub enum PendingError {
    /// What was asked for cannot be done as things are.
    Unusable(String),
    /// What is printed cannot be written.
    Io(io::Error),
}

impl From<io::Error> for PendingError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Answers `ask` by the ledger of `config`, as a table, or as JSON with a line for each part. Says whether all is well: of a
/// replay, that all that was asked for is accepted now; of a list, that nothing that is kept was unreadable.
pub fn pending(
    config: &Config,
    ask: Ask,
    json: bool,
    clock: fn() -> SystemTime,
    out: &mut impl Write,
) -> Result<bool, PendingError> {
    let mut print = Print {
        json,
        is_list: ask == Ask::List,
        entries: Vec::new(),
        unreadable: Vec::new(),
        parts: 0,
        is_well: true,
        out,
    };
    let keep_failed = match &config.ledger.store {
        LedgerStore::File(path) => exchange(config, path, ask, clock, &mut print)?,
        // Whoever serves by it shares it with this command, as replicas do.
        LedgerStore::Redis(_) => {
            let ledger = Ledger::open(&config.ledger, Figures::default())?;
            print.all(|parts| by_hand(config, ledger, ask, clock, &parts))?
        }
        LedgerStore::Memory => return Err(nothing_kept("memory")),
        LedgerStore::Off => return Err(nothing_kept("off")),
    };
    print.finish()?;
    let Print { parts, is_well, .. } = print;
    if parts == 0 && !keep_failed {
        return Err(PendingError::Unusable(OFF.to_owned()));
    }
    Ok(is_well)
}

const OFF: &str = "ledger.keep_failed is false, so nothing is kept: write keep_failed = true below [ledger], \
                   and what fails from then on can be listed and replayed";

/// What is wrong with what cannot be read, and what to do.
const UNREADABLE: &str = "what is kept is damaged, or of another version: update the sidecar, or remove it";

fn nothing_kept(store: &str) -> PendingError {
    PendingError::Unusable(format!(
        "ledger.store is \"{store}\", which keeps nothing that failed: write store = \"file\" or \"redis\", where \
         that is, and keep_failed = true below [ledger]"
    ))
}

/// Asks whoever has the ledger at `path`, or takes it in hand where nobody has. Returns `ledger.keep_failed`.
fn exchange(
    config: &Config,
    path: &Path,
    ask: Ask,
    clock: fn() -> SystemTime,
    print: &mut Print<'_, impl Write>,
) -> Result<bool, PendingError> {
    let start = Instant::now();
    loop {
        let socket = socket(path);
        match UnixStream::connect(&socket) {
            Ok(stream) => return print.all(|parts| over(&stream, &ask, &parts)),
            // There is none, or one that was left behind.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {}
            // Its name is too long, so that nobody is there either.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
            Err(error) => {
                let remedy = "run this as the user that the sidecar runs as";
                return Err(PendingError::Unusable(format!("{}: {error}: {remedy}", socket.display())));
            }
        }
        // Looking at what is kept is no reason to make a file.
        if !path.try_exists()? {
            return Err(PendingError::Unusable(format!(
                "there is no ledger at {}: the sidecar begins one when it starts. If it runs, somebody removed the file: \
                 look for `ledger_file_gone` in its log",
                path.display()
            )));
        }
        match Ledger::open(&config.ledger, Figures::default()) {
            Ok(ledger) => return print.all(|parts| by_hand(config, ledger, ask, clock, &parts)),
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy && start.elapsed() < BUSY => {
                thread::sleep(AGAIN);
            }
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                return Err(PendingError::Unusable(format!(
                    "{} is open in another process, which does not answer at {}: look for `pending_unavailable` in \
                     its log, or stop it and try again",
                    path.display(),
                    socket.display()
                )));
            }
            Err(error) => return Err(PendingError::Unusable(error.to_string())),
        }
    }
}

/// Asks the process at the other end, and passes on the parts of its answer.
fn over(stream: &UnixStream, ask: &Ask, parts: &Sender<Reply>) -> Result<(), PendingError> {
    let broken = |error: io::Error| {
        PendingError::Unusable(format!(
            "the sidecar broke off ({error}): what is not listed is not known, ask again"
        ))
    };
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut question = serde_json::to_vec(ask).map_err(io::Error::other)?;
    question.push(b'\n');
    let mut writer = stream;
    writer.write_all(&question).map_err(broken)?;
    for line in BufReader::new(stream).lines() {
        let reply = serde_json::from_str(&line.map_err(broken)?).map_err(|error| broken(error.into()))?;
        let is_last = matches!(reply, Reply::Problem(_) | Reply::End { .. });
        // Whoever prints no more wants no more of it.
        if parts.send(reply).is_err() || is_last {
            return Ok(());
        }
    }
    Err(broken(io::ErrorKind::UnexpectedEof.into()))
}

/// Answers without a process that has the ledger open. It is closed when all is said, however much is still to be printed.
fn by_hand(
    config: &Config,
    ledger: Ledger,
    ask: Ask,
    clock: fn() -> SystemTime,
    parts: &Sender<Reply>,
) -> Result<(), PendingError> {
    let upstream: Upstream = Upstream::new(config.upstream.clone(), 0, &Idle::new(1), InFlight::default())
        .map_err(io::Error::other)?;
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    let replayer = Replayer { ledger: &ledger, config, upstream: &upstream, clock };
    // Whoever prints no more wants nothing to be sent any more.
    let say = async |reply| parts.send(reply).map_err(|_gone| io::ErrorKind::BrokenPipe.into());
    let answered = runtime.block_on(replayer.answer(ask, || false, say));
    drop(ledger);
    Ok(answered?)
}

/// What writes the answer.
struct Print<'o, W> {
    json: bool,
    is_list: bool,
    /// A list is written when its widths are known.
    entries: Vec<Entry>,
    /// What cannot be read is written below the list.
    unreadable: Vec<String>,
    parts: usize,
    is_well: bool,
    out: &'o mut W,
}

impl<W: Write> Print<'_, W> {
    /// Takes all parts of what `answer` says, on a thread of its own, and prints them as fast as they are read. Returns
    /// `ledger.keep_failed`.
    fn all(
        &mut self,
        answer: impl FnOnce(Sender<Reply>) -> Result<(), PendingError> + Send,
    ) -> Result<bool, PendingError> {
        thread::scope(|scope| {
            let (sender, parts) = channel();
            let answering = scope.spawn(|| answer(sender));
            for part in parts {
                if let Some(keep_failed) = self.reply(part)? {
                    return Ok(keep_failed);
                }
            }
            // It ended without a last part.
            answering.join().unwrap_or_else(|_panic| Err(io::Error::other("the answer panicked").into()))?;
            Err(io::Error::from(io::ErrorKind::UnexpectedEof).into())
        })
    }

    /// Takes a part of the answer; with the last one it says whether what fails is kept.
    fn reply(&mut self, reply: Reply) -> Result<Option<bool>, PendingError> {
        match reply {
            Reply::Entry(entry) if self.json => self.line(&entry)?,
            Reply::Entry(entry) => {
                self.parts = self.parts.saturating_add(1);
                self.entries.push(entry);
            }
            Reply::Unreadable(record) => {
                self.is_well = false;
                if self.json {
                    self.line(&serde_json::json!({ "record": record, "unreadable": UNREADABLE }))?;
                } else {
                    self.parts = self.parts.saturating_add(1);
                    self.unreadable.push(record);
                }
            }
            Reply::Replayed(replayed) => {
                self.is_well &= replayed.result.is_accepted();
                if self.json {
                    self.line(&replayed)?;
                } else {
                    self.replayed(&replayed)?;
                }
            }
            Reply::Problem(problem) => return Err(PendingError::Unusable(problem)),
            Reply::End { keep_failed } => return Ok(Some(keep_failed)),
        }
        Ok(None)
    }

    fn line(&mut self, part: &impl serde::Serialize) -> io::Result<()> {
        self.parts = self.parts.saturating_add(1);
        serde_json::to_writer(&mut *self.out, part)?;
        writeln!(self.out)?;
        self.out.flush()
    }

    /// A row of the table of results, written as soon as it is known.
    fn replayed(&mut self, replayed: &Replayed) -> io::Result<()> {
        if self.parts == 0 {
            writeln!(
                self.out,
                "{:<16}  {:<34}  {:<16}  {:>7}  why",
                "result", "notify_id", "app_id", "attempt"
            )?;
        }
        self.parts = self.parts.saturating_add(1);
        let Replayed { notify_id, app_id, result, attempt, upstream_status, reason, .. } = replayed;
        let attempt = attempt.map_or_else(|| "-".to_owned(), |attempt| attempt.to_string());
        let why = match (result, reason, upstream_status) {
            (ReplayResult::Unknown, ..) => {
                "nothing is kept under this name: `pending list` says what is".to_owned()
            }
            (ReplayResult::Ambiguous, ..) => "it is kept for several apps: write APP_ID/NOTIFY_ID".to_owned(),
            (ReplayResult::Unreadable, ..) => UNREADABLE.to_owned(),
            (_, Some(reason), Some(status)) => format!("{reason}, status {status}"),
            (_, Some(reason), None) => reason.clone(),
            (_, None, Some(status)) => format!("status {status}"),
            (ReplayResult::Accepted | ReplayResult::AcceptedEarlier | ReplayResult::Failed, None, None) => {
                "-".to_owned()
            }
        };
        let app_id = app_id.as_deref().unwrap_or("-");
        writeln!(self.out, "{:<16}  {notify_id:<34}  {app_id:<16}  {attempt:>7}  {why}", result.label())?;
        self.out.flush()
    }

    /// Writes what waits to be written.
    fn finish(&mut self) -> io::Result<()> {
        let mut out = BufWriter::new(&mut *self.out);
        if !self.entries.is_empty() {
            table(&self.entries, &mut out)?;
        }
        for record in &self.unreadable {
            writeln!(out, "unreadable: {record}: {UNREADABLE}")?;
        }
        if self.parts == 0 && !self.json {
            let what =
                if self.is_list { "Nothing is pending." } else { "Nothing is pending: nothing was sent." };
            writeln!(out, "{what}")?;
        }
        out.flush()
    }
}

const COLUMNS: [&str; 9] = [
    "notify_id",
    "app_id",
    "message",
    "first seen",
    "last attempt",
    "attempts",
    "next due",
    "reason",
    "bytes",
];

fn table(entries: &[Entry], out: &mut impl Write) -> io::Result<()> {
    let mut apps = HashMap::<&str, usize>::new();
    for entry in entries {
        let count = apps.entry(&entry.notify_id).or_default();
        *count = count.saturating_add(1);
    }
    // What stands in the first column is what `replay` takes.
    let name = |entry: &Entry| match apps.get(entry.notify_id.as_str()) {
        Some(2..) => format!("{}/{}", entry.app_id, entry.notify_id),
        Some(_) | None => entry.notify_id.clone(),
    };
    let rows: Vec<[String; 9]> = entries.iter().map(|entry| row(name(entry), entry)).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(String::len);
        cells.chain(COLUMNS.get(column).map(|name| name.len())).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..COLUMNS.len()).map(width).collect();
    let mut write_row = |cells: &[String; 9]| {
        let padded: Vec<String> =
            cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(out, "{}", padded.join("  ").trim_end())
    };
    write_row(&COLUMNS.map(ToOwned::to_owned))?;
    rows.iter().try_for_each(write_row)
}

fn row(name: String, entry: &Entry) -> [String; 9] {
    [
        name,
        entry.app_id.clone(),
        entry.msg_method.clone(),
        entry.first_seen.clone(),
        entry.last_attempt.clone(),
        entry.attempts.to_string(),
        entry.next_due.clone().unwrap_or_else(|| "over".to_owned()),
        entry.reason.clone(),
        entry.bytes.to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::Receiver;

    use super::*;

    fn entry(number: usize) -> Entry {
        Entry {
            notify_id: format!("{number:0>128}"),
            app_id: "2021000000000000".to_owned(),
            msg_method: "a.b".to_owned(),
            first_seen: String::new(),
            last_attempt: String::new(),
            attempts: 1,
            next_due: None,
            reason: "upstream_refused".to_owned(),
            bytes: 1,
        }
    }

    /// A reader who reads nothing until the whole answer was taken from the process.
    struct Paused<'w> {
        taken: &'w Receiver<()>,
        read: Vec<u8>,
    }

    impl Write for Paused<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.read.is_empty() {
                self.taken.recv().map_err(io::Error::other)?;
            }
            self.read.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_process_need_not_wait_for_who_reads_what_is_printed() {
        // Far more than a socket holds.
        const ENTRIES: usize = 20_000;
        let (near, far) = UnixStream::pair().unwrap();
        let (tell, taken) = channel();
        thread::scope(|scope| {
            scope.spawn(move || {
                far.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
                let mut question = String::new();
                BufReader::new(&far).read_line(&mut question).unwrap();
                let mut far = BufWriter::new(&far);
                let parts = (0..ENTRIES).map(|number| Reply::Entry(entry(number)));
                for part in parts.chain([Reply::End { keep_failed: true }]) {
                    serde_json::to_writer(&mut far, &part).unwrap();
                    writeln!(far).unwrap();
                }
                far.flush().unwrap();
                tell.send(()).unwrap();
            });
            let mut out = Paused { taken: &taken, read: Vec::new() };
            let mut print = Print {
                json: true,
                is_list: true,
                entries: Vec::new(),
                parts: 0,
                unreadable: Vec::new(),
                is_well: true,
                out: &mut out,
            };
            assert!(print.all(|parts| over(&near, &Ask::List, &parts)).unwrap());
            assert_eq!(out.read.split(|byte| *byte == b'\n').count(), ENTRIES + 1);
        });
    }
}
