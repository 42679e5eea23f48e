"""Connections: protocol versions, sockets, pools, passwords, and the CLIENT command."""

import asyncio
import os
import socket
import threading

import pytest
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from conftest import servers, wait_until


def test_resp3_types(connect):
    client = connect(protocol=3, decode_responses=True)
    hello = client.execute_command("HELLO", 3)
    assert hello["proto"] == 3 and hello["role"] == "master"
    assert isinstance(client.config_get("maxmemory"), dict)
    assert client.get("absent") is None
    back = client.execute_command("HELLO", 2)
    assert isinstance(back, list) and "proto" in back
    with pytest.raises(redis.ResponseError, match="NOPROTO"):
        client.execute_command("HELLO", 4)


def test_bytes_and_text(raw, connect):
    raw.set("key", "zwölf")
    assert raw.get("key") == "zwölf".encode()
    assert connect(decode_responses=True).get("key") == "zwölf"
    assert connect(decode_responses=True, encoding="latin-1").get("key") == "zwÃ¶lf"


def test_unix_socket(own_server):
    path = f"/tmp/darner-test-{os.getpid()}.sock"
    own_server(unixsocket=path, unixsocketperm="700")
    client = redis.Redis(unix_socket_path=path)
    assert client.ping() and client.set("key", 1) and client.get("key") == b"1"
    assert "unix-socket" in str(client.client_list()[0]) or client.client_list()[0]["addr"]
    assert os.stat(path).st_mode & 0o777 == 0o700
    client.close()
    os.unlink(path)


def test_pool_of_threads(db, server):
    pool = redis.BlockingConnectionPool(port=server.port, max_connections=4, timeout=30)
    client = redis.Redis(connection_pool=pool)

    def work():
        for _ in range(200):
            client.incr("counter")

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert db.get("counter") == "3200"
    pool.disconnect()


def test_asyncio_client(db, server):
    async def work():
        pool = redis.asyncio.BlockingConnectionPool(port=server.port, max_connections=20,
                                                    decode_responses=True)
        client = redis.asyncio.Redis(connection_pool=pool)
        await asyncio.gather(*(client.incr("counter") for _ in range(300)))
        async with client.pipeline(transaction=True) as pipe:
            replies = await pipe.set("a", 1).get("a").execute()
        await client.aclose()
        await pool.disconnect()
        return replies

    assert asyncio.run(work()) == [True, "1"]
    assert db.get("counter") == "300"


def test_password(own_server):
    port = own_server(requirepass="secret").port
    once = Retry(NoBackoff(), 0)
    with pytest.raises(redis.AuthenticationError, match="Authentication required"):
        redis.Redis(port=port, protocol=2, retry=once).ping()
    with pytest.raises(redis.ConnectionError, match="HELLO must be called with the client already"):
        redis.Redis(port=port, protocol=3, retry=once).ping()
    with pytest.raises(redis.AuthenticationError, match="WRONGPASS|invalid"):
        redis.Redis(port=port, password="wrong", retry=once).ping()
    for options in ({}, {"username": "default"}, {"protocol": 2}, {"protocol": 3}):
        client = redis.Redis(port=port, password="secret", **options)
        assert client.ping()
        client.close()


