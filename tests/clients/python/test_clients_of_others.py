"""What clients do to each other: MONITOR, PAUSE and KILL across threads, limits of buffers."""

import re
import socket
import threading
import time

import pytest
import redis

from conftest import servers, wait_until

MIB = 1 << 20


@pytest.fixture
def threads(own_server):
    """A server with two threads, whatever the machine has."""
    options = {} if servers.is_redis(servers.DARNER) else {"proactor_threads": "2"}
    return own_server(**options)


def connect(server, **options):
    return redis.Redis(port=server.port, decode_responses=True, **options)


def raw_connection(server):
    conn = socket.create_connection(("127.0.0.1", server.port))
    conn.settimeout(20)
    return conn


def listed(client, name):
    return [entry for entry in client.client_list() if entry["name"] == name]


def read_lines(reader, count):
    return [reader.readline().decode().rstrip("\r\n") for _ in range(count)]


def test_monitor_shows_commands_of_all_threads(threads):
    with raw_connection(threads) as watcher:
        reader = watcher.makefile("rb")
        watcher.sendall(b"MONITOR\r\n")
        assert reader.readline() == b"+OK\r\n"
        clients = [connect(threads, single_connection_client=True, db=number % 3)
                   for number in range(6)]
        for number, client in enumerate(clients):
            client.set("key", f'a "{number}"\n')
        wanted = set()
        for number, client in enumerate(clients):
            addr = client.client_info()["addr"]
            wanted.add(f'[{number % 3} {addr}] "SET" "key" "a \\"{number}\\"\\n"')
        seen = set()
        while not wanted <= seen:
            line = reader.readline().decode().rstrip()
            assert re.match(r"^\+\d{10}\.\d{6} \[\d ", line), line
            seen.add(line.split(" ", 1)[1])


def test_monitor_shows_no_secrets_and_ends(threads):
    with raw_connection(threads) as watcher:
        reader = watcher.makefile("rb")
        watcher.sendall(b"MONITOR\r\n")
        assert reader.readline() == b"+OK\r\n"
        with raw_connection(threads) as other:
            other.sendall(b"AUTH default secret\r\nHELLO 2 AUTH default secret\r\nCLIENT LIST\r\n"
                          b"MULTI\r\nSET key 1\r\nEXEC\r\nNONSENSE\r\nECHO end\r\n")
            lines = [line.split("] ")[1] for line in read_lines(reader, 6)]
        assert lines == [
            '"AUTH" "(redacted)" "(redacted)"',
            '"HELLO" "2" "AUTH" "(redacted)" "(redacted)"',
            '"MULTI"', '"SET" "key" "1"', '"EXEC"', '"ECHO" "end"',
        ]
        watcher.sendall(b"GET key\r\n")
        assert reader.readline() == b"-ERR Replica can't interact with the keyspace\r\n"
        watcher.sendall(b"RESET\r\nGET key\r\n")
        assert read_lines(reader, 3)[0::2] == ["+RESET", "1"]
        connect(threads).set("key", 2)
        watcher.sendall(b"GET key\r\nQUIT\r\n")
        assert reader.read() == b"$1\r\n2\r\n+OK\r\n"


def test_monitor_that_never_reads_is_closed(threads):
    client = connect(threads, single_connection_client=True)
    client.config_set("client-output-buffer-limit", "normal 1mb 0 0")
    with raw_connection(threads) as watcher:
        watcher.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        watcher.sendall(b"CLIENT SETNAME watcher\r\nMONITOR\r\n")
        wait_until(lambda: listed(client, "watcher"), "it is there")
        large = "x" * 100_000
        for _ in range(200):
            client.echo(large)
        wait_until(lambda: not listed(client, "watcher"), "it is closed")


@pytest.mark.parametrize("mode", ["ALL", "WRITE"])
def test_pause_stops_clients_of_all_threads(threads, mode):
    clients = [connect(threads, single_connection_client=True) for _ in range(6)]
    clients[0].set("key", 0)
    # The time starts before the command does: its reply may take a while to get here.
    start = time.monotonic()
    clients[0].execute_command("CLIENT", "PAUSE", 700, mode)
    took = [0.0] * len(clients)

    def write(number):
        clients[number].incr("key")
        took[number] = time.monotonic() - start

    writers = [threading.Thread(target=write, args=(n,)) for n in range(len(clients))]
    for writer in writers:
        writer.start()
    if mode == "WRITE":
        assert connect(threads).get("key") == "0"
    for writer in writers:
        writer.join()
    assert min(took) >= 0.69 and max(took) < 5
    assert clients[0].get("key") == str(len(clients))


def test_pause_of_transactions(threads):
    admin = connect(threads)
    with raw_connection(threads) as writer, raw_connection(threads) as reading:
        for conn, command in (writer, b"SET key 1"), (reading, b"EXISTS key"):
            conn.sendall(b"MULTI\r\n" + command + b"\r\n")
            assert read_lines(conn.makefile("rb"), 2) == ["+OK", "+QUEUED"]
        admin.execute_command("CLIENT", "PAUSE", 100_000, "WRITE")
        reading.sendall(b"EXEC\r\n")
        assert read_lines(reading.makefile("rb"), 2) == ["*1", ":0"]
        writer.sendall(b"CLIENT ID\r\nEXEC\r\n")
        assert writer.recv(100) == b"+QUEUED\r\n"
        wait_until(lambda: [c for c in admin.client_list() if c["flags"] == "xb"], "it waits")
        admin.client_unpause()
        assert read_lines(writer.makefile("rb"), 2) == ["*2", "+OK"]


