//! The configuration: every rule, every message with its place, and the documented defaults.

#![cfg(test)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use alipay_sidecar::config::{
    Config, ConfigErrors, Format, KEYS, KeySource, LISTS, LedgerStore, LogFormat, OnMismatch, OnStoreError,
    RedisUrl, UnknownMethods,
};
use alipay_sidecar::verify::SignedForm;
use hyper::StatusCode;
use insta::assert_snapshot;
use proptest::prelude::*;

const FIXTURES: &str = "tests/fixtures/config";

fn no_env(_: &str) -> Option<String> {
    None
}

fn parse(text: &str) -> Result<Config, ConfigErrors> {
    Config::parse(Path::new("sidecar.toml"), text.as_bytes(), no_env)
}

fn sound(text: &str) -> Config {
    parse(text).unwrap_or_else(|errors| panic!("{text}\n{errors}"))
}

/// The messages about a text, without the name of the file.
fn errors(text: &str) -> String {
    parse(text).expect_err(text).to_string().replace("sidecar.toml:", "")
}

fn warnings(text: &str) -> Vec<String> {
    sound(text).warnings.iter().map(|warning| format!("{} {}", warning.key, warning.what)).collect()
}

/// The messages about a file of `invalid/`, without the folder.
fn refused(name: &str) -> String {
    refused_with(name, no_env)
}

fn refused_with(name: &str, env: impl Fn(&str) -> Option<String>) -> String {
    let folder = format!("{FIXTURES}/invalid/");
    let path = PathBuf::from(format!("{folder}{name}"));
    Config::load(&path, env).expect_err(name).to_string().replace(&folder, "")
}

fn found_in(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(Path::new(FIXTURES).join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let found: BTreeSet<String> = names.collect();
    assert!(!found.is_empty(), "{folder} has no file");
    found
}

/// The public key of `keys/test-a.pem`, as the console shows such keys.
fn inline_key(name: &str) -> String {
    let pem = fs::read_to_string(format!("{FIXTURES}/keys/{name}.pem")).unwrap();
    pem.lines().filter(|line| !line.starts_with("-----")).collect()
}

fn app(app_id: &str, key: &str) -> String {
    format!("[[apps]]\napp_id = \"{app_id}\"\nalipay_public_keys = [\"{}\"]\n", inline_key(key))
}

#[path = "config/messages.rs"]
mod messages;

#[path = "config/rules.rs"]
mod rules;

#[path = "config/tls.rs"]
mod tls;

#[path = "config/files.rs"]
mod files;

#[path = "config/secrets.rs"]
mod secrets;

#[path = "config/upstream.rs"]
mod upstream;
