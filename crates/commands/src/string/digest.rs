//! DIGEST.

use protocol::Reply;
use store::Txn;
use xxhash_rust::xxh3::xxh3_64;

use super::value::bytes_of;
use crate::keys::{access, first};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// DIGEST key
pub(super) const DIGEST: DataCommand = Command {
    spec: Spec {
        arity: 2,
        flags: flags::READONLY | flags::FAST,
        keys: &[first(access::RO | access::ACCESS)],
        group: Group::String,
        since: "8.4.0",
        complexity: "O(N) where N is the length of the string value.",
        summary: "Returns the XXH3 digest of a string in hexadecimal digits.",
        syntax: "key",
        ..Spec::new("digest")
    },
    run,
    subcommands: &[],
};

fn run(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    match txn.read_str(args.at(1))? {
        Some(value) => reply.bulk(&digest(bytes_of(value, &mut itoa::Buffer::new()))),
        None => reply.null(),
    }
    Ok(())
}

/// The digest that DIGEST, IFDEQ and IFDNE speak of.
pub(super) fn digest(value: &[u8]) -> [u8; 16] {
    let hash = xxh3_64(value);
    let digit = |i: usize| b"0123456789abcdef"[(hash >> (60 - 4 * i)) as usize & 15];
    std::array::from_fn(digit)
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    /// Digests that a Redis 8.4 gave.
    #[test]
    fn digests_are_those_of_redis() {
        let small = "v8lf0c11xh8ymlqztfd3eeq16kfn4sspw7fqmnuuq3k3t75em5wdizgcdw7uc26nnf961u2jkf\
                     zkjytls2kwlj7626sd";
        let mut fixture = Fixture::new();
        fixture.check(&[
            ("DIGEST a", "$-1\r\n"),
            ("SET a hello", "+OK\r\n"),
            ("DIGEST a", "$16\r\n9555e8555c62dcfd\r\n"),
            ("SET a ", "+OK\r\n"),
            ("DIGEST a", "$16\r\n2d06800538d394c2\r\n"),
            ("SET a 123", "+OK\r\n"),
            ("DIGEST a", "$16\r\n404a763b3f4c8c9a\r\n"),
            (&format!("SET a {small}"), "+OK\r\n"),
            ("DIGEST a", "$16\r\n00006c38adf31777\r\n"),
        ]);
    }
}
