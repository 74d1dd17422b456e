// A server with sessions (2025-11-25), on version 1 of the official TypeScript SDK.

import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import * as types from "@modelcontextprotocol/sdk/types.js";
import { listen } from "../../lib/listen.mjs";
import { FORM, PAGE, PROMPT, STATIC, TEMPLATE, TOOLS, WATCHED, completed, listed, textOf } from "../repertoire.mjs";

const CAPABILITIES = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { subscribe: true, listChanged: true },
  completions: {},
  logging: {},
};

/** What a tool does; each gets its arguments, the request, and what all sessions share. */
const ACTS = {
  echo: ({ message }) => message,
  ask_form: async (_given, { sendRequest }) => {
    const params = { mode: "form", message: "What is your name?", requestedSchema: FORM };
    const { content } = await sendRequest({ method: "elicitation/create", params }, types.ElicitResultSchema);
    return `Hello, ${content.name}!`;
  },
  ask_url: async (_given, { sendRequest }) => {
    const params = { mode: "url", elicitationId: "consent-1", ...PAGE };
    const { action } = await sendRequest({ method: "elicitation/create", params }, types.ElicitResultSchema);
    return `The page was ${action}ed.`;
  },
  ask_model: async (_given, { sendRequest }) => {
    const messages = [{ role: "user", content: { type: "text", text: "What is the capital of France?" } }];
    const params = { messages, maxTokens: 50 };
    const { content } = await sendRequest({ method: "sampling/createMessage", params }, types.CreateMessageResultSchema);
    return `The model said: ${content.text}`;
  },
  ask_roots: async (_given, { sendRequest }) => {
    const { roots } = await sendRequest({ method: "roots/list" }, types.ListRootsResultSchema);
    return roots.map(({ uri }) => uri).join();
  },
  log: async (_given, { sendNotification }) => {
    for (const data of ["one", "two", "three"]) {
      await sendNotification({ method: "notifications/message", params: { level: "info", data } });
    }
    return "logged";
  },
  progress: async (_given, { sendNotification, _meta }) => {
    const { progressToken } = _meta;
    for (const progress of [1, 2, 3]) {
      await sendNotification({ method: "notifications/progress", params: { progressToken, progress, total: 3 } });
    }
    return "done";
  },
  wait: ({ key }, { signal }, { cancelled }) =>
    new Promise((done) => {
      signal.addEventListener("abort", () => {
        cancelled.add(key);
        done("cancelled");
      });
    }),
  was_cancelled: ({ key }, _request, { cancelled }) => String(cancelled.has(key)),
  change_tools: async (_given, _request, { announce }) => {
    await announce({ method: "notifications/tools/list_changed" });
    return "announced";
  },
  touch: async (_given, _request, { announce }) => {
    await announce({ method: "notifications/resources/updated", params: { uri: WATCHED.uri } });
    return "announced";
  },
};

function makeServer(shared) {
  const server = new Server({ name: "typescript-1", version: "1.0.0" }, { capabilities: CAPABILITIES });
  const on = (schema, handler) => server.setRequestHandler(schema, handler);
  on(types.ListToolsRequestSchema, () => ({ tools: TOOLS.map(listed) }));
  on(types.CallToolRequestSchema, async ({ params }, request) => {
    const text = await ACTS[params.name](params.arguments ?? {}, request, shared);
    return { content: [{ type: "text", text }] };
  });
  on(types.ListPromptsRequestSchema, () => ({ prompts: [PROMPT] }));
  on(types.GetPromptRequestSchema, ({ params }) => ({
    messages: [{ role: "user", content: { type: "text", text: `Greet ${params.arguments.name}.` } }],
  }));
  on(types.ListResourcesRequestSchema, () => ({ resources: [STATIC, WATCHED] }));
  on(types.ListResourceTemplatesRequestSchema, () => ({ resourceTemplates: [TEMPLATE] }));
  on(types.ReadResourceRequestSchema, ({ params: { uri } }) => ({ contents: [{ uri, mimeType: "text/plain", text: textOf(uri) }] }));
  on(types.SubscribeRequestSchema, () => ({}));
  on(types.UnsubscribeRequestSchema, () => ({}));
  on(types.CompleteRequestSchema, ({ params }) => ({ completion: { values: completed(params.argument.value) } }));
  return server;
}

/** Starts it on a free port. */
export async function startTypeScript1() {
  const sessions = new Map();
  const announce = (message) => Promise.all([...sessions.values()].map((transport) => transport.send({ jsonrpc: "2.0", ...message })));
  const shared = { announce, cancelled: new Set() };
  const begin = async () => {
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void sessions.set(id, transport),
      onsessionclosed: (id) => void sessions.delete(id),
    });
    await makeServer(shared).connect(transport);
    return transport;
  };
  const http = createServer(async (request, response) => {
    const id = request.headers["mcp-session-id"];
    const transport = id === undefined ? await begin() : sessions.get(id);
    if (transport) await transport.handleRequest(request, response);
    else response.writeHead(404).end();
  });
  const { origin, stop } = await listen(http);
  return { url: `${origin}/mcp`, stop };
}
