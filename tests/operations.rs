//! What operators work with, against the code and against Prometheus' own tool: metrics, alerts, the dashboard, and the
//! page that says what to do.
#![cfg(test)]
#![expect(
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    reason = "the sources and documents of this repository, cut where ASCII was found and counted"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use alipay_sidecar::rejection::Reason;
use alipay_sidecar::telemetry::metrics::Metrics;
use alipay_sidecar::telemetry::{Line, Telemetry};
use jiff::Timestamp;
use serde_json::Value;

const PAGE: &str = "docs/operations.md";
const RULES: &str = "k8s/monitoring/alipay-sidecar.rules.yaml";
const OPERATOR: &str = "k8s/monitoring/prometheusrule.yaml";
const TESTS: &str = "tests/monitoring/alerts.yaml";
const DASHBOARD: &str = "k8s/monitoring/dashboard.json";

fn root(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(root(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What `/metrics` says after requests of every end.
fn metrics() -> String {
    let metrics = Arc::new(Metrics::new(["a.message"].into_iter(), "memory").unwrap());
    let telemetry = Telemetry::new(Arc::clone(&metrics));
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().build_local(tokio::runtime::LocalOptions::default()).unwrap();
    runtime.block_on(async {
        for reason in Reason::ALL {
            let line = Line::new(Instant::now(), SocketAddr::from(([127, 0, 0, 1], 1)));
            telemetry.record(&line, &Err((*reason).into()));
        }
    });
    metrics.certificates(&BTreeMap::from([("server.tls".to_owned(), Timestamp::UNIX_EPOCH)]));
    metrics.text().unwrap()
}

/// Names and types of all metrics.
fn known() -> BTreeMap<String, String> {
    let text = metrics();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let known: BTreeMap<_, _> = types.map(|(name, kind)| (name.into(), kind.into())).collect();
    assert!(known.len() > 15);
    known
}

/// Runs promtool and returns what it printed; it must be content.
fn promtool(arguments: &[&str], input: &str) -> String {
    let unpacked = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("tools/promtool/usr/bin/promtool");
    let tool = if unpacked.exists() { unpacked } else { PathBuf::from("promtool") };
    let mut command = Command::new(tool);
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .unwrap_or_else(|error| panic!("promtool: {error}; `make test` (or `make test-deps`) installs it"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "promtool {arguments:?}:\n{said}");
    said
}

#[test]
fn promtool_finds_nothing_to_criticise_in_the_metrics() {
    assert_eq!(promtool(&["check", "metrics"], &metrics()), "");
}

#[test]
fn promtool_finds_the_rules_sound_and_each_alert_fires_when_it_should_and_only_then() {
    let alerts = alerts();
    let said = promtool(&["check", "rules", RULES], "");
    assert!(said.contains(&format!("{} rules found", alerts.len())), "{said}");
    promtool(&["test", "rules", TESTS], "");
    let tests = read(TESTS);
    for alert in &alerts {
        for case in [format!("name: {alert} fires\n"), format!("name: {alert} is quiet\n")] {
            assert_eq!(tests.matches(&case).count(), 1, "{TESTS}: {case}");
        }
    }
    let quiet = tests.matches("exp_alerts: []").count();
    assert_eq!(quiet, alerts.len());
    assert!(tests.matches("exp_labels:").count() >= alerts.len(), "each alert fires in one test at least");
}

#[test]
fn the_operators_rules_are_the_same() {
    let rules = read(RULES);
    let rules = &rules[rules.find("groups:").unwrap()..];
    let operator = read(OPERATOR);
    let (_, spec) = operator.split_once("\nspec:\n").unwrap();
    let spec: Vec<&str> = spec.lines().map(|line| line.strip_prefix("  ").unwrap_or(line)).collect();
    assert_eq!(spec, rules.lines().collect::<Vec<_>>(), "{OPERATOR} is not {RULES}, two spaces further in");
}

/// The names of the alerts.
fn alerts() -> BTreeSet<String> {
    let rules = read(RULES);
    let alerts =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).map(ToOwned::to_owned);
    let alerts: BTreeSet<String> = alerts.collect();
    assert!(alerts.len() > 10, "{alerts:?}");
    alerts
}

/// Each panel's expressions, with the names of the panels.
fn expressions() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let mut found = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{panel}");
        for target in targets {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            found.push((text(&panel["title"]), text(&target["expr"])));
        }
    }
    assert!(found.len() > 15);
    found
}

#[test]
fn promtool_understands_each_expression_of_the_dashboard() {
    let mut rules = "groups:\n  - name: dashboard\n    rules:\n".to_owned();
    let expressions = expressions();
    for (number, (_, expression)) in expressions.iter().enumerate() {
        // What Grafana fills in.
        let filled_in = expression.replace("$__rate_interval", "5m").replace("$job", ".*");
        assert!(!filled_in.contains('$'), "{filled_in}");
        writeln!(rules, "      - record: panel:{number}\n        expr: '{filled_in}'").unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dashboard.yaml");
    fs::write(&file, rules).unwrap();
    let said = promtool(&["check", "rules", file.to_str().unwrap()], "");
    assert!(said.contains(&format!("{} rules found", expressions.len())), "{said}");
}

#[test]
fn what_waits_in_a_ledger_that_replicas_share_is_counted_once() {
    let expressions = expressions();
    let (_, expression) = expressions.iter().find(|(title, _)| title.starts_with("Waiting for")).unwrap();
    let expression = expression.replace("$job", ".*");
    let mut test = "evaluation_interval: 1m\ntests:\n  - interval: 1m\n    input_series:\n".to_owned();
    // Two replicas with a file each, and two that tell the same of their Redis, one of them a little later.
    for (job, instance, ledger, waiting) in [
        ("one", "a", "file", 1),
        ("one", "b", "file", 2),
        ("two", "c", "redis", 40),
        ("two", "d", "redis", 30),
    ] {
        let labels = format!("job=\"{job}\", namespace=\"shop\", instance=\"{instance}\"");
        let info = format!("alipay_sidecar_build_info{{{labels}, ledger=\"{ledger}\", version=\"0\"}}");
        let gauge = format!("alipay_sidecar_waiting_for_retry{{{labels}}}");
        for (series, value) in [(info, 1), (gauge, waiting)] {
            writeln!(test, "      - series: '{series}'\n        values: '{value}x10'").unwrap();
        }
    }
    writeln!(test, "    promql_expr_test:\n      - expr: '{expression}'\n        eval_time: 5m").unwrap();
    test.push_str("        exp_samples:\n          - labels: '{}'\n            value: 43\n");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("waiting.yaml");
    fs::write(&file, test).unwrap();
    promtool(&["test", "rules", file.to_str().unwrap()], "");
}

#[test]
fn alerts_and_dashboard_ask_for_metrics_and_reasons_that_exist() {
    let known = known();
    let labels: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.rule().label).collect();
    let texts = [read(RULES), expressions().into_iter().map(|(_, expression)| expression + "\n").collect()];
    for text in texts {
        let words = text.split(|char: char| !char.is_ascii_alphanumeric() && char != '_');
        let metrics =
            words.filter(|word| word.starts_with("alipay_sidecar_") || word.starts_with("process_"));
        let mut count = 0;
        for name in metrics {
            let name = name.strip_suffix("_bucket").unwrap_or(name);
            assert!(known.contains_key(name), "there is no metric {name}");
            count += 1;
        }
        assert!(count > 15);
        for reasons in text.split("reason=~\"").skip(1).map(|after| after.split('"').next().unwrap()) {
            for reason in reasons.split('|').filter(|reason| *reason != "upstream_.+") {
                assert!(labels.contains(reason), "there is no reason {reason}");
            }
        }
    }
    for (title, expression) in expressions() {
        assert!(known.keys().any(|name| expression.contains(name.as_str())), "{title}");
    }
}

/// The tables of the page, by the name of their first column: rows of cells.
fn table(first: &str) -> Vec<Vec<String>> {
    let page = read(PAGE);
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let mut lines = page.lines().skip_while(|line| !line.starts_with(&format!("| {first} |")));
    assert!(lines.next().is_some(), "{PAGE}: no table of {first}");
    lines.skip(1).take_while(|line| line.starts_with('|')).map(cells).collect()
}

fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect()
}

