"""The append-only file: whatever commands were run in any order, they come back as they were."""

import os
import random
import threading

import pytest
import redis
from conftest import wait_until
from test_aof import FAR_MS, WRITES, await_rewrite, digest, last_increment, restart, start

ROUNDS = int(os.environ.get("REPLAY_ROUNDS", "2"))
COMMANDS = 3000
KINDS = {
    "string": ["s", "n", "m1", "m2", "sx", "bits", "eq"],
    "list": ["l", "l2", "none"],
    "set": ["set", "set2", "set3", "set4"],
    "hash": ["h", "h2"],
    "zset": ["z", "z2", "z3", "g", "g2"],
    "stream": ["x", "x2"],
    "hll": ["hll", "hll2"],
}
KIND = {key: kind for kind, keys in KINDS.items() for key in keys}
ALL_KEYS = sorted(KIND)
BLOCKING = ("BLPOP", "BRPOP", "BRPOPLPUSH", "BLMOVE", "BLMPOP", "BZPOPMIN", "BZPOPMAX", "BZMPOP")
# Beside WRITES: what expires at once, and what a script or a transaction does with itself.
MORE = """
SET s 1 PX 1
PEXPIRE l 1
PEXPIRE z 0
EXPIREAT set 1
GETEX n PX 1
HPEXPIRE h 1 FIELDS 2 a b
HPEXPIREAT h 1 FIELDS 1 c
HSETEX h PX 1 FIELDS 2 d 1 e 2
FIELDEXPIRE set 1000 a b
SADDEX set2 1000 c d
FIELDEXPIRE set PXAT 1 a b
XGROUP CREATE x grp $ MKSTREAM
XGROUP SETID x grp 0
XGROUP CREATECONSUMER x grp them
XGROUP DELCONSUMER x grp me
XREADGROUP GROUP grp them NOACK COUNT 1 STREAMS x >
XADD x NOMKSTREAM * f v
XADD x MINID = 5 * f v
XTRIM x MAXLEN ~ 1 LIMIT 10
SPOP set 100
LTRIM l 5 1
SINTERSTORE set2 none set
BITFIELD n OVERFLOW FAIL INCRBY u2 0 3
ZADD z XX INCR 2 a
ZRANGESTORE z2 z 5 9
SORT set BY nosort GET # STORE l2
COPY h h2 REPLACE
RENAME z z2
GETDEL n
"""
SCRIPT = """
redis.pcall(unpack(ARGV))
redis.pcall('incr', 'counter')
return redis.pcall(unpack(ARGV))
"""


def lines():
    """Commands with data that may be run in any order and often."""
    left_out = ("FUNCTION", "EVAL", "RESTORE", "FLUSHALL", "SWAPDB", "PFDEBUG", "MOVE")
    for line in (WRITES + MORE).strip().splitlines():
        words = line.split()
        if words and words[0] not in left_out:
            yield words


def vary(choice, words):
    """Other keys in the place of those of a command, mostly of the same kind."""
    def other(word):
        if word not in KIND:
            return word
        return choice.choice(ALL_KEYS if choice.random() < 0.05 else KINDS[KIND[word]])
    return [words[0]] + [other(word) for word in words[1:]]


def run_some(port, seed, known):
    """Runs commands by themselves, in transactions and in scripts; errors are as good as any."""
    choice = random.Random(seed)
    with redis.Redis(port=port) as client:
        for _ in range(COMMANDS):
            words = vary(choice, choice.choice(known))
            how = choice.random()
            try:
                if words[0] in BLOCKING or how < 0.15:
                    with client.pipeline() as pipe:
                        pipe.execute_command(*words)
                        pipe.execute_command(*vary(choice, choice.choice(known)))
                        pipe.execute(raise_on_error=False)
                elif how < 0.3:
                    client.eval(SCRIPT, 0, *words)
                elif how < 0.301:
                    client.flushall()
                elif how < 0.305:
                    client.swapdb(0, 1)
                elif how < 0.31:
                    client.bgrewriteaof()
                else:
                    client.execute_command(*words)
            except redis.ResponseError:
                continue


