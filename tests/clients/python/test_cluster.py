"""A cluster of one node (--cluster_mode=emulated) for redis-py's RedisCluster and redis-cli.

With redis-server there, it is made the only node of a real cluster.
"""

import re
import subprocess

import pytest
import redis
import servers
from redis.cluster import ClusterNode, LoadBalancingStrategy, RedisCluster
from redis.exceptions import RedisClusterException, ResponseError

from conftest import wait_until

IS_REDIS = servers.is_redis(servers.DARNER)
DISABLED = "This instance has cluster support disabled"
SLOTS = 16384


@pytest.fixture(scope="module")
def node():
    """The only node of a cluster."""
    options = {"cluster-enabled": "yes"} if IS_REDIS else {"cluster_mode": "emulated"}
    with servers.Server(options=options) as started:
        if IS_REDIS:
            client = redis.Redis(port=started.port)
            client.execute_command("CLUSTER ADDSLOTSRANGE", 0, SLOTS - 1)
            wait_until(lambda: client.cluster("INFO")["cluster_state"] == "ok", "a cluster")
            client.close()
        yield started


@pytest.fixture
def plain(node):
    """An empty node, seen through a client that knows nothing of clusters."""
    with redis.Redis(port=node.port, decode_responses=True) as client:
        client.flushall()
        yield client


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def cluster(node, plain, request):
    """An empty cluster, seen through a client of each protocol version."""
    with RedisCluster(host="127.0.0.1", port=node.port, protocol=request.param,
                      decode_responses=True) as client:
        yield client


def cli(server, *words, check=True):
    """Runs redis-cli to its end and returns its output."""
    done = subprocess.run(["redis-cli", "-p", str(server.port), *words], capture_output=True,
                          timeout=60, check=False, text=True)
    assert done.returncode == 0 or not check, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_client_finds_the_node_and_its_slots(node, cluster):
    nodes = cluster.get_nodes()
    assert [(found.port, found.server_type) for found in nodes] == [(node.port, "primary")]
    assert len(cluster.nodes_manager.slots_cache) == SLOTS
    assert cluster.set("key", "value")
    assert cluster.get("key") == "value"
    assert cluster.keyslot("key") == cluster.cluster_keyslot("key") == 12539


def test_commands_over_many_slots(cluster):
    for number in range(100):
        cluster.set(f"key:{number}", number)
    assert cluster.mget_nonatomic([f"key:{number}" for number in range(3)]) == ["0", "1", "2"]
    assert cluster.exists("key:1", "key:2", "nothing") == 2
    assert cluster.dbsize() == 100
    assert len(set(cluster.scan_iter(count=7))) == 100
    assert cluster.delete("key:1", "key:2") == 2


def test_pipelines(cluster):
    with cluster.pipeline() as pipe:
        for number in range(50):
            pipe.set(f"p:{number}", number).incr(f"p:{number}")
        assert pipe.execute()[1::2] == list(range(1, 51))


def test_transactions(cluster):
    with cluster.pipeline(transaction=True) as pipe:
        pipe.set("{t}a", 1).incr("{t}a").lpush("{t}b", "x")
        assert pipe.execute()[1:] == [2, 1]
    with cluster.pipeline(transaction=True) as pipe:
        pipe.watch("{t}a")
        cluster.set("{t}a", "changed")
        pipe.multi()
        pipe.set("{t}a", "lost")
        with pytest.raises(redis.WatchError):
            pipe.execute()
    assert cluster.get("{t}a") == "changed"


def test_scripts(cluster):
    text = "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('INCR', KEYS[2])"
    assert cluster.eval(text, 2, "{s}a", "{s}b", "value") == 1
    assert cluster.get("{s}a") == "value"
    twice = cluster.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1] * 2)")
    assert twice(keys=["{s}n"], args=[4]) == 8
    assert twice(keys=["{s}n"], args=[4]) == 16


