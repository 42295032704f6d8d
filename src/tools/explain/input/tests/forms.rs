//! What programs and tools print, in the forms that came after the first ones.

use std::fmt::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::*;
use crate::verify::key::hex;

/// A body whose `sign` is as long as a genuine one.
fn long() -> String {
    BODY.replace("AB%2B%2F%3D", &format!("{}%3D%3D", "AB%2B%2F".repeat(43)))
}

#[track_caller]
fn holds(text: &[u8], body: &str, form: &str) {
    let capture = capture_of(text).unwrap_or_else(|error| panic!("{error}: {}", text.escape_ascii()));
    assert_eq!(capture.form, form, "{}", text.escape_ascii());
    assert_eq!(capture.parameters(), Parameters::decoded(body.as_bytes()), "{}", text.escape_ascii());
}

#[test]
fn a_body_is_read_in_a_line_of_a_log() {
    let decoded = "charset=UTF-8&biz_content={\"a\":\"& '\"}&sign=AB+/=&app_id=1";
    for line in [
        format!("2026-11-25 12:00:00 INFO  notify: {BODY}"),
        format!("12:00 body={BODY} cost=3ms"),
        format!("12:00 [body=[{BODY}], cost=3]"),
        format!(
            "1.2.3.4 - - [25/Nov/2026:12:00:00 +0800] \"POST /n HTTP/1.1\" 200 7 \"-\" \"Mozilla/4.0\" \"{BODY}\""
        ),
        format!("\"GET /n?{BODY} HTTP/1.1\" 200 7"),
        format!("https://a.example/n?{BODY}#top"),
        format!("b'{BODY}'"),
        format!("notify b\"{BODY}\" end"),
        format!("<{BODY}>"),
        format!("\"POST /n HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n{BODY}\""),
        format!("wget --post-data='{BODY}' http://a/n"),
        format!("request body 请求：{BODY}，结束"),
        format!("x\n{BODY}\ny"),
        format!(
            "fetch(\"http://a/n\", {{\n  \"headers\": {{ \"a\": \"b\" }},\n  \"body\": \"{BODY}\",\n  \"method\": \"POST\"\n}});"
        ),
    ] {
        let capture = read(&line);
        assert_eq!(capture.parameters(), Parameters::decoded(BODY.as_bytes()), "{line}");
    }
    for line in [format!("12:00 INFO notify: {decoded}"), format!("12:00 body={decoded}")] {
        let capture = read(&line);
        assert!(
            capture.readings.iter().any(|reading| reading.parameters == Parameters::decoded(BODY.as_bytes())),
            "{line}: {:?}",
            capture.readings
        );
    }
}

#[test]
fn what_nginx_escapes_is_read() {
    let escaped = |text: &str| text.replace('\\', "\\x5C").replace('"', "\\x22");
    let json = r#"{"charset":"UTF-8","biz_content":"{\"a\":\"& '\"}","sign":"AB+/=","app_id":"1"}"#;
    let log = |body: &str| {
        format!("1.2.3.4 - - [25/Nov/2026:12:00:00 +0800] \"POST /n HTTP/1.1\" 200 7 \"{body}\"\n")
    };
    holds(log(&escaped(json)).as_bytes(), BODY, "a JSON map of parameters");
    let decoded = "charset=UTF-8&biz_content={\"a\":\"' \\\"\"}&sign=AB+/=&app_id=1";
    let read = read(&log(&escaped(decoded)));
    let expected = Parameters::decoded(b"charset=UTF-8&biz_content={\"a\":\"' \\\"\"}&sign=AB%2B/=&app_id=1");
    assert!(read.readings.iter().any(|reading| reading.parameters == expected), "{:?}", read.readings);
    let text = format!(
        r#"{{"remote":"1.2.3.4","request_body":"{}"}}"#,
        json.replace('\\', "\\\\").replace('"', "\\\"")
    );
    holds(text.as_bytes(), BODY, "a JSON map of parameters");
}

