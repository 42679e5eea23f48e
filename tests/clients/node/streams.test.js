// Streams with ioredis: several consumers at once, blocking reads, claims.
import assert from "node:assert/strict";
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

test("entries come back in order", async () => {
  await redis.xadd("s", "1-1", "f", "1");
  await redis.xadd("s", "1-*", "f", "2", "g", "3");
  assert.deepEqual(await redis.xrange("s", "-", "+"), [
    ["1-1", ["f", "1"]],
    ["1-2", ["f", "2", "g", "3"]],
  ]);
  assert.deepEqual(await redis.xrevrange("s", "+", "-", "COUNT", 1), [
    ["1-2", ["f", "2", "g", "3"]],
  ]);
  await assert.rejects(redis.xadd("s", "1-2", "f", "x"), /equal or smaller/);
});

test("a blocking read gets what comes, a second one nothing", async () => {
  const reader = redis.duplicate();
  const read = reader.xread("BLOCK", 5000, "STREAMS", "s", "$");
  while ((await redis.info("clients")).includes("blocked_clients:0"));
  const id = await redis.xadd("s", "*", "f", "v");
  assert.deepEqual(await read, [["s", [[id, ["f", "v"]]]]]);
  assert.equal(await reader.xread("BLOCK", 20, "STREAMS", "s", "$"), null);
  reader.disconnect();
});

test("consumers of a group share the entries", async () => {
  await redis.xgroup("CREATE", "s", "g", "$", "MKSTREAM");
  const seen = [];
  const consume = async (name) => {
    const own = redis.duplicate();
    const read = () =>
      own.xreadgroup("GROUP", "g", name, "COUNT", 5, "BLOCK", 500, "STREAMS", "s", ">");
    for (let reply = await read(); reply !== null; reply = await read()) {
      const ids = reply[0][1].map(([id]) => id);
      seen.push(...ids);
      await own.xack("s", "g", ...ids);
    }
    own.disconnect();
  };
  const consumers = ["a", "b", "c"].map(consume);
  const adds = Array.from({ length: 200 }, (_, i) => redis.xadd("s", "*", "n", i));
  const added = await Promise.all(adds);
  await Promise.all(consumers);
  assert.deepEqual(seen.sort(), added.sort());
  assert.equal((await redis.xpending("s", "g"))[0], 0);
});

test("what a consumer leaves behind is claimed", async () => {
  const ids = [await redis.xadd("s", "*", "f", "1"), await redis.xadd("s", "*", "f", "2")];
  await redis.xgroup("CREATE", "s", "g", "0");
  await redis.xreadgroup("GROUP", "g", "gone", "STREAMS", "s", ">");
  const claimed = await redis.xclaim("s", "g", "heir", 0, ids[0]);
  assert.deepEqual(claimed, [[ids[0], ["f", "1"]]]);
  const [next, rest] = await redis.xautoclaim("s", "g", "heir", 0, ids[1], "JUSTID");
  assert.deepEqual([next, rest], ["0-0", [ids[1]]]);
  const pending = await redis.xpending("s", "g", "-", "+", 10, "heir");
  assert.deepEqual(pending.map(([id, , , count]) => [id, count]), [[ids[0], 2], [ids[1], 1]]);
});
