"""maxmemory-clients: whose connections are closed when all clients together take too much."""

from urllib.request import urlopen

import pytest
import redis
from conftest import wait_until

MIB = 1 << 20
THREADS = [1, 2]


class Clients:
    """A server with a client that is never evicted, and more clients by name."""

    def __init__(self, port):
        self.port = port
        self.control = redis.Redis(port=port, decode_responses=True, single_connection_client=True)
        self.control.client_no_evict("ON")

    def connect(self, name, protocol=2):
        """A connection with this name; nothing is read from it unless asked."""
        connection = redis.Connection(port=self.port, protocol=protocol, socket_timeout=10)
        connection.connect()
        connection.send_command("CLIENT", "SETNAME", name)
        assert connection.read_response() == b"OK"
        return connection

    def half_sent(self, name, length):
        """A connection that has sent a request of this length but for its end."""
        connection = self.connect(name)
        send(connection, b"*2\r\n$4\r\nECHO\r\n$%d\r\n%b" % (length, b"x" * length))
        return connection

    def of(self, name):
        """The line about a client, or None."""
        named = [line for line in self.control.client_list() if line["name"] == name]
        return named[0] if named else None

    def memory(self, name):
        return int(self.of(name)["tot-mem"])

    def names(self):
        return {line["name"] for line in self.control.client_list() if line["name"]}

    def limit(self, limit):
        self.control.config_set("maxmemory-clients", limit)

    def evicted(self):
        return self.control.info("stats")["evicted_clients"]


def send(connection, data):
    """Sends bytes as they are; a peer that closes meanwhile is no error."""
    try:
        connection._sock.sendall(data)
    except OSError:
        pass


@pytest.fixture
def clients(own_server, request):
    threads = getattr(request, "param", 1)
    return Clients(own_server(proactor_threads=threads).port)


on_threads = pytest.mark.parametrize("clients", THREADS, indirect=True)


@on_threads
def test_a_client_that_sends_too_much_is_closed_and_no_other(clients):
    clients.limit(4 * MIB)
    small = clients.half_sent("small", 100_000)
    clients.half_sent("large", 5 * MIB)
    wait_until(lambda: "large" not in clients.names(), "the large one is gone")
    assert clients.evicted() == 1
    with urlopen(f"http://localhost:{clients.port}/metrics", timeout=10) as metrics:
        assert b"\ndarner_evicted_clients_total 1\n" in metrics.read()
    send(small, b"\r\n")
    assert len(small.read_response()) == 100_000


@on_threads
def test_a_client_that_does_not_read_is_closed(clients):
    clients.control.set("value", "x" * MIB)
    clients.limit(8 * MIB)
    slow = clients.connect("slow")
    # The kernel takes some of them.
    send(slow, b"GET value\r\n" * 40)
    wait_until(lambda: "slow" not in clients.names(), "it is gone")
    assert clients.evicted() == 1
    assert clients.control.get("value")


