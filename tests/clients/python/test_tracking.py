"""Client-side caching: CLIENT TRACKING over raw connections, and redis-py's own cache."""

import select
import threading
import time

import pytest
import redis
from conftest import wait_until
from redis.cache import CacheConfig


class Tracker:
    """A RESP3 connection whose invalidation messages are kept apart from its replies."""

    def __init__(self, connect):
        client = connect(protocol=3, decode_responses=True)
        self.connection = client.connection_pool.get_connection()
        self.told = []
        self.connection._parser.set_invalidation_push_handler(self._keep)
        self.connection._parser.set_pubsub_push_handler(self.told.append)
        self.id = self.run("CLIENT", "ID")

    def _keep(self, message):
        keys = message[1]
        self.told.append(keys if keys is None else sorted(_text(key) for key in keys))

    def run(self, *words):
        """The reply to a command."""
        self.connection.send_command(*words)
        return self.connection.read_response()

    def messages(self, count):
        """Waits until so many messages have come, and takes them."""
        deadline = time.monotonic() + 10
        while len(self.told) < count:
            assert time.monotonic() < deadline, f"only {self.told}"
            assert self.run("PING") == "PONG"
        told, self.told = self.told, []
        return told

    def silent(self):
        """No message comes."""
        time.sleep(0.03)
        self.run("PING")
        return self.told == []


def _text(key):
    return key.decode() if isinstance(key, bytes) else key


@pytest.fixture
def tracker(connect):
    made = []

    def make(*options):
        made.append(Tracker(connect))
        if options:
            assert made[-1].run("CLIENT", "TRACKING", *options) == "OK"
        return made[-1]

    yield make
    for one in made:
        one.connection.disconnect()


def test_a_key_that_was_read_and_changes(db, tracker):
    db.mset({"a": 1, "b": 2})
    one = tracker("ON")
    assert one.run("MGET", "a", "b", "absent") == ["1", "2", None]
    db.set("a", 3)
    db.set("a", 4)  # Told once: it wasn't read again.
    db.set("never read", 1)
    db.set("absent", 1)
    assert one.messages(2) == [["a"], ["absent"]]
    assert one.run("GET", "a") == "4"
    db.delete("a")
    assert one.messages(1) == [["a"]]
    assert one.silent()


@pytest.mark.parametrize("change", [
    lambda r: r.expire("key", 100), lambda r: r.rename("key", "other"),
    lambda r: r.append("key", 1), lambda r: r.move("key", 5), lambda r: r.setbit("key", 6, 1),
    lambda r: r.getdel("key"),
    lambda r: r.execute_command("RENAME", "other", "key"),
], ids=["expire", "rename", "append", "move", "setbit", "getdel", "renamed to"])
def test_what_counts_as_a_change(db, tracker, change):
    db.execute_command("FLUSHALL")
    db.mset({"key": 1, "other": 2})
    one = tracker("ON")
    one.run("GET", "key")
    change(db)
    assert one.messages(1) == [["key"]]


def test_own_changes_come_after_the_reply(db, tracker):
    one = tracker("ON")
    one.run("GET", "a")
    assert one.run("SET", "a", 1) == "OK"
    assert one.messages(1) == [["a"]]
    one.run("MGET", "a", "b")
    for words in (("MULTI",), ("INCR", "a"), ("INCR", "b"), ("GET", "a")):
        one.run(*words)
    assert one.run("EXEC") == [2, 1, "2"]
    assert one.messages(2) == [["a"], ["b"]]


def test_expiry(db, tracker):
    one = tracker("ON", "NOLOOP")
    one.run("SET", "soon", 1, "PX", 20)
    one.run("GET", "soon")
    assert one.messages(1) == [["soon"]]


