"""The admin plane: HTTP on the main port and on the admin port, metrics, health, the console."""

import base64
import http.client
import json
import re
import socket
import threading

import pytest
import redis
from conftest import wait_until

import servers

if servers.is_redis(servers.DARNER):
    pytest.skip("Redis has no admin plane", allow_module_level=True)

PASSWORD = "hunter2"
LABEL = r'[a-z_]+="(?:[^"\\\n]|\\.)*"'
SAMPLE = re.compile(
    rf"([a-z_]+)(?:\{{({LABEL}(?:,{LABEL})*)\}})? (-?[0-9.e+-]+)$")


def ask(port, path, method="GET", password=None, user="default"):
    """Status, headers and body of a request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {}
    if password is not None:
        given = base64.b64encode(f"{user}:{password}".encode()).decode()
        headers["Authorization"] = f"Basic {given}"
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def samples(port):
    """The metrics: what each line says, and that each is one."""
    status, headers, body = ask(port, "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    found, described = {}, {}
    for line in body.decode().splitlines():
        if line.startswith("# HELP "):
            continue
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in described, f"{name} comes twice"
            described[name] = kind
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        name, labels, value = match.groups()
        base = re.sub("_(bucket|sum|count)$", "", name)
        assert name in described or described.get(base) == "histogram", line
        assert (name, labels) not in found, f"{line} comes twice"
        found[name, labels] = float(value)
    return found


@pytest.fixture
def admin(own_server):
    """A server with a password and an admin port."""
    port = servers.free_port()
    server = own_server(admin_port=port, requirepass=PASSWORD)
    server.admin_port = port
    return server


def test_health_and_metrics_are_for_everyone(admin):
    for port in (admin.port, admin.admin_port):
        for path in ("/healthz", "/healthz/live", "/healthz/ready"):
            assert ask(port, path)[::2] == (200, b"OK\n")
        assert ask(port, "/metrics")[0] == 200


def test_the_console_is_behind_the_password(admin):
    for port in (admin.port, admin.admin_port):
        for path in ("/", "/console.json", "/nothing"):
            status, headers, _ = ask(port, path)
            assert status == 401 and headers["WWW-Authenticate"].startswith("Basic ")
            assert ask(port, path, password="wrong")[0] == 401
            assert ask(port, path, password=PASSWORD, user="other")[0] == 401
        status, headers, body = ask(port, "/", password=PASSWORD)
        assert status == 200 and headers["Content-Type"].startswith("text/html")
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert b"http://" not in body.replace(b"http://www.w3.org/2000/svg", b"")
        assert b"https://" not in body
        assert ask(port, "/nothing", password=PASSWORD)[0] == 404
        assert json.loads(ask(port, "/console.json", password=PASSWORD)[2])["is_ready"]


def test_a_password_that_is_set_later_counts(own_server):
    server = own_server()
    client = redis.Redis(port=server.port)
    assert ask(server.port, "/console.json")[0] == 200
    client.config_set("requirepass", PASSWORD)
    assert ask(server.port, "/console.json")[0] == 401
    assert ask(server.port, "/console.json", password=PASSWORD)[0] == 200


def test_the_admin_port_speaks_redis_too(admin):
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=admin.admin_port).ping()
    assert redis.Redis(port=admin.admin_port, password=PASSWORD).ping()


def test_the_admin_port_without_a_password(own_server):
    port = servers.free_port()
    server = own_server(admin_port=port, requirepass=PASSWORD, admin_nopass="true")
    assert redis.Redis(port=port).info("replication")["role"] == "master"
    assert ask(port, "/console.json")[0] == 200
    assert ask(server.port, "/console.json")[0] == 401
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=server.port).ping()


def test_the_admin_port_has_an_address_of_its_own(own_server):
    port = servers.free_port()
    own_server(admin_port=port, admin_bind="127.0.0.2")
    with socket.create_connection(("127.0.0.2", port), timeout=5) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
        assert connection.recv(64).startswith(b"HTTP/1.1 200 OK\r\n")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_health_is_answered_when_there_are_too_many_clients(own_server):
    port = servers.free_port()
    server = own_server(admin_port=port, maxclients=2)
    clients = [redis.Redis(port=server.port) for _ in range(2)]
    assert all(client.ping() for client in clients)
    with pytest.raises(redis.ConnectionError, match="max number of clients"):
        redis.Redis(port=server.port).ping()
    assert ask(port, "/healthz/live")[0] == 200
    found = samples(port)
    assert found["dragonfly_listener_accept_error_total", 'reason="limit_reached"'] >= 1
    assert found["dragonfly_connected_clients", 'listener="main"'] == 2
    assert found["dragonfly_connected_clients", 'listener="other"'] == 1


def test_no_http_on_the_main_port_when_it_is_turned_off(own_server):
    port = servers.free_port()
    server = own_server(primary_port_http_enabled="false", admin_port=port)
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert connection.recv(64) == b"-ERR wrong number of arguments for 'get' command\r\n"
    assert ask(port, "/healthz")[0] == 200


def exchange(port, *parts):
    """What a server answers to bytes, until it closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for part in parts:
            connection.sendall(part)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer


