//! Who we say we are.

/// The version of Redis that HELLO and INFO name. Clients branch on it: what is announced here has
/// to be what the commands do. Our own version is reported beside it, as `darner_version`.
pub const REDIS_VERSION: &str = "7.4.2";

/// Our own version.
pub const DARNER_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Forty hexadecimal digits that no other server has: a run id, a replication id.
pub fn random_id() -> String {
    use std::hash::BuildHasher;
    // The standard library seeds each of these from the system's random numbers.
    let words = (0..3u8).map(|word| std::hash::RandomState::new().hash_one(word));
    let digits: String = words.map(|word| format!("{word:016x}")).collect();
    digits[..40].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ() {
        let (a, b) = (random_id(), random_id());
        assert_ne!(a, b);
        assert!(a.len() == 40 && a.bytes().all(|digit| digit.is_ascii_hexdigit()));
    }
}
