"""INFO, CONFIG, COMMAND and the other server commands, as clients and exporters read them."""

import signal
import socket
import subprocess
import threading
import time

import pytest
import redis

from conftest import servers, wait_until

SECTIONS = {
    "server": ["redis_version", "redis_mode", "os", "arch_bits", "process_id", "run_id", "tcp_port",
               "uptime_in_seconds", "uptime_in_days", "hz", "executable", "config_file"],
    "clients": ["connected_clients", "maxclients", "blocked_clients", "tracking_clients",
                "client_recent_max_input_buffer", "client_recent_max_output_buffer"],
    "memory": ["used_memory", "used_memory_human", "used_memory_rss", "used_memory_peak",
               "maxmemory", "maxmemory_policy", "mem_fragmentation_ratio", "mem_allocator",
               "total_system_memory", "used_memory_lua", "lazyfree_pending_objects"],
    "persistence": ["loading", "rdb_changes_since_last_save", "rdb_bgsave_in_progress",
                    "rdb_last_save_time", "aof_enabled"],
    "stats": ["total_connections_received", "total_commands_processed", "keyspace_hits",
              "instantaneous_ops_per_sec", "total_net_input_bytes", "total_net_output_bytes",
              "rejected_connections", "expired_keys", "evicted_keys", "keyspace_misses",
              "pubsub_channels", "total_error_replies"],
    "replication": ["role", "connected_slaves", "master_replid", "master_repl_offset"],
    "cpu": ["used_cpu_sys", "used_cpu_user"],
    "cluster": ["cluster_enabled"],
}


@pytest.mark.parametrize("section", SECTIONS)
def test_info_section(db, section):
    info = db.info(section)
    assert [field for field in SECTIONS[section] if field not in info] == []


def test_info_of_everything(db):
    db.set("a", 1, ex=100)
    db.set("b", 1)
    db.get("b")
    info = db.info("everything")
    assert info["role"] == "master" and info["cmdstat_get"]["calls"] >= 1
    assert info["db0"]["keys"] == 2 and info["db0"]["expires"] == 1
    assert info["used_memory"] > 0 and info["redis_mode"] == "standalone"
    assert "db0" in db.info() and "cmdstat_get" not in db.info()


def test_info_counts_hits_and_misses(db):
    db.config_resetstat()
    db.set("key", 1)
    for _ in range(3):
        db.get("key")
    db.get("absent")
    stats = db.info("stats")
    assert stats["keyspace_hits"] == 3 and stats["keyspace_misses"] == 1


def test_config(db):
    old = db.config_get("slowlog-max-len")["slowlog-max-len"]
    assert db.config_set("slowlog-max-len", 77)
    assert db.config_get("slowlog-max-*") == {"slowlog-max-len": "77"}
    assert db.config_set("slowlog-max-len", old)
    several = db.config_get("maxmemory", "maxclients")
    assert set(several) == {"maxmemory", "maxclients"}
    with pytest.raises(redis.ResponseError, match="Unknown option|no such configuration"):
        db.config_set("no-such-thing", 1)
    with pytest.raises(redis.ResponseError, match="CONFIG SET failed"):
        db.config_set("maxmemory", "much")


def test_command_introspection(db):
    assert db.command_count() > 100
    assert set(db.command_list(category="bitmap")) >= {"setbit", "getbit", "bitcount"}
    assert db.command_getkeys("MSET", "a", "1", "b", "2") == ["a", "b"]
    assert "get" in str(db.execute_command("COMMAND", "INFO", "get"))


def test_command_info_of_what_is_not_there(server):
    with socket.create_connection(("127.0.0.1", server.port)) as conn:
        conn.sendall(b"COMMAND INFO nosuch\r\n")
        assert conn.recv(100) == b"*1\r\n$-1\r\n"  # not *-1, which is for arrays


def test_port_and_addresses_change_while_it_runs(own_server):
    server = own_server()
    client = redis.Redis(port=server.port)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(redis.ResponseError, match="Unable to listen on this port"):
            client.config_set("port", taken.getsockname()[1])
    assert redis.Redis(port=server.port).ping()
    with pytest.raises(redis.ResponseError, match="Failed to bind to specified addresses"):
        client.config_set("bind", "999.999.999.999")
    client.config_set("bind", "127.0.0.1 127.0.0.2")
    assert redis.Redis(host="127.0.0.2", port=server.port).ping()
    client.config_set("bind", "")
    with pytest.raises(redis.ConnectionError):
        redis.Redis(port=server.port).ping()
    assert client.ping(), "who is connected stays so"