def test_requests_that_come_in_pieces_or_are_odd(server):
    request = b"GET /healthz/live HTTP/1.1\r\nHost: x\r\nUser-Agent: \"a b\r\n\r\n"
    pieces = [request[at:at + 1] for at in range(len(request))]
    assert exchange(server.port, *pieces).endswith(b"\r\n\r\nOK\n")
    head = exchange(server.port, b"HEAD /metrics HTTP/1.0\r\n\r\n")
    assert b" 200 OK\r\n" in head and head.endswith(b"\r\n\r\n")
    many = exchange(server.port, b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 100 + b"\r\n")
    assert many.startswith(b"HTTP/1.1 431 ")
    long = exchange(server.port, b"GET / HTTP/1.1\r\n", b"a: " + b"b" * 20000 + b"\r\n")
    assert long.startswith(b"HTTP/1.1 431 ")
    wrong = exchange(server.port, b"GET / HTTP/1.1\r\nno colon\r\n\r\n")
    assert wrong.startswith(b"HTTP/1.1 400 ")
    twice = exchange(server.port, request * 2)
    assert twice.count(b"HTTP/1.1") == 1


def test_what_could_be_an_attack_is_still_cut_off(server):
    assert exchange(server.port, b"POST / HTTP/1.1\r\nHost: x\r\n\r\nSET a b\r\n") == b""
    # Only who begins with HTTP speaks it: a client of Redis that sends odd things is none.
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(b"PING\r\nGET / HTTP/1.1\r\n")
        got = b""
        while b"GET" not in got.upper():
            got += connection.recv(128)
        assert got == b"+PONG\r\n-ERR wrong number of arguments for 'get' command\r\n"


def test_requests_are_no_commands(own_server):
    server = own_server()
    client = redis.Redis(port=server.port, decode_responses=True)
    before = client.info("all")["total_error_replies"]
    for path in ("/metrics", "/healthz", "/"):
        assert ask(server.port, path)[0] == 200
    info = client.info("all")
    assert "cmdstat_get" not in info
    assert info["total_error_replies"] == before
    wait_until(lambda: client.info("clients")["connected_clients"] == 1, "they are gone")


def test_metrics_count_what_info_counts(own_server):
    server = own_server(maxmemory="100mb")
    client = redis.Redis(port=server.port, db=3)
    client.mset({f"k{number}": "v" for number in range(10)})
    client.set("fleeting", 1, ex=1000)
    client.rpush("list", *range(100))
    assert client.get("k1") and client.get("none") is None
    with pytest.raises(redis.ResponseError):
        client.incr("list")
    found, info = samples(server.port), client.info("all")
    assert found["dragonfly_db_keys", 'db="db3"'] == 12
    assert found["dragonfly_db_keys_expiring", 'db="db3"'] == 1
    assert found["dragonfly_db_keys", 'db="db0"'] == 0
    assert found["dragonfly_keyspace_hits_total", None] == info["keyspace_hits"]
    assert found["dragonfly_keyspace_misses_total", None] == info["keyspace_misses"]
    assert found["dragonfly_memory_max_bytes", None] == 100 << 20
    assert 0 < found["dragonfly_memory_used_bytes", None] < 100 << 20
    assert found["dragonfly_commands_total", 'cmd="GET"'] == 2
    assert found["dragonfly_commands_duration_seconds", 'cmd="GET"'] > 0
    assert found["darner_commands_failed_total", 'cmd="INCRBY"'] == 1
    assert found["darner_errors_total", 'code="WRONGTYPE"'] == 1
    assert found["darner_type_keys", 'type="list"'] == 1
    assert found["dragonfly_type_used_memory", 'type="list"'] > 100
    assert found["darner_ready", None] == 1
    latency = [value for (name, _), value in found.items()
               if name == "darner_command_latency_seconds_bucket"]
    assert latency == sorted(latency) and latency[-1] > 0
    assert found["darner_command_latency_seconds_count", None] == latency[-1]


def test_labels_may_hold_anything(own_server):
    server = own_server()
    client = redis.Redis(port=server.port)
    client.execute_command("CLIENT", "SETINFO", "LIB-NAME", 'a"b\\c')
    assert any(name == "dragonfly_connections_libs" and r"a\"b\\c" in labels
               for name, labels in samples(server.port))


