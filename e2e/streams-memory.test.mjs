// Memory that clients cause who listen, and clients who leave in the middle of an answer: what is kept for them is bounded, whatever their
// servers send.

import assert from "node:assert/strict";
import { createServer, request } from "node:http";
import { after, before, describe, test } from "node:test";
import { MEGABYTE, memory } from "./lib/figures.mjs";
import { startGateway } from "./lib/gateway.mjs";
import { bodyOf, listen } from "./lib/listen.mjs";
import { initialize, mcpHeaders, mcpMessage } from "./lib/mcp.mjs";
import { within } from "./lib/time.mjs";

const USERS = 50;
/** Streams of one user. */
const OF_USER = 10;
/** Resources that each stream asks for; together as many as one project can have. */
const RESOURCES = 8;
/** What a listening stream may take in a debug build, in kB. */
const STREAM_MAX = 60;
/** Calls that one user leaves. */
const LEFT_OF_USER = 4;
/** What the server sends to each call that was left: more than is kept of one. An event that has not arrived as a whole is not counted. */
const SENT = Array.from({ length: 100 }, () => "x".repeat(MEGABYTE / 10));
/** What is kept for the clients of one project that may come back, in MB; and how much more the process may use in the meantime. */
const [KEPT, BESIDE] = [32, 160];

/** A server with sessions whose calls stay open until `flood` sends more to each than is kept. */
async function startFlooding() {
  const open = [];
  let sessions = 0;
  const results = {
    initialize: {
      protocolVersion: "2025-11-25",
      capabilities: { tools: {}, resources: { subscribe: true } },
      serverInfo: { name: "flooding", version: "1" },
    },
    "tools/list": { tools: [{ name: "t", inputSchema: { type: "object" } }] },
    "resources/list": { resources: Array.from({ length: RESOURCES }, (_, n) => ({ uri: `memo://${n}`, name: String(n) })) },
    "resources/templates/list": { resourceTemplates: [] },
    "resources/subscribe": {},
    "resources/unsubscribe": {},
  };
  const server = createServer(async (request, response) => {
    const { id, method } = JSON.parse((await bodyOf(request)) || "{}");
    const json = { "content-type": "application/json", ...(method === "initialize" && { "mcp-session-id": `s${sessions++}` }) };
    const isStream = request.method === "GET" || method === "tools/call";
    if (isStream) {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(": here\n\n");
      if (method) open.push(response);
    } else if (results[method]) {
      response.writeHead(200, json).end(JSON.stringify({ jsonrpc: "2.0", id, result: results[method] }));
    } else if (id !== undefined && method) {
      const error = { code: -32601, message: "Method not found" };
      response.writeHead(400, json).end(JSON.stringify({ jsonrpc: "2.0", id, error }));
    } else {
      response.writeHead(202).end();
    }
  });
  const { origin, stop } = await listen(server);
  const event = (text) => `data: ${JSON.stringify({ jsonrpc: "2.0", method: "notifications/x", params: { text } })}\n\n`;
  const flood = async () => {
    for (const response of open) {
      for (const text of SENT) if (!response.destroyed) response.write(event(text));
    }
  };
  return { url: `${origin}/mcp`, open, flood, stop };
}

/** Opens a stream; resolves with it once its first bytes are here. */
function openStream(url, { body, ...sent }) {
  return new Promise((done, fail) => {
    const stream = request(url, { agent: false, ...sent });
    stream.on("response", (answer) => {
      answer.on("error", () => {});
      if (answer.statusCode !== 200) fail(new Error(`a stream: ${answer.statusCode}`));
      answer.once("data", () => done(stream));
    });
    stream.on("error", fail).end(body);
  });
}

describe("memory of streams", () => {
  let gateway, server, key, url;

  before(async () => {
    gateway = await startGateway({ logLevel: "warn", env: { GATEWRIGHT__LIMITS__PROJECT_SHARE_PERCENT: "100" } });
    server = await startFlooding();
    const { id } = await gateway.create("servers", { slug: "flooding", url: server.url });
    ({ key } = await gateway.create("api-keys", { name: "flooding", role: "gateway" }));
    ({ url } = await gateway.create("gateways", { name: "flooding", slug: "flooding", authentication_mode: "headers", servers: [id] }));
  });

  after(async () => {
    await gateway?.stop();
    await server?.stop();
  });

  const resident = async () => (await memory(gateway.pid())).resident;

  test("each subscription takes less than 60 kB", async () => {
    const uris = Array.from({ length: RESOURCES }, (_, n) => `memo://${n}`);
    const body = mcpMessage("subscriptions/listen", { notifications: { toolsListChanged: true, resourceSubscriptions: uris } });
    const subscribe = (user) =>
      openStream(url, { method: "POST", headers: mcpHeaders({ bearer: key, user, method: "subscriptions/listen" }), body });
    const ofEach = (prefix) => Promise.all(Array.from({ length: USERS }, (_, user) => subscribe(`${prefix} ${user}`)));
    const streams = await ofEach("user");
    const before = await resident();
    for (let number = 1; number < OF_USER; number += 1) streams.push(...(await ofEach("user")));
    const each = ((await resident()) - before) / 1024 / (USERS * (OF_USER - 1));
    for (const stream of streams) stream.removeAllListeners("error").on("error", () => {}).destroy();
    assert.ok(each < STREAM_MAX, `${each.toFixed(1)} kB each`);
  });

  test("answers whose clients left take no more than is kept for them", async () => {
    const before = await resident();
    const call = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "t", arguments: {} } });
    const leave = async (user) => {
      const { headers, ...first } = initialize({ bearer: key, user });
      const begun = await fetch(url, { headers, ...first });
      await begun.text();
      const session = { ...headers, "mcp-session-id": begun.headers.get("mcp-session-id"), "mcp-protocol-version": "2025-11-25" };
      const stream = await openStream(url, { method: "POST", headers: session, body: call });
      stream.removeAllListeners("error").on("error", () => {}).destroy();
    };
    const all = Array.from({ length: USERS * LEFT_OF_USER }, (_, number) => leave(`leaver ${number % USERS}`));
    await Promise.all(all);
    assert.equal(server.open.length, USERS * LEFT_OF_USER);
    await server.flood();
    const grown = async () => ((await resident()) - before) / MEGABYTE;
    // Something is kept, up to the limit.
    await within(30_000, async () => (await grown()) > KEPT / 2, async () => `only ${await grown()} MB are kept`);
    const isRead = () => server.open.every((response) => response.destroyed || response.writableLength === 0);
    await within(60_000, isRead, "what the server sends is neither read nor refused");
    const { peak } = await memory(gateway.pid());
    const most = (peak - before) / MEGABYTE;
    assert.ok(most < KEPT + BESIDE, `${most.toFixed(0)} MB at the peak, of ${USERS * LEFT_OF_USER * 10} MB that were sent`);
  });
});