def test_channels(cluster):
    listener = cluster.pubsub()
    listener.subscribe("news")
    assert listener.get_message(timeout=5)["type"] == "subscribe"
    assert cluster.publish("news", "text") == 1
    assert listener.get_message(timeout=5)["data"] == "text"
    listener.close()


def test_shard_channels(cluster):
    listener = cluster.pubsub()
    listener.ssubscribe("news")
    assert listener.get_sharded_message(timeout=5)["type"] == "ssubscribe"
    assert cluster.spublish("news", "text") == 1
    message = listener.get_sharded_message(timeout=5)
    assert (message["type"], message["data"]) == ("smessage", "text")
    listener.close()


def test_a_client_that_reads_from_replicas(node):
    strategy = LoadBalancingStrategy.ROUND_ROBIN
    with RedisCluster(host="127.0.0.1", port=node.port,
                      load_balancing_strategy=strategy) as client:
        client.set("key", "value")
        assert client.get("key") == b"value"


def test_the_client_s_own_address_is_announced(cluster):
    found = cluster.cluster_shards()[0]["nodes"][0]
    assert found["port"] == next(iter(cluster.get_nodes())).port
    assert (found["role"], found["health"]) == ("master", "online")
    if not IS_REDIS:  # which doesn't know its address before it has met another node
        assert found["ip"] == found["endpoint"] == "127.0.0.1"


def test_readonly_asking_and_the_mode(plain):
    assert plain.readonly() and plain.readwrite()
    assert plain.execute_command("ASKING")
    assert plain.info("cluster") == {"cluster_enabled": 1}
    assert plain.info("server")["redis_mode"] == "cluster"
    hello = plain.execute_command("HELLO")
    assert "cluster" in (hello if isinstance(hello, list) else hello.values())


def test_what_info_and_nodes_say(plain):
    info = plain.cluster("INFO")
    assert info["cluster_state"] == "ok"
    assert (info["cluster_slots_assigned"], info["cluster_known_nodes"]) == ("16384", "1")
    name = plain.execute_command("CLUSTER MYID")
    assert re.fullmatch("[0-9a-f]{40}", name)
    (only,) = plain.cluster("NODES").values()
    assert only["node_id"] == name
    assert (only["flags"], only["slots"]) == ("myself,master", [["0", "16383"]])
    assert plain.execute_command("CLUSTER LINKS") == []
    assert not plain.execute_command("CLUSTER REPLICAS", name)
    assert plain.execute_command("CLUSTER COUNT-FAILURE-REPORTS", name) == 0


def test_keys_of_slots(plain):
    slot = plain.execute_command("CLUSTER KEYSLOT", "{tag}")
    for number in range(300):
        plain.set(f"{{tag}}:{number}", 1)
        plain.set(f"other:{number}", 1)
    plain.set("{tag}:soon", 1, px=1)
    wait_until(lambda: not plain.exists("{tag}:soon"), "a key that expires")
    assert plain.execute_command("CLUSTER COUNTKEYSINSLOT", slot) == 300
    keys = plain.execute_command("CLUSTER GETKEYSINSLOT", slot, 1000)
    assert set(keys) == {f"{{tag}}:{number}" for number in range(300)}
    assert len(plain.execute_command("CLUSTER GETKEYSINSLOT", slot, 7)) == 7
    assert plain.execute_command("CLUSTER GETKEYSINSLOT", slot, 0) == []
    total = sum(plain.execute_command("CLUSTER COUNTKEYSINSLOT", slot)
                for slot in {plain.execute_command("CLUSTER KEYSLOT", key) for key in plain.keys()})
    assert total == 600


