"""The append-only file: what was acknowledged comes back, whatever ends the server."""

import os
import shutil
import signal
import subprocess
import threading

import pytest
import redis
from conftest import servers, wait_until
from test_snapshots import REDIS, digest, fill

ROUNDS = int(os.environ.get("KILL_ROUNDS", "8"))
FAR_MS = 4_000_000_000_000

# Each command that writes, in a form whose effect can't be the command itself where there is
# such a form: relative times, random choices, conditions.
WRITES = """
SET s 1 EX 1000
SET s 2 KEEPTTL
SET s 3 XX GET
SETNX n 5
SETEX sx 1000 v
PSETEX px 1000000 v
GETSET s 4
GETEX s PX 500000
GETDEL sx
MSET m1 1 m2 2
MSETNX m3 3 m4 4
APPEND s tail
PREPEND s head
MSETEX 2 me1 1 me2 2 EX 1000
SET eq same
DELIFEQ eq same
SET eq same
DELEX eq IFEQ same
SETRANGE s 3 xyz
INCR n
DECR n
INCRBY n 10
DECRBY n 3
INCRBYFLOAT n 1.25
SETBIT bits 77 1
BITFIELD bits SET u8 8 200 INCRBY i5 100 1
BITOP OR bits2 bits s
PFADD hll a b c d
PFADD hll2 e
PFMERGE hll3 hll hll2
PFDEBUG GETREG hll3
LPUSH l a b c d e f
RPUSH l g h i
LPUSHX l x
RPUSHX l y
LPOP l 2
RPOP l
LINSERT l BEFORE c between
LSET l 0 zero
LREM l 1 zero
LTRIM l 0 4
RPOPLPUSH l l2
LMOVE l l2 LEFT RIGHT
LMPOP 2 none l LEFT COUNT 2
BLPOP none l2 0
BRPOP l 0
RPUSH l 1 2 3 4 5 6
BRPOPLPUSH l l2 0
BLMOVE l l2 LEFT LEFT 0
BLMPOP 0 1 l LEFT COUNT 1
SADD set a b c d e f g h i j
SREM set a
SPOP set
SPOP set 3
SMOVE set set2 b
SMOVE set set2 c
SMOVE set set2 d
SUNIONSTORE set3 set set2
SINTERSTORE set4 set set3
SDIFFSTORE set5 set3 set2
SADDEX set6 1000 a b
FIELDEXPIRE set6 100 a
HSET h a 1 b 2 c 3 d 4
HSETNX h e 5
HMSET h f 6
HINCRBY h a 5
HINCRBYFLOAT h b 0.5
HDEL h c
HEXPIRE h 1000 FIELDS 1 a
HPEXPIRE h 1000000 FIELDS 1 b
HEXPIREAT h 4000000000 FIELDS 1 d
HPEXPIREAT h 4000000000000 FIELDS 1 e
HPERSIST h FIELDS 1 d
HSETEX h EX 1000 FIELDS 1 x 1
HGETEX h EX 2000 FIELDS 1 f
HGETDEL h FIELDS 1 e
HSETEX h2 FNX EX 500 FIELDS 1 y 1
ZADD z 1 a 2 b 3 c 4 d 5 e 6 f 7 g 8 h 9 i
ZADD z NX 5 new
ZADD z GT CH 1 a
ZINCRBY z 1.5 a
ZREM z b
ZPOPMIN z
ZPOPMAX z 2
ZMPOP 1 z MIN
BZPOPMIN z 0
BZPOPMAX z 0
BZMPOP 0 1 z MAX
ZADD z 1 a 2 b 3 c 4 d 5 e 6 f
ZREMRANGEBYRANK z 0 0
ZREMRANGEBYSCORE z 2 2
ZREMRANGEBYLEX z [nothing [nothing2
ZUNIONSTORE z2 2 z z WEIGHTS 2 3
ZINTERSTORE z3 2 z z2
ZDIFFSTORE z4 2 z z3
ZRANGESTORE z5 z 0 1
GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
GEORADIUS g 15 37 200 km STORE g2
GEORADIUSBYMEMBER g Palermo 200 km STORE g3
GEOSEARCHSTORE g4 g FROMLONLAT 15 37 BYRADIUS 200 km
XADD x * f v
XADD x MAXLEN ~ 100 * f v2
XADD x * f v3
XGROUP CREATE x grp 0
XREADGROUP GROUP grp me COUNT 2 STREAMS x >
XCLAIM x grp you 0 0-1 FORCE JUSTID
XAUTOCLAIM x grp you 0 0
XACK x grp 0-1
XACKDEL x grp IDS 1 0-1
XDELEX x IDS 1 0-1
XDEL x 0-1
XTRIM x MAXLEN 2
XSETID x 9999999999999-0
SORT l2 ALPHA STORE sorted
COPY s copied
RENAME copied renamed
RENAMENX renamed renamed2
EXPIRE n 1000
PEXPIRE m1 1000000
EXPIREAT m2 4000000000
PEXPIREAT m3 4000000000000
PERSIST m3
MOVE m4 2
RESTORE restored 100000 \x00\xc0\x05\x09\x00
DEL hll2
UNLINK set5
RM 0 MATCH m1*
SWAPDB 2 3
FLUSHDB
FUNCTION LOAD code
FUNCTION DELETE lib
FUNCTION FLUSH
FUNCTION RESTORE payload
FLUSHALL
EVAL EVALSHA FCALL MIGRATE PUBLISH SPUBLISH
"""


