// The load of bench/queues: BullMQ in one process, told what to do by its arguments.
//
//   node queue-load.js PORT bullmq|immich JOBS
//
// Adds jobs while workers take them, and prints how many were done once all are.
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(join(here, "..", "tests", "clients", "node", "package.json"));
const { Queue, Worker } = require("bullmq");

const [port, kind, total] = process.argv.slice(2);
const jobs = +total;
const batch = 500;
const kinds = {
  bullmq: { queues: 8, concurrency: 10, prefix: "bull" },
  immich: { queues: 19, concurrency: 3, prefix: "immich_bull" },
};
const { queues: count, concurrency, prefix } = kinds[kind];
const options = { connection: { host: "127.0.0.1", port: +port }, prefix };

let done = 0;
let finish;
const finished = new Promise((resolve) => { finish = resolve; });
const names = Array.from(Array(count).keys(), (n) => `queue-${n}`);
const queues = names.map((name) => new Queue(name, {
  ...options, defaultJobOptions: { removeOnComplete: true },
}));
const workers = names.map((name) => new Worker(name, async () => {}, { ...options, concurrency }));
for (const worker of workers) {
  worker.on("completed", () => {
    done++;
    if (done === jobs) finish();
  });
}

/** One half in bulk, the other one by one. */
async function fill(queue, share) {
  const data = { id: "0123456789abcdef", path: "/library/upload/file.jpg" };
  const inBulk = Math.ceil(share / 2);
  for (let left = inBulk; left > 0; left -= batch) {
    const size = Math.min(batch, left);
    await queue.addBulk(Array.from(Array(size), () => ({ name: "job", data })));
  }
  for (let left = share - inBulk; left > 0; left--) await queue.add("job", data);
}

const shareOf = (n) => Math.floor(jobs / count) + (n < jobs % count ? 1 : 0);
await Promise.all(queues.map((queue, n) => fill(queue, shareOf(n))));
await finished;
for (const one of [...workers, ...queues]) await one.close();
console.log(done);
