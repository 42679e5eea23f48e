"""The memory limit: what each policy evicts, what it leaves alone, and who is told."""

import pytest
import redis
from conftest import wait_until

LIMIT = 24 << 20
# The room in arenas that may come on top of the limit (an eighth), and what one batch writes.
MARGIN = LIMIT // 8 + (4 << 20)
THREADS = [1, 2]


@pytest.fixture
def limited(own_server):
    """Starts a server with this policy; the limit is put on top of what it uses empty."""

    def start(policy, threads=1):
        port = own_server(proactor_threads=threads).port
        client = redis.Redis(port=port, decode_responses=True)
        client.config_set("maxmemory-policy", policy)
        client.config_set("maxmemory", client.info("memory")["used_memory"] + LIMIT)
        return client

    return start


def ask(client, keys):
    """Gets keys as an application does with a cache: what isn't there is put there. Some at a time,
    as replies that are on their way to a client take room too."""
    for start in range(0, len(keys), 1000):
        some = keys[start:start + 1000]
        with client.pipeline(transaction=False) as batch:
            for key in some:
                batch.get(key)
            missing = [key for key, value in zip(some, batch.execute()) if value is None]
            for key in missing:
                batch.set(key, "x" * 500)
            batch.execute()


def used(client):
    return client.info("memory")["used_memory"]


def fill(client, times=3, length=500, ex=None, prefix="key"):
    """Writes so many times the limit in new keys; returns the most memory seen meanwhile."""
    number, most = 0, 0
    while number * length < times * LIMIT:
        with client.pipeline(transaction=False) as pipe:
            for _ in range(1000):
                pipe.set(f"{prefix}:{number}", "x" * length, ex=ex)
                number += 1
            pipe.execute()
        most = max(most, used(client))
    return most


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-lfu", "allkeys-random"])
def test_all_keys_may_go(limited, policy, threads):
    client = limited(policy, threads)
    limit = client.info("memory")["maxmemory"]
    assert fill(client) < limit + MARGIN
    assert client.info("stats")["evicted_keys"] > 0
    # Not far more than had to.
    assert client.dbsize() * 500 > LIMIT * 0.6


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("policy", [
    "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"])
def test_only_keys_with_an_expiry_may_go(limited, policy, threads):
    client = limited(policy, threads)
    limit = client.info("memory")["maxmemory"]
    for number in range(2000):
        client.set(f"stays:{number}", number)
    assert fill(client, ex=10000) < limit + MARGIN
    assert client.info("stats")["evicted_keys"] > 0
    assert client.exists(*(f"stays:{number}" for number in range(2000))) == 2000


@pytest.mark.parametrize("threads", THREADS)
def test_keys_that_are_used_often_stay_under_lfu(limited, threads):
    client = limited("allkeys-lfu", threads)
    hot = [f"hot:{number}" for number in range(100)]
    client.mset(dict.fromkeys(hot, "x"))
    for _ in range(200):
        client.mget(hot)
    assert client.object("freq", hot[0]) > 6
    with pytest.raises(redis.ResponseError, match="An LFU maxmemory policy is selected"):
        client.object("idletime", hot[0])
    fill(client)
    assert client.exists(*hot) >= 95
    client.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(redis.ResponseError, match="An LFU maxmemory policy is not selected"):
        client.object("freq", hot[0])


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("policy", ["volatile-lru", "volatile-ttl", "noeviction"])
def test_writes_are_refused_when_nothing_may_go(limited, policy, threads):
    client = limited(policy, threads)
    client.set("old", 1)
    with pytest.raises(redis.ResponseError, match="command not allowed when used memory > 'maxmem"):
        fill(client)
    assert client.info("stats")["evicted_keys"] == 0
    assert client.get("old") == "1"
    # The commands of a pipeline take memory themselves, which is back by now.
    client.config_set("maxmemory", 1)
    with pytest.raises(redis.ResponseError, match="command not allowed when used memory > 'maxmem"):
        client.eval("return redis.call('set', KEYS[1], 1)", 1, "other")
    client.config_set("maxmemory", 0)
    assert client.set("old", 2)


@pytest.mark.parametrize("threads", THREADS)
def test_values_of_another_size_stay_under_the_limit(limited, threads):
    client = limited("allkeys-random", threads)
    limit = client.info("memory")["maxmemory"]
    fill(client, times=2, length=100, prefix="small")
    assert fill(client, times=2, length=1500) < limit + MARGIN


