//! Lua.

use crate::flags::codec::{ANY, Codec, I63, List, Memory, N63, Text, U32, Yes};
use crate::flags::special::{ALLOW_UNDECLARED_KEYS, ScriptFlags};
use crate::flags::table::topic;

topic! {
    /// Lua scripts and functions.
    scripting: Scripting, "Scripts and functions";

    /// Milliseconds a script runs before other clients are told that the server is busy.
    busy_reply_threshold: u64 = 5000, N63,
        redis("busy-reply-threshold", "lua-time-limit"), runtime();

    /// Most memory that the scripts of a thread take; one that wants more fails. 0 = no limit.
    lua_mem_limit: u64 = 256 << 20, Memory(0, I63);

    /// Give scripts Redis's deprecated functions.
    lua_enable_deprecated_api: bool = false, Yes, redis("lua-enable-deprecated-api"), inert();

    /// Flags for every script: allow-undeclared-keys, disable-atomicity, legacy-float.
    default_lua_flags: Vec<String> = vec![ALLOW_UNDECLARED_KEYS.to_owned()], ScriptFlags;

    /// SHAs allowed to touch undeclared keys.
    lua_undeclared_keys_shas: Vec<String> = Vec::new(), List, runtime();

    /// Let all scripts touch undeclared keys, as allow-undeclared-keys does.
    lua_allow_undeclared_auto_correct: bool = false, Yes;

    /// Turn calls with unused results into async calls.
    lua_auto_async: bool = false, Yes, inert();

    /// SHAs whose floats return as integers.
    lua_float_as_int_shas: Vec<String> = Vec::new(), List, runtime(), inert();

    /// Floats become integers for RESP2 like Redis.
    lua_resp2_legacy_float: bool = false, Yes, inert();

    /// Let redis.log write to the log.
    lua_enable_redis_log: bool = false, Yes, inert();

    /// Interpreter memory that forces a GC; 0 = off.
    lua_mem_gc_threshold: u64 = 10_000_000, ANY, runtime(), inert();

    /// GC mode and parameters (inc/... or gen/...).
    luagc: String = String::new(), Text, inert();

    /// Interpreters per thread.
    interpreter_per_thread: u32 = 10, U32, inert();
}
