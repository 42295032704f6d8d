//! Any bytes as a configuration: it is read, or refused in words that hold no secret.
#![no_main]

use std::path::Path;

use alipay_sidecar::config::Config;
use libfuzzer_sys::fuzz_target;

/// What every variable of the environment holds.
const SECRET: &str = "the-value-of-a-variable";

fuzz_target!(|bytes: &[u8]| {
    let said = match Config::parse(Path::new("/nowhere/sidecar.toml"), bytes, |_| Some(SECRET.to_owned())) {
        Ok(config) => {
            assert!(!config.server.paths.is_empty());
            assert_eq!(config.apps.len(), config.keyring.len());
            assert!(config.apps.iter().all(|app| !app.keys.is_empty()));
            config.warnings.iter().map(|warning| format!("{warning}\n")).collect()
        }
        Err(errors) => format!("{errors}\n"),
    };
    let said_by_file = String::from_utf8_lossy(bytes).contains(SECRET);
    assert!(said_by_file || !said.contains(SECRET), "a message holds a secret");
    assert!(
        said.chars().all(|char| char == '\n' || !char.is_control()),
        "a message holds a raw control character"
    );
});
