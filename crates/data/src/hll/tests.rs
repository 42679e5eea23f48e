//! Against a model of plain registers, and against values that a Redis 7.0.15 has made.

use super::*;
use proptest::prelude::*;

const SPARSE_MAX: usize = 3000;

fn add(bytes: &mut Vec<u8>, element: &str) {
    raise(bytes, mark(element.as_bytes()), SPARSE_MAX).expect("whole");
}

/// A short digest of a value.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Elements "0", "1", … added to one value: how many, PFCOUNT, STRLEN, digest of the bytes.
const FROM_REDIS: &[(u32, u64, usize, u64)] = &[
    (0, 0, 18, 0xfd8f_436a_8f6e_62f9),
    (1, 1, 21, 0x3bbc_da53_b172_f9f4),
    (2, 2, 24, 0x68cb_7252_27c5_ee13),
    (5, 5, 33, 0x14ab_ef01_ba36_7029),
    (10, 10, 48, 0xfe68_c5c3_da9e_a5b4),
    (100, 100, 287, 0x4fde_7aaa_024c_e2e8),
    (500, 503, 1061, 0x6a04_184a_9670_bd19),
    (1000, 1001, 1923, 0x5149_0756_a435_4f02),
    (1500, 1512, 2766, 0x0097_9c12_3007_8229),
    (2000, 2007, 12304, 0x7a42_1cc0_d33d_9732),
    (3000, 3004, 12304, 0xbe72_0211_e591_dea0),
    (5000, 4985, 12304, 0x06aa_2459_4633_3ae4),
    (10000, 9987, 12304, 0x99d4_9421_db1c_95c2),
    (20000, 19891, 12304, 0x7bcf_2012_ed07_835e),
    (50000, 50354, 12304, 0xffb9_8ef9_f62d_6acf),
    (100_000, 99565, 12304, 0xe06f_8585_e625_cb6e),
    (200_000, 200_305, 12304, 0x659d_03cf_514c_0db6),
];

#[test]
fn bytes_and_counts_are_redis_s() {
    let mut bytes = empty();
    let mut added = 0;
    let steps = if cfg!(miri) { 5 } else { FROM_REDIS.len() };
    for &(elements, expected, len, digest) in &FROM_REDIS[..steps] {
        while added < elements {
            add(&mut bytes, &added.to_string());
            added += 1;
        }
        assert_eq!(count(&bytes), Ok(expected), "{elements} elements");
        cache_count(&mut bytes, expected);
        assert_eq!(cached_count(&bytes), Some(expected));
        assert_eq!((bytes.len(), fnv(&bytes)), (len, digest), "{elements}");
        forget_count(&mut bytes);
        assert_eq!(cached_count(&bytes), None);
    }
}

#[test]
fn becomes_dense_when_redis_does() {
    let mut bytes = empty();
    for element in 0..1648 {
        add(&mut bytes, &element.to_string());
    }
    assert_eq!(
        (encoding(&bytes), bytes.len()),
        (Some(Encoding::Sparse), 3000)
    );
    add(&mut bytes, "1648");
    assert_eq!(encoding(&bytes), Some(Encoding::Dense));
    assert_eq!(bytes.len(), DENSE_LEN);
}

#[test]
fn what_isn_t_a_hyperloglog_is_told() {
    let sparse = empty();
    let dense = to_dense(&sparse).expect("whole");
    assert_eq!(encoding(&dense), Some(Encoding::Dense));
    assert_eq!(encoding(&dense[..DENSE_LEN - 1]), None);
    assert_eq!(encoding(&sparse[..15]), None);
    assert_eq!(encoding(b"HYLX\x01\0\0\0\0\0\0\0\0\0\0\0\x7f\xff"), None);
    assert_eq!(encoding(b"HYLL\x02\0\0\0\0\0\0\0\0\0\0\0\x7f\xff"), None);
}

#[test]
fn runs_that_don_t_cover_the_registers_are_corrupt() {
    let bodies: [&[u8]; 4] = [b"", b"\x7f", b"\x7f\xfe", b"\x7f\xff\x00"];
    for body in bodies {
        let bytes = [&header(Encoding::Sparse), body].concat();
        assert_eq!(count(&bytes), Err(Corrupt));
        assert_eq!(to_dense(&bytes), Err(Corrupt));
        assert_eq!(Registers::default().merge(&bytes), Err(Corrupt));
        let last = Mark {
            register: REGISTERS - 1,
            rank: 1,
        };
        if body.len() < 3 {
            assert_eq!(raise(&mut bytes.clone(), last, SPARSE_MAX), Err(Corrupt));
        }
    }
}

/// Mostly low ranks on few registers, so that runs meet and join.
fn marks() -> impl Strategy<Value = Vec<Mark>> {
    let register = prop_oneof![0..40usize, 100..130usize, 16_350..REGISTERS, 0..REGISTERS];
    let rank = prop_oneof![20 => 1..4u8, 4 => 1..33u8, 1 => 1..=RANK_MAX];
    let mark = (register, rank).prop_map(|(register, rank)| Mark { register, rank });
    prop::collection::vec(mark, 0..300)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 256 }))]

    #[test]
    fn both_encodings_hold_what_plain_registers_hold(
        marks in marks(),
        sparse_max in prop_oneof![Just(SPARSE_MAX), 16..400usize],
    ) {
        let mut model = Registers::default();
        let mut sparse = empty();
        let mut dense = to_dense(&sparse).expect("whole");
        for &mark in &marks {
            let higher = mark.rank > model.0[mark.register];
            model.0[mark.register] = model.0[mark.register].max(mark.rank);
            prop_assert_eq!(raise(&mut sparse, mark, sparse_max), Ok(higher));
            prop_assert_eq!(raise_dense(&mut dense, mark), higher);
            prop_assert!(encoding(&sparse).is_some());
            if encoding(&sparse) == Some(Encoding::Sparse) {
                prop_assert!(sparse.len() <= sparse_max.max(18));
            }
        }
        prop_assert_eq!(&to_dense(&sparse).expect("whole"), &dense);
        for bytes in [&sparse, &dense] {
            let mut registers = Registers::default();
            registers.merge(bytes).expect("whole");
            prop_assert_eq!(&registers, &model);
            prop_assert_eq!(count(bytes), Ok(model.count()));
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(body in prop::collection::vec(any::<u8>(), 0..60)) {
        let mut bytes = [&header(Encoding::Sparse), &body[..]].concat();
        let _ = count(&bytes);
        let _ = to_dense(&bytes);
        let _ = Registers::default().merge(&bytes);
        for register in [0, 17, 500, REGISTERS - 1] {
            let _ = raise(&mut bytes, Mark { register, rank: 3 }, SPARSE_MAX);
        }
    }
}
