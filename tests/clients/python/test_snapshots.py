"""Snapshots: SAVE, BGSAVE, save points, and what comes back after a restart."""

import os
import shutil
import subprocess
import threading

import pytest
import redis
from conftest import servers, wait_until

REDIS = os.path.join(servers.ROOT, ".cache", "bin", "redis-server")
EXPIRES_AT_MS = 4_000_000_000_000


def fill(client):
    """Keys of each type, small and large."""
    client.set("text", "value")
    client.set("number", 42, pxat=EXPIRES_AT_MS)
    client.set("long", "x" * 100_000)
    for count in (3, 2_000):
        names = [f"member{number}" for number in range(count)]
        client.rpush(f"list{count}", *names)
        client.sadd(f"set{count}", *names)
        client.sadd(f"ints{count}", *range(count))
        client.hset(f"hash{count}", mapping={name: name * 3 for name in names})
        client.zadd(f"zset{count}", {name: at / 4 for at, name in enumerate(names)})
        for name in names:
            client.xadd(f"stream{count}", {"field": name}, id="*")
    client.xgroup_create("stream3", "group", "0")
    client.xreadgroup("group", "consumer", {"stream3": ">"}, count=2)


def digest(client):
    return client.execute_command("DEBUG", "DIGEST")


def contents(client):
    """What every key holds, by DUMP or by reading it where the forms may differ."""
    found = {}
    for key in client.keys():
        kind = client.type(key).decode()
        value = {
            "string": lambda key: client.get(key),
            "list": lambda key: client.lrange(key, 0, -1),
            "set": lambda key: client.smembers(key),
            "hash": lambda key: client.hgetall(key),
            "zset": lambda key: client.zrange(key, 0, -1, withscores=True),
            "stream": lambda key: client.xrange(key),
        }[kind](key)
        found[key] = (kind, value, client.pexpiretime(key))
    return found


def restart(server, **options):
    server.stop()
    server.options.update(options)
    server.start()
    client = redis.Redis(port=server.port)
    wait_until(lambda: client.info("persistence")["loading"] == 0, "the snapshot is loaded")
    return client


def await_save(client):
    wait_until(lambda: client.info("persistence")["rdb_bgsave_in_progress"] == 0, "it is saved")


@pytest.mark.parametrize("threads", [1, 2])
def test_what_is_saved_comes_back(own_server, threads):
    server = own_server(proactor_threads=threads)
    with redis.Redis(port=server.port) as client, redis.Redis(port=server.port, db=3) as third:
        fill(client)
        third.set("elsewhere", 1)
        seven = "redis.register_function('f', function() return 7 end)"
        client.function_load(f"#!lua name=lib\n{seven}")
        before = digest(client)
        assert client.save()
        client.set("lost", 1)
    client = restart(server)
    assert digest(client) == before
    assert client.fcall("f", 0) == 7
    assert client.info("persistence")["rdb_last_load_keys_loaded"] == client.dbsize() + 1


def test_a_snapshot_is_of_one_instant(own_server):
    server = own_server(proactor_threads=2)
    accounts = [f"account{number}" for number in range(500)]
    done = threading.Event()

    def move(step):
        with redis.Redis(port=server.port) as client:
            number = 0
            while not done.is_set():
                number += step
                source, target = accounts[number % 500], accounts[(number * 7 + 1) % 500]
                with client.pipeline() as pipe:
                    pipe.decr(source).incr(target).execute()

    movers = [threading.Thread(target=move, args=(step,)) for step in (1, 3, 7)]
    with redis.Redis(port=server.port) as client:
        client.mset({account: 0 for account in accounts})
        for mover in movers:
            mover.start()
        wait_until(lambda: client.get(accounts[0]) != b"0", "amounts move")
        assert client.bgsave()
        await_save(client)
        done.set()
        for mover in movers:
            mover.join()
    client = restart(server)
    assert sum(int(amount) for amount in client.mget(accounts)) == 0


def test_save_points_and_shutdown(own_server):
    server = own_server(save="1 10")
    with redis.Redis(port=server.port) as client:
        before = client.lastsave()
        client.mset({f"key{number}": number for number in range(9)})
        client.set("key9", 9)
        wait_until(lambda: client.lastsave() > before, "the save point is reached")
        client.set("last", 1)
    client = restart(server)
    assert client.get("last") == b"1" and client.dbsize() == 11
    client.set("unsaved", 1)
    client.shutdown(nosave=True)
    server.process.wait(10)
    assert restart(server).get("unsaved") is None