#[test]
fn what_was_escaped_as_a_literal_is_read_without_its_quotes() {
    let json = r#"{"charset":"UTF-8","biz_content":"{\"a\":\"& '\"}","sign":"AB+/=","app_id":"1"}"#;
    let escaped = json.replace('\\', "\\\\").replace('"', "\\\"");
    holds(escaped.as_bytes(), BODY, "a JSON map of parameters");
    holds(format!("INFO notify {escaped} end").as_bytes(), BODY, "a JSON map of parameters");
}

#[test]
fn what_javascript_and_others_print_as_literals_is_read() {
    for (text, form) in [
        (
            "{\n  charset: 'UTF-8',\n  biz_content: `{\"a\":\"& '\"}`,\n  sign: 'AB+/=',\n  app_id: '1'\n}",
            "an object of JavaScript",
        ),
        (
            "[Object: null prototype] {\n  charset: 'UTF-8',\n  biz_content: '{\"a\":\"& \\'\"}',\n  sign: 'AB' +\n    '+/=',\n  app_id: '1'\n}",
            "an object of JavaScript",
        ),
        (
            "notify { charset: 'UTF-8', biz_content: \"{\\\"a\\\":\\\"& '\\\"}\", sign: 'AB+/=', app_id: 1 } done",
            "an object of JavaScript",
        ),
        (
            "URLSearchParams { 'charset' => 'UTF-8', 'biz_content' => `{\"a\":\"& '\"}`, 'sign' => 'AB+/=', 'app_id' => '1' }",
            "an object of JavaScript",
        ),
        (
            "Map(4) {\n  'charset' => 'UTF-8',\n  'biz_content' => `{\"a\":\"& '\"}`,\n  'sign' => 'AB+/=',\n  'app_id' => '1'\n}",
            "an object of JavaScript",
        ),
        (
            "{\"charset\"=>\"UTF-8\", \"biz_content\"=>\"{\\\"a\\\":\\\"& '\\\"}\", \"sign\"=>\"AB+/=\", \"app_id\"=>\"1\"}",
            "a hash of Ruby",
        ),
        (
            "[\n  'charset' => 'UTF-8',\n  'biz_content' => '{\"a\":\"& \\'\"}',\n  'sign' => 'AB+/=',\n  'app_id' => '1',\n]",
            "an array of PHP",
        ),
        (
            "url.Values{\"charset\":[]string{\"UTF-8\"}, \"biz_content\":[]string{\"{\\\"a\\\":\\\"& '\\\"}\"}, \"sign\":[]string{\"AB+/=\"}, \"app_id\":[]string{\"1\"}}",
            "url.Values of Go",
        ),
        (
            "map[string]string{\"charset\":\"UTF-8\", \"biz_content\":\"{\\\"a\\\":\\\"& '\\\"}\", \"sign\":\"AB+/=\", \"app_id\":\"1\"}",
            "a JSON map of parameters",
        ),
        (
            "a:4:{s:7:\"charset\";s:5:\"UTF-8\";s:11:\"biz_content\";s:11:\"{\"a\":\"& '\"}\";s:4:\"sign\";s:5:\"AB+/=\";s:6:\"app_id\";s:1:\"1\";}",
            "what serialize of PHP writes",
        ),
    ] {
        holds(text.as_bytes(), BODY, form);
        holds(format!("2026-11-25 12:00:00 {text}\n").as_bytes(), BODY, form);
    }
    let list = read("{ app_id: [ '1' ], sign: [ 'AB' ] }");
    assert_eq!(list.parameters(), Parameters::decoded(b"app_id=['1']&sign=['AB']"));
}

