"""redis-benchmark against the server, as people try it first."""

import re
import subprocess

import pytest

# The default run's tests that need lists, sets, sorted sets or hashes; they move up to STRINGS as
# those types are built.
COLLECTIONS = ["lpush", "rpush", "lpop", "rpop", "sadd", "hset", "spop", "zadd", "zpopmin",
               "lrange"]
STRINGS = ["ping_inline", "ping_mbulk", "set", "get", "incr", "mset"]


def benchmark(server, *words):
    """Runs redis-benchmark and returns {test: operations/s}, which is infinite for a test that took
    less than its clock's millisecond."""
    done = subprocess.run(["redis-benchmark", "-p", str(server.port), "--csv", *words],
                          capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ERR" not in done.stdout + done.stderr
    rows = re.findall(r'^"([^"]+)","([\d.]+|inf)"', done.stdout, re.M)
    return {name: float(rate) for name, rate in rows if name != "test"}


@pytest.mark.parametrize("words", [
    [], ["-P", "16"], ["-P", "100", "-r", "10000"], ["-c", "200"], ["-d", "10000"], ["-3"],
    ["-k", "0"], ["--threads", "2"],
], ids=lambda words: "_".join(words) or "default")
def test_default_run(server, raw, words):
    results = benchmark(server, "-n", "2000", "-t", ",".join(STRINGS), *words)
    assert len(results) == len(STRINGS), results
    assert all(rate > 0 for rate in results.values())


def test_own_command(server, raw):
    benchmark(server, "-n", "10000", "-P", "16", "-r", "1000", "SET", "own:__rand_int__", "x")
    assert 900 <= raw.dbsize() <= 1000


def test_counting_is_exact(server, raw):
    benchmark(server, "-n", "50000", "-P", "16", "-c", "50", "-t", "incr")
    assert raw.get("counter:__rand_int__") == b"50000"
