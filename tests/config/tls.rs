//! Certificates and keys of the public listener, in the forms that tools write them.

use jiff::Timestamp;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use std::process::Command;

use super::*;

/// A folder with files for TLS.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> &Self {
        fs::write(self.0.path().join(name), text).unwrap();
        self
    }

    fn openssl(&self, arguments: &[&str]) -> &Self {
        let output = Command::new("openssl").args(arguments).current_dir(self.0.path()).output();
        let output = output.expect("openssl is needed: apt-get install openssl");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        self
    }

    /// The configuration that names `certificate` and `key`.
    fn load(&self, certificate: &str, key: &str) -> Result<Config, ConfigErrors> {
        let path = self.0.path().join("sidecar.toml");
        self.write(
            "sidecar.toml",
            &format!("[server.tls]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n"),
        );
        Config::load(&path, no_env)
    }

    #[track_caller]
    fn refused(&self, certificate: &str, key: &str) -> String {
        let said = self.load(certificate, key).expect_err("it is sound").to_string();
        let folder = self.0.path().to_str().unwrap();
        said.replace(&format!("{folder}/sidecar.toml:"), "").replace(folder, "…")
    }
}

/// A certificate of a new key, valid in these years, and the key, both as PEM.
fn issued(from: i32, to: i32) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["sidecar.example".to_owned()]).unwrap();
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(to, 1, 1);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn keys_are_read_as_pkcs8_pkcs1_and_sec1() {
    let files = Files::new();
    let request = ["req", "-x509", "-nodes", "-days", "9", "-subj", "/CN=a"];
    for (name, algorithm) in
        [("rsa", &["rsa:2048"][..]), ("ec", &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"])]
    {
        let (key, old, crt) = (format!("{name}.key"), format!("{name}.old"), format!("{name}.crt"));
        files.openssl(&[&request[..], &["-newkey"], algorithm, &["-keyout", &key, "-out", &crt]].concat());
        files.openssl(&["pkey", "-in", &key, "-traditional", "-out", &old]);
        let text = |name: &str| fs::read_to_string(files.0.path().join(name)).unwrap();
        assert!(text(&key).starts_with("-----BEGIN PRIVATE KEY-----"));
        let label = format!("-----BEGIN {} PRIVATE KEY-----", name.to_uppercase());
        assert!(text(&old).starts_with(&label), "{}", text(&old));
        // As `openssl ecparam -genkey` writes it, and in one file.
        let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
        files.write("all.pem", &format!("{}{parameters}{}", text(&crt), text(&old)));
        for (crt, key) in [(&*crt, &*key), (&crt, &old), ("all.pem", "all.pem")] {
            let config = files.load(crt, key).unwrap_or_else(|errors| panic!("{crt} {key}: {errors}"));
            assert_eq!(config.server.tls.unwrap().certificate().subject, "CN=a");
        }
    }
}

#[test]
fn a_key_of_another_certificate_is_an_error_that_names_both_files() {
    let files = Files::new();
    files.write("one.crt", &issued(2026, 2030).0).write("other.key", &issued(2026, 2030).1);
    assert_snapshot!(files.refused("one.crt", "other.key"), @r#"
    3:7  server.tls.key  "other.key" (…/other.key) is not the key of the certificate in "one.crt" (…/one.crt)
        take both from one issue: a certificate that was renewed may have a new key
    "#);
}

#[test]
fn what_is_no_certificate_or_no_key_is_said() {
    let files = Files::new();
    let (certificate, key) = issued(2026, 2030);
    files.write("a.crt", &certificate).write("a.key", &key).write("empty", "");
    files.write("cut.crt", &certificate.replace("-----END CERTIFICATE-----", ""));
    files.write("bad.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    files.write("bad.key", &key.replace("\nM", "\n!"));
    files.openssl(&["pkey", "-in", "a.key", "-aes256", "-passout", "pass:x", "-out", "encrypted.key"]);
    let said = [
        files.refused("empty", "a.key"),
        files.refused("cut.crt", "a.key"),
        files.refused("bad.crt", "a.key"),
        files.refused("a.crt", "empty"),
        files.refused("a.crt", "bad.key"),
        files.refused("a.crt", "encrypted.key"),
        files.refused("a.crt", "absent.key"),
    ];
    assert_snapshot!(said.join("\n"), @r#"
    2:15  server.tls.certificate  "empty" (…/empty) holds no certificate
        it holds PEM: the certificate of this server, then those that issued it, each in its turn
    2:15  server.tls.certificate  "cut.crt" (…/cut.crt) is no sound PEM: a block has no end
        it holds PEM: the certificate of this server, then those that issued it, each in its turn
    2:15  server.tls.certificate  "bad.crt" (…/bad.crt) holds a certificate that is damaged
        it holds PEM: the certificate of this server, then those that issued it, each in its turn
    3:7  server.tls.key  "empty" (…/empty) holds no private key
        it holds PEM: the private key of the certificate, RSA or EC, in PKCS#8, PKCS#1 or SEC1
    3:7  server.tls.key  "bad.key" (…/bad.key) is no sound PEM: a block holds something else than base64
        it holds PEM: the private key of the certificate, RSA or EC, in PKCS#8, PKCS#1 or SEC1
    3:7  server.tls.key  "encrypted.key" (…/encrypted.key) is encrypted
        decrypt it, and protect the file by its rights: openssl pkey -in encrypted.key -out tls.key
    3:7  server.tls.key  "absent.key" (…/absent.key) cannot be read: No such file or directory (os error 2)
        relative paths start at the folder of the configuration file; check name and rights
    "#);
}

#[test]
fn a_key_in_the_place_of_its_file_is_not_repeated() {
    let files = Files::new();
    let (certificate, key) = issued(2026, 2030);
    files.write("a.crt", &certificate);
    let said = files.refused("a.crt", &key.replace('\n', "\\n"));
    assert!(said.contains("this is a key, not the name of a file"), "{said}");
    assert!(key.lines().all(|line| !said.contains(line)), "{said}");
}

#[test]
fn a_certificate_is_warned_about_thirty_days_before_its_end() {
    let files = Files::new();
    let (certificate, key) = issued(2026, 2030);
    files.write("a.crt", &certificate).write("a.key", &key);
    let config = files.load("a.crt", "a.key").unwrap();
    let warnings = |time: &str| -> Vec<String> {
        let warnings = config.key_warnings(time.parse::<Timestamp>().unwrap());
        warnings.iter().map(|warning| format!("{}  {}", warning.key, warning.what)).collect()
    };
    assert_eq!(warnings("2029-12-01T00:00:00Z"), [""; 0]);
    for (time, verb) in [("2029-12-03T00:00:00Z", "expires"), ("2030-01-02T00:00:00Z", "expired")] {
        let said = format!(
            "server.tls.certificate  the certificate {verb} on 2030-01-01T00:00:00Z: renew it, and replace both files; they are read again when they change"
        );
        assert_eq!(warnings(time), [said]);
    }
    assert_eq!(warnings("2025-12-31T00:00:00Z").len(), 1, "not valid yet");
    assert_eq!(config.expiries()["server.tls"].to_string(), "2030-01-01T00:00:00Z");
}
