//! The declarations of all data commands.

mod support;

use commands::FAMILIES;
use support::{all_specs, check_completeness, compare};

/// Commands of other servers, and of later versions.
const UNKNOWN_THERE: [&str; 9] = [
    "DELEX",
    "DIGEST",
    "FIELDEXPIRE",
    "FIELDTTL",
    "PREPEND",
    "RM",
    "SADDEX",
    "XACKDEL",
    "XDELEX",
];

#[test]
fn declarations_are_those_of_redis() {
    let exempt = [
        // Brought by Redis 8.4 before Valkey 9.1 had it.
        ("MSETEX", "since"),
        // Redis calls unknown what it finds with a function of its own.
        ("SORT", "key_specs"),
        ("SORT_RO", "key_specs"),
    ];
    compare(&all_specs(FAMILIES), &UNKNOWN_THERE, &exempt);
}

#[test]
fn declarations_are_complete() {
    check_completeness(&all_specs(FAMILIES));
}
