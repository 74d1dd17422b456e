// What activity costs a tool call: the same instance with and without, in turns, at 32 connections. Then millions of rows: how fast they
// are written, and how long a page takes by each filter, on both stores.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { freshDatabase } from "../e2e/lib/database.mjs";
import { median } from "../e2e/lib/figures.mjs";
import { BINARIES, startGateway } from "../e2e/lib/gateway.mjs";
import { mcpHeaders, mcpMessage } from "../e2e/lib/mcp.mjs";
import { freePort, run, start } from "../e2e/lib/process.mjs";
import { wrk } from "./wrk.mjs";

const { values: options } = parseArgs({
  options: {
    seconds: { type: "string", default: "2" },
    rounds: { type: "string", default: "3" },
    rows: { type: "string", default: "10000000" },
  },
});
const running = [];

async function instance(upstream, enabled) {
  const env = { GATEWRIGHT__LIMITS__RUNNING_PER_PERSON: "256", GATEWRIGHT__ACTIVITY__ENABLED: String(enabled) };
  const gateway = await startGateway({ logsToFile: true, env });
  running.push(gateway);
  await gateway.create("servers", { slug: "bench", name: "Bench", url: upstream });
  const { url } = await gateway.create("gateways", { name: "Bench", slug: "bench", authentication_mode: "headers" });
  const { key } = await gateway.create("api-keys", { name: "bench", role: "gateway" });
  const headers = mcpHeaders({ bearer: key, user: "bench", method: "tools/call", name: "small" });
  const body = mcpMessage("tools/call", { name: "small", arguments: { query: "forty-two" } });
  const answer = await fetch(url, { method: "POST", headers, body });
  const text = await answer.text();
  if (answer.status !== 200 || !text.includes('"result"')) throw new Error(`${answer.status} ${text}`);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const env32 = { BODY: body, HEADERS: lines.join("\n") };
  return { gateway, load: () => wrk("post.lua", url, { connections: 32, seconds: options.seconds, env: env32 }) };
}

async function calls() {
  const port = await freePort();
  const upstream = await start(join(BINARIES, "bench-upstream"), [String(port)], { readyUrl: `http://127.0.0.1:${port}/mcp` });
  running.push(upstream);
  const url = `http://127.0.0.1:${port}/mcp`;
  const all = { without: await instance(url, false), with: await instance(url, true) };
  const seen = { without: [], with: [] };
  for (let round = 0; round < Number(options.rounds); round += 1) {
    for (const [name, { load }] of Object.entries(all)) {
      const measured = await load();
      if (measured.errors > 0) throw new Error(`${name}: ${measured.errors} errors`);
      seen[name].push({ rate: (measured.requests * 1e6) / measured.micros, p50: measured.p50, p99: measured.p99 });
    }
  }
  const metrics = await (await fetch(`${all.with.gateway.url}/metrics`)).text();
  const dropped = metrics.split("\n").filter((line) => line.startsWith("gatewright_activity_dropped_total"));
  console.log(`\nSmall calls at 32 connections, medians of ${options.rounds} rounds in turns of ${options.seconds} s.\n`);
  console.log("activity | requests/s | p50 µs | p99 µs\n--- | --- | --- | ---");
  const of = (name, field) => median(seen[name].map((each) => each[field]));
  for (const name of Object.keys(seen)) console.log(`${name} | ${of(name, "rate").toFixed(0)} | ${of(name, "p50")} | ${of(name, "p99")}`);
  console.log(`\nwith / without: ${(of("with", "rate") / of("without", "rate")).toFixed(3)}; dropped: ${dropped.join(", ") || "none"}`);
}

async function rows(database) {
  console.log(await run(join(BINARIES, "bench-activity"), [database, options.rows]));
}

try {
  await calls();
  if (Number(options.rows) > 0) {
    const folder = await mkdtemp(join(tmpdir(), "gatewright-activity-"));
    console.log("\nSQLite\n");
    await rows(join(folder, "gatewright.db"));
    await rm(folder, { recursive: true, force: true });
    console.log("\nPostgreSQL\n");
    await rows(await freshDatabase());
  }
} finally {
  for (const each of running.reverse()) await each.stop();
}
