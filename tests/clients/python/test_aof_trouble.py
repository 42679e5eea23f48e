"""The append-only file when something is in its way: disks, crashes, rewrites that meet."""

import os
import shutil
import subprocess
import threading
import time

import pytest
import redis
from conftest import wait_until
from redis.backoff import NoBackoff
from redis.retry import Retry
from test_aof import (ROUNDS, await_rewrite, digest, folder, is_loaded, kill, last_increment,
                      restart, start)

FULL = "MISCONF Errors writing to the AOF file"


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of 400 KB, and how to give it more room."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no small disk can be mounted here")

    def enlarge():
        subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)

    yield str(disk), enlarge
    # The server may still be there.
    subprocess.run(["umount", "-l", str(disk)], check=False)


def fill_disk(client):
    with pytest.raises(redis.ResponseError, match=FULL):
        for number in range(2000):
            client.set(f"key{number}", "x" * 1000)


def in_background(port, *command):
    """Runs a command on a connection of its own: the thread, and where its answer comes."""
    answers = []

    def run():
        with redis.Redis(port=port) as client:
            try:
                answers.append(client.execute_command(*command))
            except redis.ResponseError as error:
                answers.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    return thread, answers


def await_blocked(client):
    wait_until(lambda: client.info("clients")["blocked_clients"] == 1, "it waits")


def test_waitaof_waits_for_its_client_alone(own_server, small_disk):
    disk, enlarge = small_disk
    server = start(own_server, dir=disk, auto_aof_rewrite_percentage=0)
    client = redis.Redis(port=server.port)
    fill_disk(client)
    assert client.waitaof(1, 0, 1) == [0, 0], "its time is over"
    waiting, answers = in_background(server.port, "WAITAOF", 1, 0, 0)
    await_blocked(client)
    assert client.get("key0"), "others are served"
    enlarge()
    waiting.join()
    assert answers == [[1, 0]]


def test_turning_it_off_ends_waits_and_refusals(own_server, small_disk):
    disk, enlarge = small_disk
    server = start(own_server, dir=disk, auto_aof_rewrite_percentage=0)
    client = redis.Redis(port=server.port)
    fill_disk(client)
    with client.pipeline() as pipe:
        pipe.set("queued", 1).get("queued")
        with pytest.raises(redis.ResponseError, match=FULL):
            pipe.execute()
    with pytest.raises(redis.ResponseError, match=FULL):
        client.eval("return redis.call('set', KEYS[1], 1)", 1, "key")
    assert client.eval("return redis.call('get', KEYS[1])", 1, "key0")
    waiting, answers = in_background(server.port, "WAITAOF", 1, 0, 0)
    await_blocked(client)
    client.config_set("appendonly", "no")
    waiting.join()
    assert "appendonly is disabled" in answers[0]
    assert client.set("a", 1), "there is no file that could be in the way"
    enlarge()
    client.config_set("appendonly", "yes")
    await_rewrite(client)
    client.set("b", 1)
    before = digest(client)
    assert digest(restart(server)) == before


def test_waitaof_in_transactions_scripts_and_crowds(own_server):
    server = start(own_server, proactor_threads=2)
    client = redis.Redis(port=server.port)
    with client.pipeline() as pipe:
        pipe.incr("a")
        pipe.execute_command("WAITAOF", 1, 0, 0)
        pipe.incr("a")
        assert pipe.execute() == [1, [0, 0], 2]
    script = "redis.call('incr', KEYS[1]) return redis.call('waitaof', 1, 0, 0)"
    assert client.eval(script, 1, "a") == [0, 0]
    assert client.waitaof(0, 0, 0)[1] == 0
    stop = threading.Event()

    def write():
        with redis.Redis(port=server.port) as other:
            while not stop.is_set():
                other.incr("b")

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    for _ in range(50):
        client.incr("a")
        assert client.waitaof(1, 0, 0) == [1, 0], "what others write meanwhile is theirs"
    stop.set()
    for writer in writers:
        writer.join()


def test_an_increment_torn_at_the_begin_of_a_rewrite_is_cut(own_server):
    server = start(own_server)
    client = redis.Redis(port=server.port)
    client.set("a", 1)
    server.stop()
    torn = last_increment(server)
    with open(torn, "ab") as file:
        file.write(b"*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n1\r\n*3\r\n$3\r\nSE")
    name = os.path.basename(torn)
    number = int(name.split(".")[-3])
    follower = name.replace(f".{number}.incr", f".{number + 1}.incr")
    with open(os.path.join(folder(server), "appendonly.aof.manifest"), "a",
              encoding="ascii") as manifest:
        manifest.write(f"file {follower} seq {number + 1} type i\n")
    with open(os.path.join(folder(server), follower), "wb"):
        pass
    server.start()
    wait_until(lambda: is_loaded(client), "it is loaded")
    assert client.keys() == [b"a"]
    client.set("c", 1)
    assert sorted(restart(server).keys()) == [b"a", b"c"]
    assert last_increment(server).endswith(follower)


