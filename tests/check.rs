//! `check`: what it prints, and when it says no.

#![cfg(test)]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use alipay_sidecar::config::Config;
use alipay_sidecar::server::Server;
use alipay_sidecar::tools::check::check;
use insta::assert_snapshot;

const FIXTURES: &str = "tests/fixtures/config";
/// 2026-12-01T00:00:00Z, while the certificate is valid.
const DECEMBER: u64 = 1_796_083_200;

fn run(path: &str, own_key: Option<&str>, seconds: u64) -> (bool, String) {
    let now = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap();
    let own_key = own_key.map(|name| Path::new(FIXTURES).join("keys").join(name));
    let mut out = Vec::new();
    let answer = check(Path::new(path), |_| None, own_key.as_deref(), now, &mut out).unwrap();
    (answer, String::from_utf8(out).unwrap())
}

fn everything() -> String {
    format!("{FIXTURES}/valid/everything.toml")
}

#[test]
fn each_key_is_described() {
    let (answer, said) = run(&everything(), None, DECEMBER);
    assert!(answer);
    assert_snapshot!(said, @r#"
    tests/fixtures/config/valid/everything.toml
      listens on   127.0.0.1:18080
      admin on     [::1]:19090
      forwards to  http://[::1]:3000
      routes[0]    http://[::1]:3000
      routes[1]    http://127.0.0.1:3001

    server.tls  TLS 1.2 and 1.3
        subject CN=Test of alipay-sidecar
        issuer CN=Test of alipay-sidecar
        valid from 2026-11-25T14:48:15Z to 2036-11-22T14:48:15Z

    apps[0]  app_id 2021000000000001
      SHA256:23f1e24b59cb5422af4c96d2972cc64a313ad78d23c387391dbb1b4c76f9ed3d
        2048 bits, public key, PEM
        from ../keys/test-a.pem, named in line 27
      SHA256:4b62495568e0d9f93c283aa80a7e91162333653a9e9421a7ac15f1a63e7a0318
        2048 bits, public key, PEM
        from ../keys/test-b.pem, named in line 27
      has no content_key_file: what is encrypted is answered `fail`
      has no app_private_key_file: the gateway check is answered `fail`

    apps[1]  app_id 2021000000000002
      SHA256:4b62495568e0d9f93c283aa80a7e91162333653a9e9421a7ac15f1a63e7a0318
        2048 bits, X.509 certificate, PEM
        from ../keys/test-b.crt, named in line 33
        subject CN=Test of alipay-sidecar
        issuer CN=Test of alipay-sidecar
        valid from 2026-11-23T18:39:27Z to 2026-12-23T18:39:27Z
      SHA256:23f1e24b59cb5422af4c96d2972cc64a313ad78d23c387391dbb1b4c76f9ed3d
        2048 bits, public key, bare base64
        from line 32
      has a content key: what is encrypted is decrypted
      answers the gateway check with its own key SHA256:e7e25c9a69706ebddc7740625f290ee01e4c748114042645bdfcd46db3d2490b

    Warnings:
    tests/fixtures/config/valid/everything.toml:32:23  apps[1].alipay_public_keys[0]  is the same key as apps[0].alipay_public_key_files[0]
        Alipay has a key of its own for each app that signs with RSA2: check that none was copied
    tests/fixtures/config/valid/everything.toml:33:28  apps[1].alipay_public_key_files[0]  is the same key as apps[0].alipay_public_key_files[1]
        Alipay has a key of its own for each app that signs with RSA2: check that none was copied
    tests/fixtures/config/valid/everything.toml:39:8  verify.form  refuses every trade: flat notifications are signed in form v1, all but a few kinds
        write "auto", unless only messages come here
    tests/fixtures/config/valid/everything.toml:40:14  verify.allow_sha1  SHA-1 and keys of 1,024 bits are allowed; many merchants share such a key
        switch to RSA2 in the console, and this off; until then the app_id is what tells apps apart
    tests/fixtures/config/valid/everything.toml:41:11  verify.max_age  notifications of any age are accepted, so that a leaked one can be sent again at any time
        write "26h" unless the clock of this machine cannot be trusted
    tests/fixtures/config/valid/everything.toml:33:28  apps[1].alipay_public_key_files[0]  the certificate expires on 2026-12-23T18:39:27Z: download alipayCertPublicKey_RSA2.crt from the console again
    tests/fixtures/config/valid/everything.toml:33:28  apps[1].alipay_public_key_files[0]  the certificate comes from a sandbox or a test (CN=Test of alipay-sidecar): real notifications need the one of production
    tests/fixtures/config/valid/everything.toml:33:28  apps[1].alipay_public_key_files[0]  the certificate is issued by its own key, so it is not Alipay's: in a bundle, Alipay's comes first

    The configuration is sound.
    "#);
}

#[test]
fn the_documented_file_is_sound_but_has_no_app() {
    let (answer, said) = run("sidecar.toml", None, DECEMBER);
    assert!(answer);
    assert_snapshot!(said, @r#"
    sidecar.toml
      listens on   0.0.0.0:8080
      admin on     0.0.0.0:9090
      forwards to  http://127.0.0.1:3000

    Warnings:
    sidecar.toml  apps  no app is configured: every notification is refused, and /readyz stays 503
        add an [[apps]] with its app_id and Alipay's public key

    The configuration is sound.
    "#);
}

#[test]
fn a_certificate_that_expired_is_a_warning() {
    let before = run(&everything(), None, DECEMBER).1;
    let (answer, after) = run(&everything(), None, DECEMBER + 10 * 365 * 24 * 3600);
    assert!(answer);
    assert!(after.contains("apps[1].alipay_public_key_files[0]  the certificate expired"), "{after}");
    assert!(!before.contains("certificate expired"), "{before}");
}

#[test]
fn every_error_is_printed_and_the_answer_is_no() {
    let (answer, said) = run(&format!("{FIXTURES}/invalid/policies.toml"), None, DECEMBER);
    assert!(!answer);
    assert_eq!(said.matches("policies.toml:").count(), 10, "{said}");
}

#[test]
fn the_apps_own_key_is_found_among_the_configured_ones() {
    let (answer, said) = run(&everything(), Some("test-b.crt"), DECEMBER);
    assert!(!answer);
    let found: Vec<_> = said.lines().skip_while(|line| !line.contains("your app's own")).collect();
    assert_snapshot!(found.join("\n"), @r#"
    apps[0].alipay_public_key_files[1] is your app's own public key, and verifies nothing of Alipay's
        take Alipay's: 开放平台 → 应用 → 开发设置 → 接口加签方式 → 查看支付宝公钥

    apps[1].alipay_public_key_files[0] is your app's own public key, and verifies nothing of Alipay's
        take Alipay's: 开放平台 → 应用 → 开发设置 → 接口加签方式 → 查看支付宝公钥
    "#);
}

#[test]
fn another_key_of_the_app_is_no_fault() {
    let (answer, said) = run(&everything(), Some("test-1024-bits.pem"), DECEMBER);
    assert!(answer, "{said}");
}

#[test]
fn an_app_key_that_cannot_be_read_is_said_beside_the_errors() {
    let (answer, said) = run(&format!("{FIXTURES}/invalid/crlf.toml"), Some("page.html"), DECEMBER);
    assert!(!answer);
    assert_snapshot!(said, @r#"
    tests/fixtures/config/invalid/crlf.toml:3:10  server.listen  "支付" is not an address to listen on
        write an IP address and a port, like "0.0.0.0:8080" or "[::]:8080"
    tests/fixtures/config/invalid/crlf.toml:6:10  log.format  "文" is not known here
        write "json" or "text"
    --app-public-key  tests/fixtures/config/keys/page.html: this is a page of HTML or XML
        name the file that holds the public key which you gave to Alipay (应用公钥)
    "#);
    assert_snapshot!(run(&everything(), Some("absent.pem"), DECEMBER).1, @r#"
    --app-public-key  tests/fixtures/config/keys/absent.pem cannot be read: No such file or directory (os error 2)
        check name and rights
    "#);
}

#[test]
fn an_app_key_without_an_end_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in ["/dev/zero", pipe.to_str().unwrap(), ""] {
        let (answer, said) = run(&everything(), Some(path), DECEMBER);
        assert!(!answer && said.contains("it is not a file"), "{path}: {said}");
    }
    let long = folder.path().join("long");
    fs::write(&long, vec![b'A'; 64 * 1024 + 1]).unwrap();
    let (answer, said) = run(&everything(), long.to_str(), DECEMBER);
    assert!(!answer && said.contains("it is over 64 KiB"), "{said}");
}

#[test]
fn the_file_of_the_ledger_is_looked_at_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (path, config) = (folder.path().join("ledger.redb"), folder.path().join("sidecar.toml"));
    let more = "[admin]\nlisten = \"127.0.0.1:0\"\n[server]\nlisten = \"127.0.0.1:0\"\n";
    fs::write(&config, format!("{more}[ledger]\nstore = \"file\"\npath = \"ledger.redb\"\n")).unwrap();
    let check = || run(config.to_str().unwrap(), None, DECEMBER);
    let (answer, said) = check();
    assert!(answer && said.contains("ledger.path  there is no file yet"), "{said}");
    assert!(!path.exists());
    let server = Server::bind(Config::load(&config, |_| None).unwrap()).unwrap();
    let (answer, said) = check();
    assert!(answer && said.contains("ledger.path  a process has the file open"), "{said}");
    drop(server);
    let whole = fs::read(&path).unwrap();
    let (answer, said) = check();
    assert!(answer && said.contains("ledger.path  the file is sound"), "{said}");
    assert_eq!(fs::read(&path).unwrap(), whole);
    for (damage, what) in
        [(&b""[..], "it is empty"), (&b"a text of somebody's\n".repeat(1000), "it is no ledger")]
    {
        fs::write(&path, damage).unwrap();
        let (answer, said) = check();
        assert!(!answer && said.contains("ledger.path  ") && said.contains(what), "{said}");
        assert!(said.contains("ledger.redb cannot be used"), "{said}");
        assert!(!said.contains("The configuration is sound."), "{said}");
        assert_eq!(fs::read(&path).unwrap(), damage);
    }
}

/// Every command that prints, on an output that `out` opens: its exit code and what it complains of.
fn printed_to(out: impl Fn() -> std::process::Stdio) -> Vec<(String, Option<i32>, String)> {
    let folder = tempfile::tempdir().unwrap();
    let key = fs::canonicalize(format!("{FIXTURES}/keys")).unwrap().join("test-a.pem");
    let capture = folder.path().join("capture");
    fs::write(&capture, "app_id=2021000000000000&charset=UTF-8&sign=AAAA").unwrap();
    let config = fs::canonicalize(everything()).unwrap();
    let paths = [&key, &capture, &config].map(|path| path.display().to_string());
    let [key, capture, config] = paths.each_ref().map(String::as_str);
    let commands: [&[&str]; 10] = [
        &["--help"],
        &["--version"],
        &["simulate", "--help"],
        &["explain", "--key", key, capture],
        &["explain", "--json", "--key", key, capture],
        &["check", "--config", config],
        &["schema", "--list"],
        &["schema", "trade_status_sync"],
        &["completions", "bash"],
        &["keygen", "keys"],
    ];
    let run = |arguments: &&[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_alipay-sidecar"));
        let command = command.current_dir(folder.path()).args(*arguments).stdout(out());
        let output = command.output().unwrap();
        (arguments[0].to_owned(), output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    commands.iter().map(run).collect()
}

#[test]
fn a_command_whose_output_cannot_be_written_ends_with_1_and_says_so() {
    let full = || fs::OpenOptions::new().write(true).open("/dev/full").unwrap().into();
    for (command, code, complaint) in printed_to(full) {
        assert_eq!(code, Some(1), "{command}: {complaint}");
        assert!(complaint.contains("No space left on device"), "{command}: {complaint}");
    }
}

#[test]
fn a_command_whose_reader_has_read_enough_ends_quietly() {
    // Nobody has the other end any more.
    let closed = || std::io::pipe().unwrap().1.into();
    for (command, code, complaint) in printed_to(closed) {
        assert_eq!(complaint, "", "{command}");
        // What was checked is not known; what was explained is.
        let expected = match command.as_str() {
            "check" => 141,
            "explain" => 1,
            _ => 0,
        };
        assert_eq!(code, Some(expected), "{command}");
    }
}
