"""Fixtures of the end-to-end tests with redis-py: a server, and clients on it.

The server is target/release/darner or what DARNER_BIN names; with redis-server there, the tests
check themselves.
"""

import os
import sys
import time

import pytest
import redis

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), "support"))

import servers  # noqa: E402

AWAIT_LIMIT_S = 10


def pytest_collection_modifyitems(items):
    """Gives each test a limit, so that a server that doesn't answer stops one test only."""
    for item in items:
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(60))


@pytest.fixture(scope="session")
def server():
    """One server for all tests that leave its configuration alone."""
    with servers.Server() as started:
        yield started


@pytest.fixture
def own_server():
    """Starts servers of the test's own, with its flags."""
    started = []

    def start(**options):
        flags = {name.replace("_", "-"): value for name, value in options.items()}
        if int(flags.get("proactor-threads", 1)) > 1:
            # Or one of them would do nearly all.
            flags.setdefault("migrate-connections", "false")
        server = servers.Server(options=flags)
        started.append(server)
        return server.start()

    yield start
    for server in started:
        server.close()


@pytest.fixture
def connect(server):
    """Opens redis-py clients to the shared server."""
    opened = []

    def open_client(**options):
        client = redis.Redis(port=options.pop("port", server.port), **options)
        opened.append(client)
        return client

    yield open_client
    for client in opened:
        client.close()


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def db(request, connect):
    """An empty server, seen through a client of each protocol version, with str replies."""
    client = connect(protocol=request.param, decode_responses=True)
    client.flushall()
    return client


@pytest.fixture
def raw(connect):
    """An empty server, seen through a client that returns bytes."""
    client = connect(protocol=2)
    client.flushall()
    return client


@pytest.fixture
def newer(db):
    """Skips what Redis 7.0 doesn't have when the tests run against Redis."""
    if servers.is_redis(servers.DARNER):
        pytest.skip("not in Redis 7.0")
    return db


def wait_until(condition, what, limit=AWAIT_LIMIT_S):
    """Polls until the condition holds; fails with `what` when it never does."""
    deadline = time.monotonic() + limit
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"never happened: {what}")
        time.sleep(0.005)
