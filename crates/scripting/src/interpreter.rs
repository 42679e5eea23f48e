//! One thread's interpreter: compiles scripts once, runs them, and makes replies of what they
//! return.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use corosensei::stack::DefaultStack;
use mlua::{Function, HookTriggers, Lua, LuaOptions, LuaString, Result, StdLib, Table, Value};
use protocol::Reply;

use crate::api::Api;
use crate::fiber::{self, Fiber, Reached};
use crate::host::{Host, LogLevel, Tick, provide};
use crate::library::{Callee, Library, LibraryError, parse_metadata};
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
    paused: Option<(Fiber, Callee)>,
    /// The functions of the libraries that this interpreter has loaded.
    libraries: Vec<(Weak<Library>, HashMap<String, Function>)>,
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
/// The name of a library's chunk.
const LIBRARY_CHUNK: &str = "@user_function";
/// How long a library may take to load.
const LOAD_LIMIT: Duration = Duration::from_millis(500);

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
            libraries: Vec::new(),
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

    /// Runs a script or a function with these keys and arguments.
    pub fn run<'k>(
        &mut self,
        callee: &Callee,
        keys: impl Iterator<Item = &'k [u8]>,
        args: impl Iterator<Item = &'k [u8]>,
        host: &mut dyn Host,
        reply: &mut Reply<'_>,
    ) -> Progress {
        debug_assert!(self.paused.is_none(), "one run is put aside already");
        let found = match callee {
            Callee::Script(script) => self.compiled(script),
            Callee::Function(library, at) => self.function(library, *at),
        };
        let function = match found {
            Ok(function) => function,
            Err(error) => return Progress::Ended(failed(error.into_bytes())),
        };
        self.api.resp3.set(false);
        let run = match callee {
            Callee::Script(_) => self.sandbox.run.clone(),
            Callee::Function(..) => self.sandbox.call.clone(),
        };
        match self.fiber(run, function, keys, args) {
            Ok(fiber) => self.go_on(fiber, callee.clone(), host, reply),
            Err(error) => Progress::Ended(failed(format!("ERR {error}").into_bytes())),
        }
    }

    /// Goes on with the run that was put aside.
    pub fn resume(&mut self, host: &mut dyn Host, reply: &mut Reply<'_>) -> Progress {
        let (fiber, callee) = self.paused.take().expect("a run was put aside");
        self.go_on(fiber, callee, host, reply)
    }

    fn fiber<'k>(
        &mut self,
        run: Function,
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
        Ok(Fiber::new(stack, move || run.call((function, keys, args))))
    }

    fn go_on(
        &mut self,
        fiber: Fiber,
        callee: Callee,
        host: &mut dyn Host,
        reply: &mut Reply<'_>,
    ) -> Progress {
        let returned = match fiber.run(host) {
            Reached::Pause(fiber) => {
                self.paused = Some((fiber, callee));
                return Progress::Paused;
            }
            Reached::End(returned, stack) => {
                self.stack = Some(stack);
                returned
            }
        };
        let ended = returned.and_then(|(ok, value)| self.answer(callee.name(), ok, &value, reply));
        Progress::Ended(ended.unwrap_or_else(|error| failed(format!("ERR {error}").into_bytes())))
    }

    /// Loads a library to see what is in it.
    pub fn load_library(&mut self, code: &[u8]) -> std::result::Result<Arc<Library>, LibraryError> {
        let (name, body) = parse_metadata(code)?;
        let function = sandbox::compile(&self.lua, &code[body..], LIBRARY_CHUNK)
            .map_err(LibraryError::Compile)?;
        self.sandbox.registered.replace(Some(Vec::new()));
        let loaded = self.run_library(function);
        let registered = self.sandbox.registered.take().unwrap_or_default();
        loaded.map_err(LibraryError::Run)?;
        if registered.is_empty() {
            return Err(LibraryError::NoFunctions);
        }
        let mut callbacks = HashMap::new();
        let mut functions = Vec::new();
        for (info, callback) in registered {
            callbacks.insert(info.name.clone(), callback);
            functions.push(info);
        }
        let library = Arc::new(Library {
            name,
            code: code.into(),
            functions,
        });
        self.keep(&library, callbacks);
        Ok(library)
    }

    /// The message if it fails.
    fn run_library(&self, function: Function) -> std::result::Result<(), String> {
        let mut host = Loading {
            began: Instant::now(),
        };
        let load = &self.sandbox.load_library;
        let ran: Result<(bool, Value)> = provide(&mut host, || load.call(function));
        match ran {
            Ok((true, _)) => Ok(()),
            Ok((false, error)) => {
                let failure = self.fields.failure(&error).ok().flatten();
                let text = failure.map_or_else(Vec::new, |failure| failure.text);
                Err(String::from_utf8_lossy(&text).into_owned())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    fn keep(&mut self, library: &Arc<Library>, callbacks: HashMap<String, Function>) {
        self.libraries.retain(|(known, _)| known.strong_count() > 0);
        self.libraries.push((Arc::downgrade(library), callbacks));
    }

    /// The function at a place of a library, which another thread may have loaded.
    fn function(
        &mut self,
        library: &Arc<Library>,
        at: usize,
    ) -> std::result::Result<Function, String> {
        let name = &library.functions[at].name;
        let is_it = |known: &Weak<Library>| std::ptr::eq(known.as_ptr(), Arc::as_ptr(library));
        if let Some((_, callbacks)) = self.libraries.iter().find(|(known, _)| is_it(known)) {
            return Ok(callbacks[name].clone());
        }
        let again = self.load_library(&library.code);
        let again = again.map_err(|error| format!("ERR {error}"))?;
        let (_, callbacks) = self.libraries.pop().expect("just loaded");
        drop(again);
        let found = callbacks.get(name).cloned();
        self.keep(library, callbacks);
        found.ok_or_else(|| "ERR Function not found".to_owned())
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
    fn answer(&self, name: &str, ok: bool, value: &Value, reply: &mut Reply<'_>) -> Result<Ended> {
        if let Some(mut failure) = self.fields.failure(value)? {
            if !ok {
                add_position(&mut failure, name, value)?;
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

/// The host of a library that is loaded: it has none, and little time.
struct Loading {
    began: Instant,
}

impl Host for Loading {
    fn call(&mut self, _: commands::Args<'_>, _: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(b"-ERR no commands while a library is loaded\r\n");
    }

    fn may_run(&mut self, _: commands::Args<'_>) -> Option<bool> {
        None
    }

    fn log(&mut self, _: LogLevel, _: &[u8]) {}

    fn tick(&mut self) -> Tick {
        if self.began.elapsed() > LOAD_LIMIT {
            return Tick::End("FUNCTION LOAD timeout");
        }
        Tick::GoOn
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
fn add_position(failure: &mut Failure, name: &str, value: &Value) -> Result<()> {
    let Value::Table(table) = value else {
        return Ok(());
    };
    let (source, line): (Option<String>, Option<usize>) =
        (table.raw_get("source")?, table.raw_get("line")?);
    if let (Some(source), Some(line)) = (source, line) {
        let place = format!(" script: {name}, on {source}:{line}.");
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