#[test]
fn a_command_of_powershell_is_read() {
    for text in [
        format!(
            "$session = New-Object Microsoft.PowerShell.Commands.WebRequestSession\nInvoke-WebRequest -UseBasicParsing -Uri \
             \"http://a/n\" `\n-Method \"POST\" `\n-WebSession $session `\n-Headers @{{\n  \"Accept\"=\"*/*\"\n}} `\n-ContentType \
             \"application/x-www-form-urlencoded\" `\n-Body \"{BODY}\"\n"
        ),
        format!("Invoke-RestMethod -Uri http://a/n -Method Post -Body '{BODY}'"),
        format!(
            "iwr http://a/n -Method POST -Uri http://a/n -Body ([System.Text.Encoding]::UTF8.GetBytes(\"{BODY}\"))"
        ),
    ] {
        let head = holds_the_body(&text, "a command of PowerShell").head.unwrap();
        assert_eq!((head.method.as_str(), head.target.as_str()), ("POST", "/n"));
    }
    assert_eq!(capture_of(b"iwr http://a/n").unwrap_err(), Unreadable::NoBody);
    assert_eq!(capture_of(b"iwr -Body \"a").unwrap_err(), Unreadable::OpenQuote);
}

#[test]
fn requests_are_read_as_proxies_show_them() {
    let length = BODY.len();
    for line in
        ["POST /n HTTP/2", "POST /n HTTP/2.0", "POST https://a.example/n HTTP/1.1", "POST /n HTTP/1.0"]
    {
        for end in ["\r\n", "\n"] {
            let request = [line, "Host: a.example", &format!("Content-Length: {length}"), "", BODY].join(end);
            let head = holds_the_body(&request, "an HTTP request").head.unwrap();
            assert_eq!(head.target, "/n", "{line}");
            let other = format!("GET /x HTTP/1.1{end}Host: a{end}{end}");
            let without = [line, "Host: a.example", "", BODY, &other].join(end);
            holds_the_body(&without, "an HTTP request");
        }
    }
    let encoded = BASE64_STANDARD.encode(format!(
        "POST /n HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{}",
        long().len(),
        long()
    ));
    holds(
        format!("<items><item><request base64=\"true\"><![CDATA[{encoded}]]></request></item></items>")
            .as_bytes(),
        &long(),
        "an HTTP request",
    );
}

#[test]
fn what_is_in_base64_is_read() {
    let encoded = BASE64_STANDARD.encode(long());
    let lines = encoded.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap());
    let lines: Vec<&str> = lines.collect();
    for text in [
        encoded.clone(),
        lines.join("\n"),
        format!("{}\r\n", lines.join("\r\n")),
        encoded.replace('+', "-").replace('/', "_"),
    ] {
        holds(text.as_bytes(), &long(), "a raw body");
    }
    holds(format!("12:00 INFO body64={encoded} end").as_bytes(), &long(), "a raw body");
}

/// What `tcpdump -X`, `xxd` and the like show, with this line for each 16 bytes.
fn dump(bytes: &[u8], line: impl Fn(usize, &[u8], &str) -> String) -> String {
    let mut out = String::new();
    for (at, chunk) in (0..).step_by(16).zip(bytes.chunks(16)) {
        let shown = chunk.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' });
        writeln!(out, "{}", line(at, chunk, &shown.collect::<String>())).unwrap();
    }
    out
}

fn pairs_of(chunk: &[u8]) -> String {
    hex(chunk)
        .as_bytes()
        .chunks(4)
        .map(|group| std::str::from_utf8(group).unwrap())
        .collect::<Vec<_>>()
        .join(" ")
}

fn halves_of(chunk: &[u8]) -> String {
    let digits = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
    let (first, second) = chunk.split_at(chunk.len().min(8));
    format!("{}  {}", digits(first), digits(second))
}

