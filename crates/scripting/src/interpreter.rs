//! One thread's interpreter: compiles scripts once, runs them, and makes replies of what they
//! return.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use corosensei::stack::DefaultStack;
use mlua::{Function, HookTriggers, Lua, LuaOptions, LuaString, Result, StdLib, Table, Value};
use protocol::Reply;

use crate::api::Api;
use crate::fiber::{self, Fiber, Reached};
use crate::host::Host;
use crate::sandbox::{self, Sandbox};
use crate::script::{Script, Sha};
use crate::to_reply::{Fields, Writer};

/// See the module.
pub struct Interpreter {
    lua: Lua,
    api: Rc<Api>,
    sandbox: Sandbox,
    fields: Fields,
    compiled: HashMap<Sha, Function>,
    /// The stack that the last run has left.
    stack: Option<DefaultStack>,
    /// A run that was put aside, and what it runs.
    paused: Option<(Fiber, Arc<Script>)>,
}

impl std::fmt::Debug for Interpreter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interpreter").finish_non_exhaustive()
    }
}

/// How far a run has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// To its end.
    Ended(Ended),
    /// The host wanted it put aside; [`Interpreter::resume`] goes on with it.
    Paused,
}

/// How a script has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The reply is written.
    Replied,
    /// With an error; no reply is written.
    Failed(Failure),
}

/// An error that a script has raised or returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The text, its code included.
    pub text: Vec<u8>,
    /// Whether the host has counted it already: it came from a command.
    pub is_counted: bool,
}

/// Instructions between two questions whether a script may go on.
const INSTRUCTIONS: u32 = 100_000;
/// The name of a script's chunk.
const CHUNK: &str = "@user_script";

impl Interpreter {
    /// An interpreter that tells scripts this version of Redis.
    pub fn new(version: (u8, u8, u8)) -> Result<Self> {
        let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::OS;
        let options = LuaOptions::new().catch_rust_panics(false);
        let lua = Lua::new_with(libraries, options)?;
        let api = Rc::new(Api::default());
        let sandbox = sandbox::build(&lua, &api, constants(&lua, version)?)?;
        let triggers = HookTriggers::new().every_nth_instruction(INSTRUCTIONS);
        lua.set_global_hook(triggers, |_, _| fiber::tick())?;
        Ok(Self {
            fields: Fields::new(&lua)?,
            lua,
            api,
            sandbox,
            compiled: HashMap::new(),
            stack: None,
            paused: None,
        })
    }

    /// Bytes of memory that Lua uses.
    pub fn used_memory(&self) -> usize {
        self.lua.used_memory()
    }

    /// Forgets all compiled scripts.
    pub fn flush(&mut self) {
        self.compiled.clear();
    }

    /// Whether a script compiles; the text of the error if not.
    pub fn compile(&mut self, script: &Script) -> std::result::Result<(), String> {
        self.compiled(script).map(drop)
    }

