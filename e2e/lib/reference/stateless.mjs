// The reference server of the revision 2026-07-28, on version 2 of the official TypeScript SDK.

import { createServer } from "node:http";
import { localhostHostValidation, localhostOriginValidation, toNodeHandler } from "@modelcontextprotocol/node";
import {
  McpServer,
  ResourceTemplate,
  createMcpHandler,
  fromJsonSchema,
} from "@modelcontextprotocol/server";
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
  strings,
  templated,
  text,
} from "./contents.mjs";
import { ASKING_PROMPT, ASKING_TOOLS, verifyState } from "./questions.mjs";

/** Milliseconds between two messages of one call. */
const STEP = 50;

/** How long its lists can be kept, and by whom. */
const HINT = { ttlMs: 300_000, cacheScope: "public" };

const OPTIONS = {
  capabilities: {
    tools: { listChanged: true },
    prompts: { listChanged: true },
    resources: { subscribe: true, listChanged: true },
    completions: {},
    logging: {},
  },
  cacheHints: Object.fromEntries(
    ["tools/list", "prompts/list", "resources/list", "resources/templates/list", "server/discover"].map((method) => [method, HINT]),
  ),
  requestState: { verify: verifyState },
};

const answered = (value) => ({ content: [text(value)] });

/** Tools that do something while they are called; `notify` announces that lists have changed. */
const activeTools = (notify) => [
  {
    name: "test_tool_with_progress",
    description: "Reports its progress three times",
    call: async ({ mcpReq }) => {
      const progressToken = mcpReq._meta?.progressToken;
      for (const progress of [0, 50, 100]) {
        if (progressToken === undefined) break;
        await mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress, total: 100 } });
        await pause(STEP);
      }
      return answered("It is done.");
    },
  },
  ...["test_logging_tool", "test_tool_with_logging"].map((name) => ({
    name,
    description: "Logs three messages to clients that ask for them",
    call: async ({ mcpReq }) => {
      for (const data of ["It starts", "It works", "It is done"]) {
        await mcpReq.log("info", data);
        await pause(STEP);
      }
      return answered("It logged.");
    },
  })),
  {
    name: "test_error_handling",
    description: "Fails",
    call: () => {
      throw new Error("This tool always fails.");
    },
  },
  {
    name: "test_trigger_tool_change",
    description: "Announces that the tools have changed",
    call: () => {
      notify().toolsChanged();
      return answered("It is announced.");
    },
  },
  {
    name: "test_trigger_prompt_change",
    description: "Announces that the prompts have changed",
    call: () => {
      notify().promptsChanged();
      return answered("It is announced.");
    },
  },
];

/** A tool one of whose arguments is also in a header (SEP-2243). */
const HEADER_TOOL = {
  name: "test_header_argument",
  description: "Has an argument that is also in a header",
  inputSchema: { type: "object", properties: { region: { type: "string", "x-mcp-header": "Region" } } },
  call: () => answered("The header matches."),
};

function addTools(server, tools) {
  for (const { name, description, inputSchema, answer, call } of tools) {
    const act = call ?? (() => ({ content: answer }));
    if (inputSchema) {
      server.registerTool(name, { description, inputSchema: fromJsonSchema(inputSchema) }, (given, ctx) => act(ctx, given));
    } else {
      server.registerTool(name, { description }, act);
    }
  }
}

function addPrompts(server) {
  for (const { name, description, arguments: given, get } of PROMPTS) {
    if (given) {
      const argsSchema = fromJsonSchema(strings(given));
      server.registerPrompt(name, { description, argsSchema }, (values) => ({ messages: get(values) }));
    } else {
      server.registerPrompt(name, { description }, () => ({ messages: get({}) }));
    }
  }
  const { name, description, get } = ASKING_PROMPT;
  server.registerPrompt(name, { description }, get);
}

function addResources(server) {
  for (const resource of RESOURCES) {
    const { uri, name, description, mimeType } = resource;
    server.registerResource(name, uri, { description, mimeType, cacheHint: HINT }, () => ({ contents: [contentsOf(resource)] }));
  }
  const { uriTemplate, name, description, mimeType } = TEMPLATE;
  const template = new ResourceTemplate(uriTemplate, { list: undefined });
  server.registerResource(name, template, { description, mimeType }, (uri, { id }) => ({ contents: [templated(uri.href, id)] }));
}

/** Starts it on a free port. */
export async function startStateless() {
  const handler = createMcpHandler(
    () => {
      const server = new McpServer(SERVER_INFO, OPTIONS);
      addTools(server, [...PLAIN_TOOLS, SCHEMA_TOOL, HEADER_TOOL, ...activeTools(() => handler.notify), ...ASKING_TOOLS]);
      addPrompts(server);
      addResources(server);
      server.server.setRequestHandler("completion/complete", ({ params }) => completed(params.argument.value));
      return server;
    },
    { legacy: "reject" },
  );
  const serve = toNodeHandler(handler);
  const hostIsLocal = localhostHostValidation();
  const originIsLocal = localhostOriginValidation();
  const http = createServer((request, response) => {
    if (hostIsLocal(request, response) && originIsLocal(request, response)) serve(request, response);
  });
  const { origin, stop } = await listen(http);
  return {
    url: `${origin}/mcp`,
    stop: async () => {
      await handler.close();
      await stop();
    },
  };
}