def picture(client):
    """Everything there is: digests, and what they leave out."""
    seen = [digest(client)]
    for db in (0, 1):
        client.execute_command("SELECT", db)
        for key in sorted(client.keys()):
            times = [(db, key), client.type(key), client.pexpiretime(key)]
            kind = times[1]
            if kind == b"none":
                continue
            if kind == b"hash":
                fields = sorted(client.hkeys(key))
                if fields:
                    times += client.execute_command("HPEXPIRETIME", key, "FIELDS",
                                                    len(fields), *fields)
            if kind == b"set":
                times.append(sorted(client.smembers(key)))
            if kind == b"stream":
                times.append(client.execute_command("XINFO", "STREAM", key))
                for group in client.xinfo_groups(key):
                    times.append(group)
                    times.append(client.xpending_range(key, group["name"], "-", "+", 1000))
            seen.append(times)
    client.execute_command("SELECT", 0)
    for part in seen:
        # How long they have been idle goes on.
        for entry in part if isinstance(part, list) else []:
            for pending in entry if isinstance(entry, list) else []:
                if isinstance(pending, dict):
                    pending.pop("time_since_delivered", None)
    return seen


def await_expiry(client):
    """What expires at all in this test does so in a millisecond, or long after it."""
    began = client.time()
    wait_until(lambda: client.time() > (began[0], began[1] + 10_000) or client.time()[0] > began[0],
               "it has expired")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_any_commands_in_any_order(own_server, seed):
    server = start(own_server, proactor_threads=1 + seed % 2, auto_aof_rewrite_min_size="200kb")
    client = redis.Redis(port=server.port)
    known = list(lines())
    threads = [threading.Thread(target=run_some, args=(server.port, 10 * seed + number, known))
               for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    await_rewrite(client)
    await_expiry(client)
    before = picture(client)
    client = restart(server)
    after = picture(client)
    assert after == before, f"seed {seed}"


def packed(*args):
    """A command as it stands in a log."""
    words = [str(arg).encode() for arg in args]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


def await_time(client, unix_ms):
    def is_past():
        seconds, micros = client.time()
        return 1000 * seconds + micros // 1000 > unix_ms
    wait_until(is_past, "its time has come")


def test_what_a_base_has_may_have_been_kept_since(own_server):
    """A key expires after the base was written, but the log says that it was kept."""
    server = start(own_server)
    client = redis.Redis(port=server.port)
    soon = 1000 * client.time()[0] + 2500
    client.set("key", 1, pxat=soon)
    client.hset("hash", "field", 1)
    client.execute_command("HPEXPIREAT", "hash", soon, "FIELDS", 1, "field")
    client.bgrewriteaof()
    await_rewrite(client)
    client.persist("key")
    client.execute_command("HPERSIST", "hash", "FIELDS", 1, "field")
    await_time(client, soon)
    assert client.mget("key") + client.hmget("hash", "field") == [b"1", b"1"]
    client = restart(server)
    assert client.mget("key") + client.hmget("hash", "field") == [b"1", b"1"]


def test_nothing_expires_while_a_log_is_loaded(own_server):
    server = start(own_server, proactor_threads=2, hz=500)
    path = last_increment(server)
    server.stop()
    with open(path, "wb") as log:
        for number in range(200):
            log.write(packed("SET", f"due:{number}", 1, "PXAT", 1))
            log.write(packed("SADD", f"set:{number}", "member"))
            log.write(packed("FIELDEXPIRE", f"set:{number}", "PXAT", 1, "member"))
        log.write(packed("SET", "filler", "x") * 300_000)
        for number in range(200):
            log.write(packed("PERSIST", f"due:{number}"))
            log.write(packed("FIELDEXPIRE", f"set:{number}", "PXAT", FAR_MS, "member"))
    server.start()
    client = redis.Redis(port=server.port)
    wait_until(lambda: client.info("persistence")["loading"] == 0, "it is loaded")
    assert client.dbsize() == 401


def test_members_that_are_due_are_no_part_of_a_digest(own_server):
    server = own_server()
    client = redis.Redis(port=server.port)
    client.execute_command("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    client.sadd("set", "a", "b")
    client.hset("hash", "a", 1)
    client.execute_command("FIELDEXPIRE", "set", "PXAT", 1, "a", "b")
    client.execute_command("FIELDEXPIRE", "hash", "PXAT", 1, "a")
    assert digest(client) == b"0" * 40
    assert client.execute_command("DEBUG", "DIGEST-VALUE", "set") == [b"0" * 40]
