//! FT.* indexes.

use crate::flags::codec::{ANY, Codec, Yes};
use crate::flags::table::topic;

topic! {
    /// Search indexes.
    search: Search, "Search";

    /// Most results of FT.SEARCH.
    maxsearchresults: u64 = 1_000_000, ANY, runtime(), inert();

    /// Longest query text.
    search_query_string_bytes: u64 = 10240, ANY, runtime(), inert();

    /// FT.AGGREGATE refuses field names without @.
    search_reject_legacy_field: bool = true, Yes, inert();

    /// Below this pre-filter size do an exact scan instead of HNSW.
    subset_knn_search_threshold: u64 = 8192, ANY, inert();

    /// Range tree for numeric indexes.
    use_numeric_range_tree: bool = true, Yes, inert();
}