@pytest.mark.parametrize("command, error", [
    ("COUNTKEYSINSLOT 16384", "Invalid slot"),
    ("COUNTKEYSINSLOT -1", "Invalid slot"),
    ("COUNTKEYSINSLOT x", "value is not an integer or out of range"),
    ("GETKEYSINSLOT 16384 1", "Invalid slot or number of keys"),
    ("GETKEYSINSLOT 1 -1", "Invalid slot or number of keys"),
    ("GETKEYSINSLOT 1", "wrong number of arguments for 'cluster|getkeysinslot' command"),
    ("KEYSLOT", "wrong number of arguments for 'cluster|keyslot' command"),
    ("ADDSLOTS 1", "Slot 1 is already busy"),
    ("ADDSLOTS 99999", "Invalid or out of range slot"),
    ("FORGET nobody", "Unknown node nobody"),
    ("REPLICATE nobody", "Unknown node nobody"),
    ("REPLICAS nobody", "Unknown node nobody"),
    ("FAILOVER", "You should send CLUSTER FAILOVER to a replica"),
    ("FAILOVER nonsense", "syntax error"),
    ("NONSENSE", "unknown subcommand 'NONSENSE'. Try CLUSTER HELP."),
])
def test_refusals(plain, command, error):
    with pytest.raises(ResponseError, match=re.escape(error)):
        plain.execute_command("CLUSTER", *command.split())


def test_redis_cli_follows_the_cluster(node, plain):
    assert cli(node, "-c", "SET", "key", "value") == "OK\n"
    assert cli(node, "-c", "GET", "key") == "value\n"


def test_redis_cli_checks_the_cluster(node, plain):
    plain.set("key", "value")
    address = f"127.0.0.1:{node.port}"
    assert "1 keys in 1 masters" in cli(node, "--cluster", "info", address)
    out = cli(node, "--cluster", "check", address)
    assert "[OK] All nodes agree about slots configuration." in out
    assert "[OK] All 16384 slots covered." in out
    assert "PONG" in cli(node, "--cluster", "call", address, "PING")


def test_without_the_mode_cluster_clients_are_sent_away(server, db):
    for command in ("INFO", "SLOTS", "SHARDS", "NODES", "MYID", "HELP", "KEYSLOT a",
                    "COUNTKEYSINSLOT 1", "GETKEYSINSLOT 1 1", "ADDSLOTS 1", "RESET"):
        with pytest.raises(ResponseError, match=DISABLED):
            db.execute_command("CLUSTER", *command.split())
    for command in ("READONLY", "READWRITE", "ASKING"):
        with pytest.raises(ResponseError, match=DISABLED):
            db.execute_command(command)
    with pytest.raises(RedisClusterException):
        RedisCluster(host="127.0.0.1", port=server.port)
    assert db.info("cluster") == {"cluster_enabled": 0}
    assert db.info("server")["redis_mode"] == "standalone"


darner_only = pytest.mark.skipif(IS_REDIS, reason="a real cluster is stricter")


@darner_only
def test_keys_of_several_slots_are_welcome(plain):
    assert plain.mset({"a": 1, "b": 2, "c": 3})
    assert plain.mget("a", "b", "c") == ["1", "2", "3"]
    assert plain.eval("return redis.call('MGET', KEYS[1], KEYS[2])", 2, "a", "b") == ["1", "2"]
    with plain.pipeline() as pipe:
        assert pipe.incr("a").incr("b").rename("c", "d").execute() == [2, 3, True]


@darner_only
def test_other_databases_are_there(plain):
    assert plain.select(1)
    plain.set("{one}", 1)
    slot = plain.execute_command("CLUSTER KEYSLOT", "one")
    assert plain.execute_command("CLUSTER COUNTKEYSINSLOT", slot) == 1
    plain.select(0)
    assert plain.execute_command("CLUSTER COUNTKEYSINSLOT", slot) == 0


