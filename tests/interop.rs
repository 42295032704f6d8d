//! Notifications that other people's SDKs sign and check, and deliveries that other people's libraries read, against
//! the built binary and its `keygen`.
//!
//! The SDKs are the platform's own for Node (`alipay-sdk`) and Python (`alipay-sdk-python`), and the one that most
//! Python projects use (`python-alipay-sdk`); the libraries are the official SDK of `CloudEvents` for Python
//! (`cloudevents`), the reference library of Standard Webhooks (`standardwebhooks`) and the messages of OpenTelemetry
//! (`opentelemetry-proto`). `make test` installs them; where one is missing these tests fail.
#![cfg(test)]

#[path = "interop/collector.rs"]
mod collector;
#[path = "interop/driver.rs"]
mod driver;
#[path = "interop/keys.rs"]
mod keys;
#[path = "interop/notification.rs"]
mod notification;
#[path = "interop/receiver.rs"]
mod receiver;
#[path = "interop/sdk.rs"]
mod sdk;
#[path = "interop/sidecar.rs"]
mod sidecar;
#[path = "interop/upstream.rs"]
mod upstream;

use crate::{
    collector::{Collector, attributes, hex},
    keys::{KeyForm, Keys},
    notification::{APP_ID, Charset, Notification},
    receiver::Receiver,
    sdk::{Sdk, SignForm, Which},
    sidecar::{Answer, Sidecar},
    upstream::{Got, Upstream},
};

#[test]
fn what_the_node_sdk_signs_arrives_and_a_changed_copy_does_not() {
    genuine_arrives_and_changed_does_not(Which::Node, Charset::Utf8);
}

#[test]
fn what_python_alipay_sdk_signs_arrives_and_a_changed_copy_does_not() {
    genuine_arrives_and_changed_does_not(Which::PythonAlipaySdk, Charset::Utf8);
}

#[test]
fn what_alipay_sdk_python_signs_arrives_and_a_changed_copy_does_not() {
    genuine_arrives_and_changed_does_not(Which::AlipaySdkPython, Charset::Utf8);
}

#[test]
fn gbk_that_an_sdk_signs_arrives_as_utf_8_and_a_changed_copy_does_not() {
    genuine_arrives_and_changed_does_not(Which::AlipaySdkPython, Charset::Gbk);
}

#[test]
fn every_public_form_of_keygen_serves_as_the_configured_key() {
    let keys = Keys::generate("every_public_form");
    let mut sdk = Sdk::start(Which::Node);
    for form in KeyForm::PUBLIC {
        let upstream = Upstream::start();
        let sidecar = Sidecar::start(&keys.file(*form), &upstream);
        let genuine = Notification::of(Charset::Utf8).remove(0);
        let body = sdk.sign(SignForm::V1, &genuine, &keys, KeyForm::PrivatePkcs8Pem);

        assert_eq!(sidecar.post(&body), Answer::success(), "configured with {form:?}");
        assert_eq!(upstream.received(), [genuine.biz_content()], "configured with {form:?}");
    }
}

#[test]
fn what_the_node_sdk_encrypts_with_keygens_content_key_arrives_in_clear() {
    let (keys, others) = (Keys::generate("encrypted"), Keys::generate("encrypted_with_another"));
    let upstream = Upstream::start();
    let sidecar = Sidecar::start(&keys.file(KeyForm::PublicSpkiPem), &upstream);
    let mut sdk = Sdk::start(Which::Node);
    for notification in Notification::of(Charset::Utf8) {
        let clear = notification.params["biz_content"].as_str().unwrap();
        for (content_key, answer) in [(&others, Answer::failed()), (&keys, Answer::success())] {
            let encrypted = notification.encrypted(&sdk.encrypt(clear, content_key));
            let body = sdk.sign(SignForm::V1, &encrypted, &keys, KeyForm::PrivatePkcs8Pem);
            assert_eq!(sidecar.post(&body), answer);
        }
        assert_eq!(upstream.received(), [notification.biz_content()]);
    }
}

