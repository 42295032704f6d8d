//! How what is passed through ends, where it does not end well.

use std::time::Duration;

use super::{ON, ended, read_all, read_to, way};
use crate::support::Way;
use crate::support::alipay::{Form, Notification};
use crate::support::backend::Backend;
use crate::support::process::Running;
use crate::support::upstream::{Act, Upstream};

const GET: &str = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn an_answer_that_breaks_off_is_never_a_complete_one() {
    let (way, backend) = way(&[]);
    let length = "Content-Length: 10\r\n\r\nabc";
    let chunks = "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
    for said in [
        length,
        chunks,
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
    ] {
        let mut client = way.connect();
        client.send(GET);
        backend.call().say(format!("HTTP/1.1 200 OK\r\n{said}"));
        let (answer, _) = read_all(&mut client);
        assert!(answer.contains("abc"), "what came before passes: {answer}");
        assert!(!answer.contains("\r\n0\r\n"), "{answer}");
        assert!(
            answer.contains("content-length: 10") || answer.contains("transfer-encoding: chunked"),
            "{answer}"
        );
        // Where nothing but the end of the connection tells the end of the answer, that end is a reset.
        let mut client = way.connect();
        client.send("GET /x HTTP/1.0\r\n\r\n");
        backend.call().say(format!("HTTP/1.1 200 OK\r\n{said}"));
        let (answer, is_orderly) = read_all(&mut client);
        assert!(!is_orderly || answer.contains("content-length: 10"), "{answer}");
    }
    assert_eq!((ended(&way, "cut_off"), ended(&way, "passed")), (8, 0));
}

#[test]
fn whoever_hangs_up_gives_the_request_up() {
    let (way, backend) = way(&[]);
    // While the app is at work, whatever the framing.
    for request in [
        GET,
        "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
        "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        // Or in the middle of an upload.
        "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx",
        "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
    ] {
        let mut client = way.connect();
        client.send(request);
        let call = backend.call();
        drop(client);
        call.given_up();
    }
    // Or while its answer passes, also one that pauses.
    let mut client = way.connect();
    client.send(GET);
    let mut call = backend.call();
    call.say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata\n");
    read_to(&mut client, "data\n");
    drop(client);
    call.given_up();
    while ended(&way, "cut_off") + ended(&way, "broken_body") < 6 {}
    way.metrics().lines().any(|line| line == "alipay_sidecar_passthrough_in_flight 0").then_some(()).unwrap();
}

#[test]
fn an_app_that_is_not_there_is_502_and_one_that_is_silent_504() {
    let gone = Way::to("http://127.0.0.1:1/alipay/notify", &[ON]);
    let mut client = gone.connect();
    for _ in 0..2 {
        client.send(GET);
        client.answer().is(502, "The app cannot be reached.\n");
    }
    assert_eq!(ended(&gone, "unreachable"), 2);

    let (way, backend) = way(&[("server", "keep_alive = \"500ms\"")]);
    let mut client = way.connect();
    client.send(GET);
    let silent = backend.call();
    client.answer().is(504, "The app did not answer in time.\n");
    silent.given_up();
    assert_eq!(ended(&way, "timed_out"), 1);
}

#[test]
fn what_is_no_answer_is_502() {
    let (way, backend) = way(&[]);
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(64 * 1024));
    let answers =
        ["", "success", "HTTP/1.1 200 OK\r\n", "SSH-2.0-x\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", &long];
    let mut client = way.connect();
    for said in answers {
        client.send(GET);
        let mut call = backend.call();
        call.say(said);
        drop(call);
        client.answer().is(502, "The app did not answer in HTTP.\n");
    }
    assert_eq!(ended(&way, "no_answer"), 6);
}

