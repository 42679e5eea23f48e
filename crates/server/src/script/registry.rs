//! The scripts that all threads know, by their SHA-1.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use scripting::{Script, Sha};

const NO_PANIC: &str = "never held across a panic";

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Scripts {
    by_sha: RwLock<HashMap<Sha, Arc<Script>>>,
    /// How often all were forgotten: threads forget theirs when this has changed.
    flushes: AtomicU64,
}

impl Scripts {
    /// The script with this name, in lower case.
    pub(crate) fn get(&self, sha: &Sha) -> Option<Arc<Script>> {
        self.by_sha.read().expect(NO_PANIC).get(sha).cloned()
    }

    /// Adds a script; the one that is there already if it has the same name.
    pub(crate) fn add(&self, script: Script) -> Arc<Script> {
        let mut scripts = self.by_sha.write().expect(NO_PANIC);
        let entry = scripts.entry(script.sha);
        Arc::clone(entry.or_insert_with(|| Arc::new(script)))
    }

    /// Forgets all.
    pub(crate) fn flush(&self) {
        self.by_sha.write().expect(NO_PANIC).clear();
        self.flushes.fetch_add(1, Ordering::Release);
    }

    /// How often all were forgotten.
    #[inline]
    pub(crate) fn flushes(&self) -> u64 {
        self.flushes.load(Ordering::Acquire)
    }

    /// How many there are, and the length of their texts.
    pub(crate) fn size(&self) -> (usize, usize) {
        let scripts = self.by_sha.read().expect(NO_PANIC);
        let bytes = scripts.values().map(|script| script.text.len()).sum();
        (scripts.len(), bytes)
    }
}
