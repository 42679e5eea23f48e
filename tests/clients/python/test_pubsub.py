"""Publish and subscribe through redis-py."""

import threading
import time

import pytest
import redis
from conftest import wait_until


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def listener(request, connect):
    """A PubSub of each protocol version."""
    client = connect(protocol=request.param, decode_responses=True)
    with client.pubsub() as pubsub:
        yield pubsub


def heard(pubsub, count, limit=10):
    """The next messages as (type, pattern, channel, data)."""
    found = []
    deadline = time.monotonic() + limit
    while len(found) < count:
        message = pubsub.get_message(timeout=0.2)
        if message:
            found.append(tuple(message[k] for k in ("type", "pattern", "channel", "data")))
        assert time.monotonic() < deadline, f"only {found}"
    return found


def silent(pubsub):
    """Nothing comes any more."""
    return pubsub.get_message(timeout=0.1) is None


def test_channels_and_patterns(db, listener):
    listener.subscribe("news", "other")
    listener.psubscribe("n?ws", "*x")
    assert heard(listener, 4) == [
        ("subscribe", None, "news", 1), ("subscribe", None, "other", 2),
        ("psubscribe", None, "n?ws", 3), ("psubscribe", None, "*x", 4),
    ]
    assert db.publish("news", "hello") == 2
    assert db.publish("nobody", "hello") == 0
    assert db.publish("xx", "") == 1
    assert heard(listener, 3) == [
        ("message", None, "news", "hello"), ("pmessage", "n?ws", "news", "hello"),
        ("pmessage", "*x", "xx", ""),
    ]
    assert sorted(db.pubsub_channels()) == ["news", "other"]
    assert db.pubsub_channels("n*") == ["news"]
    assert db.pubsub_numpat() == 2
    assert db.pubsub_numsub("news", "nobody") == [("news", 1), ("nobody", 0)]
    listener.unsubscribe("news")
    listener.punsubscribe()
    assert sorted(heard(listener, 3))[2] == ("unsubscribe", None, "news", 3)
    assert db.publish("news", "again") == 0
    assert db.publish("other", "still") == 1
    assert heard(listener, 1) == [("message", None, "other", "still")]


def test_shard_channels_are_apart(db, listener):
    listener.ssubscribe("news")
    listener.psubscribe("*")
    assert heard(listener, 2)[0] == ("ssubscribe", None, "news", 1)
    assert db.publish("news", "a") == 1
    assert db.execute_command("SPUBLISH", "news", "b") == 1
    assert heard(listener, 2) == [("pmessage", "*", "news", "a"), ("smessage", None, "news", "b")]
    assert db.pubsub_shardchannels() == ["news"]
    assert db.pubsub_shardnumsub("news", "x") == [("news", 1), ("x", 0)]
    assert db.pubsub_channels() == []


def test_subscribing_twice_counts_once(db, listener):
    listener.subscribe("a")
    listener.subscribe("a")
    assert [number for *_, number in heard(listener, 2)] == [1, 1]
    assert db.publish("a", "once") == 1
    assert heard(listener, 1) == [("message", None, "a", "once")]
    assert silent(listener)


def test_who_goes_away_leaves_nothing(db, connect):
    for protocol in (2, 3):
        client = connect(protocol=protocol)
        pubsub = client.pubsub()
        pubsub.subscribe(*[f"channel:{i}" for i in range(100)])
        pubsub.psubscribe("a*")
        pubsub.ssubscribe("shard")
        wait_until(lambda: db.pubsub_numpat() == 1 and db.pubsub_shardchannels(), "subscribed")
        assert len(db.pubsub_channels()) == 100
        pubsub.close()
        client.close()
        wait_until(lambda: db.info("stats")["pubsub_channels"] == 0, "no channel is left")
        assert db.pubsub_numpat() == 0 and db.pubsub_shardchannels() == []
        assert db.info("stats")["pubsub_patterns"] == 0
        assert db.publish("channel:1", "x") == 0


def test_a_resp2_listener_may_run_little(connect):
    one = connect(protocol=2).connection_pool.get_connection()
    for words, reply in [
        (("SUBSCRIBE", "a"), [b"subscribe", b"a", 1]),
        (("PING",), [b"pong", b""]),
        (("PING", "hi"), [b"pong", b"hi"]),
        (("UNSUBSCRIBE",), [b"unsubscribe", b"a", 0]),
        (("UNSUBSCRIBE",), [b"unsubscribe", None, 0]),
        (("PING",), b"PONG"),
        (("PSUBSCRIBE", "a*"), [b"psubscribe", b"a*", 1]),
    ]:
        one.send_command(*words)
        assert one.read_response() == reply
    for words, name in [(("GET", "a"), "get"), (("CONFIG", "GET", "x"), "config|get")]:
        one.send_command(*words)
        with pytest.raises(redis.ResponseError) as error:
            one.read_response()
        assert str(error.value) == (
            f"Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET "
            "are allowed in this context"
        )
    one.send_command("RESET")
    assert one.read_response() == b"RESET"
    one.send_command("GET", "a")
    assert one.read_response() is None
    one.disconnect()