@darner_only
def test_slot_stats(plain):
    def stats(*words):
        rows = plain.execute_command("CLUSTER SLOT-STATS", *words)
        return [(slot, dict(zip(found[::2], found[1::2])) if isinstance(found, list) else found)
                for slot, found in rows]

    plain.mset({"{a}1": 1, "{a}2": 1, "{b}1": 1})
    a, b = (plain.execute_command("CLUSTER KEYSLOT", key) for key in "ab")
    assert stats("ORDERBY", "key-count", "LIMIT", 2) == [(a, {"key-count": 2}),
                                                         (b, {"key-count": 1})]
    assert stats("ORDERBY", "KEY-COUNT", "ASC", "LIMIT", 1) == [(0, {"key-count": 0})]
    assert stats("SLOTSRANGE", b, b) == [(b, {"key-count": 1})]
    for words, error in [(("SLOTSRANGE", 2, 1), "Start slot number 2 is greater than end slot"),
                         (("SLOTSRANGE", 2, 16384), "Invalid or out of range slot"),
                         (("ORDERBY", "cpu-usec"), "Unrecognized sort metric for ORDERBY."),
                         (("ORDERBY", "key-count", "LIMIT", 0), "Limit has to lie in between 1"),
                         (("ORDERBY", "key-count", "ASC", "DESC"), "for 'SLOT-STATS'")]:
        with pytest.raises(ResponseError, match=re.escape(error)):
            stats(*words)


@darner_only
def test_what_would_change_the_cluster(plain):
    for command in ("DELSLOTS 1", "DELSLOTSRANGE 1 2", "FLUSHSLOTS", "MEET 127.0.0.1 1",
                    "SETSLOT 1 STABLE", "RESET", "BUMPEPOCH", "SAVECONFIG", "SET-CONFIG-EPOCH 2"):
        with pytest.raises(ResponseError, match="only node of an emulated cluster"):
            plain.execute_command("CLUSTER", *command.split())
    name = plain.execute_command("CLUSTER MYID")
    with pytest.raises(ResponseError, match="I can't forget myself"):
        plain.execute_command("CLUSTER FORGET", name)
    with pytest.raises(ResponseError, match="Can't replicate myself"):
        plain.execute_command("CLUSTER REPLICATE", name)
    assert re.fullmatch("[0-9a-f]{40}", plain.execute_command("CLUSTER MYSHARDID"))


@darner_only
def test_announced_addresses(own_server):
    name = "0123456789abcdef0123456789abcdef01234567"
    server = own_server(cluster_mode="emulated", cluster_node_id=name, announce_ip="10.0.0.1",
                        announce_port="7001")
    client = redis.Redis(port=server.port, decode_responses=True)

    def only_node():
        return client.execute_command("CLUSTER SHARDS")[0]["nodes"][0]

    assert client.execute_command("CLUSTER MYID") == name
    assert (only_node()["ip"], only_node()["port"]) == ("10.0.0.1", 7001)
    client.config_set("cluster-announce-ip", "10.0.0.2")
    client.config_set("cluster-announce-port", 7002)
    client.config_set("cluster-announce-hostname", "node.example.org")
    (node,) = client.cluster("NODES")
    assert node == "10.0.0.2:7002"
    client.config_set("cluster-preferred-endpoint-type", "hostname")
    assert only_node()["endpoint"] == only_node()["hostname"] == "node.example.org"
    # A client can be told how to reach what is announced.
    with RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", server.port)],
                      address_remap=lambda _: ("127.0.0.1", server.port)) as cluster:
        assert cluster.ping()
    client.close()


@darner_only
def test_a_unix_socket_has_no_address_to_announce(own_server, tmp_path):
    path = tmp_path / "socket"
    server = own_server(cluster_mode="emulated", unixsocket=path)
    with redis.Redis(unix_socket_path=str(path), decode_responses=True) as client:
        found = client.execute_command("CLUSTER SHARDS")[0]["nodes"][0]
        assert (found["ip"], found["port"]) == ("", server.port)


@darner_only
def test_real_clusters_are_refused():
    for flags in (["--cluster_mode=yes"], ["--cluster-enabled", "yes"]):
        done = subprocess.run([servers.DARNER, "--port=-1", *flags], capture_output=True, text=True,
                              timeout=20, check=False)
        assert done.returncode == 1
        assert "--cluster_mode=emulated" in done.stdout + done.stderr
