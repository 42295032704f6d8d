//! Captures that hold more than one thing.

use super::*;

const OTHER: &str = "charset=UTF-8&biz_content=x&sign=CD%3D&app_id=2";
const JAVA: &str = r#"{charset=UTF-8, biz_content={"a":"& '"}, sign=AB+/=, app_id=1}"#;
const JSON: &str = r#"{"charset":"UTF-8","biz_content":"{\"a\":\"& '\"}","sign":"AB+/=","app_id":"1"}"#;

fn request(body: &str) -> String {
    format!("POST /n HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// The apps of all notifications in `text`, in their order.
#[track_caller]
fn apps(text: &str) -> Vec<String> {
    let all = Capture::all(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"));
    let app = |capture: &Capture| String::from_utf8(capture.app_id().unwrap().to_vec()).unwrap();
    all.iter().map(app).collect()
}

#[test]
fn a_request_without_a_sign_does_not_hide_the_one_that_has_it() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfail";
    let login = request("user=a&app_id=3");
    let text = format!("{login}{answer}\r\n\r\n{}{answer}", request(BODY));
    holds_the_body(&text, "an HTTP request");
    let get = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n";
    holds_the_body(&format!("{get}{}", request(BODY)), "an HTTP request");
    let entry = |body: &str| {
        format!(r#"{{"request":{{"method":"POST","url":"/n","postData":{{"text":"{body}"}}}}}}"#)
    };
    let archive = format!(r#"{{"log":{{"entries":[{},{}]}}}}"#, entry("user=a"), entry(BODY));
    holds_the_body(&archive, "an HTTP archive (HAR)");
}

#[test]
fn a_map_without_a_sign_does_not_hide_the_one_that_has_it() {
    for map in [JAVA, JSON] {
        for before in [
            "{app_id=3, version=1.0}",
            r#"{"app_id":"3","version":"1.0"}"#,
            "{'app_id': '3'}",
            "Array\n(\n    [app_id] => 3\n)\n",
        ] {
            assert_eq!(apps(&format!("{before}\n{map}")), ["1"], "{before} {map}");
            assert_eq!(apps(&format!("{map} resp={before}")), ["1"], "{map} {before}");
        }
    }
}

#[test]
fn each_notification_is_found_once_in_the_order_of_the_capture() {
    for text in [
        format!("{}{}", request(BODY), request(OTHER)),
        format!("{BODY}\n{OTHER}\n"),
        format!("12:00 INFO body: {BODY}\n12:01 INFO body: {OTHER}\n"),
        format!("{JAVA}\n{}\n", JAVA.replace("app_id=1", "app_id=2")),
        format!("{JAVA} {}", JAVA.replace("app_id=1", "app_id=2")),
        format!("{JSON}\n{}\n", JSON.replace("\"1\"", "\"2\"")),
        format!("[{JSON},{}]", JSON.replace("\"1\"", "\"2\"")),
        format!("{BODY}\n{{\"x\":1}}\n{}", JAVA.replace("app_id=1", "app_id=2")),
        format!("curl -d '{BODY}' http://a/n ;\ncurl -d '{OTHER}' http://a/n | jq .\n"),
        "map[app_id:1 sign:AB version:1.0]\nmap[app_id:2 sign:AB version:1.0]".to_owned(),
        "map[app_id:[1] sign:[AB]] map[app_id:[2] sign:[AB]]".to_owned(),
        "{'app_id': '1', 'sign': 'AB', 'x': 'y'} {'app_id': '2', 'sign': 'AB'}".to_owned(),
        "Array\n(\n    [app_id] => 1\n    [sign] => AB\n)\n12:00 Array\n(\n    [app_id] => 2\n    [sign] => AB\n)\n"
            .to_owned(),
        "Array ( [app_id] => 1 [sign] => AB ) Array ( [app_id] => 2 [sign] => AB )".to_owned(),
    ] {
        assert_eq!(apps(&text), ["1", "2"], "{text}");
        assert_eq!(apps(&format!("{text}\n{text}")), ["1", "2"], "{text}");
    }
    let apart = Capture::all(format!("{JAVA} {}", JAVA.replace("app_id=1", "app_id=2")).as_bytes()).unwrap();
    assert_eq!(apart[0].parameters(), Parameters::decoded(BODY.as_bytes()));
}

#[test]
fn what_is_signed_is_found_in_a_log_of_many_other_maps() {
    let others = "INFO {id=17, user={id=1}} took 3ms\n".repeat(2 * 1_000);
    assert_eq!(
        apps(&format!("{others}INFO {JAVA}\n{others}INFO {}\n", JSON.replace("\"1\"", "\"2\""))),
        ["1", "2"]
    );
}

#[test]
fn the_same_in_two_forms_is_one_notification() {
    for text in [
        format!("12:00 body={BODY}\n12:00 params={JSON}\n12:00 map={JAVA}\n"),
        format!("{}\n12:00 params={JSON}\n", request(BODY)),
        format!("{}{}", request(BODY), request(BODY)),
    ] {
        assert_eq!(apps(&text), ["1"], "{text}");
    }
}

#[test]
fn packets_of_another_connection_are_no_part_of_a_body() {
    let (one, other) = BODY.split_at(30);
    let line = |flow: &str, length: usize| {
        format!(
            "12:00:00.000001 IP {flow}: Flags [P.], seq 1:99, ack 1, win 512, length {length}: HTTP\nE..z..@."
        )
    };
    let (ours, theirs) = ("1.2.3.4.5 > 6.7.8.9.80", "1.2.3.4.6 > 6.7.8.9.80");
    let head = |body: &str| format!("POST /n HTTP/1.1\nHost: a\nContent-Length: {}\n\n", body.len());
    let (first, second) = OTHER.split_at(10);
    let dump = format!(
        "{}{}{one}\n{}{}{first}\n{}{other}\n{}{second}\n",
        line(ours, 99),
        head(BODY),
        line(theirs, 99),
        head(OTHER),
        line(ours, other.len()),
        line(theirs, second.len())
    );
    assert_eq!(apps(&dump), ["1", "2"]);
    let all = Capture::all(dump.as_bytes()).unwrap();
    assert_eq!(all[0].body, BODY.as_bytes());
    assert_eq!(all[1].body, OTHER.as_bytes());
}

#[test]
fn more_notifications_than_are_explained_at_once_are_counted() {
    let line = |nth: usize| format!("app_id={nth}&charset=UTF-8&sign=AB\n");
    let bodies = |count: usize| (0..count).map(line).collect::<String>();
    assert_eq!(apps(&bodies(MAX_NOTIFICATIONS)).len(), MAX_NOTIFICATIONS);
    assert_eq!(
        Capture::all(bodies(MAX_NOTIFICATIONS + 1).as_bytes()).unwrap_err(),
        Unreadable::TooMany(MAX_NOTIFICATIONS + 1)
    );
}

#[test]
fn what_is_ambiguous_in_a_map_is_read_in_all_ways() {
    let is_among = |text: &str, subject: &str| {
        let capture = read(text);
        let has = |capture: &Capture| capture.parameters().get("subject") == Some(subject.as_bytes());
        assert!(has(&capture) || capture.others().any(|other| has(&other)), "{subject}: {text}");
    };
    for subject in ["a, x=b", "a, x=b, y=c", "a, version=9", "a}, b=c", "a, sign=b", "a} b"] {
        is_among(&format!("{{app_id=1, subject={subject}, version=1.0, sign=AB}} resp={{x=1}}"), subject);
        is_among(&format!("{{sign=AB, version=1.0, app_id=1, subject={subject}}}"), subject);
    }
    is_among("map[app_id:1 sign:AB subject:a total_amount:1 version:1.0]", "a");
    let doubted = read("{app_id=1, subject=a, x=b, sign=AB}").in_doubt();
    assert_eq!(doubted.notes, [AMBIGUOUS]);
    let certain = read("{app_id=1, subject=a, sign=AB}").in_doubt();
    assert_eq!(certain.notes, Vec::<&str>::new());
}

#[test]
fn each_curl_command_is_a_request_of_its_own_however_they_stand_below_one_another() {
    let (one, other) = (format!("curl http://a/n -d '{BODY}'"), format!("curl http://a/n -d '{OTHER}'"));
    for between in
        ["\n", "\r\n", "\n\n", " \\\n  -H 'X: y'\n", "\nfail\n", "\n$ ", "\nfail\nme@host:~$ ", "; ", " && "]
    {
        assert_eq!(apps(&format!("{one}{between}{other}\n")), ["1", "2"], "{between:?}");
    }
    // Where the mark at the end of a line was lost, what follows is an option all the same.
    for lost in ["\n-H 'X: y'", "\n  -H 'X: y'"] {
        assert_eq!(apps(&format!("{one}{lost}")), ["1"]);
    }
    let (one, other) = (one.replace('\'', "\""), other.replace('\'', "\""));
    let (one, other) = (one.replace('%', "^%"), other.replace('%', "^%"));
    assert_eq!(apps(&format!("{one} ^\r\n -H \"X: y\"\r\nC:\\Users\\me>{other}")), ["1", "2"]);
}
