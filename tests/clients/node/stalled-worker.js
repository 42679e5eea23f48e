// A worker in a process of its own, to be killed: does the first jobs of the queue, then holds
// the next ones without end, and tells of each.
import { Worker } from "bullmq";

const [port, prefix, name, completed] = process.argv.slice(2);
let left = +completed;

const work = async (job) => {
  if (left-- > 0) return;
  process.send({ held: job.id });
  await new Promise(() => {});
};

const worker = new Worker(name, work, {
  connection: { host: "127.0.0.1", port: +port },
  prefix,
  concurrency: 3,
  lockDuration: 1000,
  // Whoever looks for stalled jobs keeps others from looking for as long.
  stalledInterval: 100,
});
worker.on("completed", (job) => process.send({ completed: job.id }));
