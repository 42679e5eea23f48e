//! Recording what concurrent clients did, and in which order the calls and returns came.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// One operation of a client, from its call to its return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation<I, O> {
    /// Which client it was, for the reader of a failure.
    pub client: usize,
    /// What was asked.
    pub input: I,
    /// What came back; `None` when nothing did, so that it may or may not have happened.
    pub output: Option<O>,
    /// The moment just before it was sent.
    pub called: u64,
    /// The moment just after its reply; `u64::MAX` without one.
    pub returned: u64,
}

/// Collects the operations of all clients under one logical clock, in which no two moments are
/// the same.
#[derive(Debug)]
pub struct Recorder<I, O> {
    clock: AtomicU64,
    operations: Mutex<Vec<Operation<I, O>>>,
}

impl<I, O> Default for Recorder<I, O> {
    fn default() -> Self {
        Self {
            clock: AtomicU64::new(0),
            operations: Mutex::new(Vec::new()),
        }
    }
}

impl<I, O> Recorder<I, O> {
    /// Runs one operation and records it; `run` returns `None` when no reply came.
    pub fn record(&self, client: usize, input: I, run: impl FnOnce(&I) -> Option<O>)
    where
        O: Clone,
    {
        self.record_since(self.now(), client, input, run);
    }

    /// The same for an operation that began earlier than `run`.
    pub fn record_since(
        &self,
        called: u64,
        client: usize,
        input: I,
        run: impl FnOnce(&I) -> Option<O>,
    ) {
        let output = run(&input);
        let returned = if output.is_some() {
            self.now()
        } else {
            u64::MAX
        };
        let operation = Operation {
            client,
            input,
            output,
            called,
            returned,
        };
        self.operations
            .lock()
            .expect("no client panics while it records")
            .push(operation);
    }

    /// The next moment of the clock.
    pub fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    /// Everything that was recorded.
    pub fn into_operations(self) -> Vec<Operation<I, O>> {
        self.operations
            .into_inner()
            .expect("no client panics while it records")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_ordered() {
        let recorder = Recorder::default();
        recorder.record(0, "a", |_| Some(1));
        recorder.record(1, "b", |_| None);
        let operations = recorder.into_operations();
        assert!(operations[0].called < operations[0].returned);
        assert!(operations[0].returned < operations[1].called);
        assert_eq!(operations[1].returned, u64::MAX);
    }
}