def test_log_and_pidfile(own_server, tmp_path):
    log, pidfile = tmp_path / "log", tmp_path / "pid"
    server = own_server(logfile=log, pidfile=pidfile)
    wait_until(lambda: "Ready to accept connections" in log.read_text(), "it says so")
    assert int(pidfile.read_text()) == server.pid
    assert server.log_tail() == ""
    server.stop()
    assert not pidfile.exists()
    log.unlink()
    quiet = own_server(logfile=log, loglevel="warning", enable_debug_command="yes")
    redis.Redis(port=quiet.port).execute_command("DEBUG", "LOG", "hello")
    assert "DEBUG LOG: hello" in log.read_text()
    assert "Ready to accept connections" not in log.read_text()


def test_renamed_commands(own_server):
    client = redis.Redis(port=own_server(rename_command="FLUSHALL=sesame").port)
    client.set("key", 1)
    with pytest.raises(redis.ResponseError, match="unknown command 'FLUSHALL'"):
        client.flushall()
    assert client.execute_command("SESAME") and client.dbsize() == 0
    with pytest.raises(servers.ServerError, match="rename-command NOSUCH"):
        own_server(rename_command="NOSUCH=x")


@pytest.mark.parametrize("flags", [{"tls": "yes"}, {"tls_port": 7000}, {"aclfile": "users"}])
def test_what_would_be_unsafe_to_ignore_is_refused(own_server, flags):
    with pytest.raises(servers.ServerError, match="unsafe to go on without"):
        own_server(**flags)


def test_in_the_background(tmp_path):
    pidfile = tmp_path / "pid"
    server = servers.Server(options={"daemonize": "yes", "pidfile": pidfile})
    try:
        subprocess.run(server.command(), check=True, cwd=server.dir, timeout=10)
        wait_until(lambda: servers.ping(server.port), "it serves")
        client = redis.Redis(port=server.port)
        assert client.info("server")["process_id"] == int(pidfile.read_text())
        client.shutdown(nosave=True)
        wait_until(lambda: not pidfile.exists(), "it is gone")
    finally:
        server.close()


def test_time_echo_dbsize(db):
    seconds, micros = db.time()
    assert abs(seconds - time.time()) < 5 and 0 <= micros < 1_000_000
    assert db.echo("hello") == "hello" and db.ping()
    db.mset({"a": 1, "b": 2})
    assert db.dbsize() == 2
    assert "ver" in str(db.execute_command("LOLWUT")).lower()


def test_slowlog(db):
    db.config_set("slowlog-log-slower-than", 0)
    db.slowlog_reset()
    db.set("key", "value")
    assert db.slowlog_len() >= 1
    assert any("SET key value" in str(entry["command"]) for entry in db.slowlog_get(10))
    db.config_set("slowlog-log-slower-than", 10_000)
    assert db.slowlog_reset()


def test_memory_usage(db):
    db.set("small", "x")
    db.set("big", "x" * 100_000)
    assert 1 <= db.memory_usage("small") < 200
    assert 100_000 <= db.memory_usage("big") < 150_000
    assert db.memory_usage("absent") is None


def test_memory_stats_add_up(own_server):
    with redis.Redis(port=own_server(proactor_threads=1).port) as client:
        client.eval("return 1", 0)
        client.function_load("#!lua name=lib\nredis.register_function('f', function() end)")
        for number in range(20_000):
            client.set(f"key:{number}", "x" * 100)
        stats, info = client.memory_stats(), client.info("memory")
        assert stats["keys.count"] == 20_000
        assert 110 < stats["keys.bytes-per-key"] < 160
        assert stats["dataset.bytes"] + stats["overhead.total"] == stats["total.allocated"]
        parts = ["startup.allocated", "clients.normal", "aof.buffer", "lua.caches",
                 "functions.caches"]
        overhead = sum(stats[part] for part in parts) + info["mem_not_counted_for_evict"]
        overhead += stats["db.0"]["overhead.hashtable.main"]
        assert abs(stats["overhead.total"] - overhead) < 10_000
        assert stats["lua.caches"] > 30_000 and stats["functions.caches"] > 50
        assert stats["clients.normal"] > 500
        assert abs(info["used_memory_overhead"] - stats["overhead.total"]) < 10_000
        assert info["used_memory_functions"] == stats["functions.caches"]
        # The names that Redis 7.0 has.
        for name in ["peak.allocated", "replication.backlog", "clients.slaves", "cluster.links",
                     "dataset.percentage", "peak.percentage", "allocator.allocated",
                     "allocator.active", "allocator.resident", "allocator-fragmentation.ratio",
                     "allocator-fragmentation.bytes", "allocator-rss.ratio",
                     "allocator-rss.bytes", "rss-overhead.ratio", "rss-overhead.bytes",
                     "fragmentation", "fragmentation.bytes"]:
            assert name in stats, name


