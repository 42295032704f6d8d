//! One signed text, read as many notifications: those that pass the whole way to the upstream are one and the same.
//!
//! This is where forgeries come from, since nothing in the signed text is escaped. The input is the text, with where
//! it is *not* to be cut at `&`, and two ways to put something beside the signed parameters. Each cut is also made
//! where it was not to be, and left out where it was.
#![no_main]

use alipay_sidecar::verify::SignedForm;
use alipay_sidecar_fuzz::{Pairs, TRANSLATOR, body, example, judge, sign, signed, text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: genuine_ones_pass(), |bytes: &[u8]| {
    let Some(([beside, joined @ ..], signed_text)) = bytes.split_first_chunk::<9>() else { return };
    let joined = u64::from_le_bytes(*joined);
    let cuts = signed_text.iter().filter(|byte| **byte == b'&').count().min(64);
    let all = (0..cuts).map(|cut| joined ^ 1 << cut).chain([joined]);
    let all = all.flat_map(|joined| [(joined, beside & 0x0f), (joined, beside >> 4)]);
    let readings: Vec<_> = all.filter_map(|(joined, beside)| reading(signed_text, joined, beside)).collect();
    if readings.is_empty() {
        return;
    }
    let signature = sign(signed_text);
    let mut passed = readings.into_iter().filter_map(|pairs| pass(pairs, &signature, signed_text));
    if let Some(one) = passed.next() {
        for other in passed {
            assert_eq!(one, other, "one signed text, two notifications");
        }
    }
});

/// The laws would hold for a verification that refuses everything, too.
fn genuine_ones_pass() {
    for (form, sign_type) in [(SignedForm::V1, 1), (SignedForm::V2, 0)] {
        let pairs =
            example("1").into_iter().filter(|(name, _)| form == SignedForm::V2 || *name != b"sign_type");
        let text = text(&pairs.map(|(name, value)| (name.to_vec(), value.to_vec())).collect());
        let reading = reading(&text, 0, sign_type).expect("each piece has a `=`");
        let (passed_in, _) = pass(reading, &sign(&text), &text).expect("a genuine notification");
        assert_eq!(passed_in, form);
    }
}

/// Cuts `text` into pairs at each `&` whose bit in `joined` is not set, and puts unsigned pairs beside them.
fn reading(text: &[u8], joined: u64, beside: u8) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    for (nth, piece) in text.split(|byte| *byte == b'&').enumerate() {
        // The first piece begins a pair; the `&` before piece n has bit n - 1.
        let is_joined = (1..=64).contains(&nth) && joined >> (nth - 1) & 1 == 1;
        match pieces.last_mut() {
            Some(last) if is_joined => {
                last.push(b'&');
                last.extend_from_slice(piece);
            }
            _ => pieces.push(piece.to_vec()),
        }
    }
    let mut pairs = Vec::new();
    for piece in pieces {
        let equals = piece.iter().position(|byte| *byte == b'=')?;
        pairs.push((piece[..equals].to_vec(), piece[equals + 1..].to_vec()));
    }
    let mut add = |name: &str, value: &str| pairs.push((name.into(), value.into()));
    match beside & 3 {
        0 => {}
        1 => add("sign_type", "RSA2"),
        2 => add("sign_type", "rsa2"),
        _ => add("sign_type", "RSA"),
    }
    if beside & 4 != 0 {
        add("msg_uid", "");
    }
    if beside & 8 != 0 {
        pairs.reverse();
    }
    Some(pairs)
}

/// What was signed of `pairs`, if they pass.
fn pass(pairs: Vec<(Vec<u8>, Vec<u8>)>, signature: &str, signed_text: &[u8]) -> Option<(SignedForm, Pairs)> {
    let pairs = pairs.iter().map(|(name, value)| (&name[..], &value[..]));
    let verified = judge(body(pairs.chain([(&b"sign"[..], signature.as_bytes())])).as_bytes()).ok()?;
    let signed_form = verified.signed_form();
    let signed = signed(verified.form(), signed_form);
    assert_eq!(text(&signed), signed_text, "what passed is not what was signed");
    TRANSLATOR.translate(verified).ok().map(|_| (signed_form, signed))
}
