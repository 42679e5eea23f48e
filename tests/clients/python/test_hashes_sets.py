"""Sets and hashes, small and large, and their fields and members that expire."""

import random

import pytest
import redis

from conftest import wait_until


@pytest.mark.parametrize("size", [50, 5000])
def test_sets_against_a_model(db, size):
    names = [f"member:{i}" for i in range(size)]
    model = {name: set(random.sample(names, size // 2)) for name in "abc"}
    for name, members in model.items():
        assert db.sadd(name, *members) == len(members)
    a, b, c = model["a"], model["b"], model["c"]
    assert db.smembers("a") == a and db.scard("a") == len(a)
    assert set(db.sinter("a", "b", "c")) == a & b & c
    assert set(db.sunion("a", "b", "c")) == a | b | c
    assert set(db.sdiff("a", "b", "c")) == a - b - c
    assert db.sinterstore("d", "a", "b") == len(a & b) and db.smembers("d") == a & b
    assert db.sintercard(2, ["a", "b"], limit=3) == min(3, len(a & b))
    assert db.smismember("a", names[:10]) == [int(name in a) for name in names[:10]]
    assert set(db.sscan_iter("a", count=7)) == a
    popped = db.spop("a", 10)
    assert len(set(popped)) == 10 and set(popped) <= a and db.smembers("a") == a - set(popped)
    assert len(db.srandmember("b", -3 * size)) == 3 * size
    assert db.srem("b", *b) == len(b) and db.exists("b") == 0


def test_a_scan_sees_what_stays_while_the_set_grows(db):
    stays = {f"stays:{i}" for i in range(1000)}
    db.sadd("set", *stays)
    seen, cursor, grown = set(), 0, 0
    while True:
        cursor, members = db.sscan("set", cursor, count=10)
        seen.update(members)
        if cursor == 0:
            break
        db.sadd("set", *(f"new:{grown + i}" for i in range(100)))
        grown += 100
    assert stays <= seen


@pytest.mark.parametrize("size", [50, 5000])
def test_hashes_against_a_model(db, size):
    model = {f"field:{i}": str(i * 7) for i in range(size)}
    assert db.hset("hash", mapping=model) == size
    assert db.hgetall("hash") == model and db.hlen("hash") == size
    assert set(db.hkeys("hash")) == set(model)
    assert dict(db.hscan_iter("hash", count=7)) == model
    assert db.hmget("hash", "field:3", "none") == ["21", None]
    assert db.hincrby("hash", "field:3", 4) == 25
    assert float(db.hincrbyfloat("hash", "field:3", 0.5)) == 25.5
    assert not db.hsetnx("hash", "field:3", "x") and db.hget("hash", "field:3") == "25.5"
    drawn = db.hrandfield("hash", 10)
    assert len(set(drawn)) == 10 and set(drawn) <= set(model)
    assert db.hdel("hash", *model) == size and db.exists("hash") == 0


@pytest.mark.parametrize("size", [5, 3000])
def test_fields_and_members_go_at_their_time(db, size):
    names = [f"name:{i}" for i in range(size)]
    db.hset("hash", mapping=dict.fromkeys(names, "v"))
    assert db.hpexpire("hash", 100, *names[1:]) == [1] * (size - 1)
    assert db.httl("hash", names[0], "none") == [-1, -2]
    db.hset("gone", "f", "v")
    db.hpexpire("gone", 100, "f")
    db.execute_command("SADDEX", "set", 1, *names)
    db.sadd("set", "stays")
    wait_until(lambda: db.hkeys("hash") == names[:1], "the fields expire")
    wait_until(lambda: db.hlen("hash") == 1, "the fields are removed")
    wait_until(lambda: db.exists("gone") == 0, "a hash without fields goes")
    wait_until(lambda: db.smembers("set") == {"stays"}, "the members expire")
    wait_until(lambda: db.scard("set") == 1, "the members are removed")


def test_field_options(db):
    db.hset("hash", mapping={"f": 1, "g": 2})
    assert db.hexpire("hash", 100, "f", "none") == [1, -2]
    assert db.hexpire("hash", 200, "f", "g", nx=True) == [0, 1]
    assert db.hexpireat("hash", 1, "g") == [2]
    assert db.hpersist("hash", "f", "g") == [1, -2]
    with pytest.raises(redis.ResponseError, match="must match the number of arguments"):
        db.execute_command("HEXPIRE", "hash", 1, "FIELDS", 3, "f")