def start(own_server, **options):
    return own_server(**{"appendonly": "yes", **options})


def kill(server, sig=signal.SIGKILL):
    os.kill(server.pid, sig)
    server.process.wait()
    server.start()


def restart(server, sig=signal.SIGKILL):
    """Ends a server whose writes last, and starts it again."""
    with redis.Redis(port=server.port) as client:
        if server.alive() and client.info("persistence")["aof_enabled"]:
            client.waitaof(1, 0, 0)
    kill(server, sig)
    client = redis.Redis(port=server.port)
    wait_until(lambda: client.info("persistence")["loading"] == 0, "it is loaded")
    return client


def folder(server):
    return os.path.join(server.dir, "appendonlydir")


def await_rewrite(client):
    def has_ended():
        info = client.info("persistence")
        return not (info["aof_rewrite_in_progress"] or info["aof_rewrite_scheduled"])
    wait_until(has_ended, "the rewrite has ended")


def last_increment(server):
    names = [name for name in os.listdir(folder(server)) if name.endswith(".incr.aof")]
    return os.path.join(folder(server), max(names, key=lambda name: int(name.split(".")[-3])))


def run_all(client):
    """Runs WRITES; returns the names of commands that were run."""
    payload, names, wrong = None, set(), []
    for line in WRITES.strip().splitlines():
        words = line.split()
        if words[0] in ("FLUSHDB", "FLUSHALL", "FUNCTION", "EVAL"):
            names.update([words[0]] if words[0] != "EVAL" else words)
            continue
        if words[0].startswith("RESTORE"):
            payload = payload or client.dump("s")
            words = [words[0], words[1], words[2], payload]
        try:
            client.execute_command(*words)
            names.add(words[0])
        except redis.ResponseError as error:
            wrong.append((line, str(error)))
    assert not wrong
    return names


@pytest.mark.parametrize("threads", [1, 2])
def test_every_command_that_writes(own_server, threads):
    server = start(own_server, proactor_threads=threads)
    client = redis.Redis(port=server.port)
    names = run_all(client)
    seven = "redis.register_function('f', function() return redis.call('incr', 'fn') end)"
    client.function_load(f"#!lua name=lib\n{seven}")
    client.function_load("#!lua name=gone\nredis.register_function('g', function() end)")
    client.function_delete("gone")
    client.fcall("f", 0)
    client.eval("redis.call('set', 'a', math.random()) return redis.call('spop', 'set3')", 0)
    with client.pipeline() as pipe:
        pipe.select(4)
        pipe.set("elsewhere", 1).set("gone", 1).flushdb().set("stays", 1).select(0).incr("n2")
        pipe.execute()
    flagged = {info["name"].upper() for info in client.command().values()
               if "write" in info["flags"]}
    assert flagged - names - {"FLUSHALL"} == set(), "commands that this test doesn't know"
    before = digest(client)
    client = restart(server)
    assert digest(client) == before
    assert client.fcall("f", 0) == 2
    before = digest(client)
    client.bgrewriteaof()
    await_rewrite(client)
    client.incr("after")
    client.decr("after")
    client.delete("after")
    client = restart(server)
    assert digest(client) == before and client.fcall("f", 0) == 3


def test_waiting_clients_are_logged_as_what_they_got(own_server):
    server = start(own_server, proactor_threads=2)
    client, waiting = redis.Redis(port=server.port), redis.Redis(port=server.port)
    got = []
    thread = threading.Thread(target=lambda: got.append(waiting.blmove("a", "b", 0)))
    thread.start()
    wait_until(lambda: client.info("clients")["blocked_clients"] == 1, "it waits")
    client.rpush("a", "1", "2")
    thread.join()
    client.set("soon", 1, px=1)
    wait_until(lambda: client.dbsize() == 2, "it has expired")
    before = digest(client)
    client = restart(server)
    assert (digest(client), got) == (before, [b"1"])
    assert client.lrange("b", 0, -1) == [b"1"]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("threads", [1, 2])
