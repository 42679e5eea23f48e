"""Connections that gather on one thread and spread over two, as clients that go on see it."""

import threading

import pytest
import redis

from conftest import servers, wait_until

pytestmark = pytest.mark.skipif(servers.is_redis(servers.DARNER), reason="one thread serves")

CLIENTS = 6
# So long that connections move meanwhile, which is decided ten times a second.
ROUNDS = 100
# Between two rounds of a client, so that all of them leave the machine some room.
REST_S = 0.001


@pytest.fixture(params=["false", "true"], ids=["io_uring", "epoll"])
def two(request, own_server):
    """A server of two threads whose connections may move, and a client of it."""
    server = own_server(proactor_threads=2, migrate_connections="true", enable_debug_command="yes",
                        force_epoll=request.param)
    with redis.Redis(port=server.port, decode_responses=True) as client:
        yield client


def serving(client):
    return client.info("clients")["serving_threads"]


def moved(client):
    return client.info("clients")["moved_connections"]


def port_of(client):
    return client.connection_pool.connection_kwargs["port"]


def have_serve(client, threads, meanwhile=lambda: None):
    """Has so many threads serve, and lets the load go on until each client was answered often."""
    client.execute_command("DEBUG", "SERVING-THREADS", threads)
    wait_until(lambda: serving(client) == threads, f"{threads} serve")
    before = counts(client)

    def is_done():
        meanwhile()
        return all(now >= then + ROUNDS for now, then in zip(counts(client), before))
    wait_until(is_done, "the load goes on", 30)


def counts(client):
    return [int(count or 0) for count in client.mget(f"count:{n}" for n in range(CLIENTS))]


class Load:
    """Clients that count up in ways that notice what is lost, done twice or in the wrong order."""

    def __init__(self, port):
        self.port = port
        self.stopped = threading.Event()
        self.counts = {}
        self.failed = []
        self.threads = [threading.Thread(target=self.run, args=(number,))
                        for number in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stop()

    def run(self, number):
        ways = [self.one_by_one, self.in_pipelines, self.in_transactions, self.through_a_list,
                self.in_scripts, self.under_watch]
        try:
            with redis.Redis(port=self.port, decode_responses=True) as client:
                self.counts[number] = ways[number % len(ways)](client, f"count:{number}")
        except Exception as error:  # pylint: disable=broad-exception-caught
            self.failed.append((number, error))

    def until_stopped(self):
        count = 0
        while not self.stopped.wait(REST_S):
            count += 1
            yield count

    def one_by_one(self, client, key):
        count = 0
        for count in self.until_stopped():
            assert client.incr(key) == count
        return count

    def in_pipelines(self, client, key):
        count = 0
        for count in self.until_stopped():
            pipeline = client.pipeline(transaction=False)
            for _ in range(20):
                pipeline.incr(key)
            assert pipeline.execute() == list(range(count * 20 - 19, count * 20 + 1))
        return count * 20

    def in_transactions(self, client, key):
        count = 0
        for count in self.until_stopped():
            assert client.pipeline().incr(key).get(key).execute() == [count, str(count)]
        return count

    def through_a_list(self, client, key):
        count = 0
        with redis.Redis(port=self.port) as pusher:
            for count in self.until_stopped():
                timer = threading.Timer(0.001, pusher.rpush, (f"{key}:list", count))
                timer.start()
                assert client.blpop(f"{key}:list", 10) == (f"{key}:list", str(count))
                timer.join()
                client.incr(key)
        return count

    def in_scripts(self, client, key):
        count = 0
        script = client.register_script("return redis.call('INCR', ARGV[1] .. ARGV[2])")
        for count in self.until_stopped():
            assert script(args=["count:", key.removeprefix("count:")]) == count
        return count

    def under_watch(self, client, key):
        count = 0
        with client.pipeline() as pipeline:
            for count in self.until_stopped():
                pipeline.watch(key)
                seen = int(pipeline.get(key) or 0)
                pipeline.multi()
                pipeline.set(key, seen + 1)
                assert seen + 1 == count and pipeline.execute() == [True]
        return count

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join()
        assert not self.failed


def test_clients_notice_nothing_when_connections_move(two):
    with Load(port_of(two)) as load:
        for threads in (2, 1, 2, 1):
            have_serve(two, threads)
    assert moved(two) > 2
    assert [load.counts[number] for number in range(CLIENTS)] == counts(two)


def test_those_who_have_moved_can_be_killed(two):
    clients = [redis.Redis(port=port_of(two), client_name=f"moved-{number}")
               for number in range(8)]
    with Load(port_of(two)):
        for threads in (2, 1, 2):
            have_serve(two, threads, lambda: [client.ping() for client in clients])
    ids = [client.client_id() for client in clients]
    listed = {int(line["id"]): line["name"] for line in two.client_list()}
    assert [listed[number] for number in ids] == [f"moved-{number}" for number in range(8)]
    for number in ids:
        assert two.client_kill_filter(_id=str(number)) == 1
    wait_until(lambda: not {int(line["id"]) for line in two.client_list()} & set(ids), "all gone")


def test_slow_commands_are_kept_apart_from_others(two):
    """If there is a core to spare; elsewhere nothing more is asked than that all goes on."""
    with Load(port_of(two)):
        for _ in range(20):
            two.execute_command("DEBUG", "SLEEP", 0.03)
    assert serving(two) in (1, 2)


def test_connections_stay_where_they_are_told_to(own_server):
    server = own_server(proactor_threads=2, migrate_connections="false",
                        enable_debug_command="yes")
    with redis.Redis(port=server.port) as client:
        with Load(server.port):
            for _ in range(20):
                client.execute_command("DEBUG", "SLEEP", 0.03)
        assert (serving(client), moved(client)) == (2, 0)
        for threads, error in ((1, "stay"), (3, "out of range"), (-1, "out of range")):
            with pytest.raises(redis.ResponseError, match=error):
                client.execute_command("DEBUG", "SERVING-THREADS", threads)
