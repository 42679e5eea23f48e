//! What a running script can reach outside the interpreter, and how functions that Lua calls find
//! it: they live as long as the interpreter, but the host only as long as one run.

use commands::{Args, OwnedArgs};
use scoped_tls_hkt::{ReborrowMut, scoped_thread_local};

/// How urgent a line of `redis.log` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// For developers.
    Debug,
    /// Much, and rarely useful.
    Verbose,
    /// Worth noting.
    Notice,
    /// Something is wrong.
    Warning,
}

/// The outside of a running script.
pub trait Host {
    /// Runs a command and appends its reply to `out`, in RESP3 if `resp3`, else in RESP2. A
    /// command that can't be run answers with an error. The arguments are only referred to: their
    /// lengths have just been written, and a copy of what holds them would wait for that.
    fn call(&mut self, args: &OwnedArgs, resp3: bool, out: &mut Vec<u8>) -> Called;

    /// Whether the user may run this command; `None` if there is no such command.
    fn may_run(&mut self, args: Args<'_>) -> Option<bool>;

    /// Writes to the server's log.
    fn log(&mut self, level: LogLevel, message: &[u8]);

    /// Called now and then while Lua runs: what is to become of the script.
    fn tick(&mut self) -> Tick;
}

/// What has become of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a command may have to wait"]
pub enum Called {
    /// It has replied.
    Replied,
    /// It can't run yet: the script is put aside, see [`crate::Progress`], and tries again.
    Later,
}

/// What becomes of a running script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tick {
    /// It goes on.
    GoOn,
    /// It is put aside, see [`crate::Progress`].
    Suspend,
    /// It ends with this error, which it can't catch.
    End(&'static str),
}

struct HostRef<'a>(&'a mut (dyn Host + 'a));

impl<'short, 'long: 'short> ReborrowMut<'short> for HostRef<'long> {
    type Result = HostRef<'short>;

    fn reborrow_mut(&'short mut self) -> HostRef<'short> {
        HostRef(&mut *self.0)
    }
}

scoped_thread_local!(static mut HOST: for<'a> HostRef<'a>);

/// Runs `work` with this host.
pub(crate) fn provide<T>(host: &mut dyn Host, work: impl FnOnce() -> T) -> T {
    HOST.set(HostRef(host), work)
}

/// The host of the running script; `None` while none runs, as when a library is loaded.
pub(crate) fn with_host<T>(work: impl FnOnce(&mut dyn Host) -> T) -> Option<T> {
    HOST.is_set().then(|| HOST.with(|host| work(host.0)))
}