def test_what_was_acknowledged_is_there_after_kill_9(own_server, threads):
    server = start(own_server, appendfsync="always", proactor_threads=threads)
    counts = dict.fromkeys(("a", "b", "c", "d"), 0)

    def write(key, stop):
        try:
            with redis.Redis(port=server.port) as client:
                while not stop.is_set():
                    with client.pipeline() as pipe:
                        pipe.incr(key).rpush("list:" + key, "x" * 50).execute()
                    counts[key] += 1
        except redis.ConnectionError:
            pass

    client = redis.Redis(port=server.port)
    for round_number in range(ROUNDS):
        stop = threading.Event()
        writers = [threading.Thread(target=write, args=(key, stop)) for key in counts]
        goal = sum(counts.values()) + 100 + 50 * round_number
        for writer in writers:
            writer.start()
        if round_number % 2:
            client.bgrewriteaof()
        wait_until(lambda: sum(counts.values()) >= goal, "the writers get on")
        kill(server)
        stop.set()
        for writer in writers:
            writer.join()
        client = redis.Redis(port=server.port)
        wait_until(lambda client=client: is_loaded(client), "it is loaded")
        for key, count in counts.items():
            there = int(client.get(key) or 0)
            assert count <= there <= count + 1, "acknowledged, or under way"
            assert client.llen("list:" + key) == there, "a transaction is whole or not there"
            counts[key] = there


def test_a_torn_end_is_cut_at_the_last_whole_transaction(own_server):
    server = start(own_server)
    client = redis.Redis(port=server.port)
    client.set("a", 1)
    client.waitaof(1, 0, 0)
    whole = os.path.getsize(last_increment(server))
    with client.pipeline() as pipe:
        pipe.set("b", "value").set("c", 2).execute()
    server.stop()
    path = last_increment(server)
    with open(path, "rb") as file:
        content = file.read()
    for length in range(whole, len(content) + 1, 7):
        with open(path, "wb") as file:
            file.write(content[:length])
        server.start()
        client = redis.Redis(port=server.port)
        wait_until(lambda client=client: client.info("persistence")["loading"] == 0, "loaded")
        assert client.dbsize() == (3 if length == len(content) else 1)
        client.set("d", 1)
        server.stop()
        server.start()
        wait_until(lambda client=client: client.info("persistence")["loading"] == 0, "loaded")
        assert client.get("d") == b"1", "it goes on behind the cut"
        server.stop()
    with open(path, "wb") as file:
        file.write(content[:-3])
    server.options["aof-load-truncated"] = "no"
    with pytest.raises(servers.ServerError, match="transaction is missing"):
        await_exit(server)


def await_exit(server):
    """A server that refuses what it finds may answer PING before it does."""
    server.start()
    server.process.wait(10)
    raise servers.ServerError(server.log_tail())


