//! Packed lists against a plain vector of texts.

use proptest::prelude::*;

use super::*;

fn texts(packed: &Packed) -> Vec<Vec<u8>> {
    packed.view().iter().map(Elem::to_vec).collect()
}

fn elem() -> impl Strategy<Value = Vec<u8>> {
    let of_len = |len: std::ops::Range<usize>| prop::collection::vec(any::<u8>(), len);
    prop_oneof![
        4 => of_len(0..70),
        1 => of_len(60..300),
        1 => of_len(4000..4200),
        1 => of_len(16_370..16_390),
        3 => any::<i64>().prop_map(|int| int.to_string().into_bytes()),
        3 => (-5000i64..5000).prop_map(|int| int.to_string().into_bytes()),
        2 => (0u32..64, -1i64..2).prop_map(|(bits, more)| {
            ((1i64 << bits).wrapping_add(more)).to_string().into_bytes()
        }),
        1 => "-?0[0-9]{0,3}".prop_map(String::into_bytes),
    ]
}

#[test]
fn entries_are_listpack_s() {
    let entry = |text: &str| {
        let elem = Elem::of(text.as_bytes());
        let mut out = vec![0; entry_bytes(elem)];
        write_entry(elem, &mut out);
        out
    };
    assert_eq!(entry("0"), [0, 1]);
    assert_eq!(entry("127"), [127, 1]);
    assert_eq!(entry("128"), [0xc0, 128, 2]);
    assert_eq!(entry("-1"), [0xdf, 0xff, 2]);
    assert_eq!(entry("4096"), [0xf1, 0, 16, 3]);
    assert_eq!(entry("-32769"), [0xf2, 0xff, 0x7f, 0xff, 4]);
    assert_eq!(entry("8388608"), [0xf3, 0, 0, 128, 0, 5]);
    assert_eq!(entry("2147483648"), [0xf4, 0, 0, 0, 128, 0, 0, 0, 0, 9]);
    assert_eq!(entry(""), [0x80, 1]);
    assert_eq!(entry("hello"), *b"\x85hello\x06");
    let long = entry(&"x".repeat(200));
    assert_eq!(
        (&long[..3], &long[202..]),
        (&[0xe0, 200, b'x'][..], &[1, 0xca][..])
    );
}

proptest! {
    #[test]
    fn behaves_as_a_vector(
        steps in prop::collection::vec(
            (0u8..5, any::<prop::sample::Index>(), elem(), elem()), 1..60
        )
    ) {
        let mut packed = Packed::new();
        let mut model: Vec<Vec<u8>> = Vec::new();
        for (step, index, a, b) in steps {
            let at = index.index(model.len() + 1);
            let offset = packed.view().run().offset_of(at, model.len());
            let elems = [Elem::of(&a), Elem::of(&b)];
            match step {
                0 => {
                    packed.push(elems[0]);
                    model.push(a);
                }
                1 | 2 => {
                    packed.insert(offset, &elems);
                    model.splice(at..at, [a, b]);
                }
                3 if at + 2 <= model.len() => {
                    packed.replace(offset, &elems);
                    model.splice(at..at + 2, [a, b]);
                }
                _ => {
                    let n = (model.len() - at).min(3);
                    packed.remove(offset, n);
                    model.drain(at..at + n);
                }
            }
            prop_assert_eq!(packed.len(), model.len());
            prop_assert_eq!(&texts(&packed), &model);
        }
        let backwards: Vec<_> = packed.view().iter().rev().map(Elem::to_vec).collect();
        model.reverse();
        prop_assert_eq!(backwards, model);
    }

    #[test]
    fn finds_the_first_group(texts in prop::collection::vec(elem(), 2..40), which in any::<u16>()) {
        let stride = 2;
        let texts = &texts[..texts.len() / stride * stride];
        let mut packed = Packed::new();
        for text in texts {
            packed.push(Elem::of(text));
        }
        let wanted = &texts[usize::from(which) % texts.len()];
        let run = packed.view().run();
        let found = run.find(Elem::of(wanted), stride);
        let expected = texts.iter().step_by(stride).position(|text| text == wanted);
        prop_assert_eq!(found, expected.map(|group| run.skip(0, group * stride)));
    }
}
