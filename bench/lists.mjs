// How much memory hostile MCP servers use with endless lists of tools: one server in each of more and more projects.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { once } from "node:events";
import { parseArgs } from "node:util";
import { startGateway } from "../e2e/lib/gateway.mjs";
import { send } from "../e2e/lib/raw.mjs";

const { values: options } = parseArgs({
  options: { servers: { type: "string", default: "1,10,50" }, memory: { type: "string", default: "256" } },
});
const MEGABYTE = 1 << 20;
/** A page of a list: 2,000 tools of five kilobytes, and always another page after it. */
const TOOLS = 2_000;
const WORDS = "x".repeat(5_000);
const META = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientInfo": { name: "bench", version: "1" },
  "io.modelcontextprotocol/clientCapabilities": {},
};
const DISCOVERED = { resultType: "complete", supportedVersions: ["2026-07-28"], capabilities: { tools: {} }, ttlMs: 3_600_000, cacheScope: "public" };

/** One process acts as all servers, each with its own path. The contents of a page are generated once; tool names contain the page number. */
async function startServers() {
  const tool = (index) => `{"name":"tool_@_${index}","description":"${WORDS}","inputSchema":{"type":"object"}}`;
  const page = Array.from({ length: TOOLS }, (_, index) => tool(index)).join(",");
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const part of request.setEncoding("utf8")) text += part;
    const { id, method, params } = JSON.parse(text);
    const number = Number(params?.cursor ?? 0);
    const answer = (result) => response.end(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${result}}`);
    response.writeHead(200, { "content-type": "application/json" });
    if (method === "server/discover") return answer(JSON.stringify(DISCOVERED));
    return answer(`{"resultType":"complete","ttlMs":3600000,"cacheScope":"public","tools":[${page.replaceAll("tool_@", `tool_${number}`)}],"nextCursor":"${number + 1}"}`);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: (number) => `http://127.0.0.1:${server.address().port}/${number}/mcp`,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Requests a gateway's list, as a client does; returns its size. */
async function list(url, key) {
  const answer = await send(url, {
    method: "POST",
    headers: {
      authorization: `Bearer ${key}`,
      "gatewright-user-id": "bench",
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "tools/list",
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list", params: { _meta: META } }),
  });
  return { status: answer.status, bytes: answer.text.length };
}

const memory = async (pid, field) => Number((await readFile(`/proc/${pid}/status`, "utf8")).match(new RegExp(`${field}:\\s+(\\d+)`))[1]) / 1024;

/** The memory of the lists, as the process reports it, in megabytes. */
async function counted(gateway) {
  const { text } = await send(`${gateway.url}/metrics`);
  return Number(text.match(/^gatewright_list_memory_bytes (\d+)/m)?.[1] ?? NaN) / MEGABYTE;
}

const servers = await startServers();
const gateway = await startGateway({ logLevel: "error", env: { GATEWRIGHT__LIMITS__LIST_MEMORY_MB: options.memory } });
try {
  const atRest = await memory(gateway.pid(), "VmRSS");
  console.log(`limit for lists: ${options.memory} MB; idle: ${atRest.toFixed(0)} MB resident; each server would send endless lists, ${((TOOLS * WORDS.length) / 1e6).toFixed(0)} MB a page\n`);
  console.log("hostile servers | lists counted MB | resident MB | above idle | peak | above idle | of the limit | responses\n--- | --- | --- | --- | --- | --- | --- | ---");
  const worlds = [];
  for (const count of options.servers.split(",").map(Number)) {
    while (worlds.length < count) {
      const project = await gateway.api("POST", "/projects", { name: `Project ${worlds.length}` }, gateway.instanceKey);
      const path = `/projects/${project.id}`;
      const { key: owner } = await gateway.api("POST", `${path}/api-keys`, { name: "bench", role: "owner" }, gateway.instanceKey);
      const create = (kind, body) => gateway.api("POST", `${path}/${kind}`, body, owner);
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
    const [now, most] = [await memory(gateway.pid(), "VmRSS"), await memory(gateway.pid(), "VmHWM")];
    const numbers = [await counted(gateway), now, now - atRest, most, most - atRest].map((number) => number.toFixed(0));
    console.log(`${count} | ${numbers.join(" | ")} | ${((most - atRest) / Number(options.memory)).toFixed(2)} | ${JSON.stringify(statuses)}`);
  }
} finally {
  await gateway.stop();
  servers.stop();
}
process.exit(0);
