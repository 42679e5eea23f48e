"""Scripts that touch keys they don't declare: atomic, side by side, and refused where wanted."""

import subprocess
import threading

import pytest
import redis
from conftest import servers, wait_until

QUEUES = 8
RUNS = 300

ADD = """
local id = redis.call('INCR', ARGV[1] .. ':ids')
redis.call('HSET', ARGV[1] .. ':' .. id, 'id', id)
redis.call('LPUSH', ARGV[1] .. ':wait', id)
redis.call('INCR', ARGV[1] .. ':added')
return id
"""

MOVE = """
redis.call('DECR', KEYS[1])
redis.call('INCR', ARGV[1])
"""

UNDECLARED = "return redis.call('GET', 'other')"


class Crowd:
    """Threads with a client each, of which some go on until the others are done."""

    def __init__(self, port):
        self.port, self.done, self.failed = port, threading.Event(), []
        self.workers, self.watchers = [], []

    def run(self, work, *args):
        self.workers.append(threading.Thread(target=self._caught, args=(work, args)))

    def watch(self, look, *args):
        def again(client, *args):
            while not self.done.is_set():
                look(client, *args)

        self.watchers.append(threading.Thread(target=self._caught, args=(again, args)))

    def _caught(self, work, args):
        try:
            with redis.Redis(port=self.port, decode_responses=True) as client:
                work(client, *args)
        except Exception as error:  # noqa: BLE001
            self.failed.append(error)

    def join(self):
        for thread in self.workers + self.watchers:
            thread.start()
        for thread in self.workers:
            thread.join()
        self.done.set()
        for thread in self.watchers:
            thread.join()
        assert not self.failed


@pytest.fixture
def two_threads(own_server):
    if servers.is_redis(servers.DARNER):
        pytest.skip("has no such threads")
    return own_server(proactor_threads=2)


def test_queues_side_by_side(two_threads):
    def add(client, queue):
        script = client.register_script(ADD)
        for _ in range(RUNS):
            script(args=[queue])

    def look(client, queue):
        ids, waiting, added = client.mget(f"{queue}:ids", "x", f"{queue}:added")
        assert ids == added and waiting is None

    def transact(client, queue):
        with client.pipeline() as pipe:
            ids, length, added = (pipe.get(f"{queue}:ids").llen(f"{queue}:wait")
                                  .get(f"{queue}:added").execute())
        assert int(ids or 0) == length == int(added or 0)

    crowd = Crowd(two_threads.port)
    for number in range(QUEUES):
        queue = f"queue{number}"
        crowd.run(add, queue)
        crowd.run(add, queue)
        crowd.watch(look, queue)
        crowd.watch(transact, queue)
    crowd.join()
    with redis.Redis(port=two_threads.port) as client:
        for number in range(QUEUES):
            ids = client.lrange(f"queue{number}:wait", 0, -1)
            assert sorted(map(int, ids)) == list(range(1, 2 * RUNS + 1))


def test_money_moves_between_keys_that_nobody_declared(two_threads):
    accounts = [f"account:{number}" for number in range(5)]

    def move(client, step):
        script = client.register_script(MOVE)
        for number in range(RUNS):
            source, target = accounts[number % 5], accounts[(number + step) % 5]
            script(keys=[source], args=[target])

    def look(client):
        assert sum(int(amount or 0) for amount in client.mget(accounts)) == 0

    crowd = Crowd(two_threads.port)
    for step in (1, 2, 3, 4):
        crowd.run(move, step)
    crowd.watch(look)
    crowd.join()


def test_who_waits_is_served_by_a_script(two_threads):
    port = two_threads.port
    with redis.Redis(port=port) as waiting, redis.Redis(port=port) as client:
        script = client.register_script(ADD)
        for queue in ("a", "b", "a"):
            script(args=[queue])
        waiter = threading.Thread(
            target=lambda: client.set("got", waiting.blpop("c:wait", timeout=10)[1]))
        waiter.start()
        wait_until(lambda: client.info("clients")["blocked_clients"] == 1, "BLPOP waits")
        script(args=["c"])
        waiter.join()
        assert client.get("got") == b"1"


@pytest.mark.parametrize("flags", ["", "disable-atomicity"])
def test_strict_scripts_declare_their_keys(own_server, flags):
    server = own_server(default_lua_flags=flags, proactor_threads=2)
    with redis.Redis(port=server.port, decode_responses=True) as client:
        with pytest.raises(redis.ResponseError, match="script tried accessing undeclared key"):
            client.eval(UNDECLARED, 1, "key")
        assert client.eval(UNDECLARED, 1, "other") is None
        flagged = f"--!df flags=allow-undeclared-keys\n{UNDECLARED}"
        assert client.eval(flagged, 0) is None
        sha = client.script_load(UNDECLARED)
        client.config_set("lua_undeclared_keys_shas", sha)
        assert client.evalsha(sha, 0) is None


def test_strict_scripts_share_tags_where_told(own_server):
    tagged = "return redis.call('GET', '{q}:other')"
    for options, is_refused in [({}, True), ({"lock_on_hashtags": "true"}, False)]:
        server = own_server(default_lua_flags="", **options)
        with redis.Redis(port=server.port) as client:
            if is_refused:
                with pytest.raises(redis.ResponseError, match="undeclared"):
                    client.eval(tagged, 1, "{q}:key")
            else:
                assert client.eval(tagged, 1, "{q}:key") is None


def test_a_wrong_flag_is_told():
    if servers.is_redis(servers.DARNER):
        pytest.skip("has no such flag")
    done = subprocess.run([servers.DARNER, "--default_lua_flags=allow-everything"],
                          capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode != 0 and "Invalid script flags" in done.stdout + done.stderr