#[test]
fn a_notification_signed_with_another_key_is_refused() {
    let (keys, others) = (Keys::generate("the_key"), Keys::generate("another_key"));
    let upstream = Upstream::start();
    let sidecar = Sidecar::start(&keys.file(KeyForm::PublicSpkiPem), &upstream);
    for which in Which::ALL {
        let mut sdk = Sdk::start(*which);
        let genuine = Notification::of(Charset::Utf8).remove(0);
        let body = sdk.sign(SignForm::V1, &genuine, &others, KeyForm::PrivatePkcs1Pem);

        assert_eq!(sidecar.post(&body), Answer::refused(), "signed by {which:?}");
        assert!(upstream.received().is_empty(), "signed by {which:?}");
    }
}

#[test]
fn every_sdk_accepts_what_every_sdk_signs_with_keygens_files_and_refuses_a_changed_copy() {
    let keys = Keys::generate("every_sdk");
    for (signer, checker) in Which::pairs() {
        let (mut signing, mut checking) = (Sdk::start(signer), Sdk::start(checker));
        let forms = signer.signs().iter().filter(|form| checker.checks(**form));
        for (form, private) in
            forms.flat_map(|form| signer.private_forms().iter().map(move |key| (*form, *key)))
        {
            for notification in Notification::of(Charset::Utf8) {
                let body = signing.sign(form, &notification, &keys, private);
                for public in checker.public_forms() {
                    let case = format!("{signer:?} {form:?} {private:?}, checked by {checker:?} {public:?}");
                    let mut accepts =
                        |body: &str| checking.accepts(form, Charset::Utf8, body, &keys.file(*public));
                    assert!(accepts(&body), "refused: {case}");
                    for changed in notification::changed(&body) {
                        assert!(!accepts(&changed), "accepted, though changed: {case}");
                    }
                }
            }
        }
    }
}

#[test]
fn gbk_checks_in_the_sdk_that_knows_it() {
    let keys = Keys::generate("gbk_in_the_sdk");
    let mut sdk = Sdk::start(Which::AlipaySdkPython);
    for notification in Notification::of(Charset::Gbk) {
        let body = sdk.sign(SignForm::V1, &notification, &keys, KeyForm::PrivatePkcs1Bare);
        let public = &keys.file(KeyForm::PublicSpkiBare);
        assert!(sdk.accepts(SignForm::V1, Charset::Gbk, &body, public));
        for changed in notification::changed(&body) {
            assert!(!sdk.accepts(SignForm::V1, Charset::Gbk, &changed, public));
        }
    }
}

#[test]
fn the_sdk_of_cloud_events_reads_both_modes() {
    let keys = Keys::generate("cloud_events");
    let (mut sdk, mut receiver) = (Sdk::start(Which::AlipaySdkPython), Receiver::start());
    for format in ["cloudevents", "cloudevents-binary"] {
        let settings = format!("format = \"{format}\"");
        for charset in [Charset::Utf8, Charset::Gbk] {
            for (notification, got) in delivered(&keys, &mut sdk, charset, &settings) {
                let (attributes, data) = receiver.event(&got);
                let param = |name: &str| notification.params[name].as_str().unwrap().to_owned();
                let sent =
                    jiff::Timestamp::from_millisecond(param("utc_timestamp").parse().unwrap()).unwrap();
                let wanted = serde_json::json!({
                    "specversion": "1.0",
                    "id": param("notify_id"),
                    "source": format!("urn:alipay:app:{APP_ID}"),
                    "type": param("msg_method"),
                    "time": format!("{sent:.3}").replace('Z', "+00:00"),
                    "datacontenttype": "application/json",
                    "dataschema": format!("urn:alipay:schema:{}#/properties/biz_content", param("msg_method")),
                });
                assert_eq!(Some(&attributes), wanted.as_object(), "{format} {charset:?}");
                assert_eq!(data, notification.biz_content(), "{format} {charset:?}");
            }
        }
    }
}

