// One session at two replicas on PostgreSQL: what the client asks for at one of them holds at the other, which has its stream and
// its calls.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { LoggingMessageNotificationSchema, ResourceUpdatedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { startGateway } from "./lib/gateway.mjs";
import { within } from "./lib/time.mjs";
import { WATCHED } from "./sdks/repertoire.mjs";
import { startTypeScript1 } from "./sdks/servers/typescript-1.mjs";

/** What the client asks for at the other replica. */
const ELSEWHERE = ["notifications/cancelled", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"];

describe("a session at two replicas", () => {
  let gateway, replica, server, headers, url;

  before(async () => {
    server = await startTypeScript1();
    gateway = await startGateway({ store: "postgres" });
    replica = await gateway.replica();
    const { key } = await gateway.create("api-keys", { name: "sessions", role: "gateway" });
    headers = { authorization: `Bearer ${key}`, "gatewright-user-id": "ada" };
    const { id } = await gateway.create("servers", { slug: "sessions", url: server.url });
    const made = { name: "Sessions", slug: "sessions", authentication_mode: "headers", servers: [id] };
    ({ url } = await gateway.create("gateways", made));
    const there = new URL(new URL(url).pathname, replica.origin);
    await within(5_000, async () => (await fetch(there, { method: "POST", headers })).status !== 404, "the replica knows the gateway");
  });

  after(async () => {
    for (const each of [replica, gateway, server]) await each?.stop();
  });

  /** A client, and what it sent to the other replica. */
  async function connected() {
    const sent = [];
    const spreading = (input, options) => {
      const at = new URL(input);
      const { method } = options?.body ? JSON.parse(options.body) : {};
      if (!ELSEWHERE.includes(method)) return fetch(at, options);
      sent.push(method);
      return fetch(`${replica.origin}${at.pathname}`, options);
    };
    const client = new Client({ name: "spread", version: "1.0.0" }, { capabilities: {} });
    await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers }, fetch: spreading }));
    return { client, sent };
  }

  const said = ({ content }) => content[0].text;

  test("a call is cancelled at the replica that does not run it", async () => {
    const { client, sent } = await connected();
    const [key, stop] = [crypto.randomUUID(), new AbortController()];
    const waiting = client.callTool({ name: "wait", arguments: { key } }, undefined, { signal: stop.signal });
    // Another call gets its answer, so the first has reached the server.
    await client.callTool({ name: "echo", arguments: { message: "here" } });
    stop.abort();
    await assert.rejects(waiting);
    const isCancelled = async () => said(await client.callTool({ name: "was_cancelled", arguments: { key } })) === "true";
    await within(10_000, isCancelled, "the server hears of it");
    assert.deepEqual(sent, ["notifications/cancelled"]);
    await client.close();
  });

  test("changes of a resource that was subscribed to at the other replica are told, until it is unsubscribed from there", async () => {
    const { client, sent } = await connected();
    const told = [];
    client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void told.push(params.uri));
    await client.subscribeResource({ uri: WATCHED.uri });
    const touched = async () => {
      await client.callTool({ name: "touch", arguments: {} });
      return told.length > 0;
    };
    await within(20_000, touched, "the change is told");
    assert.equal(told[0], WATCHED.uri);
    await client.unsubscribeResource({ uri: WATCHED.uri });
    const quiet = async () => {
      told.length = 0;
      for (let calls = 0; calls < 12; calls += 1) {
        await client.callTool({ name: "touch", arguments: {} });
        await client.ping();
      }
      return told.length === 0;
    };
    await within(20_000, quiet, "changes are no longer told");
    assert.deepEqual(sent, ["resources/subscribe", "resources/unsubscribe"]);
    await client.close();
  });

  test("log messages follow the level that was set at the other replica", async () => {
    const { client } = await connected();
    const told = [];
    client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => void told.push(params.data));
    await client.callTool({ name: "log", arguments: {} });
    assert.deepEqual(told, ["one", "two", "three"]);
    await client.setLoggingLevel("error");
    const quiet = async () => {
      told.length = 0;
      await client.callTool({ name: "log", arguments: {} });
      return told.length === 0;
    };
    await within(10_000, quiet, "the level holds");
    await client.close();
  });

  test("a replica that starts later knows what the client asked for before", async () => {
    const { client } = await connected();
    const { sessionId } = client.transport;
    await client.setLoggingLevel("error");
    const late = await gateway.replica();
    const at = `${late.origin}${new URL(url).pathname}`;
    const session = { ...headers, "mcp-session-id": sessionId, "mcp-protocol-version": "2025-11-25" };
    const accept = { accept: "application/json, text/event-stream", "content-type": "application/json" };
    const params = { name: "log", arguments: {} };
    const body = JSON.stringify({ jsonrpc: "2.0", id: "late", method: "tools/call", params });
    const answer = await fetch(at, { method: "POST", headers: { ...session, ...accept }, body });
    const text = await answer.text();
    assert.match(text, /logged/);
    assert.doesNotMatch(text, /notifications\/message/);
    await late.stop();
    await client.close();
  });
});
