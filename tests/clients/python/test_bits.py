"""Bitmaps and HyperLogLog through redis-py."""

import pytest
import redis


def test_bits(db):
    assert db.setbit("key", 7, 1) == 0
    assert db.setbit("key", 7, 0) == 1
    assert db.getbit("key", 7) == 0 and db.getbit("key", 1000) == 0
    for offset in (0, 9, 100, 101):
        db.setbit("key", offset, 1)
    assert db.strlen("key") == 13
    assert db.bitcount("key") == 4
    assert db.bitcount("key", 0, 1) == 2
    assert db.bitcount("key", 100, 101, "BIT") == 2
    assert db.bitpos("key", 1) == 0 and db.bitpos("key", 0) == 1
    assert db.bitpos("key", 1, 2) == 100
    with pytest.raises(redis.ResponseError, match="bit offset is not an integer or out of range"):
        db.setbit("key", 2**32, 1)


def test_bit_operations(raw):
    raw.mset({"a": b"\xff\x0f\xaa", "b": b"\x0f\xff"})
    assert raw.bitop("AND", "d", "a", "b") == 3 and raw.get("d") == b"\x0f\x0f\x00"
    assert raw.bitop("OR", "d", "a", "b") == 3 and raw.get("d") == b"\xff\xff\xaa"
    assert raw.bitop("XOR", "d", "a", "b") == 3 and raw.get("d") == b"\xf0\xf0\xaa"
    assert raw.bitop("NOT", "d", "a") == 3 and raw.get("d") == b"\x00\xf0\x55"
    assert raw.bitop("AND", "d", "none1", "none2") == 0 and raw.exists("d") == 0


def test_bitfield(db):
    field = db.bitfield("key", default_overflow="SAT")
    assert field.set("u8", 0, 250).incrby("u8", 0, 10).get("u8", 0).execute() == [0, 255, 255]
    assert db.bitfield("key").incrby("i8", 8, -1, overflow="WRAP").execute() == [-1]
    assert db.bitfield("key").incrby("u8", 0, 1, overflow="FAIL").execute() == [None]
    assert db.execute_command("BITFIELD_RO", "key", "GET", "u4", "#1") == [15]
    assert db.execute_command("BITFIELD", "other", "SET", "i64", 0, -5, "GET", "i64", 0) == [0, -5]


def test_hyperloglog(db):
    assert db.pfadd("a", *range(1000)) == 1
    assert db.pfadd("a", 5, 6) == 0
    assert abs(db.pfcount("a") - 1000) < 30
    db.pfadd("b", *range(500, 2000))
    assert abs(db.pfcount("a", "b") - 2000) < 60
    assert db.pfmerge("c", "a", "b")
    assert db.pfcount("c") == db.pfcount("a", "b")
    assert db.pfcount("absent") == 0


def test_hyperloglog_of_many(db):
    for start in range(0, 200_000, 10_000):
        db.pfadd("key", *range(start, start + 10_000))
    assert abs(db.pfcount("key") - 200_000) < 200_000 * 0.03
    assert db.strlen("key") == 12304
