"""Lists through redis-py, and clients that wait for them."""

import socket
import threading
import time

import pytest
import redis

from conftest import wait_until


class Waiter(threading.Thread):
    """A client that runs one command, which may wait."""

    def __init__(self, client, *command):
        super().__init__(daemon=True)
        self.client = client
        self.command = command
        self.reply = None
        self.seconds = None

    def run(self):
        started = time.monotonic()
        try:
            self.reply = self.client.execute_command(*self.command)
        except redis.RedisError as error:
            self.reply = error
        self.seconds = time.monotonic() - started

    def result(self):
        """What it was told, once it was."""
        self.join(10)
        assert not self.is_alive(), f"{self.command} still waits"
        return list(self.reply) if isinstance(self.reply, tuple) else self.reply


@pytest.fixture
def wait_for(db, connect):
    """Starts a command in a client of its own and returns when that waits."""

    def start(*command):
        before = blocked(db)
        client = connect(decode_responses=True, socket_timeout=20)
        waiter = Waiter(client, *command)
        waiter.start()
        wait_until(lambda: blocked(db) == before + 1, f"{command} waits")
        return waiter

    return start


def blocked(db):
    return db.info("clients")["blocked_clients"]


def test_a_list_is_a_deque(db):
    model = []
    for i in range(3000):
        text = f"element-{i}" * (1 + i % 7)
        if i % 3:
            db.rpush("l", text)
            model.append(text)
        else:
            db.lpush("l", text, i)
            model[:0] = [str(i), text]
    assert db.llen("l") == len(model)
    assert db.lrange("l", 0, -1) == model
    assert db.lrange("l", 1000, 1100) == model[1000:1101]
    assert db.lindex("l", 2222) == model[2222]
    db.lset("l", 2222, "x" * 20_000)
    db.linsert("l", "AFTER", "x" * 20_000, "next")
    model[2222:2223] = ["x" * 20_000, "next"]
    assert db.lpos("l", "next") == 2223
    assert db.lrem("l", -1, "next") == 1
    del model[2223]
    db.ltrim("l", 100, -101)
    assert db.lrange("l", 0, -1) == model[100:-100]
    assert db.lpop("l", 500) == model[100:600]
    assert db.rpop("l", 2) == [model[-101], model[-102]]


def test_a_push_serves_who_came_first(db, wait_for):
    first = wait_for("BLPOP", "l", 0)
    second = wait_for("BRPOP", "other", "l", 0)
    third = wait_for("BLMPOP", 0, 2, "other", "l", "LEFT", "COUNT", 10)
    assert db.rpush("l", "a", "b", "c", "d") == 4
    assert first.result() == ["l", "a"]
    assert second.result() == ["l", "d"]
    assert third.result() == ["l", ["b", "c"]]
    assert db.exists("l") == 0
    assert blocked(db) == 0


def test_a_wait_ends_with_its_time(db, wait_for):
    for command in [("BLPOP", "l", 0.2), ("BRPOPLPUSH", "l", "m", 0.2),
                    ("BLMPOP", 0.2, 1, "l", "LEFT")]:
        waiter = wait_for(*command)
        assert waiter.result() is None
        assert 0.15 < waiter.seconds < 5
    assert db.rpush("l", "a") == 1
    assert db.llen("l") == 1


def test_moves_serve_a_chain(db, wait_for):
    last = wait_for("BLPOP", "c", 0)
    middle = wait_for("BLMOVE", "b", "c", "LEFT", "RIGHT", 0)
    first = wait_for("BRPOPLPUSH", "a", "b", 0)
    db.rpush("a", "x")
    assert first.result() == "x"
    assert middle.result() == "x"
    assert last.result() == ["c", "x"]
    assert db.exists("a", "b", "c") == 0


def test_the_element_stays_when_the_destination_has_another_type(db, wait_for):
    waiter = wait_for("BRPOPLPUSH", "a", "text", 0)
    db.set("text", "x")
    db.rpush("a", 1)
    assert "WRONGTYPE" in str(waiter.result())
    assert db.lrange("a", 0, -1) == ["1"]