#[test]
fn what_is_dumped_in_hexadecimal_is_read() {
    let request =
        format!("POST /n HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{}", long().len(), long());
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nsuccess";
    let xxd = |at: usize, chunk: &[u8], text: &str| format!("{at:08x}: {:39}  {text}", pairs_of(chunk));
    let hexdump =
        |at: usize, chunk: &[u8], text: &str| format!("{at:08x}  {:49}  |{text}|", halves_of(chunk));
    let wireshark =
        |at: usize, chunk: &[u8], text: &str| format!("{at:08X}  {:49}   {text}", halves_of(chunk));
    let server = |at: usize, chunk: &[u8], text: &str| format!("    {}", wireshark(at, chunk, text));
    for text in [
        dump(request.as_bytes(), xxd),
        dump(request.as_bytes(), hexdump),
        dump(request.as_bytes(), wireshark),
        format!("{}{}", dump(request.as_bytes(), wireshark), dump(answer, server)),
        hex(request.as_bytes()),
    ] {
        holds(text.as_bytes(), &long(), "an HTTP request");
    }
}

#[test]
fn packets_of_tcpdump_in_hexadecimal_are_put_together() {
    let request =
        format!("POST /n HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{}", long().len(), long());
    let (one, other) = request.as_bytes().split_at(100);
    let packet = |link: usize, payload: &[u8]| {
        let length = u16::try_from(40 + payload.len()).unwrap().to_be_bytes();
        let mut bytes = vec![0; link];
        bytes.extend([0x45, 0, length[0], length[1], 0, 0, 0, 0, 64, 6, 0, 0, 1, 2, 3, 4, 6, 7, 8, 9]);
        bytes.extend([0, 5, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x18, 0, 0, 0, 0, 0, 0]);
        bytes.extend_from_slice(payload);
        bytes
    };
    let line = "12:00:00.000001 IP 1.2.3.4.5 > 6.7.8.9.80: Flags [P.], seq 1:99, ack 1, win 512, length 98: HTTP: POST /n HTTP/1.1\n";
    let row = |at: usize, chunk: &[u8], text: &str| format!("\t0x{at:04x}:  {:39}  {text}", pairs_of(chunk));
    for link in [0, 14] {
        let text =
            format!("{line}{}{line}{}", dump(&packet(link, one), row), dump(&packet(link, other), row));
        holds(text.as_bytes(), &long(), "an HTTP request");
    }
}

#[test]
fn a_parameter_in_each_line_is_read() {
    let content = "{\"a\":\"& '\"}";
    let pairs = [("charset", "UTF-8"), ("biz_content", content), ("sign", "AB+/="), ("app_id", "1")];
    let form = "a list of parameters, one in each line";
    for separator in [": ", "=", "\t", " = ", " => "] {
        let lines = pairs.map(|(name, value)| format!("{name}{separator}{value}"));
        holds(lines.join("\n").as_bytes(), BODY, form);
        holds(format!("\n{}\r\n\n", lines.join("\r\n")).as_bytes(), BODY, form);
    }
    let dump = pairs.map(|(name, value)| format!("  \"{name}\" => \"{value}\"")).join("\n");
    holds(format!("array:4 [\n{dump}\n]\n").as_bytes(), BODY, form);
    let yaml = pairs.map(|(name, value)| format!("{name}: {}", serde_json::json!(value))).join("\n");
    holds(yaml.as_bytes(), BODY, form);
}

#[test]
fn a_list_of_names_and_values_in_json_is_read() {
    let pairs =
        [("charset", "UTF-8"), ("biz_content", "{\"a\":\"& '\"}"), ("sign", "AB+/="), ("app_id", "1")];
    for name in ["key", "name"] {
        let items =
            pairs.map(|(key, value)| serde_json::json!({ name: key, "value": value, "enabled": true }));
        let list = serde_json::json!(items).to_string();
        holds(list.as_bytes(), BODY, "a list of parameters in JSON");
        let within = serde_json::json!({ "body": { "mode": "urlencoded", "urlencoded": items } }).to_string();
        holds(within.as_bytes(), BODY, "a list of parameters in JSON");
    }
}
