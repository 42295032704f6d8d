//! Any body at all with a genuine signature put on: it passes only as what was signed.
#![no_main]

use std::sync::LazyLock;

use alipay_sidecar::verify::SignedForm;
use alipay_sidecar_fuzz::{Pairs, body, example, judge, signature, signed};
use libfuzzer_sys::fuzz_target;

const NOTIFY_ID: &str = "5608cccc09ddb39d41c2e3c06e3d9fejh2";

/// A notification in each form: its signature, as it is written in a body, and what is signed.
static GENUINE: LazyLock<[(String, Pairs); 2]> = LazyLock::new(|| {
    [SignedForm::V1, SignedForm::V2].map(|signed_form| {
        let mut pairs = example(NOTIFY_ID);
        let signature = signature(&pairs, signed_form);
        let encoded = body([(&b"sign"[..], signature.as_bytes())]);
        pairs.push((b"sign", signature.as_bytes()));
        let verified = judge(body(pairs).as_bytes()).expect("the genuine one passes");
        assert_eq!(verified.signed_form(), signed_form);
        (encoded, signed(verified.form(), signed_form))
    })
});

fuzz_target!(|bytes: &[u8]| {
    assert!(judge(bytes).is_err(), "no signature of ours is in any input");
    for (signature, genuine) in &*GENUINE {
        let body = [bytes, b"&", signature.as_bytes()].concat();
        if let Ok(verified) = judge(&body) {
            assert_eq!(&signed(verified.form(), verified.signed_form()), genuine, "forged");
        }
    }
});