def test_the_memory_doctor(own_server):
    with redis.Redis(port=own_server(proactor_threads=1).port) as client:
        def doctor():
            return client.execute_command("MEMORY DOCTOR").decode()

        assert "next to nothing" in doctor()
        client.set("large", "x" * 50_000_000)
        for number in range(1001):
            client.script_load(f"return {number}")
        assert "Scripts: " in doctor() and "Peak: " not in doctor()
        client.delete("large")
        client.set("small", "x" * 10_000_000)
        assert "Peak: " in doctor()


def test_used_memory_follows(db):
    before = db.info("memory")["used_memory"]
    db.set("big", "x" * 10_000_000)
    assert db.info("memory")["used_memory"] >= before + 9_000_000
    db.delete("big")
    wait_until(lambda: db.info("memory")["used_memory"] < before + 5_000_000, "it comes back")


def test_the_memory_limit_follows_the_machine(own_server):
    with redis.Redis(port=own_server().port) as client:
        memory = client.info("memory")
        share = memory["maxmemory"] / memory["total_system_memory"]
        assert 0 < share < 0.81
        assert client.config_get("maxmemory")["maxmemory"] == str(memory["maxmemory"])
    with redis.Redis(port=own_server(maxmemory=0).port) as client:
        assert client.info("memory")["maxmemory"] == 0


def test_maxmemory_refuses_writes(own_server):
    client = redis.Redis(port=own_server().port)
    client.set("key", 1)
    client.config_set("maxmemory", 1)
    client.config_set("maxmemory-policy", "noeviction")
    with pytest.raises(redis.ResponseError, match="command not allowed when used memory"):
        client.set("key", 2)
    assert client.get("key") == b"1" and client.delete("key") == 1
    client.config_set("maxmemory", 0)
    assert client.set("key", 2)


def test_monitor(db, connect):
    seen = []
    watcher = connect(decode_responses=True)
    with watcher.monitor() as monitor:
        def listen():
            for command in monitor.listen():
                seen.append(command["command"])
                if "last" in command["command"]:
                    return

        thread = threading.Thread(target=listen)
        thread.start()
        db.set("key", "some value")
        db.echo("last")
        thread.join(10)
    assert any(c.lower().startswith("set key") for c in seen)


def test_latency(db):
    assert db.execute_command("LATENCY", "RESET") >= 0
    assert db.execute_command("LATENCY", "LATEST") == []
    db.set("key", 1)
    assert "set" in str(db.execute_command("LATENCY", "HISTOGRAM", "set"))


def test_wait_without_replicas(db):
    db.set("key", 1)
    assert db.execute_command("WAIT", 0, 10) == 0
    assert db.execute_command("WAIT", 1, 10) == 0


def test_unknown_command(db):
    with pytest.raises(redis.ResponseError, match="unknown command 'NOSUCH'"):
        db.execute_command("NOSUCH", "a", "b")
    with pytest.raises(redis.ResponseError, match="unknown subcommand 'NOSUCH'"):
        db.execute_command("CLIENT", "NOSUCH")


def test_shutdown_ends_the_process(own_server):
    server = own_server()
    with socket.create_connection(("127.0.0.1", server.port)) as conn:
        conn.sendall(b"SET key value\r\nSHUTDOWN NOSAVE\r\n")
        assert conn.makefile("rb").read() in (b"", b"+OK\r\n")
    assert server.process.wait(10) == 0


def test_a_fault_ends_the_process_and_is_told(own_server, tmp_path):
    log = tmp_path / "log"
    server = own_server(logfile=log, proactor_threads=2, appendonly="yes", appendfsync="always",
                        enable_debug_command="yes")
    # One on each thread.
    clients = [redis.Redis(port=server.port, single_connection_client=True) for _ in range(2)]
    assert clients[0].set("key", "value")
    with pytest.raises(redis.ConnectionError):
        clients[1].execute_command("DEBUG", "PANIC")
    assert server.process.wait(10) == -signal.SIGABRT
    text = log.read_text()
    assert "called by DEBUG PANIC" in text and "fault of Darner" in text
    server.start()
    assert redis.Redis(port=server.port).get("key") == b"value"


def test_how_ready_the_kernel_is_to_kill_it(own_server):
    def score(server):
        with open(f"/proc/{server.pid}/oom_score_adj", encoding="ascii") as file:
            return int(file.read())

    server = own_server()
    client = redis.Redis(port=server.port)
    base = score(server)
    client.config_set("oom-score-adj-values", "10 20 30")
    assert score(server) == base
    client.config_set("oom-score-adj", "yes")
    assert score(server) == base + 10
    client.config_set("oom-score-adj-values", "15 20 30")
    assert score(server) == base + 15
    client.config_set("oom-score-adj", "absolute")
    assert score(server) == 15
    client.config_set("oom-score-adj", "no")
    assert score(server) == base
    assert score(own_server(oom_score_adj="absolute", oom_score_adj_values="17 0 0")) == 17


def test_sigterm_ends_the_process(own_server):
    server = own_server()
    assert server.stop() == 0