#[test]
fn an_upload_may_take_long_but_not_pause_long() {
    let (way, backend) = way(&[("server", "body_timeout = \"2s\"")]);
    let mut client = way.connect();
    client.send("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n");
    let mut call = backend.call();
    for _ in 0..6 {
        // Longer than the timeout, all in all.
        std::thread::sleep(Duration::from_millis(500));
        client.send("x");
        call.read(1);
    }
    call.say("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(client.answer().status, 204);
    client.send("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nx");
    let call = backend.call();
    client.answer().is(408, "The body of the request took too long.\n");
    client.is_closed();
    call.given_up();
    assert_eq!(ended(&way, "slow_body"), 1);
}

#[test]
fn an_answer_that_stands_still_is_cut_off() {
    let (way, backend) = way(&[("server", "keep_alive = \"500ms\"")]);
    // The app pauses.
    let mut client = way.connect();
    client.send(GET);
    let mut call = backend.call();
    call.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
    let (answer, _) = read_all(&mut client);
    assert!(answer.ends_with("abc"), "{answer}");
    call.given_up();
    // The sender does not read.
    let mut client = way.connect();
    client.send(GET);
    let mut call = backend.call();
    call.say("HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n");
    assert!(call.pour(999_999_999) < 200_000_000);
    call.given_up();
    drop(client);
}

#[test]
fn an_answer_that_comes_before_the_end_of_the_request_passes() {
    let (way, backend) = way(&[]);
    let mut client = way.connect();
    client.send("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc");
    let mut call = backend.call();
    call.read(3);
    call.say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig");
    let answer = client.answer();
    assert_eq!((answer.status, answer.body.as_str()), (413, "big"));
    assert_eq!(answer.header("connection"), Some("close"));
    client.is_closed();
    call.given_up();
}

#[test]
fn an_answer_counts_though_the_app_closes_with_most_of_the_request_unread() {
    let (way, backend) = way(&[]);
    // The kernel makes a reset of that, and whether it comes before the answer is read is chance.
    for _ in 0..50 {
        let mut client = way.connect();
        client.send(format!(
            "PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n{}",
            "x".repeat(100_000)
        ));
        let mut call = backend.call();
        call.say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig");
        drop(call);
        let answer = client.answer();
        assert_eq!((answer.status, answer.body.as_str()), (413, "big"));
        client.is_closed();
    }
}

#[test]
fn too_many_at_once_are_503_and_leave_notifications_alone() {
    let (way, backend) = way(&[("upstream", "max_in_flight = 2")]);
    let mut clients = [way.connect(), way.connect()];
    let calls: Vec<_> = clients
        .iter_mut()
        .map(|client| {
            client.send(GET);
            backend.call()
        })
        .collect();
    let mut late = way.connect();
    late.send(GET);
    late.answer().is(503, "Too many requests are under way.\n");
    // Of notifications, as many as ever go at once.
    let body = Notification::genuine(Form::V1).body();
    let mut genuine = way.connect();
    genuine.send(format!("{}{body}", crate::support::client::Client::head(body.len(), "")));
    backend.call().say("HTTP/1.1 204 No Content\r\n\r\n");
    genuine.answer().is(200, "success");
    for mut call in calls {
        call.say("HTTP/1.1 204 No Content\r\n\r\n");
    }
    for client in &mut clients {
        assert_eq!(client.answer().status, 204);
    }
    late.send(GET);
    backend.call().say("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(late.answer().status, 204);
    assert_eq!(ended(&way, "too_many"), 1);
}

#[test]
fn an_app_with_one_thread_is_not_kept_busy_by_idle_connections() {
    // Neither does an idle connection of the deliveries hold what passes up, nor the other way round.
    let way = Way::before(Upstream::with_one_thread(), &[ON]);
    for _ in 0..3 {
        way.post(&Notification::genuine(Form::V1)).is(200, "success");
        way.upstream.got();
        way.upstream_does([Act::status(200)]);
        let mut client = way.connect();
        client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
        assert_eq!(client.answer().status, 200);
        assert_eq!(way.upstream.got().line, "POST /x HTTP/1.1");
    }
}

#[test]
fn a_drain_waits_for_what_passes_and_then_cuts_it_off() {
    let (mut way, backend) = way(&[]);
    let mut client = way.connect();
    client.send(GET);
    let mut call = backend.call();
    call.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
    read_to(&mut client, "a\r\n");
    way.stop();
    while std::net::TcpStream::connect(way.address).is_ok() {}
    call.say("1\r\nb\r\n0\r\n\r\n");
    let (rest, is_orderly) = read_all(&mut client);
    assert!(is_orderly);
    assert_eq!(rest, "1\r\nb\r\n0\r\n\r\n");
    way.join();

    let (mut way, backend) = super::way(&[("server", "drain_timeout = \"100ms\"")]);
    let mut waiting = way.connect();
    waiting.send(GET);
    let silent = backend.call();
    let mut streaming = way.connect();
    streaming.send(GET);
    let mut call = backend.call();
    call.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
    read_to(&mut streaming, "a\r\n");
    way.stop();
    waiting.answer().is(503, "The proxy is shutting down.\n");
    let (rest, _) = read_all(&mut streaming);
    assert!(!rest.contains("0\r\n"), "{rest}");
    way.join();
    silent.given_up();
    call.given_up();
}

#[test]
fn what_nobody_reads_is_not_taken_from_the_app_and_fills_no_memory() {
    const MOST: usize = 200 * 1000 * 1000;
    let backend = Backend::start();
    let running = Running::to(&format!("http://{}/alipay/notify", backend.address), &[ON]);
    let mut client = running.connect();
    client.send(GET);
    let mut call = backend.call();
    call.say(format!("HTTP/1.1 200 OK\r\nContent-Length: {MOST}\r\n\r\n"));
    let taken = call.pour(MOST);
    assert!(taken < MOST / 2, "{taken} bytes were taken, and nobody read them");
    // Whoever reads gets all of it.
    let reader = std::thread::spawn(move || {
        read_to(&mut client, "\r\n\r\n");
        std::io::copy(
            &mut std::io::Read::take(client.stream, u64::try_from(MOST).unwrap()),
            &mut std::io::sink(),
        )
    });
    let mut left = MOST - taken;
    while left > 0 {
        let more = call.pour(left);
        assert!(more > 0);
        left -= more;
    }
    assert_eq!(reader.join().unwrap().unwrap(), u64::try_from(MOST).unwrap());
    let peak = running.peak_memory();
    assert!(peak < 64 * 1024, "{peak} KiB");
    // An upload that the app does not take is not taken from the sender.
    let mut client = running.connect();
    client.send(format!("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: {MOST}\r\n\r\n"));
    let slow = backend.call();
    client.stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let mut taken = 0;
    while let Ok(length) = std::io::Write::write(&mut client.stream, &[b'x'; 16 * 1024]) {
        taken += length;
        assert!(taken < MOST / 2, "{taken} bytes were taken, and nobody read them");
    }
    drop(client);
    drop(slow);
    let peak = running.peak_memory();
    assert!(peak < 64 * 1024, "{peak} KiB");
    running.signal("TERM");
    assert!(running.end().0.success());
}
