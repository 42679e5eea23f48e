"""Lua scripts and functions through redis-py."""

import threading
import time

import pytest
import redis

TAKE = """
local value = redis.call('GET', KEYS[1])
if not value or tonumber(value) < tonumber(ARGV[1]) then return false end
return redis.call('DECRBY', KEYS[1], ARGV[1])
"""


def test_a_registered_script_comes_back_after_a_flush(db):
    take = db.register_script(TAKE)
    db.set("stock", 5)
    assert take(keys=["stock"], args=[2]) == 3
    assert db.script_exists(take.sha) == [True]
    db.script_flush()
    assert db.script_exists(take.sha) == [False]
    with pytest.raises(redis.exceptions.NoScriptError):
        db.evalsha(take.sha, 1, "stock", 2)
    assert take(keys=["stock"], args=[2]) == 1
    assert take(keys=["stock"], args=[2]) is None


def test_a_script_in_a_transaction(db):
    with db.pipeline() as pipe:
        pipe.set("a", 1)
        pipe.eval("return redis.call('INCR', KEYS[1])", 1, "a")
        pipe.get("a")
        assert pipe.execute() == [True, 2, "2"]


def test_errors_name_script_and_line(db):
    db.set("text", "x")
    with pytest.raises(redis.ResponseError, match=r"not an integer.* on @user_script:2\."):
        db.eval("local n = 0\nreturn redis.call('INCR', KEYS[1])", 1, "text")


def test_keys_that_are_not_declared(connect):
    """Each makes names of keys as it goes; no increment is lost."""
    script = """
        local id = redis.call('INCR', KEYS[1] .. ':id')
        redis.call('SET', KEYS[1] .. ':' .. id, ARGV[1])
        return redis.call('INCR', 'all')
    """

    def work(number):
        client = connect()
        for i in range(200):
            client.eval(script, 1, f"queue{number}", i)

    db = connect()
    db.flushall()
    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert db.get("all") == b"800"
    assert [db.get(f"queue{number}:id") for number in range(4)] == [b"200"] * 4
    assert db.dbsize() == 4 * 201 + 1


def test_a_script_that_serves_a_waiting_client(db, connect):
    other = connect()
    results = []
    waiting = threading.Thread(target=lambda: results.append(other.blpop("list", 5)))
    waiting.start()
    while not db.info("clients")["blocked_clients"]:
        time.sleep(0.01)
    db.eval("redis.call('RPUSH', KEYS[1], 'a') redis.call('RPUSH', KEYS[1], 'b')", 1, "list")
    waiting.join()
    assert [tuple(result) for result in results] == [(b"list", b"a")]
    assert db.lrange("list", 0, -1) == ["b"]


def test_a_slow_script_is_killed(db, connect):
    other = connect()
    db.config_set("lua-time-limit", 20)
    errors = []

    def loop():
        try:
            other.eval("while true do end", 0)
        except redis.ResponseError as error:
            errors.append(str(error))

    running = threading.Thread(target=loop)
    running.start()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            db.ping()
        except redis.exceptions.ResponseError as error:
            assert "BUSY" in str(error)
            break
        time.sleep(0.01)
    assert db.script_kill()
    running.join()
    assert "killed" in errors[0].lower()
    assert db.ping()
    db.config_set("lua-time-limit", 5000)


def test_functions(db):
    code = """#!lua name=shop
        redis.register_function('put', function(keys, args)
            return redis.call('SET', keys[1], args[1])
        end)
        redis.register_function{
            function_name = 'look', flags = {'no-writes'},
            callback = function(keys) return redis.call('GET', keys[1]) end,
        }
    """
    assert db.function_load(code, replace=True) == "shop"
    assert db.fcall("put", 1, "thing", "7") in ("OK", True)
    assert db.fcall_ro("look", 1, "thing") == "7"
    with pytest.raises(redis.ResponseError, match="write flag"):
        db.fcall_ro("put", 1, "thing", "8")
    db.function_delete("shop")
    with pytest.raises(redis.ResponseError, match="Function not found"):
        db.fcall("look", 1, "thing")
