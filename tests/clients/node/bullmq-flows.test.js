// BullMQ beyond single queues: flows, schedulers, events, and what a dashboard asks.
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { BullMQAdapter } from "@bull-board/api/bullMQAdapter";
import { assertCounts, inAllModes, range, Tally } from "./queues.js";

const jobs = (count, opts = {}) => range(count).map((n) => ({ name: "job", data: { n }, opts }));

/** A parent, three children in a queue each, and three leaves below each child. */
function tree() {
  const leaf = (n) => ({ name: "leaf", queueName: "leaves", data: { n } });
  const child = (n) => ({ name: "child", queueName: `child-${n}`, children: range(3).map(leaf) });
  return { name: "parent", queueName: "parents", children: range(3).map(child) };
}

async function sumOfChildren(job) {
  return Object.values(await job.getChildrenValues()).reduce((sum, value) => sum + value, 0);
}

inAllModes("BullMQ", ["bull", "{bull}"], (yard) => {
  test("flows over several queues", async (t) => {
    const here = yard(t);
    const flow = here.flow();
    await Promise.all([flow.addBulk(range(5).map(tree)), ...range(5).map(() => flow.add(tree()))]);
    const queue = here.queue("parents");
    await assertCounts(queue, { "waiting-children": 10 });
    const leaf = async ({ data }) => data.n + 1;
    const leaves = Tally.of(here.worker("leaves", leaf, { concurrency: 10 }));
    const children = range(3).map((n) => Tally.of(here.worker(`child-${n}`, sumOfChildren)));
    const parents = Tally.of(here.worker("parents", sumOfChildren));
    await parents.each(10);
    await leaves.each(90);
    for (const tally of children) await tally.each(10);
    const done = await queue.getCompleted();
    assert.deepEqual(done.map((job) => job.returnvalue), Array(10).fill(3 * (1 + 2 + 3)));
    await assertCounts(queue, { completed: 10 });
  });

  test("a child that fails, and its parent", async (t) => {
    const here = yard(t);
    const queue = here.queue("fails");
    const parent = (name, opts) => ({
      name, queueName: "fails", children: [{ name: "child", queueName: "failing", opts }],
    });
    await here.flow().addBulk([
      parent("fails too", { failParentOnFailure: true }),
      parent("ignores it", { ignoreDependencyOnFailure: true }),
    ]);
    here.worker("failing", async () => {
      throw new Error("no");
    });
    const worker = here.worker("fails", async (job) => job.name);
    const failed = once(worker, "failed");
    await Tally.of(worker).each(1);
    assert.match((await failed)[0].failedReason, /child .* failed/);
    await assertCounts(queue, { completed: 1, failed: 1 });
    assert.equal((await queue.getCompleted())[0].name, "ignores it");
  });

  test("job schedulers", async (t) => {
    const here = yard(t);
    const queue = here.queue("scheduled");
    const tally = Tally.of(here.worker("scheduled", async () => {}));
    for (const name of ["a", "b"]) {
      await queue.upsertJobScheduler(name, { every: 40, limit: 5 }, { name });
    }
    await tally.each(10);
    await queue.upsertJobScheduler("yearly", { pattern: "0 0 1 1 *" }, { name: "c" });
    await queue.upsertJobScheduler("yearly", { pattern: "0 0 2 1 *" }, { name: "c" });
    assert.equal((await queue.getJobScheduler("yearly")).pattern, "0 0 2 1 *");
    await assertCounts(queue, { completed: 10, delayed: 1 });
    assert.equal(await queue.removeJobScheduler("yearly"), true);
    await assertCounts(queue, { completed: 10 });
  });

  test("events, progress, logs and results", async (t) => {
    const here = yard(t);
    const queue = here.queue("events");
    queue.setMaxListeners(0);
    const events = here.events("events");
    const seen = ["added", "active", "progress", "completed"].map((name) => {
      const tally = new Tally();
      events.on(name, ({ jobId }) => tally.note(jobId));
      return tally;
    });
    // What comes before the first blocking read isn't heard.
    await events.waitUntilReady();
    const client = await queue.client;
    while (!(await client.client("LIST")).match(/ flags=b .* cmd=xread /));
    const added = await queue.addBulk(jobs(50));
    here.worker("events", async (job) => {
      await job.updateProgress(50);
      await job.log("half");
      return { twice: job.data.n * 2 };
    }, { concurrency: 4 });
    const results = await Promise.all(added.map((job) => job.waitUntilFinished(events)));
    assert.deepEqual(results.map(({ twice }) => twice), range(50).map((n) => n * 2));
    await Promise.all(seen.map((tally) => tally.each(50)));
    assert.deepEqual(await queue.getJobLogs(added[0].id), { logs: ["half"], count: 1 });
  });

  test("what a dashboard asks", async (t) => {
    const here = yard(t);
    const queue = here.queue("shown");
    await queue.addBulk([...jobs(30), ...jobs(5, { delay: 3_600_000 })]);
    const board = new BullMQAdapter(queue);
    const counts = await board.getJobCounts();
    assert.deepEqual([counts.waiting, counts.delayed, counts.failed], [30, 5, 0]);
    const page = await board.getJobs(["waiting"], 10, 19);
    assert.equal(page.length, 10);
    assert.match(await board.getRedisInfo(), /redis_version:/);
    assert.equal(await board.isPaused(), false);
    assert.equal((await queue.getWorkers()).length, 0);
    await board.empty();
    await assertCounts(queue, { delayed: 5 });
  });
});
