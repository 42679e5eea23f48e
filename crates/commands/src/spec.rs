//! The declaration of a command: one value from which COMMAND, lock planning, access control and
//! the documentation are derived. Field for field what Redis's COMMAND INFO and COMMAND DOCS tell.

use protocol::Reply;
use store::{Served, Txn};

use crate::keys::KeySpec;
use crate::{Args, CommandError};

/// Serves a client that waits: does what its command does, on one key of which there is news.
/// Whether it did; [`Served::Needs`] asks for the lock of a key that the command writes to.
pub type ServeRun =
    fn(&mut Txn<'_>, Args<'_>, &[u8], &mut Reply<'_>) -> Result<Served, CommandError>;

/// A command: its declaration and what runs it (`F` differs between data and session commands).
#[derive(Clone, Copy, Debug)]
pub struct Command<F: 'static> {
    /// What it is.
    pub spec: Spec,
    /// What it does; for a container, what an unknown subcommand gets.
    pub run: F,
    /// The subcommands of a container such as OBJECT.
    pub subcommands: &'static [Command<F>],
}

/// The declaration. Fill in what differs from [`Spec::new`].
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Lower case; of a subcommand only its own name.
    pub name: &'static str,
    /// Number of arguments, the name included; negative: at least so many.
    pub arity: i32,
    /// See [`flags`].
    pub flags: u32,
    /// Where its keys are.
    pub keys: &'static [KeySpec],
    /// What it may touch.
    pub scope: Scope,
    /// Its family.
    pub group: Group,
    /// Whether it only gathers subcommands, as OBJECT does: then its group is no category of it.
    pub container: bool,
    /// Whether its group is an access category of it; of WAIT and SORT it isn't.
    pub has_group_category: bool,
    /// Access categories beyond those that follow from flags and group, e.g. `@dangerous`.
    pub categories: &'static [&'static str],
    /// Version of Redis (or Valkey, Dragonfly) that brought it.
    pub since: &'static str,
    /// Cost.
    pub complexity: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Grammar of the arguments.
    pub syntax: &'static str,
    /// Redis's command tips, e.g. `request_policy:multi_shard`.
    pub tips: &'static [&'static str],
    /// Which argument is a member or field that is looked up in the collection of the first key, so
    /// that its place can be fetched ahead; 0 if none is.
    pub member: usize,
    /// How it is done for a client that has waited for it; `None` if it never waits.
    pub serve: Option<ServeRun>,
}

impl Spec {
    /// A command of no arguments that does nothing special.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            arity: 1,
            flags: 0,
            keys: &[],
            scope: Scope::Keys,
            group: Group::Generic,
            container: false,
            has_group_category: true,
            categories: &[],
            since: "1.0.0",
            complexity: "O(1)",
            summary: "",
            syntax: "",
            tips: &[],
            member: 0,
            serve: None,
        }
    }

    /// True when all of these flags are set.
    #[inline(always)]
    pub const fn has(&self, flags: u32) -> bool {
        self.flags & flags == flags
    }

    /// Whether `argc` arguments, the name included, are the right number.
    #[inline(always)]
    pub const fn accepts(&self, argc: usize) -> bool {
        if self.arity >= 0 {
            argc == self.arity as usize
        } else {
            argc >= -self.arity as usize
        }
    }

    /// The access categories, sorted as Redis lists them: those of the flags, the group, its own.
    pub fn all_categories(&self) -> Vec<&'static str> {
        let flag = |flag, name| (self.flags & flag != 0).then_some(name);
        let mut all: Vec<&'static str> = [
            flag(flags::WRITE, "@write"),
            // What a script reads counts when it reads it.
            flag(flags::READONLY, "@read").filter(|_| self.group != Group::Scripting),
            flag(flags::ADMIN, "@admin"),
            flag(flags::ADMIN, "@dangerous"),
            flag(flags::PUBSUB, "@pubsub"),
            flag(flags::BLOCKING, "@blocking"),
            Some(if self.has(flags::FAST) {
                "@fast"
            } else {
                "@slow"
            }),
            self.group
                .category()
                .filter(|_| self.has_group_category && !self.container),
        ]
        .into_iter()
        .flatten()
        .chain(self.categories.iter().copied())
        .collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// What of the keyspace a command may touch: what is locked before it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Its declared keys; nothing when it declares none.
    Keys,
    /// One shard after the other, each under its lock, which it takes itself
    /// ([`store::Store::visit`]).
    EachShard,
    /// Everything at once: the gate is closed.
    All,
    /// What a script turns out to touch, of which its keys are a hint.
    Script,
    /// Its declared keys, or everything where it has a pattern that makes keys of what it reads:
    /// SORT's BY and GET.
    Patterns,
    /// As [`Scope::EachShard`], or everything where files are loaded: DEBUG.
    Debug,
}

