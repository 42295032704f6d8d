//! What people capture, and what they are told of it.

use crate::alipay::{APP_ID, Form, Notification, key};
use crate::{Desk, map, notification};

const KEY: [&str; 2] = ["--key", "alipay.pem"];

#[test]
fn a_file_and_standard_input_are_explained_alike() {
    let desk = Desk::new();
    let body = notification().body();
    desk.write("notification.form", &body);
    let (code, from_file, _) = desk.run(&["--key", "alipay.pem", "notification.form"], b"");
    let (_, from_input, _) = desk.run(&KEY, body.as_bytes());
    let (_, from_dash, _) = desk.run(&["--key", "alipay.pem", "-"], body.as_bytes());
    assert_eq!(code, Some(0));
    assert!(
        from_file.starts_with("VERIFIED: genuine, for app 2014060600164699, signed in form v1\n"),
        "{from_file}"
    );
    assert_eq!((&from_file, &from_file), (&from_input, &from_dash));
}

#[test]
fn every_form_of_capture_is_verified() {
    let genuine = notification();
    let body = genuine.body();
    let desk = Desk::new();
    let request = format!(
        "POST /alipay/notify HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded; text/html; \
         charset=UTF-8\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let captures = [
        ("a raw body", body.clone()),
        ("an HTTP request", request),
        ("a curl command", format!("curl -X POST http://a/alipay/notify -d '{body}'")),
        ("a JSON map of parameters", map(&genuine)),
        ("a JSON map of parameters", format!("12:00 INFO notify: {}", map(&genuine))),
        (
            "an HTTP archive (HAR)",
            format!(
                r#"{{"log":{{"entries":[{{"request":{{"method":"POST","url":"https://a/alipay/notify","headers":[{{"name":"content-type","value":"application/x-www-form-urlencoded"}}],"postData":{{"text":"{body}"}}}}}}]}}}}"#
            ),
        ),
    ];
    for (form, capture) in captures {
        let report = desk.explain(capture);
        report.verifies();
        assert_eq!(
            (&report.0["received"]["as"], &report.0["run"]["does"]),
            (&form.into(), &"forward".into())
        );
        assert_eq!(report.0["form"], "v1");
    }
}

#[test]
fn what_programs_print_of_a_genuine_notification_is_verified() {
    let genuine = notification();
    let pairs = |pair: &dyn Fn(&str, &str) -> String, between: &str| {
        let mut pairs: Vec<(&str, &str)> = genuine
            .params
            .iter()
            .map(|(name, value)| (name.as_str(), std::str::from_utf8(value).unwrap()))
            .collect();
        pairs.sort_unstable();
        pairs.iter().map(|(name, value)| pair(name, value)).collect::<Vec<_>>().join(between)
    };
    for capture in [
        format!("Array\n(\n{}\n)\n", pairs(&|name, value| format!("    [{name}] => {value}"), "\n")),
        format!(
            "array(9) {{\n{}\n}}\n",
            pairs(&|name, value| format!("  [\"{name}\"]=>\n  string({}) \"{value}\"", value.len()), "\n")
        ),
        format!("map[{}]", pairs(&|name, value| format!("{name}:{value}"), " ")),
        format!("map[{}]", pairs(&|name, value| format!("{name}:[{value}]"), " ")),
        format!("{{{}}}", pairs(&|name, value| format!("{name}={value}"), ", ")),
        format!("{{{}}}", pairs(&|name, value| format!("{name}=[{value}]"), ", ")),
        format!("ImmutableMultiDict([{}])", pairs(&|name, value| format!("('{name}', '{value}')"), ", ")),
    ] {
        Desk::new().explain(&capture).verifies();
        let log = serde_json::json!({ "log": capture, "stream": "stdout" }).to_string();
        Desk::new().explain(log).verifies();
    }
}

#[test]
fn a_map_that_was_cut_before_its_sign_is_told_to_be_cut() {
    let genuine = notification();
    let pairs: Vec<String> = genuine
        .params
        .iter()
        .filter(|(name, _)| name != "sign")
        .map(|(name, value)| format!("{name}={}", std::str::from_utf8(value).unwrap()))
        .collect();
    let (_, out, _) = Desk::new().run(&KEY, format!("INFO {{{}, sig\n", pairs.join(", ")).as_bytes());
    assert!(out.starts_with("NOT VERIFIED: unsigned (proven)\n"), "{out}");
    assert!(out.contains("  note      the map does not end: something cut it"), "{out}");
}

