//! kubectl, helm, and the driver in Python.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{LazyLock, Mutex};

use serde_json::{Value, json};

use crate::driver::{Driver, python};

/// The oldest and the newest kubectl and helm.
pub(crate) const TOOLS: [&str; 2] = ["1.29", "1.37"];

static DRIVER: LazyLock<Mutex<Driver>> = LazyLock::new(|| {
    let (interpreter, script, installed) = python("../kubernetes/tools");
    Mutex::new(Driver::start("kubernetes", &interpreter, &script, &installed))
});

/// A path in the repository.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The answer of the driver.
#[track_caller]
pub(crate) fn ask(request: &Value) -> Value {
    let answer = DRIVER.lock().unwrap_or_else(std::sync::PoisonError::into_inner).ask(request);
    assert!(answer.get("error").is_none(), "{answer}");
    answer["ok"].clone()
}

/// What is wrong with `objects` according to the schemas of `versions`.
pub(crate) fn validate(objects: &[Value], versions: &[&str]) -> Vec<String> {
    let said = ask(&json!({"action": "validate", "objects": objects, "versions": versions}));
    serde_json::from_value(said).unwrap()
}

/// The objects that `kubectl kustomize` makes of a folder of the repository.
#[track_caller]
pub(crate) fn kustomize(version: &str, folder: &str) -> Vec<Value> {
    let folder = path(folder);
    objects(&run("kubectl", version, &["kustomize", folder.to_str().unwrap()]))
}

/// The objects that `helm template` makes of a chart.
#[track_caller]
pub(crate) fn template(version: &str, chart: &Path, arguments: &[&str]) -> Vec<Value> {
    let chart = chart.to_str().unwrap();
    objects(&run("helm", version, &[&["template", "shop", chart, "--namespace", "shop"], arguments].concat()))
}

/// A run of `kubectl` or `helm`, which must end well.
#[track_caller]
fn run(program: &str, version: &str, arguments: &[&str]) -> String {
    let output = attempt(program, version, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {version} {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// A run of `kubectl` or `helm`.
#[track_caller]
pub(crate) fn attempt(program: &str, version: &str, arguments: &[&str]) -> Output {
    let binary = path("tests/kubernetes/tools/.bin").join(version).join(program);
    let output = Command::new(&binary).args(arguments).env("HELM_NO_PLUGINS", "1").output();
    output.unwrap_or_else(|error| {
        panic!("{}: {error}; `make test-deps` installs it, for x86_64", binary.display())
    })
}

#[track_caller]
fn objects(yaml: &str) -> Vec<Value> {
    let objects: Vec<Value> =
        serde_json::from_value(ask(&json!({"action": "objects", "yaml": yaml}))).unwrap();
    assert!(!objects.is_empty(), "nothing was rendered");
    objects
}

/// The one object of `kind` with `name`.
#[track_caller]
pub(crate) fn object<'o>(objects: &'o [Value], kind: &str, name: &str) -> &'o Value {
    let is_it = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == name;
    let mut found = objects.iter().filter(is_it);
    let object = found.next().unwrap_or_else(|| panic!("no {kind} {name}"));
    assert!(found.next().is_none(), "two of {kind} {name}");
    object
}
