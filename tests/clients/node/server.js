// Start and stop one server for a test file; DARNER_BIN names another binary.
import { spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer, connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..");
export const binary = process.env.DARNER_BIN ?? join(root, "target", "release", "darner");
const startLimitMs = 20_000;

/** A TCP port of 127.0.0.1 that nobody listens on now. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

/** Starts a server and resolves once it answers PING. */
export async function startServer(options = {}) {
  const port = options.port ?? (await freePort());
  const dir = mkdtempSync(join(tmpdir(), "darner-test-"));
  const flags = { port, bind: "127.0.0.1", dir, save: "", ...options };
  const words = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, `${value}`]);
  const log = openSync(join(dir, "server.log"), "a");
  const child = spawn(binary, words, { stdio: ["ignore", log, log], cwd: dir });
  closeSync(log);
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const deadline = Date.now() + startLimitMs;
  while (!(await answers(port))) {
    if (child.exitCode !== null || Date.now() > deadline) {
      throw new Error(`${binary} did not start (exit status ${child.exitCode})`);
    }
  }
  return {
    port,
    /** Stops the process that was started here, removes its directory and gives what it wrote. */
    async stop() {
      child.kill("SIGTERM");
      await ended;
      const log = readFileSync(join(dir, "server.log"), "utf8");
      rmSync(dir, { recursive: true, force: true });
      return log;
    },
  };
}

function answers(port) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const retry = () => setTimeout(() => resolve(false), 2);
    socket.once("error", retry);
    socket.once("connect", () => socket.write("PING\r\n"));
    socket.once("data", () => {
      socket.destroy();
      resolve(true);
    });
  });
}
