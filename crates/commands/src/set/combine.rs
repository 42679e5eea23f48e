//! SINTER, SUNION, SDIFF and their STORE forms.

use data::packed::{Digits, Elem};
use data::types::set::{SetRef, SetRules};
use data::{Collection, Set};
use protocol::Reply;
use store::{Event, Txn};

use super::rules;
use crate::elem;
use crate::keys::{access, all, first, range};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

const INTER_COST: &str = "O(N*M) worst case where N is the cardinality of the smallest set and M \
                          is the number of sets.";
const TOTAL_COST: &str = "O(N) where N is the total number of elements in all given sets.";

/// SINTER key [key ...]
pub(super) const SINTER: DataCommand = Command {
    spec: Spec {
        arity: -2,
        flags: flags::READONLY,
        keys: &[all(access::RO | access::ACCESS)],
        group: Group::Set,
        complexity: INTER_COST,
        summary: "Returns what is a member of all these sets.",
        syntax: "key [key ...]",
        tips: &["nondeterministic_output_order"],
        ..Spec::new("sinter")
    },
    run: |txn, args, reply| show(txn, args, reply, Operation::Inter),
    subcommands: &[],
};

/// SUNION key [key ...]
pub(super) const SUNION: DataCommand = Command {
    spec: Spec {
        name: "sunion",
        complexity: TOTAL_COST,
        summary: "Returns what is a member of any of these sets.",
        ..SINTER.spec
    },
    run: |txn, args, reply| show(txn, args, reply, Operation::Union),
    subcommands: &[],
};

/// SDIFF key [key ...]
pub(super) const SDIFF: DataCommand = Command {
    spec: Spec {
        name: "sdiff",
        complexity: TOTAL_COST,
        summary: "Returns the members of the first set that none of the others has.",
        ..SINTER.spec
    },
    run: |txn, args, reply| show(txn, args, reply, Operation::Diff),
    subcommands: &[],
};

/// SINTERSTORE destination key [key ...]
pub(super) const SINTERSTORE: DataCommand = Command {
    spec: Spec {
        arity: -3,
        flags: flags::WRITE | flags::DENYOOM,
        keys: &[
            first(access::OW | access::UPDATE),
            range(2, -1, 1, access::RO | access::ACCESS),
        ],
        group: Group::Set,
        complexity: INTER_COST,
        summary: "Stores what is a member of all these sets.",
        syntax: "destination key [key ...]",
        ..Spec::new("sinterstore")
    },
    run: |txn, args, reply| store(txn, args, reply, Operation::Inter, "sinterstore"),
    subcommands: &[],
};

/// SUNIONSTORE destination key [key ...]
pub(super) const SUNIONSTORE: DataCommand = Command {
    spec: Spec {
        name: "sunionstore",
        complexity: TOTAL_COST,
        summary: "Stores what is a member of any of these sets.",
        ..SINTERSTORE.spec
    },
    run: |txn, args, reply| store(txn, args, reply, Operation::Union, "sunionstore"),
    subcommands: &[],
};

/// SDIFFSTORE destination key [key ...]
pub(super) const SDIFFSTORE: DataCommand = Command {
    spec: Spec {
        name: "sdiffstore",
        complexity: TOTAL_COST,
        summary: "Stores the members of the first set that none of the others has.",
        ..SINTERSTORE.spec
    },
    run: |txn, args, reply| store(txn, args, reply, Operation::Diff, "sdiffstore"),
    subcommands: &[],
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Inter,
    Union,
    Diff,
}

