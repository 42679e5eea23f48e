//! INFO persistence.

use std::sync::atomic::Ordering;

use super::Text;
use crate::persistence::{Current, LoadingProgress, Purpose, State};
use crate::session::Call;

const NONE: i64 = -1;

pub(super) fn persistence(call: &Call<'_, '_>, text: &mut Text) {
    let state = call.shared.persistence.state();
    let loading = state.loading.as_deref();
    let is_loading = loading.is_some_and(|it| !it.has_ended.load(Ordering::Relaxed));
    text.field("loading", u8::from(is_loading));
    text.zeros(&["async_loading", "current_cow_peak", "current_cow_size"]);
    text.zeros(&["current_cow_size_age"]);
    text.field("current_fork_perc", "0.00");
    let snapshot = state.current_of(Purpose::Snapshot);
    let progress = state.current.as_ref().map(|current| {
        let saved = current.progress.keys.load(Ordering::Relaxed);
        (saved, current.keys)
    });
    let (saved, total) = progress.unwrap_or_default();
    text.fields(&[
        ("current_save_keys_processed", &saved),
        ("current_save_keys_total", &total),
        (
            "rdb_changes_since_last_save",
            &call.shared.unsaved_changes(),
        ),
    ]);
    snapshots(&state, snapshot, text);
    let loaded = loading.map_or((0, 0), |it| {
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        (count(&it.expired), count(&it.keys))
    });
    text.fields(&[
        ("rdb_last_load_keys_expired", &loaded.0),
        ("rdb_last_load_keys_loaded", &loaded.1),
    ]);
    append_only_file(call, &state, text);
    if let (Some(loading), true) = (loading, is_loading) {
        progress_of(loading, text);
    }
}

fn snapshots(state: &State, current: Option<&Current>, text: &mut Text) {
    let is_under_way = u8::from(current.is_some());
    let current = current.map(|it| it.began.elapsed().as_secs());
    text.fields(&[
        ("rdb_bgsave_in_progress", &is_under_way),
        ("rdb_last_save_time", &state.last_save_s),
        ("rdb_last_bgsave_status", &status(state.is_ok)),
        ("rdb_last_bgsave_time_sec", &took(state.last_took_s)),
        ("rdb_current_bgsave_time_sec", &took(current)),
        ("rdb_saves", &state.saves),
        ("rdb_last_cow_size", &0),
    ]);
}

fn append_only_file(call: &Call<'_, '_>, state: &State, text: &mut Text) {
    let aof = &call.shared.persistence.aof;
    let (about, error) = (aof.state(), aof.feed().error());
    let is_wanted = call.thread.config.persistence.appendonly;
    let rewrite = state.current_of(Purpose::Base);
    // One that was just asked for begins with the next tick.
    let is_beginning = is_wanted && !aof.is_on();
    let is_scheduled = about.is_scheduled && rewrite.is_none();
    text.fields(&[
        ("aof_enabled", &u8::from(aof.is_on())),
        (
            "aof_rewrite_in_progress",
            &u8::from(rewrite.is_some() || is_beginning),
        ),
        ("aof_rewrite_scheduled", &u8::from(is_scheduled)),
        ("aof_last_rewrite_time_sec", &took(about.last_took_s)),
        (
            "aof_current_rewrite_time_sec",
            &took(rewrite.map(|it| it.began.elapsed().as_secs())),
        ),
        ("aof_last_bgrewrite_status", &status(about.is_ok())),
        ("aof_rewrites", &about.rewrites),
        (
            "aof_rewrites_consecutive_failures",
            &about.failures_in_a_row,
        ),
        ("aof_last_write_status", &status(error.is_none())),
    ]);
    text.zeros(&["aof_last_cow_size", "module_fork_in_progress"]);
    text.zeros(&["module_fork_last_cow_size"]);
    if aof.is_on() {
        text.fields(&[
            ("aof_current_size", &aof.size()),
            ("aof_base_size", &about.base_size),
            ("aof_pending_rewrite", &0),
            ("aof_buffer_length", &aof.feed().waiting_bytes()),
            ("aof_pending_bio_fsync", &u8::from(!aof.feed().lasts())),
            ("aof_delayed_fsync", &0),
        ]);
    }
}

fn took(seconds: Option<u64>) -> i64 {
    seconds.map_or(NONE, |seconds| seconds as i64)
}

fn progress_of(loading: &LoadingProgress, text: &mut Text) {
    let (bytes, total) = (loading.bytes.load(Ordering::Relaxed), loading.total_bytes);
    let share = bytes as f64 / total.max(1) as f64;
    let elapsed = loading.began.elapsed().as_secs_f64();
    let left_s = if share > 0.0 {
        elapsed / share - elapsed
    } else {
        1.0
    };
    text.fields(&[
        ("loading_start_time", &loading.began_s),
        ("loading_total_bytes", &total),
        ("loading_rdb_used_mem", &0),
        ("loading_loaded_bytes", &bytes),
        ("loading_loaded_perc", &format!("{:.2}", share * 100.0)),
        ("loading_eta_seconds", &(left_s.ceil() as u64)),
    ]);
}

fn status(is_ok: bool) -> &'static str {
    if is_ok { "ok" } else { "err" }
}
