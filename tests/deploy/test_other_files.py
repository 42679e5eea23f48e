"""Compose, systemd, and what the chart and the releases tell the server."""

import glob
import http.client
import os
import subprocess

import pytest
import redis
import yaml
from conftest import CHART, DEPLOY, ROOT, need

import servers

CASES = [*sorted(glob.glob(os.path.join(CHART, "ci", "*-values.yaml"))),
         os.path.join(DEPLOY, "flux", "immich-basic.yaml"),
         os.path.join(DEPLOY, "flux", "immich-bullmq.yaml")]


def load(path):
    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file)


def arguments(renderer, case, tmp_path):
    """Flags and environment that a rendered chart starts the server with."""
    if case.startswith(CHART):
        values = case
    else:
        values = tmp_path / "values.yaml"
        values.write_text(yaml.safe_dump(load(case)["spec"]["values"]))
    text = subprocess.run([renderer, CHART, "test", "default", str(values)], check=True,
                          capture_output=True, text=True).stdout
    [pod] = [one["spec"]["template"]["spec"] for one in yaml.safe_load_all(text)
             if one["kind"] in ("Deployment", "StatefulSet")]
    container = pod["containers"][0]
    plain = {one["name"]: one["value"] for one in container.get("env", []) if "value" in one}
    return container["args"], plain


@pytest.mark.parametrize("case", CASES, ids=os.path.basename)
def test_the_server_takes_what_the_chart_says(renderer, tmp_path, case):
    flags, environment = arguments(renderer, case, tmp_path)
    port = servers.free_port()
    server = servers.Server(env=environment)
    # The last of two flags counts: the ports are the test's own.
    own = [f"--port={server.port}", f"--admin_port={port}", "--bind=127.0.0.1",
           f"--dir={server.dir}"]
    server.command = lambda: [server.binary, *flags, *own]
    with server:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/healthz/ready")
        assert connection.getresponse().status == 200
        assert redis.Redis(port=server.port).ping()


def test_compose():
    compose = load(os.path.join(DEPLOY, "compose", "compose.yaml"))
    service = compose["services"]["redis"]
    assert {volume.split(":")[0] for volume in service["volumes"]} == compose["volumes"].keys()
    script = service["healthcheck"]["test"][-1]
    assert script == "/usr/local/bin/healthcheck.sh"


def test_systemd(tmp_path):
    need("systemd-analyze")
    with open(os.path.join(DEPLOY, "systemd", "darner.service"), encoding="utf-8") as file:
        text = file.read().replace("/usr/bin/darner", servers.DARNER)
    unit = tmp_path / "darner.service"
    unit.write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], check=False,
                          capture_output=True, text=True)
    assert done.returncode == 0 and "darner.service" not in done.stderr, done.stderr


def test_the_flags_of_the_unit():
    path = os.path.join(DEPLOY, "systemd", "darner.flags")
    server = servers.Server()
    own = [f"--port={server.port}", f"--dir={server.dir}", f"--admin_port={servers.free_port()}"]
    server.command = lambda: [server.binary, f"--flagfile={path}", *own]
    with server:
        client = redis.Redis(port=server.port)
        assert client.config_get("bind")["bind"].startswith("127.0.0.1")


def test_scripts_parse():
    scripts = glob.glob(os.path.join(ROOT, "deploy", "image", "*.sh"))
    assert scripts
    for script in scripts:
        subprocess.run(["sh", "-n", script], check=True)