/// Expects the sets to be the same, and says what to add and what to remove.
#[track_caller]
fn same(what: &str, found: &BTreeSet<String>, wanted: &BTreeSet<String>) {
    let missing: Vec<_> = wanted.difference(found).collect();
    let unknown: Vec<_> = found.difference(wanted).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "{PAGE}: {what}: missing {missing:#?}, unknown {unknown:#?}"
    );
}

#[test]
fn the_page_has_every_metric_with_its_type() {
    let rows =
        table("metric").into_iter().map(|cells| format!("{} {}", quoted(&cells[0]).join(" "), cells[1]));
    let wanted = known().into_iter().map(|(name, kind)| format!("{name} {kind}"));
    same("metrics (name and type)", &rows.collect(), &wanted.collect());
}

#[test]
fn the_page_has_every_event_of_the_log_with_its_levels_and_fields() {
    let wanted = events().into_iter().map(|(event, Event { levels, fields })| {
        let levels: Vec<String> = levels.into_iter().collect();
        let fields: Vec<String> = fields.into_iter().map(|field| format!("`{field}`")).collect();
        let fields = if event == "notification" { "below".to_owned() } else { fields.join(", ") };
        format!("| `{event}` | {} | {fields} |", levels.join(", "))
    });
    let rows = table("event").into_iter().map(|cells| format!("| {} |", cells[..3].join(" | ")));
    same("events (name, levels, fields)", &rows.collect(), &wanted.collect());
}

