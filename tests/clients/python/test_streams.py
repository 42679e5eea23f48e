"""Streams as redis-py uses them: entries, ranges, groups, blocking reads, claims."""

import threading
import time

import pytest
import redis
from conftest import wait_until


def fields(number):
    return {"number": str(number)}


@pytest.fixture
def stream(db):
    for number in range(1, 6):
        db.xadd("s", fields(number), id=f"{number}-0")
    return db


def of_s(reply):
    """The entries of stream `s` in a reply, whose form depends on the protocol."""
    return reply["s"][0] if isinstance(reply, dict) else dict(reply)["s"]


def ids(entries):
    return [entry_id for entry_id, _ in entries]


def test_entries_in_order(stream):
    assert stream.xlen("s") == 5
    assert stream.xrange("s", count=2) == [("1-0", fields(1)), ("2-0", fields(2))]
    assert ids(stream.xrevrange("s", max="(4-0", count=2)) == ["3-0", "2-0"]
    assert stream.xdel("s", "2-0", "9-0") == 1
    assert ids(stream.xrange("s", "2", "3")) == ["3-0"]
    with pytest.raises(redis.ResponseError, match="equal or smaller"):
        stream.xadd("s", fields(0), id="5-0")


def test_trimming(db):
    for number in range(1000):
        db.xadd("s", fields(number), maxlen=100, approximate=True)
    assert 100 <= db.xlen("s") < 200
    assert db.xtrim("s", maxlen=10, approximate=False) >= 90
    last = db.xinfo_stream("s")["last-generated-id"]
    assert db.xtrim("s", minid=last, approximate=False) == 9
    info = db.xinfo_stream("s")
    assert (info["length"], info["entries-added"]) == (1, 1000)


def test_groups_share_the_work(stream):
    stream.xgroup_create("s", "g", id="0")
    assert ids(of_s(stream.xreadgroup("g", "a", {"s": ">"}, count=2))) == ["1-0", "2-0"]
    assert ids(of_s(stream.xreadgroup("g", "b", {"s": ">"}))) == ["3-0", "4-0", "5-0"]
    assert stream.xack("s", "g", "1-0", "3-0") == 2
    pending = stream.xpending("s", "g")
    assert (pending["pending"], pending["min"], pending["max"]) == (3, "2-0", "5-0")
    assert ids(of_s(stream.xreadgroup("g", "a", {"s": "0"}))) == ["2-0"]
    assert ids(stream.xclaim("s", "g", "a", 0, ["4-0"])) == ["4-0"]
    following, claimed, deleted = stream.xautoclaim("s", "g", "a", 0, count=10)
    assert (following, ids(claimed), deleted) == ("0-0", ["2-0", "4-0", "5-0"], [])
    group = stream.xinfo_groups("s")[0]
    assert (group["pending"], group["entries-read"], group["lag"]) == (3, 5, 0)
    by_name = {consumer["name"]: consumer for consumer in stream.xinfo_consumers("s", "g")}
    assert (by_name["a"]["pending"], by_name["b"]["pending"]) == (3, 0)
    with pytest.raises(redis.ResponseError, match="already exists"):
        stream.xgroup_create("s", "g")


def test_a_read_waits_for_what_comes(db, connect):
    db.xadd("s", fields(1), id="1-0")
    another = connect()
    later = threading.Timer(0.1, lambda: another.xadd("s", fields(2), id="2-0"))
    later.start()
    assert of_s(db.xread({"s": "$", "t": "$"}, block=5000)) == [("2-0", fields(2))]
    later.join()
    start = time.monotonic()
    assert not db.xread({"s": "$"}, block=50)
    assert time.monotonic() - start >= 0.05


def test_many_consumers_get_each_entry_once(db, connect):
    db.xgroup_create("s", "g", mkstream=True)
    seen, count = [], 300

    def consume(name):
        own = connect(decode_responses=True)
        while reply := own.xreadgroup("g", name, {"s": ">"}, count=7, block=1000):
            for entry_id, _ in of_s(reply):
                seen.append(entry_id)
                own.xack("s", "g", entry_id)

    consumers = [threading.Thread(target=consume, args=(f"c{i}",)) for i in range(4)]
    for consumer in consumers:
        consumer.start()
    added = [db.xadd("s", fields(number)) for number in range(count)]
    for consumer in consumers:
        consumer.join()
    assert sorted(seen) == sorted(added)
    assert db.xpending("s", "g")["pending"] == 0


def test_who_waits_is_told_when_the_group_goes(db, connect):
    db.xgroup_create("s", "g", mkstream=True)
    another = connect()
    later = threading.Timer(0.1, lambda: another.xgroup_destroy("s", "g"))
    later.start()
    with pytest.raises(redis.ResponseError, match="NOGROUP"):
        db.xreadgroup("g", "c", {"s": ">"}, block=5000)
    later.join()


def migrates(client, own_server):
    target = own_server()
    assert client.execute_command("MIGRATE", "127.0.0.1", target.port, "stream", 0, 5000) == b"OK"


def expires(client, _):
    client.pexpire("stream", 30)


def is_found_expired(client, _):
    client.execute_command("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    client.pexpire("stream", 1)
    wait_until(lambda: client.exists("stream") == 0, "a reader finds it")


def is_evicted(client, _):
    client.config_set("maxmemory-policy", "allkeys-random")
    client.config_set("maxmemory", 1)
    wait_until(lambda: client.exists("stream") == 0, "it is evicted")
    client.config_set("maxmemory", 0)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("goes", [migrates, expires, is_found_expired, is_evicted])
def test_who_waits_for_a_stream_that_goes_is_told(own_server, goes, threads):
    source = own_server(proactor_threads=threads)
    client, waiting = (redis.Redis(port=source.port) for _ in range(2))
    client.xgroup_create("stream", "group", mkstream=True)
    connection = waiting.connection_pool.get_connection()
    connection.send_command(*"XREADGROUP GROUP group me BLOCK 0 STREAMS stream >".split())
    wait_until(lambda: client.info("clients")["blocked_clients"] == 1, "it waits")
    goes(client, own_server)
    assert connection.can_read(timeout=10), "it is told"
    with pytest.raises(redis.ResponseError, match="stream"):
        connection.read_response()
    # Every lock was given back.
    client.mset({f"key:{number}": number for number in range(1000)})
    assert client.dbsize() == 1000
    assert client.info("clients")["blocked_clients"] == 0
