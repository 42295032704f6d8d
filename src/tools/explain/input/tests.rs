use super::*;

const BODY: &str = "charset=UTF-8&biz_content=%7B%22a%22%3A%22%26+%27%22%7D&sign=AB%2B%2F%3D&app_id=1";

fn read(text: &str) -> Capture {
    Capture::read(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[track_caller]
fn holds_the_body(text: &str, form: &str) -> Capture {
    let capture = read(text);
    assert_eq!(capture.form, form);
    assert_eq!(capture.parameters(), Parameters::decoded(BODY.as_bytes()), "{text}");
    capture
}

#[test]
fn a_raw_body_may_end_with_a_line_break() {
    for end in ["", "\n", "\r\n"] {
        assert_eq!(holds_the_body(&format!("{BODY}{end}"), "a raw body").body, BODY.as_bytes());
        assert_eq!(holds_the_body(&format!("{end}{BODY}"), "a raw body").body, BODY.as_bytes());
    }
}

#[test]
fn a_request_is_read_to_the_end_of_its_body() {
    let length = BODY.len();
    for end in ["\r\n", "\n"] {
        let head =
            ["POST /alipay/notify?x=1 HTTP/1.1", "Host: a", &format!("Content-Length: {length}"), "", ""];
        let request = head.join(end);
        let capture = holds_the_body(&format!("{request}{BODY}\n\nGET / HTTP/1.1"), "an HTTP request");
        let head = capture.head.unwrap();
        assert_eq!((head.method.as_str(), head.target.as_str()), ("POST", "/alipay/notify?x=1"));
        assert_eq!(head.headers[0], ("Host".to_owned(), "a".to_owned()));
        let cut = Capture::read(format!("{request}{}", BODY.split_at(10).0).as_bytes()).unwrap_err();
        assert_eq!(cut, Unreadable::Incomplete { captured: 10, announced: length });
    }
}

#[test]
fn a_request_in_chunks_is_put_together() {
    let (one, other) = BODY.split_at(20);
    let request = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunks = format!("14\r\n{one}\r\n{:x};x=1\r\n{other}\r\n0\r\n\r\n", other.len());
    holds_the_body(&format!("{request}{chunks}"), "an HTTP request");
    assert!(Capture::read(format!("{request}14\r\n{one}").as_bytes()).is_err());
}

#[test]
fn what_tcpdump_writes_around_the_packets_is_passed_over() {
    let (one, other) = BODY.split_at(30);
    let dump = format!(
        "12:00:00.000001 IP 1.2.3.4.5 > 6.7.8.9.80: Flags [P.], seq 1:99, ack 1, win 512, length 98: HTTP: POST / \
         HTTP/1.1\nE..z..@.@...........POST / HTTP/1.1\nHost: a\nContent-Length: {}\n\n{one}\n12:00:00.000002 IP \
         1.2.3.4.5 > 6.7.8.9.80: Flags [P.], seq 99:100, ack 1, win 512, length {}: HTTP\nE..z..@.\n.@....charset={other}\n",
        BODY.len(),
        other.len()
    );
    holds_the_body(&dump, "an HTTP request");
}

#[test]
fn a_request_with_all_in_its_address_is_read_from_there() {
    let capture = holds_the_body(&format!("GET /n?{BODY} HTTP/1.1\r\nHost: a\r\n\r\n"), "an HTTP request");
    assert_eq!(capture.head.unwrap().method, "GET");
    assert_eq!(Capture::read(b"GET /n HTTP/1.1\r\nHost: a\r\n\r\n").unwrap_err(), Unreadable::NoBody);
}

#[test]
fn a_curl_command_is_read_with_the_quotes_of_every_shell() {
    let commands = [
        format!("curl -d '{BODY}' http://a/n"),
        format!("curl -sS -X POST --data-raw \"{BODY}\" 'http://a/n' \\\n  -H 'X: y'"),
        format!("curl 'http://a/n' --data-binary $'{}'", BODY.replace("%27", "\\'").replace('=', "\\u003d")),
        format!("curl -sSd{BODY} http://a/n"),
        format!("curl --url http://a/n --data={BODY} -o /dev/null"),
        "curl http://a/n -d charset=UTF-8 --data-urlencode 'biz_content={\"a\":\"& '\\''\"}' -d 'sign=AB%2B%2F%3D' -d app_id=1".to_owned(),
    ];
    for command in commands {
        if command.contains("$'") {
            // The quote itself is written as it is there, and decodes to the same.
            let capture = read(&command);
            assert_eq!(capture.parameters(), Parameters::decoded(BODY.as_bytes()), "{command}");
            continue;
        }
        let capture = holds_the_body(&command, "a curl command");
        let head = capture.head.unwrap();
        assert_eq!((head.method.as_str(), head.target.as_str()), ("POST", "/n"), "{command}");
    }
    assert_eq!(
        Capture::read(b"curl --data-binary @x.form http://a").unwrap_err(),
        Unreadable::NamesFile("x.form".to_owned())
    );
    assert_eq!(Capture::read(b"curl -d 'x").unwrap_err(), Unreadable::OpenQuote);
    assert_eq!(Capture::read(b"curl http://a").unwrap_err(), Unreadable::NoBody);
}

#[test]
fn an_archive_of_a_browser_or_a_proxy_is_read() {
    let request = format!(
        r#"{{"method":"POST","url":"https://a.example/n?q=1#f","headers":[{{"name":"A","value":"b"}}],"postData":{{"mimeType":"x","text":"{BODY}"}}}}"#
    );
    let entry = format!(r#"{{"startedDateTime":"x","request":{request}}}"#);
    let archive = format!(r#"{{"log":{{"entries":[{{"request":{{"method":"GET"}}}},{entry}]}}}}"#);
    for text in [request, entry, archive] {
        let head = holds_the_body(&text, "an HTTP archive (HAR)").head.unwrap();
        assert_eq!((head.target.as_str(), head.headers.len()), ("/n?q=1", 1));
    }
    let params = r#"{"request":{"postData":{"params":[{"name":"sign","value":"b c"}]}}}"#;
    assert_eq!(read(params).body, b"sign=b+c");
}

#[test]
fn a_map_of_parameters_is_read_wherever_it_stands_in_a_line_of_the_log() {
    let maps = [
        (
            r#"{"charset":"UTF-8","biz_content":"{\"a\":\"& '\"}","sign":"AB+/=","app_id":"1"}"#,
            "a JSON map of parameters",
        ),
        (r#"{charset=UTF-8, biz_content={"a":"& '"}, sign=AB+/=, app_id=1}"#, "a map of Java"),
        (
            r#"{'charset': 'UTF-8', 'biz_content': '{"a":"& \'"}', 'sign': 'AB+/=', 'app_id': '1'}"#,
            "a dict of Python",
        ),
    ];
    for (map, form) in maps {
        holds_the_body(map, form);
        holds_the_body(&format!("2026-11-25 12:00:00 INFO  notify: {map} end"), form);
    }
    holds_the_body(&format!(r#"{{"headers":{{}},"body":"{BODY}"}}"#), "the body of an event in JSON");
}

#[test]
fn values_that_are_no_text_are_taken_as_they_were_written() {
    let map = read(r#"{"app_id":1,"b":{"x":[1.10]},"c":["y"],"d":null}"#);
    assert_eq!(map.parameters(), Parameters::decoded(b"app_id=1&b={\"x\":[1.10]}&c=[\"y\"]&d=null"));
    let dict = read("{'app_id': ['x'], 'b': [b'y']}");
    assert_eq!(dict.parameters(), Parameters::decoded(b"app_id=['x']&b=[b'y']"));
}

#[test]
fn a_body_that_became_one_name_is_read_as_a_body() {
    let map = read(&format!(r#"{{"{BODY}":""}}"#));
    assert!(map.readings.iter().any(|reading| {
        reading.cause == Some(crate::diagnose::Cause::UnparsedBody)
            && reading.parameters == Parameters::decoded(BODY.as_bytes())
    }));
}

#[test]
fn a_map_is_found_in_a_structured_log_and_beside_other_maps() {
    let json = r#"{"charset":"UTF-8","biz_content":"{\"a\":\"& '\"}","sign":"AB+/=","app_id":"1"}"#;
    let text = serde_json::to_string(json).unwrap();
    let java = r#"{charset=UTF-8, biz_content={"a":"& '"}, sign=AB+/=, app_id=1}"#;
    let in_text = serde_json::to_string(java).unwrap();
    let (of_json, of_java) = ("a JSON map of parameters", "a map of Java");
    for (log, form) in [
        (format!(r#"{{"level":"info","version":"1.0","params":{json}}}"#), of_json),
        (format!(r#"{{"level":"info","params":{text},"app_id":"2"}}"#), of_json),
        (format!(r#"[{{"level":"info"}},{{"extra":[{{"params":{json}}}]}}]"#), of_json),
        (format!(r#"{{"level":"info"}}{{"params":{json}}}"#), of_json),
        (format!(r#"{{"message":{in_text}}}"#), of_java),
        (format!(r#"{{"traceId":"abc"}} params={json}"#), of_json),
        (format!(r#"{{"traceId":"abc"}} params={java}"#), of_java),
        (format!("{java} resp={{x=1}}"), of_java),
        (format!("params={java}, resp={{code=1, x=2}}"), of_java),
        (format!("level=info service=pay&x params={java}"), of_java),
        (format!("{{params={java}, x=1}}"), of_java),
    ] {
        holds_the_body(&log, form);
    }
    // Half a map is none, for the signature may be in the other half.
    let half = b"{app_id=1, biz_content={\"a\":{\"b\":1},\"c\":\"\xc8\"}, sign=AB}";
    assert!(Capture::read(half).is_err());
    // Bytes that are no UTF-8 after it are no part of it.
    let after = [json.as_bytes(), b" \xff"].concat();
    assert_eq!(Capture::read(&after).unwrap().parameters(), Parameters::decoded(BODY.as_bytes()));
}

#[test]
fn braces_in_values_do_not_end_a_map() {
    for value in ["a}b", "a{b", "{\"x\":\"}\"}", "[{\"x\":1}]", "a {b} c", "}, {"] {
        let capture = read(&format!("{{app_id=1, subject={value}, body=x, sign=AB}} resp"));
        let body = [("app_id", "1"), ("subject", value), ("body", "x"), ("sign", "AB")];
        let expected = body.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        assert_eq!(capture.parameters(), expected, "{value}");
    }
}

#[test]
fn the_content_of_a_notification_is_not_taken_for_another() {
    for content in [r#"{"sign":"x","version":"1"}"#, r#""{\"sign\":\"x\",\"version\":\"1\"}""#] {
        let capture = read(&format!(r#"{{"app_id":"1","biz_content":{content}}}"#));
        assert_eq!(capture.parameters().app_id(), Some(&b"1"[..]));
    }
    let unsigned = read(r#"app_id=1&biz_content={"sign":"x","version":"1"}"#);
    assert_eq!(unsigned.form, "a raw body");
}

#[test]
fn what_holds_nothing_of_a_notification_is_no_capture_of_one() {
    for text in [
        "a=1",
        "level=info version=1.0",
        r#"{"level":"info","version":"1.0","service":"pay"}"#,
        r#"{"params":{"a":"b"}}"#,
        "{a=1, b=2}",
        "{'a': 'b'}",
        "curl -d a=1 http://a",
        "POST / HTTP/1.1\r\nHost: a\r\n\r\na=1",
        r#"{"request":{"postData":{"text":"a=1"}}}"#,
        "{}x",
    ] {
        assert_eq!(Capture::read(text.as_bytes()).err(), Some(Unreadable::NoNotification), "{text}");
    }
}

#[test]
fn what_is_no_capture_is_said_to_be_none() {
    for text in ["hello", "<html>", "[1]", "{", "-----BEGIN PUBLIC KEY-----"] {
        assert_eq!(Capture::read(text.as_bytes()).unwrap_err(), Unreadable::Unknown, "{text}");
    }
    assert_eq!(Capture::read(b" \n").unwrap_err(), Unreadable::Empty);
}

proptest::proptest! {
    #[test]
    fn nothing_makes_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), start in 0_usize..8) {
        let starts: [&[u8]; 8] = [b"", b"curl -d ", b"POST / HTTP/1.1\r\n\r\n", b"{", b"{'", b"{\"", b"a=", b"curl $'"];
        drop(Capture::read(&[starts[start], &bytes].concat()));
    }
}
