mod forms;
mod several;

use super::*;

const BODY: &str = "charset=UTF-8&biz_content=%7B%22a%22%3A%22%26+%27%22%7D&sign=AB%2B%2F%3D&app_id=1";

/// The one notification in `bytes`.
fn capture_of(bytes: &[u8]) -> Result<Capture, Unreadable> {
    let mut all = Capture::all(bytes)?;
    assert_eq!(all.len(), 1, "{}", String::from_utf8_lossy(bytes));
    Ok(all.remove(0))
}

fn read(text: &str) -> Capture {
    capture_of(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"))
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
        let cut = capture_of(format!("{request}{}", BODY.split_at(10).0).as_bytes()).unwrap_err();
        assert_eq!(cut, Unreadable::Incomplete { captured: 10, announced: length });
    }
}

#[test]
fn a_request_in_chunks_is_put_together() {
    let (one, other) = BODY.split_at(20);
    let request = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunks = format!("14\r\n{one}\r\n{:x};x=1\r\n{other}\r\n0\r\n\r\n", other.len());
    holds_the_body(&format!("{request}{chunks}"), "an HTTP request");
    assert!(capture_of(format!("{request}14\r\n{one}").as_bytes()).is_err());
}

#[test]
fn what_tcpdump_writes_around_the_packets_is_passed_over_with_every_form_of_the_time() {
    let (one, other) = BODY.split_at(30);
    for (time, interface) in [
        ("12:00:00.000001 ", ""),
        ("2026-11-25 12:00:00.000001 ", ""),
        ("1764072000.000001 ", ""),
        (" 00:00:00.000012 ", ""),
        ("", ""),
        ("12:00:00.000001 ", "eth0  In  "),
    ] {
        let dump = format!(
            "{time}{interface}IP 1.2.3.4.5 > 6.7.8.9.80: Flags [P.], seq 1:99, ack 1, win 512, length 98: HTTP: POST / \
             HTTP/1.1\nE..z..@.@...........POST / HTTP/1.1\nHost: a\nContent-Length: {}\n\n{one}\n{time}{interface}IP \
             1.2.3.4.5 > 6.7.8.9.80: Flags [P.], seq 99:100, ack 1, win 512, length {}: HTTP\nE..z..@.\n.@....charset={other}\n",
            BODY.len(),
            other.len()
        );
        let capture = holds_the_body(&dump, "an HTTP request");
        assert_eq!((capture.notes, capture.placeholder), (vec![tcpdump::NOTE], Some(tcpdump::PLACEHOLDER)));
        let short = dump.replace(&format!("Content-Length: {}", BODY.len()), "Content-Length: 999");
        assert_eq!(
            capture_of(short.as_bytes()).unwrap_err(),
            Unreadable::IncompleteDump { captured: BODY.len(), announced: 999 }
        );
    }
    // A line of the body that only begins with a number is none of its lines.
    assert_eq!(tcpdump::Packet::of(b"12 IP addresses, length 3"), None);
}

#[test]
fn one_packet_of_tcpdump_without_the_line_before_it_is_known_as_one() {
    let packet =
        format!("E..z..@.@...........POST / HTTP/1.1\nHost: a\nContent-Length: {}\n\n{BODY}\n", BODY.len());
    assert_eq!(holds_the_body(&packet, "an HTTP request").notes, [tcpdump::NOTE]);
    let request = format!("POST / HTTP/1.1\nContent-Length: {}\n\n{BODY}", BODY.len());
    assert_eq!(holds_the_body(&request, "an HTTP request").notes, Vec::<&str>::new());
}

#[test]
fn a_request_with_all_in_its_address_is_read_from_there() {
    let capture = holds_the_body(&format!("GET /n?{BODY} HTTP/1.1\r\nHost: a\r\n\r\n"), "an HTTP request");
    assert_eq!(capture.head.unwrap().method, "GET");
    assert_eq!(capture_of(b"GET /n HTTP/1.1\r\nHost: a\r\n\r\n").unwrap_err(), Unreadable::NoBody);
}

