// ioredis's basic use: commands, pipelines, transactions, reconnection.
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, beforeEach, test } from "node:test";
import Redis from "ioredis";
import { startServer } from "./server.js";

let server;
let redis;

before(async () => {
  server = await startServer();
  redis = new Redis({ port: server.port, host: "127.0.0.1" });
});

after(async () => {
  redis.disconnect();
  await server.stop();
});

beforeEach(() => redis.flushall());

test("set and get", async () => {
  assert.equal(await redis.set("key", "value"), "OK");
  assert.equal(await redis.get("key"), "value");
  assert.equal(await redis.get("absent"), null);
  assert.equal(await redis.set("key", "2", "NX"), null);
  assert.equal(await redis.set("key", "2", "XX", "GET"), "value");
  assert.equal(await redis.getdel("key"), "2");
});

test("binary values", async () => {
  const value = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  await redis.set("key", value);
  assert.deepEqual(await redis.getBuffer("key"), value);
});

test("a value of 8 MB", async () => {
  const value = "0123456789abcdef".repeat(512 * 1024);
  await redis.set("big", value);
  assert.equal(await redis.get("big"), value);
});

test("numbers", async () => {
  assert.equal(await redis.incr("n"), 1);
  assert.equal(await redis.incrby("n", 41), 42);
  assert.equal(await redis.incrbyfloat("f", 0.5), "0.5");
  await assert.rejects(redis.set("text", "x").then(() => redis.incr("text")), /not an integer/);
});

test("mset and mget", async () => {
  await redis.mset({ a: 1, b: 2 });
  assert.deepEqual(await redis.mget("a", "absent", "b"), ["1", null, "2"]);
});

test("expiry", async () => {
  await redis.set("key", "value", "PX", 60);
  assert.ok((await redis.pttl("key")) > 0);
  while ((await redis.get("key")) !== null);
  assert.equal(await redis.ttl("key"), -2);
  await redis.set("key", 1, "EX", 100);
  assert.equal(await redis.persist("key"), 1);
});

test("commands sent at once come back in order", async () => {
  const numbers = Array.from({ length: 5000 }, (_, i) => `${i}`);
  numbers.forEach((i) => redis.set(`key:${i}`, i));
  assert.deepEqual(await Promise.all(numbers.map((i) => redis.get(`key:${i}`))), numbers);
});

test("pipeline", async () => {
  const replies = await redis.pipeline().set("text", "x").incr("text").get("text").exec();
  assert.deepEqual(replies[0], [null, "OK"]);
  assert.match(replies[1][0].message, /not an integer/);
  assert.deepEqual(replies[2], [null, "x"]);
});

test("automatic pipelining", async () => {
  const client = new Redis({ port: server.port, enableAutoPipelining: true });
  const replies = await Promise.all(Array.from({ length: 1000 }, () => client.incr("n")));
  assert.equal(replies.at(-1), 1000);
  client.disconnect();
});

test("multi", async () => {
  const replies = await redis.multi().set("a", 1).incr("a").get("a").exec();
  assert.deepEqual(replies, [[null, "OK"], [null, 2], [null, "2"]]);
});

test("watch", async () => {
  const other = redis.duplicate();
  await redis.watch("key");
  await other.set("key", "changed");
  assert.equal(await redis.multi().set("key", "mine").exec(), null);
  assert.equal(await redis.get("key"), "changed");
  other.disconnect();
});

test("scan stream", async () => {
  const pipeline = redis.pipeline();
  for (let i = 0; i < 3000; i++) pipeline.set(`key:${i}`, i);
  await pipeline.exec();
  const seen = new Set();
  for await (const keys of redis.scanStream({ match: "key:*", count: 100 })) {
    keys.forEach((key) => seen.add(key));
  }
  assert.equal(seen.size, 3000);
});

test("key prefix and database", async () => {
  const client = new Redis({ port: server.port, keyPrefix: "app:", db: 3 });
  await client.set("key", 1);
  assert.equal(await redis.exists("app:key"), 0);
  await redis.select(3);
  assert.equal(await redis.get("app:key"), "1");
  await redis.select(0);
  client.disconnect();
});

test("ready check reads INFO", async () => {
  const client = new Redis({ port: server.port, enableReadyCheck: true, lazyConnect: true });
  await client.connect();
  assert.equal(client.status, "ready");
  assert.match(await client.info("server"), /redis_version:/);
  client.disconnect();
});

test("reconnects after its connection is killed", async () => {
  const client = new Redis({ port: server.port, retryStrategy: () => 5, connectionName: "victim" });
  await client.ping();
  const closed = once(client, "close");
  assert.equal(await redis.client("KILL", "ID", await client.client("ID")), 1);
  await closed;
  assert.equal(await client.ping(), "PONG");
  client.disconnect();
});

test("reconnects when the server comes back, and sends what was waiting", async () => {
  let own = await startServer();
  const client = new Redis({ port: own.port, retryStrategy: () => 5 });
  client.on("error", () => {});
  await client.set("key", 1);
  const closed = once(client, "close");
  await own.stop();
  await closed;
  const waiting = client.set("key", 2);
  own = await startServer({ port: own.port });
  assert.equal(await waiting, "OK");
  assert.equal(await client.get("key"), "2");
  client.disconnect();
  await own.stop();
});

test("password", async () => {
  const own = await startServer({ requirepass: "secret" });
  const client = new Redis({ port: own.port, password: "secret" });
  assert.equal(await client.ping(), "PONG");
  const stranger = new Redis({ port: own.port, enableReadyCheck: false, retryStrategy: null });
  stranger.on("error", () => {});
  await assert.rejects(stranger.get("key"), /NOAUTH/);
  stranger.disconnect();
  client.disconnect();
  await own.stop();
});

test("monitor", async () => {
  const monitor = await redis.monitor();
  const seen = new Promise((resolve) => {
    monitor.on("monitor", (_, words) => words[0].toLowerCase() === "echo" && resolve(words));
  });
  await redis.echo("hello");
  assert.deepEqual(await seen, ["echo", "hello"]);
  monitor.disconnect();
});

test("commands that are defined as scripts", async () => {
  redis.defineCommand("addTwice", {
    numberOfKeys: 1,
    lua: "redis.call('INCRBY', KEYS[1], ARGV[1]) return redis.call('INCRBY', KEYS[1], ARGV[1])",
  });
  assert.equal(await redis.addTwice("n", 2), 4);
  assert.equal(await redis.addTwice("n", 3), 10);
  await redis.script("FLUSH");
  assert.equal(await redis.addTwice("n", 1), 12);
  const replies = await redis.pipeline().addTwice("n", 1).get("n").exec();
  assert.deepEqual(replies, [[null, 14], [null, "14"]]);
});
