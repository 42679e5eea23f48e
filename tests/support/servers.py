"""Start, await and stop one server for a test or a measurement.

Every tool here (the Tcl runner, the client tests, bench/compare) starts servers through this file,
so that all of them bind to 127.0.0.1 only, wait for PONG instead of sleeping, and stop exactly the
process they started. Python's standard library only.
"""

import os
import random
import shutil
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DARNER = os.environ.get("DARNER_BIN") or os.path.join(ROOT, "target", "release", "darner")
START_TIMEOUT_S = 20
STOP_TIMEOUT_S = 10
POLL_S = 0.002


class ServerError(Exception):
    """The server did not start, or died."""


def free_port():
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def free_port_range(count, part=0, parts=1):
    """The first of `count` neighbouring ports that are all free now; who takes ranges at the same
    time takes them from different parts.

    Below the range the kernel hands out, so that no outgoing connection takes one of them, and
    below 55536, since the Tcl suite wants each port + 10,000 to exist as well.
    """
    for _ in range(200):
        size = 20000 // parts
        first = 12000 + part * size + random.randrange(size - count)
        if all(_is_free(first + i) for i in range(count)):
            return first
    raise ServerError(f"no {count} neighbouring free ports")


def _is_free(port):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def is_redis(binary):
    """True for redis-server and valkey-server, which want their own flag spelling."""
    name = os.path.basename(os.path.realpath(binary))
    return "redis" in name or "valkey" in name


def is_null(binary):
    """True for bench/null, which answers everything with a constant and knows only --port."""
    return os.path.basename(binary) == "darner-null"


def version(binary):
    """The first line that `--version` prints."""
    try:
        done = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, timeout=5)
    except subprocess.TimeoutExpired:
        return f"{binary}, which knows no --version"
    return (done.stdout or done.stderr).strip().split("\n")[0]


def ping(port, timeout=1.0):
    """True when the server on `port` answers PING; an error reply counts (it may want AUTH)."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=timeout) as conn:
            conn.sendall(b"*1\r\n$4\r\nPING\r\n")
            return conn.recv(16) != b""
    except OSError:
        return False


class Server:
    """One server process on a port of its own and in a directory of its own."""

    def __init__(self, binary=None, options=None, prefix=(), env=None, config_file=False):
        """`options` are flags (name -> value); `prefix` is a command before the server's.

        With `config_file` the options go into a redis.conf file, which is the first argument.
        """
        self.binary = os.path.abspath(binary or DARNER)
        self.dir = tempfile.mkdtemp(prefix="darner-test-")
        self.port = free_port()
        self.log_path = os.path.join(self.dir, "server.log")
        # Tests and measurements say when they want snapshots.
        self.options = {"port": self.port, "bind": "127.0.0.1", "dir": self.dir, "save": ""}
        if is_null(self.binary):
            self.options = {"port": self.port}
        self.options.update(options or {})
        self.prefix = list(prefix)
        self.config_file = config_file
        self.env = dict(os.environ, **(env or {}))
        self.process = None

    def command(self):
        """The command line that `start` runs."""
        if not self.config_file:
            return self.prefix + [self.binary] + self._flags()
        path = os.path.join(self.dir, "redis.conf")
        with open(path, "w", encoding="utf-8") as conf:
            for name, value in self.options.items():
                conf.write(f"{name} {_quote(value)}\n")
        return self.prefix + [self.binary, path]

    def _flags(self):
        if is_redis(self.binary) or is_null(self.binary):
            pairs = [(f"--{name}", str(value)) for name, value in self.options.items()]
            return [word for pair in pairs for word in pair]
        return [f"--{name}={value}" for name, value in self.options.items()]

    def start(self):
        """Starts the server and returns once it answers PING."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                cwd=self.dir, env=self.env)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not ping(self.port):
            if self.process.poll() is not None:
                raise ServerError(f"{self.binary} exited with {self.process.returncode}:\n"
                                  + self.log_tail())
            if time.monotonic() > deadline:
                self.stop()
                raise ServerError(f"{self.binary} did not answer PING:\n" + self.log_tail())
            time.sleep(POLL_S)
        return self

    @property
    def pid(self):
        """The server's process id (with a `taskset` prefix too, since that one execs)."""
        return self.process.pid

    def alive(self):
        """True while the process runs."""
        return self.process is not None and self.process.poll() is None

    def resident(self):
        """Bytes of memory that are resident."""
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def log_tail(self, lines=30):
        """The last lines that the server wrote."""
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as log:
                return "".join(log.readlines()[-lines:])
        except OSError:
            return ""

    def stop(self):
        """Stops the process it started, and nothing else. Returns the exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    def close(self):
        """Stops the server and removes its directory."""
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_):
        self.close()


def _quote(value):
    text = str(value)
    return text if text and not any(c in text for c in ' "\t') else '"' + text + '"'