def test_what_cannot_be_saved_is_told(own_server):
    server = own_server(save="3600 1")
    good = os.path.join(server.dir, "dump.rdb")
    with redis.Redis(port=server.port) as client:
        client.set("key", 1)
        client.save()
        os.rename(server.dir, server.dir + "-away")
        with pytest.raises(redis.ResponseError):
            client.save()
        with pytest.raises(redis.ResponseError, match="^MISCONF"):
            client.set("key", 2)
        assert client.get("key") == b"1"
        assert client.info("persistence")["rdb_last_bgsave_status"] == "err"
        os.rename(server.dir + "-away", server.dir)
        assert os.path.exists(good)
        client.save()
        client.set("key", 2)


@pytest.mark.parametrize("command", ["SAVE", "BGSAVE"])
def test_a_large_save_that_fails_ends(own_server, command):
    server = own_server(save="3600 1")
    with redis.Redis(port=server.port) as client:
        for number in range(300):
            client.set(number, os.urandom(100_000))
        os.rename(server.dir, server.dir + "-away")
        try:
            client.execute_command(command)
        except redis.ResponseError:
            assert command == "SAVE"
        await_save(client)
        assert client.info("persistence")["rdb_last_bgsave_status"] == "err"
        os.rename(server.dir + "-away", server.dir)
        assert client.save()


def saved(server):
    """Fills a server, saves, and stops it: the path of the snapshot, and what is in it."""
    path = os.path.join(server.dir, "dump.rdb")
    with redis.Redis(port=server.port) as client:
        fill(client)
        client.save()
    server.stop()
    return path, bytearray(open(path, "rb").read())


