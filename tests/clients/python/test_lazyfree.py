"""What takes long to free is freed in the background, however it came to be removed."""

import pytest
import redis
from conftest import wait_until

MEMBERS = 200_000

# Each removes the large set `key`; there is a string `other`.
WAYS = {
    "DEL": [("DEL", "key")],
    "UNLINK": [("UNLINK", "key")],
    "SET": [("SET", "key", "x")],
    "RENAME": [("RENAME", "other", "key")],
    "COPY": [("COPY", "other", "key", "REPLACE")],
    "SDIFFSTORE": [("SDIFFSTORE", "key", "nothing")],
    "SINTERSTORE": [("SINTERSTORE", "key", "key", "nothing")],
    "expiry found by a command": [("DEBUG", "SET-ACTIVE-EXPIRE", 0), ("PEXPIRE", "key", 1)],
    "expiry": [("PEXPIRE", "key", 1)],
    "script": [("EVAL", "return redis.call('del', 'key')", 1, "key")],
    "eviction": [("CONFIG", "SET", "maxmemory-policy", "allkeys-random"),
                 ("CONFIG", "SET", "maxmemory", 1)],
}


def add_large(client, key="key"):
    for start in range(0, MEMBERS, 20_000):
        client.sadd(key, *(f"member:{number}" for number in range(start, start + 20_000)))


def freed(client):
    """How many objects were freed in the background, when none waits any more."""
    def is_done():
        return client.info("memory")["lazyfree_pending_objects"] == 0

    wait_until(is_done, "nothing waits to be freed")
    return client.info("memory")["lazyfreed_objects"]


@pytest.fixture
def client(own_server):
    return redis.Redis(port=own_server(proactor_threads=2).port)


@pytest.mark.parametrize("way", WAYS)
def test_a_large_value_is_freed_in_the_background(client, way):
    add_large(client)
    client.set("other", "x")
    before = freed(client)
    for words in WAYS[way]:
        client.execute_command(*words)
    wait_until(lambda: client.type("key") != b"set", "it is removed")
    assert freed(client) == before + 1


def test_small_values_are_freed_at_once(client):
    client.sadd("key", *range(100))
    client.set("string", "x" * 1_000_000)
    before = freed(client)
    client.delete("key", "string")
    assert freed(client) == before


@pytest.mark.parametrize("command, in_background", [
    ("FLUSHALL", 10_000), ("FLUSHALL ASYNC", 10_000), ("FLUSHDB", 10_000), ("FLUSHALL SYNC", 0)])
def test_databases_are_freed_in_the_background_unless_asked(client, command, in_background):
    client.mset({f"key:{number}": "x" for number in range(10_000)})
    before = freed(client)
    client.execute_command(*command.split())
    assert client.dbsize() == 0
    assert freed(client) == before + in_background


@pytest.mark.parametrize("way", ["FLUSHALL", "DEL set"])
def test_what_is_about_to_be_freed_is_no_memory_in_use(client, way):
    """A full server takes writes as soon as something large is removed."""
    for _ in range(5):
        client.config_set("maxmemory", 0)
        add_large(client, "set")
        for number in range(100):
            client.set(f"string:{number}", "x" * 50_000)
        client.config_set("maxmemory", client.info("memory")["used_memory"] - 1_000_000)
        with pytest.raises(redis.ResponseError, match="command not allowed"):
            client.set("key", "x")
        with client.pipeline(transaction=False) as pipe:
            pipe.execute_command(*way.split())
            pipe.set("key", "x")
            assert pipe.execute()[1]


def test_evicting_a_large_value_costs_not_all_others(own_server):
    client = redis.Redis(port=own_server(proactor_threads=1).port)
    client.config_set("maxmemory-policy", "volatile-ttl")
    for number in range(200):
        client.set(f"small:{number}", "x" * 1000, ex=10_000)
    add_large(client)
    client.expire("key", 100)
    client.config_set("maxmemory", client.info("memory")["used_memory"] - 1_000_000)
    wait_until(lambda: not client.exists("key"), "what expires first is evicted")
    assert freed(client) == 1
    assert client.dbsize() > 0
