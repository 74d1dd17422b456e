// Two MCP servers that report while they work and ask before they continue, on the official TypeScript SDK: version 1 with sessions,
// version 2 without.

import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { McpServer as SessionServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import {
  McpServer as StatelessServer,
  acceptedContent,
  createMcpHandler,
  createRequestStateCodec,
  fromJsonSchema,
  inputRequired,
  inputResponse,
} from "@modelcontextprotocol/server";
import { listen } from "./listen.mjs";

const text = (value) => ({ content: [{ type: "text", text: value }] });

/** What the tool `book` asks for first. */
export const BOOKING = {
  type: "object",
  properties: {
    name: { type: "string", title: "Name of the guest", minLength: 2 },
    email: { type: "string", title: "E-mail address", format: "email" },
    day: { type: "string", title: "Day", format: "date", default: "2026-12-24" },
    people: { type: "integer", title: "People", minimum: 1, maximum: 8, default: 2 },
    room: {
      type: "string",
      title: "Room",
      oneOf: [
        { const: "in", title: "Inside" },
        { const: "out", title: "Terrace" },
      ],
      default: "in",
    },
    wishes: {
      type: "array",
      title: "Wishes",
      items: {
        anyOf: [
          { const: "window", title: "At a window" },
          { const: "quiet", title: "A quiet corner" },
          { const: "high", title: "A high chair" },
        ],
      },
      maxItems: 2,
    },
  },
  required: ["name", "email", "people"],
};
const SURE = { type: "object", properties: { sure: { type: "boolean", title: "Book it", default: true } }, required: ["sure"] };
const FIRST = "For whom is the table? <b>Please</b> fill in who comes.";
const PAGE = "https://accounts.example.com/connect?for=calendar&state=abc";

const asForm = (message, requestedSchema) => ({ message, requestedSchema });

/** Reports until it is asked to continue or is cancelled: `told` keeps what happened, `goOn()` lets it finish. */
function makeExport() {
  const told = { cancelled: 0, finished: 0 };
  let goOn = () => {};
  const run = async ({ signal, progress, log }) => {
    const waiting = new Promise((resolve) => {
      goOn = () => resolve("finished");
      signal.addEventListener("abort", () => resolve("cancelled"), { once: true });
    });
    await log("debug", "Connecting to the archive");
    await log("info", "Reading <i>table</i> orders");
    await progress(40, 100, "Exporting orders");
    await log("warning", "Two rows are odd");
    const how = await waiting;
    told[how] += 1;
    return text("Exported 100 rows.");
  };
  return { told, run, goOn: () => goOn() };
}

/** The server with sessions (2025-11-25), which asks during the call. */
export async function startAskingSessions() {
  const exporting = makeExport();
  const sessions = new Map();
  const begin = async () => {
    const mcp = new SessionServer({ name: "restaurant", version: "1.0.0" }, { capabilities: { logging: {} } });
    const during = ({ requestId }) => ({ relatedRequestId: requestId });
    mcp.registerTool("book", { description: "Books a table, and asks for what it needs" }, async (extra) => {
      const first = await mcp.server.elicitInput(asForm(FIRST, BOOKING), during(extra));
      if (first.action !== "accept") return text(`You chose ${first.action}.`);
      const second = await mcp.server.elicitInput(asForm(`A table for ${first.content.people}, is that right?`, SURE), during(extra));
      return text(JSON.stringify({ ...first.content, ...second.content }));
    });
    mcp.registerTool("connect", { description: "Leads to a page first" }, async (extra) => {
      const params = { mode: "url", message: "Connect your calendar first.", url: PAGE, elicitationId: randomUUID() };
      const { action } = await mcp.server.elicitInput(params, during(extra));
      return text(`You chose ${action}.`);
    });
    mcp.registerTool("export", { description: "Exports for a while" }, ({ _meta, sendNotification, signal }) =>
      exporting.run({
        signal,
        progress: (progress, total, message) =>
          sendNotification({
            method: "notifications/progress",
            params: { progressToken: _meta.progressToken, progress, total, message },
          }),
        log: (level, data) => sendNotification({ method: "notifications/message", params: { level, data } }),
      }),
    );
    const onsessioninitialized = (id) => void sessions.set(id, transport);
    const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: randomUUID, onsessioninitialized });
    await mcp.connect(transport);
    return transport;
  };
  const server = createServer(async (request, response) => {
    const transport = sessions.get(request.headers["mcp-session-id"]) ?? (await begin());
    await transport.handleRequest(request, response);
  });
  const { origin, stop } = await listen(server);
  return { url: `${origin}/mcp`, exporting, stop };
}

/** The server without sessions (2026-07-28), which asks in the place of a result. */
export async function startAskingStateless() {
  const exporting = makeExport();
  const codec = createRequestStateCodec({ key: crypto.getRandomValues(new Uint8Array(32)) });
  const answerTo = ({ mcpReq }, key) => inputResponse(mcpReq.inputResponses, key);
  const book = async (ctx) => {
    const { first } = ctx.mcpReq.requestState() ?? {};
    const sure = acceptedContent(ctx.mcpReq.inputResponses, "sure");
    if (first && sure) return text(JSON.stringify({ ...first, ...sure }));
    const guest = acceptedContent(ctx.mcpReq.inputResponses, "guest");
    if (guest) {
      const elicited = inputRequired.elicit(asForm(`A table for ${guest.people}, is that right?`, SURE));
      return inputRequired({ inputRequests: { sure: elicited }, requestState: await codec.mint({ first: guest }) });
    }
    const given = answerTo(ctx, "guest");
    if (given?.kind === "elicit" && given.action !== "accept") return text(`You chose ${given.action}.`);
    const inputRequests = { guest: inputRequired.elicit(asForm(FIRST, BOOKING)) };
    return inputRequired({ inputRequests, requestState: await codec.mint({ asked: "guest" }) });
  };
  const connect = (ctx) => {
    const given = answerTo(ctx, "page");
    if (given?.kind === "elicit") return text(`You chose ${given.action}.`);
    const page = { method: "elicitation/create", params: { mode: "url", message: "Connect your calendar first.", url: PAGE } };
    return inputRequired({ inputRequests: { page } });
  };
  const handler = createMcpHandler(
    () => {
      const server = new StatelessServer(
        { name: "bistro", version: "1.0.0" },
        { capabilities: { logging: {} }, requestState: { verify: codec.verify } },
      );
      server.registerTool("book", { description: "Books a table, and asks for what it needs" }, book);
      server.registerTool("connect", { description: "Leads to a page first" }, connect);
      const inputSchema = fromJsonSchema({ type: "object", properties: { table: { type: "string" } } });
      server.registerTool("export", { description: "Exports for a while", inputSchema }, (_given, { mcpReq }) =>
        exporting.run({
          signal: mcpReq.signal,
          progress: (progress, total, message) =>
            mcpReq.notify({
              method: "notifications/progress",
              params: { progressToken: mcpReq._meta.progressToken, progress, total, message },
            }),
          log: (level, data) => mcpReq.log(level, data),
        }),
      );
      return server;
    },
    { legacy: "reject" },
  );
  const { origin, stop } = await listen(createServer(toNodeHandler(handler)));
  return {
    url: `${origin}/mcp`,
    exporting,
    stop: async () => {
      await handler.close();
      await stop();
    },
  };
}
