//! No spelling of a path leads around the verification.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::{ON, read_all};
use crate::support::Way;
use crate::support::backend::Backend;
use crate::support::client::Client;

/// Spellings of `/alipay/notify` and of others that are closed below.
const SPELLINGS: &str = include_str!("../../fixtures/spellings.txt");

/// A sidecar before the app at `address`, which takes notifications at three paths.
fn way(address: SocketAddr) -> Way {
    let routes = format!(
        "routes = [{{ msg_method = \"a.*\", url = \"http://{address}/hooks/notify.php\" }}, \
         {{ msg_method = \"b.*\", url = \"http://{address}/v1.0/Kunden%20Daten/in\" }}, \
         {{ msg_method = \"c.*\", url = \"http://127.0.0.1:1/elsewhere\" }}]"
    );
    let settings = [("server", "paths = [\"/pay\"]"), ("upstream", routes.as_str()), ON];
    Way::to(&format!("http://{address}/alipay/notify"), &settings)
}

fn ask(address: SocketAddr, target: &str) -> String {
    let mut client = Client::connect(address);
    client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    read_all(&mut client).0
}

#[test]
fn a_spelling_of_a_closed_path_is_404_and_counted() {
    let backend = Backend::start();
    let way = way(backend.address);
    let served = ["/pay/", "/PAY", "/pay/x", "//pay", "/%70ay", "/pay;a=b", "/x/../pay", "/pay.php"];
    let not_paths = ["http://a/shop", "http://a/alipay/notify", "http://a", "*", "a:80", "?shop"];
    let mut client = way.connect();
    let mut asked = 0;
    for target in SPELLINGS.lines().chain(served).chain(not_paths) {
        for query in ["", "?a=b"].iter().filter(|_| !not_paths.contains(&target)) {
            client.get(&format!("{target}{query}")).is(404, "fail");
            asked += 1;
        }
    }
    assert!(asked > 160);
    for target in not_paths {
        let mut client = way.connect();
        client.send(format!("OPTIONS {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let answer = client.answer();
        assert!(matches!(answer.status, 400 | 404) && answer.body == "fail", "{target} {answer:?}");
    }
    let mut client = way.connect();
    client.send("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n");
    client.answer().is(404, "fail");
    assert!(way.count("closed_path") >= asked);
    backend.is_not_called();
    client = way.connect();
    for target in ["/elsewhere", "/alipay/notified", "/payment", "/?/alipay/notify"] {
        client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let mut call = backend.call();
        assert_eq!(call.line(), format!("GET {target} HTTP/1.1"));
        call.say("HTTP/1.1 204 No Content\r\n\r\n");
        assert_eq!(client.answer().status, 204);
    }
}

/// A server of somebody else's, ended with the test.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Server {
    /// A script that prints its port.
    fn script(interpreter: &str, name: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/way/passthrough/servers").join(name);
        let mut child = Command::new(interpreter)
            .arg(script)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{interpreter}: {error}; `make test-deps` installs it"));
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port: u16 = line.trim().parse().unwrap();
        Self { child, address: ([127, 0, 0, 1], port).into() }
    }

    /// The server that is built into PHP, for `folder`. It does not say which port it chose.
    fn php(folder: &Path) -> Self {
        loop {
            let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let mut child = Command::new("php")
                .args(["-S", &free.to_string(), "-t"])
                .arg(folder)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap_or_else(|error| panic!("php: {error}; `make test-deps` installs it"));
            // It ends where somebody else took the port in the meantime.
            while child.try_wait().unwrap().is_none() {
                if TcpStream::connect(free).is_ok() {
                    return Self { child, address: free };
                }
            }
        }
    }
}

/// Expects that of all spellings at least `least` lead to the handler of `server`, and none does through the sidecar.
#[track_caller]
fn none_leads_to_the_handler(server: &Server, least: usize) {
    let way = way(server.address);
    let mut direct = Vec::new();
    for target in SPELLINGS.lines() {
        if ask(server.address, target).contains("NOTIFIED") {
            direct.push(target);
        }
        let answer = ask(way.address, target);
        assert!(answer.starts_with("HTTP/1.1 404") && answer.ends_with("\r\n\r\nfail"), "{target}: {answer}");
    }
    assert!(direct.len() >= least, "only {} lead there: {direct:#?}", direct.len());
    let answer = ask(way.address, "/shop/page");
    assert!(answer.contains("the app"), "{answer}");
}

#[test]
fn no_spelling_leads_to_a_handler_in_php() {
    let folder = tempfile::tempdir().unwrap();
    for (file, says) in
        [("index", "the app"), ("alipay/notify/index", "NOTIFIED"), ("hooks/notify", "NOTIFIED")]
    {
        let file = folder.path().join(file).with_extension("php");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, format!("<?php echo '{says}';")).unwrap();
    }
    none_leads_to_the_handler(&Server::php(folder.path()), 20);
}

#[test]
fn no_spelling_leads_to_a_handler_in_a_lenient_python() {
    none_leads_to_the_handler(&Server::script("python3", "lenient.py"), 50);
}

#[test]
fn no_spelling_leads_to_a_handler_in_node() {
    none_leads_to_the_handler(&Server::script("node", "url.mjs"), 20);
}
