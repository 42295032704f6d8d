//! The floods, each bounded in count and ending by itself.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, spawn_local, yield_now};
use tokio::time::timeout;

use crate::alipay::{Form, Notification, key};
use crate::field::{Answer, Field, Tally, answer, forged, head, post};

/// As many as fit under the default `server.max_connections` and leave room for genuine senders.
const CROWD: usize = 9_900;
/// The default `server.max_body`.
const MAX_BODY: usize = 256 * 1024;
/// The answers to a genuine notification in front of an app that takes its time.
const REPLAYED: [(u16, &str); 2] = [(200, "fail"), (200, "success")];
/// How many genuine notifications each flood has to let through.
pub(crate) const GENUINE: usize = 50;

/// Connections that never send a byte.
pub(crate) async fn idle(field: Field) -> Tally {
    stand(&field, CROWD, b"").await
}

/// Connections that were answered and are kept open, and are answered again after a while.
pub(crate) async fn kept_alive(field: Field) -> Tally {
    let large = post(&format!("x={}", "y".repeat(32 * 1024)), "");
    let mut crowd = Vec::new();
    let mut read = Vec::new();
    while crowd.len() < field.scaled(CROWD) {
        let mut batch = field.crowd(50, &large).await;
        for stream in &mut batch {
            assert_eq!(answer(stream, &mut read).await, Some(Answer(403, "fail".into())));
        }
        crowd.append(&mut batch);
    }
    let mut tally = Tally { connections: crowd.len(), requests: crowd.len() };
    field.outlast(GENUINE / 2).await;
    let small = post(&forged(0), "");
    for stream in &mut crowd {
        stream.write_all(&small).await.unwrap();
        assert_eq!(answer(stream, &mut read).await, Some(Answer(403, "fail".into())));
        tally.requests += 1;
    }
    field.outlast(GENUINE / 2).await;
    tally
}

/// Connections that sent the beginning of a head.
pub(crate) async fn half_heads(field: Field) -> Tally {
    stand(&field, CROWD, b"POST /alipay/notify HTTP/1.1\r\nHost: example.com\r\nX: ").await
}

/// Connections that sent all of the longest head but its end.
pub(crate) async fn long_half_heads(field: Field) -> Tally {
    let head = format!("POST /alipay/notify HTTP/1.1\r\nHost: example.com\r\nX: {}", "x".repeat(16_000));
    stand(&field, CROWD, head.as_bytes()).await
}

/// Bodies that stall after their first 8 KiB.
pub(crate) async fn stalled_bodies(field: Field) -> Tally {
    let start = head(MAX_BODY, "") + &forged(MAX_BODY)[..8 * 1024];
    let tally = stand(&field, CROWD, start.as_bytes()).await;
    Tally { requests: tally.connections, ..tally }
}

/// Bodies that come a kilobyte at a time and never end.
pub(crate) async fn dribbled_bodies(field: Field) -> Tally {
    let body = forged(MAX_BODY);
    let mut crowd = field.crowd(field.scaled(2_000), head(MAX_BODY, "").as_bytes()).await;
    for piece in body.as_bytes().chunks(1024).take(240) {
        for stream in &mut crowd {
            stream.write_all(piece).await.ok();
        }
    }
    field.outlast(GENUINE).await;
    Tally { connections: crowd.len(), requests: crowd.len() }
}

/// Forged notifications as large as may be, back to back.
pub(crate) async fn large_forged(field: Field) -> Tally {
    back_to_back(&field, 256, 4_000, &post(&forged(MAX_BODY - 64), ""), [403, 200], GENUINE).await
}

/// Large forged bodies pushed in pieces by as many as may be connected, over and over.
pub(crate) async fn pushed_in_pieces(field: Field) -> Tally {
    let request: Rc<[u8]> = post(&forged(MAX_BODY - 64), "").into();
    let goal = *field.answered.borrow() + field.scaled(GENUINE);
    let pushers: Vec<JoinHandle<Tally>> = (0..field.scaled(9_000))
        .map(|_| {
            let (field, request) = (field.clone(), Rc::clone(&request));
            spawn_local(async move {
                let mut tally = Tally::default();
                while tally.connections == 0 || *field.answered.borrow() < goal {
                    let Ok(mut stream) = field.connect().await else { continue };
                    tally.connections += 1;
                    tally.requests += push(&mut stream, &request).await;
                }
                tally
            })
        })
        .collect();
    let tally = total(pushers).await;
    field.outlast(GENUINE).await;
    tally
}

