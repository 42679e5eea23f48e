// BullMQ: how jobs come, wait, are done, fail and go.
import assert from "node:assert/strict";
import { test } from "node:test";
import { UnrecoverableError } from "bullmq";
import { assertCounts, inAllModes, range, Tally } from "./queues.js";

const jobs = (count, opts = {}) => range(count).map((n) => ({ name: "job", data: { n }, opts }));

inAllModes("BullMQ", ["bull", "{bull}"], (yard) => {
  test("several workers do each job once", async (t) => {
    const here = yard(t);
    const queue = here.queue("many");
    const workers = range(3).map(() =>
      here.worker("many", async ({ data }) => data.n * 2, { concurrency: 5 }));
    const tally = Tally.of(...workers);
    await queue.addBulk(jobs(200));
    for (const { name, data } of jobs(50)) await queue.add(name, data);
    await tally.each(250);
    await assertCounts(queue, { completed: 250 });
    const first = await queue.getJob("1");
    assert.equal(first.returnvalue, 0);
  });

  test("jobs of priority come first, then the others", async (t) => {
    const here = yard(t);
    const queue = here.queue("priority");
    await queue.addBulk([5, 1, 3, 1, 4].map((priority) => (
      { name: "job", data: { priority }, opts: { priority } })));
    await queue.add("job", { priority: 0 });
    const changed = await queue.add("job", { priority: 2 }, { priority: 9 });
    await changed.changePriority({ priority: 2 });
    await assertCounts(queue, { waiting: 1, prioritized: 6 });
    assert.deepEqual(await queue.getCountsPerPriority([1, 2, 3]), { 1: 2, 2: 1, 3: 1 });
    const order = [];
    const worker = here.worker("priority", async ({ data }) => order.push(data.priority));
    await Tally.of(worker).each(7);
    assert.deepEqual(order, [0, 1, 1, 2, 3, 4, 5]);
  });

  test("delayed jobs come when they are due", async (t) => {
    const here = yard(t);
    const queue = here.queue("delayed");
    const tally = Tally.of(here.worker("delayed", async () => {}, { concurrency: 4 }));
    const added = await queue.addBulk([90, 30, 60, 3_600_000].map((delay) => (
      { name: "job", data: { delay }, opts: { delay } })));
    await tally.each(3);
    assert.deepEqual(tally.names, [added[1], added[2], added[0]].map((job) => job.id));
    await assertCounts(queue, { completed: 3, delayed: 1 });
    await added[3].promote();
    await tally.each(4);
    await assertCounts(queue, { completed: 4 });
  });

  test("retries with backoff, and jobs that fail for good", async (t) => {
    const here = yard(t);
    const queue = here.queue("retries");
    const attempts = 3;
    for (const type of ["fixed", "exponential"]) {
      const opts = { attempts, backoff: { type, delay: 10 } };
      await queue.add(type, {}, opts);
      await queue.addBulk(range(5).map(() => ({ name: type, data: {}, opts })));
    }
    await queue.add("hopeless", {}, { attempts: 2, backoff: 5 });
    await queue.add("unrecoverable", {}, { attempts: 9 });
    const work = async (job) => {
      if (job.name === "unrecoverable") throw new UnrecoverableError("never");
      if (job.name === "hopeless" || job.attemptsMade < 2) throw new Error(`${job.attemptsMade}`);
      return job.attemptsMade;
    };
    const worker = here.worker("retries", work, { concurrency: 3 });
    const gone = new Tally();
    worker.on("failed", (job) => job.finishedOn && gone.note(job.id));
    await Promise.all([Tally.of(worker).each(12), gone.each(2)]);
    await assertCounts(queue, { completed: 12, failed: 2 });
    for (const job of await queue.getCompleted()) assert.equal(job.attemptsMade, attempts);
    const failed = await queue.getFailed();
    assert.deepEqual(failed.map((job) => job.attemptsMade).sort(), [1, 2]);
    await worker.close();
    await queue.retryJobs();
    await assertCounts(queue, { completed: 12, waiting: 2 });
  });

  test("a rate limit holds back", async (t) => {
    const here = yard(t);
    const queue = here.queue("limited");
    await queue.addBulk(jobs(12));
    const limiter = { max: 4, duration: 200 };
    const workers = range(2).map(() =>
      here.worker("limited", async () => {}, { limiter, concurrency: 10 }));
    await Tally.of(...workers).each(12);
    const starts = (await queue.getCompleted()).map((job) => job.processedOn).sort();
    // Three windows, so two whole ones lie between the first and the last.
    assert.ok(starts.at(-1) - starts[0] >= limiter.duration * 1.5, `${starts}`);
    await assertCounts(queue, { completed: 12 });
  });

  test("pause and resume", async (t) => {
    const here = yard(t);
    const queue = here.queue("paused");
    await queue.pause();
    const tally = Tally.of(here.worker("paused", async () => {}));
    await queue.addBulk([...jobs(20), ...jobs(5, { priority: 2 })]);
    assert.equal(await queue.isPaused(), true);
    await assertCounts(queue, { paused: 20, prioritized: 5 });
    assert.equal(tally.total, 0);
    await queue.resume();
    await tally.each(25);
    await assertCounts(queue, { completed: 25 });
  });

  test("jobs with the same identifier are one", async (t) => {
    const here = yard(t);
    const queue = here.queue("identified");
    const jobId = "only";
    for (const n of range(10)) await queue.add("job", { n }, { jobId });
    await queue.addBulk(jobs(10, { jobId }));
    await assertCounts(queue, { waiting: 1 });
    const tally = Tally.of(here.worker("identified", async () => {}));
    await tally.each(1);
    await queue.addBulk(jobs(10, { jobId }));
    await queue.addBulk(jobs(3, { removeOnComplete: true }));
    await tally.each(4);
    await assertCounts(queue, { completed: 1 });
  });

  test("deduplication while a job waits, and for a time", async (t) => {
    const here = yard(t);
    const queue = here.queue("deduplicated");
    for (const n of range(10)) {
      await queue.add("job", { n }, { deduplication: { id: "simple" } });
      await queue.add("job", { n }, { deduplication: { id: "timed", ttl: 3_600_000 } });
      await queue.add("job", { n }, {
        delay: 50, deduplication: { id: "last", ttl: 3_600_000, extend: true, replace: true },
      });
    }
    await assertCounts(queue, { waiting: 2, delayed: 1 });
    const done = [];
    const tally = Tally.of(here.worker("deduplicated", async ({ data }) => done.push(data.n)));
    await tally.each(3);
    assert.deepEqual(done, [0, 0, 9]);
    await queue.add("job", { n: 11 }, { deduplication: { id: "simple" } });
    await queue.add("job", { n: 12 }, { deduplication: { id: "timed", ttl: 1 } });
    await tally.each(4);
    assert.equal(done[3], 11);
    await queue.removeDeduplicationKey("timed");
    await queue.add("job", { n: 13 }, { deduplication: { id: "timed" } });
    await tally.each(5);
    await assertCounts(queue, { completed: 5 });
  });

  test("drain, clean and obliterate", async (t) => {
    const here = yard(t);
    const queue = here.queue("cleared");
    const added = [...jobs(30), ...jobs(20, { delay: 3_600_000 }), ...jobs(5, { priority: 1 })];
    await queue.addBulk(added);
    await queue.drain();
    await assertCounts(queue, { delayed: 20 });
    await queue.drain(true);
    await assertCounts(queue, {});
    const tally = Tally.of(here.worker("cleared", async () => {}, { concurrency: 10 }));
    await queue.addBulk(jobs(100));
    await tally.each(100);
    assert.equal((await queue.clean(0, 40, "completed")).length, 40);
    assert.equal((await queue.clean(3_600_000, 0, "completed")).length, 0);
    await assertCounts(queue, { completed: 60 });
    await queue.addBulk(jobs(10, { delay: 3_600_000 }));
    await queue.obliterate();
    await assertCounts(queue, {});
    const client = await queue.client;
    assert.deepEqual(await client.keys(`${here.prefix}:cleared:*`), []);
  });

  test("jobs are kept up to a number", async (t) => {
    const here = yard(t);
    const queue = here.queue("kept", { defaultJobOptions: { removeOnComplete: 7 } });
    const tally = Tally.of(here.worker("kept", async () => {}, { concurrency: 10 }));
    await queue.addBulk(jobs(150));
    await tally.each(150);
    await assertCounts(queue, { completed: 7 });
  });
});
