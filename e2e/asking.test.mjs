// What servers ask of clients, through a gateway: elicitation, sampling and roots, with the official SDKs as clients and as servers,
// between every pair of eras.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { join } from "node:path";
import { text as readText } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { Client as StatelessClient, StreamableHTTPClientTransport as StatelessTransport } from "@modelcontextprotocol/client";
import { Client as SessionClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as SessionTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { startGateway } from "./lib/gateway.mjs";
import { listen } from "./lib/listen.mjs";
import { startReferenceServer } from "./lib/reference-server.mjs";

const REVISIONS = ["2025-11-25", "2026-07-28"];
const CAPABILITIES = { elicitation: { form: {}, url: {} }, sampling: {}, roots: { listChanged: true } };
const INFO = { name: "asked", version: "1.0.0" };
const PYTHON = process.env.GATEWRIGHT_TEST_PYTHON ?? "python3";

/** What each tool asks for, and what it says when it has it. */
const ASKED = {
  test_input_required_result_elicitation: /Ada/,
  test_input_required_result_sampling: /Paris|answered/,
  test_input_required_result_list_roots: /1 roots|roots are known/,
};

const elicit = () => ({ action: "accept", content: { name: "Ada", response: "Ada" } });
const sample = () => ({ role: "assistant", content: { type: "text", text: "Paris" }, model: "a-model", stopReason: "endTurn" });
const listRoots = () => ({ roots: [{ uri: "file:///work", name: "work" }] });

/** The text of a tool's result. */
const said = ({ content }) => content.map(({ text }) => text).join("\n");

/** The TypeScript SDK 1, with a session; `capabilities` are declared and answered. */
async function withSession(url, headers, capabilities = CAPABILITIES) {
  const client = new SessionClient(INFO, { capabilities });
  if (capabilities.elicitation) client.setRequestHandler(ElicitRequestSchema, elicit);
  if (capabilities.sampling) client.setRequestHandler(CreateMessageRequestSchema, sample);
  if (capabilities.roots) client.setRequestHandler(ListRootsRequestSchema, listRoots);
  await client.connect(new SessionTransport(new URL(url), { requestInit: { headers } }));
  return client;
}

/** The TypeScript SDK 2, stateless. */
async function stateless(url, headers, capabilities = CAPABILITIES) {
  const client = new StatelessClient(INFO, { capabilities, versionNegotiation: { mode: "auto" } });
  if (capabilities.elicitation) client.setRequestHandler("elicitation/create", elicit);
  if (capabilities.sampling) client.setRequestHandler("sampling/createMessage", sample);
  if (capabilities.roots) client.setRequestHandler("roots/list", listRoots);
  await client.connect(new StatelessTransport(new URL(url), { requestInit: { headers } }));
  return client;
}

/** The Python SDK: calls these tools, and returns what each said. */
async function python(url, headers, tools) {
  const script = join(import.meta.dirname, "clients/python_asked.py");
  const child = spawn(PYTHON, [script, url, JSON.stringify(headers), JSON.stringify(tools)], { stdio: ["ignore", "pipe", "inherit"] });
  return JSON.parse(await readText(child.stdout));
}

/** A server whose tool asks in the usual way of this SDK, which sends the question on the stream that the server is listened to with. */
async function startAside() {
  const sessions = new Map();
  const begin = async () => {
    const mcp = new McpServer({ name: "aside", version: "1.0.0" });
    mcp.registerTool("greet", { description: "Asks for a name" }, async () => {
      const requestedSchema = { type: "object", properties: { name: { type: "string" } } };
      const { content } = await mcp.server.elicitInput({ message: "What is your name?", requestedSchema });
      return { content: [{ type: "text", text: `Hello, ${content.name}!` }] };
    });
    const onsessioninitialized = (id) => sessions.set(id, transport);
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: randomUUID, onsessioninitialized });
    await mcp.connect(transport);
    return transport;
  };
  const server = createServer(async (request, response) => {
    const transport = sessions.get(request.headers["mcp-session-id"]) ?? (await begin());
    await transport.handleRequest(request, response);
  });
  const { origin, stop } = await listen(server);
  return { url: `${origin}/mcp`, stop };
}

describe("what servers ask of clients", () => {
  const parts = [];
  const urls = {};
  let headers;

  before(async () => {
    const kept = async (starting) => {
      const part = await starting;
      parts.unshift(part);
      return part;
    };
    const gateway = await kept(startGateway());
    const { key } = await gateway.create("api-keys", { name: "asking", role: "gateway" });
    headers = { authorization: `Bearer ${key}`, "gatewright-user-id": "ada" };
    const servers = { aside: await kept(startAside()) };
    for (const revision of REVISIONS) servers[revision] = await kept(startReferenceServer(revision));
    for (const [name, { url }] of Object.entries(servers)) {
      const { id } = await gateway.create("servers", { slug: `asking-${name}`, url });
      const made = { name, slug: `asking-${name}`, authentication_mode: "headers", servers: [id] };
      urls[name] = (await gateway.create("gateways", made)).url;
    }
  });

  after(async () => {
    for (const part of parts) await part.stop();
  });

  for (const revision of REVISIONS) {
    for (const [name, connect] of Object.entries({ "TypeScript 1": withSession, "TypeScript 2": stateless })) {
      test(`${name} answers what a server of ${revision} asks`, async () => {
        const client = await connect(urls[revision], headers);
        for (const [tool, answer] of Object.entries(ASKED)) {
          assert.match(said(await client.callTool({ name: tool, arguments: {} })), answer, tool);
        }
        await client.close();
      });

      test(`${name} is not asked by a server of ${revision} what it does not declare`, async () => {
        const client = await connect(urls[revision], headers, { roots: {} });
        const refused = await client.callTool({ name: "test_input_required_result_elicitation", arguments: {} }).then(
          (result) => result.isError,
          () => true,
        );
        assert.ok(refused);
        await client.close();
      });
    }

    test(`Python answers what a server of ${revision} asks`, async () => {
      const answers = await python(urls[revision], headers, Object.keys(ASKED));
      for (const [tool, answer] of Object.entries(ASKED)) assert.match(answers[tool], answer, tool);
    });
  }

  test("a server that asks on the stream it is listened to with reaches the client", async () => {
    const client = await withSession(urls.aside, headers);
    for (let call = 0; call < 3; call += 1) {
      assert.equal(said(await client.callTool({ name: "greet", arguments: {} })), "Hello, Ada!");
    }
    await client.close();
  });
});
