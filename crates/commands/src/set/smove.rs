//! SMOVE.

use data::{Collection, Set};
use protocol::Reply;
use store::Txn;

use super::rules;
use crate::keys::{access, first, range};
use crate::spec::{Group, flags};
use crate::{Args, Command, CommandResult, DataCommand, Spec};

/// SMOVE source destination member
pub(super) const SMOVE: DataCommand = Command {
    spec: Spec {
        arity: 4,
        flags: flags::WRITE | flags::FAST,
        keys: &[
            first(access::RW | access::ACCESS | access::DELETE),
            range(2, 0, 1, access::RW | access::INSERT),
        ],
        group: Group::Set,
        summary: "Moves a member from one set to another.",
        syntax: "source destination member",
        ..Spec::new("smove")
    },
    run: smove,
    subcommands: &[],
};

fn smove(txn: &mut Txn<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (source, destination, member) = (args.at(1), args.at(2), args.at(3));
    let now_ms = txn.now_ms;
    let Some(from) = txn.find(source) else {
        reply.int(0);
        return Ok(());
    };
    let is_member = txn.view::<Set>(from)?.contains(member, now_ms);
    if let Some(to) = txn.find(destination) {
        txn.view::<Set>(to)?;
    }
    reply.int(i64::from(is_member));
    if !is_member || source == destination {
        return Ok(());
    }
    let is_spent = txn.edit(source, Some(from), |set: &mut Set| {
        set.remove(member, now_ms);
        set.is_spent()
    })?;
    txn.changed(source, "srem");
    if is_spent {
        txn.changed(source, "del");
    }
    let rules = rules(txn);
    let to = txn.find(destination);
    if txn.edit(destination, to, |set: &mut Set| set.add(member, &rules))? {
        txn.changed(destination, "sadd");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Fixture;

    #[test]
    fn moves() {
        let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
        Fixture::with_threads(2).check(&[
            ("SMOVE a b x", ":0\r\n"),
            ("SADD a x 1", ":2\r\n"),
            ("SADD b 1", ":1\r\n"),
            ("SMOVE a b y", ":0\r\n"),
            ("SMOVE a b x", ":1\r\n"),
            ("SMOVE a a 1", ":1\r\n"),
            ("SMOVE a b 1", ":1\r\n"),
            ("EXISTS a", ":0\r\n"),
            ("SCARD b", ":2\r\n"),
            ("SET s 1", "+OK\r\n"),
            ("SMOVE s b 1", wrong),
            ("SMOVE b s nope", wrong),
            ("SMOVE none s 1", ":0\r\n"),
        ]);
    }
}
