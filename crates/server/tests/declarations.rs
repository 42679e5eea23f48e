//! The declarations of all commands on connections and the server.

#[path = "../../commands/tests/support/mod.rs"]
mod support;

use server::session::FAMILIES;
use support::{all_specs, check_completeness, compare};

#[test]
fn declarations_are_those_of_redis() {
    let exempt = [
        // Redis 7 and its tests know them by their own error messages inside MULTI.
        ("MULTI", "flags"),
        ("WATCH", "flags"),
        // Valkey's name for `skip_slowlog`.
        ("EXEC", "flags"),
        // Redis keeps keys in the order of slots, Darner walks through all of them.
        ("CLUSTER COUNTKEYSINSLOT", "complexity"),
        ("CLUSTER GETKEYSINSLOT", "complexity"),
        // Looked for from the front here.
        ("MIGRATE", "key_specs"),
    ];
    let dragonfly_s = ["SCRIPT FLAGS"];
    compare(&all_specs(FAMILIES), &dragonfly_s, &exempt);
}

#[test]
fn declarations_are_complete() {
    let mut all = all_specs(FAMILIES);
    // The one ignores its arguments, the other's are its subcommands.
    all.retain(|(name, _)| name != "QUIT" && name != "COMMAND");
    check_completeness(&all);
}