def test_other_types_serve_nobody(db, wait_for):
    waiter = wait_for("BLPOP", "k", 0)
    db.set("k", "text")
    db.delete("k")
    db.zadd("k", {"member": 1})
    db.delete("k")
    assert waiter.is_alive()
    db.lpush("k", "x")
    assert waiter.result() == ["k", "x"]


def test_client_unblock(db, wait_for):
    waiter = wait_for("BLPOP", "l", 0)
    number = next(client["id"] for client in db.client_list() if client["cmd"] == "blpop")
    assert db.client_unblock(int(number)) == 1
    assert waiter.result() is None
    waiter = wait_for("BLPOP", "l", 0)
    number = next(client["id"] for client in db.client_list()
                  if client["cmd"] == "blpop" and "b" in client["flags"])
    assert db.client_unblock(int(number), error=True) == 1
    assert "UNBLOCKED" in str(waiter.result())
    assert db.client_unblock(int(number)) == 0


@pytest.mark.parametrize("is_killed", [False, True])
def test_who_is_gone_takes_nothing(db, server, wait_for, is_killed):
    gone = socket.create_connection(("127.0.0.1", server.port))
    gone.sendall(b"CLIENT ID\r\n")
    number = int(gone.recv(100)[1:])
    gone.sendall(b"BLPOP l 0\r\n")
    wait_until(lambda: blocked(db) == 1, "a client waits")
    second = wait_for("BLPOP", "l", 0)
    if is_killed:
        assert db.client_kill_filter(_id=number) == 1
        assert gone.recv(100) == b""
    gone.close()
    wait_until(lambda: blocked(db) == 1, "the client is gone")
    assert db.rpush("l", "x", "y") == 2
    assert second.result() == ["l", "x"]
    assert db.lrange("l", 0, -1) == ["y"]


def test_nobody_waits_inside_a_transaction(db):
    with db.pipeline() as pipe:
        pipe.blpop("l", 0).brpoplpush("l", "m", 0).rpush("l", "x").blpop("l", 0)
        replies = pipe.execute()
    assert replies[:3] == [None, None, 1]
    assert list(replies[3]) == ["l", "x"]


def test_a_transaction_serves_at_its_end(db, wait_for):
    waiter = wait_for("BLPOP", "l", 0)
    with db.pipeline() as pipe:
        pipe.rpush("l", "a").lpush("l", "b").llen("l")
        assert pipe.execute() == [1, 2, 2]
    assert waiter.result() == ["l", "b"]


def test_what_was_pipelined_behind_a_wait_comes_after_it(db, server):
    client = socket.create_connection(("127.0.0.1", server.port))
    client.sendall(b"BLPOP l 0\r\nECHO after\r\n")
    wait_until(lambda: blocked(db) == 1, "the client waits")
    db.rpush("l", "x")
    expected = b"*2\r\n$1\r\nl\r\n$1\r\nx\r\n$5\r\nafter\r\n"
    received = b""
    while len(received) < len(expected):
        received += client.recv(4096)
    assert received == expected
    client.close()


def test_many_producers_and_consumers_lose_nothing(db, connect):
    taken = []

    def consume(client):
        while True:
            _, element = client.blpop(["queue:1", "queue:2"])
            if element == "end":
                return
            taken.append(int(element))

    consumers = [threading.Thread(target=consume, args=(connect(decode_responses=True),))
                 for _ in range(6)]
    for consumer in consumers:
        consumer.start()
    for i in range(2000):
        db.rpush(f"queue:{1 + i % 2}", i)
    wait_until(lambda: len(taken) == 2000, "all is taken")
    for _ in consumers:
        db.rpush("queue:1", "end")
    for consumer in consumers:
        consumer.join(10)
    assert sorted(taken) == list(range(2000))


def test_sort(db):
    db.rpush("l", 3, 1, 2)
    db.mset({"w_1": 3, "w_2": 2, "w_3": 1})
    assert db.sort("l") == ["1", "2", "3"]
    assert db.sort("l", by="w_*", get=["#", "w_*"]) == ["3", "1", "2", "2", "1", "3"]
    assert db.sort("l", desc=True, start=0, num=2, store="d") == 2
    assert db.lrange("d", 0, -1) == ["3", "2"]
