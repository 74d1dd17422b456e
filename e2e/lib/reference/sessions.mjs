// The reference server of the session-based revisions, on version 1 of the official TypeScript SDK.

import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import * as types from "@modelcontextprotocol/sdk/types.js";
import { listen } from "../listen.mjs";
import { pause } from "../time.mjs";
import {
  PLAIN_TOOLS,
  PROMPTS,
  RESOURCES,
  SCHEMA_TOOL,
  SERVER_INFO,
  TEMPLATE,
  completed,
  contentsOf,
  templated,
  text,
} from "./contents.mjs";
import { REQUESTING_PROMPT, REQUESTING_TOOLS } from "./requests.mjs";

/** Milliseconds between two messages of one call. */
const STEP = 50;

const CAPABILITIES = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { subscribe: true, listChanged: true },
  completions: {},
  logging: {},
};

/** Tools that do something while they are called. */
const ACTIVE_TOOLS = [
  ...["test_tool_with_logging", "test_logging_tool"].map((name) => ({
    name,
    description: "Logs three messages",
    call: async (_given, { sendNotification }) => {
      for (const data of ["It starts", "It works", "It is done"]) {
        await sendNotification({ method: "notifications/message", params: { level: "info", data } });
        await pause(STEP);
      }
      return [text("It logged.")];
    },
  })),
  {
    name: "test_tool_with_progress",
    description: "Reports its progress three times",
    call: async (_given, { sendNotification, _meta }) => {
      const progressToken = _meta?.progressToken;
      for (const progress of [0, 50, 100]) {
        if (progressToken === undefined) break;
        await sendNotification({ method: "notifications/progress", params: { progressToken, progress, total: 100 } });
        await pause(STEP);
      }
      return [text("It is done.")];
    },
  },
  {
    name: "test_reconnection",
    description: "Closes the stream of its call, and answers to the client that comes back",
    call: async (_given, { closeSSEStream }) => {
      closeSSEStream?.();
      await pause(2 * STEP);
      return [text("The client came back.")];
    },
  },
  ...["tool", "prompt"].map((kind) => ({
    name: `test_trigger_${kind}_change`,
    description: `Announces to every session that the ${kind}s have changed`,
    call: async (_given, { announce }) => {
      await announce({ method: `notifications/${kind}s/list_changed` });
      return [text("It is announced.")];
    },
  })),
  {
    name: "test_error_handling",
    description: "Fails",
    call: () => {
      throw new Error("This tool always fails.");
    },
  },
];

const TOOLS = [...PLAIN_TOOLS, SCHEMA_TOOL, ...ACTIVE_TOOLS, ...REQUESTING_TOOLS];

const ALL_PROMPTS = [...PROMPTS, REQUESTING_PROMPT];

const unknown = (what) => new types.McpError(types.ErrorCode.InvalidParams, `There is no such ${what}.`);

async function callTool({ params }, extra) {
  const tool = TOOLS.find(({ name }) => name === params.name);
  if (!tool) throw unknown("tool");
  try {
    return { content: tool.answer ?? (await tool.call(params.arguments ?? {}, extra)) };
  } catch (error) {
    return { content: [text(error.message)], isError: true };
  }
}

function readResource({ params: { uri } }) {
  const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1];
  if (id) return { contents: [templated(uri, id)] };
  const resource = RESOURCES.find((each) => each.uri === uri);
  if (!resource) throw new types.McpError(-32002, "There is no such resource.", { uri });
  return { contents: [contentsOf(resource)] };
}

async function getPrompt({ params }, extra) {
  const prompt = ALL_PROMPTS.find(({ name }) => name === params.name);
  if (!prompt) throw unknown("prompt");
  return { messages: await prompt.get(params.arguments ?? {}, extra) };
}

const listedTool = ({ name, description, inputSchema = { type: "object", properties: {} } }) => ({ name, description, inputSchema });

const listedPrompt = ({ name, description, arguments: given = {} }) => ({
  name,
  description,
  arguments: Object.entries(given).map(([key, meaning]) => ({ name: key, description: meaning, required: true })),
});

const listedResource = ({ uri, name, description, mimeType }) => ({ uri, name, description, mimeType });

/** A server for one session; `announce` sends a notification to every session. */
function makeServer(announce) {
  const server = new Server(SERVER_INFO, { capabilities: CAPABILITIES });
  const known = (extra) => ({ ...extra, announce, client: server.getClientCapabilities() ?? {} });
  server.setRequestHandler(types.ListToolsRequestSchema, () => ({ tools: TOOLS.map(listedTool) }));
  server.setRequestHandler(types.CallToolRequestSchema, (request, extra) => callTool(request, known(extra)));
  server.setRequestHandler(types.ListPromptsRequestSchema, () => ({ prompts: ALL_PROMPTS.map(listedPrompt) }));
  server.setRequestHandler(types.GetPromptRequestSchema, getPrompt);
  server.setRequestHandler(types.ListResourcesRequestSchema, () => ({ resources: RESOURCES.map(listedResource) }));
  server.setRequestHandler(types.ListResourceTemplatesRequestSchema, () => ({ resourceTemplates: [TEMPLATE] }));
  server.setRequestHandler(types.ReadResourceRequestSchema, readResource);
  server.setRequestHandler(types.SubscribeRequestSchema, () => ({}));
  server.setRequestHandler(types.UnsubscribeRequestSchema, () => ({}));
  server.setRequestHandler(types.CompleteRequestSchema, ({ params }) => completed(params.argument.value));
  return server;
}

/** Remembers what was sent on a stream, for a client that comes back to it. */
function makeEventStore() {
  const events = [];
  return {
    storeEvent: async (stream, message) => String(events.push({ stream, message })),
    getStreamIdForEventId: async (id) => events[Number(id) - 1]?.stream,
    replayEventsAfter: async (last, { send }) => {
      const stream = events[Number(last) - 1]?.stream;
      for (const [index, event] of events.entries()) {
        const late = index >= Number(last) && event.stream === stream && Object.keys(event.message).length > 0;
        if (late) await send(String(index + 1), event.message);
      }
      return stream;
    },
  };
}

/** Starts it on a free port. */
export async function startSessions() {
  const sessions = new Map();
  const announce = (message) => Promise.all([...sessions.values()].map((transport) => transport.send({ jsonrpc: "2.0", ...message })));
  let own;
  const begin = async () => {
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      eventStore: makeEventStore(),
      retryInterval: 500,
      enableDnsRebindingProtection: true,
      allowedHosts: [new URL(own).host],
      allowedOrigins: [own],
      onsessioninitialized: (id) => void sessions.set(id, transport),
      onsessionclosed: (id) => void sessions.delete(id),
    });
    await makeServer(announce).connect(transport);
    return transport;
  };
  const http = createServer(async (request, response) => {
    const id = request.headers["mcp-session-id"];
    const transport = id === undefined ? await begin() : sessions.get(id);
    if (transport) return transport.handleRequest(request, response);
    const error = { code: -32001, message: "There is no such session." };
    return response.writeHead(404, { "content-type": "application/json" }).end(JSON.stringify({ jsonrpc: "2.0", id: null, error }));
  });
  const { origin, stop } = await listen(http);
  own = origin;
  return { url: `${origin}/mcp`, stop };
}
