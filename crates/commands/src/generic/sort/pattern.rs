//! What BY and GET name: a pattern of keys, with the sorted element in the place of its `*`.

use data::Hash;
use data::packed::Digits;
use smallvec::SmallVec;
use store::Txn;

use crate::string::value::bytes_of;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pattern<'a> {
    /// `#`: the element.
    Element,
    /// A text without `*`: never anything.
    Nothing,
    /// A string, or a field of a hash: `before*after->field`.
    Key {
        before: &'a [u8],
        after: &'a [u8],
        field: Option<&'a [u8]>,
    },
}

impl<'a> Pattern<'a> {
    pub(super) fn parse(text: &'a [u8]) -> Self {
        if text == b"#" {
            return Self::Element;
        }
        let Some(star) = text.iter().position(|&byte| byte == b'*') else {
            return Self::Nothing;
        };
        let (before, rest) = (&text[..star], &text[star + 1..]);
        let arrow = rest.windows(2).position(|pair| pair == b"->");
        let (after, field) = match arrow {
            Some(arrow) if arrow + 2 < rest.len() => (&rest[..arrow], Some(&rest[arrow + 2..])),
            _ => (rest, None),
        };
        Self::Key {
            before,
            after,
            field,
        }
    }

    /// Hands what the pattern means for an element to `with`.
    pub(super) fn look_up<R>(
        self,
        txn: &mut Txn<'_>,
        element: &[u8],
        with: impl FnOnce(Option<&[u8]>) -> R,
    ) -> R {
        let (before, after, field) = match self {
            Self::Element => return with(Some(element)),
            Self::Nothing => return with(None),
            Self::Key {
                before,
                after,
                field,
            } => (before, after, field),
        };
        let parts = [before, element, after].into_iter().flatten();
        let key: SmallVec<[u8; 128]> = parts.copied().collect();
        let Some(found) = txn.read(&key) else {
            return with(None);
        };
        let mut digits = Digits::new();
        let Some(field) = field else {
            let value = txn.str(found).ok();
            return with(value.map(|value| bytes_of(value, &mut digits)));
        };
        let now_ms = txn.now_ms;
        let hash = txn.view::<Hash>(found).ok();
        let pair = hash.and_then(|hash| hash.get(field, now_ms));
        with(pair.map(|pair| pair.value.text(&mut digits)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_where_redis_sees_them() {
        let key =
            |before: &'static str, after: &'static str, field: Option<&'static str>| Pattern::Key {
                before: before.as_bytes(),
                after: after.as_bytes(),
                field: field.map(str::as_bytes),
            };
        for (text, expected) in [
            ("#", Pattern::Element),
            ("##", Pattern::Nothing),
            ("w->f", Pattern::Nothing),
            ("*", key("", "", None)),
            ("w_*_x", key("w_", "_x", None)),
            ("w*->f", key("w", "", Some("f"))),
            ("w->*->f->g", key("w->", "", Some("f->g"))),
            ("w*->", key("w", "->", None)),
            ("w**", key("w", "*", None)),
        ] {
            assert_eq!(Pattern::parse(text.as_bytes()), expected, "{text}");
        }
    }
}
