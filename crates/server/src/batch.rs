//! A group of commands of one connection, parsed together so that the memory they will touch can be
//! fetched together.

use commands::spec::Scope;
use commands::{Args, OwnedArgs};
use data::KeyHash;
use protocol::{Arg, Limits, Parsed, ProtocolError, number};
use store::{Parked, Shards, Txn};

use crate::conn::Conn;
use crate::shared::Shared;
use crate::table::{Entry, Place, Table};

/// How many commands are looked at together: enough to have as many cache misses under way as the
/// processor can, few enough that what was fetched is still there when its turn comes.
const GROUP: usize = 16;
/// How many keys of a group are fetched ahead.
const KEYS: usize = 64;
/// A group with this many arguments gets no further command: it has about as many keys as can be
/// fetched ahead.
const ARGS: usize = 2 * KEYS;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    commands: Vec<Parsed1>,
    args: Vec<Arg>,
    inline: Vec<OwnedArgs>,
    keys: Vec<(usize, KeyHash)>,
    members: Vec<Member>,
}

/// A member or field of a key's collection that a command will look up.
#[derive(Clone, Copy, Debug)]
struct Member {
    shard: usize,
    hash: KeyHash,
    /// Which command, and which of its arguments.
    command: usize,
    argument: usize,
}

/// One parsed command.
#[derive(Clone, Copy, Debug)]
struct Parsed1 {
    /// Where it begins in the input; its arguments are relative to that.
    start: usize,
    first_arg: usize,
    argc: usize,
    /// Which of the inline commands it is, if it is one with quotes.
    inline: Option<usize>,
    /// What the first argument names.
    entry: Option<Place>,
    /// Where the next command begins.
    end: usize,
}

/// Why parsing stopped.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// The group is full.
    Full,
    /// The rest is no whole command; it will be when the connection's input has this length.
    Incomplete { wanted: usize },
    /// The rest isn't RESP.
    Error(ProtocolError),
}

impl Batch {
    /// Parses commands from `start` on until the group is full.
    pub(crate) fn parse(
        &mut self,
        table: &Table,
        conn: &mut Conn,
        input: &[u8],
        start: usize,
        limits: &Limits,
    ) -> Stopped {
        self.commands.clear();
        self.args.clear();
        self.inline.clear();
        let mut start = start;
        while self.commands.len() < GROUP && self.args.len() < ARGS {
            if start == input.len() {
                return Stopped::Incomplete { wanted: 1 };
            }
            let first_arg = self.args.len();
            let (consumed, inline) =
                match conn.parser.parse(&input[start..], limits, &mut self.args) {
                    Ok(Parsed::Command { consumed }) => (consumed, None),
                    Ok(Parsed::Inline { consumed, argv }) => {
                        self.inline.push(OwnedArgs::new(argv));
                        (consumed, Some(self.inline.len() - 1))
                    }
                    Ok(Parsed::Incomplete { wanted }) => return Stopped::Incomplete { wanted },
                    Err(error) => return Stopped::Error(error),
                };
            let (argc, end) = (self.args.len() - first_arg, start + consumed);
            self.commands.push(Parsed1 {
                start,
                first_arg,
                argc,
                inline,
                entry: None,
                end,
            });
            let number = self.commands.len() - 1;
            let name = self.args(number, input).get(0);
            self.commands[number].entry = name.and_then(|name| table.find(name)).map(|e| e.place);
            start = end;
        }
        Stopped::Full
    }

    /// How many commands there are.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.commands.len()
    }

    /// The arguments of a command; none at all for an empty line.
    #[inline(always)]
    pub(crate) fn args<'a>(&'a self, number: usize, input: &'a [u8]) -> Args<'a> {
        let command = self.commands[number];
        if let Some(inline) = command.inline {
            return self.inline[inline].borrow();
        }
        let ranges = &self.args[command.first_arg..][..command.argc];
        Args::new(&input[command.start..command.end], ranges)
    }

    /// The command that the first argument names.
    #[inline(always)]
    pub(crate) fn entry<'t>(&self, number: usize, table: &'t Table) -> Option<&'t Entry> {
        self.commands[number].entry.map(|place| table.at(place))
    }

    /// Where the input goes on after a command.
    #[inline(always)]
    pub(crate) fn end(&self, number: usize) -> usize {
        self.commands[number].end
    }

    /// Locks the shards of the group's keys and starts loading what the commands will touch.
    #[inline(always)]
    pub(crate) fn prefetch(
        &mut self,
        shared: &Shared,
        conn: &Conn,
        txn: &mut Txn<'_>,
        input: &[u8],
    ) -> Result<(), Parked> {
        let mut keys = std::mem::take(&mut self.keys);
        keys.clear();
        self.collect_keys(shared, input, &mut keys);
        let locked = if keys.is_empty() {
            Ok(())
        } else if shared.store.shard_count() == 1 {
            txn.lock_key(b"", conn.waiter())
        } else if shared.balance.is_one_alone() && txn.lock_all_at_once() {
            Ok(())
        } else {
            let shards: Shards = keys.iter().map(|&(shard, _)| shard as u16).collect();
            txn.lock_shards(shards, conn.waiter())
        };
        if locked.is_ok() {
            for &(shard, hash) in &keys {
                txn.prefetch_bucket(shard, hash);
            }
            for &(shard, hash) in &keys {
                txn.prefetch_record(shard, hash);
            }
            self.prefetch_members(txn, input);
        }
        self.keys = keys;
        locked
    }

    /// Starts loading what the commands will look up in large collections.
    fn prefetch_members(&self, txn: &mut Txn<'_>, input: &[u8]) {
        let text = |member: &Member| self.args(member.command, input).at(member.argument);
        for member in &self.members {
            if let Some(large) = txn.likely_large(member.shard, member.hash) {
                large.prefetch_bucket(text(member));
            }
        }
        for member in &self.members {
            if let Some(large) = txn.likely_large(member.shard, member.hash) {
                large.prefetch_entry(text(member));
            }
        }
    }

    #[inline(always)]
    fn collect_keys(&mut self, shared: &Shared, input: &[u8], keys: &mut Vec<(usize, KeyHash)>) {
        let mut members = std::mem::take(&mut self.members);
        members.clear();
        for number in 0..self.len() {
            let Some(entry) = self.entry(number, &shared.table) else {
                continue;
            };
            let args = self.args(number, input);
            let places = match entry.spec.scope {
                Scope::Script => script_keys(args),
                _ => entry.simple_keys,
            };
            let Some((first, last, step)) = places else {
                continue;
            };
            let last = if last < 0 {
                args.len() as i64 + i64::from(last)
            } else {
                i64::from(last)
            };
            let mut at = first;
            while at as i64 <= last && at < args.len() && keys.len() < KEYS {
                let key = args.at(at);
                let hash = shared.store.hash(key);
                let shard = shared.store.shard_of(key, hash);
                keys.push((shard, hash));
                if entry.spec.member > 0 && entry.spec.member < args.len() {
                    members.push(Member {
                        shard,
                        hash,
                        command: number,
                        argument: entry.spec.member,
                    });
                }
                at += step;
            }
        }
        self.members = members;
    }
}

/// Where the keys of a script are, in the manner of [`Entry::simple_keys`].
fn script_keys(args: Args<'_>) -> Option<(usize, i32, usize)> {
    const FIRST: usize = 3;
    let count = number::parse_i64(args.get(2)?).filter(|&count| count > 0)?;
    let last = count.checked_add(FIRST as i64 - 1)?;
    Some((FIRST, i32::try_from(last).ok()?, 1))
}
