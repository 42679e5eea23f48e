"""Memory goes back to the system when data goes."""

import array
import random
import re

import redis
from conftest import wait_until

MIB = 1 << 20
KEYS = 500_000
BATCH = 1000
# What bench/churn holds servers to, and what the code that runs for the first time may take.
GOAL, OTHERS = 1.15, 4 * MIB
AWAIT_LIMIT_S = 45
PAGE, HUGE_PAGE = 4096, 2 * MIB
PRESENT = 1 << 63


class Churned:
    """A server whose keys change, and whose memory is watched."""

    def __init__(self, server):
        self.server = server
        self.client = redis.Redis(port=server.port)
        self.empty = self.server.resident() - self.used()

    def fillable(self):
        """Bytes that aren't resident, beside others that are, where the kernel may make a huge page
        of all of them at any time."""
        with open(f"/proc/{self.server.pid}/smaps", encoding="utf-8") as smaps:
            found = re.findall(r"^(\w+)-(\w+) [^\0]*?^VmFlags: (.*)$", smaps.read(), re.MULTILINE)
        holes = 0
        with open(f"/proc/{self.server.pid}/pagemap", "rb") as pagemap:
            for start, end, flags in found:
                start, end = -(-int(start, 16) // HUGE_PAGE), int(end, 16) // HUGE_PAGE
                for number in range(start, end) if "hg" in flags.split() else ():
                    pagemap.seek(number * HUGE_PAGE // PAGE * 8)
                    pages = array.array("Q", pagemap.read(HUGE_PAGE // PAGE * 8))
                    absent = sum(not page & PRESENT for page in pages)
                    holes += absent * PAGE if absent < len(pages) else 0
        return holes

    def used(self):
        return self.client.info("memory")["used_memory"]

    def write(self, keys, length):
        for start in range(0, len(keys), BATCH):
            values = {f"key:{key}": "x" * (length + key % 20) for key in keys[start:start + BATCH]}
            self.client.mset(values)

    def delete(self, keys):
        """Deletes keys, and waits until all that they took is back."""
        for start in range(0, len(keys), BATCH):
            self.client.delete(*(f"key:{key}" for key in keys[start:start + BATCH]))

        def is_back():
            memory = self.client.info("memory")
            used, room = memory["used_memory"], memory["mem_not_counted_for_evict"]
            # Before records are moved together what they leave behind is used, too.
            return room < used / 8 and self.server.resident() <= self.empty + GOAL * used + OTHERS

        wait_until(is_back, "what was deleted goes back to the system", AWAIT_LIMIT_S)
        assert self.fillable() <= self.used() / 10


def test_memory_returns_when_keys_are_deleted_at_random(own_server):
    churned = Churned(own_server(proactor_threads=1))
    dice, keys = random.Random(3), list(range(KEYS))
    churned.write(keys, 100)
    for length in (300, 700, 1500):
        dice.shuffle(keys)
        keys, gone = keys[:len(keys) // 4], keys[len(keys) // 4:]
        churned.delete(gone)
        keys += gone[:KEYS // 5]
        churned.write(keys, length)
    churned.delete(keys[:len(keys) // 10 * 9])
