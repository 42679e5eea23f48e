"""Keys, databases and iteration through redis-py."""

import random

import pytest
import redis

MANY = 20_000


def test_exists_and_delete(db):
    db.mset({"a": 1, "b": 2, "c": 3})
    assert db.exists("a", "b", "b", "absent") == 3
    assert db.delete("a", "absent") == 1
    assert db.unlink("b", "c") == 2
    assert db.dbsize() == 0


def test_type_and_encoding(db):
    db.set("n", 12)
    db.set("short", "x" * 20)
    db.set("long", "x" * 100)
    assert db.type("n") == "string" and db.type("absent") == "none"
    assert db.object("encoding", "n") == "int"
    assert db.object("encoding", "short") == "embstr"
    assert db.object("encoding", "long") == "raw"
    assert db.object("refcount", "long") == 1
    assert db.object("idletime", "n") >= 0


def test_rename(db):
    db.set("a", 1, ex=100)
    db.set("b", 2)
    assert db.rename("a", "c") and db.ttl("c") > 90 and db.exists("a") == 0
    assert db.renamenx("b", "c") in (False, 0)
    assert db.renamenx("b", "d") in (True, 1)
    with pytest.raises(redis.ResponseError, match="no such key"):
        db.rename("absent", "x")


def test_copy(db):
    db.set("a", "value", ex=100)
    assert db.copy("a", "b") in (True, 1)
    assert db.get("b") == "value" and db.ttl("b") > 90
    assert db.copy("a", "b") in (False, 0)
    db.set("a", "other")
    assert db.copy("a", "b", replace=True) in (True, 1)
    assert db.get("b") == "other" and db.ttl("b") == -1
    assert db.copy("a", "a2", destination_db=3) in (True, 1)


def test_databases_are_apart(db, connect):
    other = connect(db=5, decode_responses=True)
    db.set("key", "zero")
    assert other.get("key") is None
    other.set("key", "five")
    assert db.get("key") == "zero" and other.get("key") == "five"
    assert db.move("key", 5) in (False, 0)
    other.delete("key")
    assert db.move("key", 5) in (True, 1)
    assert db.exists("key") == 0 and other.get("key") == "zero"
    assert db.dbsize() == 0 and other.dbsize() == 1
    db.set("key", "one")
    assert db.execute_command("SWAPDB", 0, 5) in (True, "OK")
    assert db.get("key") == "zero" and other.get("key") == "one"
    assert other.flushdb() and other.dbsize() == 0 and db.dbsize() == 1
    assert db.flushall(asynchronous=True) and db.dbsize() == 0
    with pytest.raises(redis.ResponseError, match="DB index is out of range"):
        db.execute_command("SELECT", 16)


def test_keys_patterns(db):
    db.mset({key: 1 for key in ["hello", "hallo", "hxllo", "hllo", "heello", "[x]"]})
    assert sorted(db.keys("h?llo")) == ["hallo", "hello", "hxllo"]
    assert sorted(db.keys("h*llo")) == ["hallo", "heello", "hello", "hllo", "hxllo"]
    assert sorted(db.keys("h[ae]llo")) == ["hallo", "hello"]
    assert sorted(db.keys("h[^e]llo")) == ["hallo", "hxllo"]
    assert db.keys("\\[x\\]") == ["[x]"]
    assert len(db.keys("*")) == 6


def test_scan_returns_everything(db):
    names = {f"key:{i}" for i in range(MANY)}
    db.mset({name: 1 for name in names})
    assert set(db.scan_iter(count=100)) == names
    assert set(db.scan_iter(match="key:1*")) == {n for n in names if n.startswith("key:1")}
    assert set(db.scan_iter(_type="string", count=1000)) == names
    assert set(db.scan_iter(_type="list")) == set()


def test_scan_keeps_its_promise_while_keys_change(db):
    """What was there all the time is returned, however much comes and goes meanwhile."""
    stay = {f"stay:{i}" for i in range(5000)}
    db.mset({name: 1 for name in stay})
    generator = random.Random(1)
    seen, cursor, turn = set(), 0, 0
    while True:
        cursor, part = db.scan(cursor, count=50)
        seen.update(part)
        if cursor == 0:
            break
        turn += 1
        db.mset({f"new:{turn}:{i}": 1 for i in range(200)})
        db.delete(*[f"new:{generator.randint(1, turn)}:{i}" for i in range(150)])
    assert stay <= seen


def test_scan_cursor_must_be_a_number(db):
    with pytest.raises(redis.ResponseError, match="invalid cursor"):
        db.execute_command("SCAN", "x")


def test_random_key_and_touch(db):
    assert db.randomkey() is None
    db.mset({"a": 1, "b": 2})
    assert {db.randomkey() for _ in range(100)} == {"a", "b"}
    assert db.touch("a", "b", "absent") == 2


def test_flush_of_many_keys(db):
    for start in range(0, 200_000, 10_000):
        db.mset({f"key:{i}": "x" * 50 for i in range(start, start + 10_000)})
    assert db.dbsize() == 200_000
    assert db.flushdb(asynchronous=True)
    assert db.dbsize() == 0
    assert db.set("key:1", "again") and db.get("key:1") == "again"