#[test]
fn a_curl_command_is_read_with_the_quotes_of_every_shell() {
    let commands = [
        format!("curl -d '{BODY}' http://a/n"),
        format!("curl -sS -X POST --data-raw \"{BODY}\" 'http://a/n' \\\n  -H 'X: y'"),
        format!("curl 'http://a/n' --data-binary $'{}'", BODY.replace("%27", "\\'").replace('=', "\\u003d")),
        format!("curl -sSd{BODY} http://a/n"),
        format!("curl --url http://a/n --data={BODY} -o /dev/null"),
        format!("$ curl -d '{BODY}' http://a/n"),
        format!("me@host:~/x$ curl -d '{BODY}' http://a/n"),
        format!("C:\\Users\\me>curl -d \"{BODY}\" http://a/n"),
        format!("curl.exe ^\"http://a/n^\" ^\r\n  --data-raw ^\"{}^\"", BODY.replace('%', "^%^").replace('&', "^&")),
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
        capture_of(b"curl --data-binary @x.form http://a").unwrap_err(),
        Unreadable::NamesFile("x.form".to_owned())
    );
    assert_eq!(capture_of(b"curl -d 'x").unwrap_err(), Unreadable::OpenQuote);
    assert_eq!(capture_of(b"curl http://a").unwrap_err(), Unreadable::NoBody);
}

#[test]
fn of_a_body_that_is_no_form_it_is_said_which_type_it_has() {
    let form = "multipart/form-data; boundary=x";
    let multipart = format!(
        "POST /n HTTP/1.1\r\nHost: a\r\nContent-Type: {form}\r\n\r\n--x\r\nContent-Disposition: form-data; name=\"sign\"\r\n\r\nAB\r\n--x--"
    );
    for (text, media_type) in [
        ("curl -F app_id=1 -Fsign=AB http://a/n", "multipart/form-data"),
        ("curl http://a/n --form app_id=1 --form-string sign=AB", "multipart/form-data"),
        ("curl --json '{\"app_id\":\"1\"}' http://a/n", "application/json"),
        (&multipart, form),
    ] {
        let problem = capture_of(text.as_bytes()).unwrap_err();
        assert_eq!(problem, Unreadable::OtherType(media_type.to_owned()), "{text}");
        assert!(problem.to_string().contains("415 (unsupported_media_type)"), "{problem}");
    }
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
        assert_eq!((head.target.as_str(), head.headers.len()), ("/n?q=1", 2));
        assert_eq!(
            head.headers[1],
            ("content-type".to_owned(), "x".to_owned()),
            "what the archive says of the body"
        );
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
    // What is neither UTF-8 nor GBK is read as it is.
    let odd = b"{app_id=1, biz_content={\"a\":{\"b\":1},\"c\":\"\xc8\"}, sign=AB}";
    let odd = capture_of(odd).unwrap().parameters();
    assert_eq!(odd.get("biz_content"), Some(&b"{\"a\":{\"b\":1},\"c\":\"\xc8\"}"[..]));
    assert_eq!(odd.get("sign"), Some(&b"AB"[..]));
    // Bytes that are no UTF-8 after it are no part of it.
    let after = [json.as_bytes(), b" \xff"].concat();
    assert_eq!(capture_of(&after).unwrap().parameters(), Parameters::decoded(BODY.as_bytes()));
}

/// The body of which the captures below hold the parameters.
fn pairs(text: &str, form: &str) -> Capture {
    let capture = read(text);
    assert_eq!(capture.form, form, "{text}");
    let content = "{\"a\":\"& 'x y:z] b=c, d\"}";
    let expected = [("app_id", "1"), ("biz_content", content), ("charset", "UTF-8"), ("sign", "AB+/=")];
    let expected = expected.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    assert_eq!(capture.parameters(), expected, "{text}");
    capture
}

const CONTENT: &str = r#"{"a":"& 'x y:z] b=c, d"}"#;

#[test]
fn what_php_prints_is_read() {
    let lines = format!(
        "Array\n(\n    [app_id] => 1\n    [biz_content] => {CONTENT}\n    [charset] => UTF-8\n    [sign] => AB+/=\n)\n"
    );
    for text in
        [lines.clone(), format!("12:00 notify: {lines} end"), lines.replace("\n    ", " ").replace('\n', " ")]
    {
        pairs(&text, "what print_r of PHP prints");
    }
    let nested = "Array\n(\n    [app_id] => Array\n        (\n            [0] => 1\n        )\n\n    [sign] => AB\n)\n";
    assert_eq!(read(nested).parameters(), Parameters::decoded(b"app_id=[1]&sign=AB"));
    let dump = format!(
        "array(4) {{\n  [\"app_id\"]=>\n  string(1) \"1\"\n  [\"biz_content\"]=>\n  string({}) \"{CONTENT}\"\n  [\"charset\"]=>\n  \
         string(5) \"UTF-8\"\n  [\"sign\"]=>\n  string(5) \"AB+/=\"\n}}\n",
        CONTENT.len()
    );
    pairs(&dump, "what var_dump of PHP prints");
    let export = format!(
        "array (\n  'app_id' => '1',\n  'biz_content' => '{}',\n  'charset' => 'UTF-8',\n  'sign' => 'AB+/=',\n)",
        CONTENT.replace('\'', "\\'")
    );
    pairs(&export, "what var_export of PHP prints");
}

