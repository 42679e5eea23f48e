"""Who the server says it is, and that clients and exporters draw the right conclusions from it.

What each of them reads was looked up in its own source: versions, fields of INFO, forms of replies.
"""

import asyncio
import json
import logging
import os
import re
import subprocess

import celery
import kombu
import pytest
import redis
import rq
from redis.maint_notifications import MaintNotificationsConfig
from rq.worker import SimpleWorker

from conftest import HERE, servers, wait_until

IS_REDIS = servers.is_redis(servers.DARNER)
#: From this version on clients count on what BullMQ, Sidekiq and others need.
VERSION = (7, 0) if IS_REDIS else (7, 2)


def version_of(text):
    return tuple(int(part) for part in text.split("."))


#: With RESP3 it asks whether a server announces maintenance, which those of Redis don't.
NO_MAINTENANCE = {"maint_notifications_config": MaintNotificationsConfig(enabled=False)}


def errors_of(client):
    """Replies that were errors since the start: what a client has asked for in vain."""
    return client.info("errorstats")


@pytest.mark.parametrize("protocol", [2, 3])
def test_hello_of_each_protocol(own_server, protocol):
    client = redis.Redis(port=own_server().port, protocol=protocol, decode_responses=True,
                         **NO_MAINTENANCE)
    hello = client.execute_command("HELLO", protocol)
    if protocol == 2:
        hello = dict(zip(hello[::2], hello[1::2]))
    assert hello["server"] == "redis" and hello["mode"] == "standalone"
    assert hello["role"] == "master" and hello["modules"] == []
    assert hello["proto"] == protocol and hello["id"] == client.client_id()
    assert version_of(hello["version"]) >= VERSION
    info = client.info()
    assert info["redis_version"] == hello["version"] and info["redis_mode"] == "standalone"
    # Clients take whoever has one of these for another server, with other rules.
    assert not {"dragonfly_version", "valkey_version", "server_name"} & set(info)
    if not IS_REDIS:
        assert errors_of(client) == {}


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py_is_let_say_who_it_is(own_server, protocol):
    port = own_server().port
    client = redis.Redis(port=port, protocol=protocol, client_name="me", decode_responses=True,
                         **NO_MAINTENANCE)
    about = client.client_info()
    assert about["name"] == "me" and about["resp"] == str(protocol)
    if not IS_REDIS:
        assert about["lib-name"].startswith("redis-py") and about["lib-ver"] == redis.__version__
        assert errors_of(client) == {}

    async def ask():
        async with redis.asyncio.Redis(port=port, protocol=protocol) as other:
            return await other.client_info()

    assert asyncio.run(ask())["resp"] == str(protocol)


def test_celery_asks_for_nothing_that_is_not_there(own_server):
    server = own_server()
    url = f"redis://127.0.0.1:{server.port}/1"
    app = celery.Celery("identity", broker=url, backend=url)
    with kombu.Connection(url) as connection:
        with connection.SimpleQueue("greetings") as queue:
            queue.put({"hello": 1})
            message = queue.get(timeout=10)
            assert message.payload == {"hello": 1}
            message.ack()
    app.backend.store_result("id", 42, "SUCCESS")
    assert app.AsyncResult("id").get(timeout=10) == 42
    app.backend.result_consumer.stop()
    client = redis.Redis(port=server.port, protocol=2)
    if not IS_REDIS:
        # Each of its connections asks about maintenance.
        errors = errors_of(client).get("errorstat_ERR", {"count": 0})["count"]
        assert errors < client.info("stats")["total_connections_received"]
        assert set(errors_of(client)) <= {"errorstat_ERR"}


def test_rq_reads_the_version(own_server):
    client = redis.Redis(port=own_server().port)
    queue = rq.Queue(connection=client)
    assert queue.get_redis_server_version() >= VERSION
    worker = SimpleWorker([queue], connection=client)
    assert worker.get_redis_server_version() >= VERSION
    # As of 6.0.6 it asks for positions instead of reading the queue.
    job = queue.enqueue("math.sqrt", 9)
    assert queue.get_job_position(job) == 0
    assert worker.work(burst=True, logging_level=logging.WARNING)
    assert job.return_value(refresh=True) == 3


SIDEKIQ = """
require "sidekiq"
require "sidekiq/web"
require "rack/mock"
Sidekiq.configure_client { |config| config.redis = { url: ENV["TEST_REDIS_URL"] } }
Sidekiq::Web.use Rack::Session::Cookie, secret: "x" * 64
info = Sidekiq.redis_info
web = Rack::MockRequest.new(Sidekiq::Web)
puts JSON.generate(
  version: info["redis_version"], policy: info["maxmemory_policy"],
  stats: JSON.parse(web.get("/stats").body)["redis"], page: web.get("/").body,
)
"""


