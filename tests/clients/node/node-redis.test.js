// node-redis's basic use, in RESP2 and RESP3.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { createClient, WatchError } from "redis";
import { startServer } from "./server.js";

let server;

before(async () => {
  server = await startServer();
});

after(() => server.stop());

for (const RESP of [2, 3]) {
  describe(`RESP${RESP}`, () => {
    let client;

    before(async () => {
      client = await createClient({ url: `redis://127.0.0.1:${server.port}`, RESP }).connect();
    });

    after(() => client.destroy());

    beforeEach(() => client.flushAll());

    test("strings and numbers", async () => {
      assert.equal(await client.set("key", "value", { EX: 100 }), "OK");
      assert.equal(await client.get("key"), "value");
      assert.ok((await client.ttl("key")) > 90);
      assert.equal(await client.incrBy("n", 5), 5);
      assert.deepEqual(await client.mGet(["key", "absent"]), ["value", null]);
    });

    test("pipelined by the event loop's turn", async () => {
      const replies = await Promise.all(Array.from({ length: 2000 }, () => client.incr("n")));
      assert.equal(replies.at(-1), 2000);
    });

    test("multi", async () => {
      const replies = await client.multi().set("a", "1").incr("a").get("a").exec();
      assert.deepEqual(replies, ["OK", 2, "2"]);
    });

    test("watch", async () => {
      const other = await client.duplicate().connect();
      await client.watch("key");
      await other.set("key", "changed");
      await assert.rejects(client.multi().set("key", "mine").exec(), WatchError);
      other.destroy();
    });

    test("scan iterator", async () => {
      await client.mSet(Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`k${i}`, "x"])));
      const seen = new Set();
      for await (const keys of client.scanIterator({ COUNT: 100 })) {
        keys.forEach((key) => seen.add(key));
      }
      assert.equal(seen.size, 1000);
    });
  });
}