def test_keys_stay_expired_during_a_pause(threads):
    client = connect(threads, single_connection_client=True)
    client.set("key", 1, px=1)
    client.execute_command("CLIENT", "PAUSE", 100_000, "WRITE")
    time.sleep(0.3)
    assert client.get("key") is None and client.exists("key") == 0
    client.client_unpause()
    assert client.set("key", 2, nx=True) and client.dbsize() == 1


def test_kill_acts_at_once_on_all_threads(threads):
    admin = connect(threads, single_connection_client=True)
    victims = [connect(threads, single_connection_client=True, client_name="victim")
               for _ in range(8)]
    ids = [victim.client_id() for victim in victims]
    assert admin.execute_command("CLIENT", "KILL", "ID", *ids[:4], "TYPE", "normal") == 4
    assert len(listed(admin, "victim")) == 4
    for victim in victims[:4]:
        with pytest.raises(redis.ConnectionError):
            victim.connection.send_command("PING")
            victim.connection.read_response()
    assert admin.execute_command("CLIENT", "KILL", victims[4].client_info()["addr"]) == "OK"
    assert admin.execute_command("CLIENT", "KILL", "LADDR", admin.client_info()["laddr"]) == 3
    assert admin.client_list()[0]["id"] == str(admin.client_id())


def test_kill_of_oneself_replies_first(threads):
    with raw_connection(threads) as conn:
        reader = conn.makefile("rb")
        conn.sendall(b"CLIENT KILL TYPE normal SKIPME no\r\nSET after 1\r\n")
        assert reader.read() == b":1\r\n"
    assert connect(threads).get("after") is None


def test_who_does_not_read_is_not_served(threads):
    admin = connect(threads)
    value = "v" * MIB
    admin.set("key", value)
    count = 400
    with raw_connection(threads) as slow:
        slow.sendall(b"CLIENT SETNAME slow\r\n")
        assert slow.recv(100) == b"+OK\r\n"
        request = b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n"
        sender = threading.Thread(target=lambda: slow.sendall(request * count + b"PING\r\n"))
        sender.start()
        wait_until(lambda: int(listed(admin, "slow")[0]["omem"]) > 60 * MIB, "its replies wait")
        time.sleep(0.3)
        assert int(listed(admin, "slow")[0]["omem"]) < 66 * MIB
        # More requests than fit into all buffers on the way: nobody takes them.
        more = threading.Thread(target=lambda: slow.sendall(b"ECHO x\r\n" * (4 * MIB)))
        more.start()
        time.sleep(0.5)
        assert more.is_alive()
        assert int(listed(admin, "slow")[0]["qbuf"]) < 2 * MIB
        reader = slow.makefile("rb", buffering=MIB)
        for _ in range(count):
            assert reader.readline() == b"$1048576\r\n"
            assert len(reader.read(MIB + 2)) == MIB + 2
        assert reader.readline() == b"+PONG\r\n"
        for _ in range(4 * MIB):
            assert reader.read(7) == b"$1\r\nx\r\n"
        sender.join()
        more.join()


def test_who_leaves_too_much_unread_is_closed(threads):
    admin = connect(threads)
    admin.set("key", "v" * MIB)
    admin.config_set("client-output-buffer-limit", "normal 100kb 0 0")
    with raw_connection(threads) as conn:
        # Not a byte of a reply that is too long.
        conn.sendall(b"GET key\r\n")
        assert conn.recv(100) == b""
    admin = connect(threads)
    admin.config_set("client-output-buffer-limit", "normal 0 8mb 1")
    with raw_connection(threads) as conn:
        conn.sendall(b"CLIENT SETNAME slow\r\n" + b"GET key\r\n" * 20)
        wait_until(lambda: listed(admin, "slow"), "it is there")
        start = time.monotonic()
        wait_until(lambda: not listed(admin, "slow"), "it is closed")
        assert 0.5 < time.monotonic() - start < 3


def test_requests_without_end_are_closed(own_server):
    server = own_server(client_query_buffer_limit="1mb")
    with raw_connection(server) as conn:
        conn.sendall(b"*2\r\n$4\r\nECHO\r\n$4000000\r\n")
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(1000):
                conn.sendall(b"x" * 4000)
                time.sleep(0.0005)
    assert redis.Redis(port=server.port).ping()


def test_password_and_more_in_one_go(own_server):
    """What follows AUTH is not held to the limits of strangers."""
    server = own_server(requirepass="secret")
    value = b"v" * 100_000
    with raw_connection(server) as conn:
        conn.sendall(b"AUTH secret\r\n*2\r\n$4\r\nECHO\r\n$100000\r\n" + value + b"\r\n")
        reader = conn.makefile("rb")
        assert read_lines(reader, 2) == ["+OK", "$100000"]
    with raw_connection(server) as conn:
        conn.sendall(b"*2\r\n$4\r\nECHO\r\n$100000\r\n")
        want = b"-ERR Protocol error: unauthenticated bulk length\r\n"
        assert conn.makefile("rb").read() == want


def test_keepalive_can_be_changed(threads):
    client = connect(threads)
    client.config_set("tcp-keepalive", "77")
    again = connect(threads, single_connection_client=True)
    assert again.ping()
