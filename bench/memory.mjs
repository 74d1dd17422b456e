// Whether memory is returned: opens thousands of calls whose responses are streams that stay open, closes them all, and compares
// the memory of the process ten seconds later with the memory before.

import { readFile } from "node:fs/promises";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { MEGABYTE, memory } from "../e2e/lib/figures.mjs";
import { startGateway } from "../e2e/lib/gateway.mjs";
import { toolCall } from "../e2e/lib/mcp.mjs";
import { freePort, start } from "../e2e/lib/process.mjs";
import { pause } from "../e2e/lib/time.mjs";

const { values: options } = parseArgs({
  options: { streams: { type: "string", default: "8000" }, rounds: { type: "string", default: "2" } },
});
const STREAMS = Number(options.streams);
const ROUNDS = Number(options.rounds);
/** The memory allowed ten seconds after the streams have closed, as a multiple of the memory before. */
const GOAL = 1.5;
/** One person can run only a limited number of calls at once, so there are many people. */
const PEOPLE = 500;
const AT_ONCE = 100;
/** Descriptors of the gateway in addition to the two of each stream. */
const OTHERS = 500;

/** Resident memory of a process, and its peak, in MB. */
async function megabytes(pid) {
  const { resident, peak } = await memory(pid);
  return { now: resident / MEGABYTE, peak: peak / MEGABYTE };
}

/** The number of descriptors allowed for this process and those it starts: Node raised the limit to the hard one at its start. */
async function descriptors() {
  const line = (await readFile("/proc/self/limits", "utf8")).match(/Max open files\s+\S+\s+(\S+)/);
  return line[1] === "unlimited" ? Number.MAX_SAFE_INTEGER : Number(line[1]);
}

/** A call; resolves with a function that ends it, once the head of its stream has arrived. */
function call(url, key, user, agent) {
  const { body, ...options } = toolCall({ bearer: key, user, name: "stay" });
  return new Promise((done, fail) => {
    const stream = request(url, { ...options, agent });
    stream.on("error", fail);
    stream.on("response", (answer) => {
      answer.on("error", () => {}).resume();
      if (answer.statusCode !== 200) fail(new Error(`a call returned ${answer.statusCode}`));
      else done(stream);
    });
    stream.end(body);
  });
}

const room = Math.floor(((await descriptors()) - OTHERS) / 2);
const count = Math.min(STREAMS, room);
if (count < STREAMS) console.log(`only ${count} of ${STREAMS} streams fit into the descriptors a process may have here (ulimit -Hn)`);

const port = await freePort();
const server = await start(process.execPath, [join(import.meta.dirname, "streaming-server.mjs"), String(port)], {
  readyUrl: `http://127.0.0.1:${port}/`,
});
const gateway = await startGateway({ logLevel: "warn", env: { GATEWRIGHT__LIMITS__PROJECT_SHARE_PERCENT: "100" } });
// A connection for each stream, as with people in different places.
const agent = new Agent({ keepAlive: false, maxSockets: Infinity });
let missed = false;
try {
  const { create } = gateway;
  const made = await create("servers", { slug: "streaming", name: "Streaming", url: `http://127.0.0.1:${port}/mcp` });
  const { url } = await create("gateways", { name: "Memory", slug: "memory", authentication_mode: "headers", servers: [made.id] });
  const { key } = await create("api-keys", { name: "memory", role: "gateway" });
  await gateway.restart();
  // What the very first call allocates, and what stays allocated.
  (await call(url, key, "person 0", agent)).destroy();
  await pause(5_000);
  const idle = (await megabytes(gateway.pid())).now;
  console.log(`idle: ${idle.toFixed(1)} MB resident; a process that serves returns all but ${GOAL} times that\n`);
  console.log("round | streams | MB while they are open | MB ten seconds after | of idle\n--- | --- | --- | --- | ---");
  for (let round = 1; round <= ROUNDS; round += 1) {
    const open = [];
    while (open.length < count) {
      const some = Math.min(AT_ONCE, count - open.length);
      const calls = Array.from({ length: some }, (_, index) => call(url, key, `person ${(open.length + index) % PEOPLE}`, agent));
      open.push(...(await Promise.all(calls)));
    }
    const full = (await megabytes(gateway.pid())).now;
    for (const stream of open) stream.removeAllListeners("error").on("error", () => {}).destroy();
    await pause(10_000);
    const after = (await megabytes(gateway.pid())).now;
    missed ||= after > idle * GOAL;
    console.log(`${round} | ${count} | ${full.toFixed(1)} | ${after.toFixed(1)} | ${(after / idle).toFixed(2)}`);
  }
  console.log(`\nthe goal of ${GOAL} is ${missed ? "MISSED" : "met"}; at most ${(await megabytes(gateway.pid())).peak.toFixed(1)} MB were resident`);
} finally {
  agent.destroy();
  await gateway.stop();
  await server.stop();
}
