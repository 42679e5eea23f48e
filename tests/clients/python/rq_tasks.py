"""What the workers of test_queues.py do with RQ."""

import os

import redis

client = redis.Redis.from_url(os.environ["TEST_REDIS_URL"])


def square(number):
    """Counts that it was called."""
    client.hincrby("done", number, 1)
    return number * number


def second_time(name):
    """Succeeds when it is tried again."""
    if client.incr(name) < 2:
        raise ValueError("once more")


def never():
    """Fails for good."""
    raise ValueError("never")