def test_an_old_base_is_not_taken_for_a_new_one(own_server):
    server = start(own_server, save="")
    client = redis.Redis(port=server.port)
    client.set("old", 1)
    client.waitaof(1, 0, 0)
    client.config_set("appendonly", "no")
    wait_until(lambda: client.info("persistence")["aof_enabled"] == 0, "it is off")
    client.flushall()
    client.set("new", 1)
    # The next base can't be written where this folder is.
    in_the_way = os.path.join(folder(server), f"temp-{server.pid}-appendonly.aof.2.base.rdb")
    os.mkdir(in_the_way)
    client.config_set("appendonly", "yes")
    wait_until(lambda: client.info("persistence")["aof_last_bgrewrite_status"] == "err", "it fails")
    client.set("newer", 1)
    assert client.waitaof(1, 0, 1) == [0, 0], "without a base nothing lasts"
    os.rmdir(in_the_way)
    client.bgrewriteaof()
    await_rewrite(client)
    assert client.info("persistence")["aof_last_bgrewrite_status"] == "ok"
    assert client.waitaof(1, 0, 0) == [1, 0]
    assert sorted(restart(server).keys()) == [b"new", b"newer"]


def test_rewrites_and_saves_that_meet(own_server):
    server = start(own_server, proactor_threads=2)
    client = redis.Redis(port=server.port)
    for number in range(200):
        client.incr("a")
        for command in (["BGREWRITEAOF"], ["BGSAVE", "SCHEDULE"], ["SAVE"], ["BGSAVE"]):
            try:
                client.execute_command(*command)
            except redis.ResponseError as error:
                assert "already in progress" in str(error) or "right now" in str(error)
    await_rewrite(client)
    before = digest(client)
    assert digest(restart(server)) == before


@pytest.mark.timeout(300)
@pytest.mark.parametrize("threads", [1, 2])
def test_every_second_at_most_a_second_is_lost(own_server, threads):
    server = start(own_server, proactor_threads=threads)
    client = redis.Redis(port=server.port)
    for round_number in range(ROUNDS):
        # When which count was acknowledged.
        acknowledged = []

        def write(acknowledged=acknowledged):
            try:
                with redis.Redis(port=server.port, retry=Retry(NoBackoff(), 0)) as other:
                    while True:
                        count = other.incr("count")
                        acknowledged.append((time.monotonic(), count))
            except redis.ConnectionError:
                pass

        writer = threading.Thread(target=write)
        writer.start()
        wait_until(lambda acknowledged=acknowledged: len(acknowledged) > 100, "it writes")
        if round_number % 2:
            client.bgrewriteaof()
        else:
            client.bgsave()
        goal = len(acknowledged) + 500
        wait_until(lambda acknowledged=acknowledged, goal=goal: len(acknowledged) > goal, "more")
        killed = time.monotonic()
        kill(server)
        writer.join()
        client = redis.Redis(port=server.port)
        wait_until(lambda client=client: is_loaded(client), "it is loaded")
        safe = [count for at, count in acknowledged if at < killed - 1]
        there = int(client.get("count") or 0)
        assert there >= max(safe, default=0)
        assert there <= acknowledged[-1][1] + 1


def test_a_folder_that_goes_away_is_made_again(own_server):
    server = start(own_server)
    client = redis.Redis(port=server.port)
    client.set("a", 1)
    shutil.rmtree(folder(server))
    client.bgrewriteaof()
    await_rewrite(client)
    client.set("b", 1)
    assert sorted(restart(server).keys()) == [b"a", b"b"]


def test_a_list_that_cannot_be_written_doubles_and_loses_nothing(own_server):
    server = start(own_server, save="")
    client = redis.Redis(port=server.port)
    for _ in range(100):
        client.incr("count")
    in_the_way = os.path.join(folder(server), "temp-appendonly.aof.manifest")
    os.mkdir(in_the_way)
    client.incr("count")
    client.bgrewriteaof()

    def about(field):
        return client.info("persistence")[field]

    wait_until(lambda: about("aof_last_write_status") == "err", "it can't be written")
    wait_until(lambda: about("aof_last_bgrewrite_status") == "err", "nor can the base be listed")
    assert client.get("count") == b"101"
    with pytest.raises(redis.ResponseError, match=FULL):
        client.incr("count")
    os.rmdir(in_the_way)
    wait_until(lambda: about("aof_last_write_status") == "ok", "it works again")
    client.incr("count")
    assert client.waitaof(1, 0, 0) == [1, 0]
    kill(server)
    client = redis.Redis(port=server.port)
    wait_until(lambda: is_loaded(client), "it is loaded")
    assert client.get("count") == b"102"


def test_outdated_files_go_when_they_are_no_longer_to_be_kept(own_server):
    server = start(own_server, aof_disable_auto_gc="yes")
    client = redis.Redis(port=server.port)

    def listed(kind):
        path = os.path.join(folder(server), "appendonly.aof.manifest")
        with open(path, encoding="ascii") as file:
            return [line.split()[1] for line in file if line.split()[-1] == kind]

    for _ in range(2):
        client.incr("a")
        client.bgrewriteaof()
        await_rewrite(client)
    outdated = listed("h")
    assert len(outdated) == 4 and set(outdated) < set(os.listdir(folder(server)))
    client.config_set("aof-disable-auto-gc", "no")
    wait_until(lambda: listed("h") == [], "they are off the list")
    files = set(listed("b") + listed("i"))
    assert files | {"appendonly.aof.manifest"} == set(os.listdir(folder(server)))
    client.incr("a")
    assert restart(server).get("a") == b"3"
