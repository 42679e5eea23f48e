//! Functions of libraries that work on Lua's stack, and what such a function was given. See
//! `raw.rs` for what this code has to mind.

use std::fmt::{Display, Write};
use std::marker::PhantomData;

use mlua::{Lua, Result, Table};

use crate::raw::{self, Answer, Kind, Native, Stack};

/// A function of a library.
pub(super) trait Function: 'static {
    /// As scripts call it.
    const NAME: &'static str;
    /// Pushes its results and says how many they are. It may own nothing while it calls Lua.
    fn run(given: &mut Given<'_>) -> std::result::Result<i32, Refused>;
}

/// Adds a function to the table of its library.
pub(super) fn add<F: Function>(lua: &Lua, library: &Table) -> Result<()> {
    library.raw_set(F::NAME, raw::function::<Named<F>>(lua)?)
}

/// A function has written why it can't do what it is asked to.
pub(super) struct Refused;

/// What these functions keep.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    out: Vec<u8>,
    refusal: String,
}

/// Longest memory of a result that is kept for the next one.
const KEPT_BYTES: usize = 64 << 10;

/// The arguments of a function, from 1 on, and where it makes its result.
pub(super) struct Given<'a> {
    pub(super) stack: &'a mut Stack,
    /// For bytes; empty at first.
    pub(super) out: &'a mut Vec<u8>,
    function: &'static str,
    refusal: &'a mut String,
}

impl Given<'_> {
    /// A number, or a string that is one.
    pub(super) fn number(&mut self, at: i32) -> std::result::Result<f64, Refused> {
        let number = self.stack.number(at);
        number.ok_or_else(|| self.wrong_type(at, "number"))
    }

    /// A number, or `default` where there is none.
    pub(super) fn number_or(&mut self, at: i32, default: f64) -> std::result::Result<f64, Refused> {
        if self.stack.kind(at) == Kind::Nil {
            return Ok(default);
        }
        self.number(at)
    }

    /// Sees to it that an argument is a string, which a number becomes. Its length.
    pub(super) fn string(&mut self, at: i32) -> std::result::Result<usize, Refused> {
        if !self.stack.make_string(at) {
            return Err(self.wrong_type(at, "string"));
        }
        Ok(self.stack.bytes(at).len())
    }

    /// The error for an argument of another type.
    fn wrong_type(&mut self, at: i32, expected: &str) -> Refused {
        let got = self.stack.type_name(at);
        self.bad(at, format_args!("{expected} expected, got {got}"))
    }

    /// The error for an argument that can't be used.
    pub(super) fn bad(&mut self, at: i32, why: impl Display) -> Refused {
        let function = self.function;
        self.refuse(format_args!("bad argument #{at} to '{function}' ({why})"))
    }

    /// An error, which is told with the caller's position.
    pub(super) fn refuse(&mut self, text: impl Display) -> Refused {
        self.refusal.clear();
        // Nothing goes wrong when a string is written to.
        let _ = write!(self.refusal, "{text}");
        Refused
    }

    /// Pushes what was made.
    pub(super) fn push_out(&mut self) {
        self.stack.push_bytes(self.out);
    }
}

/// A [`Function`] as Lua calls it.
struct Named<F>(PhantomData<F>);

impl<F: Function> Native for Named<F> {
    type Memory = Scratch;

    fn answer(stack: &mut Stack, memory: &mut Scratch) -> Answer {
        let Scratch { out, refusal } = memory;
        out.clear();
        out.shrink_to(KEPT_BYTES);
        let mut given = Given {
            stack,
            out,
            function: F::NAME,
            refusal,
        };
        if let Ok(results) = F::run(&mut given) {
            return Answer::Results(results);
        }
        stack.push_place();
        stack.push_bytes(refusal.as_bytes());
        stack.join();
        Answer::Error
    }
}
