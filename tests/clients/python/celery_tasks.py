"""What the workers of test_queues.py do with Celery."""

import os

import redis
from celery import Celery, chord  # noqa: F401

URL = os.environ["TEST_REDIS_URL"]
app = Celery("tasks", broker=URL, backend=URL)
app.conf.worker_hijack_root_logger = False
client = redis.Redis.from_url(URL)


@app.task
def square(number):
    """Counts that it was called."""
    client.hincrby("done", number, 1)
    return number * number


@app.task(bind=True, max_retries=3)
def second_time(self, name):
    """Succeeds when it is tried again."""
    times = client.incr(name)
    if times < 2:
        raise self.retry(countdown=0)
    return times


@app.task
def total(numbers):
    """The end of a chord."""
    return sum(numbers)
