//! TLS on the public listener: what is spoken, what is refused, and what is told of it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::{ClientConfig, RootCertStore};

use crate::support::alipay::{Form, Notification};
use crate::support::client::Client;
use crate::support::process::Running;
use crate::support::upstream::Act;

/// The line that names the files of [`issue`].
pub(crate) const TLS: (&str, &str) = ("server", "tls = { certificate = \"tls.crt\", key = \"tls.key\" }");

/// Writes a new certificate and its key into `folder`, and returns what a client needs to trust it.
pub(crate) fn issue(folder: &Path) -> Arc<ClientConfig> {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["sidecar.example".to_owned()]).unwrap();
    params.not_after = date_time_ymd(2099, 1, 1);
    let certificate = params.self_signed(&key).unwrap();
    fs::write(folder.join("tls.crt"), certificate.pem()).unwrap();
    fs::write(folder.join("tls.key"), key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

/// A sidecar that speaks TLS, and what a client needs to trust it.
fn start(settings: &[(&str, &str)]) -> (Running, Arc<ClientConfig>) {
    let folder = tempfile::tempdir().unwrap();
    let trust = issue(folder.path());
    (Running::start_in(folder, &[&[TLS], settings].concat()), trust)
}

fn genuine() -> String {
    Notification::genuine(Form::V1).body()
}

/// What `openssl s_client` says of one request over TLS, in its own words.
fn s_client(running: &Running, arguments: &[&str]) -> String {
    let mut child = Command::new("openssl")
        .args(["s_client", "-connect", &running.address, "-CAfile", "tls.crt", "-ign_eof"])
        .args(arguments)
        .current_dir(running.folder())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl is needed: apt-get install openssl");
    let body = genuine();
    let request = format!("{}{body}", Client::head(body.len(), "Connection: close\r\n"));
    // Where the handshake fails, nobody reads it.
    drop(child.stdin.take().unwrap().write_all(request.as_bytes()));
    let output = child.wait_with_output().unwrap();
    [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat()
}

#[test]
fn tls_1_2_and_1_3_are_spoken_whatever_name_is_asked_for() {
    let (running, _) = start(&[]);
    for version in ["-tls1_2", "-tls1_3"] {
        for name in
            [&["-servername", "sidecar.example"][..], &["-servername", "other.example"], &["-noservername"]]
        {
            let said = s_client(&running, &[&[version], name].concat());
            assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
            assert!(
                said.contains("HTTP/1.1 200 OK") && said.ends_with("success") || said.contains("\nsuccess"),
                "{said}"
            );
            running.upstream.got();
        }
    }
}

#[test]
fn older_versions_and_unsafe_ciphers_are_refused() {
    let (running, _) = start(&[]);
    // OpenSSL itself has to be talked into them.
    let weak = ["-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"];
    for version in ["-tls1", "-tls1_1"] {
        let said = s_client(&running, &[&[version], &weak[..]].concat());
        assert!(said.contains("SSL alert number") && said.contains("Cipher is (NONE)"), "{version}: {said}");
    }
    let said = s_client(
        &running,
        &["-tls1_2", "-cipher", "AES128-SHA:AES256-SHA256:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"],
    );
    assert!(said.contains("alert handshake failure"), "{said}");
    running.upstream.got_nothing();
}

#[test]
fn http_1_1_is_what_alpn_chooses() {
    let (running, _) = start(&[]);
    let said = s_client(&running, &["-alpn", "h2,http/1.1"]);
    assert!(said.contains("ALPN protocol: http/1.1"), "{said}");
    let said = s_client(&running, &["-alpn", "h2"]);
    assert!(said.contains("alert no application protocol"), "{said}");
}

#[test]
fn sessions_are_resumed_also_after_a_reload() {
    let (mut running, _) = start(&[]);
    for version in ["-tls1_2", "-tls1_3"] {
        let first = s_client(&running, &[version, "-sess_out", "session"]);
        assert!(first.contains("\nNew, TLSv1"), "{first}");
        assert!(s_client(&running, &[version, "-sess_in", "session"]).contains("\nReused, TLSv1"));
        let file = running.folder().join("sidecar.toml");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{text}# {version}\n")).unwrap();
        running.signal("HUP");
        // It may have been noticed before it was asked for.
        while running.line("reload")["result"] != "applied" {}
        let resumed = s_client(&running, &[version, "-sess_in", "session"]);
        assert!(resumed.contains("\nReused, TLSv1"), "{resumed}");
    }
}

#[test]
fn a_client_of_another_make_is_served() {
    let (running, _) = start(&[]);
    let script = r#"
import http.client, ssl, sys
context = ssl.create_default_context(cafile="tls.crt")
context.check_hostname = False
context.set_alpn_protocols(["http/1.1"])
connection = http.client.HTTPSConnection(sys.argv[1], context=context, timeout=20)
for _ in range(3):
    connection.request("POST", "/alipay/notify", sys.argv[2], {"Content-Type": "application/x-www-form-urlencoded"})
    answer = connection.getresponse()
    print(answer.status, answer.read().decode(), connection.sock.version(), connection.sock.selected_alpn_protocol())
"#;
    let output = Command::new("python3")
        .args(["-c", script, &running.address, &genuine()])
        .current_dir(running.folder())
        .output()
        .expect("python3 is needed");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        said,
        "200 success TLSv1.3 http/1.1\n".repeat(3),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let connections: Vec<usize> = (0..3).map(|_| running.upstream.got().connection).collect();
    assert_eq!(connections, [0, 0, 0]);
}

#[test]
fn every_answer_of_plain_http_is_the_same_inside_tls() {
    let (running, trust) = start(&[]);
    let connect = || Client::connect_tls(running.address.parse().unwrap(), &trust);
    let mut client = connect();
    client.post(&genuine()).is(200, "success");
    client.post(&genuine().replace("&sign=", "&sign=%zz")).is(400, "fail");
    client.post(&Notification::genuine(Form::V2).set("version", "1.0").body()).is(403, "fail");
    assert_eq!(client.get("/").status, 404);
    // What is refused below hyper, and a body in many records.
    let mut client = connect();
    client.send("POST /alipay/notify HTTP/1.1\nHost: a\n\n");
    client.answer().is(400, "fail");
    client.is_closed();
    let body = genuine();
    let mut client = connect();
    client.send(Client::head(body.len(), ""));
    for piece in body.as_bytes().chunks(7) {
        client.send(piece);
    }
    client.answer().is(200, "success");
    running.upstream.does([Act::status(500)]);
    client.post(&body).is(200, "fail");
}

#[test]
fn what_fails_in_the_handshake_is_told_once_and_what_never_began_is_not() {
    let (mut running, trust) = start(&[("server", "header_timeout = \"300ms\"")]);
    let address = running.address.parse().unwrap();
    let connect = || Client::connect(address);
    // Silence, then plain HTTP, then half a greeting: a record of 512 bytes of which one comes.
    let mut silent = connect();
    silent.is_closed();
    drop(connect());
    let mut plain = connect();
    plain.try_send("POST /alipay/notify HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    let mut bytes = Vec::new();
    // An alert, which is no HTTP.
    drop(plain.stream.read_to_end(&mut bytes));
    assert!(bytes.len() <= 7, "{}", bytes.escape_ascii());
    let line = running.line("notification");
    assert_eq!(line["cause"], "received corrupt message of type InvalidContentType");
    assert_eq!((&line["reason"], &line["outcome"]), (&"failed_handshake".into(), &"closed".into()));
    let mut half = connect();
    half.send([0x16, 3, 1, 2, 0, 1]);
    half.is_closed();
    let line = running.line("notification");
    assert_eq!(line["reason"], "failed_handshake");
    assert_eq!(line["cause"], "it was not done in time");
    Client::connect_tls(address, &trust).post(&genuine()).is(200, "success");
    let (_, metrics) = running.admin("/metrics");
    let failed = "alipay_sidecar_notifications_total{msg_method=\"other\",outcome=\"closed\",reason=\"failed_handshake\"} 2";
    assert!(metrics.lines().any(|line| line == failed), "{metrics}");
    assert!(
        metrics.contains(
            "\nalipay_sidecar_certificate_expiry_timestamp_seconds{name=\"server.tls\"} 4070908800\n"
        ),
        "{metrics}"
    );
}

#[test]
fn a_handshake_under_way_takes_the_place_of_a_connection() {
    let (running, trust) = start(&[("server", "max_connections = 2")]);
    let address = running.address.parse().unwrap();
    let mut open = Client::connect_tls(address, &trust);
    open.post(&genuine()).is(200, "success");
    let half = TcpStream::connect(address).unwrap();
    // Whether the half one was accepted before the next is chance, but one of the two is closed.
    let third = Client::connect(address);
    third.stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    half.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    let is_closed = |stream: &TcpStream| {
        matches!((&mut &*stream).read(&mut [0]), Ok(0) | Err(_)) && {
            let (_, metrics) = running.admin("/metrics");
            metrics.contains("reason=\"too_many_connections\"} 1")
        }
    };
    while !is_closed(&third.stream) && !is_closed(&half) {}
    open.post(&genuine()).is(200, "success");
}

#[test]
fn half_handshakes_share_the_memory_of_what_is_half_read() {
    let (running, trust) = start(&[]);
    let address = running.address.parse().unwrap();
    // A record of 16 KiB, of which 15 KiB come, 600 times: more than all workers together set aside.
    let half = [&[0x16, 3, 1, 0x40, 0][..], &[1, 0, 0x3f, 0xfc], &[0; 15_000]].concat();
    let open: Vec<Client> = (0..600)
        .map(|_| {
            let mut client = Client::connect(address);
            client.try_send(&half);
            client
        })
        .collect();
    let shed = "reason=\"too_many_bytes_in_flight\"} ";
    let count = || {
        let (_, metrics) = running.admin("/metrics");
        let line = metrics.lines().find_map(|line| line.split_once(shed));
        line.map_or(0, |(_, count)| count.parse::<u64>().unwrap())
    };
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while count() == 0 {
        assert!(std::time::Instant::now() < deadline, "nobody was sent away");
    }
    Client::connect_tls(address, &trust).post(&genuine()).is(200, "success");
    drop(open);
}
