//! Libraries whose functions work on Lua's stack, and what such a function was given. See `raw.rs`
//! for what this code has to mind.

use std::cell::RefCell;
use std::fmt::{Display, Write};
use std::marker::PhantomData;
use std::rc::Rc;

use mlua::{IntoLua, Lua, Table};

use crate::raw::{self, Answer, Kind, Stack};

/// A function of a library: pushes its results and says how many they are. It may own nothing while
/// it calls Lua.
pub(super) type Run<S> = fn(&mut Given<'_, S>) -> Result<i32>;

/// What a function comes to.
pub(super) type Result<T> = std::result::Result<T, Refused>;

/// A function has written why it can't do what it is asked to.
pub(super) struct Refused;

/// A table of functions.
pub(super) struct Library<'l, S> {
    lua: &'l Lua,
    pub(super) table: Table,
    memory: Rc<RefCell<Memory<S>>>,
}

impl<'l, S: Default + 'static> Library<'l, S> {
    /// One without functions.
    pub(super) fn new(lua: &'l Lua) -> mlua::Result<Self> {
        Ok(Self {
            lua,
            table: lua.create_table()?,
            memory: Rc::default(),
        })
    }

    /// Adds a function under the name by which scripts call it.
    pub(super) fn add(&self, name: &'static str, run: Run<S>) -> mlua::Result<()> {
        let number = self.memory.borrow().functions.len();
        self.memory.borrow_mut().functions.push((name, run));
        let function = raw::function_of::<Native<S>>(self.lua, &self.memory, number)?;
        self.set(name, function)
    }

    /// Adds a value.
    pub(super) fn set(&self, name: &str, value: impl IntoLua) -> mlua::Result<()> {
        self.table.raw_set(name, value)
    }
}

/// What the functions of a library keep.
#[derive(Debug, Default)]
struct Memory<S> {
    functions: Vec<(&'static str, Run<S>)>,
    out: Vec<u8>,
    refusal: String,
    state: S,
}

/// Longest memory of a result that is kept for the next one.
const KEPT_BYTES: usize = 64 << 10;

/// The arguments of a function, from 1 on, and where it makes its result.
pub(super) struct Given<'a, S> {
    pub(super) stack: &'a mut Stack,
    /// For bytes; empty at first.
    pub(super) out: &'a mut Vec<u8>,
    pub(super) state: &'a mut S,
    function: &'static str,
    refusal: &'a mut String,
}

impl<S> Given<'_, S> {
    /// Whether an argument isn't there, or nil.
    pub(super) fn is_none(&self, at: i32) -> bool {
        self.stack.kind(at) == Kind::Nil
    }

    /// A number, or a string that is one.
    pub(super) fn number(&mut self, at: i32) -> Result<f64> {
        let number = self.stack.number(at);
        number.ok_or_else(|| self.wrong_type(at, "number"))
    }

    /// A number, or `default` where there is none.
    pub(super) fn number_or(&mut self, at: i32, default: f64) -> Result<f64> {
        if self.is_none(at) {
            return Ok(default);
        }
        self.number(at)
    }

    /// Sees to it that an argument is a string, which a number becomes. Its length.
    pub(super) fn string(&mut self, at: i32) -> Result<usize> {
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

/// What Lua calls for all of these functions.
struct Native<S>(PhantomData<S>);

impl<S: Default + 'static> raw::Native for Native<S> {
    type Memory = Memory<S>;

    fn answer(stack: &mut Stack, memory: &mut Memory<S>) -> Answer {
        let (function, run) = memory.functions[stack.own_number()];
        let Memory {
            out,
            refusal,
            state,
            ..
        } = memory;
        out.clear();
        out.shrink_to(KEPT_BYTES);
        let mut given = Given {
            stack,
            out,
            state,
            function,
            refusal,
        };
        if let Ok(results) = run(&mut given) {
            return Answer::Results(results);
        }
        stack.push_place();
        stack.push_bytes(refusal.as_bytes());
        stack.join();
        Answer::Error
    }
}
