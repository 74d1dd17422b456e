// The alerts and the dashboard that are delivered: Prometheus' own tool reads them, every metric in them exists, and each fault of the guide has an
// alert.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { startGateway } from "./lib/gateway.mjs";
import { mcpHeaders, mcpMessage } from "./lib/mcp.mjs";
import { run } from "./lib/process.mjs";
import { startStatelessServer } from "./lib/stateless-server.mjs";

const ROOT = join(import.meta.dirname, "..");
const ALERTS = join(ROOT, "ops/prometheus/alerts.yml");
const DASHBOARD = join(ROOT, "ops/grafana/gatewright.json");
const GUIDE = join(ROOT, "docs/guide/operating.md");

const read = (path) => readFile(path, "utf8");
/** The metrics that a text names. */
const namesIn = (text) => new Set(text.match(/\bgatewright_\w+/g));
/** What Grafana puts in the place of its variables. */
const filledIn = (expr) => expr.replaceAll("$__rate_interval", "5m").replaceAll("$gateway", ".*");

/** The queries of the dashboard. */
const queries = (dashboard) => dashboard.panels.flatMap((panel) => panel.targets.map((target) => target.expr));

/** Rules as `promtool check rules` reads them; it fails on an expression that is not PromQL. */
async function check(rules) {
  const folder = await mkdtemp(join(tmpdir(), "gatewright-rules-"));
  try {
    const file = join(folder, "rules.yml");
    await writeFile(file, rules);
    return await run("promtool", ["check", "rules", file]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const recording = (exprs) =>
  JSON.stringify({ groups: [{ name: "dashboard", rules: exprs.map((expr, number) => ({ record: `query_${number}`, expr })) }] });

test("Prometheus' own tool reads the alerts and every query of the dashboard", async () => {
  assert.match(await run("promtool", ["check", "rules", ALERTS]), /SUCCESS: \d+ rules found/);
  const exprs = queries(JSON.parse(await read(DASHBOARD))).map(filledIn);
  assert.match(await check(recording(exprs)), new RegExp(`SUCCESS: ${exprs.length} rules found`));
  await assert.rejects(check(recording(["sum by (a (b)"])), /could not parse expression/);
});

test("every metric of the alerts and the dashboard exists: in a running instance, or in the guide if nothing has been counted yet", async (t) => {
  const upstream = await startStatelessServer({ list: () => ({ ttlMs: 60_000, cacheScope: "public", tools: [] }) });
  t.after(() => upstream.stop());
  const gateway = await startGateway();
  t.after(() => gateway.stop());
  const { create } = gateway;
  const server = await create("servers", { slug: "one", url: upstream.url });
  const fields = { name: "Measured", slug: "measured", authentication_mode: "headers", servers: [server.id] };
  const { url } = await create("gateways", fields);
  const { key } = await create("api-keys", { name: "measured", role: "gateway" });
  const headers = mcpHeaders({ bearer: key, user: "ada", method: "tools/list" });
  await (await fetch(url, { method: "POST", headers, body: mcpMessage("tools/list") })).text();
  const text = await (await fetch(`${gateway.url}/metrics`)).text();
  const typed = [...text.matchAll(/^# TYPE (\S+) (\S+)/gm)];
  const suffixes = { counter: ["_total"], histogram: ["_bucket", "_sum", "_count"], gauge: [""] };
  const exist = new Set(typed.flatMap(([, name, kind]) => suffixes[kind].map((suffix) => name + suffix)));
  // Counters appear with what they count first. A test of the core holds this table against all that is ever measured.
  const listed = namesIn((await read(GUIDE)).split("## Metrics\n")[1].split("\n## ")[0]);
  assert.ok([...exist].filter((name) => listed.has(name)).length > 10);
  for (const path of [ALERTS, DASHBOARD]) {
    const wanted = namesIn(path === DASHBOARD ? queries(JSON.parse(await read(path))).join("\n") : await read(path));
    assert.ok(wanted.size > 10, path);
    for (const name of wanted) assert.ok(exist.has(name) || listed.has(name), `${name} in ${path} is not measured`);
  }
});

test("each fault of the guide has an alert on a measure that shows it", async () => {
  const guide = (await read(GUIDE)).split("## Which measure shows which fault")[1].split("\n## ")[0];
  const rows = guide.split("\n").filter((line) => line.startsWith("| ")).slice(2);
  assert.ok(rows.length > 10);
  const expressions = namesIn(await read(ALERTS));
  for (const row of rows) {
    const [fault, shows] = row.split(" | ");
    const measures = [...namesIn(shows)];
    assert.ok(measures.some((name) => expressions.has(name)), `no alert for: ${fault}`);
  }
});
