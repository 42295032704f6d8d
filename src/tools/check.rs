//! `check`: reads the configuration and the keys as `run` would, and says what it found.

use std::io::{self, Write};
use std::path::Path;
use std::time::SystemTime;

use jiff::Timestamp;

use crate::config::{App, Config, ConfiguredKey, KeySource, LedgerStore, Printable, Tls, read_key_file};
use crate::ledger::{self, Condition};
use crate::verify::key::{CertificateFacts, PublicKey};

/// Reads the configuration at `path`, writes what it means or everything that is wrong with it, and says whether
/// `run` would start.
///
/// `app_public_key` is the user's own app key: a configured key that is in truth this one makes the answer `false`.
pub fn check(
    path: &Path,
    env: impl Fn(&str) -> Option<String>,
    app_public_key: Option<&Path>,
    now: SystemTime,
    out: &mut impl Write,
) -> io::Result<bool> {
    let now = Timestamp::try_from(now).map_err(io::Error::other)?;
    let own_key = app_public_key.map(read_own_key).transpose();
    let config = match Config::load(path, env) {
        Ok(config) => Some(config),
        Err(errors) => {
            writeln!(out, "{errors}")?;
            None
        }
    };
    if let Err((what, remedy)) = &own_key {
        writeln!(out, "--app-public-key  {}\n    {remedy}", Printable(what))?;
    }
    let (Some(config), Ok(own_key)) = (config, own_key) else { return Ok(false) };
    summary(path, &config, out)?;
    config.server.tls.as_ref().map_or(Ok(()), |tls| describe_tls(tls, out))?;
    for (index, app) in config.apps.iter().enumerate() {
        describe_app(index, app, out)?;
    }
    let is_ledger_sound = describe_ledger(&config.ledger.store, out)?;
    warnings(&config, now, out)?;
    let is_clean = match own_key {
        Some(own_key) => compare(&config, &own_key, out)?,
        None => true,
    };
    let is_clean = is_clean && is_ledger_sound;
    if is_clean {
        writeln!(out, "\nThe configuration is sound.")?;
    }
    Ok(is_clean)
}

/// The app's own key, or what is wrong with its file and what to do.
pub(super) fn read_own_key(path: &Path) -> Result<PublicKey, (String, &'static str)> {
    let name = path.display();
    let bytes = read_key_file(path)
        .map_err(|error| (format!("{name} cannot be read: {error}"), "check name and rights"))?;
    // An old app key may be short; it is only compared.
    PublicKey::parse_allowing_sha1(&bytes).map_err(|error| {
        // What follows the first colon is what to do about a key of Alipay's, and this is none.
        let error = error.to_string();
        let what = error.split_once(": ").map_or(error.as_str(), |(what, _)| what);
        let remedy = "name the file that holds the public key which you gave to Alipay (应用公钥)";
        (format!("{name}: {what}"), remedy)
    })
}

/// Where the proxy stands. Paths are left out: a variable may have put a secret there.
fn summary(path: &Path, config: &Config, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}", Printable(&path.to_string_lossy()))?;
    writeln!(out, "  listens on   {}", config.server.listen)?;
    writeln!(out, "  admin on     {}", config.admin.listen)?;
    writeln!(out, "  forwards to  http://{}", config.upstream.url.authority)?;
    let mut routes = config.upstream.routes.iter().enumerate();
    routes.try_for_each(|(index, route)| {
        let name = format!("routes[{index}]");
        writeln!(out, "  {name:<11}  http://{}", route.url.authority)
    })
}

fn describe_tls(tls: &Tls, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\nserver.tls  TLS 1.2 and 1.3")?;
    describe_certificate(tls.certificate(), out)
}

/// What is to be said of the ledger's file, which is not changed, and whether `run` could use it.
fn describe_ledger(store: &LedgerStore, out: &mut impl Write) -> io::Result<bool> {
    let LedgerStore::File(path) = store else { return Ok(true) };
    let what = match ledger::examine(path) {
        Ok(Condition::Absent) => "there is no file yet: `run` makes it",
        Ok(Condition::Sound) => "the file is sound, and no process has it open",
        Ok(Condition::InUse) => "a process has the file open",
        Err(problem) => {
            let name = path.to_string_lossy();
            writeln!(out, "\nledger.path  {} cannot be used: {problem}", Printable(&name))?;
            return Ok(false);
        }
    };
    writeln!(out, "\nledger.path  {what}")?;
    Ok(true)
}

fn describe_app(index: usize, app: &App, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\napps[{index}]  app_id {}", app.app_id)?;
    app.keys.iter().try_for_each(|configured| describe_key(configured, out))?;
    match app.content_key {
        Some(_) => writeln!(out, "  has a content key: what is encrypted is decrypted"),
        None => writeln!(out, "  has no content_key_file: what is encrypted is answered `fail`"),
    }?;
    match &app.answer {
        Some(answer) => {
            writeln!(out, "  answers the gateway check with its own key {}", answer.fingerprint())
        }
        None => writeln!(out, "  has no app_private_key_file: the gateway check is answered `fail`"),
    }
}

fn describe_key(configured: &ConfiguredKey, out: &mut impl Write) -> io::Result<()> {
    let key = &configured.key;
    writeln!(out, "  {}", key.fingerprint())?;
    writeln!(out, "    {} bits, {}", key.bits(), key.form())?;
    let line = configured.place.line;
    match &configured.source {
        KeySource::File(name) => writeln!(out, "    from {}, named in line {line}", Printable(name))?,
        KeySource::Inline => writeln!(out, "    from line {line}")?,
    }
    key.certificate().map_or(Ok(()), |certificate| describe_certificate(certificate, out))
}

fn describe_certificate(certificate: &CertificateFacts, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "    subject {}", Printable(&certificate.subject))?;
    writeln!(out, "    issuer {}", Printable(&certificate.issuer))?;
    writeln!(out, "    valid from {} to {}", certificate.not_before, certificate.not_after)
}

fn warnings(config: &Config, now: Timestamp, out: &mut impl Write) -> io::Result<()> {
    let of_keys = config.key_warnings(now);
    if config.warnings.is_empty() && of_keys.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nWarnings:")?;
    config.warnings.iter().chain(&of_keys).try_for_each(|warning| writeln!(out, "{warning}"))
}

/// Whether no configured key is the app's own: with that one not a single notification would verify.
fn compare(config: &Config, own_key: &PublicKey, out: &mut impl Write) -> io::Result<bool> {
    let keys = config.apps.iter().flat_map(|app| &app.keys);
    let mut is_clean = true;
    for configured in keys.filter(|configured| configured.key.fingerprint() == own_key.fingerprint()) {
        is_clean = false;
        writeln!(
            out,
            "\n{} is your app's own public key, and verifies nothing of Alipay's",
            configured.entry
        )?;
        writeln!(out, "    take Alipay's: 开放平台 → 应用 → 开发设置 → 接口加签方式 → 查看支付宝公钥")?;
    }
    Ok(is_clean)
}
