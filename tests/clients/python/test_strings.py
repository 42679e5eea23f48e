"""String commands through redis-py, in both protocol versions."""

import pytest
import redis

WRONGTYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"


def test_set_and_get(db):
    assert db.set("key", "value") is True
    assert db.get("key") == "value"
    assert db.get("absent") is None


def test_set_options(db):
    assert db.set("key", "1", nx=True) is True
    assert db.set("key", "2", nx=True) is None
    assert db.set("absent", "2", xx=True) is None
    assert db.set("key", "2", xx=True, get=True) == "1"
    assert db.set("key", "3", ex=100) and 99 <= db.ttl("key") <= 100
    assert db.set("key", "4", keepttl=True) and 99 <= db.ttl("key") <= 100
    assert db.set("key", "5") and db.ttl("key") == -1
    assert db.set("key", "6", px=5000) and 4000 < db.pttl("key") <= 5000
    assert db.set("key", "7", exat=2_000_000_000) and db.expiretime("key") == 2_000_000_000
    assert db.set("key", "8", pxat=2_000_000_000_123)
    assert db.execute_command("PEXPIRETIME", "key") == 2_000_000_000_123


@pytest.mark.parametrize("words, text", [
    (["SET", "key"], "wrong number of arguments for 'set' command"),
    (["SET", "key", "v", "EX", "0"], "invalid expire time in 'set' command"),
    (["SET", "key", "v", "EX", "x"], "value is not an integer or out of range"),
    (["SET", "key", "v", "NX", "XX"], "syntax error"),
    (["SET", "key", "v", "EX", "1", "KEEPTTL"], "syntax error"),
    (["GETEX", "key", "EX", "1", "PERSIST"], "syntax error"),
    (["SETEX", "key", "-1", "v"], "invalid expire time in 'setex' command"),
])
def test_error_texts(db, words, text):
    with pytest.raises(redis.ResponseError, match=text):
        db.execute_command(*words)


def test_values_are_binary_safe(raw):
    value = bytes(range(256)) * 3 + b"\r\n$5\r\nhello\r\n"
    assert raw.set(value, value)
    assert raw.get(value) == value
    assert raw.keys() == [value]
    assert raw.set("empty", b"") and raw.get("empty") == b"" and raw.strlen("empty") == 0


@pytest.mark.timeout(180)
def test_big_values(raw):
    value = b"0123456789abcdef" * (4 * 1024 * 1024)
    assert len(value) == 64 * 1024 * 1024
    assert raw.set("big", value)
    assert raw.strlen("big") == len(value)
    assert raw.get("big") == value
    assert raw.getrange("big", 16, 31) == b"0123456789abcdef"
    assert raw.append("big", b"!") == len(value) + 1
    assert raw.getrange("big", -1, -1) == b"!"
    assert raw.delete("big") == 1


@pytest.mark.parametrize("size", [0, 1, 7, 8, 11, 12, 13, 43, 44, 45, 63, 64, 127, 128, 255, 256,
                                  4095, 4096, 16383, 16384, 65535, 65536, 1 << 20])
def test_every_size_of_value(raw, size):
    value = b"x" * size
    raw.set("key", value)
    assert raw.get("key") == value
    raw.append("key", b"yz")
    assert raw.get("key") == value + b"yz"


def test_integers_keep_their_spelling(db):
    for text in ["0", "-0", "00", "1", "-1", "007", "+5", " 5", "5 ", "9223372036854775807",
                 "-9223372036854775808", "9223372036854775808", "1e3", "3.0"]:
        db.set("key", text)
        assert db.get("key") == text
        assert db.strlen("key") == len(text)


def test_counters(db):
    assert db.incr("n") == 1
    assert db.incrby("n", 41) == 42
    assert db.decr("n") == 41
    assert db.decrby("n", 50) == -9
    assert db.incrbyfloat("f", 10.5) == 10.5
    assert db.incrbyfloat("f", -0.25) == 10.25
    db.set("max", 2**63 - 1)
    with pytest.raises(redis.ResponseError, match="increment or decrement would overflow"):
        db.incr("max")
    db.set("text", "abc")
    with pytest.raises(redis.ResponseError, match="value is not an integer or out of range"):
        db.incr("text")
    with pytest.raises(redis.ResponseError, match="value is not a valid float"):
        db.incrbyfloat("text", 1)


def test_many_keys_at_once(db):
    pairs = {f"key:{i}": f"value:{i}" for i in range(1000)}
    assert db.mset(pairs)
    assert db.mget(list(pairs)) == list(pairs.values())
    assert db.mget("key:1", "absent", "key:2") == ["value:1", None, "value:2"]
    assert db.msetnx({"new": "1", "key:1": "2"}) in (False, 0)
    assert db.get("new") is None
    assert db.msetnx({"new": "1", "newer": "2"}) in (True, 1)
    assert db.dbsize() == 1002


def test_parts_of_a_value(db):
    assert db.append("key", "Hello") == 5
    assert db.append("key", " World") == 11
    assert db.getrange("key", 0, 4) == "Hello"
    assert db.getrange("key", -5, -1) == "World"
    assert db.getrange("key", 20, 30) == ""
    assert db.setrange("key", 6, "Redis") == 11
    assert db.get("key") == "Hello Redis"
    assert db.setrange("gap", 3, "x") == 4
    assert db.get("gap") == "\0\0\0x"
    assert db.execute_command("SUBSTR", "key", 0, 0) == "H"


def test_get_and_change(db):
    assert db.getset("key", "1") is None
    assert db.getset("key", "2") == "1"
    assert db.getex("key", ex=50) == "2" and 49 <= db.ttl("key") <= 50
    assert db.getex("key", persist=True) == "2" and db.ttl("key") == -1
    assert db.getdel("key") == "2"
    assert db.getdel("key") is None
    assert db.setex("key", 10, "3") and db.psetex("key2", 10_000, "4")
    assert db.setnx("key", "5") in (False, 0)


def test_longest_common_subsequence(db):
    db.mset({"a": "ohmytext", "b": "mynewtext"})
    assert db.execute_command("LCS", "a", "b") == "mytext"
    assert db.execute_command("LCS", "a", "b", "LEN") == 6


def test_compare_and_set(newer):
    newer.set("key", "1")
    assert newer.execute_command("SET", "key", "2", "IFEQ", "other") is None
    assert newer.execute_command("SET", "key", "2", "IFEQ", "1") in (True, "OK")
    assert newer.execute_command("DELIFEQ", "key", "1") == 0
    assert newer.execute_command("DELIFEQ", "key", "2") == 1
    assert newer.exists("key") == 0


def test_set_many_with_options(newer):
    assert newer.execute_command("MSETEX", 2, "a", "1", "b", "2", "EX", "100") == 1
    assert newer.mget("a", "b") == ["1", "2"] and 99 <= newer.ttl("a") <= 100
    assert newer.execute_command("MSETEX", 2, "b", "3", "c", "3", "NX") == 0
    assert newer.exists("c") == 0


def test_prepend(newer):
    newer.set("key", "World")
    assert newer.execute_command("PREPEND", "key", "Hello ") == 11
    assert newer.get("key") == "Hello World"


def test_wrong_type_texts(db):
    db.pfadd("hll", "x")
    assert db.strlen("hll") > 0
    with pytest.raises(redis.ResponseError, match="HyperLogLog"):
        db.set("text", "x")
        db.pfcount("text")