def test_what_works_before_the_password(own_server):
    port = own_server(requirepass="secret").port
    with socket.create_connection(("127.0.0.1", port)) as conn:
        reader = conn.makefile("rb")
        for command, reply in [
            (b"PING\r\n", b"-NOAUTH Authentication required.\r\n"),
            (b"GET key\r\n", b"-NOAUTH Authentication required.\r\n"),
            (b"AUTH wrong\r\n",
             b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"),
            (b"AUTH secret\r\n", b"+OK\r\n"),
            (b"PING\r\n", b"+PONG\r\n"),
        ]:
            conn.sendall(command)
            assert reader.readline() == reply


def test_http_is_refused(server):
    with socket.create_connection(("127.0.0.1", server.port)) as conn:
        conn.settimeout(5)
        conn.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n\r\nSET key value\r\n")
        try:
            while conn.recv(4096):
                pass
        except ConnectionResetError:
            pass


def test_commands_split_at_every_byte(raw, server):
    text = b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nval\r\n\r\n*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n"
    want = b"+OK\r\n$5\r\nval\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as conn:
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        conn.settimeout(10)
        for cut in range(1, len(text)):
            conn.sendall(text[:cut])
            conn.sendall(text[cut:])
            got = b""
            while len(got) < len(want):
                got += conn.recv(4096)
            assert got == want
    assert raw.get("key") == b"val\r\n"


def test_protocol_error_closes(server):
    with socket.create_connection(("127.0.0.1", server.port)) as conn:
        conn.settimeout(5)
        conn.sendall(b"*1\r\n+PING\r\n")
        reader = conn.makefile("rb")
        assert reader.readline() == b"-ERR Protocol error: expected '$', got '+'\r\n"
        assert reader.read() == b""


def test_client_names_and_info(connect):
    client = connect(decode_responses=True, single_connection_client=True)
    assert client.client_getname() is None
    assert client.client_setname("tester") and client.client_getname() == "tester"
    own = client.client_id()
    assert client.client_info()["name"] == "tester" and int(client.client_info()["id"]) == own
    assert [c["name"] for c in client.client_list(client_id=[own])] == ["tester"]
    assert any(c["name"] == "tester" for c in client.client_list(_type="normal"))
    assert client.execute_command("CLIENT", "NO-EVICT", "ON") in (True, "OK")
    with pytest.raises(redis.ResponseError, match="cannot contain spaces"):
        client.client_setname("two words")


def test_client_kill_and_reconnect(db, connect):
    victim = connect(client_name="victim")
    victim.ping()
    found = [c for c in db.client_list() if c["name"] == "victim"]
    assert len(found) == 1
    assert db.client_kill_filter(_id=found[0]["id"]) == 1
    wait_until(lambda: not [c for c in db.client_list() if c["name"] == "victim"], "it goes")
    try:
        victim.ping()  # this client may retry by itself
    except redis.ConnectionError:
        pass
    assert victim.ping()


def test_client_reply(server):
    with socket.create_connection(("127.0.0.1", server.port)) as conn:
        conn.sendall(b"CLIENT REPLY OFF\r\nPING\r\nCLIENT REPLY ON\r\nCLIENT REPLY SKIP\r\n"
                     b"PING\r\nECHO last\r\n")
        reader = conn.makefile("rb")
        assert reader.readline() == b"+OK\r\n"
        assert reader.readline() == b"$4\r\n" and reader.readline() == b"last\r\n"


def test_client_pause(db, connect):
    other = connect(decode_responses=True)
    done = threading.Event()

    def write():
        other.set("key", "written")
        done.set()

    db.client_pause(20_000, all=False)
    thread = threading.Thread(target=write)
    thread.start()
    wait_until(lambda: db.info("clients")["blocked_clients"] == 1, "the writer waits")
    assert db.get("key") is None and not done.is_set()
    db.client_unpause()
    thread.join()
    assert db.get("key") == "written"


def test_reset_and_quit(server):
    with socket.create_connection(("127.0.0.1", server.port)) as conn:
        reader = conn.makefile("rb")
        conn.sendall(b"SELECT 3\r\nMULTI\r\nRESET\r\nCLIENT INFO\r\nQUIT\r\nPING\r\n")
        assert [reader.readline() for _ in range(3)] == [b"+OK\r\n", b"+OK\r\n", b"+RESET\r\n"]
        info = reader.read(int(reader.readline()[1:]) + 2)
        assert b" db=0 " in info and b" multi=-1 " in info
        assert reader.readline() == b"+OK\r\n"
        assert reader.read() == b""


def test_maxclients(own_server):
    port = own_server(maxclients=10).port
    clients = []

    def is_admitted():
        # The server may still be busy with the end of the connection that saw it start.
        client = socket.create_connection(("127.0.0.1", port))
        client.sendall(b"PING\r\n")
        clients.append(client)
        return client.recv(16) == b"+PONG\r\n" or clients.pop().close()

    for _ in range(10):
        wait_until(is_admitted, "a place is free")
    with socket.create_connection(("127.0.0.1", port)) as refused:
        refused.settimeout(5)
        assert refused.recv(100) == b"-ERR max number of clients reached\r\n"
    for client in clients:
        client.close()
    wait_until(lambda: servers.ping(port), "places are free again")


def test_idle_connections_time_out(own_server):
    server = own_server(timeout=1)
    with socket.create_connection(("127.0.0.1", server.port)) as conn:
        conn.settimeout(10)
        conn.sendall(b"PING\r\n")
        assert conn.recv(16) == b"+PONG\r\n"
        assert conn.recv(16) == b""


def test_a_client_that_does_not_read(own_server):
    """Replies pile up on the server's side only to its limit; others are served meanwhile."""
    server = own_server()
    client = redis.Redis(port=server.port)
    client.set("big", b"x" * 1_000_000)
    client.config_set("client-output-buffer-limit", "normal 20mb 0 0")
    with socket.create_connection(("127.0.0.1", server.port)) as deaf:
        deaf.setblocking(False)
        sent = 0
        try:
            while sent < 2_000:
                sent += deaf.send(b"GET big\r\n") // 9
        except (BlockingIOError, ConnectionError):
            pass
        wait_until(lambda: len(client.client_list()) == 1
                   or client.info("memory")["used_memory"] < 200_000_000, "the limit holds")
        assert client.ping()
        assert client.info("memory")["used_memory"] < 300_000_000
    client.close()
