"""Sorted sets and geo through redis-py, in both protocol versions, with clients that wait."""

import threading

import pytest


def test_members_and_ranges(db):
    assert db.zadd("z", {"a": 1, "b": 2, "c": 2.5, "d": 4}) == 4
    assert db.zadd("z", {"a": 3, "e": 5}, xx=True, ch=True) == 1
    assert db.zadd("z", {"a": 0.5}, incr=True) == 3.5
    assert db.zscore("z", "a") == 3.5 and db.zscore("z", "x") is None
    assert db.zmscore("z", ["b", "x"]) == [2.0, None]
    assert db.zrange("z", 0, -1) == ["b", "c", "a", "d"]
    pairs = [tuple(pair) for pair in db.zrange("z", 0, 1, desc=True, withscores=True)]
    assert pairs == [("d", 4.0), ("a", 3.5)]
    assert db.zrange("z", "(2", "+inf", byscore=True, offset=1, num=1) == ["a"]
    assert db.zrevrangebyscore("z", 4, 2) == ["d", "a", "c", "b"]
    assert db.zrank("z", "a") == 2 and db.zrevrank("z", "a") == 1
    assert db.zcount("z", 2, "(3.5") == 2
    assert db.zrem("z", "a", "x") == 1 and db.zcard("z") == 3
    assert db.zremrangebyrank("z", 0, 0) == 1 and db.zrange("z", 0, -1) == ["c", "d"]


def test_lexicographic_ranges(db):
    db.zadd("z", dict.fromkeys("abcdef", 0))
    assert db.zrangebylex("z", "[b", "(e") == ["b", "c", "d"]
    assert db.zlexcount("z", "-", "(c") == 2
    assert db.zremrangebylex("z", "(d", "+") == 2
    assert db.zrange("z", "+", "-", bylex=True, desc=True) == ["d", "c", "b", "a"]


def test_combinations(db):
    db.zadd("{z}a", {"x": 1, "y": 2})
    db.zadd("{z}b", {"y": 10, "w": float("inf")})
    assert db.zunionstore("{z}c", {"{z}a": 2, "{z}b": 1}) == 3
    assert db.zscore("{z}c", "y") == 14 and db.zscore("{z}c", "w") == float("inf")
    assert db.zinter(["{z}a", "{z}b"]) == ["y"]
    assert db.zdiff(["{z}a", "{z}b"]) == ["x"]
    assert db.zintercard(2, ["{z}a", "{z}b"]) == 1


def test_a_large_one(db):
    """Beyond the packed form, with ranks and a scan that has to show everyone."""
    count = 20_000
    for start in range(0, count, 1000):
        db.zadd("z", {f"member:{i}": (i * 7919) % count for i in range(start, start + 1000)})
    assert db.object("encoding", "z") == "skiplist"
    assert db.zcard("z") == count and db.zcount("z", 100, 199) == 100
    for i in (0, 1, 777, 19_999):
        assert db.zrank("z", f"member:{i}") == (i * 7919) % count
    assert len({member for member, _ in db.zscan_iter("z", count=100)}) == count
    assert len(set(db.zrandmember("z", 500))) == 500
    assert db.zremrangebyscore("z", 0, count // 2 - 1) == count // 2
    assert db.zrevrange("z", 0, 0) == db.zrange("z", -1, -1)


def test_pops(db):
    db.zadd("z", {"a": 1, "b": 2, "c": 3, "d": 4})
    assert [tuple(pair) for pair in db.zpopmin("z", 2)] == [("a", 1.0), ("b", 2.0)]
    key, elements = db.zmpop(2, ["none", "z"], max=True)
    assert key == "z" and [list(map(str, element)) for element in elements] in (
        [["d", "4"]], [["d", "4.0"]])
    assert db.bzpopmax("z", 1) in (("z", "c", 3.0), ["z", "c", 3.0])
    assert not db.exists("z")
    assert db.bzpopmin("z", 0.05) is None


def test_waiting_clients_are_served_in_order(db, connect):
    """Each waits on a connection of its own; the first to come gets the lowest."""
    served, threads = [], []
    for name in ("first", "second"):
        client = connect(decode_responses=True)
        waiting = int(db.info("clients")["blocked_clients"])

        def wait(client=client, name=name):
            served.append((name, client.bzpopmin(["z", "y"], 20)[1]))

        threads.append(threading.Thread(target=wait))
        threads[-1].start()
        while int(db.info("clients")["blocked_clients"]) == waiting:
            pass
    db.zadd("z", {"low": 1, "high": 2})
    for thread in threads:
        thread.join(10)
    assert sorted(served) == [("first", "low"), ("second", "high")]
    assert not db.exists("z")


def test_geo(db):
    db.geoadd("g", (13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania"))
    assert db.geodist("g", "Palermo", "Catania", unit="km") == pytest.approx(166.2742)
    assert db.geohash("g", "Palermo") == ["sqc8b49rny0"]
    assert db.geosearch("g", longitude=15, latitude=37, radius=200, unit="km", sort="ASC") == [
        "Catania", "Palermo"]
    [(name, distance, (x, y))] = db.geosearch(
        "g", member="Catania", width=10, height=10, unit="m", withdist=True, withcoord=True)
    assert name == "Catania" and float(distance) == 0
    assert (float(x), float(y)) == pytest.approx((15.087269, 37.502669), abs=1e-5)
    assert db.geosearchstore("h", "g", longitude=15, latitude=37, radius=100, unit="km") == 1
