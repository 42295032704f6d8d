//! A form decodes to what was encoded, whatever decodes obeys the rules of names, and nothing else decodes.
#![no_main]

use std::collections::BTreeSet;

use alipay_sidecar::receive::form::Form;
use alipay_sidecar_fuzz::{MAX_PARAMS, body};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(form) = Form::parse(bytes, MAX_PARAMS) else { return };
    let pairs: Vec<_> = form.iter().collect();
    assert!(bytes.iter().all(u8::is_ascii_graphic));
    assert!((1..=MAX_PARAMS).contains(&pairs.len()));
    let names: BTreeSet<_> = pairs.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), pairs.len(), "a name occurs twice");
    for (name, value) in &pairs {
        assert!((1..=64).contains(&name.len()) && name[0].is_ascii_alphabetic());
        assert!(name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_'));
        assert_eq!(form.get(str::from_utf8(name).unwrap()), Some(*value));
    }
    // A lenient reader, which shares no code with ours, sees no other pairs, except that it mends what is not UTF-8.
    let lenient: Vec<_> = form_urlencoded::parse(bytes).collect();
    let ours =
        pairs.iter().map(|(name, value)| (String::from_utf8_lossy(name), String::from_utf8_lossy(value)));
    assert!(ours.eq(lenient), "another reader reads another form");
    let again = body(pairs.iter().copied());
    let again = Form::parse(again.as_bytes(), MAX_PARAMS).expect("what we read can be written");
    assert!(again.iter().eq(pairs), "what was written reads otherwise");
});
