"""What doesn't fit into the memory that is left: large requests, and replies that nobody reads."""

import selectors
import socket

import pytest
import redis
from conftest import wait_until

MIB = 1 << 20
LIMIT = 64 * MIB
# What docs/deploying.md says may come on top of maxmemory and of the process itself.
MARGIN = LIMIT // 8
OOM = b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"
THREADS = [1, 2]


class Limited:
    """A server with a limit, whose resident memory is watched."""

    def __init__(self, server, policy):
        self.server = server
        self.client = redis.Redis(port=server.port)
        self.client.config_set("maxmemory-policy", policy)
        self.client.config_set("maxmemory", LIMIT)
        self.at_start = self.most = self.server.resident()

    def look(self):
        self.most = max(self.most, self.server.resident())

    def beyond(self):
        """By how much the process has been over what it is without data and the limit."""
        return self.most - self.at_start - LIMIT

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.server.port), timeout=20)


@pytest.fixture
def limited(own_server):
    def start(policy="noeviction", threads=1):
        return Limited(own_server(proactor_threads=threads), policy)

    return start


def encode(*words):
    return b"".join([b"*%d\r\n" % len(words)] + [b"$%d\r\n%b\r\n" % (len(w), w) for w in words])


def read(sock, length):
    data = b""
    while len(data) < length:
        piece = sock.recv(length - len(data))
        assert piece, data
        data += piece
    return data


def send_all(limited, heads, length):
    """Sends, on a connection for each head, that and so many bytes more, all at a time."""
    piece = memoryview(b"x" * (256 << 10))
    left, selector = {}, selectors.DefaultSelector()
    for head in heads:
        sock = limited.connect()
        sock.sendall(head)
        sock.setblocking(False)
        left[sock] = length
        selector.register(sock, selectors.EVENT_WRITE)
    for turn in range(1 << 30):
        if not selector.get_map():
            break
        for key, _ in selector.select():
            sock = key.fileobj
            left[sock] -= sock.send(piece[:left[sock]])
            if left[sock] == 0:
                selector.unregister(sock)
        if turn % 16 == 0:
            limited.look()
    for sock in left:
        sock.settimeout(20)
    return list(left)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("command", [b"SET", b"ECHO"])
def test_requests_that_never_fit_take_no_memory(limited, threads, command):
    limited = limited(threads=threads)
    length = 200 * MIB
    head = b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$%d\r\n" % length
    if command == b"ECHO":
        head = b"*2\r\n$4\r\nECHO\r\n$%d\r\n" % length
    socks = send_all(limited, [head] * 20, length)
    for sock in socks:
        sock.sendall(b"\r\nPING\r\n")
        assert read(sock, len(OOM) + 7) == OOM + b"+PONG\r\n"
    assert limited.beyond() < MARGIN
    assert limited.client.dbsize() == 0


@pytest.mark.parametrize("threads", THREADS)
def test_requests_that_fit_one_by_one_do_not_fit_all_together(limited, threads):
    limited = limited(threads=threads)
    length = 20 * MIB
    head = b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$%d\r\n" % length
    socks = send_all(limited, [head] * 20, length)
    replies = []
    for sock in socks:
        sock.sendall(b"\r\nPING\r\n")
        replies.append(read(sock, 5))
        if replies[-1] != b"+OK\r\n":
            replies[-1] += read(sock, len(OOM) - 5)
        assert read(sock, 7) == b"+PONG\r\n"
        limited.look()
    assert set(replies) <= {b"+OK\r\n", OOM} and OOM in replies
    # A value that is being stored is there twice for a moment: one for each thread.
    assert limited.beyond() < MARGIN + threads * length


def test_a_refused_request_keeps_its_place_in_the_pipeline(limited):
    limited = limited()
    sock = limited.connect()
    large = b"x" * (100 * MIB)
    sock.sendall(encode(b"SET", b"a", b"1"))
    sock.sendall(encode(b"MSET", b"a", b"2", b"b", large, b"c", large, b"d", b"3"))
    sock.sendall(encode(b"GET", b"a") + encode(b"SET", b"a", b"4") + encode(b"GET", b"a"))
    expected = b"+OK\r\n" + OOM + b"$1\r\n1\r\n+OK\r\n$1\r\n4\r\n"
    assert read(sock, len(expected)) == expected
    assert limited.client.dbsize() == 1
    stats = limited.client.info("commandstats")["cmdstat_mset"]
    assert (stats["calls"], stats["rejected_calls"]) == (0, 1)
    assert limited.client.info("errorstats")["errorstat_OOM"] == {"count": 1}