#[test]
fn a_capture_in_gbk_is_verified_in_its_bytes() {
    let genuine = Notification::unsigned().in_gbk().signed(Form::V1, key());
    let mut map = b"12:00 {".to_vec();
    for (nth, (name, value)) in genuine.params.iter().enumerate() {
        map.extend_from_slice(if nth == 0 { b"" } else { b", " });
        map.extend([name.as_bytes(), b"=", value].concat());
    }
    map.extend_from_slice(b"}\n");
    assert!(std::str::from_utf8(&map).is_err());
    Desk::new().explain(map).verifies();
}

#[test]
fn a_genuine_body_in_a_request_that_run_refuses_is_told_apart() {
    let body = notification().body();
    let desk = Desk::new();
    let config = format!("[[apps]]\napp_id = \"{APP_ID}\"\nalipay_public_key_files = [\"alipay.pem\"]\n");
    desk.write("sidecar.toml", config);
    for (target, content_type, reason) in [
        ("/alipay/notify?x=1", "application/x-www-form-urlencoded", "query_string"),
        ("/other", "application/x-www-form-urlencoded", "unknown_path"),
        ("/alipay/notify", "application/json", "unsupported_media_type"),
    ] {
        let request = format!(
            "POST {target} HTTP/1.1\nHost: a\nContent-Type: {content_type}\nContent-Length: {}\n\n{body}",
            body.len()
        );
        let report = desk.json(&[], request);
        report.verifies();
        assert_eq!(report.0["run"]["reason"], reason);
    }
}

#[test]
fn an_old_capture_is_verified_and_said_to_be_too_old() {
    let old = Notification::unsigned().set("utc_timestamp", "1514210452731").signed(Form::V2, key());
    let (code, out, _) = Desk::new().run(&KEY, old.body().as_bytes());
    assert_eq!(code, Some(0));
    assert!(out.contains("`run` answers 403 fail for the reason too_old (it was sent "), "{out}");
}

#[test]
fn content_that_cannot_be_read_is_told_of_a_configured_app() {
    let desk = Desk::new();
    let config = format!("[[apps]]\napp_id = \"{APP_ID}\"\nalipay_public_key_files = [\"alipay.pem\"]\n");
    desk.write("sidecar.toml", config);
    let odd = Notification::unsigned().set("biz_content", "{").signed(Form::V1, key());
    let report = desk.json(&[], odd.body());
    report.verifies();
    assert_eq!(report.0["run"]["reason"], "malformed_content");
}

