//! Loading files in the place of what there is, with everybody waiting: for DEBUG LOADAOF and DEBUG
//! RELOAD NOSAVE.

use commands::load;
use store::Txn;

use super::{Files, Loading};
use crate::log::fail;
use crate::shared::Shared;
use crate::thread::Thread;

impl Shared {
    /// Completes what is being written. Everything is locked.
    pub(crate) fn settle_persistence(&self, txn: &mut Txn<'_>) {
        txn.hand_over_effects();
        txn.finish_snapshot();
        self.persistence.wait();
        self.settle_aof();
    }
}

impl Thread {
    /// Loads files, if `flushes` in the place of what there is, and logs nothing of it. Half of the
    /// data is worse than none, so files that can't be loaded end the server, as in Redis.
    /// Everything is locked.
    pub(crate) fn load_instead<'s>(
        &mut self,
        shared: &'s Shared,
        txn: &mut Txn<'s>,
        files: Files,
        flushes: bool,
    ) {
        let may_wait = txn.may_wait;
        let loaded = shared.without_log(|| {
            if flushes {
                for db in 0..shared.store.dbnum() {
                    txn.in_db(db, |txn| txn.flush(true));
                }
                shared.libraries.clear();
            }
            let loaded = Loading::open(files, load::rules(txn));
            let loaded = loaded.and_then(|mut loading| loading.all(self, shared, txn));
            txn.commit(std::iter::empty());
            loaded
        });
        txn.may_wait = may_wait;
        if let Err(error) = loaded {
            fail(&error.to_string());
            std::process::exit(1);
        }
    }
}
