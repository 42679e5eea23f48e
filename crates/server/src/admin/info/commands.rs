//! The sections with a line for each command, or each kind of error.

use std::collections::BTreeMap;

use super::Text;
use crate::session::Call;
use crate::stats::CommandTotals;

pub(super) fn command_stats(call: &Call<'_, '_>, text: &mut Text) {
    let shared = call.shared;
    for entry in shared.table.all() {
        let total = CommandTotals::of(shared, entry.id);
        if total.calls == 0 && total.rejected == 0 && total.failed == 0 {
            continue;
        }
        let usec = total.ns / 1000;
        let per_call = total.ns as f64 / 1000.0 / total.calls.max(1) as f64;
        text.field(
            &format!("cmdstat_{}", entry.full_name),
            format_args!(
                "calls={},usec={usec},usec_per_call={per_call:.2},rejected_calls={},\
                 failed_calls={}",
                total.calls, total.rejected, total.failed
            ),
        );
    }
}

pub(super) fn error_stats(call: &Call<'_, '_>, text: &mut Text) {
    let mut all: BTreeMap<String, u64> = BTreeMap::new();
    for stats in &call.shared.stats {
        stats.errors.add_to(&mut all);
    }
    for (code, count) in all {
        text.field(&format!("errorstat_{code}"), format_args!("count={count}"));
    }
}

pub(super) fn latency_stats(call: &Call<'_, '_>, text: &mut Text) {
    let shared = call.shared;
    let monitoring = &call.thread.config.monitoring;
    if !monitoring.latency_tracking {
        return;
    }
    for entry in shared.table.all() {
        let total = CommandTotals::of(shared, entry.id);
        if total.calls == 0 {
            continue;
        }
        let percentiles = &monitoring.latency_tracking_info_percentiles;
        let shown: Vec<String> = percentiles
            .iter()
            .map(|&percentile| {
                let name = protocol::number::format_double_shortest(percentile);
                format!("p{name}={:.3}", total.percentile_us(percentile))
            })
            .collect();
        text.field(
            &format!("latency_percentiles_usec_{}", entry.full_name),
            shown.join(","),
        );
    }
}
