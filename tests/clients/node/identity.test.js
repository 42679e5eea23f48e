// Who the server says it is, and that BullMQ, bull-board, ioredis and node-redis conclude from it
// what they should.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { after, before, test } from "node:test";
import { redisStatsHandler } from "@bull-board/api/dist/handlers/redisStats.js";
import { BullMQAdapter } from "@bull-board/api/bullMQAdapter";
import { Queue, Worker } from "bullmq";
import Redis from "ioredis";
import { createClient } from "redis";
import { binary, startServer } from "./server.js";

const isRedis = /redis|valkey/.test(binary);
const mib = 1 << 20;
let server;

before(async () => {
  server = await startServer({ maxmemory: 100 * mib });
});

after(() => server.stop());

const connection = () => ({ host: "127.0.0.1", port: server.port });

/** What is said to the console meanwhile. */
async function warningsOf(work) {
  const warnings = [];
  const { warn } = console;
  console.warn = (...words) => warnings.push(words.join(" "));
  try {
    await work();
  } finally {
    console.warn = warn;
  }
  return warnings;
}

async function lookOfBullMQ(t, options = {}) {
  const queue = new Queue("identity", { connection: { ...connection(), ...options } });
  t.after(() => queue.close());
  return { queue, warnings: await warningsOf(() => queue.waitUntilReady()) };
}

test("BullMQ takes it for a Redis that is new enough, and warns of nothing", async (t) => {
  const { queue, warnings } = await lookOfBullMQ(t);
  assert.deepEqual(warnings, []);
  assert.equal(queue.databaseType, "redis");
  const [major, minor] = queue.redisVersion.split(".").map(Number);
  assert.ok(major > 7 || (major === 7 && (isRedis || minor >= 2)), queue.redisVersion);
  // From 7.0.8 on workers wait for as short as a job needs, not for whole seconds.
  const worker = new Worker("identity", async () => {}, { connection: connection() });
  t.after(() => worker.close());
  await worker.waitUntilReady();
  for (const { capabilities } of [worker.connection, worker.blockingConnection]) {
    assert.deepEqual(capabilities, { canDoubleTimeout: true, canBlockFor1Ms: true });
  }
});

test("BullMQ warns of a policy that may evict jobs", async (t) => {
  const admin = new Redis(connection());
  t.after(() => admin.disconnect());
  await admin.config("SET", "maxmemory-policy", "allkeys-lru");
  const { warnings } = await lookOfBullMQ(t);
  await admin.config("SET", "maxmemory-policy", "noeviction");
  assert.match(warnings.join(), /Eviction policy is allkeys-lru. It should be "noeviction"/);
});

test("bull-board shows what it reads from INFO", async (t) => {
  const { queue } = await lookOfBullMQ(t);
  const queues = new Map([["identity", new BullMQAdapter(queue)]]);
  const { body } = await redisStatsHandler({ queues, uiConfig: {} });
  const { memory, clients, ...about } = body;
  assert.equal(about.backend, "redis");
  assert.equal(about.version, queue.redisVersion);
  assert.equal(about.mode, "standalone");
  assert.equal(about.port, server.port);
  assert.match(about.os, /^Linux /);
  assert.ok(about.uptime >= 0 && about.uptime < 3600);
  assert.equal(memory.total, 100 * mib);
  assert.ok(memory.used > 0 && memory.used <= memory.peak && memory.peak < memory.total);
  assert.ok(memory.fragmentationRatio > 0);
  assert.ok(clients.connected >= 1 && clients.blocked === 0);
});

/** Answers INFO by saying that it loads, twice; passes on all else. */
async function loadingAtFirst(t) {
  let asked = 0;
  const proxy = createServer(async (client) => {
    const there = new Redis(connection());
    client.on("close", () => there.disconnect());
    client.on("data", async (data) => {
      if (!/info/i.test(data)) return client.write("+PONG\r\n");
      asked += 1;
      const info = await there.info();
      const isLoading = "loading:1\r\nloading_eta_seconds:0";
      const told = asked > 2 ? info : info.replace("loading:0", isLoading);
      return client.write(`$${told.length}\r\n${told}\r\n`);
    });
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  t.after(() => proxy.close());
  return { port: proxy.address().port, asked: () => asked };
}

test("ioredis is ready when INFO no longer tells of loading", async (t) => {
  const proxy = await loadingAtFirst(t);
  const client = new Redis({ port: proxy.port, disableClientInfo: true });
  t.after(() => client.disconnect());
  await once(client, "ready");
  assert.equal(proxy.asked(), 3);
});

test("ioredis and node-redis may say who they are", { skip: isRedis }, async (t) => {
  const one = new Redis({ ...connection(), connectionName: "one" });
  t.after(() => one.disconnect());
  assert.match(await one.client("INFO"), / name=one .* lib-name=ioredis.* lib-ver=\d/);
  for (const RESP of [2, 3]) {
    const other = createClient({ url: `redis://127.0.0.1:${server.port}`, name: "two", RESP });
    await other.connect();
    const about = await other.sendCommand(["CLIENT", "INFO"]);
    assert.match(about, new RegExp(` name=two .* resp=${RESP} lib-name=node-redis lib-ver=\\d`));
    await other.close();
  }
});
