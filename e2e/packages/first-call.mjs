// From an instance that was just installed to the first tool call, as an operator's script does it. The arguments are the command that
// runs `gatewright` for that instance. The server is registered by the name `localhost`, so names are looked up, too.

import assert from "node:assert/strict";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { createProject } from "../lib/api.mjs";
import { startOddUpstream } from "../lib/odd-upstream.mjs";
import { run } from "../lib/process.mjs";
import { within } from "../lib/time.mjs";

const ORIGIN = process.env.ORIGIN ?? "http://127.0.0.1:8080";
const [command, ...words] = process.argv.slice(2);

const isReady = () =>
  fetch(`${ORIGIN}/readyz`).then(
    (answer) => answer.status === 200,
    () => false,
  );
await within(30_000, isReady, "it is not ready");
const printed = await run(command, [...words, "admin", "init"]);
const instanceKey = printed.match(/gwk_[\w-]+/)?.[0];
assert.ok(instanceKey, printed);

const upstream = await startOddUpstream();
const { create } = await createProject(ORIGIN, instanceKey);
const url = upstream.url.replace("127.0.0.1", "localhost");
assert.notEqual(url, upstream.url);
const server = await create("servers", { slug: "acts", name: "Acts", url });
await create("gateways", { name: "Agents", slug: "agents", authentication_mode: "headers", servers: [server.id] });
const { key } = await create("api-keys", { name: "agents", role: "gateway" });

const client = new Client({ name: "install", version: "1" });
const headers = { authorization: `Bearer ${key}`, "gatewright-user-id": "ada-1815" };
await client.connect(new StreamableHTTPClientTransport(new URL(`${ORIGIN}/mcp/agents`), { requestInit: { headers } }));
const { isError } = await client.callTool({ name: "act", arguments: {} });
assert.ok(!isError);
assert.equal(upstream.seen.acted, 1);
await client.close();
upstream.stop();
console.log("first tool call");
