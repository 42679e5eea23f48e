"""Turns the samples into one table, a JSON file and an SVG plot."""

import json
import statistics

COLUMNS = ["workload", "server", "ops/s", "CPU µs", "min", "x redis", "x null",
           "p50 ms", "p99 ms", "p99.9 ms", "batch"]
WIDTHS = [18, 10, 10, 8, 8, 8, 8, 8, 8, 9, 7]
COLORS = {"null": "#9aa0a6", "darner": "#1a73e8", "darner-t1": "#8ab4f8", "darner-t2": "#1a73e8",
          "redis": "#d93025", "valkey": "#8e5bd0"}


def summarize(samples):
    """Medians over the rounds of {workload: {server: [Sample]}}, with ratios taken pairwise."""
    rows = []
    for workload, by_server in samples.items():
        for server, runs in by_server.items():
            if not runs:
                continue
            cpu = [run.cpu_us for run in runs]
            rows.append({
                "workload": workload,
                "server": server,
                "ops": statistics.median(run.ops for run in runs),
                "cpu_us": statistics.median(cpu),
                "cpu_us_min": min(cpu),
                "cpu_us_all": cpu,
                "x_redis": _ratio(cpu, by_server.get("redis")),
                "x_null": _ratio(cpu, by_server.get("null")),
                "p50": statistics.median(run.p50 for run in runs),
                "p99": statistics.median(run.p99 for run in runs),
                "p999": statistics.median(run.p999 for run in runs),
                "batch": statistics.median(run.batch for run in runs),
            })
    return rows


def _ratio(cpu, base):
    """The median of the rounds' own ratios: what disturbs a round disturbs both of the pair."""
    if not base:
        return None
    pairs = [mine / theirs.cpu_us for mine, theirs in zip(cpu, base) if theirs.cpu_us > 0]
    return statistics.median(pairs) if pairs else None


def print_table(rows, memory, empty):
    """The one table: workloads, then bytes per key, then the empty server."""
    if rows:
        _line(COLUMNS)
    last = None
    for row in rows:
        name = row["workload"] if row["workload"] != last else ""
        last = row["workload"]
        _line([name, row["server"], f"{row['ops']:,.0f}", f"{row['cpu_us']:.3f}",
               f"{row['cpu_us_min']:.3f}", _times(row["x_redis"]), _times(row["x_null"]),
               f"{row['p50']:.3f}", f"{row['p99']:.3f}", f"{row['p999']:.3f}",
               f"{row['batch']:.1f}"])
    _print_side_by_side("bytes per key or element", memory, "{:.1f}")
    _print_side_by_side("empty server", empty, "{:.2f}")


def _print_side_by_side(title, values, form):
    """Rows of {row: {server: value}} with one column a server, and the ratio to Redis."""
    if not values:
        return
    names = list(dict.fromkeys(name for by_server in values.values() for name in by_server))
    print()
    print(f"{title:26}" + "".join(f"{name:>20}" for name in names))
    for row, by_server in values.items():
        base = by_server.get("redis")
        cells = []
        for name in names:
            value = by_server.get(name)
            if value is None:
                cells.append("-")
                continue
            ratio = f" ({value / base:.2f}x)" if base and name != "redis" else ""
            cells.append(form.format(value) + ratio)
        print(f"{row:26}" + "".join(f"{cell:>20}" for cell in cells))


def _times(ratio):
    return "-" if ratio is None else f"{ratio:.2f}"


def _line(cells):
    left = [f"{cell:<{width}}" for cell, width in zip(cells[:2], WIDTHS)]
    right = [f"{cell:>{width}}" for cell, width in zip(cells[2:], WIDTHS[2:])]
    print("".join(left + right), flush=True)


def write_json(path, header, rows, memory, empty):
    """Everything that was measured, for machines."""
    with open(path, "w", encoding="utf-8") as out:
        json.dump({"header": header, "workloads": rows, "bytes_per_key": memory,
                   "empty_server": empty}, out, indent=1, ensure_ascii=False)
        out.write("\n")


def write_svg(path, rows, memory):
    """Two panels of grouped bars: server CPU per command, and bytes per key."""
    panels = []
    cpu = {}
    for row in rows:
        cpu.setdefault(row["workload"], {})[row["server"]] = row["cpu_us"]
    for title, groups in (("server CPU per command, pipelined (µs)", _pick(cpu, dear=False)),
                          ("server CPU per command: not pipelined, and MSET of 10 keys (µs)",
                           _pick(cpu, dear=True)),
                          ("memory per key (bytes)", memory)):
        if groups:
            panels.append((title, groups))
    height = 290
    width = 980
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
             f'height="{height * len(panels)}" font-family="sans-serif" font-size="12">',
             '<rect width="100%" height="100%" fill="white"/>']
    for index, (title, groups) in enumerate(panels):
        parts += _panel(title, groups, top=index * height, width=width, height=height)
    parts.append("</svg>\n")
    with open(path, "w", encoding="utf-8") as out:
        out.write("\n".join(parts))


def _pick(cpu, dear):
    """The workloads of about ten microseconds, or those of about one, for a scale of their own."""
    return {name: bars for name, bars in cpu.items()
            if (name.endswith(" P1") or name.startswith("MSET")) == dear}


def _panel(title, groups, top, width, height):
    left, bottom, right = 50, top + height - 40, width - 20
    plot_height = height - 100
    largest = max(value for bars in groups.values() for value in bars.values() if value) * 1.1
    servers = list(dict.fromkeys(name for bars in groups.values() for name in bars))
    parts = [f'<text x="{left}" y="{top + 24}" font-size="15" font-weight="bold">{title}</text>']
    for index, name in enumerate(servers):
        x = left + index * 110
        parts.append(f'<rect x="{x}" y="{top + 36}" width="10" height="10" '
                     f'fill="{COLORS.get(name, "#444")}"/>')
        parts.append(f'<text x="{x + 15}" y="{top + 45}">{name}</text>')
    parts.append(f'<line x1="{left}" y1="{bottom}" x2="{right}" y2="{bottom}" stroke="#444"/>')
    group_width = (right - left) / len(groups)
    bar_width = min(group_width * 0.85 / max(len(servers), 1), 46)
    for group_index, (group, bars) in enumerate(groups.items()):
        start = left + group_index * group_width + group_width * 0.06
        middle = start + bar_width * len(servers) / 2
        parts.append(f'<text x="{middle:.0f}" y="{bottom + 18}" '
                     f'text-anchor="middle">{group}</text>')
        for index, name in enumerate(servers):
            if not bars.get(name):
                continue
            tall = bars[name] / largest * plot_height
            x = start + index * bar_width
            parts.append(f'<rect x="{x:.1f}" y="{bottom - tall:.1f}" width="{bar_width - 2:.1f}" '
                         f'height="{tall:.1f}" fill="{COLORS.get(name, "#444")}"/>')
            label = f"{bars[name]:.2f}" if bars[name] < 20 else f"{bars[name]:.0f}"
            parts.append(f'<text x="{x + bar_width / 2:.1f}" y="{bottom - tall - 4:.1f}" '
                         f'font-size="9" text-anchor="middle">{label}</text>')
    return parts
