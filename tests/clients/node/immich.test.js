// Job queues as Immich has them: nineteen under one prefix without a tag, a worker for each, and
// thousands of jobs at once.
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertCounts, inAllModes, range, Tally } from "./queues.js";

const names = [
  "thumbnailGeneration", "metadataExtraction", "videoConversion", "faceDetection",
  "facialRecognition", "smartSearch", "duplicateDetection", "backgroundTask",
  "storageTemplateMigration", "migration", "search", "sidecar", "library", "notifications",
  "backupDatabase", "ocr", "workflow", "integrityCheck", "editor",
];
const assets = 1000;
const keepNone = { removeOnComplete: true, removeOnFail: true, attempts: 1 };

/** All queues, and what each worker does: thumbnails beget a search job and a face job. */
function establish(here) {
  const queues = Object.fromEntries(names.map((name) => (
    [name, here.queue(name, { defaultJobOptions: keepNone })])));
  const tally = new Tally();
  const work = async (job) => {
    const { id } = job.data;
    if (job.queueName === names[0]) {
      await queues.smartSearch.add("encode", { id });
      await queues.faceDetection.add("detect", { id }, { jobId: `face-${id}` });
    }
  };
  const workers = names.map((name, n) => here.worker(name, work, { concurrency: 1 + (n % 5) }));
  for (const worker of workers) {
    worker.on("completed", (job) => tally.note(`${worker.name} ${job.name} ${job.data.id}`));
  }
  return { queues, tally, workers };
}

/** Asks all queues for their counts, as the page of jobs does, until none has anything to do. */
async function untilIdle(queues) {
  for (;;) {
    const counts = await Promise.all(Object.values(queues).map((queue) => (
      queue.getJobCounts("active", "completed", "failed", "delayed", "waiting", "paused"))));
    const sum = counts.flatMap(Object.values).reduce((total, count) => total + count, 0);
    if (sum === 0) return;
  }
}

inAllModes("Immich's queues", ["immich_bull"], (yard) => {
  test("thousands of jobs, paused, resumed and polled", async (t) => {
    const here = yard(t);
    const { queues, tally } = establish(here);
    await queues.thumbnailGeneration.pause();
    await queues.thumbnailGeneration.addBulk(range(assets).map((id) => (
      { name: "generate", data: { id } })));
    await queues.metadataExtraction.addBulk(range(assets).map((id) => (
      { name: "extract", data: { id }, opts: { priority: 1 + (id % 3) } })));
    await assertCounts(queues.thumbnailGeneration, { paused: assets });
    await queues.thumbnailGeneration.resume();
    const nightly = names.slice(5).map((name) => queues[name].add("nightly", { id: 0 }, {
      jobId: "nightly", delay: 20,
    }));
    await Promise.all(nightly);
    await tally.each(4 * assets + nightly.length);
    await untilIdle(queues);
    assert.equal(tally.total, 4 * assets + nightly.length);
  });

  test("queues are drained and cleaned", async (t) => {
    const here = yard(t);
    const queue = here.queue("drained", { defaultJobOptions: { removeOnFail: false } });
    const add = () => queue.addBulk(range(2000).map((id) => (
      { name: "job", data: { id }, opts: { jobId: `asset-${id}` } })));
    await Promise.all([add(), add()]);
    await assertCounts(queue, { waiting: 2000 });
    await queue.drain();
    await assertCounts(queue, {});
    await queue.addBulk(range(20).map((id) => ({ name: "job", data: { id } })));
    const worker = here.worker("drained", async () => { throw new Error("no"); });
    const failed = new Tally();
    worker.on("failed", (job) => failed.note(job.id));
    await failed.each(20);
    assert.equal((await queue.clean(0, 1000, "failed")).length, 20);
    await assertCounts(queue, {});
  });
});
