// Calls that wait for their stateless clients, at a server with sessions that asked something: each is an open connection.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import { memory } from "./lib/figures.mjs";
import { startGateway } from "./lib/gateway.mjs";
import { bodyOf, listen } from "./lib/listen.mjs";
import { mcpHeaders } from "./lib/mcp.mjs";

const USERS = 30;
/** Calls of one user that wait at the same time, one less than the limit; together they are fewer than the limit of a project. */
const OF_USER = 15;

const QUESTION = { jsonrpc: "2.0", id: 1, method: "elicitation/create", params: { message: "?", requestedSchema: { type: "object", properties: {} } } };

/** A server with sessions whose tool asks, and then waits. */
async function startAsking() {
  let sessions = 0;
  const results = {
    initialize: { protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo: { name: "asking", version: "1" } },
    "tools/list": { tools: [{ name: "t", inputSchema: { type: "object" } }] },
  };
  const server = createServer(async (request, response) => {
    const { id, method } = JSON.parse((await bodyOf(request)) || "{}");
    const json = { "content-type": "application/json", ...(method === "initialize" && { "mcp-session-id": `s${sessions++}` }) };
    if (method === "tools/call") {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(`data: ${JSON.stringify(QUESTION)}\n\n`);
    } else if (results[method]) {
      response.writeHead(200, json).end(JSON.stringify({ jsonrpc: "2.0", id, result: results[method] }));
    } else if (request.method === "POST" && id !== undefined && method) {
      const error = { code: -32601, message: "Method not found" };
      response.writeHead(400, json).end(JSON.stringify({ jsonrpc: "2.0", id, error }));
    } else {
      response.writeHead(request.method === "GET" ? 405 : 202).end();
    }
  });
  return listen(server);
}

describe("calls that wait for their clients", () => {
  let gateway, server, key, url;

  before(async () => {
    gateway = await startGateway();
    server = await startAsking();
    const { id } = await gateway.create("servers", { slug: "asking", url: `${server.origin}/mcp` });
    ({ key } = await gateway.create("api-keys", { name: "asking", role: "gateway" }));
    ({ url } = await gateway.create("gateways", { name: "asking", slug: "asking", authentication_mode: "headers", servers: [id] }));
  });

  after(async () => {
    for (const each of [gateway, server]) await each?.stop();
  });

  const call = async (user) => {
    const _meta = {
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientCapabilities": { elicitation: {} },
    };
    const params = { name: "t", arguments: {}, _meta };
    const answer = await fetch(url, {
      method: "POST",
      headers: mcpHeaders({ bearer: key, user, name: "t" }),
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params }),
    });
    assert.match(await answer.text(), /input_required/);
  };

  test("each holds less than 40 kB", async () => {
    const users = Array.from({ length: USERS }, (_, number) => `user-${number}`);
    // The session of each user with the server, and what every process needs once.
    for (const user of users) await call(user);
    const { resident } = await memory(gateway.pid());
    for (const user of users) await Promise.all(Array.from({ length: OF_USER }, () => call(user)));
    const each = ((await memory(gateway.pid())).resident - resident) / (USERS * OF_USER);
    assert.ok(each < 40_000, `${Math.round(each)} bytes`);
  });
});
