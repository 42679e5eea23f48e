//! Scripts: the commands that run and keep them. The interpreter is the crate `scripting`; here is
//! what it runs in: a transaction, its locks, a connection.

mod aside;
mod busy;
mod container;
mod eval;
mod function;
mod host;
mod libraries;
mod locks;
mod registry;
mod thread;

use crate::session::SessionCommand;

pub(crate) use aside::{Aside, PutOff};
pub(crate) use busy::SlowRuns;
pub(crate) use eval::flags;
pub(crate) use function::reload_libraries;
pub(crate) use libraries::Libraries;
pub(crate) use locks::lock;
pub(crate) use registry::Scripts;
pub(crate) use thread::ThreadScripts;

/// All commands of this family.
pub(crate) const COMMANDS: &[SessionCommand] = &[
    eval::EVAL,
    eval::EVALSHA,
    eval::EVAL_RO,
    eval::EVALSHA_RO,
    eval::FCALL,
    eval::FCALL_RO,
    container::SCRIPT,
    function::FUNCTION,
];
