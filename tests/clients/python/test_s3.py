"""Snapshots in a bucket: moto's server stands for S3."""

import contextlib
import os
import socket
import subprocess
import sys
import threading

import boto3
import pytest
import redis
from botocore.config import Config
from conftest import servers, wait_until

pytestmark = pytest.mark.skipif(servers.is_redis(servers.DARNER), reason="Redis has no buckets")

BUCKET = "snapshots"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "secret",
               "AWS_REGION": "us-east-1"}
# The smallest part of an upload.
PART = 8 << 20


class Bucket:
    """A moto server with one bucket. With `checks` it wants the credentials that it gives out; with
    `tls`, a folder, it speaks TLS and its certificate is there."""

    def __init__(self, checks=False, tls=None):
        self.port = servers.free_port()
        self.certificate = tls and make_certificate(tls)
        self.env = dict(CREDENTIALS)
        self.checks = checks

    def __enter__(self):
        # Nothing is checked for making a user and the bucket.
        env = dict(os.environ, **({"INITIAL_NO_AUTH_ACTION_COUNT": "4"} if self.checks else {}))
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        if self.certificate:
            command += ["-s", "-c", self.certificate, "-k", self.certificate]
        self.process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        wait_until(lambda: is_listening(self.port), "moto listens", limit=30)
        if self.checks:
            self.make_user()
        self.s3 = self.client("s3")
        self.s3.create_bucket(Bucket=BUCKET)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def make_user(self):
        iam = self.client("iam")
        iam.create_user(UserName="user")
        key = iam.create_access_key(UserName="user")["AccessKey"]
        everything = ('{"Version": "2012-10-17", "Statement": '
                      '[{"Effect": "Allow", "Action": "*", "Resource": "*"}]}')
        iam.put_user_policy(UserName="user", PolicyName="all", PolicyDocument=everything)
        self.env.update(AWS_ACCESS_KEY_ID=key["AccessKeyId"],
                        AWS_SECRET_ACCESS_KEY=key["SecretAccessKey"])

    def take_key_back(self):
        iam = self.client("iam")
        iam.delete_access_key(UserName="user", AccessKeyId=self.env["AWS_ACCESS_KEY_ID"])

    def client(self, service):
        scheme = "https" if self.certificate else "http"
        return boto3.client(service, endpoint_url=f"{scheme}://127.0.0.1:{self.port}",
                            verify=self.certificate,
                            aws_access_key_id=self.env["AWS_ACCESS_KEY_ID"],
                            aws_secret_access_key=self.env["AWS_SECRET_ACCESS_KEY"],
                            region_name="us-east-1",
                            config=Config(retries={"total_max_attempts": 1}))

    def names(self):
        listed = self.s3.list_objects_v2(Bucket=BUCKET)
        return [item["Key"] for item in listed.get("Contents", [])]

    def body(self, name):
        return self.s3.get_object(Bucket=BUCKET, Key=name)["Body"].read()

    def uploads(self):
        return self.s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])


def make_certificate(folder):
    """One that vouches for itself, and its key."""
    path = os.path.join(folder, "certificate.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-addext", "basicConstraints=critical,CA:FALSE",
                    "-keyout", path, "-out", path + ".crt"], check=True, capture_output=True)
    with open(path, "a", encoding="ascii") as both:
        both.write(open(path + ".crt", encoding="ascii").read())
    return path


def is_listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def moto():
    with Bucket() as started:
        yield started


@pytest.fixture
def bucket(moto):
    """An empty bucket."""
    for name in moto.names():
        moto.s3.delete_object(Bucket=BUCKET, Key=name)
    return moto


@pytest.fixture
def in_bucket():
    """Starts servers whose snapshots go to a bucket."""
    started = []

    def start(bucket, env=None, port=None, **options):
        options = {"dir": f"s3://{BUCKET}/some/where", "s3_use_https": "false",
                   "s3_endpoint": f"127.0.0.1:{port or bucket.port}", **options}
        server = servers.Server(options=options, env=env or bucket.env)
        started.append(server)
        return server

    yield start
    for server in started:
        server.close()


def connect(server):
    client = redis.Redis(port=server.port)
    wait_until(lambda: client.info("persistence")["loading"] == 0, "the snapshot is loaded")
    return client


def fill(client, megabytes):
    """Values that nothing makes smaller."""
    for number in range(megabytes):
        client.set(f"large{number}", os.urandom(1 << 20))


def refusal(server):
    """What a start that is refused says."""
    done = subprocess.run(server.command(), capture_output=True, text=True, timeout=30,
                          env=server.env, check=False)
    assert done.returncode == 1
    return done.stdout + done.stderr


@pytest.mark.parametrize("mode", [1, 2, 3])
def test_what_is_saved_comes_back(bucket, in_bucket, mode):
    server = in_bucket(bucket, compression_mode=mode).start()
    client = connect(server)
    client.set("key", "value")
    fill(client, 2 * PART >> 20)
    before = client.execute_command("DEBUG", "DIGEST")
    assert client.save()
    assert bucket.names() == ["some/where/dump.rdb"]
    assert (bucket.body("some/where/dump.rdb")[:5] == b"REDIS") == (mode == 1)
    assert not os.path.exists(os.path.join(server.dir, "s3:"))
    client.set("lost", 1)
    server.stop()
    client = connect(server.start())
    assert client.execute_command("DEBUG", "DIGEST") == before
    assert client.info("persistence")["rdb_last_load_keys_loaded"] == client.dbsize()
    client.shutdown(save=True)
    server.process.wait(10)
    assert not bucket.uploads()


