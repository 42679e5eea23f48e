"""MIGRATE: keys move to another server, ours or Redis, and no write is lost."""

import socket
import threading

import pytest
import redis
from conftest import servers, wait_until
from test_snapshots import REDIS, fill


@pytest.fixture(params=["darner", "redis"])
def pair(request, own_server):
    """A source and a target, one of which may be Redis; both orders are tried."""
    other = servers.DARNER if request.param == "darner" else REDIS
    with servers.Server(other) as target:
        source = own_server(proactor_threads=2)
        yield redis.Redis(port=source.port), redis.Redis(port=target.port)


def migrate(client, target, *rest, key="", db=0):
    port = target.connection_pool.connection_kwargs["port"]
    return client.execute_command("MIGRATE", "127.0.0.1", port, key, db, 5000, *rest)


def test_all_types_go_there_and_back(pair):
    source, target = pair
    fill(source)
    source.set("expires", 1, ex=1000)
    plain = source.keys()
    dumps = {key: source.execute_command("DEBUG", "DIGEST-VALUE", key) for key in plain}
    assert migrate(source, target, "KEYS", *plain, db=3) == b"OK"
    assert source.exists(*plain) == 0
    target.select(3)
    assert target.exists(*plain) == len(plain)
    assert 900 < target.ttl("expires") <= 1000
    assert migrate(target, source, "KEYS", *plain) == b"OK"
    assert target.dbsize() == 0
    for key in plain:
        assert source.execute_command("DEBUG", "DIGEST-VALUE", key) == dumps[key], key


def test_options_and_errors(pair):
    source, target = pair
    assert migrate(source, target, key="none") == b"NOKEY"
    source.mset({"a": 1, "b": 2})
    target.set("b", "old")
    assert migrate(source, target, "COPY", key="a") == b"OK"
    assert (source.get("a"), target.get("a")) == (b"1", b"1")
    with pytest.raises(redis.ResponseError, match="Target instance replied with error: BUSYKEY"):
        migrate(source, target, "KEYS", "b", "none")
    assert (source.get("b"), target.get("b")) == (b"2", b"old")
    assert migrate(source, target, "REPLACE", "KEYS", "a", "b") == b"OK"
    assert (source.dbsize(), target.mget("a", "b")) == (0, [b"1", b"2"])
    source.set("a", 1)
    with pytest.raises(redis.ResponseError, match="Target instance replied with error: ERR DB"):
        migrate(source, target, key="a", db=99)
    target.config_set("requirepass", "secret")
    with pytest.raises(redis.ResponseError, match="WRONGPASS|invalid"):
        migrate(source, target, "AUTH", "wrong", "REPLACE", key="a")
    assert source.get("a") == b"1"
    assert migrate(source, target, "AUTH2", "default", "secret", "REPLACE", key="a") == b"OK"
    assert source.dbsize() == 0


def test_a_target_that_is_not_there(own_server):
    client = redis.Redis(port=own_server().port)
    client.set("a", 1)
    port = servers.free_port()
    with pytest.raises(redis.ResponseError, match="IOERR error or timeout connecting"):
        client.execute_command("MIGRATE", "127.0.0.1", port, "a", 0, 100)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with pytest.raises(redis.ResponseError, match="IOERR error or timeout reading"):
            client.execute_command("MIGRATE", "127.0.0.1", silent.getsockname()[1], "a", 0, 50)
    with client.pipeline() as pipe, pytest.raises(redis.ResponseError, match="transaction"):
        pipe.execute_command("MIGRATE", "127.0.0.1", port, "a", 0, 100).execute()
    assert client.get("a") == b"1"


class Held:
    """A target that takes its time: it answers when it is told to."""

    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.has_got_it, self.may_answer = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        peer, _ = self.server.accept()
        with peer:
            peer.recv(1 << 16)
            peer.sendall(b"+OK\r\n")
            peer.recv(1 << 16)
            self.has_got_it.set()
            self.may_answer.wait(20)
            peer.sendall(b"+OK\r\n")

    def close(self):
        self.thread.join()
        self.server.close()


@pytest.mark.parametrize("change", ["SET a 2", "DEL a", "FLUSHALL", "PEXPIRE a 1000000", None])
@pytest.mark.parametrize("threads", [1, 2])
def test_others_are_served_meanwhile_and_no_write_is_lost(own_server, change, threads):
    server = own_server(proactor_threads=threads, appendonly="yes")
    client, other = redis.Redis(port=server.port), redis.Redis(port=server.port)
    client.set("a", 1)
    target, answers = Held(), []

    def run():
        try:
            answers.append(
                client.execute_command("MIGRATE", "127.0.0.1", target.port, "a", 0, 20000))
        except redis.ResponseError as error:
            answers.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert target.has_got_it.wait(10)
    assert other.get("a") == b"1"
    if change:
        other.execute_command(*change.split())
    left = other.dump("a")
    target.may_answer.set()
    thread.join()
    target.close()
    if change:
        assert "changed while they were being migrated" in str(answers[0])
        assert other.dump("a") == left
    else:
        assert (answers, other.exists("a")) == ([b"OK"], 0)
    other.waitaof(1, 0, 0)
    server.stop()
    server.start()
    other = redis.Redis(port=server.port)
    wait_until(lambda: other.info("persistence")["loading"] == 0, "it is loaded")
    assert other.exists("a") == (change in ("SET a 2", "PEXPIRE a 1000000"))


def test_a_client_that_goes_leaves_its_migration_alone(own_server):
    server = own_server()
    client = redis.Redis(port=server.port)
    client.set("a", 1)
    target = Held()
    with socket.create_connection(("127.0.0.1", server.port)) as going:
        going.sendall(f"MIGRATE 127.0.0.1 {target.port} a 0 20000\r\n".encode())
        assert target.has_got_it.wait(10)
    target.may_answer.set()
    target.close()
    wait_until(lambda: client.exists("a") == 0, "the key is gone")