def test_a_broken_middle_is_refused(own_server):
    server = start(own_server)
    client = redis.Redis(port=server.port)
    for number in range(100):
        client.set(f"key{number}", number)
    server.stop()
    path = last_increment(server)
    with open(path, "r+b") as file:
        file.seek(os.path.getsize(path) // 2)
        file.write(b"?" * 40)
    with pytest.raises(servers.ServerError, match="is broken at byte"):
        await_exit(server)


def test_turned_on_and_off_at_run_time(own_server):
    server = own_server(proactor_threads=2)
    client = redis.Redis(port=server.port)
    fill(client)
    client.config_set("appendonly", "yes")
    await_rewrite(client)
    client.set("logged", 1)
    assert client.waitaof(1, 0, 0) == [1, 0]
    before = digest(client)
    server.options["appendonly"] = "yes"
    client = restart(server)
    assert digest(client) == before
    client.config_set("appendonly", "no")
    wait_until(lambda: client.info("persistence")["aof_enabled"] == 0, "it is off")
    client.set("not logged", 1)
    with pytest.raises(redis.ResponseError, match="appendonly is disabled"):
        client.waitaof(1, 0, 0)
    client.config_set("appendonly", "yes")
    await_rewrite(client)
    client.set("logged again", 1)
    client.waitaof(1, 0, 0)
    before = digest(client)
    assert digest(restart(server)) == before


def test_a_snapshot_is_taken_over(own_server):
    server = own_server()
    with redis.Redis(port=server.port) as client:
        fill(client)
        before = digest(client)
        client.save()
    server.options["appendonly"] = "yes"
    client = restart(server, signal.SIGTERM)
    assert digest(client) == before
    os.remove(os.path.join(server.dir, "dump.rdb"))
    assert digest(restart(server)) == before


def test_it_is_rewritten_as_it_grows(own_server):
    server = start(own_server, auto_aof_rewrite_min_size="100kb")
    client = redis.Redis(port=server.port)
    for _ in range(20):
        with client.pipeline(transaction=False) as pipe:
            for number in range(500):
                pipe.set("key", f"{number}" * 10)
            pipe.execute()
    wait_until(lambda: client.info("persistence")["aof_rewrites"] > 1, "it is rewritten")
    await_rewrite(client)
    wait_until(lambda: len(os.listdir(folder(server))) == 3, "the old files are gone")
    assert client.get("key") == restart(server).get("key")


def test_redis_goes_on_with_ours_and_we_with_redis(own_server):
    if not os.path.exists(REDIS):
        pytest.skip("redis-server isn't installed")
    server = start(own_server)
    client = redis.Redis(port=server.port)
    fill(client)
    client.bgrewriteaof()
    await_rewrite(client)
    with redis.Redis(port=server.port, db=5) as fifth:
        fill(fifth)
    client.eval("redis.call('set','x',1) redis.call('spop','set3')", 0)
    client.set("times", 1, px=FAR_MS // 1000)
    client.function_load("#!lua name=lib\nredis.register_function('f', function() return 7 end)")
    before = digest(client)
    server.stop()
    peer = servers.Server(REDIS, {"appendonly": "yes", "dir": server.dir,
                                   "enable-debug-command": "yes"})
    with peer:
        other = redis.Redis(port=peer.port)
        wait_until(lambda: is_loaded(other), "Redis has loaded it")
        assert digest(other) == before
        assert other.fcall("f", 0) == 7
        other.rpush("list3", "from Redis")
        other.set("expiring", 1, ex=1000)
        other.xadd("stream3", {"f": "v"})
        other.bgrewriteaof()
        await_rewrite(other)
        with other.pipeline() as pipe:
            pipe.incr("x").spop("set2000", 5).execute()
        before = digest(other)
        other.shutdown(nosave=True)
    server.start()
    client = redis.Redis(port=server.port)
    wait_until(lambda: is_loaded(client), "it is loaded")
    assert digest(client) == before


def is_loaded(client):
    try:
        return client.info("persistence")["loading"] == 0
    except redis.BusyLoadingError:
        return False


def test_files_of_redis_6_are_one_file(own_server):
    server = own_server()
    client = redis.Redis(port=server.port)
    client.set("in the preamble", 1)
    client.save()
    client.flushall()
    server.stop()
    with open(os.path.join(server.dir, "dump.rdb"), "rb") as preamble:
        content = preamble.read()
    os.remove(os.path.join(server.dir, "dump.rdb"))
    commands = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n#TS:1234\r\n"
    commands += b"*2\r\n$4\r\nINCR\r\n$1\r\na\r\n"
    with open(os.path.join(server.dir, "appendonly.aof"), "wb") as file:
        file.write(content + commands)
    server.options["appendonly"] = "yes"
    server.start()
    wait_until(lambda: is_loaded(client), "it is loaded")
    assert sorted(client.keys()) == [b"a", b"in the preamble"] and client.get("a") == b"2"
    client.incr("a")
    assert restart(server).get("a") == b"3"


def test_a_full_disk_refuses_writes_until_there_is_room(own_server, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)],
                             capture_output=True, check=False).returncode == 0
    if not mounted:
        pytest.skip("no small disk can be mounted here")
    try:
        server = start(own_server, dir=str(disk), auto_aof_rewrite_percentage=0)
        client = redis.Redis(port=server.port)
        written = 0
        with pytest.raises(redis.ResponseError, match="MISCONF Errors writing to the AOF file"):
            while True:
                client.set(f"key{written}", "x" * 1000)
                written += 1
        assert client.get("key0") and client.info("persistence")["aof_last_write_status"] == "err"
        subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)
        wait_until(lambda: client.info("persistence")["aof_last_write_status"] == "ok", "room")
        client.set("after", 1)
        before = digest(client)
        assert digest(restart(server)) == before
        server.stop()
    finally:
        subprocess.run(["umount", str(disk)], check=False)


