"""Read the counts out of a test runner's output: prints passed, failed and skipped.

Knows nextest, libtest, pytest, node's spec reporter and our own last line.
"""

import re
import sys


def counts(text):
    """(passed, failed, skipped) of whatever runner wrote the text."""
    for reader in (_nextest, _libtest, _node, _plain, _pytest):
        found = reader(text)
        if found:
            return found
    return (0, 0, 0)


def _nextest(text):
    summaries = re.findall(r"^\s*Summary \[.*?\] .*?run: (.*)$", text, re.M)
    return _words(summaries[-1]) if summaries else None


def _libtest(text):
    rows = re.findall(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored", text, re.M)
    return tuple(sum(int(row[i]) for row in rows) for i in range(3)) if rows else None


def _node(text):
    rows = {}
    for word, number in re.findall(r"^. (pass|fail|cancelled|skipped) (\d+)$", text, re.M):
        rows[word] = int(number)
    if len(rows) < 4:
        return None
    return (rows["pass"], rows["fail"] + rows["cancelled"], rows["skipped"])


def _plain(text):
    rows = re.findall(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", text, re.M)
    return tuple(map(int, rows[-1])) if rows else None


def _pytest(text):
    rows = re.findall(r"^(?:=+ )?((?:\d+ \w+,? ?)+) in [\d.]+s", text, re.M)
    return _words(rows[-1]) if rows else None


def _words(line):
    numbers = {}
    for number, word in re.findall(r"(\d+) (\w+)", line):
        numbers[word] = numbers.get(word, 0) + int(number)
    failed = sum(numbers.get(word, 0) for word in ("failed", "error", "errors", "exec", "timed"))
    skipped = sum(numbers.get(word, 0) for word in ("skipped", "xfailed", "deselected"))
    return (numbers.get("passed", 0), failed, skipped)


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8", errors="replace") as log:
        print(*counts(log.read()))
