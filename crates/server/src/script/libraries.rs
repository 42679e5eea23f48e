//! The libraries of functions that all threads know.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use commands::CommandError;
use scripting::{Callee, Library};

const NO_PANIC: &str = "never held across a panic";

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Libraries(RwLock<BTreeMap<String, Arc<Library>>>);

impl Libraries {
    /// The function with this name.
    pub(super) fn find(&self, name: &[u8]) -> Option<Callee> {
        let libraries = self.0.read().expect(NO_PANIC);
        libraries.values().find_map(|library| {
            let mut functions = library.functions.iter();
            let at = functions
                .position(|function| function.name.as_bytes().eq_ignore_ascii_case(name))?;
            Some(Callee::Function(Arc::clone(library), at))
        })
    }

    /// Whether there is a library with this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.read().expect(NO_PANIC).contains_key(name)
    }

    /// Adds a library, in the place of the one with its name if that may be replaced. No other may
    /// have a function with the name of one of its own.
    pub(super) fn add(&self, library: Arc<Library>, replace: bool) -> Result<(), CommandError> {
        let mut libraries = self.0.write().expect(NO_PANIC);
        if libraries.contains_key(&library.name) && !replace {
            return Err(exists(&library.name));
        }
        check_functions(&library, &libraries)?;
        libraries.insert(library.name.clone(), library);
        Ok(())
    }

    /// Takes over all libraries of another register, or none: in the place of all there are, in the
    /// place of those with their names, or beside all others.
    pub(super) fn merge(&self, others: Self, policy: Merge) -> Result<(), CommandError> {
        let others = others.0.into_inner().expect(NO_PANIC);
        let mut libraries = self.0.write().expect(NO_PANIC);
        let mut merged = match policy {
            Merge::Flush => BTreeMap::new(),
            Merge::Append | Merge::Replace => libraries.clone(),
        };
        for name in others.keys() {
            if merged.remove(name).is_some() && policy == Merge::Append {
                let text = format!("ERR Library {name} already exists");
                return Err(CommandError::Made(text));
            }
        }
        for library in others.values() {
            check_functions(library, &merged)?;
        }
        merged.extend(others);
        *libraries = merged;
        Ok(())
    }

    /// Removes a library; whether it was there.
    pub(super) fn remove(&self, name: &[u8]) -> bool {
        let name = String::from_utf8_lossy(name);
        let mut libraries = self.0.write().expect(NO_PANIC);
        libraries.remove(&*name).is_some()
    }

    /// Removes all.
    pub(crate) fn clear(&self) {
        self.0.write().expect(NO_PANIC).clear();
    }

    /// All, by name.
    pub(crate) fn all(&self) -> Vec<Arc<Library>> {
        self.0.read().expect(NO_PANIC).values().cloned().collect()
    }

    /// The length of all texts.
    pub(crate) fn bytes(&self) -> usize {
        let libraries = self.0.read().expect(NO_PANIC);
        libraries.values().map(|library| library.code.len()).sum()
    }

    /// How many libraries and functions there are.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let libraries = self.0.read().expect(NO_PANIC);
        let functions = libraries.values().map(|library| library.functions.len());
        (libraries.len(), functions.sum())
    }
}

/// What happens to the libraries that are there when others are restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Merge {
    /// They go.
    Flush,
    /// They stay, and none may have the name of one that comes.
    Append,
    /// They stay, unless one comes with their name.
    Replace,
}

/// Refuses a library with a function whose name a function of another library has.
fn check_functions(
    library: &Library,
    libraries: &BTreeMap<String, Arc<Library>>,
) -> Result<(), CommandError> {
    let others = libraries
        .values()
        .filter(|other| other.name != library.name);
    for other in others {
        let is_taken = |name: &str| other.functions.iter().any(|f| f.name == name);
        if let Some(taken) = library.functions.iter().find(|f| is_taken(&f.name)) {
            let text = format!("ERR Function {} already exists", taken.name);
            return Err(CommandError::Made(text));
        }
    }
    Ok(())
}

/// The answer to a second library of the same name.
pub(super) fn exists(name: &str) -> CommandError {
    CommandError::Made(format!("ERR Library '{name}' already exists"))
}
