// What the gateway costs while nothing happens: time to the first answer, resident memory, and memory per idle stream.

import { readFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { accessToken } from "../e2e/lib/access-token.mjs";
import { BINARIES, startGateway } from "../e2e/lib/gateway.mjs";
import { freePort, start } from "../e2e/lib/process.mjs";
import { startProvider } from "../e2e/lib/provider.mjs";

const STREAMS = 1000;
const pause = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

/** Resident memory of a process in kB (VmRSS). */
async function resident(pid) {
  return Number((await readFile(`/proc/${pid}/status`, "utf8")).match(/VmRSS:\s+(\d+)/)[1]);
}

/** Opens a session and its listening stream; resolves when the stream's headers have come. */
async function listen(url, token) {
  const headers = {
    authorization: `Bearer ${token}`,
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
const provider = await startProvider({ redirectUri: gateway.callback });
try {
  const create = (kind, body) => gateway.api("POST", `${gateway.project}/${kind}`, body);
  const source = await create("user-sources", {
    name: "Company",
    issuer: provider.issuer,
    client_id: provider.client.client_id,
    client_secret: provider.client.client_secret,
  });
  const made = await create("gateways", {
    name: "Footprint",
    slug: "footprint",
    authentication_mode: "user_source",
    user_source_id: source.id,
  });
  await gateway.restart();
  await pause(5);
  console.log(`idle in serve: ${((await resident(gateway.pid())) / 1024).toFixed(1)} MB resident`);

  const token = await accessToken({ url: made.url });
  const warm = await Promise.all(Array.from({ length: 20 }, () => listen(made.url, token)));
  await pause(1);
  const before = await resident(gateway.pid());
  const streams = [];
  while (streams.length < STREAMS) {
    streams.push(...(await Promise.all(Array.from({ length: 50 }, () => listen(made.url, token)))));
  }
  await pause(1);
  const each = ((await resident(gateway.pid())) - before) / STREAMS;
  console.log(`an idle listening stream: ${each.toFixed(1)} kB resident (${STREAMS} of them)`);
  for (const stream of [...warm, ...streams]) stream.destroy();
} finally {
  await provider.stop();
  await gateway.stop();
}

const [port, begun] = [await freePort(), performance.now()];
const demo = await start(join(BINARIES, "gatewright"), ["demo", "--port", String(port)], {
  readyUrl: `http://127.0.0.1:${port}/healthz`,
});
console.log(`first answer of a new demo: ${(performance.now() - begun).toFixed(0)} ms after start`);
while (!/connect|sign in by hand/i.test(demo.output())) await pause(0.2);
await pause(5);
console.log(`demo, five seconds after its walk: ${((await resident(demo.child.pid)) / 1024).toFixed(1)} MB resident`);
await demo.stop();
