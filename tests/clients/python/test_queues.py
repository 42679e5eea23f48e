"""Job queues of other languages: Celery and RQ here, Sidekiq through a Ruby script of its own.

Workers are processes, as in use: what they do is counted in the server, under keys of the test.
"""

import os
import subprocess
import sys

import pytest
import redis
from rq import Queue, Retry

from conftest import HERE, servers, wait_until

JOBS = 60
LIMIT_S = 50
MODES = {"one thread": {"proactor_threads": 1}, "two threads": {"proactor_threads": 2},
         "two threads that gather": {"proactor_threads": 2, "migrate_connections": "true"}}
if servers.is_redis(servers.DARNER):
    MODES = {"redis": {}}


@pytest.fixture(params=MODES.values(), ids=MODES)
def queue_server(request, own_server):
    """A server of each mode; it must have had nothing to warn of."""
    server = own_server(**request.param)
    yield server
    log = server.log_tail(1000)
    assert "wanted keys of each other" not in log and "panicked" not in log, log


@pytest.fixture
def spawn(queue_server):
    """Starts processes that find the server by TEST_REDIS_URL, and stops them by their ids."""
    started = []

    def start(*words):
        env = dict(os.environ, TEST_REDIS_URL=url_of(queue_server), PYTHONPATH=HERE)
        with open(os.path.join(queue_server.dir, "worker.log"), "ab") as log:
            started.append(subprocess.Popen(words, env=env, stdout=log, stderr=log,
                                            cwd=queue_server.dir))
        return started[-1]

    yield start
    for process in started:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def url_of(server):
    return f"redis://127.0.0.1:{server.port}/0"


def done(client):
    """How often each job was done."""
    return {int(name): int(times) for name, times in client.hgetall("done").items()}


def each_once(client, count):
    wait_until(lambda: len(done(client)) == count, f"{count} jobs are done", LIMIT_S)
    assert done(client) == dict.fromkeys(range(count), 1)


def test_celery(queue_server, spawn, monkeypatch):
    monkeypatch.setenv("TEST_REDIS_URL", url_of(queue_server))
    sys.modules.pop("celery_tasks", None)
    import celery_tasks as tasks  # reads the address as it is imported

    for number in range(2):
        spawn(sys.executable, "-m", "celery", "-A", "celery_tasks", "worker", "--loglevel=warning",
              "--pool=threads", "--concurrency=4", "-n", f"worker{number}@local")
    client = redis.Redis(port=queue_server.port)
    results = [tasks.square.delay(number) for number in range(JOBS)]
    later = tasks.square.apply_async((JOBS,), countdown=0.2)
    assert [result.get(timeout=LIMIT_S) for result in results] == [n * n for n in range(JOBS)]
    assert later.get(timeout=LIMIT_S) == JOBS * JOBS
    each_once(client, JOBS + 1)
    assert tasks.second_time.delay("again").get(timeout=LIMIT_S) == 2
    chord = tasks.chord((tasks.square.s(JOBS + 1 + n) for n in range(10)), tasks.total.s())
    assert chord().get(timeout=LIMIT_S) == sum((JOBS + 1 + n) ** 2 for n in range(10))
    each_once(client, JOBS + 11)
    wait_until(lambda: client.llen("celery") + client.zcard("unacked_index") == 0, "all is told")


def test_rq(queue_server, spawn):
    client = redis.Redis(port=queue_server.port)
    queue = Queue("default", connection=client)
    jobs = [queue.enqueue("rq_tasks.square", number) for number in range(JOBS // 2)]
    jobs += queue.enqueue_many([Queue.prepare_data("rq_tasks.square", (number,))
                                for number in range(JOBS // 2, JOBS)])
    after = queue.enqueue("rq_tasks.square", JOBS, depends_on=jobs[-1])
    again = queue.enqueue("rq_tasks.second_time", "again", retry=Retry(max=2))
    hopeless = queue.enqueue("rq_tasks.never")
    for _ in range(2):
        spawn(sys.executable, "-m", "rq.cli", "worker", "--url", url_of(queue_server),
              "--worker-class", "rq.SimpleWorker", "default")
    each_once(client, JOBS + 1)
    wait_until(lambda: after.is_finished and again.is_finished and hopeless.is_failed,
               "the others end", LIMIT_S)
    assert after.return_value() == JOBS * JOBS
    assert queue.count == 0 and queue.failed_job_registry.count == 1


def test_sidekiq(queue_server, spawn):
    script = os.path.join(HERE, "sidekiq_jobs.rb")
    client = redis.Redis(port=queue_server.port)
    filling = spawn("ruby", script, "fill", str(JOBS))
    assert filling.wait(LIMIT_S) == 0
    assert client.scard("queues") == 1 and client.zcard("schedule") == 1
    for _ in range(2):
        spawn("sidekiq", "-r", script, "-c", "4", "-q", "default")
    each_once(client, JOBS + 1)
    wait_until(lambda: client.zcard("retry") == 1, "the job that fails is tried again", LIMIT_S)
    assert client.llen("queue:default") == 0 and client.get("attempts") == b"1"
    wait_until(lambda: client.get("stat:processed") == b"%d" % (JOBS + 2), "statistics", LIMIT_S)
    assert client.get("stat:failed") == b"1"