def test_the_console_shows_keys_clients_and_the_slow_log(own_server):
    server = own_server(slowlog_log_slower_than=0)
    client = redis.Redis(port=server.port, client_name="the-client")
    client.set("large", b"x" * 100000)
    client.rpush("bull:mail:wait", *range(5000))
    client.set(b"<b>\xff", "odd")
    state = json.loads(ask(server.port, "/console.json")[2])
    assert state["largest"][0]["key"] == "large"
    assert (state["longest"][0]["key"], state["longest"][0]["elements"]) == ("bull:mail:wait", 5000)
    assert {key["key"] for key in state["latest"]} == {"large", "bull:mail:wait", "<b>\ufffd"}
    assert any(entry["command"].startswith("SET large") for entry in state["slow"])
    assert any(entry["name"] == "the-client" for entry in state["clients"]["shown"])
    assert {entry["command"] for entry in state["by_command"]} >= {"set", "rpush"}


def test_the_hottest_keys_are_those_of_the_commands(own_server):
    server = own_server()
    client = redis.Redis(port=server.port)
    client.mset({f"key:{number}": number for number in range(1000)})
    stopping = threading.Event()

    def load():
        own = redis.Redis(port=server.port)
        number = 0
        while not stopping.is_set():
            number += 1
            own.get("hot" if number % 2 else f"key:{number % 1000}")

    def is_found():
        hottest = json.loads(ask(server.port, "/console.json")[2])["hottest"]
        return bool(hottest) and hottest[0]["key"] == "hot" and 0.2 < hottest[0]["share"] < 0.8

    worker = threading.Thread(target=load)
    worker.start()
    try:
        wait_until(is_found, "the hot key is found")
    finally:
        stopping.set()
        worker.join()


def test_estimates_of_many_keys_are_near_the_truth(own_server):
    server = own_server()
    client = redis.Redis(port=server.port)
    client.execute_command("DEBUG", "POPULATE", 100000, "key", 50)
    found = samples(server.port)
    assert found["dragonfly_db_keys", 'db="db0"'] == 100000
    keys = found["darner_type_keys", 'type="string"']
    assert 95000 < keys < 105000
    assert 50 < found["dragonfly_type_used_memory", 'type="string"'] / keys < 150


def test_ready_only_when_loaded(own_server):
    server = own_server(enable_debug_command="yes")
    client = redis.Redis(port=server.port)
    client.execute_command("DEBUG", "POPULATE", 500000, "key", 100)
    client.save()
    server.stop()
    server.start()
    seen = set()

    def is_ready():
        status = ask(server.port, "/healthz/ready")[0]
        assert ask(server.port, "/healthz/live")[0] == 200
        seen.add(status)
        if status == 200:
            assert client.get("key:1") is not None
        return status == 200

    wait_until(is_ready, "it is loaded", limit=60)
    assert seen == {200, 503}


def test_answers_come_while_a_script_has_the_keyspace(own_server):
    server = own_server(lua_time_limit=50)
    client = redis.Redis(port=server.port)
    client.set("a", 1)
    assert ask(server.port, "/metrics")[0] == 200

    def loop():
        with pytest.raises(redis.ResponseError):
            redis.Redis(port=server.port).eval("while true do end", 0)

    script = threading.Thread(target=loop)
    script.start()
    try:
        def is_busy():
            try:
                client.get("a")
            except redis.ResponseError as error:
                return str(error).startswith("BUSY")
            return False

        wait_until(is_busy, "the script takes long")
        for path in ("/metrics", "/healthz/live", "/healthz/ready", "/console.json"):
            assert ask(server.port, path)[0] == 200
    finally:
        client.script_kill()
        script.join()


def test_many_scrapes_beside_commands(own_server):
    server = own_server()
    client = redis.Redis(port=server.port)
    failures = []

    def scrape():
        for _ in range(50):
            if ask(server.port, "/metrics")[0] != 200:
                failures.append("a scrape failed")

    threads = [threading.Thread(target=scrape) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert client.incrby("counter", 1) > 0
    for thread in threads:
        thread.join()
    assert not failures


def test_the_log_as_json(own_server, tmp_path):
    log = tmp_path / "log"
    own_server(log_format="json", logfile=log, log_level="debug", v=2, minloglevel=0)
    wait_until(lambda: "Ready to accept connections" in log.read_text(), "it says so")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert all(line.keys() == {"time", "level", "pid", "message"} for line in lines)
    assert any(line["message"].startswith("Darner ") for line in lines)
    assert {line["level"] for line in lines} <= {"notice", "warning"}
