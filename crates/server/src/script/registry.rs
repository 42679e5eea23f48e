//! The scripts that all threads know, by their SHA-1.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{self, Relaxed};
use std::sync::{Arc, RwLock};

use scripting::{Script, Sha};

const NO_PANIC: &str = "never held across a panic";

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Scripts {
    by_sha: RwLock<HashMap<Sha, Arc<Script>>>,
    /// How often all or some were forgotten: threads forget theirs when this has changed.
    flushes: AtomicU64,
    evicted: AtomicU64,
}

/// Scripts that came with EVAL beyond this number are forgotten, those first that ran least lately:
/// as in Redis from 7.4 on.
const MOST_BY_EVAL: usize = 500;
/// So many at once, since all threads have to look for theirs again.
const EVICTED_AT_ONCE: usize = 50;

impl Scripts {
    /// The script with this name, in lower case.
    pub(crate) fn get(&self, sha: &Sha) -> Option<Arc<Script>> {
        self.by_sha.read().expect(NO_PANIC).get(sha).cloned()
    }

    /// Adds a script; the one that is there already if it has the same name.
    pub(crate) fn add(&self, script: Script) -> Arc<Script> {
        let mut scripts = self.by_sha.write().expect(NO_PANIC);
        let entry = scripts.entry(script.sha);
        let added = Arc::clone(entry.or_insert_with(|| Arc::new(script)));
        if scripts.len() > MOST_BY_EVAL {
            self.evict(&mut scripts);
        }
        added
    }

    fn evict(&self, scripts: &mut HashMap<Sha, Arc<Script>>) {
        let by_eval = scripts
            .values()
            .filter(|script| !script.is_loaded.load(Relaxed));
        let mut old: Vec<(u64, Sha)> = by_eval
            .map(|script| (script.last_use.load(Relaxed), script.sha))
            .collect();
        if old.len() <= MOST_BY_EVAL {
            return;
        }
        old.sort_unstable();
        for (_, sha) in &old[..EVICTED_AT_ONCE] {
            scripts.remove(sha);
        }
        self.evicted.fetch_add(EVICTED_AT_ONCE as u64, Relaxed);
        self.flushes.fetch_add(1, Ordering::Release);
    }

    /// How many were forgotten since there were too many.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted.load(Relaxed)
    }

    /// Forgets all.
    pub(crate) fn flush(&self) {
        self.by_sha.write().expect(NO_PANIC).clear();
        self.flushes.fetch_add(1, Ordering::Release);
    }

    /// How often all or some were forgotten.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn script(number: usize) -> Script {
        Script::parse(format!("return {number}").as_bytes()).expect("a script")
    }

    #[test]
    fn scripts_that_ran_least_lately_are_forgotten_but_for_those_that_were_loaded() {
        let scripts = Scripts::default();
        let loaded = scripts.add(script(0));
        loaded.is_loaded.store(true, Relaxed);
        for number in 1..=MOST_BY_EVAL {
            let added = scripts.add(script(number));
            added.last_use.store(number as u64, Relaxed);
        }
        assert_eq!((scripts.size().0, scripts.evicted()), (MOST_BY_EVAL + 1, 0));
        let before = scripts.flushes();
        let last = scripts.add(script(MOST_BY_EVAL + 1));
        assert_eq!(scripts.evicted(), EVICTED_AT_ONCE as u64);
        assert!(scripts.flushes() > before);
        let is_there = |number: usize| scripts.get(&script(number).sha).is_some();
        assert!(is_there(0) && scripts.get(&last.sha).is_some());
        assert!(!is_there(EVICTED_AT_ONCE) && is_there(EVICTED_AT_ONCE + 1));
    }
}
