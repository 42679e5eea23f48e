//! How values are laid out, and what commands on them may do.

use store::Thresholds;

use crate::flags::codec::{ANY, Codec, I32, I63, Memory, N31, N63, Text, U32, Yes};
use crate::flags::special::EventLetters;
use crate::flags::table::topic;
use store::EventClasses;

topic! {
    /// Encodings of values, and limits of commands on them.
    data: Data, "Keys and values";

    /// Most keys returned by KEYS; 0 = no limit, as in Redis.
    keys_output_limit: u32 = 0, U32;

    /// Which changes of keys are published to the channels of the keys (K) and of the events (E);
    /// A = most of them.
    notify_keyspace_events: EventClasses = EventClasses::default(), EventLetters,
        redis("notify-keyspace-events"), runtime();

    /// Longest hash kept as one packed blob.
    hash_max_listpack_entries: u64 = 512, N63,
        redis("hash-max-listpack-entries", "hash-max-ziplist-entries"), runtime();

    /// Longest field or value of such a hash.
    listpack_max_field_len: u64 = 64, Memory(0, I63),
        redis("hash-max-listpack-value", "hash-max-ziplist-value"), runtime();

    /// Dragonfly: largest hash kept as one packed blob.
    listpack_max_bytes: u64 = 1024, ANY, inert();

    /// Size of a list's nodes: so many entries, or if negative -1 = 4 KB … -5 = 64 KB.
    list_max_listpack_size: i32 = -2, I32,
        redis("list-max-listpack-size", "list-max-ziplist-size"), runtime();

    /// Nodes at each end of a list that are left uncompressed; 0 = compress none.
    list_compress_depth: u32 = 0, N31, redis("list-compress-depth"), runtime();

    /// List size from which a ZSTD dictionary is tried; 0 = off.
    list_compress_dict_threshold: u32 = 0, U32, inert();

    /// Level of that compression.
    list_compress_level: i32 = -1, I32, inert();

    /// Largest set of integers kept as a sorted array.
    set_max_intset_entries: u64 = 512, N63, redis("set-max-intset-entries"), runtime();

    /// Largest set kept as one packed blob (Redis 7.2).
    set_max_listpack_entries: u64 = 128, N63, redis("set-max-listpack-entries"), runtime();

    /// Longest member of such a set (Redis 7.2).
    set_max_listpack_value: u64 = 64, Memory(0, I63), redis("set-max-listpack-value"), runtime();

    /// Largest sorted set kept as one packed blob.
    zset_max_listpack_entries: u64 = 128, N63,
        redis("zset-max-listpack-entries", "zset-max-ziplist-entries"), runtime();

    /// Longest member of such a sorted set.
    zset_max_listpack_value: u64 = 64, Memory(0, I63),
        redis("zset-max-listpack-value", "zset-max-ziplist-value"), runtime();

    /// Largest HyperLogLog kept in the sparse form.
    hll_sparse_max_bytes: u64 = 3000, Memory(0, I63), redis("hll-sparse-max-bytes"), runtime();

    /// Largest node of a stream; 0 = no limit.
    stream_node_max_bytes: u64 = 4096, Memory(0, I63), redis("stream-node-max-bytes"), runtime();

    /// Most entries in a node of a stream; 0 = no limit.
    stream_node_max_entries: u64 = 100, N63, redis("stream-node-max-entries"), runtime();

    /// MGET looks repeated keys up once.
    mget_dedup_keys: bool = false, Yes, inert();

    /// GET of large strings replies straight from storage.
    get_zero_copy: bool = true, Yes, inert();

    /// Sets use the open-addressing table instead of the dense set.
    use_oah_set: bool = true, Yes, inert();

    /// Base64 Huffman tables for KEYS and STRINGS.
    huffman_table: String = String::new(), Text, inert();

    /// Flat JSON representation.
    experimental_flat_json: bool = false, Yes, inert();

    /// Own JSONPath engine instead of the library one.
    jsonpathv2: bool = true, Yes, inert();

    /// Cuckoo filter: slots per bucket.
    cf_bucket_size: u32 = 2, U32, runtime(), inert();

    /// Cuckoo filter: first capacity.
    cf_initial_size: u64 = 1024, ANY, runtime(), inert();

    /// Cuckoo filter: relocation attempts.
    cf_max_iterations: u32 = 20, U32, runtime(), inert();

    /// Cuckoo filter: growth factor.
    cf_expansion_factor: u32 = 1, U32, runtime(), inert();

    /// Cuckoo filter: most sub-filters.
    cf_max_expansions: u32 = 32, U32, runtime(), inert();
}

impl Data {
    /// Tells the keyspace up to which sizes values keep their compact forms.
    pub fn set_thresholds(&self, thresholds: &Thresholds) {
        let unsigned = [
            (&thresholds.hll_sparse_bytes, self.hll_sparse_max_bytes),
            (&thresholds.hash_entries, self.hash_max_listpack_entries),
            (&thresholds.hash_value, self.listpack_max_field_len),
            (&thresholds.intset_entries, self.set_max_intset_entries),
            (&thresholds.set_entries, self.set_max_listpack_entries),
            (&thresholds.set_value, self.set_max_listpack_value),
            (&thresholds.zset_entries, self.zset_max_listpack_entries),
            (&thresholds.zset_value, self.zset_max_listpack_value),
            (&thresholds.stream_node_bytes, self.stream_node_max_bytes),
            (
                &thresholds.stream_node_entries,
                self.stream_node_max_entries,
            ),
        ];
        for (setting, value) in unsigned {
            setting.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        thresholds.list_node.set(self.list_max_listpack_size.into());
    }
}