#[test]
fn the_library_of_standard_webhooks_accepts_what_is_signed_and_refuses_a_changed_copy() {
    let keys = Keys::generate("webhooks");
    let (mut sdk, mut receiver) = (Sdk::start(Which::PythonAlipaySdk), Receiver::start());
    let bare = "C2FVsBQIhrscChlQIMV+b5sSYspob7oD+/rdLlq3Wko=";
    let other = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD+/rdLlq3Wk4=";
    for (format, secret) in [
        ("json", bare.to_owned()),
        ("cloudevents", format!("whsec_{bare}")),
        ("cloudevents-binary", bare.to_owned()),
    ] {
        keys.write("upstream.hmac", &format!("{secret}\n"));
        let settings = format!("format = \"{format}\"\nhmac_key_file = \"upstream.hmac\"");
        for (_, got) in delivered(&keys, &mut sdk, Charset::Utf8, &settings) {
            assert!(receiver.accepts(&got, &secret), "{format}");
            assert!(!receiver.accepts(&got, other), "{format}");
            let mut changed = got.clone();
            changed.body.push(b' ');
            assert!(!receiver.accepts(&changed, &secret), "{format}");
            // The first digit of the signature, and the last of the others: so little is within the library's tolerance.
            for (name, place) in [("webhook-id", 33), ("webhook-timestamp", 9), ("webhook-signature", 3)] {
                let mut changed = got.clone();
                let (_, value) = changed.headers.iter_mut().find(|(found, _)| found == name).unwrap();
                let other = if value.get(place..=place) == Some("0") { "1" } else { "0" };
                value.replace_range(place..=place, other);
                assert!(!receiver.accepts(&changed, &secret), "{format} {name}");
            }
        }
    }
}

#[test]
fn the_messages_of_open_telemetry_read_the_span_of_each_notification() {
    let keys = Keys::generate("spans");
    let (mut sdk, mut collector) = (Sdk::start(Which::AlipaySdkPython), Collector::start());
    let upstream = Upstream::start();
    let settings = format!("[telemetry]\notlp_endpoint = \"http://127.0.0.1:{}/\"", collector.port);
    let sidecar = Sidecar::with(&keys.file(KeyForm::PublicSpkiPem), &upstream, &settings);
    let genuine = Notification::of(Charset::Utf8).remove(0);
    let body = sdk.sign(SignForm::V1, &genuine, &keys, KeyForm::PrivatePkcs1Pem);
    let (trace, caller) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let sampled = format!("traceparent: 00-{trace}-{caller}-01\r\ntracestate: a=1\r\n");
    let before = jiff::Timestamp::now().as_nanosecond();
    let mut spans = Vec::new();
    for (headers, answer) in [(sampled.as_str(), Answer::success()), ("", Answer::success())] {
        assert_eq!(sidecar.post_with(&body, headers), answer);
        // The first two attempts fail, and a batch is sent until it is taken.
        let mut export = collector.next(503, 0);
        if spans.is_empty() {
            export = collector.next(429, 0);
        }
        let again = collector.next(200, 0);
        assert_eq!(again.spans(), export.spans());
        assert_eq!((again.path(), again.header("content-type")), ("/v1/traces", "application/x-protobuf"));
        assert!(again.header("user-agent").starts_with("alipay-sidecar/"));
        let resource = again.resource();
        assert_eq!(resource["service.name"], "alipay-sidecar");
        assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
        spans.extend(again.spans());
    }
    let changed = &notification::changed(&body)[0];
    assert_eq!(sidecar.post_with(changed, &sampled), Answer::refused());
    spans.extend(collector.next(200, 1).spans());
    assert_eq!(spans.len(), 3);
    let after = jiff::Timestamp::now().as_nanosecond();

    let param = |name: &str| genuine.params[name].as_str().unwrap().to_owned();
    let got = upstream.got();
    for (span, got) in spans.iter().zip(&got) {
        // What the upstream gets names this span.
        let parent = &got.headers()["traceparent"];
        assert_eq!(*parent, format!("00-{}-{}-01", hex(&span["traceId"]), hex(&span["spanId"])));
        assert_eq!(span["name"], format!("notification {}", param("msg_method")));
        let attributes = attributes(&span["attributes"]);
        assert_eq!(attributes["outcome"], "accepted");
        for name in ["app_id", "notify_id", "msg_method"] {
            assert_eq!(attributes[name], param(name));
        }
        assert_eq!((&attributes["form"], &attributes["schema"]), (&"v1".into(), &"typed".into()));
        // Whole numbers are text in the JSON of protobuf.
        assert_eq!(attributes["upstream_status"], "204");
        assert_eq!(attributes["bytes"], body.len().to_string());
        assert!(attributes["upstream_ms"].as_f64().unwrap() > 0.0);
        assert!(span.get("status").is_none_or(|status| status.get("code").is_none()), "{span}");
    }
    for span in &spans {
        assert_eq!(span["kind"], "SPAN_KIND_SERVER");
        let time = |name: &str| span[name].as_str().unwrap().parse::<i128>().unwrap();
        let (start, end) = (time("startTimeUnixNano"), time("endTimeUnixNano"));
        assert!(before <= start && start < end && end <= after, "{before} {start} {end} {after}");
    }
    // One that belongs to the sender's trace, one that begins a trace, one that was refused.
    let [sampled, new, refused] = spans.try_into().unwrap();
    for span in [&sampled, &refused] {
        assert_eq!(
            (hex(&span["traceId"]), hex(&span["parentSpanId"])),
            (trace.to_owned(), caller.to_owned())
        );
        assert_eq!((&span["traceState"], &span["flags"]), (&"a=1".into(), &0x301.into()));
    }
    assert_ne!(hex(&new["traceId"]), trace);
    assert_eq!((new.get("parentSpanId"), &new["flags"]), (None, &0x101.into()));
    let attributes = attributes(&refused["attributes"]);
    assert_eq!((&attributes["outcome"], &attributes["reason"]), (&"refused".into(), &"bad_signature".into()));
    assert_eq!(refused["name"], "notification");
    assert!(
        refused.get("status").is_none_or(|status| status.get("code").is_none()),
        "the sender's fault is none of ours"
    );
}

