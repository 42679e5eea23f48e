//! One thread's interpreter: compiles scripts once, runs them, and makes replies of what they
//! return.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use corosensei::stack::DefaultStack;
use foldhash::fast::RandomState;
use mlua::{Function, HookTriggers, Lua, LuaOptions, Result, StdLib, Table, Value};
use protocol::Reply;

use crate::call::Calls;
use crate::enter::{self, Raised, Returned};
use crate::fiber::{self, Fiber, Reached};
use crate::host::{Called, Host, LogLevel, Tick, provide};
use crate::library::{Callee, Library, LibraryError, parse_metadata};
use crate::raise;
use crate::raw::{self, Kept};
use crate::sandbox::{self, Sandbox};
use crate::script::{Script, Sha};

/// See the module.
pub struct Interpreter {
    lua: Lua,
    calls: Rc<RefCell<Calls>>,
    sandbox: Sandbox,
    compiled: HashMap<Sha, Kept, RandomState>,
    /// What the run has come to that ended last.
    returned: Rc<RefCell<Returned>>,
    /// The stack that the last run has left.
    stack: Option<DefaultStack>,
    /// A run that was put aside, and what it runs.
    paused: Option<(Fiber, Callee)>,
    memory_limit: usize,
    /// The functions of the libraries that this interpreter has loaded.
    libraries: Vec<(Weak<Library>, HashMap<String, Kept>)>,
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
/// Longest reply of a script whose memory is kept for the next one.
const KEPT_BYTES: usize = 64 << 10;
/// How long a library may take to load.
const LOAD_LIMIT: Duration = Duration::from_millis(500);

impl Interpreter {
    /// An interpreter that tells scripts this version of Redis. Lua takes at most so many bytes of
    /// memory; 0 is any number.
    pub fn new(version: (u8, u8, u8), memory_limit: usize) -> Result<Self> {
        let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::OS;
        let options = LuaOptions::new().catch_rust_panics(false);
        let lua = Lua::new_with(libraries, options)?;
        let sandbox = sandbox::build(&lua, constants(&lua, version)?)?;
        let triggers = HookTriggers::new().every_nth_instruction(INSTRUCTIONS);
        lua.set_global_hook(triggers, |_, _| fiber::tick())?;
        lua.set_memory_limit(memory_limit)?;
        Ok(Self {
            calls: raw::memory(&lua),
            lua,
            sandbox,
            compiled: HashMap::default(),
            returned: Rc::default(),
            stack: None,
            paused: None,
            memory_limit,
            libraries: Vec::new(),
        })
    }

    /// Bytes of memory that Lua uses.
    pub fn used_memory(&self) -> usize {
        self.lua.used_memory()
    }

    /// Frees memory after a script has taken much of it, so that the next one finds some.
    fn relieve(&mut self) {
        let much = self.memory_limit / 2;
        if much == 0 || self.used_memory() < much {
            return;
        }
        self.collect();
        // What is left are scripts, and what they keep in the functions of libraries.
        if self.used_memory() >= much {
            self.flush();
            self.collect();
        }
    }

    fn collect(&self) {
        let collected = self.lua.gc_collect();
        debug_assert!(collected.is_ok(), "there are no finalizers of scripts");
    }

    /// Forgets all compiled scripts.
    pub fn flush(&mut self) {
        for (_, function) in self.compiled.drain() {
            raw::forget(&self.lua, function);
        }
    }

    /// Whether a script compiles; the text of the error if not.
    pub fn compile(&mut self, script: &Script) -> std::result::Result<(), String> {
        let compiled = self.compiled(script).map(drop);
        self.relieve();
        compiled
    }