#[test]
fn what_go_prints_is_read_and_the_lists_of_its_type_are_no_damage() {
    let map = format!("map[app_id:1 biz_content:{CONTENT} charset:UTF-8 sign:AB+/=]");
    pairs(&map, "a map of Go");
    pairs(&format!("2026/11/25 12:00:00 notify {map} from 1.2.3.4"), "a map of Go");
    let values = format!("map[app_id:[1] biz_content:[{CONTENT}] charset:[UTF-8] sign:[AB+/=]]");
    assert_eq!(pairs(&values, "url.Values of Go").notes, [LISTS]);
    let text = "map[app_id:1 body:x y:z 5:6 [x] b:y sign:AB+/= subject:a b version:1.0]";
    let expected = b"app_id=1&body=x y:z 5:6 [x] b:y&sign=AB%2B/%3D&subject=a b&version=1.0";
    assert_eq!(read(text).parameters(), Parameters::decoded(expected));
}

#[test]
fn what_python_prints_is_read() {
    let quoted = CONTENT.replace('\'', "\\'");
    for (text, form) in [
        (
            format!(
                "{{b'app_id': b'1', b'biz_content': b'{quoted}', b'charset': b'UTF-8', b'sign': b'AB+/='}}"
            ),
            "a dict of Python",
        ),
        (
            format!(
                "{{'app_id': 1, 'biz_content': '{}', 'charset': 'UTF-8', 'sign': 'AB+/='}}",
                quoted.replace('&', "\\x26")
            ),
            "a dict of Python",
        ),
        (
            format!(
                "ImmutableMultiDict([('app_id', '1'), ('biz_content', '{quoted}'), ('charset', 'UTF-8'), ('sign', 'AB+/=')])"
            ),
            "a list of pairs of Python",
        ),
        (
            format!(
                "CombinedMultiDict([ImmutableMultiDict([]), ImmutableMultiDict([('app_id', '1'), ('biz_content', '{quoted}'), \
                 ('charset', 'UTF-8'), ('sign', 'AB+/=')])])"
            ),
            "a list of pairs of Python",
        ),
        (
            format!(
                "<QueryDict: {{'app_id': ['1'], 'biz_content': ['{quoted}'], 'charset': ['UTF-8'], 'sign': ['AB+/=']}}>"
            ),
            "a QueryDict of Django",
        ),
    ] {
        pairs(&text, form);
    }
    let escaped = read(r"{'app_id': '1', 'subject': '\u4eba\xe4', 'sign': 'AB'}");
    assert_eq!(escaped.parameters().get("subject"), Some("人ä".as_bytes()));
    let bytes = read(r"{b'app_id': b'1', b'subject': b'\xc8\xcb', b'sign': b'AB'}");
    assert_eq!(bytes.parameters().get("subject"), Some(&b"\xc8\xcb"[..]));
}

#[test]
fn a_map_of_java_may_hold_lists_or_be_cut() {
    let lists = format!("{{app_id=[1], biz_content=[{CONTENT}], charset=[UTF-8], sign=[AB+/=]}}");
    for text in [lists.clone(), format!("INFO notify {lists} end")] {
        assert_eq!(pairs(&text, "a map of lists of Java").notes, [LISTS]);
    }
    let cut = read("INFO notify {app_id=1, biz_content={\"a\":1}, subject=a}b, notify_id=5608c");
    assert_eq!(
        cut.parameters(),
        Parameters::decoded(b"app_id=1&biz_content={\"a\":1}&subject=a}b&notify_id=5608c")
    );
    assert_eq!(cut.notes, [CUT]);
    let addresses = "{app_id=[Ljava.lang.String;@6d06d69c, sign=[Ljava.lang.String;@7852e922}";
    assert_eq!(capture_of(addresses.as_bytes()).unwrap_err(), Unreadable::Addresses);
}

#[test]
fn captures_in_gbk_keep_their_bytes() {
    let gbk = |text: &str| encoding_rs::GBK.encode(text).0.into_owned();
    let value = gbk("人脸}昞");
    for text in [
        "{app_id=1, subject=人脸}昞, sign=AB}",
        "{\"app_id\":\"1\",\"subject\":\"人脸}昞\",\"sign\":\"AB\"}",
        "{'app_id': '1', 'subject': '人脸}昞', 'sign': 'AB'}",
        "Array\n(\n    [app_id] => 1\n    [subject] => 人脸}昞\n    [sign] => AB\n)",
        "map[app_id:1 sign:AB subject:人脸}昞]",
        "curl -d 'app_id=1&subject=人脸}昞&sign=AB' http://a",
        "app_id=1&subject=人脸}昞&sign=AB",
    ] {
        let capture = capture_of(&gbk(text)).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(capture.parameters().get("subject"), Some(value.as_slice()), "{text}");
        assert_eq!(capture.parameters().get("sign"), Some(&b"AB"[..]), "{text}");
    }
}