def test_an_empty_bucket_starts_empty(bucket, in_bucket):
    assert connect(in_bucket(bucket).start()).dbsize() == 0


def test_retention(bucket, in_bucket):
    server = in_bucket(bucket, dbfilename="dump-{timestamp}", snapshot_keep=2).start()
    bucket.s3.put_object(Bucket=BUCKET, Key="some/where/else.rdb", Body=b"not ours")
    client = connect(server)
    for number in range(4):
        client.set("key", number)
        client.save()
        saved_s = client.lastsave().timestamp()
        wait_until(lambda: client.time()[0] > saved_s, "a second ends")
    wait_until(lambda: len(bucket.names()) == 3, "old ones are removed")
    assert "some/where/else.rdb" in bucket.names()
    server.stop()
    assert connect(server.start()).get("key") == b"3"


def test_wrong_credentials_are_told_and_the_server_goes_on(in_bucket):
    with Bucket(checks=True) as bucket:
        right = in_bucket(bucket, save="3600 1").start()
        client = connect(right)
        client.set("key", 1)
        assert client.save() and bucket.names() == ["some/where/dump.rdb"]
        right.stop()
        # Not to know what there is must not look like an empty start.
        wrong = dict(bucket.env, AWS_SECRET_ACCESS_KEY="wrong")
        assert "403" in refusal(in_bucket(bucket, env=wrong))
        client = connect(right.start())
        bucket.take_key_back()
        with pytest.raises(redis.ResponseError):
            client.save()
        with pytest.raises(redis.ResponseError, match="^MISCONF"):
            client.set("key", 2)
        assert client.get("key") == b"1"
        assert "403" in right.log_tail()
        client.shutdown(nosave=True)


def test_tls(tmp_path, in_bucket):
    with Bucket(tls=tmp_path) as bucket:
        trusting = dict(bucket.env, SSL_CERT_FILE=bucket.certificate)
        server = in_bucket(bucket, env=trusting, s3_use_https="true").start()
        client = connect(server)
        client.set("key", 1)
        assert client.save() and bucket.names() == ["some/where/dump.rdb"]
        stranger = in_bucket(bucket, s3_use_https="true")
        assert "certificate" in refusal(stranger)


def test_no_credentials_are_told(bucket, in_bucket):
    server = in_bucket(bucket)
    server.env = {name: value for name, value in server.env.items()
                  if not name.startswith("AWS_")}
    assert "AWS_ACCESS_KEY_ID" in refusal(server)


class Proxy:
    """Hands bytes on to a port until it has had enough, then refuses all."""

    def __init__(self, port):
        self.target = port
        self.left = None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            if self.left is not None and self.left <= 0:
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self.target))
            for ends in ((client, server, True), (server, client, False)):
                threading.Thread(target=self.pump, args=ends, daemon=True).start()

    def pump(self, source, sink, counts):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if counts and self.left is not None:
                    self.left -= len(data)
                    if self.left <= 0:
                        break
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def test_a_cut_upload_leaves_the_one_before(bucket, in_bucket):
    proxy = Proxy(bucket.port)
    server = in_bucket(bucket, port=proxy.port, save="3600 1").start()
    client = connect(server)
    client.set("key", 1)
    client.save()
    before = bucket.body("some/where/dump.rdb")
    fill(client, 3 * PART >> 20)
    proxy.left = PART + PART // 2
    client.bgsave()
    wait_until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err",
               "the save has failed", limit=50)
    with pytest.raises(redis.ResponseError, match="^MISCONF"):
        client.set("key", 2)
    assert client.get("key") == b"1"
    assert bucket.body("some/where/dump.rdb") == before
    proxy.left = None
    assert client.save()
    client.set("key", 2)
    assert len(bucket.body("some/where/dump.rdb")) > 3 * PART


@pytest.mark.parametrize("command", ["SAVE", "BGSAVE"])
def test_a_save_that_fails_late_ends(bucket, in_bucket, command):
    proxy = Proxy(bucket.port)
    server = in_bucket(bucket, port=proxy.port).start()
    client = connect(server)
    fill(client, 3 * PART >> 20)
    # Until this is noticed more has piled up than is kept waiting.
    proxy.left = 0
    with contextlib.suppress(redis.ResponseError):
        client.execute_command(command)
    wait_until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err",
               "the save has failed", limit=50)
    proxy.left = None
    assert client.save()


def test_a_snapshot_that_does_not_come_whole_is_refused(bucket, in_bucket):
    server = in_bucket(bucket).start()
    client = connect(server)
    fill(client, 3)
    client.save()
    server.stop()
    body = bucket.body("some/where/dump.rdb")
    bucket.s3.put_object(Bucket=BUCKET, Key="some/where/dump.rdb", Body=body[:-1000])
    said = refusal(server)
    assert "s3://snapshots/some/where/dump.rdb is broken or not whole" in said


def test_what_does_not_go_together_is_refused(bucket, in_bucket):
    said = refusal(in_bucket(bucket, appendonly="yes"))
    assert "append-only file" in said and "s3://snapshots/some/where/" in said
    assert "gs://b" in refusal(in_bucket(bucket, dir="gs://b/x"))


def test_an_append_only_file_is_not_begun_beside_a_bucket(bucket, in_bucket):
    server = in_bucket(bucket).start()
    client = connect(server)
    client.config_set("appendonly", "yes")
    wait_until(lambda: client.info("persistence")["aof_last_bgrewrite_status"] == "err",
               "it is refused")
    assert os.listdir(server.dir) == ["server.log"]