#[test]
fn the_page_has_every_field_of_a_notification_and_every_attribute_of_its_span() {
    let rows = table("field");
    let mut wanted = events().remove("notification").unwrap().fields;
    wanted.extend(["timestamp", "level", "event"].map(ToOwned::to_owned));
    let found = rows.iter().flat_map(|cells| quoted(&cells[0])).collect();
    same("fields of a notification", &found, &wanted);
    let source = read("src/telemetry/spans/span.rs");
    let attributes: BTreeSet<String> =
        source.split("add(\"").skip(1).map(|after| after.split('"').next().unwrap().to_owned()).collect();
    assert!(attributes.len() > 5);
    let marked = rows.iter().filter(|cells| cells[1] == "yes").flat_map(|cells| quoted(&cells[0])).collect();
    same("attributes of a span", &marked, &attributes);
}

#[test]
fn the_page_has_a_section_for_every_alert_and_every_alert_leads_to_it() {
    let page = read(PAGE);
    let sections = page.lines().filter_map(|line| line.strip_prefix("### AlipaySidecar"));
    same("alerts", &sections.map(|name| format!("AlipaySidecar{name}")).collect(), &alerts());
    let rules = read(RULES);
    let runbooks = rules.lines().filter_map(|line| line.trim().strip_prefix("runbook: "));
    let wanted = alerts().iter().map(|name| format!("\"{PAGE}#{}\"", name.to_ascii_lowercase())).collect();
    same("runbooks", &runbooks.map(ToOwned::to_owned).collect(), &wanted);
    // Each says what to do.
    for section in page.split("\n### AlipaySidecar").skip(1) {
        assert!(section.contains("**Do**"), "{section}");
    }
}

#[test]
fn the_links_of_the_page_lead_to_files() {
    let page = read(PAGE);
    let mut links = 0;
    for target in page.split("](").skip(1).filter_map(|after| after.split_once(')')).map(|(target, _)| target)
    {
        if !target.starts_with("https://") && !target.starts_with('#') {
            assert!(root("docs").join(target.split('#').next().unwrap()).exists(), "{target}");
            links += 1;
        }
    }
    assert!(links > 3);
}

/// An event of the log, wherever it is written.
#[derive(Default)]
struct Event {
    levels: BTreeSet<String>,
    fields: BTreeSet<String>,
}

/// All events that the sources write, by name.
fn events() -> BTreeMap<String, Event> {
    let mut events = BTreeMap::<String, Event>::new();
    let mut folders = vec![root("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
                continue;
            }
            let source = fs::read_to_string(entry.path()).unwrap();
            for (place, _) in source.match_indices("event = \"") {
                let (before, call) = source.split_at(place);
                let parts = arguments(call);
                let name = parts[0].trim_start_matches("event = ").trim_matches('"').to_owned();
                let event = events.entry(name).or_default();
                let macro_name = before.trim_end().trim_end_matches('(').trim_end_matches('!');
                let level =
                    macro_name.rsplit(|char: char| !char.is_ascii_lowercase() && char != '$').next().unwrap();
                match level {
                    // Of a notification it follows from what became of it.
                    "$level" => event.levels.extend(["info", "warn", "error"].map(ToOwned::to_owned)),
                    level => drop(event.levels.insert(level.to_owned())),
                }
                let fields = parts[1..].iter().take_while(|part| !part.starts_with('"'));
                event.fields.extend(fields.map(|part| {
                    let name = part.split_once(" = ").map_or(part.as_str(), |(name, _)| name);
                    name.trim_start_matches(['%', '?']).to_owned()
                }));
            }
        }
    }
    assert!(events.len() > 10 && events.contains_key("notification"));
    events
}

/// The arguments of a call of a macro, from the first on; what follows the call is left alone.
fn arguments(call: &str) -> Vec<String> {
    let (mut parts, mut depth, mut in_text, mut is_escaped) = (vec![String::new()], 0_usize, false, false);
    for char in call.chars() {
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' if in_text => is_escaped = true,
            '"' => in_text = !in_text,
            _ if in_text => {}
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => break,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().unwrap().push(char);
    }
    parts.into_iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}