def test_sidekiq_and_its_dashboard(own_server):
    server = own_server()
    env = dict(os.environ, TEST_REDIS_URL=f"redis://127.0.0.1:{server.port}/0")
    done = subprocess.run(["ruby", "-e", SIDEKIQ], env=env, capture_output=True, text=True,
                          timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    # Sidekiq 8 refuses what is older than 7.0, and any of them warns of other policies.
    assert version_of(told["version"]) >= (7, 0) and told["policy"] == "noeviction"
    assert told["stats"]["redis_version"] == told["version"]
    assert int(told["stats"]["connected_clients"]) >= 1
    assert told["stats"]["uptime_in_days"] == "0"
    for field in ("used_memory_human", "used_memory_peak_human"):
        assert re.fullmatch(r"\d+(\.\d+)?[BKMG]", told["stats"][field])
    assert told["version"] in told["page"]


def test_sidekiq_warns_of_nothing(own_server):
    server = own_server()
    env = dict(os.environ, TEST_REDIS_URL=f"redis://127.0.0.1:{server.port}/0")
    words = ["sidekiq", "-r", os.path.join(HERE, "sidekiq_jobs.rb")]
    worker = subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, cwd=server.dir)
    try:
        client = redis.Redis(port=server.port)
        wait_until(lambda: client.scard("processes") == 1, "it has begun", 30)
        worker.terminate()
        said = worker.communicate(timeout=20)[0]
    finally:
        worker.kill()
        worker.wait()
    assert "Running in" in said
    assert not [line for line in said.splitlines() if "WARN" in line]


# What redis_exporter takes from INFO ALL, as far as a server of version 7 without replicas has it.
EXPORTED = """
    uptime_in_seconds process_id hz configured_hz
    connected_clients blocked_clients tracking_clients maxclients cluster_connections
    clients_in_timeout_table client_recent_max_output_buffer client_recent_max_input_buffer
    allocator_active allocator_allocated allocator_resident allocator_frag_ratio
    allocator_frag_bytes allocator_rss_ratio allocator_rss_bytes
    used_memory used_memory_rss used_memory_peak used_memory_lua used_memory_overhead
    used_memory_startup used_memory_dataset used_memory_scripts maxmemory total_system_memory
    mem_fragmentation_ratio mem_fragmentation_bytes mem_clients_slaves mem_clients_normal
    mem_cluster_links mem_aof_buffer mem_replication_backlog
    mem_not_counted_for_evict lazyfree_pending_objects lazyfreed_objects
    active_defrag_running migrate_cached_sockets active_defrag_hits active_defrag_misses
    active_defrag_key_hits active_defrag_key_misses
    expired_stale_perc expired_time_cap_reached_count expired_keys evicted_keys
    loading async_loading rdb_changes_since_last_save rdb_bgsave_in_progress rdb_last_save_time
    rdb_last_bgsave_status rdb_last_bgsave_time_sec rdb_current_bgsave_time_sec rdb_saves
    rdb_last_cow_size rdb_last_load_keys_expired rdb_last_load_keys_loaded
    aof_enabled aof_rewrite_in_progress aof_rewrite_scheduled aof_last_rewrite_time_sec
    aof_current_rewrite_time_sec aof_last_bgrewrite_status aof_last_write_status aof_last_cow_size
    aof_rewrites module_fork_in_progress module_fork_last_cow_size
    pubsub_channels pubsub_patterns pubsubshard_channels latest_fork_usec total_forks
    total_connections_received total_commands_processed rejected_connections
    total_net_input_bytes total_net_output_bytes total_net_repl_input_bytes
    total_net_repl_output_bytes instantaneous_ops_per_sec
    keyspace_hits keyspace_misses total_reads_processed total_writes_processed
    io_threaded_reads_processed io_threaded_writes_processed
    total_error_replies unexpected_error_replies dump_payload_sanitizations
    total_eviction_exceeded_time current_eviction_exceeded_time
    total_active_defrag_time current_active_defrag_time
    connected_slaves repl_backlog_size repl_backlog_active repl_backlog_first_byte_offset
    repl_backlog_histlen master_repl_offset second_repl_offset
    slave_expires_tracked_keys sync_full sync_partial_ok sync_partial_err
    used_cpu_sys used_cpu_user used_cpu_sys_children used_cpu_user_children
    used_cpu_sys_main_thread used_cpu_user_main_thread cluster_enabled
""".split()
# Of these it makes labels.
LABELS = """role redis_version redis_build_id redis_mode os maxmemory_policy tcp_port run_id
    process_id master_replid""".split()
