"""Fixtures for what is in deploy/: the renderer of charts, and a server that is under some load."""

import os
import shutil
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "support"))

import servers  # noqa: E402

DEPLOY = os.path.join(ROOT, "deploy")
CHART = os.path.join(DEPLOY, "helm", "darner")


def pytest_collection_modifyitems(items):
    """Gives each test a limit."""
    for item in items:
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(180))


def need(*commands):
    """Skips where one of these commands isn't to be had."""
    for command in commands:
        if shutil.which(command) is None:
            pytest.skip(f"there is no {command}")


@pytest.fixture(scope="session")
def renderer(tmp_path_factory):
    """The program that renders charts."""
    need("go")
    binary = tmp_path_factory.mktemp("render") / "render"
    env = dict(os.environ, GO111MODULE="off", GOPATH="/usr/share/gocode", GOFLAGS="")
    subprocess.run(["go", "build", "-o", str(binary), "."], check=True, env=env,
                   cwd=os.path.join(HERE, "render"))
    return str(binary)


@pytest.fixture
def server():
    """A server with a password."""
    with servers.Server(options={"requirepass": "secret"}) as started:
        yield started
