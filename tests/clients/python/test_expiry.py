"""Expiry: the options of the EXPIRE family, and that keys go away by themselves."""

import time

import pytest
import redis

from conftest import wait_until


def test_expire_options(db):
    db.set("key", 1)
    assert db.expire("absent", 10) in (False, 0)
    assert db.expire("key", 100, xx=True) in (False, 0)
    assert db.expire("key", 100, nx=True) in (True, 1)
    assert db.expire("key", 200, nx=True) in (False, 0)
    assert db.expire("key", 50, gt=True) in (False, 0)
    assert db.expire("key", 200, gt=True) in (True, 1)
    assert db.expire("key", 300, lt=True) in (False, 0)
    assert db.expire("key", 100, lt=True) in (True, 1)
    assert 99 <= db.ttl("key") <= 100
    assert db.persist("key") in (True, 1) and db.ttl("key") == -1
    assert db.persist("key") in (False, 0)
    with pytest.raises(redis.ResponseError, match="NX and XX, GT or LT options at the same time"):
        db.execute_command("EXPIRE", "key", 10, "NX", "XX")


def test_absolute_times(db):
    db.set("key", 1)
    assert db.expireat("key", 2_000_000_000) and db.expiretime("key") == 2_000_000_000
    assert db.pexpireat("key", 2_000_000_000_500)
    assert db.pexpiretime("key") == 2_000_000_000_500
    assert db.ttl("absent") == -2 and db.pttl("absent") == -2
    assert db.expiretime("absent") == -2


def test_time_in_the_past_deletes(db):
    db.mset({"a": 1, "b": 2})
    assert db.expire("a", -1) in (True, 1) and db.exists("a") == 0
    assert db.expireat("b", 1) in (True, 1) and db.dbsize() == 0


def test_key_goes_at_its_time(db):
    db.set("key", "value", px=80)
    assert db.get("key") == "value"
    started = time.monotonic()
    wait_until(lambda: db.get("key") is None, "the key expires")
    assert time.monotonic() - started < 1.0
    assert db.exists("key") == 0 and db.ttl("key") == -2 and db.type("key") == "none"
    assert db.setnx("key", "again") in (True, 1)


def test_expired_keys_are_not_seen(db):
    db.mset({f"stay:{i}": 1 for i in range(10)})
    for i in range(10):
        db.set(f"go:{i}", 1, px=1)
    wait_until(lambda: db.get("go:9") is None, "the keys expire")
    assert sorted(db.scan_iter()) == sorted(f"stay:{i}" for i in range(10))
    assert len(db.keys()) == 10
    assert db.randomkey().startswith("stay:")
    assert db.rename("stay:1", "go:1") and db.ttl("go:1") == -1


def test_memory_comes_back_untouched(db):
    """Nobody reads the keys again: the server itself must remove them, within seconds."""
    before = db.info("stats")["expired_keys"]
    with db.pipeline(transaction=False) as pipe:
        for i in range(20_000):
            pipe.set(f"key:{i}", "x" * 100, px=200)
        pipe.execute()
    wait_until(lambda: db.dbsize() == 0, "all expired keys are removed")
    assert db.info("stats")["expired_keys"] >= before + 20_000


def test_write_keeps_or_drops_the_expiry(db):
    db.set("key", "1", ex=100)
    db.incr("key")
    db.append("key", "0")
    db.setrange("key", 0, "9")
    assert db.ttl("key") > 90
    db.getset("key", "2")
    assert db.ttl("key") == -1