/// Calls `each` with the members of all sets, until it says that this is enough.
pub(super) fn intersect(
    sets: &[Option<SetRef<'_>>],
    now_ms: u64,
    mut each: impl FnMut(Elem<'_>) -> bool,
) {
    let Some(mut sets) = sets.iter().copied().collect::<Option<Vec<_>>>() else {
        return;
    };
    sets.sort_by_key(|set| set.len());
    let Some((smallest, others)) = sets.split_first() else {
        return;
    };
    let mut digits = Digits::new();
    for member in smallest.iter(now_ms) {
        let text = member.text(&mut digits);
        if others.iter().all(|set| set.contains(text, now_ms)) && !each(member) {
            return;
        }
    }
}

/// Calls `each` with the members of the first set that none of the others has.
fn subtract(sets: &[Option<SetRef<'_>>], now_ms: u64, mut each: impl FnMut(Elem<'_>)) {
    let Some((Some(first), others)) = sets.split_first() else {
        return;
    };
    // What is taken away most often is looked for first.
    let mut others: Vec<_> = others.iter().flatten().collect();
    others.sort_by_key(|set| std::cmp::Reverse(set.len()));
    let mut digits = Digits::new();
    for member in first.iter(now_ms) {
        let text = member.text(&mut digits);
        if !others.iter().any(|set| set.contains(text, now_ms)) {
            each(member);
        }
    }
}

fn unite(sets: &[Option<SetRef<'_>>], rules: &SetRules) -> Set {
    let mut united = Set::default();
    let mut digits = Digits::new();
    for set in sets.iter().flatten() {
        for member in set.iter(rules.now_ms) {
            united.add(member.text(&mut digits), rules);
        }
    }
    united
}

fn combine(sets: &[Option<SetRef<'_>>], operation: Operation, rules: &SetRules) -> Set {
    let mut result = Set::default();
    let mut digits = Digits::new();
    match operation {
        Operation::Union => return unite(sets, rules),
        Operation::Inter => intersect(sets, rules.now_ms, |member| {
            result.add(member.text(&mut digits), rules);
            true
        }),
        Operation::Diff => subtract(sets, rules.now_ms, |member| {
            result.add(member.text(&mut digits), rules);
        }),
    }
    result
}

fn show(
    txn: &mut Txn<'_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
    operation: Operation,
) -> CommandResult {
    let rules = rules(txn);
    let sets = txn.read_all::<Set>(args.from(1))?;
    let (mark, mut len) = (reply.begin_array(), 0);
    let mut show = |member: Elem<'_>| {
        elem::bulk(reply, member);
        len += 1;
    };
    match operation {
        Operation::Union => unite(&sets, &rules).view().iter(0).for_each(show),
        Operation::Diff => subtract(&sets, rules.now_ms, show),
        Operation::Inter => intersect(&sets, rules.now_ms, |member| {
            show(member);
            true
        }),
    }
    reply.end_set(mark, len);
    Ok(())
}

fn store(
    txn: &mut Txn<'_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
    operation: Operation,
    event: Event,
) -> CommandResult {
    let key = args.at(1);
    let rules = rules(txn);
    let sets = txn.read_all::<Set>(args.from(2))?;
    let result = combine(&sets, operation, &rules);
    let len = result.view().len();
    let found = txn.find(key);
    txn.keep(key, found, None, result);
    if len > 0 {
        txn.changed(key, event);
    } else if found.is_some() {
        txn.changed(key, "del");
    }
    reply.int(len as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    fn sorted(reply: &str) -> String {
        let mut members: Vec<_> = reply.split("\r\n").skip(2).step_by(2).collect();
        members.sort_unstable();
        members.concat()
    }

    /// The members of sets of every form: a, b and c.
    fn fixture(filler: usize) -> Fixture {
        let mut fixture = Fixture::with_threads(2);
        let filler: Vec<_> = (0..filler).map(|i| format!("filler{i}")).collect();
        fixture.check(&[("SADD a 1 2 3 4", ":4\r\n"), ("SADD b 3 4 x", ":3\r\n")]);
        fixture.run(&format!("SADD c 4 x y {}", filler.join(" ")));
        fixture
    }

    #[test]
    fn combines_sets_of_every_form() {
        for filler in [1, 500] {
            let mut fixture = fixture(filler);
            assert_eq!(sorted(&fixture.run("SINTER a b")), "34");
            assert_eq!(sorted(&fixture.run("SINTER a b c")), "4");
            assert_eq!(sorted(&fixture.run("SINTER c b")), "4x");
            assert_eq!(sorted(&fixture.run("SUNION a b")), "1234x");
            assert_eq!(sorted(&fixture.run("SDIFF a b c")), "12");
            assert_eq!(sorted(&fixture.run("SDIFF b a c")), "");
            fixture.check(&[
                ("SINTER a none", "*0\r\n"),
                ("SDIFF none a", "*0\r\n"),
                ("SUNION none", "*0\r\n"),
                ("SINTERSTORE d a b", ":2\r\n"),
                ("OBJECT ENCODING d", "$6\r\nintset\r\n"),
                ("SUNIONSTORE a a b", ":5\r\n"),
                ("SCARD a", ":5\r\n"),
                ("SDIFFSTORE a a b", ":2\r\n"),
                ("SINTERSTORE a a b", ":0\r\n"),
                ("EXISTS a", ":0\r\n"),
                ("SET s 1", "+OK\r\n"),
                ("SUNIONSTORE s b", ":3\r\n"),
                ("TYPE s", "+set\r\n"),
            ]);
        }
    }

    #[test]
    fn refuses_other_types_wherever_they_stand() {
        let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
        fixture(1).check(&[
            ("SET s 1", "+OK\r\n"),
            ("SINTER none s", wrong),
            ("SUNION a s", wrong),
            ("SDIFF none s", wrong),
            ("SDIFFSTORE d a s", wrong),
            ("EXISTS d", ":0\r\n"),
        ]);
    }

    #[test]
    fn replies_are_sets_in_resp3() {
        let mut fixture = fixture(1);
        fixture.resp3 = true;
        fixture.check(&[
            ("SINTER a b c", "~1\r\n$1\r\n4\r\n"),
            ("SUNION none", "~0\r\n"),
        ]);
    }
}
