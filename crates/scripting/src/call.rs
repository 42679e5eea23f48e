//! `redis.call` and its relatives: what runs with every command of a script. See `raw.rs` for what
//! this code has to mind.

use commands::OwnedArgs;
use protocol::Reply;
use protocol::number::format_double;

use crate::fiber;
use crate::from_reply::{push_error, push_reply};
use crate::host::{Called, with_host};
use crate::raw::{Answer, Kind, Native, Stack};

/// What these functions keep.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    /// Whether commands are to answer in RESP3 (`redis.setresp`).
    pub(crate) resp3: bool,
    args: OwnedArgs,
    /// In wire form.
    reply: Vec<u8>,
    /// What kept the command from being run at all; then there is no reply.
    refusal: Option<&'static str>,
}

/// Longest memory of arguments or a reply that is kept for the next command.
const KEPT_BYTES: usize = 64 << 10;
/// Most bytes of a command's arguments: their places are 32-bit numbers.
const MAX_BYTES: usize = u32::MAX as usize;

const NO_ARGS: &str = "ERR Please specify at least one argument for this redis lib call";
const BAD_ARGS: &str = "ERR Lua redis lib command arguments must be strings or integers";
const LONG_ARGS: &str = "ERR Lua redis lib command arguments are too long";
const OUTSIDE_A_RUN: &str = "ERR redis.call/pcall can only be called inside a script invocation";
const BAD_COMMAND: &str = "ERR Invalid command passed to redis.acl_check_cmd()";

/// `redis.call`: runs a command; an error it answers with is raised.
pub(crate) struct Call;

/// `redis.pcall`: runs a command; an error is returned.
pub(crate) struct ProtectedCall;

/// `redis.acl_check_cmd`: whether the user may run a command.
pub(crate) struct MayRun;

impl Native for Call {
    type Memory = Calls;

    fn work(stack: &Stack, calls: &mut Calls) {
        calls.run(stack);
    }

    fn answer(stack: &mut Stack, calls: &mut Calls) -> Answer {
        calls.push(stack);
        if calls.is_error() {
            Answer::Error
        } else {
            Answer::Results(1)
        }
    }
}

impl Native for ProtectedCall {
    type Memory = Calls;

    fn work(stack: &Stack, calls: &mut Calls) {
        calls.run(stack);
    }

    fn answer(stack: &mut Stack, calls: &mut Calls) -> Answer {
        calls.push(stack);
        Answer::Results(1)
    }
}

impl Native for MayRun {
    type Memory = Calls;

    fn work(stack: &Stack, calls: &mut Calls) {
        calls.check(stack);
    }

    fn answer(stack: &mut Stack, calls: &mut Calls) -> Answer {
        Call::answer(stack, calls)
    }
}

impl Calls {
    fn run(&mut self, stack: &Stack) {
        self.refusal = self.read_args(stack).err();
        if self.refusal.is_some() {
            return;
        }
        let Self {
            args, reply, resp3, ..
        } = self;
        loop {
            match with_host(|host| host.call(args, *resp3, reply)) {
                Some(Called::Replied) => return,
                Some(Called::Later) => fiber::pause(),
                None => break,
            }
        }
        self.refusal = Some(OUTSIDE_A_RUN);
    }

    fn check(&mut self, stack: &Stack) {
        self.refusal = self.read_args(stack).err();
        if self.refusal.is_some() {
            return;
        }
        match with_host(|host| host.may_run(self.args.borrow())).flatten() {
            Some(may) => Reply::new(&mut self.reply, true).bool(may),
            None => self.refusal = Some(BAD_COMMAND),
        }
    }

    /// Takes the arguments from the stack, and makes the reply empty.
    fn read_args(&mut self, stack: &Stack) -> Result<(), &'static str> {
        self.args.clear(KEPT_BYTES);
        self.reply.clear();
        self.reply.shrink_to(KEPT_BYTES);
        let (count, mut len) = (stack.len(), 0);
        for at in 1..=count {
            if let Some(bytes) = stack.string(at) {
                len += bytes.len();
                if len > MAX_BYTES {
                    return Err(LONG_ARGS);
                }
                self.args.push(bytes);
            } else if let Kind::Number(number) = stack.kind(at) {
                self.args.push(format_double(number).as_bytes());
            } else {
                return Err(BAD_ARGS);
            }
        }
        if count == 0 { Err(NO_ARGS) } else { Ok(()) }
    }

    fn is_error(&self) -> bool {
        self.refusal.is_some() || self.reply.first() == Some(&b'-')
    }

    fn push(&self, stack: &mut Stack) {
        stack.cut(1);
        match self.refusal {
            Some(text) => push_error(stack, text.as_bytes(), false),
            None => push_reply(stack, &self.reply),
        }
    }
}
