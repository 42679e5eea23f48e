//! For those who work on the server.

use crate::flags::codec::{Codec, Text, U16, U32, Yes};
use crate::flags::table::topic;

topic! {
    /// For those who work on the server.
    debugging: Debugging, "Debugging";

    /// Log stacks of allocations in these size ranges.
    allocation_tracker: String = String::new(), Text, inert();

    /// Run DEBUG jobs in background fibers.
    background_debug_jobs: bool = false, Yes, runtime(), inert();

    /// Fuzz builds only.
    afl_loop_limit: u32 = u32::MAX, U32, inert();

    /// Fuzz builds only.
    afl_target_port: u16 = 0, U16, inert();

    /// Deprecated.
    shard_round_robin_prefix: String = String::new(), Text, inert();

    /// Redis: leave quietly after a failed assertion.
    use_exit_on_panic: bool = false, Yes, redis("use-exit-on-panic"), runtime(), inert();
}