#[test]
fn the_log_of_a_container_is_read_as_what_was_logged() {
    let line =
        |text: &str| format!("{}\n", serde_json::json!({ "log": text, "stream": "stdout", "time": "x" }));
    let java = r#"{charset=UTF-8, biz_content={"a":"& '"}, sign=AB+/=, app_id=1}"#;
    let (one, other) = java.split_at(20);
    holds_the_body(&format!("{}{}", line("start\n"), line(&format!("notify {java}\n"))), "a map of Java");
    holds_the_body(&format!("{}{}", line(one), line(&format!("{other}\n"))), "a map of Java");
    holds_the_body(&line(&format!("{BODY}\n")), "a raw body");
    let lines = [
        "Array\n",
        "(\n",
        "    [charset] => UTF-8\n",
        "    [biz_content] => {\"a\":\"& '\"}\n",
        "    [sign] => AB+/=\n",
        "    [app_id] => 1\n",
        ")\n",
    ];
    holds_the_body(&lines.map(line).concat(), "what print_r of PHP prints");
}

#[test]
fn a_line_about_a_request_does_not_hide_the_map_after_it() {
    let java = r#"{charset=UTF-8, biz_content={"a":"& '"}, sign=AB+/=, app_id=1}"#;
    let log = format!("1.2.3.4 - \"POST /alipay/notify HTTP/1.1\" 200 OK\nINFO notify {java}\n");
    holds_the_body(&log, "a map of Java");
}

#[test]
fn the_body_of_an_event_may_be_in_base64() {
    use base64::Engine;
    let encoded = base64::prelude::BASE64_STANDARD.encode(BODY);
    holds_the_body(
        &format!(r#"{{"version":"2.0","body":"{encoded}","isBase64Encoded":true}}"#),
        "the body of an event in JSON",
    );
    holds_the_body(
        &format!(r#"{{"version":"2.0","body":"{BODY}","isBase64Encoded":false}}"#),
        "the body of an event in JSON",
    );
    holds_the_body(&format!(r#"{{"data":{{"raw":"{BODY}"}}}}"#), "a raw body");
}

#[test]
fn a_body_that_was_encoded_as_a_whole_is_read_as_one() {
    let encoded: String = form_urlencoded::byte_serialize(BODY.as_bytes()).collect();
    for text in
        [encoded.clone(), format!("{encoded}="), format!("data={encoded}"), encoded.replace("%3D", "%3d")]
    {
        let capture = read(&text);
        let of_body = |reading: &Reading| reading.parameters == Parameters::decoded(BODY.as_bytes());
        assert!(capture.readings.iter().any(of_body), "{text}");
        assert!(
            capture.readings.iter().filter(|reading| of_body(reading)).all(|reading| reading.cause.is_some())
        );
    }
}

#[test]
fn braces_in_values_do_not_end_a_map() {
    for value in ["a}b", "a{b", "{\"x\":\"}\"}", "[{\"x\":1}]", "a {b} c", "}, {", "a} b", "}"] {
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
        assert_eq!(capture_of(text.as_bytes()).err(), Some(Unreadable::NoNotification), "{text}");
    }
}

#[test]
fn what_is_no_capture_is_said_to_be_none() {
    for text in ["hello", "<html>", "[1]", "{", "-----BEGIN PUBLIC KEY-----"] {
        assert_eq!(capture_of(text.as_bytes()).unwrap_err(), Unreadable::Unknown, "{text}");
    }
    assert_eq!(capture_of(b" \n").unwrap_err(), Unreadable::Empty);
}

proptest::proptest! {
    #[test]
    fn nothing_makes_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), start in 0_usize..14) {
        let starts: [&[u8]; 14] = [
            b"", b"curl -d ", b"POST / HTTP/1.1\r\n\r\n", b"{", b"{'", b"{\"", b"a=", b"curl $'", b"curl ^\"", b"map[a:",
            b"[('", b"Array ( [a] => ", b"array(1) { [\"a\"]=> string(9) \"", b"array ( 'a' => '",
        ];
        drop(Capture::all(&[starts[start], &bytes].concat()));
    }
}