    /// Runs a script or a function with these keys and arguments.
    pub fn run<'k>(
        &mut self,
        callee: &Callee,
        mut keys: impl ExactSizeIterator<Item = &'k [u8]>,
        mut args: impl ExactSizeIterator<Item = &'k [u8]>,
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
            Err(error) => {
                self.relieve();
                return Progress::Ended(failed(error.into_bytes()));
            }
        };
        let is_function = callee.is_function();
        self.calls.borrow_mut().resp3 = false;
        let protection = self.sandbox.protection;
        let given = raw::protected(&self.lua, protection, function, &mut |stack| {
            enter::give(stack, is_function, [&mut keys, &mut args]);
        });
        let begun = given.and_then(|()| self.fiber(function, is_function, reply.is_resp3()));
        match begun {
            Ok(fiber) => self.go_on(fiber, callee.clone(), host, reply),
            Err(error) => {
                self.relieve();
                Progress::Ended(failed_in_lua(&error))
            }
        }
    }

    /// Goes on with the run that was put aside.
    pub fn resume(&mut self, host: &mut dyn Host, reply: &mut Reply<'_>) -> Progress {
        let (fiber, callee) = self.paused.take().expect("a run was put aside");
        self.go_on(fiber, callee, host, reply)
    }

    /// A call that has not begun of a function whose keys and arguments are given.
    fn fiber(
        &mut self,
        function: Kept,
        is_function: bool,
        client_resp3: bool,
    ) -> std::result::Result<Fiber, String> {
        let stack = match self.stack.take() {
            Some(stack) => stack,
            None => fiber::new_stack().map_err(|error| error.to_string())?,
        };
        let (lua, protection) = (self.lua.clone(), self.sandbox.protection);
        let (calls, returned) = (Rc::clone(&self.calls), Rc::clone(&self.returned));
        Ok(Fiber::new(stack, move || {
            let mut returned = returned.borrow_mut();
            returned.bytes.clear();
            returned.failure = None;
            raw::protected(&lua, protection, function, &mut |stack| {
                let resp3 = || calls.borrow().resp3;
                enter::call(stack, is_function, resp3, (&mut *returned, client_resp3));
            })
        }))
    }

    fn go_on(
        &mut self,
        fiber: Fiber,
        callee: Callee,
        host: &mut dyn Host,
        reply: &mut Reply<'_>,
    ) -> Progress {
        match fiber.run(host) {
            Reached::Pause(fiber) => {
                self.paused = Some((fiber, callee));
                Progress::Paused
            }
            Reached::End(done, stack) => {
                self.stack = Some(stack);
                let ended = match done {
                    Ok(()) => self.answer(callee.name(), reply),
                    Err(error) => failed_in_lua(&error),
                };
                self.relieve();
                Progress::Ended(ended)
            }
        }
    }

    /// Answers with what a run has come to.
    fn answer(&self, name: &str, reply: &mut Reply<'_>) -> Ended {
        let mut returned = self.returned.borrow_mut();
        let Returned { bytes, failure } = &mut *returned;
        let ended = match failure.take() {
            None => {
                reply.raw(bytes);
                Ended::Replied
            }
            Some(raised) => Ended::Failed(failure_of(bytes, name, raised)),
        };
        bytes.clear();
        bytes.shrink_to(KEPT_BYTES);
        ended
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
            let callback = raw::keep(&self.lua, callback);
            let callback = callback.map_err(|error| LibraryError::Run(error.to_string()))?;
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
            Ok((false, error)) => Err(raise::text_of(&error)),
            Err(error) => Err(error.to_string()),
        }
    }

    fn keep(&mut self, library: &Arc<Library>, callbacks: HashMap<String, Kept>) {
        let is_gone = |(known, _): &mut (Weak<Library>, _)| known.strong_count() == 0;
        for (_, callbacks) in self.libraries.extract_if(.., is_gone) {
            for function in callbacks.into_values() {
                raw::forget(&self.lua, function);
            }
        }
        self.libraries.push((Arc::downgrade(library), callbacks));
    }

    /// The function at a place of a library, which another thread may have loaded.
    fn function(&mut self, library: &Arc<Library>, at: usize) -> std::result::Result<Kept, String> {
        let name = &library.functions[at].name;
        let is_it = |known: &Weak<Library>| std::ptr::eq(known.as_ptr(), Arc::as_ptr(library));
        if let Some((_, callbacks)) = self.libraries.iter().find(|(known, _)| is_it(known)) {
            return Ok(callbacks[name]);
        }
        let again = self.load_library(&library.code);
        let again = again.map_err(|error| format!("ERR {error}"))?;
        let (_, callbacks) = self.libraries.pop().expect("just loaded");
        drop(again);
        let found = callbacks.get(name).copied();
        self.keep(library, callbacks);
        found.ok_or_else(|| "ERR Function not found".to_owned())
    }

    fn compiled(&mut self, script: &Script) -> std::result::Result<Kept, String> {
        if let Some(&function) = self.compiled.get(&script.sha) {
            return Ok(function);
        }
        let function = sandbox::compile(&self.lua, script.body(), CHUNK)
            .map_err(|error| format!("ERR Error compiling script (new function): {error}"))?;
        let function = raw::keep(&self.lua, function);
        let function = function.map_err(|error| format!("ERR {error}"))?;
        self.compiled.insert(script.sha, function);
        Ok(function)
    }
}

/// The host of a library that is loaded: it has none, and little time.
struct Loading {
    began: Instant,
}

impl Host for Loading {
    fn call(&mut self, _: &commands::OwnedArgs, _: bool, out: &mut Vec<u8>) -> Called {
        out.extend_from_slice(b"-ERR no commands while a library is loaded\r\n");
        Called::Replied
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

/// An error that Lua has told with a message of its own.
fn failed_in_lua(message: &str) -> Ended {
    let message = if message == enter::NO_MEMORY {
        enter::NO_MEMORY_LEFT
    } else {
        message
    };
    failed(format!("ERR {message}").into_bytes())
}

/// An error with its text, in which it says where it was raised.
fn failure_of(text: &[u8], name: &str, raised: Raised) -> Failure {
    let mut text = text.to_vec();
    if let Some((source, line)) = raised.place {
        let place = format!(" script: {name}, on {source}:{line}.");
        text.extend_from_slice(place.as_bytes());
    }
    Failure {
        text,
        is_counted: raised.is_counted,
    }
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
