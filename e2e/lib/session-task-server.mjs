// An MCP server of 2025-11-25 with tasks, on version 1 of the official TypeScript SDK.

import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { InMemoryTaskMessageQueue, InMemoryTaskStore } from "@modelcontextprotocol/sdk/experimental/tasks/stores/in-memory.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { ElicitResultSchema } from "@modelcontextprotocol/sdk/types.js";
import { listen } from "./listen.mjs";

const CAPABILITIES = { tools: {}, tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } } };
const text = (value) => ({ content: [{ type: "text", text: value }] });

/** A tool that works as a task; `work` returns its result. */
function addTool(mcp, name, taskSupport, work) {
  mcp.experimental.tasks.registerToolTask(
    name,
    { description: name, execution: { taskSupport } },
    {
      async createTask(extra) {
        const task = await extra.taskStore.createTask({ ttl: extra.taskRequestedTtl, pollInterval: 50 });
        work(extra, task)
          .then((result) => extra.taskStore.storeTaskResult(task.taskId, "completed", result))
          .catch(() => {});
        return { task };
      },
      getTask: (extra) => extra.taskStore.getTask(extra.taskId),
      getTaskResult: (extra) => extra.taskStore.getTaskResult(extra.taskId),
    },
  );
}

/** Starts it on a free port. All sessions share one store, as behind a credential that all users share. */
export async function startSessionTaskServer() {
  const taskStore = new InMemoryTaskStore();
  const taskMessageQueue = new InMemoryTaskMessageQueue();
  const sessions = new Map();
  const begin = async () => {
    const mcp = new McpServer({ name: "session-tasks", version: "1.0.0" }, { capabilities: CAPABILITIES, taskStore, taskMessageQueue });
    addTool(mcp, "quick", "optional", async () => text("It is done."));
    addTool(mcp, "endless", "required", () => new Promise(() => {}));
    addTool(mcp, "ask", "required", async ({ sendRequest }, { taskId }) => {
      const params = { message: "What is your name?", requestedSchema: { type: "object", properties: { name: { type: "string" } } } };
      const request = { method: "elicitation/create", params };
      const { content } = await sendRequest(request, ElicitResultSchema, { relatedTask: { taskId } });
      return text(`Hello, ${content.name}!`);
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
  return {
    url: `${origin}/mcp`,
    stop: async () => {
      taskStore.cleanup();
      await stop();
    },
  };
}
