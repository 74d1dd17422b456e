// What a page of the dashboard costs in a large project: the server's time, and the bytes that a browser with an empty cache
// downloads. The pages are found as a person finds them, by following links and filling in filters, so a new page is
// measured as soon as something links to it.

import { join } from "node:path";
import { parseArgs } from "node:util";
import { accessToken } from "../e2e/lib/access-token.mjs";
import { sourceFields } from "../e2e/lib/api.mjs";
import { median, percentile } from "../e2e/lib/figures.mjs";
import { BINARIES, STORES, startGateway } from "../e2e/lib/gateway.mjs";
import { freePort, start } from "../e2e/lib/process.mjs";
import { startProvider } from "../e2e/lib/provider.mjs";
import { within } from "../e2e/lib/time.mjs";
import { seedDashboard } from "./seed-dashboard.mjs";
import { Visitor } from "./visitor.mjs";

const { values: options } = parseArgs({
  options: { requests: { type: "string", default: "20" }, size: { type: "string", default: "1" } },
});
const REQUESTS = Number(options.requests);
const GOAL = { milliseconds: 50, kilobytes: 100 };
const running = [];

/** Creates a project with one of each object, of which the rest are copies; returns a signed-in owner of it. */
async function project(store) {
  const gateway = await startGateway({ store, logsToFile: true });
  const provider = await startProvider({ redirectUri: gateway.callback });
  const port = await freePort();
  const server = { url: `http://127.0.0.1:${port}/mcp` };
  const upstream = await start(join(BINARIES, "bench-upstream"), [String(port)], { readyUrl: server.url });
  running.push(gateway, provider, upstream);
  const { create } = gateway;
  const { id: source } = await create("user-sources", sourceFields(provider));
  await create("secrets", { name: "TOKEN", value: "a secret of some length", origins: [new URL(server.url).origin] });
  const { id } = await create("servers", { slug: "bench", name: "Bench", url: server.url });
  const settings = { user_source_id: source, authentication_mode: "user_source", servers: [id] };
  const made = await create("gateways", { name: "Bench", slug: "bench", ...settings });
  await create("gateways", { name: "By key", slug: "by-key", authentication_mode: "headers", servers: [id] });
  await create("invitations", { email: "guest@example.com", role: "viewer" });
  for (const user of ["ada", "grace"]) await accessToken({ url: made.url, user });
  const visitor = new Visitor(gateway.url);
  await visitor.setUp(gateway.log());
  await visitor.post(`${gateway.project}/join`, {});
  await settled(gateway);
  return { gateway, visitor };
}

/** Steps of sign-ins are written two seconds after they happened. */
async function settled(gateway) {
  const attempts = async () => Number((await gateway.rows("SELECT count(*) AS n FROM sign_in_attempts"))[0].n);
  await within(10_000, async () => (await attempts()) >= 2, "the sign-ins are not recorded");
}

/** The pages of one store, in the order in which they were found. */
async function measure(store) {
  const { gateway, visitor } = await project(store);
  const count = await seedDashboard(gateway, store, Number(options.size));
  // The in-memory copy of gateways and sources is read again.
  await gateway.restart();
  console.log(`\n${store}: ${Object.entries(count).map(([table, rows]) => `${rows} ${table.replaceAll("_", " ")}`).join(", ")}\n`);
  console.log("page | median ms | p95 ms | goal | cold kB | goal | verdict\n--- | --- | --- | --- | --- | --- | ---");
  let over = 0;
  const pages = await visitor.pages(gateway.project).catch(async (error) => {
    // Stopping writes the rest of the log.
    await gateway.restart();
    throw new Error(`${error.message}\n\nThe log ends with:\n${gateway.log().slice(-2000)}`);
  });
  for (const [template, path] of pages) {
    const { bytes } = await visitor.cold(path);
    const times = [];
    for (let count = 0; count < REQUESTS; count += 1) times.push((await visitor.get(path)).milliseconds);
    const [middle, late, kilobytes] = [median(times), percentile(times, 0.95), bytes / 1000];
    const wrong = [middle > GOAL.milliseconds && "slow", kilobytes > GOAL.kilobytes && "heavy"].filter(Boolean);
    over += wrong.length;
    const cells = [middle.toFixed(1), late.toFixed(1), GOAL.milliseconds, kilobytes.toFixed(1), GOAL.kilobytes, wrong.join(", ") || "good"];
    console.log(`${template} | ${cells.join(" | ")}`);
  }
  console.log(over ? `\n${store}: ${over} over the goal` : `\n${store}: all within the goal`);
}

try {
  for (const store of STORES) await measure(store);
} finally {
  for (const each of running.reverse()) await each.stop();
}
