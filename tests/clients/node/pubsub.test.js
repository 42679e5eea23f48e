// Publish and subscribe, keyspace notifications and client-side caching, with ioredis and
// node-redis.
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import Redis from "ioredis";
import { BasicClientSideCache, createClient } from "redis";
import { binary, startServer } from "./server.js";

// node-redis caches with servers that say they are Redis 7.4 or later.
const isRedis7 = /redis|valkey/.test(binary);

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

/** The next `count` events of this name, each as the list of its arguments. */
function heard(emitter, name, count) {
  return new Promise((resolve) => {
    const found = [];
    emitter.on(name, function listener(...args) {
      found.push(args);
      if (found.length === count) {
        emitter.off(name, listener);
        resolve(found);
      }
    });
  });
}

describe("ioredis", () => {
  let listener;

  beforeEach(async () => {
    listener = redis.duplicate();
    // Who subscribes while ioredis is between its handshake and its INFO makes it refuse to send
    // that, and it is never ready.
    await once(listener, "ready");
  });

  afterEach(() => listener.disconnect());

  test("channels", async () => {
    assert.equal(await listener.subscribe("news", "other"), 2);
    const messages = heard(listener, "message", 3);
    for (const text of ["one", "two"]) assert.equal(await redis.publish("news", text), 1);
    assert.equal(await redis.publish("other", "three"), 1);
    assert.deepEqual(await messages, [["news", "one"], ["news", "two"], ["other", "three"]]);
    assert.equal(await listener.unsubscribe("news"), 1);
    assert.equal(await redis.publish("news", "four"), 0);
  });

  test("patterns", async () => {
    await listener.psubscribe("n?ws");
    const messages = heard(listener, "pmessage", 1);
    assert.equal(await redis.publish("news", "text"), 1);
    assert.deepEqual(await messages, [["n?ws", "news", "text"]]);
  });

  test("shard channels", async () => {
    await listener.ssubscribe("news");
    const messages = heard(listener, "smessage", 1);
    assert.equal(await redis.spublish("news", "text"), 1);
    assert.deepEqual(await messages, [["news", "text"]]);
  });

  test("subscribes again after its connection is killed", async () => {
    const options = { port: server.port, retryStrategy: () => 5, enableReadyCheck: false };
    const client = new Redis(options);
    await client.subscribe("news");
    const [id] = (await redis.client("LIST", "TYPE", "pubsub")).match(/id=(\d+)/).slice(1);
    const closed = once(client, "close");
    await redis.client("KILL", "ID", id);
    await closed;
    const messages = heard(client, "message", 1);
    while ((await redis.publish("news", "back")) === 0);
    assert.deepEqual(await messages, [["news", "back"]]);
    client.disconnect();
  });

  test("keyspace notifications", async () => {
    await redis.config("SET", "notify-keyspace-events", "KEA");
    await listener.psubscribe("__key*__:*");
    const messages = heard(listener, "pmessage", 4);
    await redis.set("key", 1);
    await redis.del("key");
    assert.deepEqual((await messages).map(([, channel, text]) => `${channel} ${text}`), [
      "__keyspace@0__:key set", "__keyevent@0__:set key",
      "__keyspace@0__:key del", "__keyevent@0__:del key",
    ]);
    await redis.config("SET", "notify-keyspace-events", "");
  });

  test("ten thousand messages of two kinds come in order", async () => {
    await listener.subscribe("numbers");
    const messages = heard(listener, "message", 10_000);
    const pipeline = redis.pipeline();
    for (let i = 0; i < 10_000; i++) pipeline.publish("numbers", `${i}`);
    await pipeline.exec();
    assert.deepEqual((await messages).map(([, text]) => +text), Array.from(Array(10_000).keys()));
  });
});

for (const RESP of [2, 3]) {
  describe(`node-redis, RESP${RESP}`, () => {
    test("channels, patterns and shard channels", async () => {
      const url = `redis://127.0.0.1:${server.port}`;
      const client = await createClient({ url, RESP }).connect();
      after(() => client.destroy());
      const got = [];
      const note = (text, channel) => got.push(`${channel} ${text}`);
      await client.subscribe("news", note);
      await client.pSubscribe("n*", note);
      await client.sSubscribe("news", note);
      assert.equal(await redis.publish("news", "a"), 2);
      assert.equal(await redis.spublish("news", "b"), 1);
      while (got.length < 3) await new Promise(setImmediate);
      assert.deepEqual(got, ["news a", "news a", "news b"]);
      await client.unsubscribe("news");
      await client.pUnsubscribe();
      await client.sUnsubscribe("news");
      assert.equal(await redis.publish("news", "c"), 0);
      assert.equal(await client.get("absent"), null);
    });
  });
}

test("node-redis caches what it reads", { skip: isRedis7 }, async () => {
  const url = `redis://127.0.0.1:${server.port}`;
  const clientSideCache = new BasicClientSideCache({ ttl: 0, maxEntries: 0 });
  const client = await createClient({ url, RESP: 3, clientSideCache }).connect();
  for (let value = 0; value < 100; value++) {
    await redis.set("key", value);
    // A cached reply needs no turn of the event loop, but the invalidation does.
    while ((await client.get("key")) !== `${value}`) await new Promise(setImmediate);
    assert.equal(await client.get("key"), `${value}`);
  }
  assert.ok(clientSideCache.stats().hitCount >= 100);
  client.destroy();
});
