//! A thread's part in snapshots.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use store::Txn;

use super::Refused;
use crate::log::warn;
use crate::message::Message;
use crate::shared::Shared;
use crate::thread::Thread;

impl Thread {
    /// Goes on with the snapshot under way. Returns whether there is more to do at once.
    pub(crate) fn save_slice(&self, budget: Duration) -> bool {
        let Some(progress) = self.shared.persistence.progress() else {
            return false;
        };
        let store = &self.shared.store;
        if !store.enter(self.number) {
            return true;
        }
        let goes_on = store.save_slice(self.number, &progress, budget);
        store.leave(self.number);
        goes_on
    }

    /// Begins a snapshot when a save point is reached or one was asked for.
    pub(crate) fn save_if_due(&mut self) {
        if self.is_busy() || !self.shared.is_save_due() {
            return;
        }
        let begun = self.with_everything(|_, shared, txn| shared.begin_save(txn));
        if let Err(Refused::NoThread) = begun {
            warn("can't save: no thread can be started");
        }
    }

    /// Turns the append-only file on or off, or rewrites it, when that is due.
    pub(crate) fn see_to_aof(&mut self) {
        if !self.is_busy() && self.shared.is_aof_due() {
            self.with_everything(|_, shared, txn| shared.do_what_aof_is_due(txn));
        }
    }

    /// Goes on with an append-only file that was loaded, or begins one.
    pub(crate) fn resume_aof(&mut self) -> io::Result<()> {
        self.with_everything(|_, shared, txn| shared.resume_aof(txn))
    }

    /// Saves if there are save points, then ends all threads.
    pub(crate) fn save_and_shut_down(&mut self) {
        let has_points = !self.config.persistence.save.is_empty();
        if has_points && !self.save_now() {
            warn("can't save, so the server goes on; SHUTDOWN NOSAVE ends it anyway");
            return;
        }
        self.shared.post_all(|| Message::Shutdown);
    }

    /// Saves with everybody waiting, once a snapshot that is under way is complete. Returns whether
    /// that went well.
    pub(crate) fn save_now(&mut self) -> bool {
        let saved = self.with_everything(|_, shared, txn| shared.save_for_exit(txn));
        matches!(saved, Ok(true) | Err(Refused::NoName))
    }

    /// Runs `work` with everything locked.
    pub(super) fn with_everything<T>(
        &mut self,
        work: impl for<'s> FnOnce(&mut Self, &'s Arc<Shared>, &mut Txn<'s>) -> T,
    ) -> T {
        let shared = Arc::clone(&self.shared);
        self.enter_gate();
        let mut txn = Txn::new(&shared.store, self.number, 0, self.now_ms());
        while !txn.try_lock_all() {
            // Another thread has closed the gate: it must see this one outside.
            shared.store.leave(self.number);
            std::thread::yield_now();
            self.enter_gate();
        }
        let result = work(self, &shared, &mut txn);
        drop(txn);
        shared.store.leave(self.number);
        result
    }
}
