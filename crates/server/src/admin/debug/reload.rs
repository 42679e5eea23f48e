//! DEBUG RELOAD: everything goes through the format of snapshots and back, in memory and one shard
//! after the other. With NOSAVE, and with DEBUG LOADAOF, files are loaded instead.

use std::sync::Arc;

use commands::{CommandError, load};
use protocol::Reply;
use rdb::file::{Item, KeyRef, Options, Reader, Writer};
use store::Txn;

use crate::script::reload_libraries;
use crate::session::Call;

const OPTIONS: Options = Options {
    compress: true,
    checksum: true,
    has_member_expiries: true,
};

/// DEBUG RELOAD [MERGE] [NOFLUSH] [NOSAVE]
pub(super) fn reload(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<(), CommandError> {
    let has = |word| (2..call.args.len()).any(|at| call.args.is(at, word));
    let known = ["nosave", "merge", "noflush"];
    let is_known = |at| known.iter().any(|word| call.args.is(at, word));
    if !(2..call.args.len()).all(is_known) {
        return Err(CommandError::Text(
            "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
        ));
    }
    if has("noflush") && !has("merge") {
        // What is there would come a second time.
        return Err(CommandError::Text(
            "ERR Error trying to load the RDB dump, check server logs.",
        ));
    }
    if has("nosave") {
        return load_snapshot(call, has("noflush"), reply);
    }
    reload_libraries(call)?;
    let store = &call.shared.store;
    for db in 0..store.dbnum() {
        for shard in 0..store.shard_count() {
            call.txn.in_db(db, |txn| {
                txn.in_shard(shard, |txn| reload_shard(txn, shard))
            })?;
        }
    }
    reply.ok();
    Ok(())
}

/// DEBUG LOADAOF
pub(super) fn load_aof(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<(), CommandError> {
    refuse_in_transaction(call)?;
    let shared = Arc::clone(&call.thread.shared);
    shared.settle_persistence(call.txn);
    let files = shared.aof_to_load().map_err(|error| failed(&error))?;
    let files = files.ok_or(CommandError::Text(
        "ERR there is no append-only file to load",
    ))?;
    call.thread.load_instead(call.shared, call.txn, files, true);
    reply.ok();
    Ok(())
}

/// DEBUG RELOAD NOSAVE
fn load_snapshot(
    call: &mut Call<'_, '_>,
    keeps_others: bool,
    reply: &mut Reply<'_>,
) -> Result<(), CommandError> {
    refuse_in_transaction(call)?;
    let shared = Arc::clone(&call.thread.shared);
    if shared.persistence.aof.is_on() {
        return Err(CommandError::Text(
            "ERR a snapshot doesn't go with the append-only file, which is on",
        ));
    }
    shared.settle_persistence(call.txn);
    let files = shared.snapshot_to_load().map_err(|error| failed(&error))?;
    let files = files.ok_or(CommandError::Text(
        "ERR Error trying to load the RDB dump, check server logs.",
    ))?;
    call.thread
        .load_instead(call.shared, call.txn, files, !keeps_others);
    reply.ok();
    Ok(())
}

/// What the commands before have done is not in the log yet.
fn refuse_in_transaction(call: &Call<'_, '_>) -> Result<(), CommandError> {
    if call.conn.session.in_exec || call.txn.in_script {
        return Err(CommandError::Text(
            "ERR files aren't loaded inside a transaction or a script",
        ));
    }
    Ok(())
}

/// Replaces the values of the selected database in a shard, which is locked.
fn reload_shard(txn: &mut Txn<'_>, shard: usize) -> Result<(), CommandError> {
    let file = write(txn, shard).map_err(|error| failed(&error))?;
    read(txn, &file).map_err(|error| failed(&error))
}

fn failed(error: &dyn std::error::Error) -> CommandError {
    CommandError::Made(format!("ERR Error trying to load the RDB dump: {error}"))
}

fn write(txn: &mut Txn<'_>, shard: usize) -> std::io::Result<Vec<u8>> {
    let mut file = Writer::begin(Vec::new(), OPTIONS)?;
    let mut written = Ok(());
    let mut position = Some(0);
    while let Some(at) = position {
        position = txn.scan(shard, at, |dict, record| {
            let key = KeyRef {
                name: record.key(),
                value: dict.value_of(record),
                expiry: record.expiry(),
                idle_seconds: None,
            };
            if written.is_ok() {
                written = file.key(key);
            }
        });
    }
    written?;
    file.finish()
}

fn read(txn: &mut Txn<'_>, file: &[u8]) -> Result<(), rdb::Error> {
    let mut reader = Reader::open(file, load::rules(txn))?;
    while let Some(item) = reader.next()? {
        if let Item::Key(key) = item {
            let found = txn.peek(&key.name);
            load::put(txn, &key.name, found, key.value, key.expiry);
        }
    }
    Ok(())
}
