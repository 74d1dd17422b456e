// What an idle gateway costs: time to the first response, resident memory, and memory per idle stream.

import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MEGABYTE, memory } from "../e2e/lib/figures.mjs";
import { BINARIES, startGateway } from "../e2e/lib/gateway.mjs";
import { initialize, mcpHeaders, mcpMessage } from "../e2e/lib/mcp.mjs";
import { freePort, start } from "../e2e/lib/process.mjs";
import { startReferenceServer } from "../e2e/lib/reference-server.mjs";
import { pause } from "../e2e/lib/time.mjs";

const STREAMS = 1000;
/** What a stateless client subscribes to. */
const FILTER = { toolsListChanged: true, resourceSubscriptions: ["test://watched-resource"] };

/** Opens a stream that stays open; resolves when its headers have arrived. */
function open(url, { body, ...sent }) {
  return new Promise((done, fail) => {
    const stream = request(url, { agent: false, ...sent });
    stream.on("response", (answer) => {
      answer.resume().on("error", () => {});
      if (answer.statusCode === 200) done(stream);
      else fail(new Error(`a stream: ${answer.statusCode}`));
    });
    stream.on("error", fail).end(body);
  });
}

/** Opens the stream of a subscription of a stateless client. */
const subscribe = (url, bearer, user) =>
  open(url, {
    method: "POST",
    headers: mcpHeaders({ bearer, user, method: "subscriptions/listen" }),
    body: mcpMessage("subscriptions/listen", { notifications: FILTER }),
  });

/** Opens a session of a user and its listening stream. */
async function listen(url, key, user) {
  const { headers, ...first } = initialize({ bearer: key, user });
  const opened = await fetch(url, { headers, ...first });
  const session = opened.headers.get("mcp-session-id");
  if (!opened.ok || !session) throw new Error(`initialize: ${opened.status} ${await opened.text()}`);
  await opened.text();
  return open(url, { headers: { ...headers, "mcp-session-id": session, "mcp-protocol-version": "2025-11-25" } });
}

/** Opens many streams of many people, because one person can open only a limited number; returns them. */
async function openMany(count, openOne) {
  const streams = [];
  while (streams.length < count) {
    const some = Array.from({ length: 20 }, (_, index) => openOne(`user ${(streams.length + index) % 100}`));
    streams.push(...(await Promise.all(some)));
  }
  return streams;
}

/** The memory of each of many streams that are idle, in kB. */
async function eachOf(gateway, openOne) {
  await gateway.restart();
  await pause(2_000);
  const warm = await openMany(20, openOne);
  await pause(1_000);
  const before = (await memory(gateway.pid())).resident;
  const streams = await openMany(STREAMS, openOne);
  // Longer than a stream is silent before it gets a sign of life.
  await pause(12_000);
  const each = ((await memory(gateway.pid())).resident - before) / 1024 / STREAMS;
  for (const stream of [...warm, ...streams]) stream.removeAllListeners("error").on("error", () => {}).destroy();
  return each;
}

const gateway = await startGateway({ logLevel: "warn" });
const server = await startReferenceServer("2026-07-28");
try {
  const { create } = gateway;
  const { id } = await create("servers", { slug: "footprint", url: server.url });
  const made = { name: "Footprint", slug: "footprint", authentication_mode: "headers" };
  const alone = await create("gateways", made);
  const inFront = await create("gateways", { ...made, slug: "in-front", servers: [id] });
  const { key } = await create("api-keys", { name: "footprint", role: "gateway" });
  await gateway.restart();
  await pause(5_000);
  console.log(`idle in serve: ${((await memory(gateway.pid())).resident / MEGABYTE).toFixed(1)} MB resident`);
  console.log(`\n${STREAMS} idle streams, of 100 people | kB resident each\n--- | ---`);
  const kinds = {
    "GET of a session": (user) => listen(alone.url, key, user),
    "subscriptions/listen": (user) => subscribe(alone.url, key, user),
    "subscriptions/listen, of a resource of a server": (user) => subscribe(inFront.url, key, user),
  };
  for (const [kind, openOne] of Object.entries(kinds)) {
    console.log(`${kind} | ${(await eachOf(gateway, openOne)).toFixed(1)}`);
  }
} finally {
  await gateway.stop();
  await server.stop();
}

const folder = await mkdtemp(join(tmpdir(), "gatewright-footprint-"));
const [port, begun] = [await freePort(), performance.now()];
const demo = await start(join(BINARIES, "gatewright"), ["demo", "--port", String(port), "--data-dir", folder], {
  readyUrl: `http://127.0.0.1:${port}/healthz`,
});
console.log(`first answer of a new demo: ${(performance.now() - begun).toFixed(0)} ms after start`);
while (!/until you press Ctrl-C/.test(demo.output())) await pause(200);
await pause(5_000);
console.log(`demo, five seconds after its walkthrough: ${((await memory(demo.child.pid)).resident / MEGABYTE).toFixed(1)} MB resident`);
await demo.stop();
await rm(folder, { recursive: true, force: true });
