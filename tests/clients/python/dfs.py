"""Writes snapshots as Dragonfly does, from docs/snapshot-sets.md and nothing else."""

import os
import struct

import lz4.frame
import zstandard

MEMBER_TIME_START_S = 1_675_209_600
NO_CHECKSUM = bytes(8)


def length(number):
    if number < 64:
        return bytes([number])
    if number < 1 << 14:
        return struct.pack(">H", 1 << 14 | number)
    if number < 1 << 32:
        return b"\x80" + struct.pack(">I", number)
    return b"\x81" + struct.pack(">Q", number)


def string(text):
    text = text.encode() if isinstance(text, str) else text
    return length(len(text)) + text


def fact(name, value):
    return b"\xfa" + string(name) + string(str(value))


def select(number):
    return b"\xfe" + length(number)


def key(name, kind, value, expires_ms=None, flags=None, memcached=None):
    """A key as it stands in a file."""
    out = b""
    if expires_ms is not None:
        out += b"\xfc" + struct.pack("<Q", expires_ms)
    if flags is not None:
        out += b"\xdc" + struct.pack("<I", flags)
    if memcached is not None:
        out += struct.pack("<I", memcached)
    return out + bytes([kind]) + string(name) + value


def text(name, value, **options):
    return key(name, 0, string(value), **options)


def expiry(unix_s):
    return string(str(-1 if unix_s is None else unix_s - MEMBER_TIME_START_S))


def expiring_hash(name, fields):
    """`fields` is a list of (field, value, unix seconds or None)."""
    body = b"".join(string(field) + string(value) + expiry(at) for field, value, at in fields)
    return key(name, 31, length(len(fields)) + body)


def expiring_set(name, members):
    """`members` is a list of (member, unix seconds or None)."""
    body = b"".join(string(member) + expiry(at) for member, at in members)
    return key(name, 32, length(len(members)) + body)


def in_zstd(keys):
    frame = zstandard.ZstdCompressor(level=2).compress(keys)
    return b"\xc9" + string(frame)


def in_lz4(keys):
    return b"\xca" + string(lz4.frame.compress(keys, store_size=True))


def file(facts, body, padding=b""):
    """A whole file. Behind it may be bytes that mean nothing."""
    start = b"REDIS0009" + fact("redis-ver", "6.2.11") + fact("df-ver", "df-v1.30.0")
    return start + facts + body + b"\xff" + NO_CHECKSUM + padding


def write_set(folder, name, shards, count=None, body_of_summary=b""):
    """Writes a set; `shards` are the bodies of the shards' files."""
    number = len(shards) if count is None else count
    facts = fact("snapshot-id", "an id") + fact("lua", "return 1")
    told = fact("shard-count", number) + fact("table-mem", 1000) if number >= 0 else b""
    write(folder, f"{name}-summary.dfs", file(facts + told, body_of_summary))
    for shard, body in enumerate(shards):
        facts = fact("snapshot-id", "an id") + fact("shard-id", shard)
        write(folder, f"{name}-{shard:04}.dfs", file(facts, body, padding=b"*" * 1000))


def write(folder, name, data):
    with open(os.path.join(folder, name), "wb") as out:
        out.write(data)
