//! A call into Lua that can be put aside in its middle. Lua 5.1 can't do that by itself: native
//! frames (`pcall`, `table.sort`, `string.gsub`) lie on the stack. So the call has a stack of its
//! own.

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use mlua::VmState;
use scoped_tls_hkt::scoped_thread_local;

use crate::host::{Called, Host, LogLevel, Tick, provide, with_host};
use crate::raise;

/// Nested `gsub` takes a megabyte of C stack before Lua says that it is too much. Only what is
/// used takes memory.
const STACK_BYTES: usize = 4 << 20;

scoped_thread_local!(static YIELDER: Yielder<(), ()>);

/// What a call returns: a message if even what catches errors has failed.
type Returned = Result<(), String>;

/// See the module.
pub(crate) struct Fiber(Coroutine<(), (), Returned, DefaultStack>);

/// Where a call has got.
pub(crate) enum Reached {
    /// The end; the stack may be used for another call.
    End(Returned, DefaultStack),
    /// Somewhere in the middle.
    Pause(Fiber),
}

/// A stack for calls.
pub(crate) fn new_stack() -> std::io::Result<DefaultStack> {
    DefaultStack::new(STACK_BYTES)
}

impl Fiber {
    /// A call that has not begun.
    pub(crate) fn new(stack: DefaultStack, call: impl FnOnce() -> Returned + 'static) -> Self {
        let body = move |yielder: &Yielder<(), ()>, ()| YIELDER.set(yielder, call);
        Self(Coroutine::with_stack(stack, body))
    }

    /// Runs until the end or until the host wants it put aside.
    pub(crate) fn run(mut self, host: &mut dyn Host) -> Reached {
        match provide(host, || self.0.resume(())) {
            CoroutineResult::Yield(()) => Reached::Pause(self),
            CoroutineResult::Return(returned) => Reached::End(returned, self.0.into_stack()),
        }
    }

    /// Runs until the end, which is soon: native frames can't be dropped.
    pub(crate) fn finish(self) {
        let mut fiber = self;
        while let Reached::Pause(paused) = fiber.run(&mut Ending) {
            fiber = paused;
        }
    }
}

/// Asks the host what is to become of the call that runs; called by Lua now and then.
pub(crate) fn tick() -> mlua::Result<VmState> {
    loop {
        match with_host(|host| host.tick()) {
            None | Some(Tick::GoOn) => return Ok(VmState::Continue),
            Some(Tick::End(why)) => return Err(raise::end(why)),
            Some(Tick::Suspend) => pause(),
        }
    }
}

/// Puts the call that runs aside.
pub(crate) fn pause() {
    YIELDER.with(|yielder| yielder.suspend(()));
}

/// The host of a call that nobody waits for any more.
struct Ending;

impl Host for Ending {
    fn call(&mut self, _: &commands::OwnedArgs, _: bool, out: &mut Vec<u8>) -> Called {
        out.extend_from_slice(b"-ERR the script was ended\r\n");
        Called::Replied
    }

    fn may_run(&mut self, _: commands::Args<'_>) -> Option<bool> {
        None
    }

    fn log(&mut self, _: LogLevel, _: &[u8]) {}

    fn tick(&mut self) -> Tick {
        Tick::End("the script was ended")
    }
}
