// How much memory hostile MCP servers use with endless lists of tools: one server in each of more and more projects.

import { parseArgs } from "node:util";
import { createProject } from "../e2e/lib/api.mjs";
import { MEGABYTE, memory } from "../e2e/lib/figures.mjs";
import { startGateway } from "../e2e/lib/gateway.mjs";
import { mcpHeaders, mcpMessage } from "../e2e/lib/mcp.mjs";
import { send } from "../e2e/lib/raw.mjs";
import { startStatelessServer } from "../e2e/lib/stateless-server.mjs";

const { values: options } = parseArgs({
  options: { servers: { type: "string", default: "1,10,50" }, memory: { type: "string", default: "256" } },
});
/** A page of a list: 2,000 tools of five kilobytes, and always another page after it. */
const TOOLS = 2_000;
const WORDS = "x".repeat(5_000);

/** One process acts as all servers, each with its own path. Tool names contain the number of their page. */
async function startServers() {
  const tool = (page, index) => ({ name: `tool_${page}_${index}`, description: WORDS, inputSchema: { type: "object" } });
  const { origin, stop } = await startStatelessServer({
    list: (params) => {
      const page = Number(params?.cursor ?? 0);
      const tools = Array.from({ length: TOOLS }, (_, index) => tool(page, index));
      return { ttlMs: 3_600_000, cacheScope: "public", tools, nextCursor: String(page + 1) };
    },
  });
  return { url: (number) => `${origin}/${number}/mcp`, stop };
}

/** Requests a gateway's list, as a client does; returns its size. */
async function list(url, key) {
  const answer = await send(url, {
    method: "POST",
    headers: mcpHeaders({ bearer: key, user: "bench", method: "tools/list" }),
    body: mcpMessage("tools/list"),
  });
  return { status: answer.status, bytes: answer.text.length };
}

/** The memory of the lists, as the process reports it, in megabytes. */
async function counted(gateway) {
  const { text } = await send(`${gateway.url}/metrics`);
  return Number(text.match(/^gatewright_list_memory_bytes (\d+)/m)?.[1] ?? NaN) / MEGABYTE;
}

const servers = await startServers();
const gateway = await startGateway({ logLevel: "error", env: { GATEWRIGHT__LIMITS__LIST_MEMORY_MB: options.memory } });
try {
  const atRest = (await memory(gateway.pid())).resident / MEGABYTE;
  console.log(`limit for lists: ${options.memory} MB; idle: ${atRest.toFixed(0)} MB resident; each server would send endless lists, ${((TOOLS * WORDS.length) / 1e6).toFixed(0)} MB a page\n`);
  console.log("hostile servers | lists counted MB | resident MB | above idle | peak | above idle | of the limit | responses\n--- | --- | --- | --- | --- | --- | --- | ---");
  const worlds = [];
  for (const count of options.servers.split(",").map(Number)) {
    while (worlds.length < count) {
      const { create } = await createProject(gateway.url, gateway.instanceKey, `Project ${worlds.length}`);
      const { id } = await create("servers", { slug: "hostile", url: servers.url(worlds.length) });
      const { url } = await create("gateways", { name: "Lists", slug: `lists-${worlds.length}`, authentication_mode: "headers", servers: [id] });
      worlds.push({ url, key: (await create("api-keys", { name: "lists", role: "gateway" })).key });
    }
    const statuses = {};
    // Twice: what fits is kept from the first time, the rest is read again.
    for (let round = 0; round < 2; round += 1) {
      for (let from = 0; from < worlds.length; from += 4) {
        const answers = await Promise.all(worlds.slice(from, from + 4).map(({ url, key }) => list(url, key)));
        for (const { status } of answers) statuses[status] = (statuses[status] ?? 0) + 1;
      }
    }
    const { resident, peak } = await memory(gateway.pid());
    const [now, most] = [resident / MEGABYTE, peak / MEGABYTE];
    const numbers = [await counted(gateway), now, now - atRest, most, most - atRest].map((number) => number.toFixed(0));
    console.log(`${count} | ${numbers.join(" | ")} | ${((most - atRest) / Number(options.memory)).toFixed(2)} | ${JSON.stringify(statuses)}`);
  }
} finally {
  await gateway.stop();
  await servers.stop();
}
process.exit(0);
