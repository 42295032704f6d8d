//! NIST's CAVP vectors `SigVer15_186-3`: each key read by `parse`, each signature checked by `verifies`.

#[path = "../../../../tests/suites/rsp.rs"]
mod rsp;

use rsp::Vector;

use super::*;

/// What became of a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Accepted,
    Refused,
    KeyTooShort,
    OtherExponent,
}

#[test]
fn each_vector_under_a_key_that_alipay_could_have_is_judged_as_nist_does() {
    let outcomes = Vector::all_sha256().into_iter().map(|vector| {
        let case = format!("{} bits, {}", vector.bits, vector.result);
        match PublicKey::parse(&key_of(&vector.modulus, &vector.exponent)) {
            Ok(key) => {
                assert_eq!(key.bits(), vector.bits, "{case}");
                let digest = digest::digest(&digest::SHA256, &vector.message);
                let accepted = key.verifies(&digest, Hash::Sha256, &vector.signature);
                assert_eq!(accepted, vector.passes(), "{case}");
                if accepted { Outcome::Accepted } else { Outcome::Refused }
            }
            Err(KeyError::Exponent) => {
                assert_ne!(vector.exponent, [1, 0, 1], "{case}");
                Outcome::OtherExponent
            }
            Err(error) => {
                assert!(vector.bits < 2_048, "{case}");
                assert_eq!(error, KeyError::Bits { bits: vector.bits, least: 2_048 }, "{case}");
                Outcome::KeyTooShort
            }
        }
    });
    let outcomes: Vec<_> = outcomes.collect();
    let counts = [Outcome::Accepted, Outcome::Refused, Outcome::KeyTooShort, Outcome::OtherExponent]
        .map(|kind| outcomes.iter().filter(|outcome| **outcome == kind).count());
    assert_eq!(counts, [3, 14, 12, 61]);
}
