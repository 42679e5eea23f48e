"""Keyspace notifications through redis-py."""

import time

import pytest
import redis
from test_pubsub import heard, silent


@pytest.fixture
def events(db, connect):
    """Chooses the classes of events; returns a listener to all of them."""
    pubsub = connect(decode_responses=True).pubsub()

    def start(classes, pattern="__key*"):
        db.config_set("notify-keyspace-events", classes)
        pubsub.psubscribe(pattern)
        heard(pubsub, 1)
        return pubsub

    yield start
    db.config_set("notify-keyspace-events", "")
    pubsub.close()


def told(pubsub, count):
    """The next events as (channel without its prefix, data)."""
    return [(channel.split("__:", 1)[1], data) for _, _, channel, data in heard(pubsub, count)]


def test_the_setting(db):
    for given, shown in [("KEA", "AKE"), ("gKE", "gKE"), ("$lshzxeKE", "$lshzxeKE"), ("", "")]:
        db.config_set("notify-keyspace-events", given)
        assert db.config_get("notify-keyspace-events") == {"notify-keyspace-events": shown}
    with pytest.raises(redis.ResponseError, match="Invalid event class character"):
        db.config_set("notify-keyspace-events", "KQ")


def test_both_channels_in_order(db, events):
    pubsub = events("KEA")
    db.set("key", 1)
    db.execute_command("SET", "key", 2, "EX", 100)
    db.rename("key", "other")
    db.delete("other", "absent")
    assert heard(pubsub, 2) == [
        ("pmessage", "__key*", "__keyspace@0__:key", "set"),
        ("pmessage", "__key*", "__keyevent@0__:set", "key"),
    ]
    assert told(pubsub, 10)[::2] == [
        ("key", "set"), ("key", "expire"), ("key", "rename_from"), ("other", "rename_to"),
        ("other", "del"),
    ]
    assert silent(pubsub)


def test_only_what_was_asked_for(db, events):
    pubsub = events("E$")
    db.set("a", 1)
    db.incr("a")
    db.append("a", "x")
    db.expire("a", 100)
    db.delete("a")
    assert told(pubsub, 3) == [("set", "a"), ("incrby", "a"), ("append", "a")]
    assert silent(pubsub)


@pytest.mark.parametrize("classes", ["A", "g$", ""])
def test_silence_without_a_channel(db, events, classes):
    pubsub = events(classes)
    db.set("a", 1)
    assert silent(pubsub)


def test_expired_keys(db, events):
    pubsub = events("Ex")
    db.set("later", 1, px=30)
    assert told(pubsub, 1) == [("expired", "later")]


def test_keys_whose_expiry_a_reader_finds(newer, events):
    pubsub = events("Ex")
    newer.execute_command("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    newer.set("lazy", 1, px=10)
    time.sleep(0.03)
    assert silent(pubsub)
    assert newer.get("lazy") is None
    assert told(pubsub, 1) == [("expired", "lazy")]
    newer.execute_command("DEBUG", "SET-ACTIVE-EXPIRE", 1)


def test_new_and_missing_keys(db, events):
    pubsub = events("Enm$")
    db.set("a", 1)
    db.set("a", 2)
    assert db.get("absent") is None
    db.mset({"a": 1, "b": 2})
    assert told(pubsub, 7) == [
        ("new", "a"), ("set", "a"), ("set", "a"), ("keymiss", "absent"), ("set", "a"),
        ("new", "b"), ("set", "b"),
    ]


def test_the_database_is_named(db, events, connect):
    pubsub = events("K$")
    other = connect(db=7)
    other.set("key", 1)
    assert heard(pubsub, 1)[0][2:] == ("__keyspace@7__:key", "set")
    assert db.move("key", 7) is False


def test_events_of_a_transaction(db, events):
    pubsub = events("E$g")
    with db.pipeline() as pipe:
        pipe.set("a", 1).set("b", 1).delete("a").execute()
    assert told(pubsub, 3) == [("set", "a"), ("set", "b"), ("del", "a")]