/// Sends `request` in pieces, everybody else having a turn after each, and says whether it was answered.
async fn push(stream: &mut TcpStream, request: &[u8]) -> usize {
    for piece in request.chunks(16 * 1024) {
        if stream.write_all(piece).await.is_err() {
            break;
        }
        yield_now().await;
    }
    let Some(Answer(status, body)) = answer(stream, &mut Vec::new()).await else { return 0 };
    assert!([403, 200].contains(&status) && body == "fail", "{status} {body}");
    1
}

/// One captured genuine notification, as large as may be, sent by many at once, while the app does not answer it.
pub(crate) async fn replayed(field: Field) -> Tally {
    let content = format!(r#"{{"text":"{}"}}"#, "x".repeat(250_000));
    let captured = Notification::unsigned().set("biz_content", content).signed(Form::V1, key()).body();
    let request: Rc<[u8]> = post(&captured, "").into();
    let replayers: Vec<JoinHandle<Tally>> = (0..field.scaled(500))
        .map(|_| {
            let (field, request) = (field.clone(), Rc::clone(&request));
            spawn_local(async move {
                let mut tally = Tally::default();
                while !field.app.answers_large() {
                    tally.connections += 1;
                    let Ok(mut stream) = field.connect().await else { continue };
                    tally.requests += volley(&mut stream, &request, field.scaled(100), &REPLAYED).await;
                }
                tally
            })
        })
        .collect();
    field.outlast(GENUINE).await;
    field.app.answer_large();
    total(replayers).await
}

/// Forged notifications of the usual size, each of which costs an RSA operation.
pub(crate) async fn small_forged(field: Field) -> Tally {
    back_to_back(&field, 1_000, 200_000, &post(&forged(0), ""), [403, 403], GENUINE).await
}

/// Peers that vanish in the middle, with a reset or with half a connection.
pub(crate) async fn vanishing(field: Field) -> Tally {
    let forged = post(&forged(0), "");
    let (half, whole) = (&forged[..forged.len() / 2], &forged[..]);
    let mut tally = Tally::default();
    for wave in 0..10 {
        let mut crowd = Vec::new();
        for number in 0..field.scaled(2_000) {
            let mut stream = field.connect().await.unwrap();
            let bytes: &[u8] = match (wave + number) % 4 {
                0 => b"",
                1 => &half[..100],
                2 => half,
                _ => whole,
            };
            stream.write_all(bytes).await.ok();
            if number % 2 == 0 {
                stream.set_zero_linger().unwrap();
            } else {
                stream.shutdown().await.ok();
            }
            crowd.push(stream);
        }
        tally.connections += crowd.len();
        tally.requests += crowd.len() / 4;
        field.outlast(GENUINE / 10).await;
    }
    tally
}

/// Requests one behind the other from peers that read no answer.
pub(crate) async fn deaf_pipelines(field: Field) -> Tally {
    let forged_request = post(&forged(0), "");
    let burst = [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(500), forged_request.repeat(2)].concat();
    let mut crowd = Vec::new();
    let mut tally = Tally::default();
    for _ in 0..field.scaled(4_000) {
        let stream = field.connect_deaf().await.unwrap();
        tally.connections += 1;
        crowd.push(stream);
    }
    // Until the sidecar takes no more of them, for as long as nobody reads.
    for _ in 0..16 {
        for stream in &mut crowd {
            if let Ok(length) = stream.try_write(&burst) {
                tally.requests += 502 * length / burst.len();
            }
        }
        field.outlast(GENUINE / 10).await;
    }
    tally
}

/// Requests built to cost more than they weigh.
pub(crate) async fn odd_shapes(field: Field) -> Tally {
    let parameters: Vec<String> = (0..10_000).map(|number| format!("p{number}={number}")).collect();
    let signed =
        |content: String| Notification::unsigned().set("biz_content", content).signed(Form::V2, key()).body();
    let headers = "x-header: value\r\n".repeat(700);
    let chunks = format!("{}0\r\n\r\n", "1\r\na\r\n".repeat(20_000));
    let chunked = head(0, "Transfer-Encoding: chunked\r\n").replace("Content-Length: 0\r\n", "") + &chunks;
    let mut tally = Tally::default();
    for (request, statuses) in [
        (post(&parameters.join("&"), ""), 400),
        (post(&signed("{\"a\":".repeat(20_000)), ""), 400),
        (post(&signed(format!("{{\"a\":{}}}", "[".repeat(60_000))), ""), 400),
        (post("", &headers), 431),
        (post("", &format!("x: {}\r\n", "x".repeat(17_000))), 431),
        (chunked.into_bytes(), 400),
        (post(&"&".repeat(MAX_BODY), ""), 400),
        (post(&format!("a={}", "%61".repeat(80_000)), ""), 403),
    ] {
        let part = back_to_back(&field, 64, 1_000, &request, [statuses, 200], GENUINE.div_ceil(8)).await;
        tally.connections += part.connections;
        tally.requests += part.requests;
    }
    tally
}

/// `count` connections that send `bytes` and stay until genuine notifications have passed them by.
async fn stand(field: &Field, count: usize, bytes: &[u8]) -> Tally {
    let crowd = field.crowd(field.scaled(count), bytes).await;
    field.outlast(GENUINE).await;
    Tally { connections: crowd.len(), requests: 0 }
}

/// `connections` senders that share `requests`, each waiting for one answer before the next; they go on, up to ten
/// times as long, until `genuine` notifications were answered beside them.
async fn back_to_back(
    field: &Field,
    connections: usize,
    requests: usize,
    request: &[u8],
    statuses: [u16; 2],
    genuine: usize,
) -> Tally {
    let goal = *field.answered.borrow() + genuine;
    let connections = field.scaled(connections);
    let each = field.scaled(requests).div_ceil(connections);
    let request: Rc<[u8]> = request.into();
    let senders: Vec<JoinHandle<Tally>> = (0..connections)
        .map(|_| {
            let (field, request) = (field.clone(), Rc::clone(&request));
            spawn_local(async move {
                let mut tally = Tally::default();
                while tally.requests < each || *field.answered.borrow() < goal {
                    assert!(tally.requests < 1_000 * each, "genuine notifications do not get through");
                    tally.connections += 1;
                    assert!(tally.connections <= 2_000 * each, "closed more often than it answers");
                    let Ok(mut stream) = field.connect().await else { continue };
                    tally.requests +=
                        volley(&mut stream, &request, each, &statuses.map(|status| (status, "fail"))).await;
                }
                tally
            })
        })
        .collect();
    total(senders).await
}

/// What all of `senders` did, once they are done.
async fn total(senders: Vec<JoinHandle<Tally>>) -> Tally {
    let mut tally = Tally::default();
    for sender in senders {
        let one = sender.await.unwrap();
        tally.connections += one.connections;
        tally.requests += one.requests;
    }
    tally
}

/// Sends up to `count` requests over `stream`, and says how many were answered before it was closed.
///
/// Each answer has to be one of `expected`: a status and a body.
async fn volley(stream: &mut TcpStream, request: &[u8], count: usize, expected: &[(u16, &str)]) -> usize {
    let mut read = Vec::new();
    for done in 0..count {
        let (mut incoming, mut outgoing) = stream.split();
        // An answer may come, and the connection end, before all was sent.
        let sent: io::Result<()> = tokio::select! {
            biased;
            sent = outgoing.write_all(request) => sent,
            _ = incoming.read_buf(&mut read) => Ok(()),
        };
        let Some(Answer(status, body)) = answer(stream, &mut read).await else { return done };
        assert!(expected.contains(&(status, &body)), "{status} {body}");
        if sent.is_err() {
            return done + 1;
        }
    }
    count
}

/// More connections than the cap: the surplus is closed at once, and who was in before is served on.
pub(crate) async fn surplus(field: Field) -> Tally {
    let cap = field.scaled(SURPLUS_CAP);
    let mut inside = field.connect().await.unwrap();
    let mut read = Vec::new();
    let request = post(&Notification::genuine(Form::V1).body(), "");
    let mut crowd = field.crowd(cap, b"").await;
    let mut tally = Tally { connections: cap, requests: 0 };
    let mut late = 0;
    for _ in 0..10 {
        for mut stream in field.crowd(cap / 2, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await {
            tally.connections += 1;
            let end = timeout(Duration::from_secs(16), answer(&mut stream, &mut Vec::new())).await;
            if end.expect("a surplus connection is left waiting").is_some() {
                // It took the place that a genuine sender had just left.
                crowd.push(stream);
                late += 1;
            }
        }
        inside.write_all(&request).await.unwrap();
        tally.requests += 1;
        assert_eq!(answer(&mut inside, &mut read).await, Some(Answer(200, "success".into())));
    }
    assert!(late <= 1 + field.answered.borrow().to_owned(), "{late} more than the cap were served");
    drop(crowd);
    field.outlast(GENUINE).await;
    tally
}

/// `server.max_connections` where there are to be more.
pub(crate) const SURPLUS_CAP: usize = 4_000;
