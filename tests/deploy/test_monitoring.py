"""Metrics, alerts and the dashboard, as Prometheus sees them."""

import http.client
import json
import os
import re
import subprocess
import time
import urllib.parse

import pytest
import redis
import yaml
from conftest import DEPLOY, HERE, need

import servers

# Dragonfly's names that Prometheus's style guide doesn't like.
UNLIKED = ("dragonfly_commands_duration_seconds",)
# Metrics that are there only sometimes.
SOMETIMES = {"darner_aof_waiting_bytes", "darner_aof_write_ok", "up"}
NAME = re.compile(r"\b(?:dragonfly|darner)_[a-z_]+\b|\bup\b")
AWAIT_LIMIT_S = 30


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def work(server):
    """Gives the server something to count."""
    client = redis.Redis(port=server.port, password="secret")
    client.set("a", "b", ex=1000)
    client.get("a")
    client.get("none")
    client.rpush("list", 1, 2, 3)
    with pytest.raises(redis.ResponseError):
        client.incrby("list")
    return client


def known_metrics(server):
    """Names of the samples that the server shows."""
    lines = get(server.port, "/metrics")[1].splitlines()
    return {re.split(r"[{ ]", line)[0] for line in lines if not line.startswith("#")}


def promtool(*arguments, text=None):
    need("promtool")
    return subprocess.run(["promtool", *arguments], input=text, capture_output=True, text=True,
                          check=False)


def dashboard_queries():
    """The expressions of the dashboard, with Grafana's variables filled in."""
    with open(os.path.join(DEPLOY, "grafana", "darner.json"), encoding="utf-8") as file:
        board = json.load(file)
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in board["panels"]:
        for target in panel["targets"]:
            text = target["expr"].replace("$__rate_interval", "1m")
            yield text.replace("$job", ".*").replace("$instance", ".*")


def rules():
    with open(os.path.join(DEPLOY, "prometheus", "rules.yaml"), encoding="utf-8") as file:
        return yaml.safe_load(file)["groups"]


def test_promtool_likes_the_metrics(server):
    work(server)
    done = promtool("check", "metrics", text=get(server.port, "/metrics")[1])
    complaints = [line for line in (done.stdout + done.stderr).splitlines()
                  if not line.startswith(UNLIKED)]
    assert complaints == []


def test_promtool_likes_the_rules():
    path = os.path.join(DEPLOY, "prometheus")
    done = promtool("check", "rules", os.path.join(path, "rules.yaml"))
    assert done.returncode == 0, done.stderr
    done = promtool("check", "config", os.path.join(path, "prometheus.yaml"))
    assert done.returncode == 0, done.stderr
    done = promtool("test", "rules", os.path.join(HERE, "rules_test.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_tested():
    with open(os.path.join(HERE, "rules_test.yaml"), encoding="utf-8") as file:
        [test] = yaml.safe_load(file)["tests"]
    tested = {one["alertname"] for one in test["alert_rule_test"] if one["exp_alerts"]}
    assert tested == {rule["alert"] for group in rules() for rule in group["rules"]}


def test_what_is_asked_for_is_there(server):
    work(server)
    known = known_metrics(server) | SOMETIMES
    asked = list(dashboard_queries())
    asked += [rule["expr"] for group in rules() for rule in group["rules"]]
    for text in asked:
        names = set(NAME.findall(text))
        assert names and names <= known, text


def test_the_dashboard_parses(tmp_path):
    queries = list(dashboard_queries())
    named = [{"record": f"panel:query:{number}", "expr": text}
             for number, text in enumerate(queries)]
    path = tmp_path / "queries.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": named}]}))
    done = promtool("check", "rules", str(path))
    assert done.returncode == 0, done.stderr
    assert f"{len(queries)} rules found" in done.stdout


def test_prometheus_scrapes_it(server, tmp_path):
    need("prometheus")
    client = work(server)
    port = servers.free_port()
    config = {"global": {"scrape_interval": "1s"}, "scrape_configs": [
        {"job_name": "darner", "static_configs": [{"targets": [f"127.0.0.1:{server.port}"]}]}]}
    path = tmp_path / "prometheus.yaml"
    path.write_text(yaml.safe_dump(config))
    with open(tmp_path / "log", "wb") as log:
        prometheus = subprocess.Popen(
            ["prometheus", f"--config.file={path}", f"--storage.tsdb.path={tmp_path}/data",
             f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        def ask(query):
            try:
                text = get(port, "/api/v1/query?query=" + urllib.parse.quote(query))[1]
                return json.loads(text)["data"]["result"]
            except (OSError, ValueError, http.client.HTTPException):
                return []

        deadline = time.monotonic() + AWAIT_LIMIT_S
        while len(ask("count_over_time(darner_ready[1m]) > 2")) == 0:
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            client.get("a")
            time.sleep(0.1)
        [up] = ask("up")
        assert up["value"][1] == "1"
        [keys] = ask('dragonfly_db_keys{db="db0"}')
        assert keys["value"][1] == "2"
        empty = [query for query in dashboard_queries() if not ask(query)]
        # Nothing to draw without a limit; one half of another is empty without an AOF.
        empty = [query for query in empty if "_max_bytes" not in query and "_aof_" not in query]
        assert empty == []
    finally:
        prometheus.terminate()
        prometheus.wait()