/// What an upstream with `settings` gets of notifications in `charset` that `sdk` signs.
fn delivered(keys: &Keys, sdk: &mut Sdk, charset: Charset, settings: &str) -> Vec<(Notification, Got)> {
    let upstream = Upstream::start();
    let sidecar = Sidecar::with(&keys.file(KeyForm::PublicSpkiPem), &upstream, settings);
    let deliver = |notification: Notification| {
        let body = sdk.sign(SignForm::V1, &notification, keys, KeyForm::PrivatePkcs1Pem);
        assert_eq!(sidecar.post(&body), Answer::success(), "{settings}");
        let mut got = upstream.got();
        assert_eq!(got.len(), 1, "{settings}");
        (notification, got.remove(0))
    };
    Notification::of(charset).into_iter().map(deliver).collect()
}

/// Every form and every private key file that the SDK takes, each notification first changed, then as it was signed.
fn genuine_arrives_and_changed_does_not(which: Which, charset: Charset) {
    let keys = Keys::generate(&format!("{which:?}_{charset:?}_arrives"));
    let upstream = Upstream::start();
    let sidecar = Sidecar::start(&keys.file(KeyForm::PublicSpkiPem), &upstream);
    let mut sdk = Sdk::start(which);
    for form in which.signs() {
        for private in which.private_forms() {
            for notification in Notification::of(charset) {
                let body = sdk.sign(*form, &notification, &keys, *private);
                for changed in notification::changed(&body) {
                    assert_eq!(sidecar.post(&changed), Answer::refused(), "{form:?} {private:?}: {changed}");
                }
                assert_eq!(sidecar.post(&body), Answer::success(), "{form:?} {private:?}: {body}");
                assert_eq!(upstream.received(), [notification.biz_content()], "{form:?} {private:?}");
            }
        }
    }
}
