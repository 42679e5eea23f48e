"""The append-only file: whatever commands were run in any order, they come back as they were."""

import os
import random
import threading

import pytest
import redis
from conftest import wait_until
from test_aof import WRITES, await_rewrite, digest, restart, start

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
