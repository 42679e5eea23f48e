"""Snapshots in several files: those that Dragonfly writes, and Darner's own."""

import os
import random
import subprocess
import threading

import dfs
import pytest
import redis
from conftest import servers, wait_until
from test_snapshots import fill, refusal, restart

pytestmark = pytest.mark.skipif(servers.is_redis(servers.DARNER), reason="Redis has no sets")

FUTURE_MS = 4_000_000_000_000
PAST_MS = 1_000_000_000_000


@pytest.fixture
def loaded(own_server):
    """A server that has loaded what the given function has put into its folder."""

    def start(put, **options):
        server = own_server(dbfilename="dump", **options)
        put(server.dir)
        return server, restart(server)

    return start


def bodies():
    """What two shards of Dragonfly may hold."""
    plain = dfs.select(0) + dfs.text("plain", "1")
    plain += dfs.text("sticky", "2", flags=1)
    plain += dfs.text("flags", "3", flags=2, memcached=7)
    plain += dfs.text("expiring", "4", expires_ms=FUTURE_MS)
    plain += dfs.text("gone", "5", expires_ms=PAST_MS)
    plain += b"\xd3" + bytes(8) + b"\xc8" + bytes(8)
    many = b"".join(dfs.text(f"key{number}", f"value{number}") for number in range(1000))
    zstd = dfs.in_zstd(dfs.select(0) + many)
    lz4 = dfs.in_lz4(dfs.select(3) + dfs.text("other", "x" * 1000) + b"\xcb")
    fields = [("field", "value", None), ("later", "v", FUTURE_MS // 1000)]
    values = dfs.expiring_hash("hash", fields)
    values += dfs.expiring_set("set", [("one", None), ("two", FUTURE_MS // 1000)])
    large = [(f"member{number}", None) for number in range(5000)]
    values += dfs.in_lz4(dfs.select(0) + dfs.expiring_set("large", large))
    return [plain + zstd, lz4 + dfs.select(0) + values]


def check(server, client):
    assert client.mget("plain", "sticky", "flags", "expiring", "gone") == [
        b"1", b"2", b"3", b"4", None]
    assert client.pexpiretime("expiring") == FUTURE_MS
    assert client.get("key999") == b"value999"
    assert client.hgetall("hash") == {b"field": b"value", b"later": b"v"}
    assert client.execute_command("HPEXPIRETIME", "hash", "FIELDS", 2, "field", "later") == [
        -1, FUTURE_MS]
    assert client.smembers("set") == {b"one", b"two"} and client.scard("large") == 5000
    assert client.dbsize() == 1007
    with redis.Redis(port=server.port, db=3) as third:
        assert third.get("other") == b"x" * 1000


@pytest.mark.parametrize("count", [2, -1])
def test_sets_of_dragonfly_are_read(loaded, count):
    server, client = loaded(lambda folder: dfs.write_set(folder, "dump", bodies(), count=count))
    check(server, client)
    # It goes on with a file of its own.
    client.set("more", 1)
    client.save()
    assert os.path.exists(os.path.join(server.dir, "dump.rdb"))
    assert restart(server).get("more") == b"1"


def test_the_newest_snapshot_is_loaded_whatever_its_form(own_server):
    server = own_server(dbfilename="dump-{timestamp}")
    client = redis.Redis(port=server.port)
    client.set("old", 1)
    client.save()
    dfs.write_set(server.dir, "dump-2100-01-01T00:00:00", bodies())
    client = restart(server)
    assert client.get("old") is None
    check(server, client)


def refused(own_server, put, **options):
    """What a start says that finds what the function puts into the folder."""
    server = own_server(dbfilename="dump", **options)
    server.stop()
    put(server.dir)
    return refusal(server)


def write_one(body):
    return lambda folder: dfs.write_set(folder, "dump", [body])


@pytest.mark.parametrize("body, what", [
    (b"\xd2\x01" + dfs.string("SET key 1"), "journal"),
    (b"\xde" + bytes(30), "search index"),
    (b"\xe0" + bytes(8), "--serialization_tagged_chunks=false"),
    (b"\xcc", "type 204 is unknown"),
    (dfs.key("json", 30, dfs.string("{}")), "JSON"),
    (dfs.key("bloom", 34, b"\x00"), "Bloom"),
    (dfs.key("new", 39, b"\x00"), "type 39"),
    (dfs.in_zstd(b"\xff" + bytes(8)), "inside of a frame"),
    (dfs.in_lz4(dfs.in_zstd(dfs.text("a", "b"))), "inside of a frame"),
    (b"\xc9" + dfs.string("nothing compressed"), "no frame"),
    (dfs.in_zstd(b"\x00" + dfs.string("key") + b"\x20") + b"x" * 40, "too early"),
    (dfs.in_zstd(dfs.text("a", "b" * 100))[:-9], "dump-0000.dfs is broken"),
    (dfs.key("set", 32, b"\x01" + dfs.string("member") + dfs.string("soon")), "no number"),
])
def test_what_is_not_known_is_refused(own_server, body, what):
    said = refused(own_server, write_one(body))
    assert what in said and "dump-0000.dfs" in said


def test_a_missing_file_is_refused(own_server):
    def put(folder):
        dfs.write_set(folder, "dump", bodies())
        os.remove(os.path.join(folder, "dump-0001.dfs"))

    assert "dump-0001.dfs is missing" in refused(own_server, put)


def test_a_summary_alone_is_refused(own_server):
    said = refused(own_server, lambda folder: dfs.write_set(folder, "dump", [], count=-1))
    assert "dump-summary.dfs" in said and "aren't there" in said


def test_files_of_different_sets_are_refused(own_server):
    def put(folder):
        dfs.write_set(folder, "dump", bodies())
        other = dfs.file(dfs.fact("snapshot-id", "another"), dfs.text("a", "b"))
        dfs.write(folder, "dump-0001.dfs", other)

    assert "dump-0001.dfs" in refused(own_server, put)


def names(server):
    found = os.listdir(server.dir)
    return sorted(name for name in found if name.startswith("dump") and name.endswith(".dfs"))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("mode", [1, 2, 3])
def test_own_sets_come_back(own_server, threads, mode):
    server = own_server(df_snapshot_format="true", proactor_threads=threads,
                        compression_mode=mode, dbfilename="dump")
    client = redis.Redis(port=server.port)
    fill(client)
    with client.pipeline() as pipe:
        for number in range(20_000):
            pipe.set(f"key{number}", random.randbytes(50))
        pipe.execute()
    with redis.Redis(port=server.port, db=3) as third:
        third.set("elsewhere", 1)
    client.function_load("#!lua name=lib\nredis.register_function('f', function() return 7 end)")
    before = client.execute_command("DEBUG", "DIGEST")
    for first in (0, threads, 0):
        assert client.save()
        parts = [f"dump-{number:04}.dfs" for number in range(first, first + threads)]
        assert names(server) == [*parts, "dump-summary.dfs"]
    client.set("lost", 1)
    client = restart(server, **{"proactor-threads": 2})
    assert client.execute_command("DEBUG", "DIGEST") == before
    assert client.fcall("f", 0) == 7


@pytest.mark.parametrize("harm", ["missing", "cut", "changed", "other", "no summary"])
def test_an_own_set_that_is_not_whole_is_refused(own_server, harm):
    server = own_server(df_snapshot_format="true", proactor_threads=2,
                        dbfilename="dump-{timestamp}")
    client = redis.Redis(port=server.port)
    for number in range(2000):
        client.set(f"key{number}", number)
    client.save()
    saved_s = client.lastsave().timestamp()
    wait_until(lambda: client.time()[0] > saved_s, "a second ends")
    [older] = [name for name in names(server) if "summary" in name]
    [older_part] = [name for name in names(server) if "0001" in name]
    client.set("newer", 1)
    client.save()
    server.stop()
    [newer] = [name for name in names(server) if "summary" in name and name != older]
    [part] = [name for name in names(server) if "0001" in name and name != older_part]
    path = os.path.join(server.dir, part)
    data = bytearray(open(path, "rb").read())
    if harm == "missing":
        os.remove(path)
    elif harm == "no summary":
        # A save that was cut off: what was there before counts.
        os.remove(os.path.join(server.dir, newer))
        server.start()
        client = redis.Redis(port=server.port)
        wait_until(lambda: client.info("persistence")["loading"] == 0, "it is loaded")
        assert client.get("newer") is None and client.dbsize() == 2000
        return
    elif harm == "cut":
        open(path, "wb").write(data[:-1])
    elif harm == "changed":
        data[len(data) // 2] ^= 1
        open(path, "wb").write(data)
    else:
        other = bytearray(open(os.path.join(server.dir, older_part), "rb").read())
        open(path, "wb").write(other + bytes(len(data) - len(other)))
    said = refusal(server)
    assert part in said or newer in said
    assert f"The one before it is {os.path.join(server.dir, older)}" in said


def test_a_broken_file_names_the_one_before(own_server):
    server = own_server(dbfilename="dump-{timestamp}")
    client = redis.Redis(port=server.port)
    for number in range(3):
        client.set("key", number)
        client.save()
        saved_s = client.lastsave().timestamp()
        wait_until(lambda: client.time()[0] > saved_s, "a second ends")
    server.stop()
    found = sorted(name for name in os.listdir(server.dir) if name.startswith("dump-"))
    paths = [os.path.join(server.dir, name) for name in found]
    open(paths[2], "r+b").truncate(20)
    open(paths[1], "r+b").truncate(0)
    said = refusal(server)
    assert f"The one before it is {paths[0]}, which is loaded when this one is moved away" in said
    os.remove(paths[2])
    os.remove(paths[1])
    server.start()
    assert redis.Redis(port=server.port).get("key") == b"0"


def test_retention_of_sets(own_server):
    server = own_server(df_snapshot_format="true", proactor_threads=2, snapshot_keep=2,
                        dbfilename="dump-{timestamp}")
    client = redis.Redis(port=server.port)
    # Of a save that was cut off before there was a summary.
    dfs.write(server.dir, "dump-2020-01-01T00:00:00-0000.dfs", b"half")
    os.utime(os.path.join(server.dir, "dump-2020-01-01T00:00:00-0000.dfs"), (1, 1))
    for number in range(4):
        client.set("key", number)
        client.save()
        saved_s = client.lastsave().timestamp()
        wait_until(lambda: client.time()[0] > saved_s, "a second ends")
    wait_until(lambda: len(names(server)) == 6, "old ones are removed")
    assert restart(server).get("key") == b"3"


def test_a_set_that_cannot_be_written_leaves_the_one_before(own_server):
    server = own_server(df_snapshot_format="true", proactor_threads=2, dbfilename="dump")
    client = redis.Redis(port=server.port)
    client.set("key", 1)
    client.save()
    before = names(server)
    # In the way of the second part.
    blocked = os.path.join(server.dir, f"temp-{server.pid}-dump-0003.dfs")
    os.mkdir(blocked)
    client.set("key", 2)
    with pytest.raises(redis.ResponseError):
        client.save()
    assert names(server) == before
    os.rmdir(blocked)
    client.save()
    assert restart(server).get("key") == b"2"


def test_a_set_is_of_one_instant(own_server):
    server = own_server(df_snapshot_format="true", proactor_threads=2, dbfilename="dump")
    client = redis.Redis(port=server.port)
    accounts = [f"account{number}" for number in range(500)]
    client.mset({account: 0 for account in accounts})
    done = threading.Event()

    def move():
        with redis.Redis(port=server.port) as mover:
            number = 0
            while not done.is_set():
                number += 1
                with mover.pipeline() as pipe:
                    pipe.decr(accounts[number % 500]).incr(accounts[number * 7 % 500]).execute()

    mover = threading.Thread(target=move)
    mover.start()
    wait_until(lambda: client.get(accounts[1]) != b"0", "amounts move")
    client.bgsave()
    wait_until(lambda: client.info("persistence")["rdb_bgsave_in_progress"] == 0, "it is saved")
    done.set()
    mover.join()
    client = restart(server)
    assert sum(int(amount) for amount in client.mget(accounts)) == 0


def test_a_server_of_redis_is_not_asked(own_server):
    """The default stays one file that Redis loads."""
    server = own_server(dbfilename="dump")
    client = redis.Redis(port=server.port)
    client.save()
    assert names(server) == [] and os.path.exists(os.path.join(server.dir, "dump.rdb"))
    assert subprocess.run(["head", "-c", "9", os.path.join(server.dir, "dump.rdb")],
                          capture_output=True, check=True).stdout == b"REDIS0010"