def test_many_small_arguments_are_refused_when_they_do_not_fit(limited):
    limited = limited()
    sock = limited.connect()
    words = [b"RPUSH", b"list"] + [b"x" * 1000] * 150_000
    sock.sendall(encode(*words) + b"PING\r\n")
    assert read(sock, len(OOM) + 7) == OOM + b"+PONG\r\n"


def test_a_transaction_with_a_refused_request_fails(limited):
    limited = limited()
    sock = limited.connect()
    large = b"x" * (100 * MIB)
    sock.sendall(b"MULTI\r\nSET a 1\r\n" + encode(b"SET", b"b", large) + b"EXEC\r\n")
    expected = b"+OK\r\n+QUEUED\r\n" + OOM + (
        b"-EXECABORT Transaction discarded because of previous errors.\r\n")
    assert read(sock, len(expected)) == expected
    sock.sendall(b"CLIENT REPLY SKIP\r\n" + encode(b"SET", b"b", large) + b"PING\r\n")
    assert read(sock, 7) == b"+PONG\r\n"


def test_a_request_whose_rest_is_malformed_ends_the_connection(limited):
    sock = limited().connect()
    sock.sendall(b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n!\r\n" % (100 * MIB, b"x" * (100 * MIB)))
    error = OOM + b"-ERR Protocol error: expected '$', got '!'\r\n"
    assert read(sock, len(error)) == error
    assert sock.recv(1) == b""


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-random"])
def test_a_large_value_fits_when_keys_are_evicted_for_it(limited, policy, threads):
    limited = limited(policy, threads)
    client = limited.client
    for number in range(0, 80_000, 1000):
        client.mset({f"key:{at}": "x" * 1000 for at in range(number, number + 1000)})
    assert client.info("stats")["evicted_keys"] > 0
    large = b"x" * (40 * MIB)
    client.set("large", large)
    assert client.get("large") == large
    # What can never fit costs no key.
    keys = client.dbsize()
    with pytest.raises(redis.ResponseError, match="command not allowed"):
        client.set("larger", b"x" * (LIMIT + 1))
    assert client.dbsize() == keys


def test_keys_can_be_deleted_when_memory_is_full(limited):
    client = limited().client
    names = [f"{number:060}" for number in range(10_000)]
    client.mset(dict.fromkeys(names, "x"))
    client.config_set("maxmemory", 1)
    with pytest.raises(redis.ResponseError, match="command not allowed"):
        client.set("other", 1)
    assert client.delete(*names) == 10_000


@pytest.mark.parametrize("threads", THREADS)
def test_replies_that_nobody_reads_stop_their_clients(limited, threads):
    limited = limited(threads=threads)
    client, count, length = limited.client, 60, 100_000
    client.set("value", "x" * length)
    socks = [limited.connect() for _ in range(count)]
    wanted = 300
    for sock in socks:
        sock.sendall(b"GET value\r\n" * wanted)

    def waiting():
        limited.look()
        lines = [line for line in client.client_list() if line["cmd"] == "get"]
        stopped = [line for line in lines if line["events"] == "w"]
        through = [line for line in lines if int(line["tot-cmds"]) == wanted]
        return len(stopped) > 1 and len(stopped) + len(through) == count

    wait_until(waiting, "all of them are stopped or through")
    assert limited.beyond() < MARGIN + count * (2 * MIB + length)
    with pytest.raises(redis.ResponseError, match="command not allowed"):
        client.set("other", "x")
    # Nothing is lost, and all go on when they read.
    reply = b"$%d\r\n%b\r\n" % (length, b"x" * length)
    for sock in socks:
        for _ in range(wanted):
            assert read(sock, len(reply)) == reply
    assert client.set("other", "x")


def test_a_request_longer_than_the_query_buffer_limit_is_not_waited_for(limited):
    limited = limited()
    limited.client.config_set("maxmemory", 0)
    limited.client.config_set("client-query-buffer-limit", 2 * MIB)
    sock = limited.connect()
    sock.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\nxxx" % (3 * MIB))
    assert sock.recv(1) == b""