    /// Runs a script with these KEYS and ARGV.
    pub fn run<'k>(
        &mut self,
        script: &Arc<Script>,
        keys: impl Iterator<Item = &'k [u8]>,
        args: impl Iterator<Item = &'k [u8]>,
        host: &mut dyn Host,
        reply: &mut Reply<'_>,
    ) -> Progress {
        debug_assert!(self.paused.is_none(), "one run is put aside already");
        let function = match self.compiled(script) {
            Ok(function) => function,
            Err(error) => return Progress::Ended(failed(error.into_bytes())),
        };
        self.api.resp3.set(false);
        match self.fiber(function, keys, args) {
            Ok(fiber) => self.go_on(fiber, script, host, reply),
            Err(error) => Progress::Ended(failed(format!("ERR {error}").into_bytes())),
        }
    }

    /// Goes on with the run that was put aside.
    pub fn resume(&mut self, host: &mut dyn Host, reply: &mut Reply<'_>) -> Progress {
        let (fiber, script) = self.paused.take().expect("a run was put aside");
        self.go_on(fiber, &script, host, reply)
    }

    fn fiber<'k>(
        &mut self,
        function: Function,
        keys: impl Iterator<Item = &'k [u8]>,
        args: impl Iterator<Item = &'k [u8]>,
    ) -> Result<Fiber> {
        let keys = self.lua.create_sequence_from(keys.map(LuaString::wrap))?;
        let args = self.lua.create_sequence_from(args.map(LuaString::wrap))?;
        let stack = match self.stack.take() {
            Some(stack) => stack,
            None => fiber::new_stack()?,
        };
        let run = self.sandbox.run.clone();
        Ok(Fiber::new(stack, move || run.call((function, keys, args))))
    }

    fn go_on(
        &mut self,
        fiber: Fiber,
        script: &Arc<Script>,
        host: &mut dyn Host,
        reply: &mut Reply<'_>,
    ) -> Progress {
        let returned = match fiber.run(host) {
            Reached::Pause(fiber) => {
                self.paused = Some((fiber, Arc::clone(script)));
                return Progress::Paused;
            }
            Reached::End(returned, stack) => {
                self.stack = Some(stack);
                returned
            }
        };
        let ended = returned.and_then(|(ok, value)| self.answer(script, ok, &value, reply));
        Progress::Ended(ended.unwrap_or_else(|error| failed(format!("ERR {error}").into_bytes())))
    }

    fn compiled(&mut self, script: &Script) -> std::result::Result<Function, String> {
        if let Some(function) = self.compiled.get(&script.sha) {
            return Ok(function.clone());
        }
        let function = sandbox::compile(&self.lua, script.body(), CHUNK)
            .map_err(|error| format!("ERR Error compiling script (new function): {error}"))?;
        self.compiled.insert(script.sha, function.clone());
        Ok(function)
    }

    /// Makes a reply of what a script has returned or raised.
    fn answer(
        &self,
        script: &Script,
        ok: bool,
        value: &Value,
        reply: &mut Reply<'_>,
    ) -> Result<Ended> {
        if let Some(mut failure) = self.fields.failure(value)? {
            if !ok {
                add_position(&mut failure, script, value)?;
            }
            return Ok(Ended::Failed(failure));
        }
        if !ok {
            return Ok(failed(b"ERR unknown error".to_vec()));
        }
        let resp3 = self.api.resp3.get();
        let fields = &self.fields;
        let mut writer = Writer {
            fields,
            resp3,
            reply,
        };
        writer.write(value, 0)?;
        Ok(Ended::Replied)
    }
}

impl Drop for Interpreter {
    fn drop(&mut self) {
        if let Some((fiber, _)) = self.paused.take() {
            fiber.finish();
        }
    }
}

fn failed(text: Vec<u8>) -> Ended {
    Ended::Failed(Failure {
        text,
        is_counted: false,
    })
}

/// Says in the text of an error where it was raised.
fn add_position(failure: &mut Failure, script: &Script, value: &Value) -> Result<()> {
    let Value::Table(table) = value else {
        return Ok(());
    };
    let (source, line): (Option<String>, Option<usize>) =
        (table.raw_get("source")?, table.raw_get("line")?);
    if let (Some(source), Some(line)) = (source, line) {
        let place = format!(" script: {}, on {source}:{line}.", script.name());
        failure.text.extend_from_slice(place.as_bytes());
    }
    Ok(())
}

fn constants(lua: &Lua, (major, minor, patch): (u8, u8, u8)) -> Result<Table> {
    let table = lua.create_table()?;
    for (name, level) in ["LOG_DEBUG", "LOG_VERBOSE", "LOG_NOTICE", "LOG_WARNING"]
        .iter()
        .zip(0..)
    {
        table.raw_set(*name, level)?;
    }
    for (name, bits) in [
        ("REPL_NONE", 0),
        ("REPL_AOF", 1),
        ("REPL_SLAVE", 2),
        ("REPL_REPLICA", 2),
        ("REPL_ALL", 3),
    ] {
        table.raw_set(name, bits)?;
    }
    let number = u32::from(major) << 16 | u32::from(minor) << 8 | u32::from(patch);
    for (name, value) in [
        (
            "REDIS_VERSION",
            Value::String(lua.create_string(format!("{major}.{minor}.{patch}"))?),
        ),
        ("REDIS_VERSION_NUM", Value::Number(f64::from(number))),
    ] {
        table.raw_set(name, value.clone())?;
        table.raw_set(name.replace("REDIS", "SERVER"), value)?;
    }
    Ok(table)
}
