"""kill -9 in the middle of saves and rewrites: everything acknowledged is there afterwards.

KILL_ROUNDS says how often each kind is killed.
"""

import os
import random
import signal
import threading

import pytest
import redis
from conftest import wait_until
from redis.backoff import NoBackoff
from redis.retry import Retry
from test_aof import folder, is_loaded, start

ROUNDS = int(os.environ.get("KILL_ROUNDS", "4"))
FILLER = 20_000
WRITERS = ("a", "b", "c")


def connect(port):
    """A client that gives up at once when the server is gone."""
    return redis.Redis(port=port, retry=Retry(NoBackoff(), 0))


class Writer(threading.Thread):
    """Counts up in transactions and remembers what was acknowledged."""

    def __init__(self, port, key, count):
        super().__init__()
        self.port, self.key, self.count = port, key, count
        self.start()

    def run(self):
        try:
            with connect(self.port) as client:
                while True:
                    with client.pipeline() as pipe:
                        pipe.incr(self.key).rpush("list:" + self.key, "x" * 40)
                        pipe.set(f"filler:{self.count % FILLER}", self.key).execute()
                    self.count += 1
        except (redis.ConnectionError, redis.BusyLoadingError):
            pass


def save_and_rewrite(port, works, choice):
    """Begins saves and rewrites again and again until the server is gone."""
    try:
        with connect(port) as client:
            while True:
                try:
                    client.execute_command(choice.choice(works))
                except redis.ResponseError:
                    continue
    except (redis.ConnectionError, redis.BusyLoadingError):
        pass


def check(client, writers, is_always):
    for writer in writers:
        there = int(client.get(writer.key) or 0)
        assert client.llen("list:" + writer.key) == there, "a transaction is whole or not there"
        assert there <= writer.count + 1, "nothing comes that nobody has sent"
        if is_always:
            assert there >= writer.count, "acknowledged"
        writer.count = there


@pytest.mark.timeout(60 + 20 * ROUNDS)
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("fsync", ["always", "everysec"])
@pytest.mark.parametrize("works", [["BGSAVE"], ["BGREWRITEAOF"], ["BGSAVE", "BGREWRITEAOF"]],
                         ids=["saves", "rewrites", "both"])
def test_kills_during(own_server, works, fsync, threads):
    server = start(own_server, appendfsync=fsync, proactor_threads=threads)
    with redis.Redis(port=server.port) as client:
        client.execute_command("DEBUG", "POPULATE", FILLER, "filler", 100)
    choice = random.Random(threads)
    counts = dict.fromkeys(WRITERS, 0)
    for _ in range(ROUNDS):
        writers = [Writer(server.port, key, count) for key, count in counts.items()]
        goal = sum(counts.values()) + choice.randrange(30, 400)
        saver = threading.Thread(target=save_and_rewrite, args=(server.port, works, choice))
        saver.start()
        wait_until(lambda: sum(writer.count for writer in writers) >= goal, "they get on", 30)
        os.kill(server.pid, signal.SIGKILL)
        server.process.wait()
        for thread in [*writers, saver]:
            thread.join()
        server.start()
        with redis.Redis(port=server.port) as client:
            wait_until(lambda client=client: is_loaded(client), "it is loaded", 30)
            # What the operating system has lives on when only the process ends.
            check(client, writers, fsync == "always")
            assert client.dbsize() >= FILLER
        counts = {writer.key: writer.count for writer in writers}
        for path in (server.dir, folder(server)):
            assert half_written(path, server.pid) == []


def half_written(path, pid):
    """Files that a server which is gone has left."""
    names = [name for name in os.listdir(path) if name.startswith("temp-")]
    return [name for name in names if name.split("-")[1].isdigit() and str(pid) not in name]
