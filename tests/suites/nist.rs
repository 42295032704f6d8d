//! NIST's CAVP vectors `SigVer15_186-3`, transplanted onto notifications, whatever their exponent.

use alipay_sidecar::rejection::Reason;

use crate::graft::{Graft, canonical, graft};
use crate::key::{Key, open};
use crate::receiver::{Notification, Receiver};
use crate::rsp::Vector;

/// Only the vectors that are sound, or whose encoding is not: in the others the message, the signature or the key is
/// another one, so that nothing in them is worth taking over.
#[test]
fn an_encoding_that_nist_changed_is_refused_under_our_key() {
    let receiver = Receiver::new();
    let mut vectors = Vector::all_sha256();
    vectors.retain(|vector| {
        vector.bits >= 2_048 && (vector.passes() || vector.result.contains("Format of the EM"))
    });
    let accepted = vectors.iter().filter(|vector| {
        let case = format!("{} bits, {}", vector.bits, vector.result);
        let notification = Notification { bits: vector.bits, number: 1 };
        let text = notification.text();
        let encoded = open(&vector.modulus, &vector.exponent, &vector.signature);
        let (encoded, kind) = graft(&encoded, &vector.message, &text);
        assert_eq!(kind, Graft::Sha256, "{case}");
        assert_eq!(encoded == canonical(&text, encoded.len()), vector.passes(), "{case}");

        let judged = receiver.judge(notification, &Key::of(vector.bits).seal(&encoded));
        let expected = (!vector.passes()).then_some(Reason::BadSignature);
        assert_eq!(judged.err(), expected, "{case}");
        vector.passes()
    });
    let accepted = accepted.count();
    assert_eq!((accepted, vectors.len() - accepted), (9, 18));
}
