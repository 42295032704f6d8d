//! The documents against the code: every key, reason, metric and log field stands in both READMEs, and nothing else.
#![cfg(test)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use alipay_sidecar::config::{Config, KEYS, LISTS};
use alipay_sidecar::diagnose::Cause;
use alipay_sidecar::rejection::{Answer, Reason, Severity};
use alipay_sidecar::telemetry::metrics::Metrics;
use alipay_sidecar::telemetry::{Line, Telemetry};
use alipay_sidecar::tools::keygen::keygen;
use alipay_sidecar::tools::schema;
use alipay_sidecar::translate::catalogue::Catalogue;
use jiff::Timestamp;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

const ENGLISH: &str = "README.md";
const CHINESE: &str = "README.zh-CN.md";
const READMES: [&str; 2] = [ENGLISH, CHINESE];

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The documents at the root, by name.
fn documents() -> Vec<(String, String)> {
    let found: Vec<_> = fs::read_dir(env!("CARGO_MANIFEST_DIR"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "md"))
        .map(|name| (name.clone(), read(&name)))
        .collect();
    assert!(found.len() >= 6, "{found:?}");
    found
}

/// What a document is made of.
#[derive(Default)]
struct Document {
    /// The headings, with the number of their marks.
    headings: Vec<(usize, String)>,
    tables: Vec<Table>,
    code: Vec<Code>,
}

struct Table {
    /// The heading above it.
    heading: String,
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

struct Code {
    language: String,
    text: String,
}

impl Document {
    fn parse(name: &str) -> Self {
        let text = read(name);
        let mut document = Self::default();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            if let Some(language) = line.trim_start().strip_prefix("```") {
                let mut text = String::new();
                for line in lines.by_ref().take_while(|line| line.trim_start() != "```") {
                    writeln!(text, "{line}").unwrap();
                }
                document.code.push(Code { language: language.to_owned(), text });
            } else if line.starts_with('#') {
                let level = line.bytes().take_while(|byte| *byte == b'#').count();
                document.headings.push((level, line.trim_start_matches('#').trim().to_owned()));
            } else if line.starts_with('|') {
                let heading = document.headings.last().map(|(_, title)| title.clone()).unwrap_or_default();
                assert!(lines.next().is_some_and(|rule| rule.starts_with("|---")), "{name}: {line}");
                let mut table = Table { heading, header: cells(line), rows: Vec::new() };
                while let Some(row) = lines.next_if(|line| line.starts_with('|')) {
                    table.rows.push(cells(row));
                    assert_eq!(table.rows.last().map(Vec::len), Some(table.header.len()), "{name}: {row}");
                }
                document.tables.push(table);
            }
        }
        document
    }

    /// The one table whose first column is called by one of `names`, one for each language.
    fn table(&self, names: [&str; 2]) -> &Table {
        let mut found = self.tables.iter().filter(|table| names.contains(&table.header[0].as_str()));
        let table = found.next().unwrap_or_else(|| panic!("no table of {names:?}"));
        assert!(found.next().is_none(), "two tables of {names:?}");
        table
    }

    /// The table below the heading of a section of the configuration.
    fn section(&self, section: &str) -> &Table {
        let heading =
            if LISTS.contains(&section) { format!("`[[{section}]]`") } else { format!("`[{section}]`") };
        let mut tables = self.tables.iter().filter(|table| table.heading == heading);
        tables.next().unwrap_or_else(|| panic!("no table below the heading {heading}"))
    }
}

fn cells(line: &str) -> Vec<String> {
    let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
    inner.split('|').map(|cell| cell.trim().to_owned()).collect()
}

fn row(cells: &[String]) -> String {
    format!("| {} |", cells.join(" | "))
}

/// What stands between backticks in `cell`.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect()
}

