// A stateless server (2026-07-28), on version 2 of the official TypeScript SDK.

import { createServer } from "node:http";
import { toNodeHandler } from "@modelcontextprotocol/node";
import {
  McpServer,
  ResourceTemplate,
  acceptedContent,
  createMcpHandler,
  fromJsonSchema,
  inputRequired,
  inputResponse,
} from "@modelcontextprotocol/server";
import { listen } from "../../lib/listen.mjs";
import { FORM, PAGE, PROMPT, STATIC, TEMPLATE, TOOLS, WATCHED, completed, listed, textOf } from "../repertoire.mjs";

const CAPABILITIES = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { subscribe: true, listChanged: true },
  completions: {},
  logging: {},
};

const asking = (request) => inputRequired({ inputRequests: { answer: request } });

/** The answer to what was asked, if it is there. */
function answerTo({ mcpReq }, kind) {
  const response = inputResponse(mcpReq.inputResponses, "answer");
  return response.kind === kind ? response : undefined;
}

/** What a tool does; each gets its arguments, the request, and what all requests share. */
const ACTS = {
  echo: ({ message }) => message,
  ask_form: (_given, ctx) => {
    const content = acceptedContent(ctx.mcpReq.inputResponses, "answer");
    if (content) return `Hello, ${content.name}!`;
    return asking(inputRequired.elicit({ message: "What is your name?", requestedSchema: FORM }));
  },
  ask_url: (_given, ctx) => {
    const answer = answerTo(ctx, "elicit");
    return answer ? `The page was ${answer.action}ed.` : asking(inputRequired.elicitUrl(PAGE));
  },
  ask_model: (_given, ctx) => {
    const answer = answerTo(ctx, "sampling");
    if (answer) return `The model said: ${answer.result.content.text}`;
    const messages = [{ role: "user", content: { type: "text", text: "What is the capital of France?" } }];
    return asking(inputRequired.createMessage({ messages, maxTokens: 50 }));
  },
  ask_roots: (_given, ctx) => {
    const answer = answerTo(ctx, "roots");
    return answer ? answer.roots.map(({ uri }) => uri).join() : asking(inputRequired.listRoots());
  },
  log: async (_given, { mcpReq }) => {
    for (const data of ["one", "two", "three"]) await mcpReq.log("info", data);
    return "logged";
  },
  progress: async (_given, { mcpReq }) => {
    const { progressToken } = mcpReq._meta;
    for (const progress of [1, 2, 3]) {
      await mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress, total: 3 } });
    }
    return "done";
  },
  wait: ({ key }, { mcpReq }, { cancelled }) =>
    new Promise((done) => {
      mcpReq.signal.addEventListener("abort", () => {
        cancelled.add(key);
        done("cancelled");
      });
    }),
  was_cancelled: ({ key }, _ctx, { cancelled }) => String(cancelled.has(key)),
  change_tools: (_given, _ctx, { notify }) => {
    notify().toolsChanged();
    return "announced";
  },
  touch: (_given, _ctx, { notify }) => {
    notify().resourceUpdated(WATCHED.uri);
    return "announced";
  },
};

function makeServer(shared) {
  const server = new McpServer({ name: "typescript-2", version: "1.0.0" }, { capabilities: CAPABILITIES });
  for (const tool of TOOLS) {
    const { name, description, inputSchema } = listed(tool);
    server.registerTool(name, { description, inputSchema: fromJsonSchema(inputSchema) }, async (given, ctx) => {
      const done = await ACTS[name](given, ctx, shared);
      return typeof done === "string" ? { content: [{ type: "text", text: done }] } : done;
    });
  }
  const argsSchema = fromJsonSchema({ type: "object", properties: { name: { type: "string" } }, required: ["name"] });
  server.registerPrompt(PROMPT.name, { description: PROMPT.description, argsSchema }, ({ name }) => ({
    messages: [{ role: "user", content: { type: "text", text: `Greet ${name}.` } }],
  }));
  const read = (uri) => ({ contents: [{ uri: uri.href, mimeType: "text/plain", text: textOf(uri.href) }] });
  for (const { uri, name, mimeType } of [STATIC, WATCHED]) server.registerResource(name, uri, { mimeType }, read);
  const template = new ResourceTemplate(TEMPLATE.uriTemplate, { list: undefined });
  server.registerResource(TEMPLATE.name, template, { mimeType: TEMPLATE.mimeType }, read);
  server.server.setRequestHandler("completion/complete", ({ params }) => ({ completion: { values: completed(params.argument.value) } }));
  return server;
}

/** Starts it on a free port. */
export async function startTypeScript2() {
  const shared = { cancelled: new Set(), notify: () => handler.notify };
  const handler = createMcpHandler(() => makeServer(shared), { legacy: "reject" });
  const { origin, stop } = await listen(createServer(toNodeHandler(handler)));
  return {
    url: `${origin}/mcp`,
    stop: async () => {
      await handler.close();
      await stop();
    },
  };
}
