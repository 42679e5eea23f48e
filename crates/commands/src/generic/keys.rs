//! KEYS.

use protocol::Reply;
use store::Txn;

use super::scan::Keys;
use super::walk::{Budget, Cursor, Filter, Walk};
use crate::spec::{Group, Scope, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// KEYS pattern
pub(super) const KEYS: DataCommand = Command {
    spec: Spec {
        arity: 2,
        flags: flags::READONLY,
        scope: Scope::All,
        group: Group::Generic,
        categories: &["@dangerous"],
        complexity: "O(N) with N being the number of keys in the database, under the assumption \
                     that the key names in the database and the given pattern have limited length.",
        summary: "Returns all keys of the selected database that match a pattern.",
        syntax: "pattern",
        tips: &["request_policy:all_shards", "nondeterministic_output_order"],
        ..Spec::new("keys")
    },
    run: keys,
    subcommands: &[],
};

fn keys(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let filter = Filter {
        pattern: Some(args.at(1)),
        ..Filter::default()
    };
    let mark = reply.begin_array();
    let mut keys = Keys { reply, count: 0 };
    Walk::new(Cursor::START, filter, Budget::ALL).run(txn, &mut keys);
    let Keys { reply, count } = keys;
    reply.end_array(mark, count);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    /// The keys of a reply, sorted.
    fn keys(fixture: &mut Fixture, pattern: &str) -> Vec<String> {
        let reply = fixture.run(&format!("KEYS {pattern}"));
        let mut keys: Vec<String> = reply
            .split("\r\n")
            .skip(1)
            .filter(|line| !line.is_empty() && !line.starts_with('$'))
            .map(String::from)
            .collect();
        assert!(
            reply.starts_with(&format!("*{}\r\n", keys.len())),
            "{reply}"
        );
        keys.sort();
        keys
    }

    #[test]
    fn all_that_match_and_exist() {
        for threads in [1, 2] {
            let mut fixture = Fixture::with_threads(threads);
            fixture.check(&[
                ("KEYS *", "*0\r\n"),
                ("MSET one 1 two 2 three 3 {t}:a 4 {t}:b 5 {t 6", "+OK\r\n"),
                ("SET gone 1 PX 5", "+OK\r\n"),
            ]);
            fixture.now_ms += 5;
            assert_eq!(keys(&mut fixture, "*").len(), 6);
            assert_eq!(keys(&mut fixture, "t*"), ["three", "two"]);
            assert_eq!(keys(&mut fixture, "two"), ["two"]);
            assert_eq!(keys(&mut fixture, "gone"), [""; 0]);
            assert_eq!(keys(&mut fixture, "four"), [""; 0]);
            assert_eq!(keys(&mut fixture, "t\\wo"), ["two"]);
            assert_eq!(keys(&mut fixture, "[{]t}:[ab]"), ["{t}:a", "{t}:b"]);
            assert_eq!(keys(&mut fixture, "{t}:*"), ["{t}:a", "{t}:b"]);
            assert_eq!(keys(&mut fixture, "{t*"), ["{t", "{t}:a", "{t}:b"]);
            assert_eq!(keys(&mut fixture, "{?}:a"), ["{t}:a"]);
        }
    }
}