/// Expects `found` to be `wanted`, and says which rows to paste, filled up to `columns`, or to remove.
#[track_caller]
fn same_rows(name: &str, what: &str, columns: usize, found: &[String], wanted: &[String]) {
    let mut said = String::new();
    for row in wanted.iter().filter(|row| !found.contains(row)) {
        let rest = " … |".repeat(columns.saturating_sub(row.matches(" |").count()));
        writeln!(
            said,
            "{name}: the table of {what} lacks this row, or has another in its place:\n{row}{rest}"
        )
        .unwrap();
    }
    for row in found.iter().filter(|row| !wanted.contains(row)) {
        writeln!(said, "{name}: the table of {what} has a row that the code does not know:\n{row}").unwrap();
    }
    assert!(said.is_empty(), "\n{said}");
    assert_eq!(found, wanted, "{name}: the table of {what} is in another order, or repeats a row");
}

#[test]
fn every_key_has_a_row_with_the_default_of_sidecar_toml() {
    let defaults: toml::Table = toml::from_str(&read("sidecar.toml")).unwrap();
    for name in READMES {
        let document = Document::parse(name);
        for (section, keys) in KEYS {
            let found: Vec<String> =
                document.section(section).rows.iter().map(|cells| row(&cells[..2])).collect();
            let wanted: Vec<String> = keys
                .iter()
                .map(|key| {
                    let default = defaults.get(*section).and_then(|section| section.get(*key));
                    // What has no default is not live in the file.
                    let default = default.map_or("—".to_owned(), |value| format!("`{}`", literal(value)));
                    row(&[format!("`{key}`"), default])
                })
                .collect();
            same_rows(name, &format!("[{section}] (key and default)"), 4, &found, &wanted);
        }
    }
}

/// A value as the configuration writes it.
fn literal(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => format!("{text:?}"),
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Boolean(truth) => truth.to_string(),
        toml::Value::Array(items) => {
            format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", "))
        }
        toml::Value::Float(_) | toml::Value::Datetime(_) | toml::Value::Table(_) => {
            panic!("no key has such a value: {value:?}")
        }
    }
}

#[test]
fn every_reason_has_its_row() {
    let row_of = |reason: &Reason, with_meaning: bool| {
        let rule = reason.rule();
        let answer = match rule.answer {
            Answer::Status(status) => status.as_str().to_owned(),
            Answer::Retry => "`failure_status`".to_owned(),
            Answer::Close => "—".to_owned(),
        };
        let level = match rule.severity {
            Severity::Sender => "info",
            Severity::Upstream => "warn",
            Severity::Operator => "error",
        };
        let mut cells = vec![format!("`{}`", rule.label), answer, level.to_owned()];
        cells.extend(with_meaning.then(|| rule.meaning.to_owned()));
        row(&cells)
    };
    for (name, with_meaning) in [(ENGLISH, true), (CHINESE, false)] {
        let document = Document::parse(name);
        let rows = &document.table(["reason", "reason"]).rows;
        let columns = if with_meaning { 4 } else { 3 };
        let found: Vec<String> = rows.iter().map(|cells| row(&cells[..columns])).collect();
        let wanted: Vec<String> = Reason::ALL.iter().map(|reason| row_of(reason, with_meaning)).collect();
        same_rows(name, "reasons", 4, &found, &wanted);
        assert!(rows.iter().all(|cells| !cells[3].is_empty()), "{name}: a reason without a meaning");
    }
}

#[test]
fn every_cause_of_a_failing_signature_has_its_row() {
    for (name, is_english) in [(ENGLISH, true), (CHINESE, false)] {
        let document = Document::parse(name);
        let rows = &document.table(["likely_cause"; 2]).rows;
        let columns = if is_english { 3 } else { 1 };
        let found: Vec<String> = rows.iter().map(|cells| row(&cells[..columns])).collect();
        let row_of = |cause: &Cause| {
            let cells =
                [format!("`{}`", cause.label()), cause.meaning().to_owned(), cause.remedy().to_owned()];
            row(&cells[..columns])
        };
        let wanted: Vec<String> = Cause::ALL.iter().map(row_of).collect();
        same_rows(name, "causes", 3, &found, &wanted);
        assert!(
            rows.iter().all(|cells| !cells[1].is_empty() && !cells[2].is_empty()),
            "{name}: an empty cell"
        );
    }
}