def test_expiry_that_a_reader_finds(newer, tracker):
    db, one = newer, tracker("ON", "NOLOOP")
    db.execute_command("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    one.run("SET", "lazy", 1, "PX", 200)
    one.run("GET", "lazy")
    time.sleep(0.21)
    assert one.silent()
    assert db.get("lazy") is None
    db.execute_command("DEBUG", "SET-ACTIVE-EXPIRE", 1)
    assert one.messages(1) == [["lazy"]]


def test_flush(db, tracker):
    one = tracker("ON")
    for command in ("FLUSHALL", "FLUSHDB"):
        one.run("GET", "a")
        db.execute_command(command)
        assert one.messages(1) == [None]
        assert db.info("stats")["tracking_total_keys"] == 0


def test_swapped_databases(newer, tracker):
    one = tracker("ON")
    one.run("GET", "a")
    newer.execute_command("SWAPDB", 0, 1)
    assert one.messages(1) == [None]


def test_opting(db, tracker):
    one = tracker("ON", "OPTIN")
    one.run("GET", "a")
    one.run("CLIENT", "CACHING", "YES")
    one.run("GET", "b")
    one.run("GET", "c")
    one.run("CLIENT", "CACHING", "YES")
    for words in (("MULTI",), ("GET", "d"), ("GET", "e"), ("EXEC",), ("GET", "f")):
        one.run(*words)
    for key in "abcdef":
        db.set(key, 1)
    assert one.messages(3) == [["b"], ["d"], ["e"]]
    one.run("CLIENT", "TRACKING", "OFF")
    one.run("CLIENT", "TRACKING", "ON", "OPTOUT")
    one.run("GET", "a")
    one.run("CLIENT", "CACHING", "NO")
    one.run("GET", "b")
    one.run("GET", "c")
    for key in "abc":
        db.set(key, 2)
    assert one.messages(2) == [["a"], ["c"]]


def test_broadcast(db, tracker):
    one = tracker("ON", "BCAST", "PREFIX", "a:", "PREFIX", "b:")
    db.set("a:1", 1)
    assert one.messages(1) == [["a:1"]]
    with db.pipeline() as pipe:
        pipe.set("a:1", 1).set("a:2", 1).set("b:1", 1).set("c:1", 1).execute()
    assert one.messages(2) == [["a:1", "a:2"], ["b:1"]]
    everything = tracker("ON", "BCAST", "NOLOOP")
    everything.run("SET", "x", 1)
    db.set("y", 1)
    assert everything.messages(1) == [["y"]]
    assert everything.silent() and one.silent()
    assert db.info("stats")["tracking_total_prefixes"] == 3


def test_no_loop(db, tracker):
    one, two = tracker("ON", "NOLOOP"), tracker("ON")
    one.run("MGET", "a", "b")
    two.run("GET", "a")
    one.run("SET", "a", 1)
    db.set("b", 1)
    assert one.messages(1) == [["b"]]
    assert two.messages(1) == [["a"]]


def test_redirection_to_a_resp2_listener(db, connect, tracker):
    listener = connect(protocol=2).connection_pool.get_connection()
    listener.send_command("CLIENT", "ID")
    target = listener.read_response()
    listener.send_command("SUBSCRIBE", "__redis__:invalidate")
    listener.read_response()
    reader = connect(protocol=2, single_connection_client=True)
    assert reader.execute_command("CLIENT", "TRACKING", "ON", "REDIRECT", target)
    assert reader.execute_command("CLIENT", "GETREDIR") == target
    reader.get("a")
    db.set("a", 1)
    assert listener.read_response() == [b"message", b"__redis__:invalidate", [b"a"]]
    db.flushall()
    assert listener.read_response() == [b"message", b"__redis__:invalidate", None]
    listener.disconnect()


def test_redirection_to_a_resp3_client_and_its_end(db, tracker):
    target, one = tracker(), tracker()
    one.run("CLIENT", "TRACKING", "ON", "REDIRECT", target.id)
    one.run("GET", "a")
    db.set("a", 1)
    assert target.messages(1) == [["a"]]
    one.run("GET", "a")
    assert target.run("QUIT") == "OK"
    wait_until(lambda: target.id not in [int(c["id"]) for c in db.client_list()], "it is gone")
    db.set("a", 2)
    wait_until(lambda: "R" in line_of(db, one.id)["flags"], "the redirection is known as broken")
    info = one.run("CLIENT", "TRACKINGINFO")
    assert "broken_redirect" in info["flags"] and info["redirect"] == target.id
    assert ["tracking-redir-broken", target.id] in [list(m) for m in one.told if m]


def line_of(db, client):
    return next(c for c in db.client_list() if int(c["id"]) == client)


def test_client_list_and_info(db, tracker):
    one = tracker("ON", "BCAST")
    assert line_of(db, one.id)["flags"] == "tB" and line_of(db, one.id)["redir"] == "0"
    assert db.info("clients")["tracking_clients"] == 1
    assert one.run("CLIENT", "TRACKINGINFO") == {
        "flags": ["on", "bcast"], "redirect": 0, "prefixes": [""],
    }
    assert one.run("RESET") == "RESET"
    assert line_of(db, one.id)["redir"] == "-1"
    assert db.info("clients")["tracking_clients"] == 0
    assert db.info("stats")["tracking_total_prefixes"] == 0


def test_who_goes_away_leaves_nothing(newer, tracker):
    db, one = newer, tracker("ON")
    one.run("MGET", *[f"key:{i}" for i in range(100)])
    assert db.info("stats")["tracking_total_items"] == 100
    one.connection.disconnect()
    wait_until(lambda: db.info("clients")["tracking_clients"] == 0, "it is gone")
    assert db.info("stats")["tracking_total_keys"] == 0
    assert db.info("stats")["tracking_total_items"] == 0


def test_the_table_has_a_limit(db, tracker):
    one = tracker("ON")
    one.run("MGET", *[f"key:{i}" for i in range(100)])
    db.config_set("tracking-table-max-keys", 10)
    forgotten = one.messages(90)
    assert len({key for [key] in forgotten}) == 90
    assert db.info("stats")["tracking_total_keys"] == 10
    db.config_set("tracking-table-max-keys", 1_000_000)


def test_errors(db, connect):
    client = connect(single_connection_client=True)
    for words, error in [
        (("ON", "REDIRECT", 10**9), "does not exist"), (("ON", "PREFIX", "a"), "requires BCAST"),
        (("ON", "OPTIN", "OPTOUT"), "both OPTIN"), (("ON", "BCAST", "OPTIN"), "not compatible"),
        (("MAYBE",), "syntax"), (("ON", "BCAST", "PREFIX", "FOO", "PREFIX", "FOOBAR"), "overlaps"),
    ]:
        with pytest.raises(redis.ResponseError, match=error):
            client.execute_command("CLIENT", "TRACKING", *words)
    with pytest.raises(redis.ResponseError, match="CLIENT CACHING can be called only"):
        client.execute_command("CLIENT", "CACHING", "YES")


def test_no_invalidation_is_lost(db, tracker):
    """A cache fed by reads and invalidations ends with what is there, whatever the timing."""
    one = tracker("ON")
    cache = {}
    stop = threading.Event()

    def write(number):
        client = redis.Redis(port=db.connection_pool.connection_kwargs["port"])
        for i in range(2000):
            client.set(f"key:{i % 20}", f"{number}.{i}")
        client.close()

    writers = [threading.Thread(target=write, args=(n,)) for n in range(2)]
    for writer in writers:
        writer.start()

    def learn():
        for keys in one.told:
            for key in keys:
                cache.pop(key, None)
        one.told.clear()

    def read():
        for i in range(20):
            key = f"key:{i}"
            if key not in cache:
                value = one.run("GET", key)
                # What came in with the reply was told before the value was known.
                learn()
                cache[key] = value

    while any(writer.is_alive() for writer in writers):
        one.run("PING")
        learn()
        read()
    stop.set()
    deadline = time.monotonic() + 10
    while cache != {key: db.get(key) for key in cache}:
        assert time.monotonic() < deadline, "the cache holds something that isn't there"
        one.run("PING")
        learn()
        read()


def test_redis_py_cache(newer, connect):
    db = newer
    cached = connect(protocol=3, cache_config=CacheConfig(), decode_responses=True)
    db.set("key", 1)
    for value in range(1, 50):
        db.set("key", value)
        wait_until(lambda: cached.get("key") == str(value), "the cache hears of the change")
        calls = db.info("commandstats")["cmdstat_get"]["calls"]
        assert cached.get("key") == str(value)
        assert db.info("commandstats")["cmdstat_get"]["calls"] == calls