impl Scope {
    /// What a command with these arguments may touch.
    #[must_use]
    #[inline(always)]
    pub fn of(self, args: Args<'_>) -> Self {
        match self {
            Self::Patterns if has_patterns(args) => Self::All,
            Self::Patterns => Self::Keys,
            Self::Debug if args.is(1, "loadaof") || args.is(1, "reload") => Self::All,
            Self::Debug => Self::EachShard,
            other => other,
        }
    }
}

#[cold]
fn has_patterns(args: Args<'_>) -> bool {
    let mut pairs = (2..args.len().saturating_sub(1)).map(|at| (at, args.at(at + 1)));
    pairs.any(|(at, next)| (args.is(at, "BY") || args.is(at, "GET")) && next.contains(&b'*'))
}

/// Redis's command flags.
pub mod flags {
    macro_rules! flags {
        ($($(#[$doc:meta])* $name:ident = $bit:expr, $text:expr;)*) => {
            $($(#[$doc])* pub const $name: u32 = 1 << $bit;)*
            /// Each flag with the name that COMMAND INFO gives it.
            pub const NAMES: &[(u32, &str)] = &[$(($name, $text)),*];
        };
    }
    flags! {
        /// Changes data.
        WRITE = 0, "write";
        /// Only reads data.
        READONLY = 1, "readonly";
        /// May need memory: refused above the limit.
        DENYOOM = 2, "denyoom";
        /// Administration.
        ADMIN = 3, "admin";
        /// Publish and subscribe.
        PUBSUB = 4, "pubsub";
        /// Not from scripts.
        NOSCRIPT = 5, "noscript";
        /// May block the client.
        BLOCKING = 6, "blocking";
        /// Allowed while loading.
        LOADING = 7, "loading";
        /// Allowed on a stale replica.
        STALE = 8, "stale";
        /// Not shown by MONITOR.
        SKIP_MONITOR = 9, "skip_monitor";
        /// Not in the slow log.
        SKIP_SLOWLOG = 10, "skip_slowlog";
        /// Asking for a slot that is being imported.
        ASKING = 11, "asking";
        /// O(1) or O(log n).
        FAST = 12, "fast";
        /// Before authentication.
        NO_AUTH = 13, "no_auth";
        /// Not inside MULTI.
        NO_MULTI = 15, "no_multi";
        /// Its keys can't be told from first, last and step.
        MOVABLEKEYS = 16, "movablekeys";
        /// While a script takes too long.
        ALLOW_BUSY = 17, "allow_busy";
        /// Its keys may be absent.
        NO_MANDATORY_KEYS = 18, "no_mandatory_keys";
        /// Not propagated at the end of an asynchronous loading.
        NO_ASYNC_LOADING = 19, "no_async_loading";
    }

    /// May be propagated though it doesn't write. COMMAND INFO doesn't tell.
    pub const MAY_REPLICATE: u32 = 1 << 14;
}

/// Families, as COMMAND DOCS names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Group {
    Bitmap,
    Connection,
    Generic,
    Geo,
    Hash,
    HyperLogLog,
    List,
    PubSub,
    Scripting,
    Server,
    Set,
    SortedSet,
    Stream,
    String,
    Transactions,
    Cluster,
}

impl Group {
    /// The name in COMMAND DOCS.
    pub const fn name(self) -> &'static str {
        match self {
            Group::Bitmap => "bitmap",
            Group::Connection => "connection",
            Group::Generic => "generic",
            Group::Geo => "geo",
            Group::Hash => "hash",
            Group::HyperLogLog => "hyperloglog",
            Group::List => "list",
            Group::PubSub => "pubsub",
            Group::Scripting => "scripting",
            Group::Server => "server",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::Stream => "stream",
            Group::String => "string",
            Group::Transactions => "transactions",
            Group::Cluster => "cluster",
        }
    }

    const fn category(self) -> Option<&'static str> {
        Some(match self {
            Group::Bitmap => "@bitmap",
            Group::Connection => "@connection",
            Group::Generic => "@keyspace",
            Group::Geo => "@geo",
            Group::Hash => "@hash",
            Group::HyperLogLog => "@hyperloglog",
            Group::List => "@list",
            Group::Scripting => "@scripting",
            Group::Set => "@set",
            Group::SortedSet => "@sortedset",
            Group::Stream => "@stream",
            Group::String => "@string",
            Group::Transactions => "@transaction",
            // That of channels follows from the flag.
            Group::PubSub | Group::Server | Group::Cluster => return None,
        })
    }
}