/// Counters after one request, of a sender who is not there, has ended; with what became of it.
fn metrics_of_one_request() -> (Arc<Metrics>, impl FnOnce()) {
    let metrics = Arc::new(Metrics::new(std::iter::empty(), "off").unwrap());
    let telemetry = Telemetry::new(Arc::clone(&metrics));
    let record = move || {
        let line = Line::new(Instant::now(), SocketAddr::from(([127, 0, 0, 1], 1)));
        telemetry.record(&line, &Err(Reason::UnknownPath.into()));
        telemetry.metrics().certificates(&[("server.tls".to_owned(), Timestamp::UNIX_EPOCH)].into());
    };
    (metrics, record)
}

#[test]
fn every_metric_has_its_row_and_no_document_speaks_of_another() {
    let (metrics, record) = metrics_of_one_request();
    record();
    let text = metrics.text().unwrap();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let wanted: BTreeSet<String> =
        types.clone().map(|(name, kind)| row(&[format!("`{name}`"), kind.to_owned()])).collect();
    let wanted: Vec<String> = wanted.into_iter().collect();
    assert!(!wanted.is_empty());
    for name in READMES {
        let document = Document::parse(name);
        let rows = &document.table(["metric", "指标"]).rows;
        let mut found: Vec<String> = rows.iter().map(|cells| row(&cells[..2])).collect();
        found.sort();
        same_rows(name, "metrics (name and type)", 4, &found, &wanted);
        for cells in rows {
            let labels: Vec<String> = quoted(&cells[2]);
            assert_eq!(labels, labels_of(&text, &quoted(&cells[0])[0]), "{name}: labels of {}", cells[0]);
        }
    }
    for (name, document) in documents() {
        let words = document.split(|char: char| !char.is_ascii_lowercase() && char != '_');
        for word in words.filter(|word| word.starts_with("alipay_sidecar_")) {
            assert!(types.clone().any(|(known, _)| known == word), "{name}: there is no metric {word}");
        }
    }
}

/// The labels of a metric, in the order in which the documents name them.
fn labels_of(text: &str, metric: &str) -> Vec<String> {
    let start = format!("{metric}{{");
    let Some(line) = text.lines().find_map(|line| line.strip_prefix(&start)) else { return Vec::new() };
    let (labels, _) = line.split_once('}').unwrap();
    let mut names: Vec<String> =
        labels.split(',').map(|label| label.split_once('=').unwrap().0.to_owned()).collect();
    names.sort_by_key(|name| ["outcome", "reason", "msg_method"].iter().position(|known| known == name));
    names
}

#[test]
fn every_field_of_the_log_line_has_its_row() {
    let names = Fields::default();
    let (_, record) = metrics_of_one_request();
    tracing::subscriber::with_default(names.clone(), record);
    let mut wanted = vec!["timestamp".to_owned(), "level".to_owned()];
    wanted.extend(names.0.lock().unwrap().iter().map(|name| (*name).to_owned()));
    assert!(wanted.len() > 2);
    for name in READMES {
        let document = Document::parse(name);
        let found: Vec<String> =
            document.table(["field", "字段"]).rows.iter().flat_map(|cells| quoted(&cells[0])).collect();
        let (mut found, mut wanted) = (found, wanted.clone());
        found.sort();
        wanted.sort();
        same_rows(name, "log fields (names)", 0, &found, &wanted);
    }
}

