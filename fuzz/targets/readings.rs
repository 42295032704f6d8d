//! One signed text, read as two notifications: if both pass the whole way to the upstream, they are one.
//!
//! This is where forgeries come from, since nothing in the signed text is escaped. The input is the text, with where
//! it is *not* to be cut at `&` in each of two readings, and what is put beside the signed parameters.
#![no_main]

use alipay_sidecar::verify::SignedForm;
use alipay_sidecar_fuzz::{Pairs, TRANSLATOR, body, example, judge, sign, signed, text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: genuine_ones_pass(), |bytes: &[u8]| {
    let Some(([flags, masks @ ..], signed_text)) = bytes.split_first_chunk::<17>() else { return };
    let (mask_a, mask_b) = masks.split_at(8);
    let (beside_a, beside_b) = (flags & 0x0f, flags >> 4);
    let readings = [(mask_a, beside_a), (mask_b, beside_b)];
    let readings = readings.map(|(mask, beside)| reading(signed_text, mask, beside));
    if readings.iter().all(Option::is_none) {
        return;
    }
    let signature = sign(signed_text);
    let [a, b] = readings.map(|reading| pass(reading?, &signature, signed_text));
    if let (Some(a), Some(b)) = (a, b) {
        assert_eq!(a, b, "one signed text, two notifications");
    }
});

/// The laws would hold for a verification that refuses everything, too.
fn genuine_ones_pass() {
    for (form, sign_type) in [(SignedForm::V1, 1), (SignedForm::V2, 0)] {
        let pairs =
            example("1").into_iter().filter(|(name, _)| form == SignedForm::V2 || *name != b"sign_type");
        let text = text(&pairs.map(|(name, value)| (name.to_vec(), value.to_vec())).collect());
        let reading = reading(&text, &[0; 8], sign_type).expect("each piece has a `=`");
        let (passed_in, _) = pass(reading, &sign(&text), &text).expect("a genuine notification");
        assert_eq!(passed_in, form);
    }
}

/// Cuts `text` into pairs at each `&` whose bit in `mask` is not set, and adds unsigned pairs.
fn reading(text: &[u8], mask: &[u8], beside: u8) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    for (nth, piece) in text.split(|byte| *byte == b'&').enumerate() {
        // The first piece is number 0, and begins a pair; the `&` before piece n has bit n - 1.
        let bit = nth.checked_sub(1).map(|bit| bit % 64);
        match pieces.last_mut() {
            Some(last) if bit.is_some_and(|bit| mask[bit / 8] >> (bit % 8) & 1 == 1) => {
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
