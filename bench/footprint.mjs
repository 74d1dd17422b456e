// What an idle gateway costs: time to the first response, resident memory, and memory per idle stream.

import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MEGABYTE, memory } from "../e2e/lib/figures.mjs";
import { BINARIES, startGateway } from "../e2e/lib/gateway.mjs";
import { initialize } from "../e2e/lib/mcp.mjs";
import { freePort, start } from "../e2e/lib/process.mjs";
import { pause } from "../e2e/lib/time.mjs";

const STREAMS = 1000;

/** Opens a session of a user and its listening stream; resolves when the stream's headers have arrived. */
async function listen(url, key, user) {
  const { headers, ...first } = initialize({ bearer: key, user });
  const opened = await fetch(url, { headers, ...first });
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
  const { create } = gateway;
  const made = await create("gateways", { name: "Footprint", slug: "footprint", authentication_mode: "headers" });
  const { key } = await create("api-keys", { name: "footprint", role: "gateway" });
  await gateway.restart();
  await pause(5_000);
  console.log(`idle in serve: ${((await memory(gateway.pid())).resident / MEGABYTE).toFixed(1)} MB resident`);

  // One person can open only a limited number of streams, so there are many people.
  const some = (from, count) =>
    Promise.all(Array.from({ length: count }, (_, index) => listen(made.url, key, `user ${(from + index) % 100}`)));
  const warm = await some(0, 20);
  await pause(1_000);
  const before = (await memory(gateway.pid())).resident;
  const streams = [];
  while (streams.length < STREAMS) streams.push(...(await some(streams.length, 50)));
  await pause(1_000);
  const each = ((await memory(gateway.pid())).resident - before) / 1024 / STREAMS;
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
while (!/until you press Ctrl-C/.test(demo.output())) await pause(200);
await pause(5_000);
console.log(`demo, five seconds after its walkthrough: ${((await memory(demo.child.pid)).resident / MEGABYTE).toFixed(1)} MB resident`);
await demo.stop();
await rm(folder, { recursive: true, force: true });