/// The names of the fields of all events.
#[derive(Clone, Default)]
struct Fields(Arc<Mutex<Vec<&'static str>>>);

impl Subscriber for Fields {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.0.lock().unwrap().extend(event.metadata().fields().iter().map(|field| field.name()));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[test]
fn the_page_of_messages_is_that_of_the_catalogue() {
    let mut page = Vec::new();
    schema::page(&Catalogue::builtin(), &mut page).unwrap();
    let is_current = read("docs/messages.md").as_bytes() == page;
    assert!(is_current, "docs/messages.md is not what the catalogue says; renew it: make messages");
}

#[test]
fn the_readmes_are_in_step_and_lead_to_each_other() {
    let [english, chinese] = READMES.map(Document::parse);
    let levels =
        |document: &Document| -> Vec<usize> { document.headings.iter().map(|(level, _)| *level).collect() };
    assert_eq!(levels(&english), levels(&chinese), "headings, by level");
    let languages = |document: &Document| -> Vec<String> {
        document.code.iter().map(|code| code.language.clone()).collect()
    };
    assert_eq!(languages(&english), languages(&chinese), "blocks of code, by language");
    let tables = |document: &Document| -> Vec<(usize, usize)> {
        document.tables.iter().map(|table| (table.header.len(), table.rows.len())).collect()
    };
    assert_eq!(tables(&english), tables(&chinese), "tables, by columns and rows");
    for (name, other) in [(ENGLISH, CHINESE), (CHINESE, ENGLISH)] {
        let text = read(name);
        let top: Vec<&str> = text.lines().take(5).collect();
        assert!(
            top.iter().any(|line| line.contains(&format!("]({other})"))),
            "{name} should open with a link"
        );
    }
}

#[test]
fn every_configuration_in_the_readmes_is_sound() {
    let folder = tempfile::tempdir().unwrap();
    keygen(&folder.path().join("keys")).unwrap();
    for name in READMES {
        let document = Document::parse(name);
        let mut configurations = document.code.iter().filter(|code| code.language == "toml").peekable();
        assert!(configurations.peek().is_some(), "{name} shows no configuration");
        for Code { text, .. } in configurations {
            let config = Config::parse(&folder.path().join("sidecar.toml"), text.as_bytes(), |_| None);
            let config = config.unwrap_or_else(|errors| panic!("{name}:\n{text}\n{errors}"));
            assert!(config.warnings.is_empty(), "{name}: {:?}", config.warnings);
        }
    }
}

#[test]
fn links_lead_to_files_and_no_path_is_of_one_machine() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut links = 0;
    for (name, text) in documents() {
        for target in
            text.split("](").skip(1).filter_map(|after| after.split_once(')')).map(|(target, _)| target)
        {
            if target.starts_with("https://") || target.starts_with('#') {
                continue;
            }
            links += 1;
            assert!(root.join(target).exists(), "{name}: the link to {target} leads nowhere");
        }
        for folder in ["/work", "/tmp/", "/root/", "/home/", "/Users/"] {
            assert!(!text.contains(folder), "{name} speaks of {folder}");
        }
    }
    assert!(links > 10);
}

#[test]
fn every_test_that_security_md_names_exists() {
    let mut sources = Vec::new();
    let mut folders = vec!["src".to_owned(), "tests".to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(&folder)).unwrap() {
            let name = format!("{folder}/{}", entry.unwrap().file_name().into_string().unwrap());
            if Path::new(&name).extension().is_some_and(|extension| extension == "rs") {
                sources.push(read(&name));
            } else if !name.contains("/.") && !name.contains("node_modules") && !name.contains('.') {
                folders.push(name);
            }
        }
    }
    let document = Document::parse("SECURITY.md");
    let attacks = document.table(["attack"; 2]);
    let names: Vec<String> = attacks.rows.iter().flat_map(|row| quoted(&row[2])).collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names.iter().filter(|name| !name.contains('/')) {
        let is_test = sources.iter().any(|source| source.contains(&format!("fn {name}(")));
        assert!(is_test, "SECURITY.md names {name}, which is no test");
    }
}
