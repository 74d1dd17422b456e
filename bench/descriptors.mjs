// Five hundred slow calls of one person: how long another person's calls and `/readyz` take during them, compared with
// before, with a high and a low limit of open files.

import { Agent } from "node:http";
import { parseArgs } from "node:util";
import { percentile } from "../e2e/lib/figures.mjs";
import { startGateway } from "../e2e/lib/gateway.mjs";
import { send, hangUp } from "../e2e/lib/raw.mjs";
import { callTool, startSlowServer } from "../e2e/lib/slow-server.mjs";
import { pause } from "../e2e/lib/time.mjs";

const { values: options } = parseArgs({ options: { calls: { type: "string", default: "500" }, probes: { type: "string", default: "400" } } });
const CALLS = Number(options.calls);
const PROBES = Number(options.probes);
/** The limits of open files: this machine's, and a soft and a hard limit. */
const LIMITS = { "as it is": [], "1,024, may be raised": ["-Sn 1024"], "400, hard limit": ["-n 400"] };

async function measure(title, limit) {
  const upstream = await startSlowServer();
  const wrapper = limit.length ? ["sh", "-c", `ulimit ${limit[0]}; exec "$@"`, "sh"] : [];
  const gateway = await startGateway({ logLevel: "error", wrapper });
  const open = [];
  const agent = new Agent({ keepAlive: false, maxSockets: Infinity });
  try {
    const { create } = gateway;
    await create("servers", { slug: "slow", url: upstream.url, timeout_ms: 120_000 });
    const { url } = await create("gateways", { name: "Slow", slug: "slow", authentication_mode: "headers" });
    const { key } = await create("api-keys", { name: "slow", role: "gateway" });
    /** Calls and readiness checks of others, one after the other, each on its own connection. */
    const others = async () => {
      const seen = { calls: [], ready: [], failed: 0 };
      for (let count = 0; count < PROBES; count += 1) {
        const began = performance.now();
        const { status, whole } = await callTool(url, { key, user: "bob", name: "quick", agent });
        await whole;
        seen.calls.push(performance.now() - began);
        const asked = performance.now();
        const ready = await send(`${gateway.url}/readyz`).catch(() => ({}));
        seen.ready.push(performance.now() - asked);
        seen.failed += (status !== 200) + (ready.status !== 200);
      }
      return seen;
    };
    await others();
    const before = await others();
    const answers = [];
    const first = () => callTool(url, { key, user: "ada", name: "slow", agent, open }).then((answer) => answers.push(answer));
    for (let count = 0; count < CALLS; count += 1) first();
    const during = await others();
    const until = performance.now() + 5_000;
    while (answers.length + upstream.waiting.size < CALLS && performance.now() < until) await pause(20);
    const refused = answers.filter(({ status }) => status === 429).length;
    const ratio = (what) => (percentile(during[what], 0.99) / percentile(before[what], 0.99)).toFixed(2);
    const success = (100 * (1 - during.failed / (2 * PROBES))).toFixed(1);
    const cells = [upstream.waiting.size, ((100 * refused) / CALLS).toFixed(0), success, percentile(during.calls, 0.99).toFixed(1), ratio("calls"), ratio("ready")];
    console.log(`${title} | ${cells.join(" | ")}`);
  } finally {
    for (const each of open) each.destroy();
    agent.destroy();
    hangUp();
    await gateway.stop();
    upstream.stop();
  }
}

console.log(`${CALLS} slow calls of one person at once; ${PROBES} calls and as many readiness checks of others before and during them\n`);
console.log("open files | slow calls running | refused with 429, % | others served, % | p99 of others' calls, ms | of before | readiness, of before\n--- | --- | --- | --- | --- | --- | ---");
for (const [title, limit] of Object.entries(LIMITS)) await measure(title, limit);
process.exit(0);
