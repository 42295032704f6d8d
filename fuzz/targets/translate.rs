//! Any bytes as the genuine content of a notification: what the upstream gets is the same JSON, read strictly.
//!
//! The first byte chooses charset and message, the others are `biz_content`.
#![no_main]

use alipay_sidecar::translate::Event;
use alipay_sidecar::verify::SignedForm;
use alipay_sidecar_fuzz::{TRANSLATOR, body, example, judge, signature};
use encoding_rs::{GB18030, GBK, UTF_8};
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

const UNKNOWN: &str = "alipay.not.in.the.catalogue";

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    biz_content: &'a RawValue,
}

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, content)) = bytes.split_first() else { return };
    let (charset, encoding) = [("utf-8", UTF_8), ("GBK", GBK), ("gb18030", GB18030)][usize::from(choice % 3)];
    let is_known = choice & 0x80 != 0;
    let ours = translate(content, charset, is_known);
    let content = encoding.decode_without_bom_handling_and_without_replacement(content);
    let theirs = content.as_deref().map(serde_json::from_str::<Value>);
    match (ours, content.as_deref(), theirs) {
        (Some(event), Some(content), Some(Ok(theirs))) => {
            assert!(theirs.is_object());
            serde_json::from_slice::<Value>(event.body()).expect("the body is JSON");
            let biz_content = biz_content(&event);
            if !is_known {
                assert_eq!(biz_content, without_space(content), "more than white space went");
                assert_eq!(serde_json::from_str::<Value>(biz_content).unwrap(), theirs);
            }
            let again = translate(biz_content.as_bytes(), "utf-8", is_known).expect("our own output passes");
            assert_eq!(again.body(), event.body(), "a second pass changes something");
        }
        (Some(_), _, _) => panic!("only we accept this"),
        (None, Some(content), Some(Ok(theirs))) => {
            assert!(!is_plain(content, &theirs), "a plain object is lost");
        }
        (None, _, _) => {}
    }
});

fn translate(content: &[u8], charset: &'static str, is_known: bool) -> Option<Event> {
    let mut pairs = example("5608cccc09ddb39d41c2e3c06e3d9fejh2");
    for (name, value) in &mut pairs {
        match *name {
            b"charset" => *value = charset.as_bytes(),
            b"msg_method" if !is_known => *value = UNKNOWN.as_bytes(),
            _ => {}
        }
    }
    let mut pairs: Vec<(&[u8], &[u8])> = pairs;
    pairs[1].1 = content;
    let signature = signature(&pairs, SignedForm::V2);
    pairs.push((b"sign", signature.as_bytes()));
    match judge(body(pairs).as_bytes()) {
        Ok(verified) => TRANSLATOR.translate(verified).ok(),
        // An empty `biz_content` is a missing one.
        Err(rejection) => {
            assert!(content.is_empty(), "a genuine notification is refused: {:?}", rejection.reason());
            None
        }
    }
}

fn biz_content(event: &Event) -> &str {
    serde_json::from_slice::<Body<'_>>(event.body()).unwrap().biz_content.get()
}

/// Whether nothing is special about an object that `serde_json` accepts: no name twice, no long number, not deep.
fn is_plain(content: &str, theirs: &Value) -> bool {
    let is_shallow = content.bytes().filter(|byte| matches!(byte, b'{' | b'[')).count() <= 64;
    let has_tiny_number = content.contains("e-3") || content.contains("E-3");
    theirs.is_object()
        && is_shallow
        && !has_tiny_number
        && theirs.to_string().len() == without_space(content).len()
}

/// Valid JSON without the white space outside its strings.
fn without_space(text: &str) -> String {
    let (mut quoted, mut escaped) = (false, false);
    let kept = text.chars().filter(|char| {
        let keep = quoted || !char.is_ascii_whitespace();
        quoted ^= *char == '"' && !escaped;
        escaped = *char == '\\' && !escaped;
        keep
    });
    kept.collect()
}
