//! What one thread keeps of scripts: its interpreter, made when the first script comes, and the
//! scripts that it has run.

use std::collections::HashMap;
use std::sync::Arc;

use commands::CommandError;
use foldhash::fast::RandomState;
use scripting::{Callee, Interpreter, Library, LibraryError, Script, Sha};

use super::registry::Scripts;
use crate::identity::REDIS_VERSION;
use crate::shared::Shared;

/// See the module.
#[derive(Debug)]
pub(crate) struct ThreadScripts {
    interpreter: Option<Box<Interpreter>>,
    memory_limit: usize,
    by_sha: HashMap<Sha, Arc<Script>, RandomState>,
    /// By the hash of the whole text: spares the SHA-1 of a text that came before.
    by_text: HashMap<u64, Arc<Script>, RandomState>,
    flushes: u64,
    /// What the command that has just taken its locks is going to run.
    pub(super) next: Option<Callee>,
}

pub(super) const NO_SCRIPT: CommandError =
    CommandError::Text("NOSCRIPT No matching script. Please use EVAL.");

impl ThreadScripts {
    /// None yet. They will take so many bytes of memory at most; 0 is any number.
    pub(crate) fn new(memory_limit: u64) -> Self {
        Self {
            interpreter: None,
            memory_limit: usize::try_from(memory_limit).unwrap_or(usize::MAX),
            by_sha: HashMap::default(),
            by_text: HashMap::default(),
            flushes: 0,
            next: None,
        }
    }

    /// The script with this text.
    pub(super) fn by_text(
        &mut self,
        shared: &Shared,
        text: &[u8],
    ) -> Result<Arc<Script>, CommandError> {
        self.keep_up(&shared.scripts);
        let hash = shared.store.hash(text).0;
        if let Some(script) = self.by_text.get(&hash).filter(|known| *known.text == *text) {
            return Ok(Arc::clone(script));
        }
        let script = self.load(shared, text)?;
        self.by_text.insert(hash, Arc::clone(&script));
        Ok(script)
    }

    /// The script with this name, in any case.
    pub(super) fn by_sha(
        &mut self,
        shared: &Shared,
        name: &[u8],
    ) -> Result<Arc<Script>, CommandError> {
        self.keep_up(&shared.scripts);
        let mut sha: Sha = name.try_into().map_err(|_| NO_SCRIPT)?;
        sha.make_ascii_lowercase();
        if let Some(script) = self.by_sha.get(&sha) {
            return Ok(Arc::clone(script));
        }
        let script = shared.scripts.get(&sha).ok_or(NO_SCRIPT)?;
        self.by_sha.insert(sha, Arc::clone(&script));
        Ok(script)
    }

    /// Makes a script of a text, for all threads, if it compiles.
    pub(super) fn load(
        &mut self,
        shared: &Shared,
        text: &[u8],
    ) -> Result<Arc<Script>, CommandError> {
        self.keep_up(&shared.scripts);
        let script = Script::parse(text);
        let script = script.map_err(|error| CommandError::Made(format!("ERR {error}")))?;
        let interpreter = self.interpreter()?;
        interpreter.compile(&script).map_err(CommandError::Made)?;
        Ok(shared.scripts.add(script))
    }

    /// Loads a library, if its name may be given to one.
    pub(super) fn load_library(
        &mut self,
        code: &[u8],
        may_have: impl FnOnce(&str) -> Result<(), CommandError>,
    ) -> Result<Arc<Library>, CommandError> {
        let refused = |error: LibraryError| CommandError::Made(format!("ERR {error}"));
        may_have(&Library::name_in(code).map_err(refused)?)?;
        self.interpreter()?.load_library(code).map_err(refused)
    }

    /// The interpreter, made if there is none.
    fn interpreter(&mut self) -> Result<&mut Box<Interpreter>, CommandError> {
        if self.interpreter.is_none() {
            let made = Interpreter::new(version(), self.memory_limit);
            let made = made.map_err(|error| CommandError::Made(format!("ERR {error}")))?;
            self.interpreter = Some(Box::new(made));
        }
        Ok(self.interpreter.as_mut().expect("just made"))
    }

    /// Bytes of memory that the interpreter uses.
    pub(crate) fn used_memory(&self) -> usize {
        self.interpreter
            .as_ref()
            .map_or(0, |made| made.used_memory())
    }

    /// Takes the interpreter out for a run; [`ThreadScripts::put_back`] follows.
    pub(super) fn take(&mut self) -> Result<Box<Interpreter>, CommandError> {
        self.interpreter()?;
        Ok(self.interpreter.take().expect("just made"))
    }

    /// Ends a run.
    pub(super) fn put_back(&mut self, interpreter: Box<Interpreter>) {
        self.interpreter = Some(interpreter);
    }

    /// Forgets what all have forgotten.
    fn keep_up(&mut self, scripts: &Scripts) {
        let flushes = scripts.flushes();
        if flushes != self.flushes {
            self.flushes = flushes;
            self.by_sha.clear();
            self.by_text.clear();
            if let Some(interpreter) = &mut self.interpreter {
                interpreter.flush();
            }
        }
    }
}

fn version() -> (u8, u8, u8) {
    let mut parts = REDIS_VERSION
        .split('.')
        .map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}
