"""Pipelines and transactions through redis-py."""

import threading

import pytest
import redis

from conftest import wait_until


def test_pipeline_of_ten_thousand(db):
    with db.pipeline(transaction=False) as pipe:
        for i in range(10_000):
            pipe.set(f"key:{i}", i)
            pipe.get(f"key:{i}")
        replies = pipe.execute()
    assert replies[::2] == [True] * 10_000
    assert replies[1::2] == [str(i) for i in range(10_000)]


def test_error_in_a_pipeline_stays_in_its_place(db):
    with db.pipeline(transaction=False) as pipe:
        pipe.set("text", "x").incr("text").set("n", 1).incr("n")
        replies = pipe.execute(raise_on_error=False)
    assert replies[0] is True and replies[3] == 2
    assert isinstance(replies[1], redis.ResponseError)


def test_transaction(db):
    with db.pipeline() as pipe:
        replies = pipe.set("a", 1).incr("a").get("a").mget("a", "absent").execute()
    assert replies == [True, 2, "2", ["2", None]]


def test_errors_of_exec(db):
    with db.pipeline() as pipe:
        pipe.set("text", "x").incr("text").set("after", 1)
        with pytest.raises(redis.ResponseError, match="not an integer"):
            pipe.execute()
    assert db.get("after") == "1"
    with db.pipeline() as pipe:
        pipe.set("never", 1).execute_command("NOSUCHCOMMAND")
        with pytest.raises(redis.ResponseError):
            pipe.execute()
    assert db.exists("never") == 0
    with pytest.raises(redis.ResponseError, match="EXEC without MULTI"):
        db.execute_command("EXEC")


def test_watch_sees_a_change(db, connect):
    other = connect()
    db.set("key", 1)
    with db.pipeline() as pipe:
        pipe.watch("key")
        other.set("key", 2)
        pipe.multi()
        pipe.set("key", 3)
        with pytest.raises(redis.WatchError):
            pipe.execute()
    assert db.get("key") == "2"


def test_watch_without_a_change(db, connect):
    other = connect()
    with db.pipeline() as pipe:
        pipe.watch("key", "absent")
        other.set("unrelated", 2)
        pipe.multi()
        pipe.set("key", 3)
        assert pipe.execute() == [True]


@pytest.mark.parametrize("change", [
    lambda r: r.delete("key"), lambda r: r.expire("key", 100), lambda r: r.flushall(),
    lambda r: r.rename("key", "other"), lambda r: r.execute_command("SWAPDB", 0, 1),
], ids=["delete", "expire", "flushall", "rename", "swapdb"])
def test_what_counts_as_a_change(db, connect, change):
    other = connect()
    db.set("key", 1)
    with db.pipeline() as pipe:
        pipe.watch("key")
        change(other)
        pipe.multi()
        pipe.ping()
        with pytest.raises(redis.WatchError):
            pipe.execute()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("wait", "give", "answer"), [
    (lambda client: client.blpop("queue", 10), ("RPUSH", "queue", "job"), (b"queue", b"job")),
    (lambda client: client.bzpopmin("queue", 10), ("ZADD", "queue", 1, "job"),
     (b"queue", b"job", 1.0)),
    (lambda client: client.xread({"queue": "0"}, block=10_000), ("XADD", "queue", "1-1", "a", "b"),
     [[b"queue", [(b"1-1", {b"a": b"b"})]]]),
], ids=["list", "sorted set", "stream"])
def test_a_transaction_that_watches_serves_who_waits(own_server, threads, wait, give, answer):
    # As a worker of RQ hands on a job that depended on another.
    server = own_server(proactor_threads=threads)
    waiting, client = (redis.Redis(port=server.port) for _ in range(2))
    answers = []
    thread = threading.Thread(target=lambda: answers.append(wait(waiting)))
    thread.start()
    wait_until(lambda: client.info("clients")["blocked_clients"] == 1, "it waits")
    with client.pipeline() as pipe:
        pipe.watch("watched")
        pipe.multi()
        pipe.execute_command(*give)
        assert pipe.set("watched", 1).execute()[1] is True
    thread.join()
    assert answers == [answer]


def test_discard_and_unwatch(db, connect):
    other = connect()
    with db.pipeline() as pipe:
        pipe.watch("key")
        other.set("key", 1)
        pipe.unwatch()
        pipe.multi()
        pipe.set("key", 2)
        assert pipe.execute() == [True]
    one = connect(single_connection_client=True)
    assert one.execute_command("MULTI") in (True, b"OK")
    assert one.execute_command("APPEND", "key", "9") == b"QUEUED"
    assert one.execute_command("DISCARD") in (True, b"OK")
    assert db.get("key") == "2"


def test_concurrent_watch_retries_lose_nothing(db, connect):
    """Eight threads count with WATCH, GET, SET and a retry: the sum must be exact."""
    each = 100

    def count():
        client = connect()

        def step(pipe):
            value = int(pipe.get("counter") or 0)
            pipe.multi()
            pipe.set("counter", value + 1)

        for _ in range(each):
            client.transaction(step, "counter")

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert db.get("counter") == str(8 * each)


def test_transfers_keep_the_sum(db, connect):
    """MULTI over several keys is atomic: a reader never sees money under way."""
    accounts = [f"account:{i}" for i in range(16)]
    db.mset({account: 100 for account in accounts})
    stop = threading.Event()
    sums = []

    def read():
        client = connect()
        while not stop.is_set():
            sums.append(sum(int(value) for value in client.mget(accounts)))

    def transfer(seed):
        client = connect()
        for i in range(300):
            with client.pipeline() as pipe:
                pipe.decrby(accounts[(seed + i) % 16], 7)
                pipe.incrby(accounts[(seed + i * 5 + 3) % 16], 7)
                pipe.execute()

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=transfer, args=(seed,)) for seed in range(4)]
    for thread in [reader, *writers]:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    reader.join()
    assert sums and set(sums) == {1600}
