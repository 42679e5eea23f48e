// socket.io: two servers that speak with each other through channels of the server.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";
import { createAdapter } from "@socket.io/redis-adapter";
import Redis from "ioredis";
import { Server } from "socket.io";
import { io } from "socket.io-client";
import { inAllModes, range, Tally } from "./queues.js";

const messages = 200;

/** A socket.io server with the adapter; resolves to it and its address. */
async function startNode(t, { host, port }) {
  const publisher = new Redis({ host, port });
  const subscriber = publisher.duplicate();
  const http = createServer();
  const server = new Server(http, { adapter: createAdapter(publisher, subscriber) });
  t.after(async () => {
    await server.close();
    publisher.disconnect();
    subscriber.disconnect();
  });
  server.on("connection", (socket) => {
    socket.on("join", async (room, joined) => {
      await socket.join(room);
      joined();
    });
  });
  await once(http.listen(0, "127.0.0.1"), "listening");
  return { server, url: `http://127.0.0.1:${http.address().port}` };
}

async function connectTo(t, { url }) {
  const client = io(url, { transports: ["websocket"] });
  t.after(() => client.disconnect());
  await once(client, "connect");
  return client;
}

inAllModes("socket.io", ["without"], (yard) => {
  test("two servers share rooms, messages and answers", async (t) => {
    const { connection } = yard(t);
    const nodes = [await startNode(t, connection), await startNode(t, connection)];
    const clients = [];
    for (const node of [...nodes, ...nodes]) clients.push(await connectTo(t, node));
    for (const client of clients.slice(0, 2)) await client.emitWithAck("join", "room");

    const everyone = new Tally();
    const inRoom = new Tally();
    clients.forEach((client, c) => {
      client.on("all", (n) => everyone.note(`${c} ${n}`));
      client.on("room", (n) => inRoom.note(`${c} ${n}`));
      client.on("question", (answer) => answer(c));
    });
    // An adapter knows of the others once they answer.
    while ((await nodes[0].server.fetchSockets()).length < clients.length);
    for (const n of range(messages)) {
      nodes[n % 2].server.emit("all", n);
      nodes[n % 2].server.to("room").emit("room", n);
    }
    await Promise.all([everyone.each(4 * messages), inRoom.each(2 * messages)]);
    const answers = await nodes[0].server.timeout(10_000).emitWithAck("question");
    assert.deepEqual(answers.sort(), [0, 1, 2, 3]);
    const others = once(nodes[1].server, "greeting");
    nodes[0].server.serverSideEmit("greeting", "hello");
    assert.deepEqual(await others, ["hello"]);
  });
});
