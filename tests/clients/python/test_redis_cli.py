"""redis-cli's own tools against the server: --pipe, --scan, --bigkeys, --memkeys, --stat …"""

import subprocess
import time

import pytest

KEYS = 5000


def cli(server, *words, **options):
    """Runs redis-cli to its end and returns its output."""
    done = subprocess.run(["redis-cli", "-p", str(server.port), *words], capture_output=True,
                          timeout=60, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.decode()


@pytest.fixture
def filled(server, raw):
    """A server with some thousand strings of different sizes."""
    with raw.pipeline(transaction=False) as pipe:
        for i in range(KEYS):
            pipe.set(f"key:{i}", "x" * (i % 200))
        pipe.set("the:biggest", "x" * 50_000)
        pipe.execute()
    return server


def test_one_command(server, raw):
    assert cli(server, "SET", "key", "value") == "OK\n"
    assert cli(server, "GET", "key") == "value\n"
    assert cli(server, "--raw", "INCR", "n") == "1\n"
    assert cli(server, "-3", "--json", "GET", "key") == '"value"\n'
    assert "role:master" in cli(server, "INFO", "replication")
    assert "summary" in cli(server, "COMMAND", "DOCS", "get")


def test_commands_from_stdin(server, raw):
    out = cli(server, input=b"set a 1\nincr a\nget a\nselect 2\nget a\n")
    assert out.split("\n") == ["OK", "2", "2", "OK", "", ""]


def test_pipe(server, raw):
    payload = b"".join(b"*3\r\n$3\r\nSET\r\n$%d\r\nkey:%d\r\n$5\r\nvalue\r\n"
                       % (len(str(i)) + 4, i) for i in range(100_000))
    out = cli(server, "--pipe", input=payload)
    assert "errors: 0, replies: 100000" in out
    assert raw.dbsize() == 100_000


def test_scan(filled):
    assert len(set(cli(filled, "--scan").split())) == KEYS + 1
    assert cli(filled, "--scan", "--pattern", "the:*") == "the:biggest\n"
    assert len(cli(filled, "--scan", "--pattern", "key:12*").split()) == 111


def test_bigkeys(filled):
    out = cli(filled, "--bigkeys")
    assert f"Sampled {KEYS + 1} keys in the keyspace!" in out
    assert "the:biggest" in out and "50000 bytes" in out


def test_memkeys(filled):
    out = cli(filled, "--memkeys")
    assert f"Sampled {KEYS + 1} keys in the keyspace!" in out and "the:biggest" in out


@pytest.mark.parametrize("words, enough", [
    (["--stat", "-i", "0.1"], b"keys"),
    (["--latency", "--raw"], b""),
], ids=["stat", "latency"])
def test_bounded(filled, words, enough):
    """Tools that run until they are stopped: wait for two lines (or their end), then stop them."""
    with subprocess.Popen(["redis-cli", "-p", str(filled.port), *words],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        if "--latency" in words:
            out, _ = process.communicate(timeout=30)  # --raw stops by itself after a second
            assert [float(word) for word in out.split()[:3]]
            return
        lines = [process.stdout.readline() for _ in range(4)]
        process.terminate()  # not SIGINT, which is ignored where the tests run in the background
        process.wait(10)
    assert enough in b"".join(lines) and str(KEYS + 1).encode() in b"".join(lines)


def test_latency_history_interval(filled):
    started = time.monotonic()
    out = cli(filled, "--latency", "--csv", "-i", "1")
    assert len(out.strip().split(",")) >= 3 and time.monotonic() - started < 20
