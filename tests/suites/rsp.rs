//! NIST's CAVP vectors for the verification of RSASSA-PKCS1-v1_5, as its response file writes them.

use std::fs;
use std::path::Path;

/// A signature by a key, and whether it is sound.
#[derive(Debug, Clone, Default)]
pub(crate) struct Vector {
    pub(crate) bits: usize,
    pub(crate) hash: String,
    pub(crate) modulus: Vec<u8>,
    pub(crate) exponent: Vec<u8>,
    pub(crate) message: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    /// `P`, or `F` with what was changed.
    pub(crate) result: String,
}

impl Vector {
    /// All vectors that sign with SHA-256.
    pub(crate) fn all_sha256() -> Vec<Self> {
        let mut vectors = parse(&response_file());
        vectors.retain(|vector| vector.hash == "SHA256");
        vectors
    }

    pub(crate) fn passes(&self) -> bool {
        assert!(self.result == "P" || self.result.starts_with("F ("), "{}", self.result);
        self.result == "P"
    }
}

fn response_file() -> String {
    const INSIDE: &str = "site-packages/cryptography_vectors/asymmetric/RSA/FIPS_186-2/SigVer15_186-3.rsp";
    let libraries = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suites/.venv/lib");
    let pythons = fs::read_dir(&libraries).into_iter().flatten().map(|entry| entry.unwrap().path());
    let found = pythons.map(|python| python.join(INSIDE)).find(|file| file.is_file());
    let file = found.unwrap_or_else(|| {
        panic!("NIST's vectors are not below {}: `make test` installs them", libraries.display())
    });
    fs::read_to_string(file).unwrap()
}

/// The lines are `[mod = bits]`, `n = …` for the vectors after it, then for each vector `name = value` up to `Result`.
fn parse(text: &str) -> Vec<Vector> {
    let mut vectors = Vec::new();
    let mut vector = Vector::default();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, value)) = line.trim_matches(['[', ']']).split_once('=') else { continue };
        let value = value.trim();
        match name.trim() {
            "mod" => vector.bits = value.parse().unwrap(),
            "n" => vector.modulus = number(value),
            "SHAAlg" => value.clone_into(&mut vector.hash),
            "e" => vector.exponent = number(value),
            "Msg" => vector.message = bytes(value),
            "S" => vector.signature = bytes(value),
            "Result" => {
                value.clone_into(&mut vector.result);
                vectors.push(vector.clone());
            }
            _ => {}
        }
    }
    vectors
}

/// A number without its leading zeros.
fn number(hex: &str) -> Vec<u8> {
    bytes(hex).into_iter().skip_while(|byte| *byte == 0).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hex.chars().map(|digit| u8::try_from(digit.to_digit(16).unwrap()).unwrap()).collect();
    assert!(digits.len().is_multiple_of(2), "half a byte in {hex}");
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
