"""The load: redis-benchmark for the timed runs, and a loader of our own that fills the keyspace."""

import base64
import os
import random
import re
import socket
import subprocess

import peers

CONNECTIONS = 50
KEYS = 1_000_000
VALUE_BYTES = 16
COMMANDS_PER_WRITE = 1000
TTL_S = 864_000
RUN_LIMIT_S = 300


class Workload:
    """One row of the table: a command at a pipeline depth, and how many requests a run takes.

    `words` is the command itself where it isn't one of redis-benchmark's own tests.
    """

    def __init__(self, command, depth, requests, keys=KEYS, words=None):
        self.command = command
        self.depth = depth
        self.requests = requests
        self.keys = keys
        self.words = words

    @property
    def name(self):
        """How the table calls it."""
        one_key = "" if self.keys else " one key"
        return f"{self.command}{one_key} P{self.depth}"

    def arguments(self, port, scale):
        """redis-benchmark's command line."""
        words = ["redis-benchmark", "-h", "127.0.0.1", "-p", str(port), "-c", str(CONNECTIONS),
                 "-n", str(int(self.requests * scale)), "-P", str(self.depth),
                 "-d", str(VALUE_BYTES)]
        words += ["-r", str(self.keys)] if self.keys else []
        return words + (self.words or ["-t", self.command.lower()])


WORKLOADS = [Workload(command, depth, requests)
             for depth, requests in ((1, 200_000), (16, 1_500_000), (64, 3_000_000))
             for command in ("SET", "GET", "INCR")]
WORKLOADS.append(Workload("MSET", 16, 150_000))

VALUE = "v" * VALUE_BYTES
ZSET_MEMBERS = 100_000
RANGE = 100

COLLECTIONS = [
    Workload("LPUSH", 64, 2_000_000, words=["LPUSH", "list", VALUE]),
    Workload("RPOP", 64, 2_000_000, words=["RPOP", "list"]),
    Workload("SADD", 64, 2_000_000, words=["SADD", "set", "member:__rand_int__"]),
    Workload("HSET", 64, 2_000_000, words=["HSET", "hash", "field:__rand_int__", VALUE]),
    Workload("ZADD", 64, 1_000_000, keys=ZSET_MEMBERS,
             words=["ZADD", "zset", "__rand_int__", "member:__rand_int__"]),
    Workload("LRANGE_100", 16, 150_000, keys=0, words=["LRANGE", "range:list", "0", "99"]),
    Workload("ZRANGE_100", 16, 100_000, keys=0, words=["ZRANGE", "range:zset", "0", "99"]),
    Workload("XADD", 16, 1_000_000, keys=0,
             words=["XADD", "stream", "MAXLEN", "~", "1000", "*", "field", VALUE]),
    Workload("SET_4K", 16, 300_000, keys=10_000, words=["SET", "4k:__rand_int__", "v" * 4096]),
    Workload("GET_4K", 16, 300_000, keys=10_000, words=["GET", "4k:__rand_int__"]),
]

TWO_THREAD_WORKLOADS = [Workload(command, depth, requests)
                        for depth, requests in ((1, 200_000), (16, 1_500_000), (64, 2_000_000))
                        for command in ("SET", "GET")]
CONTENDED_WORKLOADS = [Workload("INCR", 16, 1_500_000, keys=0),
                       Workload("SET", 16, 1_500_000, keys=0)]


class Sample:
    """What one run of one workload against one server gave."""

    def __init__(self, ops, cpu_us, p50, p99, p999, batch):
        self.ops = ops
        self.cpu_us = cpu_us
        self.p50 = p50
        self.p99 = p99
        self.p999 = p999
        self.batch = batch


def measure(workload, server, scale=1.0, cores="1"):
    """Runs the workload against a started server."""
    command = ["taskset", "-c", cores] + workload.arguments(server.port, scale)
    requests = int(workload.requests * scale)
    cpu_before = peers.cpu_seconds(server.pid)
    segments_before = peers.tcp_segments()
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          timeout=RUN_LIMIT_S)
    cpu = peers.cpu_seconds(server.pid) - cpu_before
    segments = peers.tcp_segments() - segments_before
    if done.returncode != 0 or "throughput summary" not in done.stdout:
        raise peers.servers.ServerError(f"{' '.join(command)}: {done.stdout} {done.stderr}")
    return _sample(done.stdout, requests, cpu, segments)


def _sample(output, requests, cpu, segments):
    ops = float(re.search(r"throughput summary: ([\d.]+)", output).group(1))
    summary = output.split("latency summary (msec):", 1)[1].strip().split("\n")
    latency = dict(zip(summary[0].split(), map(float, summary[1].split())))
    steps = re.findall(r"([\d.]+)% <= ([\d.]+) milliseconds", output)
    p999 = next((float(ms) for percent, ms in steps if float(percent) >= 99.9), latency["max"])
    # Each batch travels as one segment there and one back, so this is the batch the server saw
    # (half of it where acknowledgements travel alone).
    batch = 2 * requests / max(segments, 1)
    return Sample(ops, cpu * 1e6 / requests, latency["p50"], latency["p99"], p999, batch)


