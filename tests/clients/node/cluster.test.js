// A cluster of one node (--cluster_mode=emulated) for ioredis's Cluster and node-redis's
// createCluster. With redis-server there, it is made the only node of a real cluster.
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import Redis, { Cluster } from "ioredis";
import { createCluster } from "redis";
import { binary, startServer } from "./server.js";

const isRedis = /redis|valkey/.test(binary);

let server;
let plain;

before(async () => {
  server = await startServer(isRedis ? { "cluster-enabled": "yes" } : { cluster_mode: "emulated" });
  plain = new Redis({ port: server.port, host: "127.0.0.1" });
  if (isRedis) {
    await plain.cluster("ADDSLOTSRANGE", 0, 16383);
    while (!(await plain.cluster("INFO")).includes("cluster_state:ok"));
  }
});

after(async () => {
  plain.disconnect();
  await server.stop();
});

beforeEach(() => plain.flushall());

describe("ioredis", () => {
  let cluster;

  beforeEach(async () => {
    cluster = new Cluster([{ host: "127.0.0.1", port: server.port }]);
    await once(cluster, "ready");
  });

  afterEach(() => cluster.disconnect());

  test("finds the node and its slots", async () => {
    const address = `127.0.0.1:${server.port}`;
    const addressOf = ({ options }) => `${options.host}:${options.port}`;
    assert.deepEqual(cluster.nodes("master").map(addressOf), [address]);
    assert.equal(new Set(cluster.slots.flat()).size, 1);
    assert.equal(cluster.slots.length, 16384);
    assert.equal(await cluster.set("key", "value"), "OK");
    assert.equal(await cluster.get("key"), "value");
  });

  test("pipelines", async () => {
    const pipeline = cluster.pipeline();
    for (let number = 0; number < 50; number++) pipeline.incrby(`{p}:${number}`, number);
    const replies = await pipeline.exec();
    assert.deepEqual(replies.map(([error, value]) => error ?? value), [...Array(50).keys()]);
  });

  test("transactions", async () => {
    const replies = await cluster.multi().set("{t}a", 1).incr("{t}a").lpush("{t}b", "x").exec();
    assert.deepEqual(replies, [[null, "OK"], [null, 2], [null, 1]]);
  });

  test("scripts", async () => {
    cluster.defineCommand("twice", {
      numberOfKeys: 2,
      lua: "redis.call('INCR', KEYS[1]) return redis.call('INCRBY', KEYS[2], ARGV[1] * 2)",
    });
    assert.equal(await cluster.twice("{s}a", "{s}n", 4), 8);
    assert.equal(await cluster.twice("{s}a", "{s}n", 4), 16);
    assert.equal(await cluster.get("{s}a"), "2");
  });

  test("SCAN of every node", async () => {
    for (let number = 0; number < 100; number++) await cluster.set(`key:${number}`, number);
    const found = new Set();
    for (const node of cluster.nodes("master")) {
      for await (const keys of node.scanStream({ count: 7 })) keys.forEach((key) => found.add(key));
    }
    assert.equal(found.size, 100);
  });

  test("channels", async () => {
    assert.equal(await cluster.subscribe("news"), 1);
    const message = once(cluster, "message");
    assert.equal(await plain.publish("news", "text"), 1);
    assert.deepEqual(await message, ["news", "text"]);
  });

  test("shard channels", async () => {
    const listener = new Cluster([{ host: "127.0.0.1", port: server.port }], {
      shardedSubscribers: true,
    });
    await once(listener, "ready");
    await listener.ssubscribe("news");
    const message = once(listener, "smessage");
    assert.equal(await cluster.spublish("news", "text"), 1);
    assert.deepEqual((await message).slice(0, 2), ["news", "text"]);
    listener.disconnect();
  });

  test("reads from replicas", async () => {
    const reader = new Cluster([{ host: "127.0.0.1", port: server.port }], { scaleReads: "all" });
    await reader.set("key", "value");
    assert.equal(await reader.get("key"), "value");
    reader.disconnect();
  });

  test("keys of several slots", { skip: isRedis }, async () => {
    await cluster.mset("a", 1, "b", 2);
    assert.deepEqual(await cluster.mget("a", "b"), ["1", "2"]);
  });
});

describe("node-redis", () => {
  let cluster;

  beforeEach(async () => {
    cluster = createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${server.port}` }] });
    await cluster.connect();
  });

  afterEach(() => cluster.destroy());

  test("finds the node and its slots", async () => {
    assert.deepEqual(cluster.masters.map((node) => node.port), [server.port]);
    assert.equal(cluster.replicas.length, 0);
    assert.equal(await cluster.set("key", "value"), "OK");
    assert.equal(await cluster.get("key"), "value");
  });

  test("many commands at once", async () => {
    const numbers = [...Array(50).keys()];
    const replies = await Promise.all(numbers.map((n) => cluster.incrBy(`key:${n}`, n)));
    assert.deepEqual(replies, numbers);
  });

  test("transactions", async () => {
    const replies = await cluster.multi().set("{t}a", "1").incr("{t}a").exec();
    assert.deepEqual(replies, ["OK", 2]);
  });

  test("scripts", async () => {
    const script = "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('INCR', KEYS[2])";
    const options = { keys: ["{s}a", "{s}n"], arguments: ["value"] };
    assert.equal(await cluster.eval(script, options), 1);
    assert.equal(await cluster.get("{s}a"), "value");
  });

  test("SCAN of every node", async () => {
    for (let number = 0; number < 100; number++) await cluster.set(`key:${number}`, "x");
    const found = new Set();
    for (const master of cluster.masters) {
      const client = await cluster.nodeClient(master);
      for await (const keys of client.scanIterator()) keys.forEach((key) => found.add(key));
    }
    assert.equal(found.size, 100);
  });

  test("channels", async () => {
    const heard = new Promise((resolve) => {
      cluster.subscribe("news", (text, channel) => resolve([channel, text])).then(() =>
        plain.publish("news", "text"));
    });
    assert.deepEqual(await heard, ["news", "text"]);
    await cluster.unsubscribe("news");
  });

  test("shard channels", async () => {
    const heard = new Promise((resolve) => {
      cluster.sSubscribe("news", (text, channel) => resolve([channel, text])).then(() =>
        cluster.sPublish("news", "text"));
    });
    assert.deepEqual(await heard, ["news", "text"]);
    await cluster.sUnsubscribe("news");
  });
});
