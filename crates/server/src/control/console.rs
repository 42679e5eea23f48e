//! The console: a page, and the state of the server that it asks for every second.

use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::census::{Census, Top, shown};
use super::hot::Hot;
use super::is_ready;
use super::metrics::{sum, sum_of_keys};
use crate::clients::ClientInfo;
use crate::identity::DARNER_VERSION;
use crate::memory;
use crate::persistence::Purpose;
use crate::pubsub::Kind;
use crate::rates::Rate;
use crate::shared::Shared;
use crate::stats::CommandTotals;

/// The page: one file that needs no other.
pub(super) const PAGE: &str = include_str!("console.html");

const CLIENTS: usize = 50;
const COMMANDS: usize = 10;
const SLOW: usize = 20;

/// What the page shows.
pub(super) fn state(shared: &Shared, census: &Census, hot: &Hot) -> Value {
    let rates = |rate| shared.admin.rates().per_second(rate);
    json!({
        "version": DARNER_VERSION,
        "backend": shared.backend,
        "threads": shared.threads(),
        "uptime_s": shared.started.elapsed().as_secs(),
        "is_ready": is_ready(shared),
        "per_second": {
            "commands": rates(Rate::Commands),
            "input_bytes": rates(Rate::Input),
            "output_bytes": rates(Rate::Output),
        },
        "commands": sum(shared, |stats| &stats.commands),
        "hits": sum_of_keys(shared, |stats| &stats.hits),
        "misses": sum_of_keys(shared, |stats| &stats.misses),
        "expired": sum_of_keys(shared, |stats| &stats.expired),
        "errors": sum(shared, |stats| &stats.error_replies),
        "memory": {
            "used": memory::used(),
            "peak": memory::peak(),
            "resident": memory::resident(),
            "limit": shared.config().memory.maxmemory,
        },
        "databases": databases(census),
        "types": types(census),
        "largest": keys(&census.largest),
        "longest": keys(&census.longest),
        "latest": keys(&census.latest),
        "hottest": hottest(hot),
        "clients": clients(shared),
        "queues": queues(shared),
        "persistence": persistence(shared),
        "by_command": commands(shared),
        "slow": slow(shared),
    })
}

fn databases(census: &Census) -> Value {
    let used = census.dbs.iter().enumerate().filter(|(_, db)| db.keys > 0);
    let shown =
        used.map(|(number, db)| json!({ "db": number, "keys": db.keys, "expiring": db.expiring }));
    shown.collect()
}

fn types(census: &Census) -> Value {
    let shown = census.types.iter().map(|(name, used)| {
        json!({ "type": name, "keys": used.keys.round(), "bytes": used.bytes.round() })
    });
    shown.collect()
}

fn keys(top: &Top) -> Value {
    let shown = top.iter().map(|key| {
        json!({
            "db": key.db,
            "key": key.shown(),
            "type": key.type_name,
            "bytes": key.bytes,
            "elements": key.elements,
            "idle_s": key.idle_s,
        })
    });
    shown.collect()
}

fn hottest(hot: &Hot) -> Value {
    let all = hot.shown().into_iter();
    let all = all.map(|(db, key, share)| json!({ "db": db, "key": shown(key), "share": share }));
    all.collect()
}

/// Those with the most commands.
fn clients(shared: &Shared) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now_ms = now.unwrap_or_default().as_millis() as u64;
    let mut all = shared.clients.all();
    let count = all.len();
    all.sort_by_key(|client| std::cmp::Reverse(client.commands.get()));
    let shown = all
        .iter()
        .take(CLIENTS)
        .map(|it| client(shared, it, now_ms));
    let shown: Vec<Value> = shown.collect();
    let blocked = &shared.shared_stats.blocked_clients;
    json!({
        "count": count,
        "blocked": blocked.load(Ordering::Relaxed),
        "shown": shown,
    })
}

fn client(shared: &Shared, client: &ClientInfo, now_ms: u64) -> Value {
    let last = client.last_command.load(Ordering::Relaxed) as usize;
    let last = last.checked_sub(1).map(|id| shared.table.name_of(id));
    let text = client.text().clone();
    json!({
        "id": client.id,
        "addr": client.socket.addr,
        "name": text.name,
        "library": text.lib_name,
        "db": client.db.load(Ordering::Relaxed),
        "age_s": client.age(now_ms),
        "idle_s": client.idle(now_ms),
        "flags": client.flag_letters(),
        "commands": client.commands.get(),
        "last": last,
        "output_bytes": client.output_bytes.load(Ordering::Relaxed),
    })
}

fn queues(shared: &Shared) -> Value {
    let all = shared.clients.all();
    let input = all.iter().map(|it| it.query_bytes.load(Ordering::Relaxed));
    let output = all.iter().map(|it| it.output_bytes.load(Ordering::Relaxed));
    let reaper = shared.store.reaper().stats();
    json!({
        "input_bytes": input.sum::<u64>(),
        "output_bytes": output.sum::<u64>(),
        "channels": shared.pubsub.len(Kind::Channel),
        "patterns": shared.pubsub.len(Kind::Pattern),
        "aof_bytes": shared.persistence.aof.feed().waiting_bytes(),
        "to_be_freed": reaper.pending.load(Ordering::Relaxed),
    })
}

fn persistence(shared: &Shared) -> Value {
    let state = shared.persistence.state();
    json!({
        "last_save_s": state.last_save_s,
        "saves": state.saves,
        "is_ok": state.is_ok,
        "is_saving": state.current_of(Purpose::Snapshot).is_some(),
        "unsaved_changes": shared.unsaved_changes(),
        "has_aof": shared.persistence.aof.is_on(),
    })
}

/// Those that took the most time.
fn commands(shared: &Shared) -> Value {
    let all = shared.table.all();
    let all = all.map(|entry| (&entry.full_name, CommandTotals::of(shared, entry.id)));
    let mut used: Vec<_> = all.filter(|(_, total)| total.calls > 0).collect();
    used.sort_by_key(|(_, total)| std::cmp::Reverse(total.ns));
    let shown = used.iter().take(COMMANDS).map(|(name, total)| {
        json!({
            "command": name,
            "calls": total.calls,
            "us": total.ns / 1000,
            "p99_us": total.percentile_us(99.0),
        })
    });
    shown.collect()
}

fn slow(shared: &Shared) -> Value {
    let log = shared.admin.slowlog();
    let shown = log.latest(SLOW).map(|slow| {
        let args = slow.args.iter().map(|arg| String::from_utf8_lossy(arg));
        let command = args.collect::<Vec<_>>().join(" ");
        json!({
            "at_s": slow.unix_seconds,
            "us": slow.us,
            "command": command,
            "addr": slow.addr,
        })
    });
    shown.collect()
}
