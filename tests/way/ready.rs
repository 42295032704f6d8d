//! What a container needs of the binary: a health check without a shell, and an app that stands for another.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::support::Way;
use crate::support::alipay::{Form, Notification};
use crate::support::client::Client;
use crate::support::process::{command, output};
use crate::support::upstream::Act;

/// What `ready` says about the sidecar at `address`.
fn ready(address: &str) -> (Option<i32>, String, String) {
    output(command(std::env::temp_dir().as_path(), &["ready", "--admin", address]))
}

#[test]
fn ready_says_whether_a_sidecar_is() {
    let mut way = Way::with(&[("server", "drain_timeout = \"1m\"")]);
    let admin = way.admin.to_string();
    assert_eq!(ready(&admin), (Some(0), "ok\n".into(), String::new()));

    way.upstream_does([Act::Wait]);
    let mut busy = way.connect();
    let body = Notification::genuine(Form::V1).body();
    busy.send(format!("{}{body}", Client::head(body.len(), "")));
    way.upstream.got();
    way.stop();
    while Client::connect(way.admin).get("/readyz").status == 200 {}
    assert_eq!(ready(&admin), (Some(1), String::new(), "not ready: shutting down\n".into()));
    way.upstream.release();
    busy.answer().is(200, "success");
    way.join();

    let (code, _, err) = ready(&admin);
    assert_eq!(code, Some(1));
    assert!(err.contains(&admin) && err.contains("admin.listen"), "{err}");
}

#[test]
fn a_sidecar_that_does_not_answer_is_not_ready() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (code, _, err) = ready(&silent.local_addr().unwrap().to_string());
    assert_eq!(code, Some(1), "{err}");
}

/// The backend alone, which is gone when this is.
struct Backend {
    process: Child,
    lines: BufReader<ChildStdout>,
}

impl Backend {
    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn terminate(&self) {
        let status = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[test]
fn the_backend_stands_alone_and_ends_what_it_is_at() {
    let arguments = ["demo", "--backend", "127.0.0.1:0", "--delay", "300ms"];
    let mut process =
        command(std::env::temp_dir().as_path(), &arguments).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(process.stdout.take().unwrap());
    let mut backend = Backend { process, lines };
    let listening = backend.line();
    assert_eq!(listening["event"], "listening");
    let mut client = Client::connect(listening["address"].as_str().unwrap().parse().unwrap());

    let answer = client.get("/orders");
    assert_eq!((answer.status, answer.body.as_str()), (200, "the app\n"));
    let line = backend.line();
    assert_eq!((&line["event"], &line["path"]), (&"page".into(), &"/orders".into()));

    client.send("POST /a HTTP/1.1\r\nHost: a\r\nAlipay-Notify-Id: 17\r\nContent-Length: 2\r\n\r\n{}");
    let line = backend.line();
    assert_eq!(
        (&line["event"], &line["notify_id"], &line["bytes"]),
        (&"got".into(), &"17".into(), &2.into())
    );
    backend.terminate();
    assert_eq!(client.answer().status, 204);
    let line = backend.line();
    assert_eq!((&line["event"], &line["all_answered"]), (&"stopped".into(), &true.into()));
    assert_eq!(backend.process.wait().unwrap().code(), Some(0));
}