@pytest.mark.parametrize("threads", THREADS)
def test_a_scan_does_not_push_out_what_is_used_in_cache_mode(limited, threads):
    client = limited("noeviction", threads)
    client.config_set("cache_mode", "yes")
    info = client.info("memory")
    assert (info["cache_mode"], info["maxmemory_policy"]) == ("cache", "eviction")
    # A third of the room, used a few times, and a scan of four times the room, used once.
    hot = [f"hot:{number}" for number in range(LIMIT // 3 // 600)]
    for _ in range(4):
        ask(client, hot)
    assert client.object("freq", hot[0]) == 4
    ask(client, [f"scan:{number}" for number in range(4 * LIMIT // 600)])
    assert client.info("stats")["evicted_keys"] > 0
    assert used(client) < info["maxmemory"] + MARGIN
    assert client.exists(*hot) >= 0.99 * len(hot)
    client.config_set("cache_mode", "no")
    assert client.info("memory")["cache_mode"] == "store"


@pytest.mark.parametrize("threads", THREADS)
def test_values_of_another_size_find_most_of_the_room(limited, threads):
    client = limited("allkeys-random", threads)
    fill(client, times=2, length=100, prefix="small")
    fill(client, times=2, length=1500)
    assert sum(1 for _ in client.scan_iter("key:*", count=1000)) * 1500 > LIMIT * 0.6


@pytest.mark.parametrize("threads", THREADS)
def test_large_values_are_evicted(limited, threads):
    client = limited("allkeys-lru", threads)
    for number in range(60):
        client.set(f"large:{number}", "x" * (1 << 20))
    assert used(client) < client.info("memory")["maxmemory"] + MARGIN
    assert client.exists("large:59") == 1


def test_evictions_are_told(limited):
    client = limited("allkeys-random")
    client.config_set("notify-keyspace-events", "Ee")
    listener = client.pubsub()
    listener.subscribe("__keyevent@0__:evicted")
    listener.get_message(timeout=5)
    client.set("watched", 1)
    watcher = client.pipeline()
    watcher.watch("watched")
    client.config_set("maxmemory", 1)
    with pytest.raises(redis.ResponseError, match="command not allowed"):
        client.set("other", 1)
    assert listener.get_message(timeout=5)["data"] == "watched"
    client.config_set("maxmemory", 0)
    watcher.multi()
    watcher.set("watched", 2)
    with pytest.raises(redis.WatchError):
        watcher.execute()


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("how", ["", "BCAST"])
def test_clients_that_are_told_of_evicted_keys_cost_no_more_keys(own_server, threads, how):
    port = own_server(proactor_threads=threads).port
    client = redis.Redis(port=port, decode_responses=True)
    client.config_set("maxmemory-policy", "allkeys-lru")
    names = [f"{number:05}" + "x" * 1000 for number in range(3000)]
    client.mset(dict.fromkeys(names, "x"))
    caches = [redis.Connection(port=port, protocol=3, socket_timeout=10) for _ in range(10)]
    for cache in caches:
        cache.send_command(*f"CLIENT TRACKING ON {how}".split())
        cache.read_response()
        cache.send_command("MGET", *names)
        assert len(cache.read_response()) == len(names)
    client.config_set("maxmemory", used(client) - (600 << 10))
    for cache in caches:
        cache.read_response(push_request=True)
    assert client.info("stats")["evicted_keys"] > 0
    assert client.dbsize() > len(names) // 2


def test_the_time_over_the_limit_is_told(own_server):
    client = redis.Redis(port=own_server(hz=100).port)
    assert client.info("stats")["total_eviction_exceeded_time"] == 0
    client.config_set("maxmemory", 1)
    wait_until(lambda: client.info("stats")["current_eviction_exceeded_time"] > 0, "it is over")
    client.config_set("maxmemory", 0)
    wait_until(lambda: client.info("stats")["current_eviction_exceeded_time"] == 0, "it is not")
    assert client.info("stats")["total_eviction_exceeded_time"] > 0


def restart_with_half(server, client, policy, **options):
    """Starts it again with half the memory that it uses; returns the limit and a client."""
    limit = used(client) // 2
    client.close()
    server.stop()
    server.options.update({"maxmemory": limit, "maxmemory-policy": policy}, **options)
    server.start()
    client = redis.Redis(port=server.port, decode_responses=True)
    wait_until(lambda: client.info("persistence")["loading"] == 0, "all is loaded")
    return limit, client


@pytest.mark.parametrize("threads", THREADS)
def test_a_snapshot_beyond_the_limit_is_loaded_and_evicts(own_server, threads):
    server = own_server(proactor_threads=threads)
    client = redis.Redis(port=server.port, decode_responses=True)
    fill(client)
    keys = client.dbsize()
    client.save()
    limit, client = restart_with_half(server, client, "allkeys-lru")
    wait_until(lambda: used(client) < limit + limit // 8, "there is room again")

    def evicted():
        return client.info("stats")["evicted_keys"]

    wait_until(lambda: client.dbsize() == keys - evicted(), "no more is evicted")
    assert evicted() > 0
    assert f"holds more than maxmemory ({limit} bytes): " in server.log_tail()
    assert client.set("key", 1)


def test_a_snapshot_beyond_the_limit_is_loaded_and_writes_are_refused(own_server):
    server = own_server()
    client = redis.Redis(port=server.port, decode_responses=True)
    fill(client)
    keys = client.dbsize()
    client.save()
    limit, client = restart_with_half(server, client, "noeviction")
    assert client.dbsize() == keys and client.get("key:0")
    assert f"more than maxmemory ({limit})" in server.log_tail()
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        client.set("key", 1)
    client.config_set("maxmemory", 4 * limit)
    assert client.set("key", 1)


def test_a_log_is_repeated_whole_before_keys_are_evicted(own_server):
    server = own_server(appendonly="yes", appendfsync="no",
                        **{"auto-aof-rewrite-percentage": 0})
    client = redis.Redis(port=server.port, decode_responses=True)
    counters = [f"counter:{number}" for number in range(20_000)]
    for _ in range(2):
        with client.pipeline(transaction=False) as pipe:
            for counter in counters:
                pipe.incr(counter)
            pipe.execute()
        fill(client, times=1)
    limit, client = restart_with_half(server, client, "allkeys-random")
    wait_until(lambda: used(client) < limit + limit // 8, "there is room again")
    assert set(client.mget(counters)) == {"2", None}