#[test]
fn what_cannot_be_read_ends_with_2_and_says_what_to_do() {
    let desk = Desk::new();
    let run = |arguments: &[&str], capture: &str| {
        let (code, out, err) = desk.run(arguments, capture.as_bytes());
        assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
        err
    };
    insta::assert_snapshot!(run(&KEY, ""), @"standard input: there is nothing in it: give a raw body, also in a line of a log, an HTTP request, a command of curl or PowerShell, a map of parameters as JSON or as Java, Python, PHP, Go or Node.js print it, or an HTTP archive (HAR); also in base64, or as a dump in hexadecimal");
    insta::assert_snapshot!(run(&KEY, "hello"), @"standard input: this is no capture of a form that is known here: give a raw body, also in a line of a log, an HTTP request, a command of curl or PowerShell, a map of parameters as JSON or as Java, Python, PHP, Go or Node.js print it, or an HTTP archive (HAR); also in base64, or as a dump in hexadecimal");
    insta::assert_snapshot!(run(&KEY, r#"{"level":"info"}"#), @"standard input: nothing in it is a parameter of a notification, such as app_id or sign: give a raw body, also in a line of a log, an HTTP request, a command of curl or PowerShell, a map of parameters as JSON or as Java, Python, PHP, Go or Node.js print it, or an HTTP archive (HAR); also in base64, or as a dump in hexadecimal");
    insta::assert_snapshot!(run(&KEY, "curl -d @x http://a"), @"standard input: the curl command reads the file x: explain that file");
    insta::assert_snapshot!(run(&KEY, "POST / HTTP/1.1\nHost: a\nContent-Length: 9\n\na=1"), @"standard input: the capture holds 3 of the 9 bytes that the body has: capture all of it (tcpdump -s 0)");
    insta::assert_snapshot!(run(&["--key", "absent.pem"], "sign=1"), @"--key absent.pem: cannot be read: No such file or directory (os error 2)");
    insta::assert_snapshot!(run(&["--key", "alipay.pem", "absent"], ""), @"absent cannot be read: No such file or directory (os error 2)");
    assert!(run(&[], "sign=1").ends_with("or give Alipay's public key itself: --key FILE\n"));
    assert!(
        run(&["--key", "alipay.pem", "--config", "sidecar.toml"], "sign=1").contains("cannot be used with")
    );
    desk.write("private.pem", key().private());
    assert!(run(&["--key", "private.pem"], "sign=1").contains("this is a private key"));
}

#[test]
fn control_characters_of_a_capture_do_not_act_on_the_terminal() {
    let hostile = notification().set("x\u{1b}[31m", "\u{1b}]0;x\u{7}\u{9b}31m");
    for capture in [hostile.body(), map(&hostile)] {
        let (_, out, _) = Desk::new().run(&KEY, capture.as_bytes());
        assert!(!out.contains(|character: char| character.is_control() && character != '\n'), "{out:?}");
    }
}

#[test]
fn characters_that_order_or_hide_what_stands_around_them_are_shown_as_escapes() {
    let hostile = notification().set("subject", "a\u{202e}b\u{2028}c\u{200b}d\u{feff}e");
    let shown = "a\\u{202e}b\\u{2028}c\\u{200b}d\\u{feff}e";
    for arguments in [&KEY[..], &["--key", "alipay.pem", "--json"]] {
        let (_, out, _) = Desk::new().run(arguments, hostile.body().as_bytes());
        assert!(out.contains(&shown.replace('\\', if arguments.len() > 2 { "\\\\" } else { "\\" })), "{out}");
        assert!(!out.contains(['\u{202e}', '\u{2028}', '\u{200b}', '\u{feff}']), "{out:?}");
    }
}

#[test]
fn a_genuine_body_beyond_what_is_configured_is_verified_and_said_to_be_refused() {
    let desk = Desk::new();
    let config = |server: &str| {
        format!(
            "[server]\n{server}\n[[apps]]\napp_id = \"{APP_ID}\"\nalipay_public_key_files = [\"alipay.pem\"]\n"
        )
    };
    let long = Notification::unsigned().set("subject", "a".repeat(300 * 1024)).signed(Form::V1, key());
    desk.write("sidecar.toml", config(""));
    for arguments in [&[][..], &["--key", "alipay.pem"]] {
        for capture in [long.body(), map(&long), format!("curl http://a/alipay/notify -d '{}'", long.body())]
        {
            let report = desk.json(arguments, capture);
            report.verifies();
            let run = &report.0["run"];
            assert_eq!((&run["reason"], &run["answer"]), (&"body_too_large".into(), &"413 fail".into()));
        }
    }
    desk.write("sidecar.toml", config("max_body = \"1MiB\""));
    assert_eq!(desk.json(&[], long.body()).0["run"]["does"], "forward");
    desk.write("sidecar.toml", config("max_params = 8"));
    let report = desk.json(&[], notification().body());
    report.verifies();
    assert_eq!(report.0["run"]["reason"], "too_many_parameters");
}

#[test]
fn the_report_says_what_where_and_what_to_do_before_all_else() {
    let genuine =
        Notification::unsigned().set("biz_content", r#"{"a":"b"}"#).set("utc_timestamp", "1514210452731");
    let genuine = genuine.set("notify_id", "5608cccc09ddb39d41c2e3c06e3d9fejh2").signed(Form::V1, key());
    let damaged = genuine.clone().set("biz_content", "{&quot;a&quot;:&quot;b&quot;}");
    let (code, out, _) = Desk::new().run(&KEY, damaged.body().as_bytes());
    assert_eq!(code, Some(1));
    let digest = |text: &[u8]| {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text);
        digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
    };
    let out = out
        .replace(std::str::from_utf8(genuine.value("sign")).unwrap(), "(SIGN)")
        .replace(&digest(&genuine.signed_text(Form::V1)), "(SIGNED)")
        .replace(&digest(&damaged.signed_text(Form::V1)), "(V1)")
        .replace(&digest(&damaged.signed_text(Form::V2)), "(V2)");
    let fingerprint = out.lines().last().unwrap().trim().to_owned();
    let bytes = format!("{} bytes, 9 parameters", damaged.body().len());
    insta::assert_snapshot!(out.replace(&fingerprint, "(FINGERPRINT)").replace(&bytes, "(BYTES)"), @r#"
    NOT VERIFIED: html_escaped (proven)

      what      Characters were HTML-escaped.
      in        biz_content
      to do     verify before any filter against XSS, or exempt this path from it
      where     biz_content, byte 1
                received  {&quot;a&quot;:&quot;b&quot;}
                signed    {"a":"b"}
      proof     the signature opens with alipay.pem (--key): that is the key which made it
                it holds the SHA-256 (SIGNED)
                which is that of the text in form v1, after 5 trials

    `run` answers 403 fail for the reason bad_signature: No key of the app verifies the signature in any form allowed.

    Received: a raw body, (BYTES)
      charset        UTF-8
      biz_content    {&quot;a&quot;:&quot;b&quot;}
      utc_timestamp  1514210452731
      app_id         2014060600164699
      version        1.1
      sign_type      RSA2
      notify_id      5608cccc09ddb39d41c2e3c06e3d9fejh2
      msg_method     alipay.open.mini.icp.faceauth.completed
      sign           (SIGN)

    Signed text, form v1: 215 bytes, SHA-256 (V1)
      app_id=2014060600164699&biz_content={&quot;a&quot;:&quot;b&quot;}&charset=UTF-8&msg_method=alipay.open.mini.icp.faceauth.completed&notify_id=5608cccc09ddb39d41c2e3c06e3d9fejh2&utc_timestamp=1514210452731&version=1.1

    Signed text, form v2: 230 bytes, SHA-256 (V2)
      app_id=2014060600164699&biz_content={&quot;a&quot;:&quot;b&quot;}&charset=UTF-8&msg_method=alipay.open.mini.icp.faceauth.completed&notify_id=5608cccc09ddb39d41c2e3c06e3d9fejh2&sign_type=RSA2&utc_timestamp=1514210452731&version=1.1

    The text that was signed, form v1: 195 bytes, SHA-256 (SIGNED)
      app_id=2014060600164699&biz_content={"a":"b"}&charset=UTF-8&msg_method=alipay.open.mini.icp.faceauth.completed&notify_id=5608cccc09ddb39d41c2e3c06e3d9fejh2&utc_timestamp=1514210452731&version=1.1

    Keys tried: 1
      alipay.pem (--key)  app 2014060600164699, 2048 bits, public key, bare base64
        (FINGERPRINT)
    "#);
}

#[test]
fn a_body_that_is_shown_in_several_lines_is_read_as_the_one_it_is() {
    let body = notification().body();
    // At a column, which may be within an escape, and after each parameter.
    let at_column = |width: usize| {
        body.as_bytes()
            .chunks(width)
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect::<Vec<_>>()
            .join("\n")
    };
    let mut shown: Vec<String> = (60..=80).map(at_column).collect();
    shown.push(body.replace('&', "&\n"));
    shown.push(body.replace('&', "\r\n  &"));
    shown.push(format!("> {}", at_column(72).replace('\n', "\n> ")));
    shown.push(at_column(72).replace("\n2", "2\n"));
    shown.push(format!("{}\nsuccess", at_column(76)));
    let head =
        "POST /alipay/notify HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    let desk = Desk::new();
    for body_shown in shown {
        desk.explain(&body_shown).verifies();
        desk.explain(format!("{head}\r\n{body_shown}")).verifies();
        let report = desk.explain(format!("{head}Content-Length: {}\r\n\r\n{body_shown}\n", body.len()));
        assert_eq!(report.verifies().0["run"]["does"], "forward", "{body_shown}");
    }
    // One that came so, in lines, is as long as its head says with them.
    let came = body.replace('&', "&\r\n");
    let report = desk.explain(format!("{head}Content-Length: {}\r\n\r\n{came}", came.len()));
    assert_eq!(report.proves(&["white_space"]).0["run"]["reason"], "bad_encoding");
}