WORDS = {"ok": 1, "err": 0, "fail": 0}


def lines_of(text):
    """The fields of INFO by section, as they stand there."""
    sections, section = {}, None
    for line in text.split("\r\n"):
        if line.startswith("# "):
            section = sections.setdefault(line[2:], {})
        elif line:
            name, value = line.split(":", 1)
            section[name] = value
    return sections


@pytest.fixture
def scraped(own_server):
    """A server as an exporter finds it, and what it answers to INFO ALL."""
    server = own_server(enable_debug_command="yes")
    client = redis.Redis(port=server.port, protocol=2, decode_responses=True)
    client.client_setname("redis_exporter")
    client.set("key", 1, ex=1000)
    client.hset("hash", "field", 1)
    client.execute_command("CONFIG", "SET", "slowlog-log-slower-than", 0)
    client.get("key")
    with pytest.raises(redis.ResponseError):
        client.lpush("hash", 1)
    client.response_callbacks.clear()
    return client, lines_of(client.execute_command("INFO", "ALL"))


def test_redis_exporter_finds_its_fields(scraped):
    sections = scraped[1]
    fields = {name: value for section in sections.values() for name, value in section.items()}
    assert [name for name in EXPORTED + LABELS if name not in fields] == []
    for name in EXPORTED:
        value = fields[name].removesuffix("%")
        float(WORDS.get(value, value))
    assert all(fields[name] for name in LABELS)
    # It knows sections by their names.
    assert set(sections) >= {"Server", "Clients", "Memory", "Persistence", "Stats", "Replication",
                             "CPU", "Commandstats", "Errorstats", "Latencystats", "Cluster",
                             "Keyspace"}


def test_redis_exporter_reads_counts_by_command_error_and_database(scraped):
    sections = scraped[1]
    number = r"\d+(\.\d+)?"
    for name, value in sections["Commandstats"].items():
        assert re.fullmatch(r"cmdstat_[a-z|_-]+", name)
        assert re.fullmatch(f"calls={number},usec={number},usec_per_call={number},"
                            f"rejected_calls={number},failed_calls={number}", value), value
    assert "failed_calls=1" in sections["Commandstats"]["cmdstat_lpush"]
    for name, value in sections["Latencystats"].items():
        assert name.startswith("latency_percentiles_usec_")
        assert re.fullmatch(f"p50={number},p99={number},p99.9={number}", value)
    assert sections["Errorstats"]["errorstat_WRONGTYPE"] == "count=1"
    assert re.match(r"keys=2,expires=1,avg_ttl=\d+", sections["Keyspace"]["db0"])


def test_redis_exporter_reads_settings(scraped):
    pairs = scraped[0].execute_command("CONFIG", "GET", "*")
    pairs = dict(zip(pairs[::2], pairs[1::2]))
    assert len(pairs) == len(set(pairs)) > 100
    for name in ("databases", "maxmemory", "maxclients", "client-query-buffer-limit"):
        assert int(pairs[name]) >= 0
    limits = pairs["client-output-buffer-limit"].split(" ")
    assert [limits[at] for at in (0, 4, 8)] == ["normal", "slave", "pubsub"]
    assert all(limit.isdigit() for at, limit in enumerate(limits) if at % 4)


def test_redis_exporter_reads_slow_commands_latencies_and_clients(scraped):
    client = scraped[0]
    ask = client.execute_command
    assert ask("SLOWLOG", "LEN") > 0
    entry = ask("SLOWLOG", "GET", 1)[0]
    assert [type(part) for part in entry[:4]] == [int, int, int, list] and len(entry) == 6
    ask("CONFIG", "SET", "latency-monitor-threshold", 1)
    ask("DEBUG", "SLEEP", "0.01")
    name, at_s, last_ms, most_ms = ask("LATENCY", "LATEST")[0]
    assert name == "command" and at_s > 0 and most_ms >= last_ms >= 10
    histograms = ask("LATENCY", "HISTOGRAM")
    calls, count, histogram, buckets = dict(zip(histograms[::2], histograms[1::2]))["get"]
    assert (calls, count, histogram) == ("calls", 1, "histogram_usec")
    assert buckets[-1] == 1 and len(buckets) % 2 == 0
    for line in ask("CLIENT", "LIST").splitlines():
        assert re.match(r"id=\d+ addr=\S+:\d+ ", line)
        pairs = dict(pair.split("=") for pair in line.split(" "))
        assert {"name", "user", "age", "idle", "flags", "db", "omem", "cmd", "resp"} <= set(pairs)
    assert ask("MODULE", "LIST") == []
    assert ask("MEMORY", "USAGE", "key") > 0
