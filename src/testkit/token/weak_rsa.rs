//! The one RSA key of 1,024 bits, with which aws-lc-rs would not sign.
//!
//! Slow, not constant in time, and its private exponent is public: it is for tests that a verifier
//! refuses such a key although the signature is right.

use aws_lc_rs::digest;

/// The modulus, big-endian.
pub(in crate::testkit) fn modulus() -> Vec<u8> {
    bytes(&number(MODULUS))
}

/// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 §8.2.1).
pub(in crate::testkit) fn sign(message: &[u8]) -> Vec<u8> {
    let digest = digest::digest(&digest::SHA256, message);
    let padding = BYTES - 3 - DIGEST_INFO.len() - digest.as_ref().len();
    let mut encoded = vec![0, 1];
    encoded.resize(2 + padding, 0xff);
    encoded.push(0);
    encoded.extend_from_slice(&DIGEST_INFO);
    encoded.extend_from_slice(digest.as_ref());

    let modulus = number(MODULUS);
    let base = limbs(&encoded);
    let mut power = [0; LIMBS];
    power[0] = 1;
    for bit in bits(&number(EXPONENT)) {
        power = multiply(&power, &power, &modulus);
        if bit {
            power = multiply(&power, &base, &modulus);
        }
    }
    bytes(&power)
}

const BYTES: usize = 128;
const LIMBS: usize = BYTES / 8;

/// Least significant limb first.
type Number = [u64; LIMBS];

/// `a * b mod n`, by doubling and adding.
fn multiply(a: &Number, b: &Number, n: &Number) -> Number {
    let mut product = [0; LIMBS];
    for bit in bits(b) {
        product = add(&product, &product, n);
        if bit {
            product = add(&product, a, n);
        }
    }
    product
}

/// `a + b mod n`, of numbers below `n`.
fn add(a: &Number, b: &Number, n: &Number) -> Number {
    let mut sum = [0; LIMBS];
    let mut carry = false;
    for ((sum, a), b) in sum.iter_mut().zip(a).zip(b) {
        let (half, first) = a.overflowing_add(*b);
        let (whole, second) = half.overflowing_add(u64::from(carry));
        *sum = whole;
        carry = first || second;
    }
    if carry || sum.iter().rev().ge(n.iter().rev()) {
        let mut borrow = false;
        for (sum, n) in sum.iter_mut().zip(n) {
            let (half, first) = sum.overflowing_sub(*n);
            let (whole, second) = half.overflowing_sub(u64::from(borrow));
            *sum = whole;
            borrow = first || second;
        }
    }
    sum
}

/// The bits, most significant first.
fn bits(number: &Number) -> impl Iterator<Item = bool> {
    number
        .iter()
        .rev()
        .flat_map(|limb| (0..64).rev().map(move |bit| limb >> bit & 1 == 1))
}

fn bytes(number: &Number) -> Vec<u8> {
    number
        .iter()
        .rev()
        .flat_map(|limb| limb.to_be_bytes())
        .collect()
}

fn limbs(bytes: &[u8]) -> Number {
    let mut number = [0; LIMBS];
    for (limb, bytes) in number.iter_mut().rev().zip(bytes.chunks(8)) {
        *limb = bytes
            .iter()
            .fold(0, |limb, byte| limb << 8 | u64::from(*byte));
    }
    number
}

/// Reads the constants below: 16 digits a limb, most significant first.
fn number(hex: [&str; LIMBS]) -> Number {
    let mut number = [0; LIMBS];
    for (limb, digits) in number.iter_mut().rev().zip(hex) {
        *limb = u64::from_str_radix(digits, 16).expect("a constant in hex");
    }
    number
}

/// The DER prefix of a SHA-256 `DigestInfo` (RFC 8017 §9.2, note 1).
const DIGEST_INFO: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];

const MODULUS: [&str; LIMBS] = [
    "d58855bd0c933b70",
    "39765885e0728b1b",
    "70bd27c9f2658cda",
    "6459bd174d1bbac4",
    "6c029e93aecdb134",
    "07b67223d05b63ee",
    "59c2687c7f798d2a",
    "89f88f1eff24c883",
    "4434bf9bc880db1f",
    "6281dc44bd6c81b3",
    "6170479067f95d6f",
    "5b80bf0c7d151dec",
    "e726587f7250258c",
    "4433dd877919bb56",
    "630b3bebf1d0f0ab",
    "653681f824b8fa69",
];

const EXPONENT: [&str; LIMBS] = [
    "500722ab11b57487",
    "60e1dbd781012ce5",
    "81e142b24b28881b",
    "a994806be538494d",
    "2875eadcca9cc897",
    "0974f55e3acea5ab",
    "44f4b9983f665ce3",
    "de85cb8e006dd6bf",
    "bc5ed3c662a2010d",
    "c1e70a74f5b0554a",
    "d80445ce5d6608bc",
    "d08ca8931665985b",
    "d89f995428e4e277",
    "fce8c29187ddbecd",
    "1ac3bda0b5667257",
    "db72f7db33742101",
];