@pytest.mark.parametrize("harm", ["cut", "changed", "other"])
def test_a_broken_file_is_refused(own_server, harm):
    server = own_server()
    path, data = saved(server)
    if harm == "cut":
        data = data[:-1000]
    elif harm == "changed":
        data[len(data) // 2] ^= 1
    else:
        data = b"no snapshot at all"
    open(path, "wb").write(data)
    assert "dump.rdb" in refusal(server)


MAGIC = {0: b"REDIS", 1: b"REDIS", 2: b"\x28\xb5\x2f\xfd", 3: b"\x04\x22\x4d\x18"}


@pytest.mark.parametrize("mode", MAGIC)
def test_compressed_snapshots_come_back(own_server, mode):
    server = own_server(compression_mode=mode)
    path = os.path.join(server.dir, "dump.rdb")
    with redis.Redis(port=server.port) as client:
        fill(client)
        before = digest(client)
        client.save()
    assert open(path, "rb").read().startswith(MAGIC[mode])
    server.options.pop("compression-mode")
    client = restart(server)
    assert digest(client) == before
    client.save()
    assert open(path, "rb").read().startswith(b"REDIS"), "what Redis loads is the default"
    server.stop()


@pytest.mark.parametrize("mode", [2, 3])
@pytest.mark.parametrize("harm", ["cut", "end cut", "changed"])
def test_a_broken_frame_is_refused(own_server, mode, harm):
    server = own_server(compression_mode=mode)
    path, data = saved(server)
    if harm == "changed":
        data[len(data) // 2] ^= 1
    else:
        data = data[:-1000] if harm == "cut" else data[:-2]
    open(path, "wb").write(data)
    assert "dump.rdb is broken or not whole" in refusal(server)


def test_the_base_of_an_append_only_file_is_for_all_to_read(own_server):
    server = own_server(compression_mode=2, appendonly="yes")
    with redis.Redis(port=server.port) as client:
        client.set("key", 1)
        client.bgrewriteaof()
        wait_until(lambda: client.info("persistence")["aof_rewrites"] > 1, "it is rewritten")
    folder = os.path.join(server.dir, "appendonlydir")
    base = next(name for name in os.listdir(folder) if ".base." in name)
    assert open(os.path.join(folder, base), "rb").read().startswith(b"REDIS")


def refusal(server):
    """What a start that is refused says."""
    done = subprocess.run(server.command(), capture_output=True, text=True, timeout=20,
                          check=False)
    assert done.returncode == 1
    return done.stdout + done.stderr


def test_names_with_a_time_are_kept_in_number(own_server):
    server = own_server(dbfilename="dump-{timestamp}", snapshot_keep=2)
    with redis.Redis(port=server.port) as client:
        for number in range(4):
            client.set("key", number)
            client.save()
            saved_s = client.lastsave().timestamp()
            wait_until(lambda: client.time()[0] > saved_s, "a second ends")

        def count():
            return sum(name.endswith(".rdb") for name in os.listdir(server.dir))

        wait_until(lambda: count() == 2, "old ones are removed")
    assert restart(server).get("key") == b"3"


def test_redis_reads_ours_and_we_read_redis_s(own_server):
    ours = own_server()
    with servers.Server(REDIS) as theirs:
        clients = [redis.Redis(port=server.port) for server in (ours, theirs)]
        fill(clients[0])
        clients[0].save()
        before = contents(clients[0])
        theirs.stop()
        shutil.copy(os.path.join(ours.dir, "dump.rdb"), theirs.dir)
        theirs.start()
        assert contents(clients[1]) == before
        clients[1].set("more", 1)
        clients[1].save()
        ours.stop()
        shutil.copy(os.path.join(theirs.dir, "dump.rdb"), ours.dir)
        ours.start()
        assert contents(clients[0]) == {**before, b"more": ("string", b"1", -1)}


def test_a_killed_server_comes_back_with_a_whole_snapshot(own_server):
    server = own_server(proactor_threads=2)
    saved = 0
    for _ in range(10):
        with redis.Redis(port=server.port) as client:
            for _ in range(20):
                saved += 1
                with client.pipeline() as pipe:
                    pipe.mset({f"key{number}": saved for number in range(100)})
                    pipe.execute()
                try:
                    client.bgsave()
                except redis.ResponseError:
                    continue
        server.process.kill()
        server.process.wait()
        server.start()
        with redis.Redis(port=server.port) as client:
            wait_until(lambda: client.info("persistence")["loading"] == 0, "it is loaded")
            values = set(client.mget([f"key{number}" for number in range(100)]))
            assert len(values) == 1


def test_others_are_served_while_the_disk_is_slow(own_server):
    server = own_server(proactor_threads=2)
    client = redis.Redis(port=server.port)
    keys = [f"key{number}" for number in range(2_000)]
    client.mset({key: key * 200 for key in keys})
    # A disk that takes nothing until someone reads what is on it.
    disk = os.path.join(server.dir, f"temp-{server.pid}-dump.rdb")
    os.mkfifo(disk)
    client.bgsave()
    for key in keys:
        assert client.get(key) == (key * 200).encode()
        client.set(key, "changed meanwhile")
    assert client.info("persistence")["rdb_bgsave_in_progress"] == 1
    with pytest.raises(redis.ResponseError, match="already in progress"):
        client.save()
    with open(disk, "rb") as reader:
        written = reader.read()
    await_save(client)
    assert client.info("persistence")["rdb_last_bgsave_status"] == "err", "it can't be synced"
    assert set(client.mget(keys)) == {b"changed meanwhile"}
    with open(os.path.join(server.dir, "dump.rdb"), "wb") as snapshot:
        snapshot.write(written)
    client = restart(server)
    assert client.mget(keys) == [(key * 200).encode() for key in keys]


@pytest.fixture
def small_volume(tmp_path):
    """Mounts a volume of so many MiB: it is gone with the test."""
    mounted = []

    def mount(mib):
        path = str(tmp_path / "volume")
        os.mkdir(path)
        command = ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "darner-test", path]
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            pytest.skip("mounting a small volume needs root")
        mounted.append(path)
        return path

    yield mount
    for path in mounted:
        subprocess.run(["umount", "--lazy", path], check=True)


def snapshots(folder):
    """The names of snapshots in a folder, without those of half-written files."""
    names = os.listdir(folder)
    return sorted(name for name in names if name.startswith("dump") and name.endswith(".rdb")
                  or name.endswith("-summary.dfs"))


def save_in_its_own_second(client):
    last_s = client.lastsave().timestamp()
    wait_until(lambda: client.time()[0] > last_s, "a second ends")
    client.save()


def fill_mib(client, mib):
    """About so much that can't be compressed."""
    for number in range(mib * 10):
        client.set(number, os.urandom(100_000))


@pytest.mark.parametrize("options", [{}, {"df_snapshot_format": "true", "proactor_threads": 2}],
                         ids=["single", "set"])
def test_old_snapshots_go_before_the_volume_is_full(own_server, small_volume, options):
    folder = small_volume(18)
    server = own_server(dir=folder, dbfilename="dump-{timestamp}", **options)
    with redis.Redis(port=server.port) as client:
        fill_mib(client, 5)
        for _ in range(3):
            save_in_its_own_second(client)
        before = snapshots(folder)
        assert len(before) == 3
        save_in_its_own_second(client)
        left = snapshots(folder)
        assert len(left) == 3 and left[:2] == before[1:], "only the oldest one went"
        assert "1 old snapshots removed: the next one may take" in server.log_tail()
        state = digest(client)
    assert digest(restart(server)) == state


def test_old_snapshots_stay_when_all_are_to_be_kept(own_server, small_volume):
    folder = small_volume(12)
    server = own_server(dir=folder, dbfilename="dump-{timestamp}", snapshot_keep=0)
    with redis.Redis(port=server.port) as client:
        fill_mib(client, 5)
        for _ in range(2):
            save_in_its_own_second(client)
        before = snapshots(folder)
        with pytest.raises(redis.ResponseError):
            save_in_its_own_second(client)
        assert snapshots(folder) == before
        assert "it may fail" in server.log_tail()


@pytest.mark.parametrize("options", [{}, {"df_snapshot_format": "true", "proactor_threads": 2}],
                         ids=["single", "set"])
def test_a_save_that_filled_the_volume_makes_room_for_the_next(own_server, small_volume, options):
    folder = small_volume(20)
    server = own_server(dir=folder, dbfilename="dump-{timestamp}", **options)
    with redis.Redis(port=server.port) as client:
        fill_mib(client, 5)
        for _ in range(2):
            save_in_its_own_second(client)
        before = snapshots(folder)
        # It has grown by more than the estimate thinks of.
        fill_mib(client, 11)
        with pytest.raises(redis.ResponseError):
            save_in_its_own_second(client)
        assert snapshots(folder) == before, "the estimate was that it fits"
        save_in_its_own_second(client)
        left = snapshots(folder)
        assert before[0] not in left and before[1] in left and len(left) == 2
        state = digest(client)
    assert digest(restart(server)) == state


def test_a_rewrite_removes_old_snapshots_too(own_server, small_volume):
    folder = small_volume(24)
    server = own_server(dir=folder, dbfilename="dump-{timestamp}", appendonly="yes")
    with redis.Redis(port=server.port) as client:
        fill_mib(client, 5)
        client.bgrewriteaof()
        wait_until(lambda: client.info("persistence")["aof_rewrites"] > 1, "it is rewritten")
        for _ in range(3):
            save_in_its_own_second(client)
        before = snapshots(folder)
        client.bgrewriteaof()
        wait_until(lambda: client.info("persistence")["aof_rewrites"] > 2, "it is rewritten")
        assert snapshots(folder) == before[1:]


def test_an_append_only_file_that_fills_the_volume_removes_old_snapshots(own_server, small_volume):
    folder = small_volume(10)
    server = own_server(dir=folder, dbfilename="dump-{timestamp}", appendonly="yes",
                        auto_aof_rewrite_percentage=0)
    with redis.Redis(port=server.port) as client:
        fill_mib(client, 2)
        for _ in range(3):
            save_in_its_own_second(client)
        before = snapshots(folder)
        for number in range(30):
            client.set("key", os.urandom(100_000))
            assert client.waitaof(1, 0, 0) == [1, 0]
        assert 0 < len(snapshots(folder)) < 3 and snapshots(folder)[-1] == before[-1]
        with pytest.raises(redis.ResponseError, match="MISCONF Errors writing to the AOF file"):
            for number in range(200):
                client.set(number, os.urandom(100_000))
        assert snapshots(folder) == before[-1:], "the newest one stays"
