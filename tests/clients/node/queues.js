// What the tests of job queues share: the modes of the server, and a yard of queues and workers
// that are closed with their test.
import assert from "node:assert/strict";
import { after, before, describe } from "node:test";
import { FlowProducer, Queue, QueueEvents, Worker } from "bullmq";
import { binary, startServer } from "./server.js";

const isRedis = /redis|valkey/.test(binary);
const allModes = {
  "one thread": { proactor_threads: 1 },
  "one thread, emulated cluster": {
    proactor_threads: 1,
    cluster_mode: "emulated",
    default_lua_flags: "allow-undeclared-keys",
  },
  "two threads": { proactor_threads: 2, migrate_connections: "false" },
  "two threads that gather": { proactor_threads: 2 },
};
/** Flags of the server by the name of the mode; Redis has but one. */
export const modes = isRedis ? { Redis: {} } : allModes;

/** Lines marked as warnings, once the server is up: those before tell of flags and the machine. */
function warningsIn(log) {
  const [, running] = log.split("Ready to accept connections");
  return running.split("\n").filter((line) => line.includes(" # "));
}

/** Runs the tests that `define` makes side by side in a server of each mode, for each prefix. */
export function inAllModes(title, prefixes, define) {
  for (const [name, flags] of Object.entries(modes)) {
    describe(`${title}, ${name}`, () => {
      const place = {};
      const warnings = [];
      const { warn } = console;
      before(async () => {
        console.warn = (...words) => warnings.push(words.join(" "));
        place.server = await startServer(flags);
      });
      after(async () => {
        console.warn = warn;
        const log = await place.server.stop();
        assert.deepEqual(warnings, [], "the client warns of nothing");
        assert.doesNotMatch(log, /panicked|wanted keys of each other/);
        if (!isRedis) assert.deepEqual(warningsIn(log), [], "the server warns of nothing");
      });
      for (const prefix of prefixes) {
        describe(`prefix ${prefix}`, { concurrency: true }, () => {
          define((t) => new Yard(t, { port: place.server.port, prefix }));
        });
      }
    });
  }
}

/** Makes queues and workers of one server under one prefix. */
export class Yard {
  #open = [];

  constructor(t, { port, prefix }) {
    this.prefix = prefix;
    this.connection = { host: "127.0.0.1", port };
    t.after(() => this.close());
  }

  queue(name, options = {}) {
    return this.#keep(new Queue(name, this.#with(options)));
  }

  worker(name, work, options = {}) {
    return this.#keep(new Worker(name, work, this.#with(options)));
  }

  /** Hears all events of the queue, those before it came too. */
  events(name) {
    return this.#keep(new QueueEvents(name, this.#with({ lastEventId: "0" })));
  }

  flow() {
    return this.#keep(new FlowProducer(this.#with({})));
  }

  /** Workers first, so that nothing takes a job from a queue that is being closed. */
  async close() {
    for (const one of this.#open.reverse()) await one.close(true);
    this.#open = [];
  }

  #with(options) {
    return { connection: this.connection, prefix: this.prefix, ...options };
  }

  #keep(one) {
    this.#open.push(one);
    return one;
  }
}

/** Counts how often each job was done, and tells when a number of them are. */
export class Tally {
  #times = new Map();
  #waiting = [];

  /** Counts what workers complete, by the job's identifier. */
  static of(...workers) {
    const tally = new Tally();
    for (const worker of workers) worker.on("completed", (job) => tally.note(job.id));
    return tally;
  }

  get total() {
    return [...this.#times.values()].reduce((sum, times) => sum + times, 0);
  }

  get names() {
    return [...this.#times.keys()];
  }

  note(name) {
    this.#times.set(name, (this.#times.get(name) ?? 0) + 1);
    const { total } = this;
    for (const waiter of this.#waiting.filter(({ count }) => total >= count)) waiter.resolve();
    this.#waiting = this.#waiting.filter(({ count }) => total < count);
  }

  /** Resolves once `count` have been noted, and wants each of them to be noted once. */
  async each(count) {
    await this.reached(count);
    assert.equal(this.#times.size, count);
    assert.equal(this.total, count);
  }

  reached(count) {
    if (this.total >= count) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ count, resolve }));
  }
}

/** Wants these counts of jobs by state, and none in the states that aren't named. */
export async function assertCounts(queue, expected) {
  const counts = await queue.getJobCounts();
  const found = Object.fromEntries(Object.entries(counts).filter(([, count]) => count));
  assert.deepEqual(found, expected);
}

/** The numbers from 0 to below `count`. */
export const range = (count) => Array.from(Array(count).keys());
