//! Who may do what in a Redis: TLS, passwords, rights, and what is told where they do not hold.

use std::fs;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tempfile::tempdir;

use super::*;

/// What the user of a sidecar must be allowed, as the README says.
const RULES: &str = "~alipay-sidecar:* -@all +ping +select +eval +evalsha +get +set +del +expire +time \
                     +zadd +zrem +zcard +zscore +zremrangebyscore";

/// A folder with a certificate for `name` and its key.
fn issued(name: &str) -> tempfile::TempDir {
    let folder = tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_after = date_time_ymd(2099, 1, 1);
    fs::write(folder.path().join("tls.crt"), params.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(folder.path().join("tls.key"), key.serialize_pem()).unwrap();
    folder
}

/// A Redis that speaks TLS alone, with a certificate for `name`.
fn with_tls(name: &str) -> Redis {
    let options = "--tls-port PORT --tls-cert-file tls.crt --tls-key-file tls.key --tls-ca-cert-file tls.crt \
                   --tls-auth-clients no";
    Redis::with(issued(name), &options.split_whitespace().collect::<Vec<_>>())
}

/// A sidecar that trusts the certificates in this file.
fn trusting(file: &std::path::Path, url: &str) -> Running {
    let upstream = Upstream::start();
    let folder = tempdir().unwrap();
    let app = format!("http://{}/app", upstream.address);
    let text = crate::support::config(&app, &settings(&ledger(url), &[]));
    fs::write(folder.path().join("sidecar.toml"), text).unwrap();
    let mut command = command(folder.path(), &["run"]);
    command.env("SSL_CERT_FILE", file).env_remove("SSL_CERT_DIR");
    Running::spawn(command, folder, upstream)
}

#[test]
fn with_tls_the_certificate_is_checked_and_all_goes_over_it() {
    let redis = with_tls("127.0.0.1");
    let url = format!("rediss://127.0.0.1:{}", redis.port);
    let one = trusting(&redis.folder().join("tls.crt"), &url);
    let notification = Notification::genuine(Form::V1);
    one.connect().post(&notification.body()).is(200, "success");
    one.connect().post(&notification.body()).is(200, "success");
    assert_eq!(one.upstream.all_got().len(), 1);
    let keys = redis.say_as(&["--tls", "--insecure"], &["KEYS", "*"]);
    assert!(keys.starts_with("alipay-sidecar:"), "{keys}");
    one.signal("TERM");
    assert!(one.end().0.success());
}

#[test]
fn a_certificate_that_does_not_hold_is_told_and_nothing_is_sent() {
    let redis = with_tls("elsewhere.example");
    let url = format!("rediss://:hunter2@127.0.0.1:{}", redis.port);
    let other = issued("127.0.0.1");
    let nothing = other.path().join("absent.crt");
    for (file, wanted) in [
        (&redis.folder().join("tls.crt"), "not valid for"),
        (&other.path().join("tls.crt"), "invalid peer certificate"),
        (&nothing, "SSL_CERT_FILE"),
    ] {
        let mut one = trusting(file, &url);
        let line = one.line("ledger_out_of_reach").to_string();
        assert!(line.contains(wanted) && !line.contains("hunter2"), "{line}");
        one.connect().post(&Notification::genuine(Form::V1).body()).is(200, "fail");
        one.signal("TERM");
        assert!(one.end().0.success());
    }
}

#[test]
fn a_wrong_password_is_told_and_never_written_down() {
    let redis = Redis::with(tempdir().unwrap(), &["--requirepass", "right horse"]);
    let url = |credentials: &str| format!("redis://{credentials}127.0.0.1:{}/0", redis.port);
    for (credentials, wanted) in [
        (":hunter2@", "refuses the user name or the password"),
        ("nobody:hunter2@", "refuses the user name or the password"),
        ("", "NOAUTH"),
    ] {
        let mut one = Running::start(&settings(&ledger(&url(credentials)), &[]));
        // Nobody has asked yet.
        let line = one.line("ledger_out_of_reach").to_string();
        assert!(line.contains(wanted), "{line}");
        one.connect().post(&Notification::genuine(Form::V1).body()).is(200, "fail");
        one.signal("TERM");
        let (status, lines) = one.end();
        assert!(status.success() && !lines.concat().contains("hunter2") && !line.contains("hunter2"));
    }
    let one = Way::with(&settings(&ledger(&url(":right%20horse@")), &[]));
    one.post(&Notification::genuine(Form::V1)).is(200, "success");
}

#[test]
fn the_user_of_the_readme_may_do_all_that_is_needed_and_no_more() {
    let redis = Redis::start();
    let rules: Vec<&str> = RULES.split(' ').collect();
    let said = redis.say(&[&["ACL", "SETUSER", "sidecar", "on", ">swordfish"], &rules[..]].concat());
    assert_eq!(said, "OK");
    let url = format!("redis://sidecar:swordfish@127.0.0.1:{}/3", redis.port);
    let one = Way::with(&settings(&ledger(&url), &[]));
    let notification = Notification::genuine(Form::V1);
    one.upstream_does([Act::status(500)]);
    one.post(&notification).is(200, "fail");
    redis.say(&["SCRIPT", "FLUSH"]);
    one.post(&notification).is(200, "success");
    one.post(&notification).is(200, "success");
    assert_eq!(one.upstream.all_got().len(), 2);
    becomes(&one, "ledger_errors_total", 0);
    assert_eq!(redis.say(&["ACL", "LOG"]), "");
    assert!(redis.say_as(&["-n", "3"], &["KEYS", "*"]).starts_with("alipay-sidecar:"));
    for readme in ["README.md", "README.zh-CN.md"] {
        assert!(fs::read_to_string(readme).unwrap().contains(RULES), "{readme}");
    }
    // One who may not is told which command it was.
    redis.say(&["ACL", "SETUSER", "sidecar", "-evalsha", "-eval"]);
    let mut two = Running::start(&settings(&ledger(&url), &[]));
    let line = two.line("ledger_out_of_reach").to_string();
    assert!(line.contains("NOPERM") && line.contains("evalsha") && line.contains("README"), "{line}");
    two.signal("TERM");
    assert!(two.end().0.success());
}

#[test]
fn a_redis_without_memory_or_in_a_cluster_is_told_as_such() {
    let redis = Redis::start();
    let mut one = running(&redis, &[]);
    redis.say(&["CONFIG", "SET", "maxmemory", "1"]);
    let notification = Notification::genuine(Form::V1);
    one.connect().post(&notification.body()).is(200, "fail");
    let line = one.line("ledger_out_of_reach").to_string();
    assert!(line.contains("OOM"), "{line}");
    redis.say(&["CONFIG", "SET", "maxmemory", "0"]);
    succeeds(address(&one), &notification);
    let cluster = Redis::with(tempdir().unwrap(), &["--cluster-enabled", "yes"]);
    let mut one = running(&cluster, &[]);
    let line = one.line("ledger_out_of_reach").to_string();
    assert!(line.contains("cluster, which is not supported"), "{line}");
    one.connect().post(&notification.body()).is(200, "fail");
}
