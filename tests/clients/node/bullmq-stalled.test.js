// BullMQ: a worker dies in the middle of its jobs, others do them.
import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { assertCounts, inAllModes, range, Tally } from "./queues.js";

const program = join(dirname(fileURLToPath(import.meta.url)), "stalled-worker.js");
const jobs = 40;
const doneBefore = 10;
const concurrency = 3;

/** Lets a worker do some jobs of the queue and kills it while it has others in hand. */
async function killInTheMiddle(here, name, tally) {
  const words = [here.connection.port, here.prefix, name, doneBefore].map(String);
  const child = fork(program, words, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const held = new Tally();
  child.on("message", (message) => {
    if (message.completed) tally.note(message.completed);
    else held.note(message.held);
  });
  await Promise.all([held.each(concurrency), tally.each(doneBefore)]);
  child.kill("SIGKILL");
  await once(child, "exit");
  return held.names;
}

inAllModes("BullMQ's workers that die", ["bull", "{bull}"], (yard) => {
  test("no job is lost, none is done twice", async (t) => {
    const here = yard(t);
    const queue = here.queue("stalled");
    await queue.addBulk(range(jobs).map((n) => ({ name: "job", data: { n } })));
    const tally = new Tally();
    const held = await killInTheMiddle(here, "stalled", tally);
    await assertCounts(queue, {
      completed: doneBefore, active: concurrency, waiting: jobs - doneBefore - concurrency,
    });
    const stalled = new Tally();
    for (const worker of range(2).map(() =>
      here.worker("stalled", async () => {}, { stalledInterval: 200, concurrency: 2 }))) {
      worker.on("completed", (job) => tally.note(job.id));
      worker.on("stalled", (id) => stalled.note(id));
    }
    await Promise.all([tally.each(jobs), stalled.each(concurrency)]);
    assert.deepEqual(stalled.names.sort(), held.sort());
    await assertCounts(queue, { completed: jobs });
  });

  test("a job that kills its workers fails in the end", async (t) => {
    const here = yard(t);
    const queue = here.queue("deadly");
    const job = await queue.add("job", {});
    const words = [here.connection.port, here.prefix, "deadly", 0].map(String);
    const child = fork(program, words, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    await once(child, "message");
    child.kill("SIGKILL");
    const failed = new Tally();
    const options = { stalledInterval: 100, maxStalledCount: 0 };
    const worker = here.worker("deadly", async () => {}, options);
    worker.on("failed", ({ id }) => failed.note(id));
    await failed.each(1);
    await assertCounts(queue, { failed: 1 });
    assert.match((await queue.getJob(job.id)).failedReason, /stalled more than allowable limit/);
  });
});