@on_threads
def test_a_lower_limit_closes_the_largest_until_the_rest_fits(clients):
    sizes = {f"client{number}": number * MIB // 2 for number in range(1, 7)}
    kept = [clients.half_sent(name, size) for name, size in sizes.items()]
    for name, size in sizes.items():
        wait_until(lambda: int(clients.of(name)["qbuf"]) == size, "all is received")
    memory = {name: clients.memory(name) for name in sizes}
    largest = sorted(sizes, key=memory.get)[-2:]
    rest = sum(clients.memory(name) for name in sizes if name not in largest)
    own = int(clients.control.client_info()["tot-mem"])
    clients.limit(rest + own + 10_000)
    wait_until(lambda: clients.names() == set(sizes) - set(largest), "the largest are gone")
    assert clients.evicted() == 2
    assert len(kept) == 6


def test_the_limit_may_be_a_part_of_maxmemory(clients):
    clients.control.config_set("maxmemory", 40 * MIB)
    clients.limit("10%")
    assert clients.control.config_get("maxmemory-clients") == {"maxmemory-clients": "10%"}
    kept = clients.half_sent("within", MIB)
    wait_until(lambda: int(clients.of("within")["qbuf"]) == MIB, "all is received")
    clients.half_sent("beyond", 5 * MIB)
    wait_until(lambda: "beyond" not in clients.names(), "it is gone")
    clients.control.config_set("maxmemory", 8 * MIB)
    wait_until(lambda: "within" not in clients.names(), "a tenth is less by now")
    kept.disconnect()


@pytest.mark.parametrize("threads", THREADS)
def test_the_limit_may_be_a_flag(own_server, threads):
    clients = Clients(own_server(maxmemory_clients="4mb", proactor_threads=threads).port)
    clients.half_sent("large", 5 * MIB)
    wait_until(lambda: "large" not in clients.names(), "it is gone")


@on_threads
def test_no_evict_is_shown_and_heeded_until_it_is_taken_back(clients):
    exempt = clients.connect("exempt")
    exempt.send_command("CLIENT", "NO-EVICT", "ON")
    assert exempt.read_response() == b"OK"
    assert "e" in clients.of("exempt")["flags"]
    clients.limit(2 * MIB)
    for _ in range(2):
        clients.connect("bystander")
        send(exempt, b"*2\r\n$4\r\nECHO\r\n$%d\r\n%b" % (3 * MIB, b"x" * 3 * MIB))
        wait_until(lambda: int(clients.of("exempt")["qbuf"]) == 3 * MIB, "all is received")
        wait_until(lambda: "bystander" not in clients.names(), "the only one that may go, goes")
        send(exempt, b"\r\n")
        assert len(exempt.read_response()) == 3 * MIB
    exempt.send_command("CLIENT", "NO-EVICT", "OFF")
    exempt.read_response()
    send(exempt, b"*2\r\n$4\r\nECHO\r\n$%d\r\n%b" % (3 * MIB, b"x" * 3 * MIB))
    wait_until(lambda: "exempt" not in clients.names(), "it may go by now")


@on_threads
@pytest.mark.parametrize("command", ["WATCH", "SUBSCRIBE", "PSUBSCRIBE", "QUEUE", "PREFIX"])
def test_what_a_session_holds_counts(clients, command):
    holder = clients.connect("holder", protocol=3 if command == "PREFIX" else 2)
    before = clients.memory("holder")
    names = [b"%064d" % number for number in range(2000)]
    prefixes = [word for name in names[:500] for word in (b"PREFIX", name)]
    commands = {
        "QUEUE": [("MULTI",)] + [("SET", name, b"x") for name in names],
        "PREFIX": [("CLIENT", "TRACKING", "ON", "BCAST", *prefixes)],
    }.get(command, [(command, name) for name in names])
    for words in commands:
        holder.send_command(*words)
        holder.read_response()
    assert clients.memory("holder") > before + (50_000 if command == "PREFIX" else 100_000)
    clients.limit(50_000)
    wait_until(lambda: "holder" not in clients.names(), "it is gone")


@on_threads
@pytest.mark.parametrize("how", ["paused", "blocked"])
def test_a_client_that_waits_is_closed_with_its_wait(clients, how):
    waiting = clients.connect("waiting")
    if how == "paused":
        clients.control.client_pause(100_000, all=False)
        waiting.send_command("SET", "key", "x")
    else:
        waiting.send_command("BLPOP", "key", 0)

    def blocked():
        return clients.control.info("clients")["blocked_clients"]

    wait_until(lambda: blocked() == 1, "it waits")
    send(waiting, b"*2\r\n$4\r\nECHO\r\n$900000\r\n" + b"x" * 900_000)
    wait_until(lambda: clients.memory("waiting") > 500_000, "much is received")
    clients.limit(400_000)
    wait_until(lambda: "waiting" not in clients.names(), "it is gone")
    wait_until(lambda: blocked() == 0, "nobody waits any more")
    clients.control.execute_command("CLIENT", "UNPAUSE")
    assert clients.control.set("other", "x")


@on_threads
def test_a_client_that_waits_is_closed_when_it_sends_too_much(clients):
    clients.limit(400_000)
    clients.control.client_pause(100_000, all=False)
    waiting = clients.connect("waiting")
    waiting.send_command("SET", "key", "x")
    send(waiting, b"*2\r\n$4\r\nECHO\r\n$900000\r\n" + b"x" * 900_000)
    wait_until(lambda: "waiting" not in clients.names(), "it is gone")
    wait_until(lambda: clients.control.info("clients")["blocked_clients"] == 0, "nobody waits")


def test_the_line_about_a_client_tells_what_it_holds(clients):
    control = clients.control
    idle = clients.connect("idle")
    line = clients.of("idle")
    for field in ["qbuf", "qbuf-free", "argv-mem", "multi-mem", "obl", "oll", "omem"]:
        assert int(line[field]) == 0, field
    fixed = int(line["tot-mem"])
    half = b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n%b" % (70_000, b"k" * 70_000, 9999, b"v" * 50)
    send(idle, half)
    wait_until(lambda: int(clients.of("idle")["argv-mem"]) > 70_000, "all is received")
    line = {field: int(clients.of("idle")[field]) for field in ["qbuf", "qbuf-free", "argv-mem"]}
    assert line["qbuf"] == 50
    assert line["qbuf"] + line["argv-mem"] == len(half)
    assert clients.memory("idle") == fixed + sum(line.values())
    control.set("value", "x" * MIB)
    slow = clients.connect("slow")
    send(slow, b"GET value\r\n" * 30)
    wait_until(lambda: clients.of("slow")["cmd"] == "get", "it has run")
    line = clients.of("slow")
    assert int(line["omem"]) > 10 * MIB and int(line["oll"]) >= 1
    total = sum(int(line["tot-mem"]) for line in control.client_list())
    assert abs(control.info("memory")["mem_clients_normal"] - total) < 1000
