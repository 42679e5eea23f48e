//! Redis's glob patterns, which KEYS, SCAN, PSUBSCRIBE, CONFIG GET and ACL rules share: `*`, `?`,
//! `[abc]`, `[^a]`, `[a-z]` and `\` before a byte that stands for itself.
//!
//! Redis retries each `*` recursively. Here only the last one is retried, which finds the same
//! matches in at most pattern × text steps, so no pattern can hold a thread for long.

/// Whether all of `text` matches `pattern`. As in Redis, no pattern but the empty one matches an
/// empty text: where `*` is to mean everything, the caller has to see to it.
pub fn matches(pattern: &[u8], text: &[u8], ignore_case: bool) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut p, mut t) = (0, 0);
    // Where to go on when the rest does not fit: after the last star, one byte later in the text.
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            retry = Some((p, t));
            continue;
        }
        if let Some(len) = step(&pattern[p..], text[t], ignore_case) {
            p += len;
            t += 1;
        } else if let Some((after_star, from)) = retry {
            (p, t) = (after_star, from + 1);
            retry = Some((after_star, t));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

/// Matches one byte of text; returns how much of the pattern that took.
fn step(pattern: &[u8], byte: u8, ignore_case: bool) -> Option<usize> {
    let same = |a: u8| fold(a, ignore_case) == fold(byte, ignore_case);
    match *pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', ..] => class(pattern, byte, ignore_case),
        [b'\\', escaped, ..] => same(escaped).then_some(2),
        [literal, ..] => same(literal).then_some(1),
    }
}

/// Matches a byte against `[...]`, which may lack its closing bracket at the pattern's end.
fn class(pattern: &[u8], byte: u8, ignore_case: bool) -> Option<usize> {
    let negated = pattern.get(1) == Some(&b'^');
    let mut at = if negated { 2 } else { 1 };
    let mut found = false;
    let folded = fold(byte, ignore_case);
    loop {
        match pattern.get(at..).unwrap_or_default() {
            [] => break,
            [b']', ..] => {
                at += 1;
                break;
            }
            // Redis compares an escaped byte exactly, whatever the case.
            [b'\\', escaped, ..] => {
                found |= *escaped == byte;
                at += 2;
            }
            [from, b'-', to, ..] => {
                let (from, to) = (*from.min(to), *from.max(to));
                let range = fold(from, ignore_case)..=fold(to, ignore_case);
                found |= range.contains(&folded);
                at += 3;
            }
            [one, ..] => {
                found |= fold(*one, ignore_case) == folded;
                at += 1;
            }
        }
    }
    (found != negated).then_some(at)
}

fn fold(byte: u8, ignore_case: bool) -> u8 {
    if ignore_case {
        byte.to_ascii_lowercase()
    } else {
        byte
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fits(pattern: &str, text: &str) -> bool {
        matches(pattern.as_bytes(), text.as_bytes(), false)
    }

    #[test]
    fn basics() {
        assert!(fits("*", "abc"));
        assert!(!fits("*", ""));
        assert!(fits("", ""));
        assert!(fits("h?llo", "hello"));
        assert!(fits("h[a-c]l*", "hbl"));
        assert!(!fits("h[^a-c]l*", "hbl"));
        assert!(fits(r"a\*b", "a*b"));
        assert!(!fits(r"a\*b", "axb"));
        assert!(matches(b"HE[L-M]*", b"hello", true));
        assert!(fits("a[b", "ab"));
    }

    #[test]
    fn hostile_patterns_are_quick() {
        assert!(!fits(&"a*".repeat(1000), &"a".repeat(999)));
        assert!(!fits(
            &format!("{}b", "*a".repeat(100)),
            &"a".repeat(20_000)
        ));
    }

    #[test]
    fn as_redis_7_0_15_matched_them() {
        let file = include_str!("../tests/fixtures/globs.txt");
        let lines: Vec<(&str, &str)> = file.lines().filter_map(|l| l.split_once('\t')).collect();
        let (_, keys) = lines
            .iter()
            .find(|(pattern, _)| *pattern == "#keys")
            .unwrap();
        for (pattern, expected) in lines.iter().filter(|(pattern, _)| *pattern != "#keys") {
            // KEYS does not ask the matcher about `*`, and so lists the empty key too.
            let text = |key: &str| {
                if key == "(empty)" {
                    String::new()
                } else {
                    key.to_string()
                }
            };
            let found = |key: &&str| *pattern == "*" || fits(pattern, &text(key));
            let found: Vec<&str> = keys.split(' ').filter(found).collect();
            assert_eq!(found.join(" "), *expected, "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn no_pattern_panics(pattern: Vec<u8>, text: Vec<u8>) {
            matches(&pattern, &text, true);
        }

        #[test]
        fn a_text_matches_itself_escaped(text in "[a-z*?\\[\\]^\\\\-]{1,10}") {
            let escaped: String = text.chars().flat_map(|c| ['\\', c]).collect();
            prop_assert!(fits(&escaped, &text));
        }
    }
}
