//! The format's numbers: types of values, forms of strings, marks between the keys of a file.

/// The version that is written: that of Redis 7.0.
pub(crate) const VERSION: u16 = 10;
/// The version that is written with values that Redis 7.0 doesn't have: that of Redis 7.4.
pub(crate) const VERSION_WITH_EXPIRIES: u16 = 12;
/// The highest version of Redis that is read.
const VERSION_MAX: u16 = 12;
/// Valkey counts from here on, so that nobody takes its files for Redis's.
const VALKEY_MIN: u16 = 80;
/// The highest version of Valkey that is read.
const VALKEY_MAX: u16 = 81;

/// Whose numbers are meant, where they differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Redis's, which are Valkey's too up to version 11.
    Redis,
    /// Valkey's own.
    Valkey,
}

impl Dialect {
    /// Who writes this version, if it is one that is read here.
    pub(crate) fn of_version(version: u16) -> Option<Self> {
        match version {
            1..=VERSION_MAX => Some(Self::Redis),
            VALKEY_MIN..=VALKEY_MAX => Some(Self::Valkey),
            _ => None,
        }
    }
}

/// Types of values.
pub(crate) mod kind {
    pub(crate) const STRING: u8 = 0;
    pub(crate) const LIST: u8 = 1;
    pub(crate) const SET: u8 = 2;
    /// Scores as decimal text.
    pub(crate) const ZSET: u8 = 3;
    pub(crate) const HASH: u8 = 4;
    /// Scores as binary doubles.
    pub(crate) const ZSET_2: u8 = 5;
    pub(crate) const MODULE_1: u8 = 6;
    pub(crate) const MODULE_2: u8 = 7;
    pub(crate) const HASH_ZIPMAP: u8 = 9;
    pub(crate) const LIST_ZIPLIST: u8 = 10;
    pub(crate) const SET_INTSET: u8 = 11;
    pub(crate) const ZSET_ZIPLIST: u8 = 12;
    pub(crate) const HASH_ZIPLIST: u8 = 13;
    /// Nodes that are ziplists.
    pub(crate) const LIST_QUICKLIST: u8 = 14;
    pub(crate) const STREAM: u8 = 15;
    pub(crate) const HASH_LISTPACK: u8 = 16;
    pub(crate) const ZSET_LISTPACK: u8 = 17;
    /// Nodes that are listpacks or single elements.
    pub(crate) const LIST_QUICKLIST_2: u8 = 18;
    /// With first ID, highest deleted ID and numbers of entries added and read.
    pub(crate) const STREAM_2: u8 = 19;
    pub(crate) const SET_LISTPACK: u8 = 20;
    /// With the times at which consumers were active.
    pub(crate) const STREAM_3: u8 = 21;
    /// Expiries as they are, before the fields (Redis 7.4 before its release).
    pub(crate) const HASH_EXPIRING_EARLY: u8 = 22;
    /// Expiries behind the fields and values.
    pub(crate) const HASH_EXPIRING_VALKEY: u8 = 22;
    /// No least expiry before the listpack (Redis 7.4 before its release).
    pub(crate) const HASH_LISTPACK_EXPIRING_EARLY: u8 = 23;
    /// Expiries as distances from the least one, before the fields.
    pub(crate) const HASH_EXPIRING: u8 = 24;
    /// A listpack of fields, values and expiries, behind the least expiry.
    pub(crate) const HASH_LISTPACK_EXPIRING: u8 = 25;
    /// Dragonfly's: fields, values and the seconds of their expiries as text.
    pub(crate) const HASH_EXPIRING_DRAGONFLY: u8 = 31;
    /// Dragonfly's: members and the seconds of their expiries as text.
    pub(crate) const SET_EXPIRING_DRAGONFLY: u8 = 32;
    /// Dragonfly's types of values that aren't here.
    pub(crate) const DRAGONFLY: std::ops::RangeInclusive<u8> = 30..=39;
    /// Members with expiries, which no Redis has: each member, then the time in milliseconds or 0.
    pub(crate) const SET_EXPIRING: u8 = 190;
}

/// Forms of strings, in the low bits of a length's first byte whose two highest bits are set.
pub(crate) mod form {
    pub(crate) const INT_8: u8 = 0;
    pub(crate) const INT_16: u8 = 1;
    pub(crate) const INT_32: u8 = 2;
    pub(crate) const LZF: u8 = 3;
}

/// What a node of a list is.
pub(crate) mod node {
    /// One element.
    pub(crate) const PLAIN: u64 = 1;
    /// A listpack.
    pub(crate) const PACKED: u64 = 2;
}

/// Marks in files, where otherwise the type of a value stands.
pub(crate) mod mark {
    /// Dragonfly's marks: the end of a first synchronization, and a number of 8 bytes.
    pub(crate) const DF_SYNC_END: u8 = 200;
    /// Keys in a frame of zstd, as a string.
    pub(crate) const DF_ZSTD: u8 = 201;
    /// Keys in a frame of LZ4, as a string.
    pub(crate) const DF_LZ4: u8 = 202;
    /// Their end, which is left out where there is no need for it.
    pub(crate) const DF_FRAME_END: u8 = 203;
    /// Commands that ran since the keys were saved.
    pub(crate) const DF_JOURNAL: u8 = 210;
    /// Up to where they go, 8 bytes.
    pub(crate) const DF_JOURNAL_OFFSET: u8 = 211;
    /// Flags of the key that follows, 4 bytes.
    pub(crate) const DF_FLAGS: u8 = 220;
    /// A node of the graph of a search index.
    pub(crate) const DF_VECTOR: u8 = 222;
    /// What belongs to a search index.
    pub(crate) const DF_DOCUMENTS: u8 = 223;
    /// A piece of a key among those of others.
    pub(crate) const DF_PIECE: u8 = 224;
    /// Which slots of a cluster a server was taking over (Valkey).
    pub(crate) const SLOT_IMPORT: u8 = 243;
    /// How many keys a slot of a cluster has.
    pub(crate) const SLOT_INFO: u8 = 244;
    pub(crate) const FUNCTION: u8 = 245;
    /// What a module keeps beside its values.
    pub(crate) const MODULE: u8 = 247;
    pub(crate) const IDLE: u8 = 248;
    pub(crate) const FREQUENCY: u8 = 249;
    /// A fact about the file.
    pub(crate) const AUX: u8 = 250;
    pub(crate) const SIZES: u8 = 251;
    pub(crate) const EXPIRY_MS: u8 = 252;
    pub(crate) const EXPIRY_SECONDS: u8 = 253;
    pub(crate) const DATABASE: u8 = 254;
    pub(crate) const END: u8 = 255;
}

/// What the parts of a module's data are.
pub(crate) mod part {
    pub(crate) const END: u64 = 0;
    pub(crate) const SIGNED: u64 = 1;
    pub(crate) const UNSIGNED: u64 = 2;
    pub(crate) const FLOAT: u64 = 3;
    pub(crate) const DOUBLE: u64 = 4;
    pub(crate) const STRING: u64 = 5;
}

/// Flags that Dragonfly keeps with keys.
pub(crate) mod flag {
    /// 4 bytes of flags follow that came with memcached's protocol.
    pub(crate) const MEMCACHED: u32 = 1 << 1;
}
