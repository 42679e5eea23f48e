"""The image: built, run as Kubernetes would, killed, and run again.

The build stage needs a registry, so the files are put together here, by the script that it runs.
"""

import json
import os
import shutil
import subprocess
import time

import pytest
import redis
from conftest import DEPLOY, need

import servers

IMAGE = "localhost/darner-test"
LIMIT_S = 30
# As little as may be: what a strict cluster allows.
STRICT = ["--memory", "128m", "--memory-swap", "128m", "--cpus", "0.5", "--read-only",
          "--cap-drop=all", "--security-opt", "no-new-privileges"]
# What runc needs in machines that limit processes themselves.
LIMITS = ["--ulimit", "nofile=20000:20000", "--ulimit", "nproc=1024:1024"]


def podman(*arguments, check=True):
    done = subprocess.run(["podman", "--runtime", "runc", *arguments], capture_output=True,
                          text=True, check=False, timeout=120)
    if check and done.returncode != 0:
        raise RuntimeError(f"podman {arguments[0]}: {done.stderr}")
    return done


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """The image, built from the last stage of the Containerfile."""
    need("buildah", "podman", "runc", "busybox", "redis-cli")
    folder = tmp_path_factory.mktemp("image")
    subprocess.run([os.path.join(DEPLOY, "image", "rootfs.sh"), servers.DARNER,
                    str(folder / "rootfs")], check=True)
    with open(os.path.join(DEPLOY, "image", "Containerfile"), encoding="utf-8") as file:
        last = file.read()
    last = last[last.index("FROM scratch"):].replace("--from=build /rootfs/", "rootfs/")
    (folder / "Containerfile").write_text(last)
    built = subprocess.run(
        ["buildah", "bud", "--isolation", "chroot", "--format", "docker", "-t", IMAGE, "-f",
         str(folder / "Containerfile"), str(folder)], capture_output=True, text=True, check=False)
    if built.returncode != 0:
        pytest.skip(f"images can't be built here: {built.stderr[-300:]}")
    shown = podman("run", "--rm", *LIMITS, "--network", "host", IMAGE, "--version", check=False)
    if shown.returncode != 0:
        pytest.skip(f"containers can't be run here: {shown.stderr[-300:]}")
    assert shown.stdout.startswith("darner ") or "0." in shown.stdout
    yield IMAGE
    subprocess.run(["buildah", "rmi", "-f", IMAGE], capture_output=True, check=False)


class Container:
    """A container of the test's own, in the machine's network."""

    def __init__(self, image, data, *flags, user="999:999", options=()):
        self.image, self.data, self.flags = image, data, flags
        self.user, self.options = user, options
        self.port, self.admin_port = servers.free_port(), servers.free_port()
        self.id = None

    def start(self):
        environment = ["--env", f"HEALTHCHECK_PORT={self.port}"]
        self.id = podman(
            "run", "--detach", *LIMITS, *STRICT, *self.options, "--network", "host",
            "--user", self.user, "--volume", f"{self.data}:/data", *environment, self.image,
            "--alsologtostderr", f"--port={self.port}", "--bind=127.0.0.1",
            f"--admin_port={self.admin_port}", "--admin_nopass", *self.flags).stdout.strip()
        deadline = time.monotonic() + LIMIT_S
        while not servers.ping(self.port):
            if time.monotonic() > deadline or not self.runs():
                raise RuntimeError(f"it does not answer:\n{self.log()}")
            time.sleep(0.05)
        return self

    def runs(self):
        shown = podman("inspect", "--format", "{{.State.Running}}", self.id)
        return shown.stdout.strip() == "true"

    def log(self):
        done = podman("logs", self.id)
        return done.stdout + done.stderr

    def run(self, *command):
        return podman("exec", self.id, *command, check=False)

    def end(self, signal="TERM"):
        """Ends the server with a signal, and waits for its end. Its exit status."""
        podman("kill", "--signal", signal, self.id)
        return int(podman("wait", self.id).stdout.strip())

    def remove(self):
        if self.id:
            podman("rm", "--force", "--time", "0", self.id, check=False)
            self.id = None


@pytest.fixture
def container(image, tmp_path):
    """Makes containers with a volume that belongs to the user they run as."""
    started = []

    def make(*flags, user="999:999", options=()):
        data = tmp_path / "data"
        data.mkdir(exist_ok=True)
        shutil.chown(data, *map(int, user.split(":")))
        # Reached by a user who may not look into the folders above.
        os.chmod(data, 0o770)
        one = Container(image, data, *flags, user=user, options=options)
        started.append(one)
        return one

    yield make
    for one in started:
        one.remove()


