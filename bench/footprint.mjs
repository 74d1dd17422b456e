// What an idle gateway costs: time to the first response, resident memory, and memory per idle stream.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BINARIES, startGateway } from "../e2e/lib/gateway.mjs";
import { freePort, start } from "../e2e/lib/process.mjs";

const STREAMS = 1000;
const pause = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

/** Resident memory of a process in kB (VmRSS). */
async function resident(pid) {
  return Number((await readFile(`/proc/${pid}/status`, "utf8")).match(/VmRSS:\s+(\d+)/)[1]);
}

/** Opens a session of a user and its listening stream; resolves when the stream's headers have arrived. */
async function listen(url, key, user) {
  const headers = {
    authorization: `Bearer ${key}`,
    "gatewright-user-id": user,
    accept: "application/json, text/event-stream",
    "content-type": "application/json",
  };
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "footprint", version: "1" } };
  const opened = await fetch(url, {
    method: "POST",
    headers,
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params }),
  });
  const session = opened.headers.get("mcp-session-id");
  if (!opened.ok || !session) throw new Error(`initialize: ${opened.status} ${await opened.text()}`);
  await opened.text();
  return new Promise((done, fail) => {
    const stream = request(url, {
      agent: false,
      headers: { ...headers, "mcp-session-id": session, "mcp-protocol-version": "2025-11-25" },
    });
    stream.on("response", (answer) => {
      if (answer.statusCode === 200) answer.resume().on("error", () => {});
      else fail(new Error(`listen: ${answer.statusCode}`));
      done(stream);
    });
    stream.on("error", fail).end();
  });
}

const gateway = await startGateway({ logLevel: "warn" });
try {
  const create = (kind, body) => gateway.api("POST", `${gateway.project}/${kind}`, body);
  const made = await create("gateways", { name: "Footprint", slug: "footprint", authentication_mode: "headers" });
  const { key } = await create("api-keys", { name: "footprint", role: "gateway" });
  await gateway.restart();
  await pause(5);
  console.log(`idle in serve: ${((await resident(gateway.pid())) / 1024).toFixed(1)} MB resident`);

  // One person can open only a limited number of streams, so there are many people.
  const some = (from, count) =>
    Promise.all(Array.from({ length: count }, (_, index) => listen(made.url, key, `user ${(from + index) % 100}`)));
  const warm = await some(0, 20);
  await pause(1);
  const before = await resident(gateway.pid());
  const streams = [];
  while (streams.length < STREAMS) streams.push(...(await some(streams.length, 50)));
  await pause(1);
  const each = ((await resident(gateway.pid())) - before) / STREAMS;
  console.log(`an idle listening stream: ${each.toFixed(1)} kB resident (${STREAMS} of them)`);
  for (const stream of [...warm, ...streams]) stream.destroy();
} finally {
  await gateway.stop();
}

const folder = await mkdtemp(join(tmpdir(), "gatewright-footprint-"));
const [port, begun] = [await freePort(), performance.now()];
const demo = await start(join(BINARIES, "gatewright"), ["demo", "--port", String(port), "--data-dir", folder], {
  readyUrl: `http://127.0.0.1:${port}/healthz`,
});
console.log(`first answer of a new demo: ${(performance.now() - begun).toFixed(0)} ms after start`);
while (!/until you press Ctrl-C/.test(demo.output())) await pause(0.2);
await pause(5);
console.log(`demo, five seconds after its walkthrough: ${((await resident(demo.child.pid)) / 1024).toFixed(1)} MB resident`);
await demo.stop();
await rm(folder, { recursive: true, force: true });
