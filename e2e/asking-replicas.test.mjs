// What servers ask of clients, with two replicas on PostgreSQL: each answer arrives at the replica that does not wait for it.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Client as StatelessClient, StreamableHTTPClientTransport as StatelessTransport } from "@modelcontextprotocol/client";
import { Client as SessionClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as SessionTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { startGateway } from "./lib/gateway.mjs";
import { startReferenceServer } from "./lib/reference-server.mjs";
import { within } from "./lib/time.mjs";

const REVISIONS = ["2025-11-25", "2026-07-28"];
const INFO = { name: "asked", version: "1.0.0" };
const CAPABILITIES = { elicitation: {} };
const CALL = { name: "test_input_required_result_elicitation", arguments: {} };
const elicit = () => ({ action: "accept", content: { name: "Ada" } });

describe("what servers ask of clients of two replicas", () => {
  const urls = {};
  const parts = [];
  let gateway, replica, headers;

  before(async () => {
    gateway = await startGateway({ store: "postgres" });
    replica = await gateway.replica();
    const { key } = await gateway.create("api-keys", { name: "asking", role: "gateway" });
    headers = { authorization: `Bearer ${key}`, "gatewright-user-id": "ada" };
    for (const revision of REVISIONS) {
      const server = await startReferenceServer(revision);
      parts.push(server);
      const { id } = await gateway.create("servers", { slug: `asking-${revision}`, url: server.url });
      const made = { name: revision, slug: `asking-${revision}`, authentication_mode: "headers", servers: [id] };
      urls[revision] = (await gateway.create("gateways", made)).url;
      const there = new URL(new URL(urls[revision]).pathname, replica.origin);
      await within(5_000, async () => (await fetch(there, { method: "POST", headers })).status !== 404, "the replica knows the gateway");
    }
  });

  after(async () => {
    for (const each of [replica, gateway, ...parts]) await each?.stop();
  });

  /** A fetch that sends answers to the other replica, and counts them. */
  function spread() {
    let sent = 0;
    const spreading = (input, options) => {
      const at = new URL(input);
      const message = options?.body ? JSON.parse(options.body) : {};
      const isAnswer = message.result !== undefined || message.params?.inputResponses !== undefined;
      if (!isAnswer) return fetch(at, options);
      sent += 1;
      return fetch(`${replica.origin}${at.pathname}`, options);
    };
    return { fetch: spreading, sent: () => sent };
  }

  for (const revision of REVISIONS) {
    test(`a client with a session answers a server of ${revision} at the other replica`, async () => {
      const spreading = spread();
      const client = new SessionClient(INFO, { capabilities: CAPABILITIES });
      client.setRequestHandler(ElicitRequestSchema, elicit);
      await client.connect(new SessionTransport(new URL(urls[revision]), { requestInit: { headers }, fetch: spreading.fetch }));
      const { content } = await client.callTool(CALL);
      assert.match(content[0].text, /Ada/);
      assert.equal(spreading.sent(), 1);
      await client.close();
    });

    test(`a stateless client answers a server of ${revision} at the other replica`, async () => {
      const spreading = spread();
      const client = new StatelessClient(INFO, { capabilities: CAPABILITIES, versionNegotiation: { mode: "auto" } });
      client.setRequestHandler("elicitation/create", elicit);
      await client.connect(new StatelessTransport(new URL(urls[revision]), { requestInit: { headers }, fetch: spreading.fetch }));
      const { content } = await client.callTool(CALL);
      assert.match(content[0].text, /Ada/);
      assert.equal(spreading.sent(), 1);
      await client.close();
    });
  }
});