def test_strict_and_small(container):
    server = container().start()
    client = redis.Redis(port=server.port)
    client.mset({f"key:{number}": "x" * 100 for number in range(20000)})
    assert client.info("server")["multiplexing_api"] in ("epoll", "io_uring")
    assert "Ready to accept connections" in server.log()
    assert server.run("id", "-u").stdout.strip() == "999"
    assert server.run("sh", "-c", "echo a > /etc/file").returncode != 0
    assert client.save()
    client.set("after", "the snapshot")
    assert server.end("TERM") == 0
    podman("start", server.id)
    wait_for(server)
    assert client.get("after") == b"the snapshot" and client.dbsize() == 20001


def wait_for(server):
    deadline = time.monotonic() + LIMIT_S
    while not servers.ping(server.port):
        assert time.monotonic() < deadline, server.log()
        time.sleep(0.05)


def test_what_was_saved_outlives_a_kill(container):
    server = container().start()
    client = redis.Redis(port=server.port)
    client.set("kept", "1")
    client.save()
    client.set("lost", "1")
    server.end("KILL")
    podman("start", server.id)
    wait_for(server)
    assert client.get("kept") == b"1" and client.get("lost") is None


def test_epoll_where_io_uring_is_refused(container, tmp_path):
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["io_uring_setup", "io_uring_enter", "io_uring_register"],
         "action": "SCMP_ACT_ERRNO", "errnoRet": 1}]}
    path = tmp_path / "seccomp.json"
    path.write_text(json.dumps(profile))
    server = container(options=["--security-opt", f"seccomp={path}"]).start()
    client = redis.Redis(port=server.port)
    assert client.info("server")["multiplexing_api"] == "epoll"
    assert "io_uring isn't available here" in server.log()


def test_any_user(container):
    server = container(user="1000:2000").start()
    client = redis.Redis(port=server.port)
    client.set("a", "b")
    assert client.save()
    assert server.run("id", "-u").stdout.strip() == "1000"


def test_the_health_check_and_redis_cli(container):
    server = container("--requirepass=secret").start()
    assert server.run("/bin/sh", "/usr/local/bin/healthcheck.sh").returncode == 0
    shown = server.run("redis-cli", "-p", str(server.admin_port), "info", "replication")
    assert "role:master" in shown.stdout
    wrong = server.run("env", "HEALTHCHECK_PORT=1", "/bin/sh", "/usr/local/bin/healthcheck.sh")
    assert wrong.returncode == 1


def test_as_the_operator_of_dragonfly_starts_it(container):
    server = container("--break_replication_on_master_restart=true",
                       "--primary_port_http_enabled=false").start()
    assert redis.Redis(port=server.admin_port).ping()


def test_bullmq(container):
    """Jobs of eight queues, in half a CPU and 128 MiB."""
    need("node")
    server = container("--appendonly=yes").start()
    load = os.path.join(os.path.dirname(DEPLOY), "bench", "queue-load.js")
    done = subprocess.run(["node", load, str(server.port), "bullmq", "4000"], capture_output=True,
                          text=True, check=False, timeout=120)
    assert done.stdout.strip() == "4000", done.stderr
    assert server.runs()


@pytest.mark.parametrize("policy", ["noeviction", "allkeys-lru", "allkeys-lfu", "allkeys-random",
                                    "volatile-lru", "volatile-ttl"])
def test_filled_to_its_limit_it_is_never_killed(container, policy):
    server = container(f"--maxmemory_policy={policy}").start()
    client = redis.Redis(port=server.port)
    assert client.info("memory")["maxmemory"] < 0.81 * (128 << 20)
    refused = 0
    for start in range(0, 400_000, 500):
        with client.pipeline(transaction=False) as pipe:
            for number in range(start, start + 500):
                pipe.set(f"key:{number}", "x" * 600, ex=10_000)
            answers = pipe.execute(raise_on_error=False)
        refused += sum(answer is not True for answer in answers)
    assert (refused > 0) == (policy == "noeviction")
    assert (client.info("stats")["evicted_keys"] > 0) == (policy != "noeviction")
    assert client.save()
    server.end("TERM")
    podman("start", server.id)
    wait_for(server)
    assert client.get("key:1" if refused else "key:399999")


def test_it_is_small(image):
    size = int(podman("image", "inspect", "--format", "{{.Size}}", image).stdout)
    print(f"{size / 1e6:.0f} MB")
    assert size < 40e6