def fill_for_workloads(port):
    """Sets every key that the workloads read, so that each GET hits and each INCR counts on."""
    values = _random_text(VALUE_BYTES)
    send(port, (_set(f"key:{i:012d}", next(values)) for i in range(KEYS)))
    send(port, (_set(f"counter:{i:012d}", str(i)) for i in range(KEYS)))


def fill_for_collections(port):
    """The collections that ranges are taken of, and the sorted set that ZADD updates."""
    values = _random_text(VALUE_BYTES)
    send(port, (_command("RPUSH", "range:list", next(values)) for _ in range(10 * RANGE)))
    send(port, (_command("ZADD", "range:zset", str(i), next(values)) for i in range(10 * RANGE)))
    members = (f"member:{i:012d}" for i in range(ZSET_MEMBERS))
    send(port, (_command("ZADD", "zset", str(random.randrange(ZSET_MEMBERS)), member)
                for member in members))


def _form_16_16():
    values = _random_text(16)
    return (_set(f"key:{i:012d}", next(values)) for i in range(KEYS))


def _form_16_integer():
    return (_set(f"key:{i:012d}", str(random.getrandbits(31))) for i in range(KEYS))


def _form_24_64_ttl():
    values = _random_text(64)
    return (_command("SET", f"session:{i:016d}", next(values), "EX", str(TTL_S + i))
            for i in range(KEYS))


def _form_20_300():
    values = _random_text(300)
    return (_set(f"object:{i:013d}", next(values)) for i in range(KEYS))


# Key and value bytes of a million keys, as the memory targets are given.
MEMORY_FORMS = {
    "16/16": (_form_16_16, KEYS),
    "16/integer": (_form_16_integer, KEYS),
    "24/64 TTL": (_form_24_64_ttl, KEYS),
    "20/300": (_form_20_300, KEYS),
}


def _form_zset():
    members = _random_text(16)
    return (_command("ZADD", "zset", str(random.random()), next(members)) for _ in range(KEYS))


def _form_set():
    members = _random_text(16)
    return (_command("SADD", "set", next(members)) for _ in range(KEYS))


def _form_hash():
    fields, values = _random_text(16), _random_text(12)
    return (_command("HSET", "hash", next(fields), next(values)) for _ in range(KEYS))


def _form_hash_of_5():
    values = _random_text(12)
    return (_command("HSET", f"user:{i:09d}",
                     *(word for n in range(5) for word in (f"field{n}", next(values))))
            for i in range(HASHES))


def _form_zset_of_10():
    return (_command("ZADD", f"rank:{i:09d}",
                     *(word for n in range(10) for word in (str(n * 7), f"mem{n:03d}")))
            for i in range(HASHES))


def _form_list_of_100():
    values = _random_text(16)
    return (_command("RPUSH", f"list:{i:09d}", *(next(values) for _ in range(100)))
            for i in range(LISTS))


HASHES = 200_000
LISTS = 100_000
# Per element of one large collection, or per key of a small one.
COLLECTION_FORMS = {
    "zset member 16": (_form_zset, KEYS),
    "set member 16": (_form_set, KEYS),
    "hash field 16/12": (_form_hash, KEYS),
    "hash of 5 6/12": (_form_hash_of_5, HASHES),
    "zset of 10 6": (_form_zset_of_10, HASHES),
    "list of 100 16": (_form_list_of_100, LISTS),
}


def send(port, commands):
    """Sends the commands in batches and wants a reply of one line for each, and no error."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as conn:
        batch = []
        for command in commands:
            batch.append(command)
            if len(batch) == COMMANDS_PER_WRITE:
                _send_batch(conn, batch)
                batch = []
        _send_batch(conn, batch)


def _send_batch(conn, batch):
    conn.sendall(b"".join(batch))
    got = b""
    while got.count(b"\n") < len(batch):
        part = conn.recv(65536)
        if not part:
            raise peers.servers.ServerError("the server closed the connection while loading")
        got += part
    for line in got.splitlines():
        if line[:1] not in (b"+", b":"):
            raise peers.servers.ServerError(f"loading: {line[:100]!r}")


def _set(key, value):
    return _command("SET", key, value)


def _command(*words):
    return (f"*{len(words)}\r\n"
            + "".join(f"${len(word)}\r\n{word}\r\n" for word in words)).encode("ascii")


def _random_text(length):
    """Random printable values of `length` bytes, without end."""
    while True:
        text = base64.b64encode(os.urandom(length * 768)).decode("ascii")
        for start in range(0, len(text) - length + 1, length):
            yield text[start:start + length]