def test_a_folder_that_cannot_be_written_is_told(own_server):
    server = own_server()
    with open(os.path.join(server.dir, "appendonlydir"), "w", encoding="ascii") as blocker:
        blocker.write("in the way")
    client = redis.Redis(port=server.port)
    client.set("a", 1)
    client.config_set("appendonly", "yes")
    wait_until(lambda: "can't rewrite the append-only file" in server.log_tail(), "it is told")
    assert client.set("b", 1) and client.info("persistence")["aof_last_bgrewrite_status"] == "err"
    os.remove(os.path.join(server.dir, "appendonlydir"))
    wait_until(lambda: client.info("persistence")["aof_rewrites"] == 1, "it works again", 30)
    shutil.rmtree(folder(server))


def test_debug_loadaof_brings_back_what_was_logged(own_server):
    server = start(own_server, proactor_threads=2)
    client = redis.Redis(port=server.port)
    fill(client)
    client.bgrewriteaof()
    client.set("later", 1)
    client.function_load("#!lua name=lib\nredis.register_function('f', function() return 7 end)")
    before = digest(client)
    for _ in range(2):
        size = client.info("persistence")["aof_current_size"]
        assert client.execute_command("DEBUG", "LOADAOF") == b"OK"
        assert (digest(client), client.fcall("f", 0)) == (before, 7)
        client.waitaof(1, 0, 0)
        await_rewrite(client)
        assert os.path.getsize(last_increment(server)) < size + 100, "nothing is logged twice"
    client.set("more", 1)
    before = digest(client)
    assert digest(restart(server)) == before
    with client.pipeline() as pipe, pytest.raises(redis.ResponseError, match="transaction"):
        pipe.execute_command("DEBUG", "LOADAOF").execute()


def test_a_rewrite_while_it_is_off_writes_a_base(own_server):
    server = own_server()
    client = redis.Redis(port=server.port)
    fill(client)
    before = digest(client)
    client.bgrewriteaof()
    await_rewrite(client)
    assert [name.split(".")[-2] for name in sorted(os.listdir(folder(server)))] == ["base", "aof"]
    client.flushall()
    client.execute_command("DEBUG", "LOADAOF")
    assert digest(client) == before
    client.config_set("appendonly", "yes")
    wait_until(lambda: client.info("persistence")["aof_enabled"], "it is on")
    await_rewrite(client)
    client.set("more", 1)
    before = digest(client)
    server.options["appendonly"] = "yes"
    assert digest(restart(server)) == before


def test_one_file_of_before_version_7_becomes_the_base(own_server):
    server = start(own_server)
    server.stop()
    shutil.rmtree(folder(server))
    for is_interrupted in (False, True):
        single = os.path.join(server.dir, "appendonly.aof")
        with open(single, "wb") as file:
            file.write(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n*3\r\n$3\r\nSE")
        if is_interrupted:
            with open(os.path.join(folder(server), "appendonly.aof.manifest"), "w") as file:
                file.write("file appendonly.aof seq 1 type b\n")
        server.start()
        client = redis.Redis(port=server.port)
        wait_until(lambda client=client: is_loaded(client), "it is loaded")
        assert (client.get("a"), os.path.exists(single)) == (b"1", False)
        client.set("b", 2)
        client.waitaof(1, 0, 0)
        assert restart(server).mget("a", "b") == [b"1", b"2"]
        server.stop()
        for name in os.listdir(folder(server)):
            os.remove(os.path.join(folder(server), name))


def test_the_time_is_noted(own_server):
    server = start(own_server, aof_timestamp_enabled="yes")
    client = redis.Redis(port=server.port)
    client.set("a", 1)
    client.waitaof(1, 0, 0)
    with open(last_increment(server), "rb") as file:
        assert file.readline().startswith(b"#TS:")
    assert restart(server).get("a") == b"1"
    client.config_set("aof-timestamp-enabled", "no")
    size = os.path.getsize(last_increment(server))
    client.set("a", 1)
    client.waitaof(1, 0, 0)
    with open(last_increment(server), "rb") as file:
        file.seek(size)
        assert b"#TS" not in file.read()


def test_half_written_files_are_removed_at_the_start(own_server):
    server = start(own_server)
    ours = [os.path.join(server.dir, "temp-4294967295-dump.rdb"),
            os.path.join(folder(server), "temp-4294967295-appendonly.aof.9.base.rdb")]
    theirs = os.path.join(server.dir, "temp-4294967295-other.rdb")
    for path in [*ours, theirs]:
        with open(path, "w") as file:
            file.write("half")
    restart(server)
    assert [os.path.exists(path) for path in [*ours, theirs]] == [False, False, True]
