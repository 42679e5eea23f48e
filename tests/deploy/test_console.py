"""The console in a real browser, while there is something to see.

SCREENSHOTS=folder keeps the pictures, for docs/images.
"""

import base64
import html
import http.client
import json
import os
import re
import shutil
import subprocess
import threading

import pytest
import redis
from conftest import need

import servers

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDE, NARROW = (1280, 1250), (400, 1500)


@pytest.fixture
def browser():
    found = [name for name in BROWSERS if shutil.which(name)]
    if not found:
        need(BROWSERS[0])
    return found[0]


@pytest.fixture
def busy_server():
    """A server that is being worked with."""
    with servers.Server(options={"slowlog-log-slower-than": 200, "maxmemory": "256mb"}) as server:
        client = redis.Redis(port=server.port, client_name="immich-server")
        for queue in ("thumbnailGeneration", "metadataExtraction", "smartSearch"):
            client.rpush(f"immich_bull:{queue}:wait", *range(len(queue) * 100))
        client.set("settings", "{}")
        client.zadd("immich_bull:thumbnailGeneration:failed", {str(job): job for job in range(40)})
        client.hset("session:<img src=x onerror=alert(1)>", "agent", "x" * 80)
        client.execute_command("DEBUG", "POPULATE", 20000, "asset", 100)
        stopping = threading.Event()

        def load():
            own = redis.Redis(port=server.port, client_name="immich-worker")
            number = 0
            while not stopping.is_set():
                number += 1
                with own.pipeline(transaction=False) as batch:
                    for one in range(50):
                        batch.get(f"asset:{(number * 7919 + one * 131) % 22000}")
                    batch.get("settings")
                    batch.set(f"job:{number % 1000}", "x" * 100, ex=60)
                    batch.execute()
                if number % 50 == 0:
                    own.keys("asset:1*")

        worker = threading.Thread(target=load)
        worker.start()
        try:
            while len(state(server)["hottest"]) < 10:
                assert worker.is_alive()
            yield server
        finally:
            stopping.set()
            worker.join()


def state(server):
    """What the page asks for."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", "/console.json")
    return json.loads(connection.getresponse().read())


def run(browser, tmp_path, url, size, *, dark=False, arguments=()):
    """What the browser prints when the page has run for some seconds."""
    width, height = size
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
               "--disable-dev-shm-usage", f"--user-data-dir={tmp_path}/profile",
               "--run-all-compositor-stages-before-draw", "--virtual-time-budget=12000",
               f"--window-size={width},{height}", *arguments]
    if dark:
        command.append("--blink-settings=preferredColorScheme=0")
    done = subprocess.run([*command, url], capture_output=True, text=True, check=False,
                          timeout=90)
    assert done.returncode == 0, done.stderr
    return done.stdout


def text_of(page, element):
    """The text of an element of the page, without its tags."""
    match = re.search(rf'id="{element}"[^>]*>(.*?)</(?:div|span|table)>', page, re.DOTALL)
    return html.unescape(re.sub("<[^>]*>", " ", match.group(1)))


def test_it_shows_what_goes_on(browser, busy_server, tmp_path):
    url = f"http://127.0.0.1:{busy_server.port}/"
    page = run(browser, tmp_path, url, WIDE, arguments=["--dump-dom"])
    assert text_of(page, "status") == "● ready"
    assert re.fullmatch(r"[0-9.]+[KM]?", text_of(page, "ops"))
    assert re.fullmatch(r"[0-9.]+ %", text_of(page, "hits"))
    assert "MiB" in text_of(page, "memory")
    assert "immich_bull:thumbnailGeneration:wait" in text_of(page, "longest")
    assert "settings" in text_of(page, "hottest")
    assert "immich-worker" in text_of(page, "client-list")
    assert "KEYS asset:1*" in text_of(page, "slow")
    assert "get" in text_of(page, "commands")
    assert "string" in text_of(page, "types") and "list" in text_of(page, "types")


def test_names_of_keys_are_text(browser, busy_server, tmp_path):
    url = f"http://127.0.0.1:{busy_server.port}/"
    page = run(browser, tmp_path, url, WIDE, arguments=["--dump-dom"])
    assert "<img" not in page


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_pictures(browser, busy_server, tmp_path, size, dark):
    folder = os.environ.get("SCREENSHOTS", str(tmp_path))
    name = f"console-{'dark' if dark else 'light'}-{'wide' if size == WIDE else 'narrow'}.png"
    path = os.path.join(folder, name)
    url = f"http://127.0.0.1:{busy_server.port}/"
    run(browser, tmp_path, url, size, dark=dark, arguments=[f"--screenshot={path}"])
    with open(path, "rb") as file:
        picture = file.read()
    assert picture.startswith(b"\x89PNG") and len(picture) > 20000


def test_the_page_is_small_and_the_state_too(busy_server):
    def size(path):
        connection = http.client.HTTPConnection("127.0.0.1", busy_server.port, timeout=10)
        connection.request("GET", path)
        return len(connection.getresponse().read())
    assert size("/") < 20_000
    assert size("/console.json") < 50_000


def test_nothing_without_the_password(server):
    def ask(path, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.request("GET", path, headers=headers)
        return connection.getresponse()
    assert ask("/").status == 401
    given = base64.b64encode(b"default:secret").decode()
    answer = ask("/console.json", Authorization=f"Basic {given}")
    assert answer.status == 200 and json.loads(answer.read())["is_ready"]