def test_a_resp3_listener_may_run_everything(db, connect):
    client = connect(protocol=3, decode_responses=True, single_connection_client=True)
    pubsub = client.pubsub()
    pubsub.subscribe("a")
    assert heard(pubsub, 1) == [("subscribe", None, "a", 1)]
    connection = pubsub.connection
    connection.send_command("SET", "key", "1")
    assert connection.read_response() == "OK"
    connection.send_command("MGET", "key", "absent")
    assert connection.read_response() == ["1", None]
    db.publish("a", "x")
    assert heard(pubsub, 1) == [("message", None, "a", "x")]
    pubsub.close()


def test_reset_and_client_list(db, connect):
    one = connect(protocol=2, client_name="listener").connection_pool.get_connection()
    for words in [("SUBSCRIBE", "a", "b"), ("PSUBSCRIBE", "c*"), ("SSUBSCRIBE", "d")]:
        one.send_command(*words)
        [one.read_response() for _ in words[1:]]
    wait_until(lambda: line_of(db, "listener")["ssub"] == "1", "subscribed")
    line = line_of(db, "listener")
    assert (line["sub"], line["psub"], line["flags"]) == ("2", "1", "P")
    assert [c["name"] for c in db.client_list(_type="pubsub")] == ["listener"]
    one.send_command("RESET")
    assert one.read_response() == b"RESET"
    assert db.pubsub_channels() == [] and db.pubsub_numpat() == 0
    one.disconnect()


def line_of(db, name):
    return next(c for c in db.client_list() if c["name"] == name)


def test_subscribing_inside_multi(newer, connect):
    """The message comes behind the reply, not amid it as in Redis 7.0."""
    one = connect(protocol=2).connection_pool.get_connection()
    for words in [("MULTI",), ("SUBSCRIBE", "a"), ("PUBLISH", "a", "x"), ("PING",)]:
        one.send_command(*words)
        one.read_response()
    one.send_command("EXEC")
    assert one.read_response() == [[b"subscribe", b"a", 1], 1, [b"pong", b""]]
    assert one.read_response() == [b"message", b"a", b"x"]
    one.disconnect()


def test_order_with_many_publishers_and_subscribers(db, connect):
    """Each publisher's messages arrive whole, all of them, and in its order."""
    publishers, subscribers, each = 4, 6, 500
    listeners = [connect(protocol=2 + i % 2).pubsub() for i in range(subscribers)]
    for number, pubsub in enumerate(listeners):
        if number % 3 == 2:
            pubsub.psubscribe("ch*")
        else:
            pubsub.subscribe("channel")
        heard(pubsub, 1)

    def publish(name):
        client = connect()
        with client.pipeline(transaction=False) as pipe:
            for i in range(each):
                pipe.publish("channel", f"{name} {i} {'x' * (i % 300)}")
            assert pipe.execute() == [subscribers] * each

    threads = [threading.Thread(target=publish, args=(n,)) for n in range(publishers)]
    for thread in threads:
        thread.start()
    for pubsub in listeners:
        got = [data.split() for *_, data in heard(pubsub, publishers * each, limit=50)]
        for name in range(publishers):
            own = [int(number) for who, number, *_ in got if int(who) == name]
            assert own == list(range(each))
    for thread in threads:
        thread.join()


def test_who_does_not_read_is_closed(newer, own_server):
    server = own_server(client_output_buffer_limit="pubsub 1mb 0 0")
    client = redis.Redis(port=server.port)
    slow = redis.Redis(port=server.port, protocol=2).connection_pool.get_connection()
    slow.send_command("SUBSCRIBE", "news")
    assert slow.read_response() == [b"subscribe", b"news", 1]
    message = "x" * 100_000
    for _ in range(1000):
        if client.publish("news", message) == 0:
            break
    wait_until(lambda: client.publish("news", "x") == 0, "the slow subscriber is gone")
    assert client.info("stats")["client_output_buffer_limit_disconnections"] == 1
    slow.disconnect()


def test_client_reply_off_keeps_no_message_back(db, connect):
    one = connect(protocol=2).connection_pool.get_connection()
    one.send_command("CLIENT", "REPLY", "OFF")
    one.send_command("GET", "x")
    one.send_command("SUBSCRIBE", "a")
    assert one.read_response() == [b"subscribe", b"a", 1]
    db.publish("a", "x")
    assert one.read_response() == [b"message", b"a", b"x"]
    one.disconnect()


def test_help_and_errors(db):
    assert any("NUMSUB" in line for line in db.execute_command("PUBSUB", "HELP"))
    for words in (("PUBSUB", "NOSUCH"), ("PUBSUB", "NUMPAT", "x"), ("SUBSCRIBE",),
                  ("PUBLISH", "a")):
        with pytest.raises(redis.ResponseError):
            db.execute_command(*words)
